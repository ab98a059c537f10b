//! What the store's clock says beside this machine's, as each answer tells.

use std::sync::Arc;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// Both clocks when an answer came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// The store's, to the second.
    pub(super) theirs: Timestamp,
    /// This machine's.
    pub(super) ours: Timestamp,
}

impl Clocks {
    /// By how much this machine's clock is ahead of the store's.
    pub(super) fn ahead(self) -> SignedDuration {
        self.ours.duration_since(self.theirs)
    }
}

/// Remembers the clocks at the last answer.
#[derive(Clone, Debug, Default)]
pub(super) struct StoreClock(Arc<Mutex<Option<Clocks>>>);

impl StoreClock {
    /// The clocks at the last answer that was dated.
    pub(super) fn last(&self) -> Option<Clocks> {
        *self.0.lock()
    }
}

impl Intercept for StoreClock {
    fn name(&self) -> &'static str {
        "store clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let theirs = context.response().headers().get("date").and_then(read_date);
        let ours = components
            .time_source()
            .and_then(|clock| Timestamp::try_from(clock.now()).ok());
        if let (Some(theirs), Some(ours)) = (theirs, ours) {
            *self.0.lock() = Some(Clocks { theirs, ours });
        }
        Ok(())
    }
}

/// Reads `Tue, 24 Nov 2026 02:00:07 GMT`.
fn read_date(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", text).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}
