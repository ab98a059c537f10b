//! The object store: Cloudflare R2, AWS S3, another store that speaks S3, or a directory.

mod address;
mod directory;
mod handle;
mod location;
mod object;
mod open_uploads;
pub mod retry;
mod s3;

pub use address::{StoreAddress, directory_of};
pub use handle::{Store, Upload};
pub use location::{Addressing, Chain, Location, NO_REGION, region_of_aws};
pub use object::{ObjectFacts, Published, StoredPart, UnfinishedUpload};
pub use open_uploads::RecordedUpload;
