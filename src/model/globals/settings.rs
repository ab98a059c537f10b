//! Settings of a database and of roles, and whether a target has them as they were. No value is ever told.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::NOT_RECORDED;
use super::digest::DigestKey;
use crate::model::check_names;
use crate::model::profile::Profile;
use crate::model::secret::Secret;
use crate::model::verdict::Check;

const NAME: &str = check_names::SETTINGS;

/// What a setting is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingScope {
    /// Every session in the database.
    Database,
    /// Every session of a role; of all roles where none is named.
    Role,
    /// A role's sessions in the database.
    RoleInDatabase,
}

impl SettingScope {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Role => "role",
            Self::RoleInDatabase => "role-in-database",
        }
    }
}

/// A setting with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What it is of.
    pub scope: SettingScope,
    /// The role it is of.
    pub role: Option<String>,
    pub name: String,
    /// Its value, as the catalog has it.
    pub value: Secret,
}

impl Setting {
    /// The keyed digest of what it is of, its name and its value.
    pub fn digest(&self, key: &DigestKey) -> String {
        key.digest(&[
            self.scope.name(),
            self.role.as_deref().unwrap_or_default(),
            &self.name,
            self.value.reveal(),
        ])
    }
}

/// A setting without its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SettingDigest {
    /// What it is of.
    pub scope: SettingScope,
    /// The role it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    pub name: String,
    /// The keyed digest of its value, as lowercase hex.
    pub digest: String,
}

impl SettingDigest {
    /// The digest of one setting.
    pub fn of(setting: &Setting, key: &DigestKey) -> Self {
        Self {
            scope: setting.scope,
            role: setting.role.clone(),
            name: setting.name.clone(),
            digest: setting.digest(key),
        }
    }

    fn place(&self) -> (SettingScope, Option<&str>, &str) {
        (self.scope, self.role.as_deref(), &self.name)
    }

    /// Whether the target's platform sets it, in each project to another value.
    pub fn is_platforms(&self, profile: Profile) -> bool {
        let is_of_platform = self
            .role
            .as_deref()
            .is_some_and(|role| profile.is_internal_role(role));
        let is_projects = profile == Profile::Supabase
            && self.scope == SettingScope::Database
            && self.name.starts_with("app.settings.");
        is_of_platform || is_projects
    }
}

impl fmt::Display for SettingDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (self.scope, &self.role) {
            (SettingScope::Database, _) => write!(f, "{name} of the database"),
            (SettingScope::Role, None) => write!(f, "{name} of all roles"),
            (SettingScope::Role, Some(role)) => write!(f, "{name} of role {role}"),
            (SettingScope::RoleInDatabase, Some(role)) => write!(f, "{name} of role {role} in the database"),
            (SettingScope::RoleInDatabase, None) => write!(f, "{name} of all roles in the database"),
        }
    }
}

/// Whether the operator accepts that settings are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissingSettingsAccepted(pub bool);

/// What is known of a backup's settings when a target is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KnownSettings {
    /// The backup does not record them.
    #[default]
    Nothing,
    /// The key of their digests.
    Key(DigestKey),
    /// The backup records them, and their globals object cannot be read, for this reason.
    Unreadable(String),
}

/// A setting that a target does not have as it was, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDifference<'a> {
    pub setting: &'a SettingDigest,
    /// Whether the target has it and the source had not.
    pub is_extra: bool,
    /// Whether the target has it with another value.
    pub is_other: bool,
}

/// What differs between the settings recorded and those found, what is too much first. What the platform sets is left to it.
pub fn differences<'a>(
    expected: &'a [SettingDigest],
    found: &'a [SettingDigest],
    profile: Profile,
) -> Vec<SettingDifference<'a>> {
    let by_place = |settings: &'a [SettingDigest]| -> BTreeMap<_, &'a SettingDigest> {
        let own = settings.iter().filter(|setting| !setting.is_platforms(profile));
        own.map(|setting| (setting.place(), setting)).collect()
    };
    let (then, now) = (by_place(expected), by_place(found));
    let extra = now.iter().filter(|(place, _)| !then.contains_key(*place));
    let mut differences: Vec<SettingDifference<'_>> = extra
        .map(|(_, setting)| SettingDifference {
            setting,
            is_extra: true,
            is_other: false,
        })
        .collect();
    for (place, setting) in then {
        let there = now.get(&place);
        if there.is_none_or(|there| there.digest != setting.digest) {
            differences.push(SettingDifference {
                setting,
                is_extra: false,
                is_other: there.is_some(),
            });
        }
    }
    differences
}

/// Compares the settings of a target with those recorded.
pub fn settings_check(
    known: &KnownSettings,
    expected: &[SettingDigest],
    found: &[SettingDigest],
    profile: Profile,
    accepted: MissingSettingsAccepted,
    accepts_unknown: bool,
) -> Check {
    let doubtful = |why: &str, flag: &str, is_accepted: bool| match is_accepted {
        true => Check::none_of(NAME, &[], format!("accepted: {why}")),
        false => Check::skipped(NAME, format!("{why}; {flag} does without them")),
    };
    match known {
        KnownSettings::Nothing => return doubtful(NOT_RECORDED, "--accept-unknown-rights", accepts_unknown),
        KnownSettings::Unreadable(why) => return doubtful(why, "--accept-missing-settings", accepted.0),
        KnownSettings::Key(_) => {}
    }
    let problems: Vec<String> = differences(expected, found, profile)
        .iter()
        .map(|difference| match (difference.is_extra, difference.is_other) {
            (true, _) => format!("too much: {} is set", difference.setting),
            (_, true) => format!("{} has another value", difference.setting),
            _ => format!("too little: {} is not set", difference.setting),
        })
        .collect();
    if accepted.0 && !problems.is_empty() {
        return Check::none_of(NAME, &[], format!("accepted: {}", problems.join("; ")));
    }
    let platforms = expected
        .iter()
        .filter(|setting| setting.is_platforms(profile))
        .count();
    let mut well = format!("{} as they were", expected.len() - platforms);
    if platforms > 0 {
        well =
            format!("{well}; platform settings: {platforms} are the target's platform's and keep its values");
    }
    let mut check = Check::none_of(NAME, &problems, well);
    if !problems.is_empty() {
        check
            .detail
            .push_str("; --accept-missing-settings does without them");
    }
    check
}
