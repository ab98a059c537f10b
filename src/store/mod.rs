//! The object store: Cloudflare R2, or anything that speaks S3 the way R2 does.

mod failure;
mod open_uploads;
mod s3;
mod upload;

pub use s3::{Location, ObjectFacts, Published, Store};
pub use upload::{StoredPart, Upload};
