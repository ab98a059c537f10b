//! Which operation a request asks for, as far as its head tells.

use hyper::{Method, Uri};
use serde::{Deserialize, Serialize};

/// What a client of this program does with a store. Everything else is [`Other`](Self::Other).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Asks whether the bucket is there.
    HeadBucket,
    List,
    /// Asks what is known of an object.
    Head,
    Get,
    /// Writes an object in one piece, or copies one.
    Put,
    Delete,
    /// Begins a multipart upload.
    BeginUpload,
    PutPart,
    /// Makes an object of parts.
    Complete,
    /// Lets go of an upload.
    Abort,
    /// Lists uploads that were begun and not ended.
    ListUploads,
    Other,
}

impl Operation {
    /// The operation of a request with path-style addressing.
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let names_key = uri
            .path()
            .trim_start_matches('/')
            .split_once('/')
            .is_some_and(|(_, key)| !key.is_empty());
        let query = uri.query().unwrap_or_default();
        let asks = |name: &str| {
            query
                .split('&')
                .any(|field| field.split('=').next() == Some(name))
        };
        match (method.as_str(), names_key) {
            ("HEAD", false) => Self::HeadBucket,
            ("GET", false) if asks("uploads") => Self::ListUploads,
            ("GET", false) => Self::List,
            ("HEAD", true) => Self::Head,
            ("GET", true) if !asks("uploadId") => Self::Get,
            ("PUT", true) if asks("partNumber") => Self::PutPart,
            ("PUT", true) => Self::Put,
            ("POST", true) if asks("uploads") => Self::BeginUpload,
            ("POST", true) if asks("uploadId") => Self::Complete,
            ("DELETE", true) if asks("uploadId") => Self::Abort,
            ("DELETE", true) => Self::Delete,
            _ => Self::Other,
        }
    }

    /// Whether it makes an object. Parts and the beginning of an upload are written elsewhere.
    pub(in crate::drill) fn makes_an_object(self) -> bool {
        matches!(self, Self::Put | Self::Complete)
    }
}
