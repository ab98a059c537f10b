//! The HTTP client below the SDK: TLS, the certificates it trusts, and proxies.

use aws_sdk_s3::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};

use super::location::Location;

/// A client for this store. Proxies are those of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), and none for this machine.
pub(super) fn http_client(location: &Location) -> SharedHttpClient {
    let mut trusted = TrustStore::default();
    if let Some(certificates) = &location.certificates {
        trusted = TrustStore::empty().with_pem_certificate(certificates.clone());
    }
    let tls = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .unwrap_or_default();
    let proxies = match is_loopback(&location.endpoint) {
        true => ProxyConfig::disabled(),
        false => ProxyConfig::from_env(),
    };
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder();
        connector
            .set_connector_settings(settings.cloned())
            .set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector
            .proxy_config(proxies.clone())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone())
            .build()
    })
}

fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host);
    ["127.", "localhost", "[::1]"]
        .iter()
        .any(|own| host.starts_with(own))
}
