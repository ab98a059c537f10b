//! The store's client against the server of this process, and against a directory.

use std::time::Duration;

use paycraft_dr::store::Store;
use paycraft_dr::store::retry::RetryPolicy;

use super::kit::TestStore;

mod chain;
mod contract;
mod directory;
mod listings;
mod names;
mod reading;
mod refusals;
mod retrying;

/// A client of `bucket` that does not pause between its tries.
fn hasty(bucket: &TestStore) -> Store {
    let moment = Duration::from_millis(1);
    let patience = RetryPolicy {
        first_pause: moment,
        longest_pause: moment,
        rest: moment,
        ..RetryPolicy::default()
    };
    Store::with_patience(&bucket.location(), patience)
}
