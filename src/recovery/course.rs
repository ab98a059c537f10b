//! How far a restore has come, and what is to be done where it ends there.

use super::definitions::Definitions;
use super::refused::RefusedEntries;
use crate::model::timeline::{Event, Observer};

/// What to do where a restore ends with some of the backup in the target.
pub(super) const HALF_LOADED: &str = "the target may be half-loaded: drop and create it again, or add --clean to replace what is there, before the next try";

/// What to do where a restore ends with all of the backup in the target, and not all of it compared.
pub(super) fn only_verify(key: &str) -> String {
    format!(
        "all of the backup is in the target: do not restore again, but run `paycraft-dr verify {key}` with the same target and store"
    )
}

/// How far a restore has come.
pub(super) struct Course<'a> {
    observer: &'a dyn Observer,
    is_changed: bool,
    /// Everything of the archive but its rows, once they are being made.
    pub(super) definitions: Option<Definitions<'a>>,
    /// Which parts of it could not be made.
    pub(super) refused: Option<RefusedEntries>,
}

impl<'a> Course<'a> {
    /// A restore that has left its target alone so far.
    pub(super) fn new(observer: &'a dyn Observer) -> Self {
        Self {
            observer,
            is_changed: false,
            definitions: None,
            refused: None,
        }
    }

    pub(super) fn observer(&self) -> &'a dyn Observer {
        self.observer
    }

    /// Whether the target may be changed already.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Called right before the target is changed; only the first time counts.
    pub(super) fn change(&mut self) {
        if !self.is_changed {
            self.is_changed = true;
            self.observer.observe(Event::Advised(HALF_LOADED.to_owned()));
        }
    }
}
