//! The object store: Cloudflare R2, AWS S3, or another store that speaks S3.

#[cfg(feature = "drill")]
mod bucket;
mod clock;
mod failure;
mod http_client;
mod location;
mod open_uploads;
mod paging;
mod probe;
mod read;
mod removal;
mod requests;
pub mod retry;
mod s3;
mod upload;
mod whole;

pub use location::{Addressing, Location, NO_REGION, region_of_aws};
pub use open_uploads::RecordedUpload;
pub use removal::UnfinishedUpload;
pub use s3::{ObjectFacts, Published, Store};
pub use upload::{StoredPart, Upload};
