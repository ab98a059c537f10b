//! An observer that shows nothing.

use crate::model::timeline::{Event, Observer};

/// Takes note of nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet;

impl Observer for Quiet {
    fn observe(&self, _: Event) {}
}
