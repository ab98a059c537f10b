//! The seal of a manifest: a digest of the document, inside the document.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::hex::hex;
use super::sha256_sum::Sha256Sum;
use crate::error::{Error, Kind, Result};

const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const SEAL_DIGITS: usize = UNSEALED.len();
const SEAL_FIELD: &[u8] = br#""manifest_sha256":""#;

/// A document with the place of its seal behind everything else.
#[derive(Serialize)]
struct Sealed<'a, T> {
    #[serde(flatten)]
    content: &'a T,
    manifest_sha256: &'static str,
}

/// The error of a manifest that is not what was written.
pub fn corrupt(key: &str, what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("the manifest of {key} {what}"))
        .hint("use another backup: `paycraft-dr list` shows them")
}

/// The document of `content`, sealed by its own digest.
pub(super) fn seal<T: Serialize>(content: &T) -> Result<Vec<u8>> {
    let sealed = Sealed {
        content,
        manifest_sha256: UNSEALED,
    };
    let mut document = serde_json::to_vec(&sealed)
        .map_err(|cause| Error::new(Kind::Internal, "cannot write the manifest").caused_by(cause))?;
    let digits =
        seal_position(&document).ok_or_else(|| Error::new(Kind::Internal, "the manifest lost its seal"))?;
    let seal = Sha256Sum::of(&document).to_string();
    document[digits..digits + SEAL_DIGITS].copy_from_slice(seal.as_bytes());
    Ok(document)
}

pub(super) fn check_seal(key: &str, document: &[u8]) -> Result<()> {
    let digits = seal_position(document).ok_or_else(|| corrupt(key, "has no seal"))?;
    let (before, rest) = document.split_at(digits);
    let (seal, after) = rest.split_at(SEAL_DIGITS);
    let mut unsealed = Sha256::new();
    unsealed.update(before);
    unsealed.update(UNSEALED);
    unsealed.update(after);
    if hex(&unsealed.finalize()).as_bytes() != seal {
        return Err(corrupt(
            key,
            "was changed after it was written: its digest differs",
        ));
    }
    Ok(())
}

/// Where the 64 digits of the seal begin.
fn seal_position(document: &[u8]) -> Option<usize> {
    let digits = memchr::memmem::rfind(document, SEAL_FIELD)? + SEAL_FIELD.len();
    (document.len() >= digits + SEAL_DIGITS).then_some(digits)
}
