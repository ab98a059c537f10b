//! What this program reads of a globals object: one line behind the SQL that people read.

use serde::{Deserialize, Serialize};

use super::digest::DigestKey;
use super::settings::{Setting, SettingDigest, SettingScope};
use crate::model::secret::Secret;

/// What the line begins with. To psql it is a comment.
const RECORD_MARK: &str = "-- paycraft-dr-record: ";

/// The settings of a backup with their values, and the key of their digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsRecord {
    pub backup: String,
    /// What the digests in the manifest were made with.
    pub digest_key: DigestKey,
    pub settings: Vec<Setting>,
}

/// The same as it is written.
#[derive(Serialize, Deserialize)]
struct WrittenRecord {
    backup: String,
    digest_key: String,
    settings: Vec<WrittenSetting>,
}

#[derive(Serialize, Deserialize)]
struct WrittenSetting {
    scope: SettingScope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    name: String,
    value: String,
}

impl SettingsRecord {
    /// The digests of the settings, as a manifest holds them.
    pub fn digests(&self) -> Vec<SettingDigest> {
        let digests = self.settings.iter();
        digests
            .map(|setting| SettingDigest::of(setting, &self.digest_key))
            .collect()
    }

    /// The line, with its end.
    pub fn encode(&self) -> String {
        let written = WrittenRecord {
            backup: self.backup.clone(),
            digest_key: self.digest_key.to_hex(),
            settings: self
                .settings
                .iter()
                .map(|setting| WrittenSetting {
                    scope: setting.scope,
                    role: setting.role.clone(),
                    name: setting.name.clone(),
                    value: setting.value.reveal().to_owned(),
                })
                .collect(),
        };
        // JSON escapes every end of line within, so this is one line for any values.
        let json = serde_json::to_string(&written).unwrap_or_default();
        format!("{RECORD_MARK}{json}\n")
    }

    /// Reads the last line of a globals object.
    pub fn decode(text: &str) -> Option<Self> {
        let line = text.trim_end_matches('\n').rsplit('\n').next()?;
        let written: WrittenRecord = serde_json::from_str(line.strip_prefix(RECORD_MARK)?).ok()?;
        Some(Self {
            backup: written.backup,
            digest_key: DigestKey::from_hex(&written.digest_key)?,
            settings: written
                .settings
                .into_iter()
                .map(|setting| Setting {
                    scope: setting.scope,
                    role: setting.role,
                    name: setting.name,
                    value: Secret::new(setting.value),
                })
                .collect(),
        })
    }
}
