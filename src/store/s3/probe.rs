//! Whether the credentials may write, found out before it matters.

use super::failure::{RequiredPermission, status_of};
use super::store::S3Store;
use crate::error::Result;

/// The key of what is written to find out, and removed again. It is no backup's.
const PROBE_KEY: &str = "doctor-probe";

/// The id of an upload that was never begun.
const NO_UPLOAD: &str = "doctor-probe";

/// What a store answers to those who may not.
const REFUSALS: [u16; 2] = [401, 403];

impl S3Store {
    /// An error unless the credentials may write, asked without writing: to abort an upload takes the right to write, and a
    /// store that grants it says that there is no such upload.
    pub(in crate::store) async fn check_may_write(&self) -> Result<()> {
        let answer = self
            .client
            .abort_multipart_upload()
            .bucket(&*self.bucket)
            .key(self.full(PROBE_KEY))
            .upload_id(NO_UPLOAD)
            .send()
            .await;
        match answer {
            Err(cause) if status_of(&cause).is_none_or(|status| REFUSALS.contains(&status)) => {
                Err(self.failed(RequiredPermission::Write, "may not write", &cause))
            }
            _ => Ok(()),
        }
    }
}
