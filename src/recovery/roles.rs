//! Roles that a backup needs and a target lacks: found before anything is changed, and made where the operator asks for it.

use super::access::in_transaction;
use crate::error::{Error, Kind, Result};
use crate::model::globals::{RoleRecord, Roles};
use crate::model::manifest::Manifest;
use crate::model::profile::Profile;
use crate::model::timeline::{Event, Observer};
use crate::postgres::queries::access::{RefusedStatement, apply};
use crate::postgres::queries::globals as queries;
use crate::postgres::queries::identifier;
use crate::postgres::session::Session;

/// The roles that the backup needs and the server lacks. The platform makes its own.
pub(super) async fn missing(session: &Session, manifest: &Manifest, profile: Profile) -> Result<Vec<String>> {
    let mut missing = crate::postgres::queries::missing_roles(session, &manifest.needed_roles()).await?;
    missing.retain(|role| !profile.is_internal_role(role));
    Ok(missing)
}

/// Refuses to make roles that cannot be made as they were.
pub(super) async fn check_creatable(
    session: &Session,
    manifest: &Manifest,
    missing: &[String],
) -> Result<()> {
    let refuse = |message: String, hint: &str| Err(Error::new(Kind::Refused, message).hint(hint));
    let mut unknown = Vec::new();
    let mut refusals = Vec::new();
    let maker = queries::maker(session).await?;
    for name in missing {
        match recorded(manifest).and_then(|roles| roles.role(name)) {
            None => unknown.push(name.as_str()),
            Some(role) => refusals.extend(maker.refusal(role)),
        }
    }
    if !unknown.is_empty() {
        return refuse(
            format!(
                "the backup does not record what these roles were: {}",
                unknown.join(", ")
            ),
            "create them there by hand, then restore",
        );
    }
    refusals.dedup();
    if !refusals.is_empty() {
        return refuse(
            format!("the missing roles cannot be created: {}", refusals.join("; ")),
            "restore as a role that may create them, or have them created there by a superuser, then restore",
        );
    }
    Ok(())
}

/// The statements that make these roles, to be run by a person: as the backup records them, and those of which it does not with nothing
/// but their names.
pub(super) fn to_create(manifest: &Manifest, missing: &[String]) -> String {
    let statement = |name: &String| match recorded(manifest).and_then(|roles| roles.role(name)) {
        Some(role) => queries::creations([role])
            .into_iter()
            .map(|made| made.sql)
            .collect(),
        None => format!("CREATE ROLE {} WITH NOLOGIN", identifier(name)),
    };
    let statements: Vec<String> = missing.iter().map(|name| statement(name) + ";").collect();
    statements.join(" ")
}

fn recorded(manifest: &Manifest) -> Option<&Roles> {
    manifest.globals.as_ref().map(|globals| &globals.roles)
}

/// Makes these roles as the backup records them, with their memberships, and says who cannot log in. Nothing is refused: they were
/// checked. Memberships that could not be made are told here, and found by the checks.
pub async fn create(
    session: &Session,
    manifest: &Manifest,
    missing: &[String],
    observer: &dyn Observer,
) -> Result<()> {
    let Some(roles) = recorded(manifest).filter(|_| !missing.is_empty()) else {
        return Ok(());
    };
    let is_made = |name: &String| missing.contains(name);
    let made: Vec<&RoleRecord> = roles.roles.iter().filter(|role| is_made(&role.name)).collect();
    let maker = queries::maker(session).await?;
    let concerned = roles
        .memberships
        .iter()
        .filter(|known| is_made(&known.role) || is_made(&known.member));
    let mut grants = queries::memberships(concerned, maker.major);
    if !maker.is_superuser() {
        grants.extend(queries::self_memberships(names(&made), &maker));
    }
    let creations = queries::creations(made.iter().copied());
    let (uncreated, ungranted) = in_transaction(session, async || {
        let uncreated = apply(session, &creations).await?;
        Ok((uncreated, apply(session, &grants).await?))
    })
    .await?;
    tell(&uncreated, observer);
    tell(&ungranted, observer);
    let mute: Vec<&str> = made
        .iter()
        .filter(|role| role.attributes.login)
        .map(|role| role.name.as_str())
        .collect();
    observer.observe(Event::Noted(format!("created the roles {}", missing.join(", "))));
    if !mute.is_empty() {
        let what = format!(
            "these roles cannot log in until they are given a password, which no backup holds (ALTER ROLE … LOGIN PASSWORD …): {}",
            mute.join(", ")
        );
        observer.observe(Event::Warned(what));
    }
    Ok(())
}

/// Takes from the session's role the memberships that it needed to give what it restored to roles that it made.
pub(super) async fn leave(session: &Session, missing: &[String], observer: &dyn Observer) -> Result<()> {
    if missing.is_empty() || queries::maker(session).await?.is_superuser() {
        return Ok(());
    }
    let statements = queries::reset_memberships(missing.iter().map(String::as_str));
    let refused = in_transaction(session, async || apply(session, &statements).await).await?;
    tell(&refused, observer);
    Ok(())
}

fn names<'a>(roles: &'a [&RoleRecord]) -> impl Iterator<Item = &'a str> {
    roles.iter().map(|role| role.name.as_str())
}

fn tell(refused: &[RefusedStatement], observer: &dyn Observer) {
    for RefusedStatement { sql, why } in refused {
        observer.observe(Event::Warned(format!("the target refused: {sql} ({why})")));
    }
}
