//! AWS's standard sources of credentials, for a store of which no keys are set: a profile, a web identity, a container's endpoint, the
//! metadata of an instance. What they give expires, and is asked for again before that by the SDK.

use std::error::Error;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::proxy::ProxyConfig;

use super::http_client::client;
use crate::error::chain;
use crate::log;
use crate::model::secret::Secret;
use crate::store::location::{Chain, Location};

/// Instances answer within milliseconds, and elsewhere nothing is at that address.
const INSTANCE_TIMEOUT: Duration = Duration::from_secs(1);
const INSTANCE_ATTEMPTS: u32 = 2;
/// An agent beside a container may have to ask AWS first.
const CONTAINER_TIMEOUT: Duration = Duration::from_secs(5);
/// For all sources together: a token may have to be exchanged in another region.
pub(super) const LOAD_TIMEOUT: Duration = Duration::from_secs(20);

/// Behind this a message repeats what the program of `credential_process` said.
const WORDS_OF_A_PROGRAM: &str = " Stderr:";

/// The sources in AWS's order. What they find is in no log.
#[derive(Debug)]
pub(super) struct StandardChain(CredentialsProviderChain);

impl StandardChain {
    pub(super) fn new(location: &Location, chain: Chain) -> Self {
        let of = |proxies| {
            ProviderConfig::empty()
                .with_behavior_version(Some(BehaviorVersion::latest()))
                .with_region(Some(Region::new(location.region.clone())))
                .with_http_client(client(location.certificates.clone(), proxies))
        };
        // AWS's services may be behind a proxy. What is beside this machine never is.
        let (far, near) = (of(ProxyConfig::from_env()), of(ProxyConfig::disabled()));
        let profile = ProfileFileCredentialsProvider::builder().configure(&far).build();
        let identity = WebIdentityTokenCredentialsProvider::builder()
            .configure(&far)
            .build();
        let container = EcsCredentialsProvider::builder()
            .configure(&near)
            .connect_timeout(CONTAINER_TIMEOUT)
            .read_timeout(CONTAINER_TIMEOUT)
            .build();
        let mut sources = CredentialsProviderChain::first_try("Profile", profile)
            .or_else("WebIdentityToken", identity)
            .or_else("Container", container);
        if chain.asks_instance {
            let instance = imds::Client::builder()
                .configure(&near)
                .connect_timeout(INSTANCE_TIMEOUT)
                .read_timeout(INSTANCE_TIMEOUT)
                .max_attempts(INSTANCE_ATTEMPTS)
                .build();
            let instance = ImdsCredentialsProvider::builder()
                .configure(&near)
                .imds_client(instance)
                .build();
            sources = sources.or_else("Instance", instance);
        }
        Self(sources)
    }
}

impl ProvideCredentials for StandardChain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let found = self.0.provide_credentials().await?;
            log::withhold(Secret::new(found.secret_access_key()));
            if let Some(token) = found.session_token() {
                log::withhold(Secret::new(token));
            }
            Ok(found)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.fallback_on_interrupt()
    }
}

/// Why there are no credentials, where that is the error: what happened, and what to do.
pub(super) fn trouble_in(error: &(dyn Error + 'static)) -> Option<(String, &'static str)> {
    for cause in chain(error) {
        if let Some(refusal) = cause.downcast_ref::<CredentialsError>() {
            return Some(told(refusal));
        }
        // The SDK gives its own timeout no type.
        if cause.to_string().starts_with("identity resolver timed out") {
            let seconds = LOAD_TIMEOUT.as_secs();
            return Some((
                format!("a source of AWS's did not answer within {seconds} s"),
                FAILED,
            ));
        }
    }
    None
}

fn told(refusal: &CredentialsError) -> (String, &'static str) {
    if let CredentialsError::CredentialsNotLoaded(_) = refusal {
        let why = "no keys are set, and neither a profile, a web identity, a container nor an instance of AWS gives any";
        return (why.to_owned(), NONE);
    }
    // What lies below names the address or the refusal. Only the words of a program that was asked may hold anything, keys too.
    let own = |cause: &(dyn Error + 'static)| {
        let text = cause.to_string();
        text.split(WORDS_OF_A_PROGRAM)
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let mut told: Vec<String> = chain(refusal).skip(1).map(own).collect();
    told.dedup();
    (format!("a source of AWS's failed: {}", told.join(": ")), FAILED)
}

const NONE: &str = "set R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY (or those with AWS_ for R2_), or AWS_PROFILE to a profile of \
     ~/.aws/credentials; on a machine of AWS's give it a role";
const FAILED: &str = "put right what the cause names (AWS_PROFILE and its credential_process, AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_CREDENTIALS_FULL_URI), or set \
     R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY";
