//! Whether an answer is a whole document.
//!
//! The SDK reads a document that ends in its middle as one that holds no more. Of a listing that would be a shorter one.

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

use super::paging::Unreliable;

/// Makes an error of an answer that ends in its middle.
#[derive(Debug)]
pub(super) struct WholeDocuments;

impl Intercept for WholeDocuments {
    fn name(&self) -> &'static str {
        "whole documents"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        let body = answer.body().bytes().unwrap_or_default().trim_ascii();
        match answer.status().is_success() && body.starts_with(b"<") && !is_whole(body) {
            true => Err(Unreliable::Broken.into()),
            false => Ok(()),
        }
    }
}

/// Whether a document ends with the end of the element that it begins with.
fn is_whole(document: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(document) else {
        return false;
    };
    let mut rest = text;
    // What comes before the first element: `<?xml …?>`, and comments.
    while rest.starts_with("<?") || rest.starts_with("<!") {
        let end = if rest.starts_with("<!--") { "-->" } else { ">" };
        let Some((_, behind)) = rest.split_once(end) else {
            return false;
        };
        rest = behind.trim_start();
    }
    let Some(element) = rest.strip_prefix('<') else {
        return false;
    };
    let Some((begin, _)) = element.split_once('>') else {
        return false;
    };
    let name = begin
        .split([' ', '\t', '\r', '\n', '/'])
        .next()
        .unwrap_or_default();
    let is_empty = begin.ends_with('/') && element.len() == begin.len() + 1;
    is_empty || rest.ends_with(&format!("</{name}>"))
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn a_document_is_whole_at_its_last_byte_and_never_before() {
        for document in [
            "<?xml version=\"1.0\"?>\n<!-- > -->\n<a b=\"c\"><a2>1</a2><e/></a>",
            "<a><b>1</b></a>",
            "<a/>",
        ] {
            assert!(is_whole(document.as_bytes()), "{document}");
            for length in 0..document.len() {
                assert!(
                    !is_whole(&document.as_bytes()[..length]),
                    "{}",
                    &document[..length]
                );
            }
        }
    }
}
