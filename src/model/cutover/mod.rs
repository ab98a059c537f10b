//! The way back into service: its steps as data, and which of them remain to be done.

pub mod journal;
pub mod step;

use std::collections::BTreeMap;

use self::step::SecretSource;
use super::secret::Secret;

/// The secrets that steps name, found.
pub type Secrets = BTreeMap<SecretSource, Secret>;
