//! The object with a backup's roles and settings: written beside it, read again, and held against its manifest.

use rustls::crypto::ring;

use super::answer::answer;
use super::snapshot::SourceSnapshot;
use crate::archive::gzip::{GzipStream, deflate};
use crate::error::{Error, Kind, Result};
use crate::model::globals::{
    DigestKey, Globals, KEY_BYTES, KnownSettings, Roles, Setting, SettingDigest, SettingScope, SettingsRecord,
};
use crate::model::hex::hex;
use crate::model::key::BackupKey;
use crate::model::manifest::Manifest;
use crate::model::timeline::{Event, Observer};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::globals as queries;
use crate::postgres::tools::Installation;
use crate::store::{Published, Store};
use sha2::{Digest, Sha256};

/// Thousands of roles fit; anything larger is no globals object of ours.
const LIMIT_BYTES: u64 = 16 << 20;
/// No more than this is ever inflated.
const RAW_LIMIT_BYTES: usize = 256 << 20;
/// What is small needs no speed.
const LEVEL: i32 = 9;

/// A globals object that is not stored yet.
pub(super) struct Collected {
    stored: Vec<u8>,
    described: Globals,
}

/// Reads the roles and settings that belong to a backup; `named` are the roles that owners, grants and policies name.
pub(super) async fn collect(
    source: &Conninfo,
    snapshot: &SourceSnapshot,
    installation: &Installation,
    key: BackupKey,
    named: Vec<String>,
    observer: &dyn Observer,
) -> Result<Collected> {
    let session = snapshot.open().await?;
    let read = queries::read(&session).await?;
    drop(session);
    let in_database = read.settings.iter();
    let in_database = in_database.filter(|setting| setting.scope == SettingScope::RoleInDatabase);
    let named: Vec<String> = named
        .into_iter()
        .chain(in_database.filter_map(|setting| setting.role.clone()))
        .collect();
    let roles = read.roles.clone().belonging_to(named);
    let settings = of_roles(read.settings.clone(), &roles);
    let record = SettingsRecord {
        backup: key.to_string(),
        digest_key: random_key()?,
        settings,
    };
    let mut text = dump_roles(source, installation, &read, observer).await;
    text.push_str(&queries::settings_text(&record.settings));
    text.push_str(&record.encode());
    let stored = deflate(text.as_bytes(), LEVEL);
    Ok(Collected {
        described: Globals {
            key: key.globals_key(),
            stored_bytes: stored.len() as u64,
            sha256: hex(&Sha256::digest(&stored)),
            settings: record.digests(),
            roles,
        },
        stored,
    })
}

/// Those of the settings that are of the database, of all roles, or of one of these.
fn of_roles(mut settings: Vec<Setting>, roles: &Roles) -> Vec<Setting> {
    settings.retain(|setting| {
        setting
            .role
            .as_deref()
            .is_none_or(|name| roles.role(name).is_some())
    });
    settings
}

/// What `pg_dumpall` writes of roles; where it cannot, the same of what the role may see.
async fn dump_roles(
    source: &Conninfo,
    installation: &Installation,
    read: &queries::ServerGlobals,
    observer: &dyn Observer,
) -> String {
    let told = match installation.dump_globals(source) {
        Some(command) => answer("pg_dumpall", command, source).await,
        None => return queries::roles_text(read),
    };
    match told {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => {
            let what = format!("{error}: roles are written as far as the role of the backup may see them");
            observer.observe(Event::Noted(what));
            queries::roles_text(read)
        }
    }
}

fn random_key() -> Result<DigestKey> {
    let mut bytes = [0; KEY_BYTES];
    let filled = ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| Error::new(Kind::Internal, "the system gives no random bytes"))?;
    Ok(DigestKey::new(bytes))
}

impl Collected {
    /// Stores the object. What is there already is only good where it is the same: an answer may have been lost.
    pub(super) async fn publish(self, store: &Store) -> Result<Globals> {
        let Self { stored, described } = self;
        let key = &described.key;
        let published = store.publish(key, stored.clone(), "application/gzip").await?;
        if published == Published::Before && store.get(key, LIMIT_BYTES).await?[..] != stored[..] {
            return Err(
                Error::new(Kind::Store, format!("another backup published {key} first"))
                    .hint("two backups began in the same second: run one at a time"),
            );
        }
        Ok(described)
    }
}

/// Reads the settings of a backup, with their values; nothing where it has no globals object. One that is not as it was stored is an
/// error.
pub(super) async fn read(store: &Store, manifest: &Manifest) -> Result<Option<SettingsRecord>> {
    let Some(described) = &manifest.globals else {
        return Ok(None);
    };
    let key = &described.key;
    let corrupt = |what: &str| {
        Error::new(Kind::Corrupt, format!("the roles and settings {key} {what}")).hint(
            "use another backup: `paycraft-dr list` shows them; --accept-missing-settings restores this one without its settings",
        )
    };
    match store.head(key).await? {
        None => return Err(corrupt("are gone")),
        Some(facts) if facts.bytes != described.stored_bytes => {
            let (found, stored) = (facts.bytes, described.stored_bytes);
            return Err(corrupt(&format!(
                "have {found} bytes and were stored with {stored}"
            )));
        }
        Some(_) => {}
    }
    let stored = store.get(key, LIMIT_BYTES).await?;
    if hex(&Sha256::digest(&stored)) != described.sha256 {
        return Err(corrupt(
            "are not those that were stored with the backup: their digest differs",
        ));
    }
    let record = inflate(&stored).and_then(|text| SettingsRecord::decode(&text));
    let record = record.ok_or_else(|| corrupt("cannot be read"))?;
    if record.backup != manifest.key || record.digests() != described.settings {
        return Err(corrupt(&format!("belong to {}", record.backup)));
    }
    Ok(Some(record))
}

fn inflate(stored: &[u8]) -> Option<String> {
    let mut stream = GzipStream::new();
    let mut raw = Vec::new();
    for piece in stored.chunks(GzipStream::FEED_BYTES) {
        stream.feed(piece, &mut raw).ok()?;
        if raw.len() > RAW_LIMIT_BYTES {
            return None;
        }
    }
    stream.finish(&mut raw).ok()?;
    String::from_utf8(raw).ok()
}

/// What a backup's settings are compared by. Where their object cannot be read, that is an error, unless it `accepts_missing` settings.
pub(super) async fn known(
    store: &Store,
    manifest: &Manifest,
    accepts_missing: bool,
    observer: Option<&dyn Observer>,
) -> Result<(KnownSettings, Vec<Setting>)> {
    match read(store, manifest).await {
        Ok(Some(record)) => Ok((KnownSettings::Key(record.digest_key), record.settings)),
        Ok(None) => Ok((KnownSettings::Nothing, Vec::new())),
        Err(error) if accepts_missing && error.kind() == Kind::Corrupt => {
            if let Some(observer) = observer {
                observer.observe(Event::Warned(format!("{error}: no settings are restored")));
            }
            Ok((KnownSettings::Unreadable(error.to_string()), Vec::new()))
        }
        Err(error) => Err(error),
    }
}

/// Whether the manifest records a setting of that name, of any value.
pub(super) fn is_recorded(manifest: &Manifest, setting: &SettingDigest) -> bool {
    let recorded = manifest.globals.iter().flat_map(|globals| &globals.settings);
    let place = |setting: &SettingDigest| (setting.scope, setting.role.clone(), setting.name.clone());
    let wanted = place(setting);
    recorded.map(place).any(|known| known == wanted)
}
