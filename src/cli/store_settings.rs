//! Where the store is and how to be let in, from flags, environment and configuration.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::settings::{FoundSetting, Settings};
use super::store_arguments::StoreArguments;
use crate::error::{Error, Kind, Result};
use crate::model::prefix::parse_prefix;
use crate::model::secret::Secret;
use crate::store::{
    Addressing, Chain, Location, NO_REGION, Store, StoreAddress, directory_of, region_of_aws,
};

/// What the settings of a store are called in the environment. Names with the ending `_FILE` hold the path of a file.
pub(super) struct Names {
    pub(super) id: &'static str,
    pub(super) secret: &'static str,
    pub(super) token: &'static str,
    /// Besides this program's own.
    others: &'static [(&'static str, &'static [&'static str])],
}

/// Those are taken of whose keys anything is set first, so that nothing is half of one store and half of another.
const NAMES: [Names; 3] = [
    Names {
        id: "R2_ACCESS_KEY_ID",
        secret: "R2_SECRET_ACCESS_KEY",
        token: "R2_SESSION_TOKEN",
        others: &[],
    },
    Names {
        id: "S3_ACCESS_KEY_ID",
        secret: "S3_SECRET_ACCESS_KEY",
        token: "S3_SESSION_TOKEN",
        others: &[
            ("R2_ENDPOINT_URL", &["S3_ENDPOINT_URL"]),
            ("R2_BUCKET", &["S3_BUCKET"]),
            ("R2_PREFIX", &["S3_PREFIX"]),
            ("R2_REGION", &["S3_REGION"]),
            ("R2_ADDRESSING", &["S3_ADDRESSING"]),
        ],
    },
    Names {
        id: "AWS_ACCESS_KEY_ID",
        secret: "AWS_SECRET_ACCESS_KEY",
        token: "AWS_SESSION_TOKEN",
        others: &[
            ("R2_ENDPOINT_URL", &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]),
            ("R2_REGION", &["AWS_REGION", "AWS_DEFAULT_REGION"]),
        ],
    },
];

/// Where AWS's tools find the metadata of an instance, if not at the usual address.
const INSTANCE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// The variables by which one of AWS's standard sources of credentials is named.
const AWS_SOURCES: [&str; 5] = [
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    INSTANCE,
];

