//! Settings as statements, and running those without their values being seen.

use tokio_postgres::error::SqlState;

use super::constant;
use crate::error::Result;
use crate::model::globals::{Setting, SettingDigest, SettingScope};
use crate::postgres::queries::{all, batch, identifier, one};
use crate::postgres::session::Session;

/// Settings whose value is a list of names, each quoted where needed. `SET` wants each as a constant of its own.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// `ALTER … SET …` for a setting, in the database of this name.
pub fn setting(setting: &Setting, database: &str) -> String {
    let target = target(setting.scope, setting.role.as_deref(), database);
    format!("{target} {}", assignment(setting))
}

/// `ALTER … RESET …` for a setting, in the database of this name.
pub fn resetting(setting: &SettingDigest, database: &str) -> String {
    let target = target(setting.scope, setting.role.as_deref(), database);
    format!("{target} RESET {}", identifier(&setting.name))
}

fn target(scope: SettingScope, role: Option<&str>, database: &str) -> String {
    let role = role.map_or_else(|| "ALL".to_owned(), identifier);
    match scope {
        SettingScope::Database => format!("ALTER DATABASE {}", identifier(database)),
        SettingScope::Role => format!("ALTER ROLE {role}"),
        SettingScope::RoleInDatabase => format!("ALTER ROLE {role} IN DATABASE {}", identifier(database)),
    }
}

/// `SET name TO value`.
pub(super) fn assignment(setting: &Setting) -> String {
    let (name, value) = (&setting.name, setting.value.reveal());
    let is_list = LISTS.contains(&name.to_lowercase().as_str());
    let values = match is_list.then(|| names(value)).flatten() {
        Some(names) if !names.is_empty() => {
            let names: Vec<String> = names.iter().map(|name| constant(name)).collect();
            names.join(", ")
        }
        _ => constant(value),
    };
    format!("SET {} TO {values}", identifier(name))
}

/// The names in `"$user", public`. Nothing where it is no such list.
fn names(list: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let (name, behind) = if let Some(inner) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut marks = inner.char_indices().peekable();
            loop {
                let (place, mark) = marks.next()?;
                if mark != '"' {
                    name.push(mark);
                } else if marks.next_if(|(_, next)| *next == '"').is_some() {
                    name.push('"');
                } else {
                    break (name, &inner[place + 1..]);
                }
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].trim_end().to_owned(), &rest[end..])
        };
        found.push(name);
        let behind = behind.trim_start();
        if behind.is_empty() {
            break;
        }
        rest = behind.strip_prefix(',')?.trim_start();
    }
    Some(found)
}

/// Runs one statement that may hold a secret. What the server says of a refusal may quote it, so that is not taken; only why, in our own
/// words.
///
/// The server's log quotes a statement that fails, and by its settings others too. So the statement is a value until a block of the
/// server's own language runs it, which fails without an error. Where the role may not use that language it is run as it is.
pub async fn apply(session: &Session, statement: &str) -> Result<Option<String>> {
    const WHAT: &str = "cannot apply a setting";
    const BLOCK: &str = "DO $paycraft$ BEGIN
           EXECUTE pg_catalog.current_setting('paycraft.statement');
           PERFORM pg_catalog.set_config('paycraft.refused', '', false);
         EXCEPTION WHEN OTHERS THEN
           PERFORM pg_catalog.set_config('paycraft.refused', SQLSTATE, false);
         END $paycraft$";
    let keep = "SELECT pg_catalog.set_config('paycraft.statement', $1, false)";
    one(session, WHAT, keep, &[&statement]).await?;
    let ran = session.with_timeout(session.batch_execute(BLOCK)).await?;
    batch(session, WHAT, "RESET paycraft.statement").await?;
    let code = match ran {
        Ok(()) => {
            let asked = "SELECT pg_catalog.current_setting('paycraft.refused')";
            one(session, WHAT, asked, &[]).await?.get(0)
        }
        Err(cause) if cause.as_db_error().is_none() => return Err(session.failed(WHAT, cause)),
        Err(_) => match session.with_timeout(session.batch_execute(statement)).await? {
            Ok(()) => String::new(),
            Err(cause) => match cause.code() {
                Some(code) => code.code().to_owned(),
                None => return Err(session.failed(WHAT, cause)),
            },
        },
    };
    Ok((!code.is_empty()).then(|| why(&code)))
}

/// Those of the settings that the session's role may not make. Roles that are missing will be the role's own once it has made them.
pub async fn forbidden<'a>(
    session: &Session,
    settings: &[&'a SettingDigest],
) -> Result<Vec<&'a SettingDigest>> {
    let names: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
    let roles: Vec<Option<&str>> = settings.iter().map(|setting| setting.role.as_deref()).collect();
    let scopes: Vec<&str> = settings.iter().map(|setting| setting.scope.name()).collect();
    // A setting that the server does not know may be set by whom ALTER SYSTEM is granted to.
    let sql = "SELECT coalesce(
                CASE WHEN s.name IS NULL THEN pg_catalog.has_parameter_privilege(w.name, 'ALTER SYSTEM')
                     WHEN s.context LIKE 'superuser%' THEN pg_catalog.has_parameter_privilege(w.name, 'SET')
                     ELSE s.context IN ('user', 'backend') END, false)
              AND (own.rolsuper
                   OR w.scope = 'database' AND pg_catalog.pg_has_role(d.datdba, 'USAGE')
                   OR w.role = current_user AND w.scope = 'role'
                   OR w.role IS NOT NULL AND own.rolcreaterole
                      AND (w.scope = 'role' OR pg_catalog.pg_has_role(d.datdba, 'USAGE')))
           FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS w (name, role, scope, place)
           JOIN pg_catalog.pg_roles own ON own.rolname = current_user
           JOIN pg_catalog.pg_database d ON d.datname = current_database()
           LEFT JOIN pg_catalog.pg_settings s ON lower(s.name) = lower(w.name)
          ORDER BY w.place";
    let what = "cannot ask which settings the role may make";
    let may = all(session, what, sql, &[&names, &roles, &scopes]).await?;
    let settings = settings.iter().zip(may);
    Ok(settings
        .filter(|(_, row)| !row.get::<_, bool>(0))
        .map(|(setting, _)| *setting)
        .collect())
}

/// Why the server refused a setting, by its code.
fn why(code: &str) -> String {
    let known = |state: &SqlState| state.code() == code;
    if known(&SqlState::INSUFFICIENT_PRIVILEGE) {
        "the role may not set it".to_owned()
    } else if known(&SqlState::UNDEFINED_OBJECT) {
        "the server knows no such setting or role".to_owned()
    } else if known(&SqlState::INVALID_PARAMETER_VALUE) {
        "the server does not take its value".to_owned()
    } else {
        format!("the server refused it with code {code}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    #[test]
    fn a_list_is_set_name_by_name() {
        let of = |name: &str, value: &str| {
            assignment(&Setting {
                scope: SettingScope::Database,
                role: None,
                name: name.to_owned(),
                value: Secret::new(value),
            })
        };
        assert_eq!(
            of("search_path", r#""$user", public, "a, ""b""""#),
            r#"SET "search_path" TO '$user', 'public', 'a, "b"'"#
        );
        assert_eq!(of("search_path", ""), r#"SET "search_path" TO ''"#);
        assert_eq!(of("app.key", "it's, one"), r#"SET "app.key" TO 'it''s, one'"#);
    }
}
