//! What an archive's entries are.

use std::fmt;

/// Each variant with the word that pg_dump writes for it.
macro_rules! kinds {
    ($($kind:ident $word:literal)+) => {
        /// What an entry is.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EntryKind {
            $(
                #[doc = concat!("`", $word, "`")]
                $kind,
            )+
            /// In pg_dump's words, what has no name here.
            Other(String),
        }

        impl EntryKind {
            /// In pg_dump's words.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$kind => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for EntryKind {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$kind,)+
                    _ => Self::Other(word.to_owned()),
                }
            }
        }
    };
}

kinds! {
    Acl "ACL"
    Aggregate "AGGREGATE"
    Blob "BLOB"
    BlobMetadata "BLOB METADATA"
    Blobs "BLOBS"
    CheckConstraint "CHECK CONSTRAINT"
    Collation "COLLATION"
    Comment "COMMENT"
    Constraint "CONSTRAINT"
    Database "DATABASE"
    DatabaseProperties "DATABASE PROPERTIES"
    DefaultAcl "DEFAULT ACL"
    Domain "DOMAIN"
    Encoding "ENCODING"
    EventTrigger "EVENT TRIGGER"
    Extension "EXTENSION"
    FkConstraint "FK CONSTRAINT"
    ForeignTable "FOREIGN TABLE"
    Function "FUNCTION"
    Index "INDEX"
    IndexAttach "INDEX ATTACH"
    MaterializedView "MATERIALIZED VIEW"
    MaterializedViewData "MATERIALIZED VIEW DATA"
    Operator "OPERATOR"
    Policy "POLICY"
    Procedure "PROCEDURE"
    Publication "PUBLICATION"
    PublicationTable "PUBLICATION TABLE"
    PublicationTablesInSchema "PUBLICATION TABLES IN SCHEMA"
    Schema "SCHEMA"
    SecurityLabel "SECURITY LABEL"
    Sequence "SEQUENCE"
    SequenceSet "SEQUENCE SET"
    ShellType "SHELL TYPE"
    Statistics "STATISTICS"
    StatisticsData "STATISTICS DATA"
    StdStrings "STDSTRINGS"
    Table "TABLE"
    TableAttach "TABLE ATTACH"
    TableData "TABLE DATA"
    TextSearchConfiguration "TEXT SEARCH CONFIGURATION"
    TextSearchDictionary "TEXT SEARCH DICTIONARY"
    Trigger "TRIGGER"
    Type "TYPE"
    View "VIEW"
}

impl EntryKind {
    /// Whether it is a constraint of any kind.
    pub fn is_constraint(&self) -> bool {
        self.as_str().ends_with("CONSTRAINT")
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::EntryKind;

    #[test]
    fn a_word_that_has_no_name_here_stays_as_it_is() {
        for word in ["TABLE DATA", "FK CONSTRAINT", "PROPERTY GRAPH", ""] {
            let kind = EntryKind::from(word);
            assert_eq!(kind.as_str(), word);
            assert_eq!(matches!(kind, EntryKind::Other(_)), !word.starts_with(['T', 'F']));
        }
        assert_eq!(EntryKind::from("TABLE DATA"), EntryKind::TableData);
    }
}
