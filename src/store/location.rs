//! Where a bucket is and how to be let in.

use std::str::FromStr;

use crate::error::{Error, Kind};
use crate::model::secret::Secret;

/// The region of stores that have none, such as R2.
pub const NO_REGION: &str = "auto";

/// Where a bucket is and how to be let in.
#[derive(Clone, Debug)]
pub struct Location {
    /// The service's address, such as `https://ACCOUNT.r2.cloudflarestorage.com`.
    pub endpoint: String,
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Where the bucket's name is in an address.
    pub addressing: Addressing,
    /// AWS's standard sources of credentials, where no keys are set: then those below are empty.
    pub chain: Option<Chain>,
    pub access_key_id: String,
    /// The key that signs.
    pub secret_access_key: Secret,
    /// What goes with credentials that expire.
    pub session_token: Option<Secret>,
    /// The certificates that are trusted instead of the system's, as PEM.
    pub certificates: Option<Vec<u8>>,
}

impl Location {
    /// A bucket of a store without regions, which is addressed by path.
    pub fn new(endpoint: &str, bucket: &str, access_key_id: &str, secret_access_key: Secret) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            region: NO_REGION.to_owned(),
            addressing: Addressing::Path,
            chain: None,
            access_key_id: access_key_id.to_owned(),
            secret_access_key,
            session_token: None,
            certificates: None,
        }
    }
}

/// AWS's standard sources of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Whether the metadata of an instance is one: outside AWS nothing is at its address.
    pub asks_instance: bool,
}

/// Where the bucket's name is in an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `https://HOST/BUCKET/KEY`.
    Path,
    /// `https://BUCKET.HOST/KEY`.
    VirtualHost,
}

impl FromStr for Addressing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "path" => Ok(Self::Path),
            "virtual-host" => Ok(Self::VirtualHost),
            _ => Err(
                Error::new(Kind::Usage, format!("{text:?} is no way to address a bucket"))
                    .hint("write `path` for HOST/BUCKET, or `virtual-host` for BUCKET.HOST"),
            ),
        }
    }
}

/// The region in the name of one of AWS's hosts, as in `s3.eu-central-1.amazonaws.com`. The host without one is in `us-east-1`.
pub fn region_of_aws(endpoint: &str) -> Option<&str> {
    let (_, host) = endpoint.split_once("://")?;
    let host = host.trim_end_matches('/');
    let name = host
        .strip_suffix(".amazonaws.com")
        .or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let labels: Vec<&str> = name.split('.').collect();
    match labels.as_slice() {
        ["s3"] => Some("us-east-1"),
        ["s3", "dualstack", region] | ["s3" | "s3-fips", region] => Some(region),
        [old] => old.strip_prefix("s3-"),
        _ => None,
    }
}
