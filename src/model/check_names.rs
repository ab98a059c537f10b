//! The names of checks: what `--json` reports, and what `[[accept]]` in the configuration refers to. They stay.

/// Declares each name, and the list of all of them.
macro_rules! names {
    ($($constant:ident = $name:literal,)*) => {
        $(pub const $constant: &str = $name;)*

        pub const ALL: &[&str] = &[$($constant),*];
    };
}

names! {
    AGAINST = "against",
    ARCHIVE = "archive",
    BLOCKS = "blocks",
    CANARIES = "canaries",
    CATALOG = "catalog",
    CONSTRAINTS = "constraints",
    CONTENT = "content",
    COUNTS = "counts",
    DEFAULT_PRIVILEGES = "default privileges",
    DERIVED = "derived",
    DRILL = "drill",
    EFFECTIVE_ACCESS = "effective access",
    EXPECTATION = "expectation",
    EXTENSION_VERSIONS = "extension versions",
    FAULTS = "faults",
    FILES = "files",
    GZIP = "gzip",
    INDEX_ANSWERS = "index answers",
    INDEXES = "indexes",
    LARGE_OBJECTS = "large objects",
    LEFT_OUT = "left out",
    LOST_ROWS = "lost rows",
    MATERIALIZED_VIEWS = "materialized views",
    MISSING_ENTRIES = "missing entries",
    OWNERS = "owners",
    PLATFORM_REFERENCES = "platform references",
    PROCESSES = "processes",
    PRODUCTION = "production",
    PRUNE = "prune",
    RIGHTS = "rights",
    ROLES = "roles",
    ROLES_AND_SETTINGS = "roles and settings",
    ROWS = "rows",
    RPO = "rpo",
    SCHEMA = "schema",
    SEQUENCES = "sequences",
    SETTINGS = "settings",
    SOURCE = "source",
    SOURCE_RIGHTS = "source rights",
    STORE = "store",
    SUSPICION = "suspicion",
    TEAR_DOWN = "tear-down",
}
