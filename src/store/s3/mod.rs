//! A bucket of Cloudflare R2, AWS S3, or another service that speaks S3, over the AWS SDK.

#[cfg(feature = "drill")]
mod bucket;
mod clock;
mod credentials;
mod failure;
mod http_client;
mod paging;
mod probe;
mod read;
mod removal;
mod requests;
mod store;
mod upload;
mod whole;

pub(super) use store::S3Store;
pub(super) use upload::S3Upload;
