//! Who may talk to the server: one key, proved by a SigV4 signature over any region that the client names.

use std::fmt;

use hyper::StatusCode;
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::rules::Rules;

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

/// The one key, and how a stranger's is refused.
pub(super) struct Keyring {
    pub(super) credentials: Credentials,
    pub(super) rules: Rules,
}

/// Not `s3s::auth::SimpleAuth`: it answers an unknown key with `NotSignedUp`, which no client knows.
#[async_trait::async_trait]
impl S3Auth for Keyring {
    async fn get_secret_key(&self, access_key_id: &str) -> S3Result<SecretKey> {
        if access_key_id == self.credentials.access_key_id {
            return Ok(SecretKey::from(self.credentials.secret_access_key.as_str()));
        }
        Err(match self.rules {
            Rules::S3 => s3_error!(
                InvalidAccessKeyId,
                "the access key id does not exist in this server"
            ),
            Rules::R2 => unauthorized(),
        })
    }
}

/// R2's own answer to a key that it does not know.
fn unauthorized() -> S3Error {
    let code = S3ErrorCode::Custom("Unauthorized".into());
    let mut error = S3Error::with_message(code, "Unauthorized");
    error.set_status_code(StatusCode::UNAUTHORIZED);
    error
}
