//! Listings as clients ask for and see them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as TOKEN;
use s3s::dto::{
    Bucket, CommonPrefix, EncodingType, ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    ListPartsInput, ListPartsOutput, MultipartUpload, Object, ObjectStorageClass, Owner, Part,
};
use s3s::{S3Request, S3Result, s3_error};

use super::signed;
use crate::drill::s3_server::fields::with_checksum;
use crate::drill::s3_server::listing::{PAGE_LIMIT, Page, Query, percent_encode};
use crate::drill::s3_server::multipart::whole_tag;
use crate::drill::s3_server::objects::{ObjectMap, StoredObject};
use crate::drill::s3_server::uploads::UploadName;

/// The part of a listing both versions of the operation share.
struct ListingPage {
    contents: Vec<Object>,
    common_prefixes: Vec<CommonPrefix>,
    next: Option<String>,
}

pub(super) fn objects_v2(
    store: &ObjectMap,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<ListObjectsV2Output> {
    let input = request.input;
    let encoding = Encoding::new(input.encoding_type.as_ref())?;
    // The token is the entry the last page ended with, wrapped up so that no client is led to build one.
    let token = input.continuation_token.as_deref().map(open_token).transpose()?;
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        after: token.as_deref().or(input.start_after.as_deref()),
        limit: page_limit(input.max_keys)?,
    };
    let listed = store.list(&input.bucket, &query, |page| ListingPage::new(&page, encoding))?;
    Ok(ListObjectsV2Output {
        max_keys: Some(count(query.limit)),
        key_count: Some(count(listed.contents.len() + listed.common_prefixes.len())),
        is_truncated: Some(listed.next.is_some()),
        next_continuation_token: listed.next.map(|key| TOKEN.encode(key)),
        contents: Some(listed.contents),
        common_prefixes: Some(listed.common_prefixes),
        name: Some(input.bucket),
        prefix: input.prefix.map(|prefix| encoding.apply(&prefix)),
        delimiter: input.delimiter.map(|delimiter| encoding.apply(&delimiter)),
        start_after: input.start_after.map(|key| encoding.apply(&key)),
        continuation_token: input.continuation_token,
        encoding_type: encoding.name(),
        ..Default::default()
    })
}

pub(super) fn objects(
    store: &ObjectMap,
    request: S3Request<ListObjectsInput>,
) -> S3Result<ListObjectsOutput> {
    let input = request.input;
    let encoding = Encoding::new(input.encoding_type.as_ref())?;
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        after: input.marker.as_deref(),
        limit: page_limit(input.max_keys)?,
    };
    let listed = store.list(&input.bucket, &query, |page| ListingPage::new(&page, encoding))?;
    Ok(ListObjectsOutput {
        max_keys: Some(count(query.limit)),
        is_truncated: Some(listed.next.is_some()),
        next_marker: listed.next.map(|key| encoding.apply(&key)),
        contents: Some(listed.contents),
        common_prefixes: Some(listed.common_prefixes),
        name: Some(input.bucket),
        prefix: input.prefix.map(|prefix| encoding.apply(&prefix)),
        delimiter: input.delimiter.map(|delimiter| encoding.apply(&delimiter)),
        marker: input.marker.map(|key| encoding.apply(&key)),
        encoding_type: encoding.name(),
        ..Default::default()
    })
}

pub(super) fn uploads(
    store: &ObjectMap,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<ListMultipartUploadsOutput> {
    let input = request.input;
    let encoding = Encoding::new(input.encoding_type.as_ref())?;
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        after: input.key_marker.as_deref(),
        limit: page_limit(input.max_uploads)?,
    };
    let after_id = input.upload_id_marker.as_deref().filter(|id| !id.is_empty());
    store.list_uploads(&input.bucket, &query, after_id, |page| {
        // A page that ends with a common prefix continues behind it for any ids there.
        let last = page.items.last().filter(|(key, _)| page.next == Some(key));
        let uploads = page.items.iter().map(|(key, (id, upload))| MultipartUpload {
            key: Some(encoding.apply(key)),
            upload_id: Some((*id).to_owned()),
            initiated: Some(upload.initiated.clone()),
            ..Default::default()
        });
        ListMultipartUploadsOutput {
            bucket: Some(input.bucket.clone()),
            max_uploads: Some(count(query.limit)),
            is_truncated: Some(page.next.is_some()),
            next_key_marker: page.next.map(|key| encoding.apply(key)),
            next_upload_id_marker: last.map(|(_, (id, _))| (*id).to_owned()),
            common_prefixes: Some(common_prefixes(&page, encoding)),
            uploads: Some(uploads.collect()),
            prefix: input.prefix.as_deref().map(|prefix| encoding.apply(prefix)),
            delimiter: input
                .delimiter
                .as_deref()
                .map(|delimiter| encoding.apply(delimiter)),
            key_marker: input.key_marker.as_deref().map(|key| encoding.apply(key)),
            upload_id_marker: input.upload_id_marker.clone(),
            encoding_type: encoding.name(),
            ..Default::default()
        }
    })
}

