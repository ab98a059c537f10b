//! A body on its way in.

use std::path::Path;

use s3s::dto::StreamingBlob;
use s3s::{S3Result, TrailingHeaders, s3_error};

use super::signed;
use crate::drill::s3_server::body::{self, Received};
use crate::drill::s3_server::checksums::Declared;

/// A body and all that was said about it.
pub(super) struct Incoming {
    pub(super) body: Option<StreamingBlob>,
    pub(super) length: Option<i64>,
    pub(super) declared: Declared,
    pub(super) trailers: Option<TrailingHeaders>,
}

/// The body of a request, taken out of it.
macro_rules! incoming_of {
    ($request:expr) => {{
        let trailer = $request.headers.get("x-amz-trailer");
        super::incoming::Incoming {
            declared: $crate::drill::s3_server::checksums::Declared::new(
                $request.input.content_md5.as_deref(),
                $crate::drill::s3_server::fields::checksum_of!($request.input),
                $request.headers.keys().map(|name| name.as_str()),
                trailer.and_then(|names| names.to_str().ok()),
            )?,
            body: $request.input.body.take(),
            length: $request.input.content_length,
            trailers: $request.trailing_headers.take(),
        }
    }};
}

pub(super) use incoming_of;

impl Incoming {
    /// Brings the body to disk, whole and as it was said to be; otherwise nothing of it is left.
    pub(super) async fn receive(self, directory: &Path) -> S3Result<Received> {
        let received = body::receive(directory, self.body, self.declared.hasher()).await?;
        if self
            .length
            .is_some_and(|length| length != signed(received.blob.len))
        {
            return Err(s3_error!(
                IncompleteBody,
                "the body does not have its Content-Length"
            ));
        }
        self.declared.verify(&received, self.trailers.as_ref())?;
        Ok(received)
    }
}