impl Settings<'_> {
    /// The store, below its key prefix. Nothing is sent yet.
    pub(super) fn open_store(&self, flags: &StoreArguments) -> Result<Store> {
        Ok(Store::at(&self.store_address(flags)?).below(&self.prefix(flags)?))
    }

    /// The directory that the store's address names, or the bucket. A directory takes no keys, and a bucket that is named is a
    /// directory below it.
    pub fn store_address(&self, flags: &StoreArguments) -> Result<StoreAddress> {
        let Some(mut directory) = self.directory(flags)? else {
            return self.store(flags).map(StoreAddress::S3);
        };
        if let Some(bucket) = self.of_store(flags.bucket.as_ref(), "R2_BUCKET")? {
            if bucket.contains('/') || [".", ".."].contains(&&*bucket) {
                let message = format!("{bucket:?} is no name of a directory below the store's");
                return Err(Error::new(Kind::Usage, message).hint(
                    "name the whole path in the address, as in file:///backups/product, or use --prefix",
                ));
            }
            directory.push(bucket);
        }
        Ok(StoreAddress::Directory(directory))
    }

    /// The directory that the store's address names, where it names one.
    pub(super) fn directory(&self, flags: &StoreArguments) -> Result<Option<PathBuf>> {
        let endpoint = self.of_store(flags.endpoint.as_ref(), "R2_ENDPOINT_URL")?;
        endpoint.map_or(Ok(None), |endpoint| directory_of(&endpoint))
    }

    /// What every key begins with: the flag, or `R2_PREFIX`.
    pub(super) fn prefix(&self, flags: &StoreArguments) -> Result<String> {
        let set = self.of_store(flags.prefix.as_ref(), "R2_PREFIX")?;
        parse_prefix(&set.unwrap_or_default())
    }

    /// The store: flags, or variables.
    pub fn store(&self, flags: &StoreArguments) -> Result<Location> {
        let region = self.of_store(flags.region.as_ref(), "R2_REGION")?;
        let endpoint = match self.of_store(flags.endpoint.as_ref(), "R2_ENDPOINT_URL")? {
            Some(endpoint) => endpoint,
            None => self.endpoint_of_aws(region.as_deref())?,
        };
        check_endpoint(&endpoint)?;
        let of_aws = region_of_aws(&endpoint);
        let addressing = match self.of_store(None, "R2_ADDRESSING")? {
            Some(text) => text.parse()?,
            None if of_aws.is_some() => Addressing::VirtualHost,
            None => Addressing::Path,
        };
        let names = self.store_names()?;
        let chain = self.standard_chain(flags, of_aws.is_some())?;
        let key = |name: &str, what: &str| match chain {
            Some(_) => Ok(String::new()),
            None => self.required(name, what),
        };
        Ok(Location {
            bucket: match self.of_store(flags.bucket.as_ref(), "R2_BUCKET")? {
                Some(bucket) => bucket,
                None => self.usual_bucket()?,
            },
            // AWS's host tells it better than a variable that may be about something else.
            region: flags
                .region
                .clone()
                .or(of_aws.map(str::to_owned))
                .or(region)
                .unwrap_or_else(|| NO_REGION.to_owned()),
            addressing,
            access_key_id: key(names.id, "the store's access key id")?,
            secret_access_key: Secret::new(key(names.secret, "the store's secret access key")?),
            chain,
            session_token: self.value(names.token)?.map(Secret::new),
            certificates: self.certificates()?,
            endpoint,
        })
    }

    /// The names by which the store is set.
    pub(super) fn store_names(&self) -> Result<&'static Names> {
        // A directory has an address and no keys, and keys that are set beside it are another store's.
        if self.value("R2_ENDPOINT_URL")?.is_none()
            && let Some(endpoint) = self.value("S3_ENDPOINT_URL")?
            && directory_of(&endpoint)?.is_some()
        {
            return Ok(&NAMES[1]);
        }
        if let Some(names) = self.names_of_keys()? {
            return Ok(names);
        }
        // Without keys, the address tells whose names count. AWS is meant where nothing but its names are set.
        if self.value("R2_ENDPOINT_URL")?.is_some() {
            return Ok(&NAMES[0]);
        }
        if self.value("S3_ENDPOINT_URL")?.is_some() {
            return Ok(&NAMES[1]);
        }
        let mut of_aws = AWS_SOURCES.iter().chain(&["AWS_REGION", "AWS_DEFAULT_REGION"]);
        Ok(match of_aws.any(|name| self.is_set(name)) {
            true => &NAMES[2],
            false => &NAMES[0],
        })
    }

    /// The first names by which a key is set, or half of one.
    fn names_of_keys(&self) -> Result<Option<&'static Names>> {
        for names in &NAMES {
            if self.value(names.id)?.is_some() || self.value(names.secret)?.is_some() {
                return Ok(Some(names));
            }
        }
        Ok(None)
    }

    /// AWS's standard sources of credentials, where no key is set and AWS is meant. A request carries the token of temporary
    /// credentials, so they go to an address of AWS's, to one that is set by AWS's name beside a source, or where a profile is chosen. The
    /// metadata of an instance is asked for only at an address of AWS's, or where it is named itself.
    fn standard_chain(&self, flags: &StoreArguments, is_at_aws: bool) -> Result<Option<Chain>> {
        if self.names_of_keys()?.is_some() {
            return Ok(None);
        }
        let is_aws_named = || {
            let is_addressed = flags.endpoint.is_none()
                && self.store_names()?.id == NAMES[2].id
                && self.of_store(None, "R2_ENDPOINT_URL")?.is_some();
            Ok::<_, Error>(is_addressed && AWS_SOURCES.iter().any(|name| self.is_set(name)))
        };
        let is_meant = is_at_aws || self.is_set("AWS_PROFILE") || is_aws_named()?;
        Ok(is_meant.then(|| Chain {
            asks_instance: is_at_aws || self.is_set(INSTANCE),
        }))
    }

    /// Whether a variable of AWS's is set, which knows no file.
    fn is_set(&self, name: &str) -> bool {
        (self.environment)(name).is_some_and(|value| !value.is_empty())
    }

    /// A setting of the store: the flag, this program's variable, or one of those that go with the access key.
    pub(super) fn of_store(&self, flag: Option<&String>, name: &str) -> Result<Option<String>> {
        if let Some(flag) = flag {
            return Ok(Some(flag.clone()));
        }
        Ok(self.find_of_store(name)?.map(|found| found.value))
    }

    /// The same without a flag, and where it is set.
    pub(super) fn find_of_store(&self, name: &str) -> Result<Option<FoundSetting>> {
        let others = self.store_names()?.others.iter();
        let others = others
            .filter(|(own, _)| *own == name)
            .flat_map(|(_, others)| *others);
        for name in std::iter::once(&name).chain(others) {
            if let Some(found) = self.find(name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// AWS is meant where its region is known and nothing else is.
    fn endpoint_of_aws(&self, region: Option<&str>) -> Result<String> {
        match region {
            Some(region) if region != NO_REGION => Ok(format!("https://s3.{region}.amazonaws.com")),
            _ => self.required("R2_ENDPOINT_URL", "the store's address"),
        }
    }

    /// What `AWS_CA_BUNDLE` names.
    fn certificates(&self) -> Result<Option<Vec<u8>>> {
        const NAME: &str = "AWS_CA_BUNDLE";
        let Some(path) = (self.environment)(NAME).filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        let refuse = |what: &str| {
            Error::new(Kind::Usage, format!("{NAME} names {path}, {what}"))
                .hint("name a file of certificates in PEM, or leave it unset for the system's")
        };
        let pem = std::fs::read(Path::new(&path))
            .map_err(|cause| refuse("which cannot be read").caused_by(cause))?;
        let mut certificates = CertificateDer::pem_slice_iter(&pem).peekable();
        if certificates.peek().is_none() || !certificates.all(|certificate| certificate.is_ok()) {
            return Err(refuse("in which certificates cannot be read"));
        }
        Ok(Some(pem))
    }
}

fn check_endpoint(endpoint: &str) -> Result<()> {
    let Some((scheme, place)) = endpoint.split_once("://") else {
        return Err(no_url(endpoint));
    };
    if place.contains('@') {
        return Err(
            Error::new(Kind::Usage, "the store's address holds a name and a password")
                .hint("write it without them, and set R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY instead"),
        );
    }
    if !(scheme == "https" || scheme == "http") {
        return Err(no_url(endpoint));
    }
    if let Some((host, path)) = place.trim_end_matches('/').split_once('/') {
        return Err(Error::new(
            Kind::Usage,
            format!("the store's address {endpoint:?} goes on behind the host"),
        )
        .hint(format!(
            "end it after {host}; if {path} is the bucket, set R2_BUCKET to that"
        )));
    }
    Ok(())
}

fn no_url(endpoint: &str) -> Error {
    let told = match endpoint.contains('@') {
        true => "the store's address is no URL".to_owned(),
        false => format!("the store's address {endpoint:?} is no URL"),
    };
    Error::new(Kind::Usage, told)
        .hint("write it as https://ACCOUNT.r2.cloudflarestorage.com, https://s3.REGION.amazonaws.com, or file:///DIRECTORY")
}
