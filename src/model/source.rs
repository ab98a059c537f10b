//! Which database a backup is of, and whether two descriptions are of the same one.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

use super::manifest;

/// The name of a source, which groups its backups: the database, and the Supabase project where one is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName {
    /// Supabase's project reference, where the connection string names one.
    pub project_ref: Option<String>,
    /// Name of the database.
    pub database: String,
}

/// Whether two descriptions are of one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// They are, as far as both tell.
    Same,
    Another,
    /// It cannot be known: a project is named on one side only, or one name leads to two clusters.
    Unknown,
}

/// Which source's backups a command is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceChoice {
    /// Nothing is configured: the store must hold backups of one source only.
    #[default]
    Any,
    /// The source that the settings name. A name without a project is taken as the whole name.
    Configured(SourceName),
    /// What the operator typed: a full name, a project's reference or a database's name.
    Named(String),
}

impl SourceChoice {
    /// The source that the settings name, where they do.
    pub fn configured(&self) -> Option<&SourceName> {
        match self {
            Self::Configured(name) => Some(name),
            Self::Any | Self::Named(_) => None,
        }
    }
}

impl SourceName {
    /// Whether an operator who types `text` may mean this source.
    pub(super) fn answers_to(&self, text: &str) -> bool {
        self.database == text || self.project_ref.as_deref() == Some(text) || self.to_string() == text
    }

    /// The sources among `names` that `text` means: the one whose full name it is, otherwise all that answer to it.
    pub fn meant<'a>(text: &str, names: impl IntoIterator<Item = &'a Self>) -> Vec<&'a Self> {
        let answering: Vec<&Self> = names.into_iter().filter(|name| name.answers_to(text)).collect();
        match answering.iter().find(|name| name.to_string() == text) {
            Some(exact) => vec![exact],
            None => answering,
        }
    }
}

/// `database`, or `project/database`.
impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(project) = &self.project_ref {
            write!(f, "{project}/")?;
        }
        f.write_str(&self.database)
    }
}

impl Serialize for SourceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<&manifest::Source> for SourceName {
    fn from(source: &manifest::Source) -> Self {
        Self {
            project_ref: source.project_ref.clone(),
            database: source.database.clone(),
        }
    }
}

/// Compares two names. Two projects are never the same. Where one side names a project and the other does not, a database of the
/// same name may or may not be that project's: on Supabase every database is called `postgres`.
pub(super) fn compare_names(left: &SourceName, right: &SourceName) -> Sameness {
    if left.database != right.database {
        return Sameness::Another;
    }
    match (&left.project_ref, &right.project_ref) {
        (Some(left), Some(right)) if left == right => Sameness::Same,
        (Some(_), Some(_)) => Sameness::Another,
        (None, None) => Sameness::Same,
        (Some(_), None) | (None, Some(_)) => Sameness::Unknown,
    }
}

/// Compares two databases as their servers described them. Of one name in two clusters it cannot be known whether the product moved
/// (a recovery, an upgrade) or a stranger has the same name. A project keeps its name when its cluster is replaced, and clusters of
/// projects may be copies with one identifier, so between projects the references alone decide.
pub fn compare(left: &manifest::Source, right: &manifest::Source) -> Sameness {
    let by_name = compare_names(&left.into(), &right.into());
    let has_project = left.project_ref.is_some() || right.project_ref.is_some();
    match (by_name, &left.system_identifier, &right.system_identifier) {
        (Sameness::Same, Some(left), Some(right)) if left != right && !has_project => Sameness::Unknown,
        _ => by_name,
    }
}

/// Gives each description without a project the project that another one of the same database has, where that cannot have been
/// recorded (`false`): an object that was attested later tells only the database's name. Where several could be meant it keeps
/// none. `configured` counts like a recorded one.
pub fn attribute(described: &mut [(&mut manifest::Source, bool)], configured: Option<&SourceName>) {
    let recorded = described
        .iter()
        .filter(|(source, is_recorded)| *is_recorded || source.project_ref.is_some());
    let known: BTreeSet<SourceName> = recorded
        .map(|(source, _)| SourceName::from(&**source))
        .chain(configured.cloned())
        .collect();
    for (source, is_recorded) in described.iter_mut() {
        if *is_recorded || source.project_ref.is_some() {
            continue;
        }
        let mut namesakes = known.iter().filter(|name| name.database == source.database);
        if let (Some(only), None) = (namesakes.next(), namesakes.next()) {
            source.project_ref.clone_from(&only.project_ref);
        }
    }
}
