//! Which parts may become an object, and the tag it gets.

use md5::{Digest as _, Md5};
use s3s::dto::{CompletedPart, ETag};
use s3s::{S3Result, s3_error};

use crate::model::hex::hex;

/// The least a part may hold, unless it is the last.
pub const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;

/// The highest part number.
pub(super) const PART_NUMBER_MAX: i32 = 10_000;

/// The tag of a body that was sent in one piece: its MD5.
pub fn whole_tag(md5: [u8; 16]) -> ETag {
    ETag::Strong(hex(&md5))
}

/// The tag of an object made of parts: the MD5 of their MD5s, and their count.
pub fn parts_tag(md5s: &[[u8; 16]]) -> ETag {
    let digest = Md5::digest(md5s.concat());
    ETag::Strong(format!("{}-{}", hex(&digest), md5s.len()))
}

/// Checks the parts a client lists against those it uploaded and returns the latter in the order listed.
///
/// `find` yields an uploaded part by its number; `describe` its size and MD5.
pub fn choose<'a, P>(
    listed: &[CompletedPart],
    find: impl Fn(i32) -> Option<&'a P>,
    describe: impl Fn(&P) -> (u64, [u8; 16]),
) -> S3Result<Vec<&'a P>> {
    let numbers: Vec<i32> = listed.iter().filter_map(|part| part.part_number).collect();
    if listed.is_empty() || numbers.len() < listed.len() {
        return Err(s3_error!(
            MalformedXML,
            "at least one part is needed, each with its number"
        ));
    }
    if !numbers.is_sorted_by(|one, next| one < next) {
        return Err(s3_error!(InvalidPartOrder));
    }
    let mut chosen = Vec::with_capacity(listed.len());
    for (part, number) in listed.iter().zip(numbers) {
        let uploaded = find(number).filter(|uploaded| {
            let (_, md5) = describe(uploaded);
            part.e_tag.as_ref() == Some(&whole_tag(md5))
        });
        chosen.push(
            uploaded.ok_or_else(|| s3_error!(InvalidPart, "part {number} was not uploaded like this"))?,
        );
    }
    let too_small = |part: &&P| describe(part).0 < PART_BYTES_MIN;
    if chosen
        .split_last()
        .is_some_and(|(_, others)| others.iter().any(too_small))
    {
        return Err(s3_error!(
            EntityTooSmall,
            "only the last part may be smaller than 5 MiB"
        ));
    }
    Ok(chosen)
}

/// R2's own rule: all parts but the last have one size, and the last is no larger.
pub(super) fn have_one_size(sizes: &[u64]) -> S3Result<()> {
    let first = sizes.first().copied().unwrap_or(0);
    match sizes.split_last() {
        Some((last, others)) if others.iter().any(|size| *size != first) || *last > first => Err(s3_error!(
            InvalidPart,
            "All non-trailing parts must have the same length."
        )),
        _ => Ok(()),
    }
}
