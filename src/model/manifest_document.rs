//! What is stored as a backup's manifest: all of it, or the head of a large one.

use serde::Deserialize;

use super::manifest::{Manifest, VERSION};
use super::manifest_head::{HEAD_VERSION, ManifestHead};
use super::seal::{check_seal, corrupt};
use crate::error::{Error, Kind, Result};

/// What is stored as a backup's manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    Whole(Box<Manifest>),
    /// Its head; the rest is in an index beside it.
    Head(Box<ManifestHead>),
}

#[derive(Deserialize)]
struct Versioned {
    manifest_version: u32,
}

impl Document {
    /// Reads what is stored as the manifest of the object `key`. Any changed byte, another backup's manifest, an index with gaps and
    /// an unknown major version are refused.
    pub fn decode(key: &str, document: &[u8]) -> Result<Self> {
        check_seal(key, document)?;
        let unreadable = |cause: serde_json::Error| corrupt(key, "cannot be read").caused_by(cause);
        let versioned: Versioned = serde_json::from_slice(document).map_err(unreadable)?;
        let (decoded, names) = match versioned.manifest_version {
            VERSION => {
                let manifest: Manifest = serde_json::from_slice(document).map_err(unreadable)?;
                manifest.check_blocks().map_err(|what| corrupt(key, &what))?;
                let names = manifest.key.clone();
                (Self::Whole(Box::new(manifest)), names)
            }
            HEAD_VERSION => {
                let head: ManifestHead = serde_json::from_slice(document).map_err(unreadable)?;
                let names = head.key.clone();
                (Self::Head(Box::new(head)), names)
            }
            version => return Err(newer(key, version)),
        };
        match names == key {
            true => Ok(decoded),
            false => Err(corrupt(key, &format!("belongs to {names}"))),
        }
    }
}

fn newer(key: &str, version: u32) -> Error {
    let message = format!(
        "the manifest of {key} has version {version}, and this program reads version {HEAD_VERSION} at most: it was made by a newer paycraft-dr"
    );
    Error::new(Kind::Refused, message).hint("install the paycraft-dr that wrote it, or a newer one")
}

impl Manifest {
    /// Reads the manifest stored in one piece for the object `key`. Any changed byte, another backup's manifest, an index with gaps
    /// and another major version are refused.
    pub fn decode(key: &str, document: &[u8]) -> Result<Self> {
        match Document::decode(key, document)? {
            Document::Whole(manifest) => Ok(*manifest),
            Document::Head(_) => Err(corrupt(key, "has its blocks elsewhere")),
        }
    }
}
