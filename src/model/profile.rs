//! What kind of place a target is.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Kind};

/// Schemas that Supabase makes, fills and changes itself. `supabase_migrations` is none of them: it is made by the product's
/// own command line, and holds which of the product's migrations were applied.
pub const PLATFORM_SCHEMAS: [&str; 17] = [
    "_analytics",
    "_realtime",
    "_supavisor",
    "auth",
    "cron",
    "extensions",
    "graphql",
    "graphql_public",
    "net",
    "pgbouncer",
    "pgsodium",
    "pgsodium_masks",
    "pgtle",
    "realtime",
    "storage",
    "supabase_functions",
    "vault",
];

/// Extensions that are part of every Supabase project, or were once, and that other servers rarely have.
pub const PLATFORM_EXTENSIONS: [&str; 5] = ["pg_graphql", "pg_net", "pgjwt", "pgsodium", "supabase_vault"];

/// Who owns what is in a database besides the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// No platform: the connecting role may make everything.
    Plain,
    /// Supabase: its schemas, event triggers and extensions are there before the product, and are not the product's to make.
    Supabase,
}

impl Profile {
    /// Whether what is in that schema belongs to the platform.
    pub fn owns_schema(self, schema: &str) -> bool {
        self == Self::Supabase && PLATFORM_SCHEMAS.contains(&schema)
    }

    /// Whether the role is one that the platform works with itself.
    pub fn is_internal_role(self, role: &str) -> bool {
        self == Self::Supabase && (role.starts_with("supabase_") || INTERNAL_ROLES.contains(&role))
    }
}

/// Roles that a Supabase project works with itself. `anon`, `authenticated` and `service_role` are none of them: they are whom the
/// product's tables are opened to or closed against.
const INTERNAL_ROLES: [&str; 3] = ["authenticator", "dashboard_user", "pgbouncer"];

impl FromStr for Profile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "plain" => Ok(Self::Plain),
            "supabase" => Ok(Self::Supabase),
            _ => Err(Error::new(Kind::Usage, format!("{text:?} is no profile"))
                .hint("write `plain` or `supabase`")),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Supabase => "supabase",
        })
    }
}
