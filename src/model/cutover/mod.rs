//! The way back into service: its steps as data, and what of them remains to be done.

/// What was done, record by record, and what remains.
pub mod journal;
/// The steps, as a configuration writes them.
pub mod step;

use std::collections::BTreeMap;

use self::step::SecretSource;
use super::secret::Secret;

/// The secrets that steps name, found.
pub type Secrets = BTreeMap<SecretSource, Secret>;
