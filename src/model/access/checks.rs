//! The checks over owners and rights, and their words.

use std::collections::HashSet;

use super::compare::{Comparison, GrantAction, RightsDifference};
use super::privileges::Privileges;
use super::rights::Grantee;
use crate::model::check_names::{
    DEFAULT_PRIVILEGES as DEFAULTS, EFFECTIVE_ACCESS as EFFECTIVE, EXTENSION_VERSIONS as EXTENSIONS, OWNERS,
    RIGHTS,
};
use crate::model::verdict::Check;

/// Why the checks cannot be made where a backup records no rights.
pub const UNKNOWN: &str = "the backup does not record them";

/// Whether the operator accepts that the rights are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnknownRightsAccepted(pub bool);

/// The checks where the backup records no rights. They are skipped, unless that is accepted.
pub fn unknown(accepted: UnknownRightsAccepted) -> Vec<Check> {
    let names = [RIGHTS, OWNERS, DEFAULTS, EFFECTIVE];
    let check = |name| match accepted {
        UnknownRightsAccepted(true) => Check::none_of(name, &[], format!("accepted: {UNKNOWN}")),
        UnknownRightsAccepted(false) => Check::skipped(
            name,
            format!("{UNKNOWN}; --accept-unknown-rights does without them"),
        ),
    };
    names.map(check).to_vec()
}

/// The checks over a comparison. In each, what is too much comes first.
pub fn checks(comparison: &Comparison<'_>, accepted: UnknownRightsAccepted) -> Vec<Check> {
    vec![
        rights(comparison),
        owners(comparison),
        defaults(comparison),
        effective(comparison, accepted),
        extensions(comparison),
    ]
}

fn rights(comparison: &Comparison<'_>) -> Check {
    let (findings, regranted) = comparison.findings();
    let roles = comparison.found.roles.iter();
    let roles: HashSet<&str> = roles.map(|role| role.name.as_str()).collect();
    let is_missing = |grantee: Grantee<'_>| match grantee {
        Grantee::Role(name) => !roles.contains(name),
        _ => false,
    };
    let mut problems: Vec<String> = findings.iter().flat_map(too_much).collect();
    problems.extend(findings.iter().flat_map(|finding| {
        let missing = match is_missing(finding.grantee) {
            true => " (there is no such role)",
            false => "",
        };
        too_little(finding).into_iter().map(move |text| text + missing)
    }));
    problems.extend(regranted.iter().map(|change| {
        let (who, by) = (change.grantee.name(), change.grantor.name());
        format!(
            "{who} has {} on {}, but not of {by}",
            change.privileges, change.object
        )
    }));
    let mut well = format!("those on {} objects equal", comparison.compared);
    if comparison.platforms > 0 {
        well = format!(
            "{well}; platform rights: {} objects are the target's platform's and keep what it grants",
            comparison.platforms
        );
    }
    Check::none_of(RIGHTS, &problems, well)
}

fn too_much(finding: &RightsDifference<'_>) -> Vec<String> {
    let (who, object) = (finding.grantee.name(), finding.object);
    let held = finding.too_much;
    let may = format!("too much: {who} has {} on {object}", held.privileges);
    let grants = format!("too much: {who} may grant {} on {object}", held.grantable);
    of(held.privileges, may, held.grantable, grants)
}

fn too_little(finding: &RightsDifference<'_>) -> Vec<String> {
    let (who, object) = (finding.grantee.name(), finding.object);
    let held = finding.too_little;
    let lacks = format!("too little: {who} lacks {} on {object}", held.privileges);
    let option = held.grantable.without(held.privileges);
    let grants = format!("too little: {who} may not grant {option} on {object}");
    of(held.privileges, lacks, option, grants)
}

fn of(privileges: Privileges, first: String, grantable: Privileges, second: String) -> Vec<String> {
    let first = (!privileges.is_empty()).then_some(first);
    let second = (!grantable.is_empty()).then_some(second);
    first.into_iter().chain(second).collect()
}

fn owners(comparison: &Comparison<'_>) -> Check {
    let problems: Vec<String> = comparison
        .owners
        .iter()
        .map(|change| {
            format!(
                "{} belongs to {} instead of {}",
                change.object, change.found, change.expected
            )
        })
        .collect();
    Check::none_of(OWNERS, &problems, "as they were")
}

fn defaults(comparison: &Comparison<'_>) -> Check {
    let worded = |is_grant: bool| {
        let changes = comparison
            .defaults
            .iter()
            .filter(move |change| change.verb.is_grant() == is_grant);
        changes.map(move |change| {
            let (side, has) = match is_grant {
                false => ("too much", "gets"),
                true => ("too little", "does not get"),
            };
            let place = match &change.default.schema {
                Some(schema) => format!(" in schema {schema}"),
                None => String::new(),
            };
            let option = match change.verb {
                GrantAction::RevokeOption | GrantAction::GrantWithOption => " with grant option",
                _ => "",
            };
            format!(
                "{side}: {} {has} {}{option} on {} that {} makes{place}",
                change.grantee.name(),
                change.privileges,
                change.default.on.to_lowercase(),
                change.role
            )
        })
    };
    let problems: Vec<String> = worded(false).chain(worded(true)).collect();
    Check::none_of(
        DEFAULTS,
        &problems,
        format!("{} equal", comparison.defaults_compared),
    )
}

fn effective(comparison: &Comparison<'_>, accepted: UnknownRightsAccepted) -> Check {
    let Some(answers) = comparison.answers else {
        return match accepted {
            UnknownRightsAccepted(true) => Check::none_of(EFFECTIVE, &[], format!("accepted: {UNKNOWN}")),
            UnknownRightsAccepted(false) => Check::skipped(
                EFFECTIVE,
                format!("{UNKNOWN}; --accept-unknown-rights does without them"),
            ),
        };
    };
    let superusers = comparison
        .new_superusers
        .iter()
        .map(|name| format!("too much: {name} is a superuser, and may do everything"));
    let differing = |pick: fn(&super::compare::EffectiveDifference<'_>) -> Privileges,
                     words: (&'static str, &'static str)| {
        comparison.effective.iter().filter_map(move |difference| {
            let privileges = pick(difference);
            let (side, may) = words;
            let (role, object) = (difference.role, difference.object);
            (!privileges.is_empty()).then(|| format!("{side}: {role} {may} {privileges} on {object}"))
        })
    };
    let much = differing(|difference| difference.too_much, ("too much", "may"));
    let little = differing(|difference| difference.too_little, ("too little", "may not"));
    let problems: Vec<String> = superusers.chain(much).chain(little).collect();
    Check::none_of(
        EFFECTIVE,
        &problems,
        format!("{answers} answers of the server equal"),
    )
}

/// Another version is told and fails nothing: a newer server brings newer ones.
fn extensions(comparison: &Comparison<'_>) -> Check {
    let well = match comparison.extensions.is_empty() {
        true => format!("{} equal", comparison.expected.extensions.len()),
        false => format!("others than in the source: {}", comparison.extensions.join(", ")),
    };
    Check::none_of(EXTENSIONS, &[], well)
}
