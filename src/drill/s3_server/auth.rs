//! Who may talk to the server: one key, proved by a SigV4 signature over whatever region the client names.

use std::fmt;

use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

/// The one key the server accepts.
#[derive(Clone)]
pub struct Credentials {
    /// Names the key; sent with every request.
    pub access_key_id: String,
    /// Signs the requests; never sent.
    pub secret_access_key: String,
}

/// The secret stays out of logs and panic messages.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Not `s3s::auth::SimpleAuth`: it answers an unknown key with `NotSignedUp`, which no client knows.
#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key_id: &str) -> S3Result<SecretKey> {
        if access_key_id == self.access_key_id {
            Ok(SecretKey::from(self.secret_access_key.as_str()))
        } else {
            Err(s3_error!(
                InvalidAccessKeyId,
                "the access key id does not exist in this server"
            ))
        }
    }
}
