//! Roles, memberships and settings: read from the catalogs, worded as SQL, made in a target.

mod making;
mod setting;
mod text;

pub use making::{Maker, creations, maker, memberships, reset_memberships, self_memberships};
pub use setting::{apply, forbidden, resetting, setting};
pub use text::{roles_text, settings_text};

use tokio_postgres::error::SqlState;

use super::identity::MARKER_SETTING;
use super::{all, one};
use crate::error::Result;
use crate::model::globals::{Membership, RoleAttributes, RoleRecord, Roles, Setting, SettingScope};
use crate::model::secret::Secret;
use crate::postgres::session::Session;

/// PostgreSQL's version from which on memberships have options of their own.
const OPTIONS_SINCE: u32 = 16;

/// Everything of a server that may belong to a backup of the session's database.
#[derive(Clone, Debug)]
pub struct ServerGlobals {
    /// The server's major version.
    pub major: u32,
    /// All roles but PostgreSQL's own, and all memberships.
    pub roles: Roles,
    /// The settings of the database, of roles, and of roles in the database.
    pub settings: Vec<Setting>,
}

/// Reads roles, memberships and settings.
pub async fn read(session: &Session) -> Result<ServerGlobals> {
    let what = "cannot read the server's roles";
    let major = "SELECT current_setting('server_version_num')::int / 10000";
    let major: i32 = one(session, what, major, &[]).await?.get(0);
    let major = u32::try_from(major).unwrap_or(0);
    let sql = "SELECT rolname::text, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
                nullif(rolconnlimit, -1),
                CASE WHEN isfinite(rolvaliduntil) THEN to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS\"+00\"') END
           FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY 1";
    let roles = all(session, what, sql, &[]).await?;
    let roles = roles.iter().map(|row| RoleRecord {
        name: row.get(0),
        attributes: RoleAttributes {
            superuser: row.get(1),
            inherit: row.get(2),
            createrole: row.get(3),
            createdb: row.get(4),
            login: row.get(5),
            replication: row.get(6),
            bypassrls: row.get(7),
        },
        connection_limit: row.get(8),
        valid_until: row.get(9),
    });
    let options = match major >= OPTIONS_SINCE {
        true => "bool_or(m.inherit_option), bool_or(m.set_option)",
        false => "NULL::bool, NULL::bool",
    };
    // On newer servers several grantors may have granted the same; what counts is what the member may.
    let sql = format!(
        "SELECT g.rolname::text, r.rolname::text, bool_or(m.admin_option), {options}
           FROM pg_catalog.pg_auth_members m
           JOIN pg_catalog.pg_roles g ON g.oid = m.roleid JOIN pg_catalog.pg_roles r ON r.oid = m.member
          WHERE r.rolname !~ '^pg_' GROUP BY 1, 2 ORDER BY 1, 2"
    );
    let memberships = all(session, what, &sql, &[]).await?;
    let memberships = memberships.iter().map(|row| Membership {
        role: row.get(0),
        member: row.get(1),
        admin: row.get(2),
        inherit: row.get(3),
        set: row.get(4),
    });
    Ok(ServerGlobals {
        major,
        roles: Roles {
            roles: roles.collect(),
            memberships: memberships.collect(),
        },
        settings: settings(session).await?,
    })
}

/// Reads the settings of the database, of roles, and of roles in the database. The marker by which a source is known again is none of
/// them: in a target it would say that this is production.
async fn settings(session: &Session) -> Result<Vec<Setting>> {
    let sql = "SELECT s.setdatabase <> 0, r.rolname::text, split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)
           FROM pg_catalog.pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS c
           LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
          WHERE (s.setrole = 0 OR r.oid IS NOT NULL)
            AND split_part(c, '=', 1) <> $1
            AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
          ORDER BY 1, 2 NULLS FIRST, 3";
    let asked = session
        .with_timeout(session.query(sql, &[&MARKER_SETTING]))
        .await?;
    let rows = asked.map_err(|cause| {
        let is_denied = cause.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE);
        let error = session.failed("cannot read the settings of the database and of roles", cause);
        match is_denied {
            true => error.hint(
                "let the role read them: GRANT SELECT ON pg_catalog.pg_db_role_setting TO …; pg_dump reads them too",
            ),
            false => error,
        }
    })?;
    Ok(rows
        .iter()
        .map(|row| {
            let role: Option<String> = row.get(1);
            Setting {
                scope: match (row.get(0), &role) {
                    (false, _) => SettingScope::Role,
                    (true, None) => SettingScope::Database,
                    (true, Some(_)) => SettingScope::RoleInDatabase,
                },
                role,
                name: row.get(2),
                value: Secret::new(row.get::<_, String>(3)),
            }
        })
        .collect())
}

/// A text as a constant of SQL. Where the backslash escapes, there must be none of it.
fn constant(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
