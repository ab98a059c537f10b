//! The parts of a server that belong to a backup and are in no archive: roles, memberships, and settings of the database and of roles.
//!
//! A value of a setting may be a secret. The manifest holds names and digests alone; the values are in the globals object beside the
//! backup, and so is the key of the digests, without which no value can be tried against them.

mod digest;
mod membership;
mod record;
mod roles;
mod settings;

pub use digest::{DigestKey, KEY_BYTES};
pub use membership::{Membership, MembershipChange};
pub use record::SettingsRecord;
pub use roles::{RoleAttributes, RoleRecord, Roles, roles_check};
pub use settings::{
    KnownSettings, MissingSettingsAccepted, Setting, SettingDigest, SettingScope, differences, settings_check,
};

use serde::{Deserialize, Serialize};

/// Why a check over globals cannot be made where a backup has none.
pub const NOT_RECORDED: &str = "the backup does not record them";

/// What a manifest says of the globals object beside its backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globals {
    pub key: String,
    /// Its size in bytes.
    pub stored_bytes: u64,
    /// Its SHA-256, as lowercase hex.
    pub sha256: String,
    /// The settings of the database, and of roles that belong to the backup.
    pub settings: Vec<SettingDigest>,
    /// The roles that owners, grants, policies, memberships and settings name.
    #[serde(flatten)]
    pub roles: Roles,
}

impl Globals {
    /// Records a setting of a role that the source does not have, as if the target had lost it; false where there is no role.
    pub fn claim_a_setting(&mut self) -> bool {
        let Some(role) = self.roles.roles.first() else {
            return false;
        };
        self.settings.push(SettingDigest {
            scope: SettingScope::Role,
            role: Some(role.name.clone()),
            name: "paycraft.lost".to_owned(),
            digest: String::new(),
        });
        true
    }
}
