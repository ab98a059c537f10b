//! `[product]` of a configuration.

use std::time::Duration;

use jiff::civil::Time;
use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Deserializer};

use super::{CountedTable, Product, ProductionIdentities, paycraft};
use crate::model::objective::Objectives;
use crate::model::schedule::{DrillDay, Schedule};

/// What a configuration says of the product. A name of its own makes it another one than PayCraft.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProductSection {
    #[serde(deserialize_with = "name")]
    pub(super) name: Option<String>,
    /// The bucket of its backups.
    pub(super) bucket: Option<String>,
    /// What the keys of its backups begin with.
    pub(super) prefix: Option<String>,
    /// The age of a backup that is promised at most.
    #[serde(with = "compact::optional")]
    pub(super) rpo: Option<Duration>,
    /// The time for a recovery that is promised at most.
    #[serde(with = "compact::optional")]
    pub(super) rto: Option<Duration>,
    /// The time of day (UTC) at which the daily backup begins.
    pub(super) backup_at: Option<Time>,
    /// The day of each month that a drill is due on.
    pub(super) drills: Option<DrillDay>,
    /// `[product.production]`: what tells that a database is production.
    pub(super) production: ProductionIdentities,
    /// `[[product.table]]`: the tables that are counted.
    pub(super) table: Option<Vec<CountedTable>>,
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_printable = |mark: char| !mark.is_control();
    if name.trim().is_empty() || !name.chars().all(is_printable) {
        return Err(serde::de::Error::custom("a product has a name of one line"));
    }
    Ok(Some(name))
}

/// PayCraft with what is said here, or another product with nothing else.
impl TryFrom<ProductSection> for Product {
    type Error = String;

    fn try_from(section: ProductSection) -> Result<Self, String> {
        let mut product = match section.name {
            Some(name) if name != paycraft::NAME => Self::named(name),
            _ => Self::default(),
        };
        if let Some(tables) = section.table {
            product.tables = tables.try_into()?;
        }
        // PayCraft's production stays among them for every product.
        let ProductionIdentities {
            hosts,
            databases,
            projects,
            system_identifiers,
        } = section.production;
        product.production.hosts.extend(hosts);
        product.production.databases.extend(databases);
        product.production.projects.extend(projects);
        product.production.system_identifiers.extend(system_identifiers);
        let usual = product.objectives;
        product.objectives = Objectives {
            rpo: section.rpo.unwrap_or(usual.rpo),
            rto: section.rto.unwrap_or(usual.rto),
        };
        let usual = product.schedule;
        product.schedule = Schedule {
            backup_at: section.backup_at.unwrap_or(usual.backup_at),
            drills: section.drills.unwrap_or(usual.drills),
        };
        product.bucket = section.bucket;
        product.prefix = section.prefix;
        Ok(product)
    }
}