pub(super) fn parts(store: &ObjectMap, request: S3Request<ListPartsInput>) -> S3Result<ListPartsOutput> {
    let input = request.input;
    let name = UploadName {
        bucket: input.bucket,
        key: input.key,
        id: input.upload_id,
    };
    let limit = page_limit(input.max_parts)?;
    let after = input.part_number_marker.unwrap_or(0);
    let (parts, more) = store.list_parts(&name, after, limit)?;
    let last = parts.last().map(|(number, _)| *number);
    let parts = parts.into_iter().map(|(number, part)| {
        with_checksum!(
            part.checksum,
            Part {
                part_number: Some(number),
                e_tag: Some(whole_tag(part.md5)),
                last_modified: Some(part.modified),
                size: Some(signed(part.blob.len)),
            }
        )
    });
    Ok(ListPartsOutput {
        parts: Some(parts.collect()),
        is_truncated: Some(more),
        next_part_number_marker: last.filter(|_| more),
        part_number_marker: Some(after),
        max_parts: Some(count(limit)),
        bucket: Some(name.bucket),
        key: Some(name.key),
        upload_id: Some(name.id),
        ..Default::default()
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every operation")]
pub(super) fn buckets(
    store: &ObjectMap,
    _request: S3Request<ListBucketsInput>,
) -> S3Result<ListBucketsOutput> {
    let buckets = store.buckets().into_iter().map(|(name, created)| Bucket {
        name: Some(name),
        creation_date: Some(created),
        ..Default::default()
    });
    Ok(ListBucketsOutput {
        buckets: Some(buckets.collect()),
        owner: Some(Owner::default()),
        ..Default::default()
    })
}

fn open_token(token: &str) -> S3Result<String> {
    let key = TOKEN.decode(token).ok();
    key.and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is from elsewhere"))
}

impl ListingPage {
    fn new(page: &Page<'_, &StoredObject>, encoding: Encoding) -> Self {
        let contents = page.items.iter().map(|(key, object)| Object {
            key: Some(encoding.apply(key)),
            size: Some(signed(object.content.len)),
            e_tag: Some(object.etag.clone()),
            last_modified: Some(object.modified.clone()),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            ..Default::default()
        });
        Self {
            contents: contents.collect(),
            common_prefixes: common_prefixes(page, encoding),
            next: page.next.map(str::to_owned),
        }
    }
}

fn common_prefixes<T>(page: &Page<'_, T>, encoding: Encoding) -> Vec<CommonPrefix> {
    let prefixes = page.common_prefixes.iter().map(|prefix| CommonPrefix {
        prefix: Some(encoding.apply(prefix)),
    });
    prefixes.collect()
}

/// How keys are written in an answer.
#[derive(Clone, Copy)]
enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    fn new(asked: Option<&EncodingType>) -> S3Result<Self> {
        match asked.map(EncodingType::as_str) {
            None => Ok(Self::Plain),
            Some(EncodingType::URL) => Ok(Self::Url),
            Some(_) => Err(s3_error!(InvalidArgument, "the only encoding type is url")),
        }
    }

    fn apply(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Url => percent_encode(text),
        }
    }

    fn name(self) -> Option<EncodingType> {
        match self {
            Self::Plain => None,
            Self::Url => Some(EncodingType::from_static(EncodingType::URL)),
        }
    }
}

fn page_limit(asked: Option<i32>) -> S3Result<usize> {
    let Some(asked) = asked else { return Ok(PAGE_LIMIT) };
    let asked = usize::try_from(asked);
    let asked = asked.map_err(|_| s3_error!(InvalidArgument, "a page cannot hold less than nothing"))?;
    Ok(asked.min(PAGE_LIMIT))
}

/// At most a page's limit.
fn count(entries: usize) -> i32 {
    i32::try_from(entries).unwrap_or(i32::MAX)
}
