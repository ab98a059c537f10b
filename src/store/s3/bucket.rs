//! Making a bucket: what only a rehearsal does, on a server of its own.

use super::failure::{RequiredPermission, status_of};
use super::store::S3Store;
use crate::error::Result;

impl S3Store {
    /// Makes the bucket. One that is there and ours is no error.
    pub(in crate::store) async fn create_bucket(&self) -> Result<()> {
        let made = self.client.create_bucket().bucket(&*self.bucket).send().await;
        match made {
            Err(cause) if status_of(&cause) != Some(409) => {
                Err(self.failed(RequiredPermission::Write, "cannot make the bucket", &cause))
            }
            _ => Ok(()),
        }
    }
}
