//! The SQL of a globals object, for people and psql.

use std::fmt::Write;

use super::setting::{assignment, setting};
use super::{ServerGlobals, constant, making};
use crate::model::globals::{Setting, SettingScope};
use crate::postgres::queries::identifier;

/// Roles, their settings and memberships in the form that `pg_dumpall --globals-only --no-role-passwords` writes.
pub fn roles_text(read: &ServerGlobals) -> String {
    let mut text = String::from(
        "--\n-- Roles, as far as the role of the backup may see them\n--\n\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\n",
    );
    for role in &read.roles.roles {
        let name = identifier(&role.name);
        let attributes = role.attributes.words();
        let words = attributes.map(|(word, is_there)| {
            if is_there {
                word.to_owned()
            } else {
                format!("NO{word}")
            }
        });
        let _ = write!(
            text,
            "CREATE ROLE {name};\nALTER ROLE {name} WITH {}",
            words.join(" ")
        );
        text.push_str(&making::limits(role));
        text.push_str(";\n");
    }
    text.push_str("\n-- Settings of roles\n\n");
    let of_roles = read.settings.iter();
    for of_role in of_roles.filter(|setting| setting.scope == SettingScope::Role && setting.role.is_some()) {
        let _ = writeln!(text, "{};", setting(of_role, ""));
    }
    text.push_str("\n-- Memberships\n\n");
    for membership in &read.roles.memberships {
        let _ = writeln!(text, "{};", making::granting(membership, read.major));
    }
    text
}

/// What no dump of globals has: settings of all roles, of the database, and of roles in it. They go to the database that psql is
/// connected to, under any name.
pub fn settings_text(settings: &[Setting]) -> String {
    let mut text = String::from(
        "\n--\n-- paycraft-dr: settings of the database that psql is connected to, and of roles in it\n--\n\n\
         SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\n",
    );
    for of in settings {
        let role = of.role.as_deref().map_or_else(|| "ALL".to_owned(), identifier);
        let target = match of.scope {
            SettingScope::Role if of.role.is_some() => continue,
            SettingScope::Role => {
                let _ = writeln!(text, "ALTER ROLE ALL {};", assignment(of));
                continue;
            }
            SettingScope::Database => "ALTER DATABASE %I %s".to_owned(),
            SettingScope::RoleInDatabase => {
                format!("ALTER ROLE {} IN DATABASE %I %s", role.replace('%', "%%"))
            }
        };
        let _ = writeln!(
            text,
            "SELECT pg_catalog.format({}, pg_catalog.current_database(), {}) \\gexec",
            constant(&target),
            constant(&assignment(of))
        );
    }
    text.push('\n');
    text
}
