//! Failures of an S3 service, on the level of its requests: which of them fail, how, and how often.
//!
//! The same layer is in front of the drill's own server and, as a relay, in front of any other.

mod answers;
mod failure;
mod layer;
mod operation;
mod plan;
mod relay;

pub(super) use failure::RefusedRequest;
pub use failure::RequestFailure;
pub(super) use layer::{Layer, Service, drain};
pub use operation::Operation;
pub use plan::{FaultPlan, FaultRule, RuleId};
pub use relay::Relay;
pub(super) use {answers::refused, answers::stamp};
