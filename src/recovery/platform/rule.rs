//! The rules by which entries of a backup are left out of a Supabase target, by name and reason.

use std::fmt;

/// Why an entry is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OmissionRule {
    /// A schema of the platform's.
    Schema,
    /// Something in such a schema that the target has.
    Definition,
    /// Something in such a schema that the target has not.
    LackingDefinition,
    /// A comment on something of the platform's.
    Comment,
    /// An event trigger of the platform's.
    EventTrigger,
    /// An event trigger of the product's that the role may not make.
    ForbiddenEventTrigger,
    /// An extension that the target has.
    Extension,
    /// An extension that the target has not and the role may not create.
    ForbiddenExtension,
    /// An extension that only a platform has, and what it holds, in a target without it.
    PlatformExtension,
    /// A publication that the target has.
    Publication,
    /// A table of a publication that the role does not own.
    ForbiddenPublication,
    /// A policy of the product's on a table of the platform's, where the role may make none.
    ForbiddenPolicy,
    /// A trigger of the product's on a table of the platform's, where the role may make none.
    ForbiddenTrigger,
    /// Rows that say which migrations of the platform were applied.
    MigrationRows,
    /// Rows that only the source project can decrypt.
    SecretRows,
    /// Rows that live no longer than a connection or some days, where the target cannot take them.
    PassingRows,
    /// Rows of a table of the platform's that the role may not fill.
    ForbiddenRows,
    /// Rows of a table that the target's platform has not.
    LackingRows,
    /// Rows with columns that the target's table has not.
    OtherColumns,
    /// A sequence of the platform's that counts no loaded rows, or that the role may not set.
    Sequence,
    /// Something of the product's that the target has.
    Present,
    /// Something that cannot be made without what was left out.
    NeedsLeftOut,
}

impl OmissionRule {
    pub const ALL: [Self; 22] = [
        Self::Schema,
        Self::Definition,
        Self::LackingDefinition,
        Self::Comment,
        Self::EventTrigger,
        Self::ForbiddenEventTrigger,
        Self::Extension,
        Self::ForbiddenExtension,
        Self::PlatformExtension,
        Self::Publication,
        Self::ForbiddenPublication,
        Self::ForbiddenPolicy,
        Self::ForbiddenTrigger,
        Self::MigrationRows,
        Self::SecretRows,
        Self::PassingRows,
        Self::ForbiddenRows,
        Self::LackingRows,
        Self::OtherColumns,
        Self::Sequence,
        Self::Present,
        Self::NeedsLeftOut,
    ];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Schema => "platform schema",
            Self::Definition => "platform definition",
            Self::LackingDefinition => "definition the platform lacks",
            Self::Comment => "platform comment",
            Self::EventTrigger => "platform event trigger",
            Self::ForbiddenEventTrigger => "event trigger",
            Self::Extension => "extension",
            Self::ForbiddenExtension => "extension the platform lacks",
            Self::PlatformExtension => "platform extension",
            Self::Publication => "platform publication",
            Self::ForbiddenPublication => "table of a platform publication",
            Self::ForbiddenPolicy => "policy on a platform table",
            Self::ForbiddenTrigger => "trigger on a platform table",
            Self::MigrationRows => "platform migration rows",
            Self::SecretRows => "platform secrets",
            Self::PassingRows => "passing platform rows",
            Self::ForbiddenRows => "platform rows",
            Self::LackingRows => "rows of a table the platform lacks",
            Self::OtherColumns => "platform rows with other columns",
            Self::Sequence => "platform sequence",
            Self::Present => "already there",
            Self::NeedsLeftOut => "needs what was left out",
        }
    }

    /// Why, and what is left to do by hand, as a sentence without its full stop.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Schema | Self::Definition | Self::EventTrigger => {
                "the target's platform has its own, and keeps it current"
            }
            Self::LackingDefinition => {
                "it is in a schema of the platform's, the target has none, and its role may not make it there"
            }
            Self::Comment => "only the platform may comment on what is the platform's",
            Self::ForbiddenEventTrigger => {
                "the target's role may not make event triggers: make it in the project's SQL editor"
            }
            Self::Extension => "the target has it",
            Self::ForbiddenExtension => {
                "the target has none and its role may not create it: enable it in the project's dashboard"
            }
            Self::PlatformExtension => {
                "only Supabase has this extension, and only there is what it holds of use"
            }
            Self::Publication => "the target has it; the tables it publishes are added to it",
            Self::ForbiddenPublication => {
                "the publication is not the target's role's: add the table in the project's dashboard"
            }
            Self::ForbiddenPolicy => {
                "the target's role may not make policies on a table of the platform's: make it in the project's dashboard"
            }
            Self::ForbiddenTrigger => {
                "the target's role may not make triggers on a table of the platform's: make it in the project's dashboard"
            }
            Self::MigrationRows => {
                "they tell which version of the platform the source had; the target's tell which it has"
            }
            Self::SecretRows => "only the source project can decrypt them: enter them into the target again",
            Self::PassingRows => {
                "they are Realtime's, of clients that were connected then; the platform drops them by itself"
            }
            Self::ForbiddenRows => "the target's role may not add rows to a table of the platform's",
            Self::LackingRows => "the target's platform has no such table",
            Self::OtherColumns => "the target's table lacks a column of the backup's",
            Self::Sequence => "it belongs to the platform, and counts nothing that was loaded",
            Self::Present => "the target has one of that name",
            Self::NeedsLeftOut => "it cannot be made without something that was left out",
        }
    }

    /// Whether what is left out by this rule is the platform's business, so that a restore without it is still all that could
    /// be asked for. What is not is missed by the verification.
    pub const fn is_excused(self) -> bool {
        !matches!(self, Self::Present | Self::NeedsLeftOut)
    }

    /// Whether the rows left out by this rule are the product's, and nowhere once the source is gone: without them the target is
    /// not what was backed up.
    pub(super) const fn loses_rows(self) -> bool {
        matches!(self, Self::ForbiddenRows | Self::LackingRows | Self::OtherColumns)
    }

    /// Whether the target is without what is left out by this rule, so that nothing can be built on it.
    pub(super) const fn leaves_a_gap(self) -> bool {
        matches!(
            self,
            Self::LackingDefinition
                | Self::ForbiddenEventTrigger
                | Self::ForbiddenExtension
                | Self::PlatformExtension
                | Self::ForbiddenPolicy
                | Self::ForbiddenTrigger
                | Self::NeedsLeftOut
        )
    }
}

impl fmt::Display for OmissionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
