//! A column, as far as writing and comparing its values goes.

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Numbers, some of which may be `NaN` or infinite.
    Number,
    /// `t` or `f`.
    Boolean,
    /// Everything else, and what is not known.
    Text,
}
