//! What a database computes from its rows and keeps: generated columns and materialized views.
//!
//! A restore computes them again. So they may rightly differ from the source, where they were older than what they are computed from.

use serde::{Deserialize, Serialize};

use super::check_names;
use super::fingerprint::Fingerprint;
use super::verdict::Check;

/// The check's stable name.
const NAME: &str = check_names::DERIVED;
const NOT_RECORDED: &str = "the backup does not record what it held";

/// Which part of a relation is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Computed {
    /// Columns of a table. Its fingerprint is over all its columns.
    #[serde(rename = "generated columns")]
    Columns,
    /// The rows of a materialized view.
    #[serde(rename = "materialized view")]
    View,
}

/// A relation with computed content, and that content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived {
    pub schema: String,
    pub name: String,
    /// Which part of it is computed.
    pub computed: Computed,
    /// The columns that were read, in order.
    pub columns: Vec<String>,
    /// Row count and content hash of those columns, as the fields `rows` and `fingerprint`.
    #[serde(flatten)]
    pub content: Fingerprint,
}

/// Why computed content differs where the rows do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The target's is what its definition gives now. The source's was not.
    Stale,
    /// It is never twice the same.
    Volatile,
    /// The target's is not what its definition gives.
    Unexplained,
    /// Asking failed, and how.
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedDifference {
    /// What differs, as it is in the backup.
    pub of: Derived,
    pub reason: Reason,
}

impl DerivedDifference {
    /// Whether the target is as it should be all the same.
    fn is_explained(&self) -> bool {
        matches!(self.reason, Reason::Stale | Reason::Volatile)
    }

    fn text(&self) -> String {
        let Derived {
            schema,
            name,
            computed,
            ..
        } = &self.of;
        let place = match computed {
            Computed::Columns => format!("generated columns of {schema}.{name}"),
            Computed::View => format!("materialized view {schema}.{name}"),
        };
        let why = match (&self.reason, computed) {
            (Reason::Stale, Computed::View) => {
                "stale in the source, which did not refresh it since what it reads changed; made anew here"
                    .to_owned()
            }
            (Reason::Stale, Computed::Columns) => {
                "stale in the source, whose expression or what it looks up changed since; computed anew here"
                    .to_owned()
            }
            (Reason::Volatile, _) => "volatile: never twice the same".to_owned(),
            (Reason::Unexplained, _) => "not what the definition gives in this database".to_owned(),
            (Reason::Unknown(how), _) => format!("why cannot be told: {how}"),
        };
        format!("{place}: not as in the source; {why}")
    }
}

/// What was compared with a backup's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DerivedComparison {
    /// How many relations are as recorded.
    pub equal: usize,
    /// Those that are not.
    pub differences: Vec<DerivedDifference>,
    /// Relations of the backup that compute something and are not in its record, as `schema.name`.
    pub unrecorded: Vec<String>,
}

/// Everything computed is as it was in the source, or differs for a reason that the source had. Such differences are told. What the backup
/// does not record is not compared, and not proven, unless that is accepted.
pub fn check(compared: &DerivedComparison, accepts_unrecorded: bool) -> Check {
    let (explained, problems): (Vec<&DerivedDifference>, Vec<&DerivedDifference>) = compared
        .differences
        .iter()
        .partition(|difference| difference.is_explained());
    let problems: Vec<String> = problems.into_iter().map(DerivedDifference::text).collect();
    let mut told: Vec<String> = explained.into_iter().map(DerivedDifference::text).collect();
    let unrecorded = compared.unrecorded.iter();
    told.extend(unrecorded.map(|name| format!("{name}: not compared; {NOT_RECORDED}")));
    let well = format!("{} equal", compared.equal);
    if problems.is_empty() && !compared.unrecorded.is_empty() && !accepts_unrecorded {
        let count = compared.unrecorded.len();
        let why = format!("{well}, {count} not recorded; --accept-unknown-rights does without them");
        return Check::skipped(NAME, why).telling(told);
    }
    Check::none_of(NAME, &problems, well).telling(told)
}
