//! A second, and with it a key, that belongs to one backup alone.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::catalog;
use crate::error::{Error, Kind, Result};
use crate::model::key::BackupKey;
use crate::store::{Store, Upload};

/// Tells the time, in UTC.
pub type Clock<'a> = &'a (dyn Fn() -> Timestamp + Send + Sync);

/// How much longer than it should take the clock may need to reach another second.
const PATIENCE: Duration = Duration::from_secs(5);

/// The upload of a backup that begins now.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) began_at: Timestamp,
    pub(super) key: BackupKey,
    pub(super) upload: Upload,
}

/// Begins the upload of a backup that begins now, or in the first second that no other backup has.
///
/// Two backups that begin in one second see each other's upload, as each begins its own before it looks. Both may give way then;
/// they wait for different seconds.
pub(super) async fn reserve(store: &Store, clock: Clock<'_>) -> Result<Reservation> {
    loop {
        let began_at = clock();
        let key = BackupKey::at(began_at);
        if catalog::is_taken(store, key).await? {
            wait(clock, began_at, 1).await?;
            continue;
        }
        let name = key.to_string();
        let upload = store.begin_upload(&name).await?;
        let mut begun = match store.unfinished_uploads(&name).await {
            Ok(begun) => begun,
            Err(error) => {
                // The error of the listing says more than one of the same store that follows it.
                let _ = upload.abort().await;
                return Err(error);
            }
        };
        begun.retain(|other| other.key == name);
        if begun.iter().all(|other| upload.is(&other.id)) {
            return Ok(Reservation {
                began_at,
                key,
                upload,
            });
        }
        upload.abort().await?;
        let before = begun.iter().filter(|other| upload.is_after(&other.id)).count();
        wait(clock, began_at, 1 + i64::try_from(before).unwrap_or(0)).await?;
    }
}

/// Waits for the second that comes so many `seconds` after that of `instant`.
async fn wait(clock: Clock<'_>, instant: Timestamp, seconds: i64) -> Result<()> {
    let wanted = Timestamp::from_second(instant.as_second() + seconds).unwrap_or(Timestamp::MAX);
    let limit = PATIENCE + Duration::from_secs(seconds.unsigned_abs());
    let asked = Instant::now();
    loop {
        let left = wanted.duration_since(clock());
        if left <= SignedDuration::ZERO {
            return Ok(());
        }
        if asked.elapsed() > limit {
            return Err(Error::new(
                Kind::Store,
                format!("another backup began in the same second, and the clock did not reach {wanted}"),
            )
            .hint("see whether this machine's clock goes right, and try again"));
        }
        tokio::time::sleep(left.unsigned_abs().min(Duration::from_secs(1))).await;
    }
}
