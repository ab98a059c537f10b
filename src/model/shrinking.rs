//! Whether a backup holds so much less than the one before it that a person should look.
//!
//! Only what is missing counts: a source that grows, and one that is backed up for the first time, are under no suspicion.

use super::identity::{Likeness, likeness};
use super::manifest;
use super::product::{CountRule, CountedTable, CountedTables};
use super::profile::Profile;
use super::shape::Shape;
use super::source::{Sameness, compare};
use super::units::size;

/// So many rows may always go: a share of a tiny table says nothing.
const FEW_ROWS: u64 = 10;
/// So many tables that are gone are named.
const TABLES_NAMED: usize = 5;

/// How much less a backup may hold than the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShrinkLimits {
    /// So many percent fewer rows are no reason, in all tables together and in each table that is counted.
    pub rows_percent: u8,
    /// So many percent fewer bytes of the archive are no reason.
    pub bytes_percent: u8,
    /// So many tables may be gone.
    pub tables_gone: u32,
    /// The tables that are counted.
    pub counted: CountedTables,
}

impl ShrinkLimits {
    /// Those that hold where nothing else is configured.
    pub const USUAL: Self = Self {
        rows_percent: 50,
        bytes_percent: 50,
        tables_gone: 0,
        counted: CountedTables::PAYCRAFT,
    };
}

impl Default for ShrinkLimits {
    fn default() -> Self {
        Self::USUAL
    }
}

/// Why a backup of the shape `new` is under suspicion, compared with one of the shape `old` of the same source.
pub fn reasons(old: &Shape, new: &Shape, limits: &ShrinkLimits) -> Vec<String> {
    let mut reasons: Vec<String> = gone(old, new, limits).into_iter().collect();
    reasons.extend(
        limits
            .counted
            .iter()
            .filter_map(|table| counted(table, old, new, limits)),
    );
    if let Some(percent) = fall(old.rows(), new.rows(), limits.rows_percent, FEW_ROWS) {
        let (old, new) = (old.rows(), new.rows());
        reasons.push(format!(
            "it holds {new} rows instead of {old} ({percent} % fewer)"
        ));
    }
    if let Some(percent) = fall(old.raw_bytes, new.raw_bytes, limits.bytes_percent, 0) {
        let (old, new) = (size(old.raw_bytes), size(new.raw_bytes));
        reasons.push(format!(
            "its archive has {new} instead of {old} ({percent} % fewer)"
        ));
    }
    reasons
}

/// Why the first backup of a source is under suspicion, where a backup of the shape `old` of another source is in the store: a
/// connection string that leads to the wrong, empty database makes such a first backup. One with rows and tables of its own is
/// another product's.
pub(super) fn reasons_of_first(old: &Shape, new: &Shape, limits: &ShrinkLimits) -> Vec<String> {
    if old.rows() == 0 {
        return Vec::new();
    }
    if new.rows() == 0 {
        return vec![format!("it holds no row, and that one holds {}", old.rows())];
    }
    let has = |shape: &Shape, table: &CountedTable| shape.rows_of(&table.schema, &table.name).is_some();
    let is_same_product = limits
        .counted
        .iter()
        .any(|table| has(old, table) && has(new, table));
    // A smaller database of the same product may be another of its projects: only what it lacks altogether tells.
    let limits = ShrinkLimits {
        rows_percent: 100,
        bytes_percent: 100,
        ..limits.clone()
    };
    if is_same_product {
        reasons(old, new, &limits)
    } else {
        Vec::new()
    }
}

/// Why a backup is under suspicion that was made of a database of the same name in another cluster.
pub(super) fn reason_of_cluster(old: &manifest::Source, new: &manifest::Source) -> Option<String> {
    let is_upgraded = || matches!(likeness(&old.facts(), &new.facts()), Likeness::Same(_));
    if compare(old, new) != Sameness::Unknown || is_upgraded() {
        return None;
    }
    let told = |source: &manifest::Source| {
        source
            .system_identifier
            .clone()
            .unwrap_or_else(|| "unknown".to_owned())
    };
    Some(format!(
        "it is of the cluster {} instead of {}: right after a recovery or an upgrade, wrong where two databases of one name share this store",
        told(new),
        told(old)
    ))
}

/// The tables that are gone, where they are more than may be. Partitions and what a platform owns come and go by themselves.
fn gone(old: &Shape, new: &Shape, limits: &ShrinkLimits) -> Option<String> {
    let is_kept = |table: &&(String, String)| {
        new.tables.contains_key(*table)
            || old.partitions.contains(*table)
            || Profile::Supabase.owns_schema(&table.0)
    };
    let gone: Vec<String> = old
        .tables
        .keys()
        .filter(|table| !is_kept(table))
        .map(|(schema, name)| format!("{schema}.{name}"))
        .collect();
    if gone.len() <= usize::try_from(limits.tables_gone).unwrap_or(usize::MAX) {
        return None;
    }
    let (noun, verb) = match gone.len() {
        1 => ("table", "is"),
        _ => ("tables", "are"),
    };
    let named = gone
        .iter()
        .take(TABLES_NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = match gone.len().saturating_sub(TABLES_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("{} {noun} {verb} gone: {named}{more}", gone.len()))
}

/// What is wrong with a table that is counted.
fn counted(table: &CountedTable, old: &Shape, new: &Shape, limits: &ShrinkLimits) -> Option<String> {
    let rows = |shape: &Shape| shape.rows_of(&table.schema, &table.name);
    let (old, new) = (rows(old)?, rows(new)?);
    if let CountRule::Always(rows) = table.rule
        && old == rows
        && new != rows
    {
        return Some(format!("{table} holds {new} rows, and always held {rows}"));
    }
    if old > 0 && new == 0 {
        return Some(format!("{table} holds no row instead of {old}"));
    }
    let percent = fall(old, new, limits.rows_percent, FEW_ROWS)?;
    Some(format!(
        "{table} holds {new} rows instead of {old} ({percent} % fewer)"
    ))
}

/// By how many percent a number fell, where that is more than `limit` and more than `few` in all.
fn fall(old: u64, new: u64, limit: u8, few: u64) -> Option<u128> {
    let lost = old.checked_sub(new)?;
    let percent = u128::from(lost) * 100 / u128::from(old.max(1));
    let is_over = u128::from(lost) * 100 > u128::from(old) * u128::from(limit);
    (is_over && lost > few).then_some(percent)
}
