//! The fields that many requests and answers repeat, as values.

/// The checksum fields that every request and part repeats, as one value.
macro_rules! checksum_of {
    ($dto:expr) => {
        s3s::dto::Checksum {
            checksum_crc32: $dto.checksum_crc32.clone(),
            checksum_crc32c: $dto.checksum_crc32c.clone(),
            checksum_crc64nvme: $dto.checksum_crc64nvme.clone(),
            checksum_sha1: $dto.checksum_sha1.clone(),
            checksum_sha256: $dto.checksum_sha256.clone(),
            checksum_type: None,
        }
    };
}

/// A response that repeats the checksum fields.
macro_rules! with_checksum {
    ($checksum:expr, $dto:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let checksum: s3s::dto::Checksum = $checksum;
        #[allow(clippy::needless_update, reason = "one of the types has no other fields")]
        let dto = $dto {
            $($field: $value,)*
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..Default::default()
        };
        dto
    }};
}

/// What a request says about an object.
macro_rules! attributes_of {
    ($dto:expr) => {
        $crate::drill::s3_server::objects::ObjectAttributes {
            cache_control: $dto.cache_control,
            content_disposition: $dto.content_disposition,
            content_encoding: $dto.content_encoding,
            content_language: $dto.content_language,
            content_type: $dto.content_type,
            expires: $dto.expires,
            metadata: $dto.metadata,
        }
    };
}

/// A response that describes an object; the checksums only where asked for, and the response carries all its bytes.
macro_rules! describing {
    ($object:expr, $checksum:expr, $dto:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let attributes = $crate::drill::s3_server::objects::ObjectAttributes::clone(&$object.attributes);
        $crate::drill::s3_server::fields::with_checksum!($checksum, $dto {
            $($field: $value,)*
            accept_ranges: Some("bytes".to_owned()),
            cache_control: attributes.cache_control,
            content_disposition: attributes.content_disposition,
            content_encoding: attributes.content_encoding,
            content_language: attributes.content_language,
            content_type: attributes.content_type.or(Some("binary/octet-stream".to_owned())),
            expires: attributes.expires,
            metadata: attributes.metadata,
            e_tag: Some($object.etag.clone()),
            last_modified: Some($object.modified.clone()),
        })
    }};
}

/// What a request demands of the object it reads.
macro_rules! read_conditions_of {
    ($dto:expr) => {
        $crate::drill::s3_server::conditions::ReadConditions {
            if_match: $dto.if_match.take(),
            if_none_match: $dto.if_none_match.take(),
            if_modified_since: $dto.if_modified_since.take(),
            if_unmodified_since: $dto.if_unmodified_since.take(),
        }
    };
}

pub(super) use {attributes_of, checksum_of, describing, read_conditions_of, with_checksum};
