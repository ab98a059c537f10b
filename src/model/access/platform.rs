//! Which rights a platform keeps in a target of its own.

use super::{AccessObject, ObjectKind};
use crate::model::profile::Profile;

/// Whether the platform keeps the rights on this object: it made it, and keeps it current.
pub(super) fn is_left_to_platform(profile: Profile, object: &AccessObject) -> bool {
    if profile == Profile::Plain {
        return false;
    }
    let is_servers = object.initial.is_some()
        || matches!(
            object.kind,
            ObjectKind::Language | ObjectKind::Parameter | ObjectKind::EventTrigger
        );
    let is_extensions = object.schema.is_empty() && object.has_foreign_owner;
    let is_publication = object.kind == ObjectKind::Publication && object.name.starts_with("supabase_");
    profile.owns_schema(&object.schema) || is_servers || is_extensions || is_publication
}

/// Whether product and platform share the object, so that the platform's own roles keep their rights on it.
pub(super) fn shares_with_platform(profile: Profile, object: &AccessObject) -> bool {
    profile != Profile::Plain && matches!(object.kind, ObjectKind::Database | ObjectKind::Schema)
}
