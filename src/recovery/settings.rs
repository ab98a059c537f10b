//! Settings of the database and of roles, made in a target as they were. A value is in no message, argument or log of ours.

use super::globals;
use crate::error::Result;
use crate::model::globals::{
    KnownSettings, MissingSettingsAccepted, Roles, Setting, SettingDigest, SettingScope, SettingsRecord,
    differences, roles_check, settings_check,
};
use crate::model::manifest::Manifest;
use crate::model::profile::Profile;
use crate::model::timeline::{Event, Observer};
use crate::model::verdict::Check;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::access::reach;
use crate::postgres::queries::globals as queries;
use crate::postgres::session::Session;

/// How many settings a warning names.
const NAMED: usize = 10;

/// What is known of a backup's settings, for a target of this profile.
pub(super) struct BackupSettings<'a> {
    pub(super) known: &'a KnownSettings,
    /// With their values, in the order of the digests.
    pub(super) values: &'a [Setting],
    pub(super) profile: Profile,
}

/// Makes the settings of the target as they were, as far as its role may. What could not be made is warned of here by name, and found
/// by the checks. The `session` of the target has the settings of a new one.
pub(super) async fn equalize(
    settings: &BackupSettings<'_>,
    manifest: &Manifest,
    session: &Session,
    target: &Conninfo,
    observer: &dyn Observer,
) -> Result<()> {
    let (KnownSettings::Key(_), Some(recorded)) = (settings.known, &manifest.globals) else {
        return Ok(());
    };
    let database = reach(session).await?.database;
    let found = found(session, manifest, settings.known).await?;
    let (mut refused, mut preloading) = (Vec::new(), Vec::new());
    for difference in differences(&recorded.settings, &found, settings.profile) {
        let statement = match (difference.is_extra, value(settings, difference.setting)) {
            // A role's settings hold in all databases of the server: what this one did not bring is not taken away.
            (true, _) if !is_of_database(difference.setting) => continue,
            (true, _) => queries::resetting(difference.setting, &database),
            (false, Some(setting)) => queries::setting(setting, &database),
            (false, None) => continue,
        };
        match queries::apply(session, &statement).await? {
            Some(why) => refused.push(format!("{} ({why})", difference.setting)),
            None if difference.setting.name.ends_with("_preload_libraries") => {
                preloading.push(difference.setting);
            }
            None => {}
        }
    }
    // A library that is not there keeps every new session out.
    if !preloading.is_empty() && Session::connect(target).await.is_err() {
        for setting in preloading {
            queries::apply(session, &queries::resetting(setting, &database)).await?;
            refused.push(format!("{setting} (no session could begin with it)"));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let more = match refused.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    refused.truncate(NAMED);
    let what = format!(
        "these settings could not be made as they were: {}{more}; set them by hand",
        refused.join(", ")
    );
    observer.observe(Event::Warned(what));
    Ok(())
}

fn is_of_database(setting: &SettingDigest) -> bool {
    matches!(
        setting.scope,
        SettingScope::Database | SettingScope::RoleInDatabase
    )
}

fn value<'a>(settings: &BackupSettings<'a>, wanted: &SettingDigest) -> Option<&'a Setting> {
    settings.values.iter().find(|setting| {
        (setting.scope, &setting.role, &setting.name) == (wanted.scope, &wanted.role, &wanted.name)
    })
}

/// The digests of the target's settings, of the roles that belong to the backup.
async fn found(session: &Session, manifest: &Manifest, known: &KnownSettings) -> Result<Vec<SettingDigest>> {
    let (KnownSettings::Key(key), Some(recorded)) = (known, &manifest.globals) else {
        return Ok(Vec::new());
    };
    let read = queries::read(session).await?;
    let of_backup = read.settings.iter().filter(|setting| {
        let role = setting.role.as_deref();
        role.is_none_or(|role| recorded.roles.role(role).is_some())
    });
    Ok(of_backup.map(|setting| SettingDigest::of(setting, key)).collect())
}

/// The settings that the session's role could not make in the target as they were, before anything is restored.
pub(super) async fn foretell(
    session: &Session,
    manifest: &Manifest,
    record: &SettingsRecord,
    profile: Profile,
) -> Result<Vec<String>> {
    let Some(recorded) = &manifest.globals else {
        return Ok(Vec::new());
    };
    let known = KnownSettings::Key(record.digest_key.clone());
    let found = found(session, manifest, &known).await?;
    let lacking = differences(&recorded.settings, &found, profile);
    let lacking: Vec<&SettingDigest> = lacking
        .iter()
        .filter(|difference| !difference.is_extra)
        .map(|difference| difference.setting)
        .collect();
    let forbidden = queries::forbidden(session, &lacking).await?;
    Ok(forbidden.iter().map(ToString::to_string).collect())
}

/// What a check of roles and settings accepts.
#[derive(Clone, Copy)]
pub(super) struct GlobalsCheckOptions<'a> {
    pub(super) known: &'a KnownSettings,
    pub(super) profile: Profile,
    pub(super) accepts_missing: bool,
    pub(super) accepts_unknown: bool,
}

/// The checks over roles and settings in a target.
pub(super) async fn verify(
    terms: GlobalsCheckOptions<'_>,
    session: &Session,
    manifest: &Manifest,
) -> Result<Vec<Check>> {
    let (profile, accepts_unknown) = (terms.profile, terms.accepts_unknown);
    let accepted = MissingSettingsAccepted(terms.accepts_missing);
    let Some(recorded) = &manifest.globals else {
        return Ok(vec![
            roles_check(None, &Roles::default(), profile, "", accepts_unknown),
            settings_check(
                &KnownSettings::Nothing,
                &[],
                &[],
                profile,
                accepted,
                accepts_unknown,
            ),
        ]);
    };
    let own = reach(session).await?.name;
    let roles = queries::read(session).await?.roles;
    let found = found(session, manifest, terms.known).await?;
    // A setting of the role as whom the target is reached, which the source's had not, is the operator's own.
    let found: Vec<SettingDigest> = found
        .into_iter()
        .filter(|setting| {
            let is_own = setting.role.as_deref() == Some(own.as_str());
            !is_own || globals::is_recorded(manifest, setting)
        })
        .collect();
    Ok(vec![
        roles_check(Some(&recorded.roles), &roles, profile, &own, accepts_unknown),
        settings_check(
            terms.known,
            &recorded.settings,
            &found,
            profile,
            accepted,
            accepts_unknown,
        ),
    ])
}
