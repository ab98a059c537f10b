//! The toxics: each a few fields and one function over what passes.

mod bandwidth;
mod latency;
mod limit_data;
mod passage;
mod reset_peer;
mod slicer;
mod slow_close;
mod timeout;

use serde::{Deserialize, Serialize};

pub use bandwidth::Bandwidth;
pub use latency::Latency;
pub use limit_data::LimitData;
pub(super) use passage::{Chunk, Flow, Passage};
pub use reset_peer::ResetPeer;
pub use slicer::Slicer;
pub use slow_close::SlowClose;
pub use timeout::Timeout;

/// A way for a connection to behave badly.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Toxic {
    Latency(Latency),
    /// Only so much passes in a time.
    Bandwidth(Bandwidth),
    /// The end of a connection arrives later.
    SlowClose(SlowClose),
    /// Nothing passes any more.
    Timeout(Timeout),
    /// The connection is reset.
    ResetPeer(ResetPeer),
    /// Everything arrives in small pieces.
    Slicer(Slicer),
    /// The connection is closed once so much has passed.
    LimitData(LimitData),
}
