//! PayCraft's own profile, which holds where no other is configured.

use std::borrow::Cow;

use super::{CountRule, CountedTable, CountedTables, Product, ProductionIdentities};
use crate::model::objective::Objectives;
use crate::model::schedule::Schedule;

pub const NAME: &str = "paycraft";

/// The bucket of its backups.
pub const BUCKET: &str = "paycraft-backups";

/// Supabase's reference of its production project, which is refused under any configuration.
pub const PRODUCTION_PROJECT: &str = "mlwfgytjxlqyfxcgpysm";

/// The tables of its runbook, in that order. People subscribe while they are counted; the tiers are always free, pro and enterprise.
static TABLES: [CountedTable; 5] = [
    public("tenants", CountRule::Exact),
    public("tenant_providers", CountRule::Exact),
    public("tenant_products", CountRule::Exact),
    public("tier_definitions", CountRule::Always(3)),
    public("subscriptions", CountRule::Within(1)),
];

const fn public(name: &'static str, rule: CountRule) -> CountedTable {
    CountedTable {
        schema: Cow::Borrowed("public"),
        name: Cow::Borrowed(name),
        rule,
    }
}

impl CountedTables {
    /// Those of PayCraft's runbook.
    pub const PAYCRAFT: Self = Self::Known(&TABLES);
}

impl Default for Product {
    fn default() -> Self {
        Self {
            name: NAME.to_owned(),
            production: ProductionIdentities {
                projects: [PRODUCTION_PROJECT.to_owned()].into(),
                ..ProductionIdentities::default()
            },
            tables: CountedTables::PAYCRAFT,
            objectives: Objectives::default(),
            schedule: Schedule::default(),
            bucket: None,
            prefix: None,
        }
    }
}
