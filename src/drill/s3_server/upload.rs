//! Multipart uploads: which parts make an object.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use md5::{Digest, Md5};
use s3s::dto::{CompletedPart, Metadata};
use s3s::{S3Result, s3_error};

use super::bucket::{Object, StoredFile};
use crate::model::manifest::hex;

/// Every part but the last has at least this size.
pub(super) const SMALLEST_PART_BYTES: u64 = 5 << 20;
/// Part numbers go from 1 to this.
pub(super) const LARGEST_PART_NUMBER: i32 = 10_000;

/// An upload that was begun.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) begun: SystemTime,
    pub(super) content_type: Option<String>,
    pub(super) metadata: Option<Metadata>,
    pub(super) parts: BTreeMap<i32, Object>,
}

/// The parts of an object to be, in order.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) files: Vec<Arc<StoredFile>>,
    pub(super) bytes: u64,
    pub(super) etag: String,
}

impl Upload {
    /// Holds the client's list of parts against what was uploaded: numbers ascending, each ETag exactly that of the part, each
    /// part but the last large enough.
    pub(super) fn assemble(&self, wanted: &[CompletedPart]) -> S3Result<Assembly> {
        let mut assembly = Assembly {
            files: Vec::with_capacity(wanted.len()),
            bytes: 0,
            etag: String::new(),
        };
        let mut etags = Md5::new();
        let mut previous = 0;
        let last = wanted.last().ok_or_else(|| s3_error!(MalformedXML))?.part_number;
        for part in wanted {
            let number = part.part_number.ok_or_else(|| s3_error!(MalformedXML))?;
            if number <= previous {
                return Err(s3_error!(InvalidPartOrder));
            }
            previous = number;
            let uploaded = self.parts.get(&number).ok_or_else(|| s3_error!(InvalidPart))?;
            if part.e_tag.as_ref().map(s3s::dto::ETag::value) != Some(uploaded.etag.as_str()) {
                return Err(s3_error!(InvalidPart));
            }
            if Some(number) != last && uploaded.bytes < SMALLEST_PART_BYTES {
                return Err(s3_error!(EntityTooSmall));
            }
            etags.update(from_hex(&uploaded.etag));
            assembly.bytes += uploaded.bytes;
            assembly.files.push(Arc::clone(&uploaded.file));
        }
        assembly.etag = format!("{}-{}", hex(&etags.finalize()), wanted.len());
        Ok(assembly)
    }
}

fn from_hex(digits: &str) -> Vec<u8> {
    let bytes =
        (0..digits.len() / 2).filter_map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok());
    bytes.collect()
}
