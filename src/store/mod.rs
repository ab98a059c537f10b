//! The object store: Cloudflare R2, or anything that speaks S3 the way R2 does.

#[cfg(feature = "drill")]
mod bucket;
mod clock;
mod failure;
mod open_uploads;
mod probe;
mod read;
mod removal;
mod requests;
/// What is tried again, how often, and after which pause.
pub mod retry;
mod s3;
mod upload;

pub use open_uploads::RecordedUpload;
pub use removal::UnfinishedUpload;
pub use s3::{Location, ObjectFacts, Published, Store};
pub use upload::{StoredPart, Upload};
