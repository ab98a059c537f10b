//! The names of checks: what `--json` reports, and what `[[accept]]` in the configuration refers to. They stay.

pub const AGAINST: &str = "against";
pub const ARCHIVE: &str = "archive";
pub const BLOCKS: &str = "blocks";
pub const CANARIES: &str = "canaries";
pub const CATALOG: &str = "catalog";
pub const CONSTRAINTS: &str = "constraints";
pub const CONTENT: &str = "content";
pub const COUNTS: &str = "counts";
pub const DEFAULT_PRIVILEGES: &str = "default privileges";
pub const DERIVED: &str = "derived";
pub const DRILL: &str = "drill";
pub const EFFECTIVE_ACCESS: &str = "effective access";
pub const EXPECTATION: &str = "expectation";
pub const EXTENSION_VERSIONS: &str = "extension versions";
pub const FAULTS: &str = "faults";
pub const FILES: &str = "files";
pub const GZIP: &str = "gzip";
pub const INDEX_ANSWERS: &str = "index answers";
pub const INDEXES: &str = "indexes";
pub const LARGE_OBJECTS: &str = "large objects";
pub const LEFT_OUT: &str = "left out";
pub const LOST_ROWS: &str = "lost rows";
pub const MATERIALIZED_VIEWS: &str = "materialized views";
pub const MISSING_ENTRIES: &str = "missing entries";
pub const OWNERS: &str = "owners";
pub const PLATFORM_REFERENCES: &str = "platform references";
pub const PROCESSES: &str = "processes";
pub const PRODUCTION: &str = "production";
pub const PRUNE: &str = "prune";
pub const RIGHTS: &str = "rights";
pub const ROLES: &str = "roles";
pub const ROLES_AND_SETTINGS: &str = "roles and settings";
pub const ROWS: &str = "rows";
pub const RPO: &str = "rpo";
pub const SCHEMA: &str = "schema";
pub const SEQUENCES: &str = "sequences";
pub const SETTINGS: &str = "settings";
pub const SOURCE: &str = "source";
pub const SOURCE_RIGHTS: &str = "source rights";
pub const STORE: &str = "store";
pub const SUSPICION: &str = "suspicion";
pub const TEAR_DOWN: &str = "tear-down";

/// Every name.
pub const ALL: [&str; 42] = [
    AGAINST,
    ARCHIVE,
    BLOCKS,
    CANARIES,
    CATALOG,
    CONSTRAINTS,
    CONTENT,
    COUNTS,
    DEFAULT_PRIVILEGES,
    DERIVED,
    DRILL,
    EFFECTIVE_ACCESS,
    EXPECTATION,
    EXTENSION_VERSIONS,
    FAULTS,
    FILES,
    GZIP,
    INDEX_ANSWERS,
    INDEXES,
    LARGE_OBJECTS,
    LEFT_OUT,
    LOST_ROWS,
    MATERIALIZED_VIEWS,
    MISSING_ENTRIES,
    OWNERS,
    PLATFORM_REFERENCES,
    PROCESSES,
    PRODUCTION,
    PRUNE,
    RIGHTS,
    ROLES,
    ROLES_AND_SETTINGS,
    ROWS,
    RPO,
    SCHEMA,
    SEQUENCES,
    SETTINGS,
    SOURCE,
    SOURCE_RIGHTS,
    STORE,
    SUSPICION,
    TEAR_DOWN,
];
