//! Owners and rights of each object.

use super::{Both, Change, Comparison, GrantAction, OwnerChange, key, name_of, table_of};
use crate::model::access::platform::{is_left_to_platform, shares_with_platform};
use crate::model::access::privileges::Privileges;
use crate::model::access::rights::{HeldPrivileges, ObjectRights};
use crate::model::access::{Access, AccessObject, ObjectKind};

impl<'a> Both<'a> {
    pub(super) fn objects(&self, comparison: &mut Comparison<'a>) {
        for object in &self.expected.objects {
            let found = self.found_places.get(&key(object));
            let found = found.map(|place| &self.found.objects[*place]);
            if is_left_to_platform(self.profile, found.unwrap_or(object)) {
                comparison.platforms += 1;
            } else if found.is_some() || is_recorded_when_changed(object) {
                self.object(Some(object), found, comparison);
            }
        }
        for object in &self.found.objects {
            let is_new = !self.expected_places.contains_key(&key(object));
            if is_new && is_recorded_when_changed(object) && !is_left_to_platform(self.profile, object) {
                self.object(None, Some(object), comparison);
            }
        }
    }

    fn object(
        &self,
        expected: Option<&'a AccessObject>,
        found: Option<&'a AccessObject>,
        comparison: &mut Comparison<'a>,
    ) {
        let Some(object) = found.or(expected) else {
            return;
        };
        if let (Some(expected), Some(found)) = (expected, found) {
            comparison.owners.extend(self.owner(expected, found));
        }
        if !object.kind.carries_rights() {
            return;
        }
        let is_known = expected.is_some() || self.has_known_table(object);
        if !is_known {
            return;
        }
        comparison.compared += 1;
        let (should, does) = self.rights(object, expected, found);
        let owner = found.or_else(|| self.found_table(object));
        let owner = owner.and_then(|of| name_of(self.found, of.owner));
        let mut add = |verb, privileges: Privileges, held: HeldPrivileges, (grantee, grantor)| {
            if !privileges.is_empty() {
                comparison.changes.push(Change {
                    verb,
                    object,
                    privileges,
                    themselves: privileges.common(held.privileges),
                    grantee,
                    grantor,
                    owner,
                });
            }
        };
        for (grantee, grantor, held) in does.without(&should).iter() {
            let who = (grantee, grantor);
            add(GrantAction::Revoke, held.privileges, held, who);
            add(
                GrantAction::RevokeOption,
                held.grantable.without(held.privileges),
                held,
                who,
            );
        }
        for (grantee, grantor, held) in should.without(&does).iter() {
            let who = (grantee, grantor);
            add(GrantAction::GrantWithOption, held.grantable, held, who);
            add(
                GrantAction::Grant,
                held.privileges.without(held.grantable),
                held,
                who,
            );
        }
    }

    /// The rights on an object as they should be and as they are, without what is not to be compared.
    fn rights(
        &self,
        object: &'a AccessObject,
        expected: Option<&'a AccessObject>,
        found: Option<&'a AccessObject>,
    ) -> (ObjectRights<'a>, ObjectRights<'a>) {
        let (mut should, mut does) = if object.initial.is_some() {
            let (given, taken) = expected.map_or_else(Default::default, |of| changed(self.expected, of));
            let (has_given, has_taken) = found.map_or_else(Default::default, |of| changed(self.found, of));
            (
                given.and(&has_taken.without(&taken)),
                has_given.and(&taken.without(&has_taken)),
            )
        } else {
            let of = |access, object: Option<&'a AccessObject>| {
                object.map_or_else(ObjectRights::default, |of| {
                    ObjectRights::of(access, of.grants, of.owner)
                })
            };
            (of(self.expected, expected), of(self.found, found))
        };
        let unknown = self.unknown_in_source();
        should = should.without_owners(unknown);
        does = does.without_owners(unknown);
        if let (Some(ours), Some(theirs)) = (expected, found)
            && ours.has_foreign_owner
        {
            // What each of two owners has as one is not compared with what it was granted where the other is one.
            let (ours, theirs) = (
                name_of(self.expected, ours.owner),
                name_of(self.found, theirs.owner),
            );
            if ours != theirs {
                should = should.without_roles(|name| Some(name) == theirs);
                does = does.without_roles(|name| Some(name) == ours);
            }
        }
        if object.kind == ObjectKind::Parameter {
            // Parameters are the whole server's: what the roles of its other databases may do with them is their business.
            let is_left_out = |name: &str| !self.own_roles.contains(name) || self.found.is_superuser(name);
            should = should.without_owners(Privileges::ALL).without_roles(is_left_out);
            does = does.without_owners(Privileges::ALL).without_roles(is_left_out);
        }
        if shares_with_platform(self.profile, object) {
            let is_platforms = |name: &str| self.profile.is_internal_role(name);
            should = should.without_roles(is_platforms);
            does = does.without_roles(is_platforms);
        }
        (should, does)
    }

    /// A column without grants has no record: its table tells whether the source had it. Parameters are known by name.
    fn has_known_table(&self, object: &AccessObject) -> bool {
        object.kind != ObjectKind::Column
            || object.initial.is_some()
            || table_of(&self.expected_places, &object.name).is_some()
    }

    /// The target's table of a column.
    fn found_table(&self, object: &AccessObject) -> Option<&'a AccessObject> {
        let place = table_of(&self.found_places, &object.name)?;
        self.found.objects.get(place)
    }

    fn owner(&self, expected: &'a AccessObject, found: &'a AccessObject) -> Option<OwnerChange<'a>> {
        if expected.has_foreign_owner || found.has_foreign_owner {
            return None;
        }
        let expected_name = self.expected.role_name(expected.owner?);
        let found_name = name_of(self.found, found.owner).unwrap_or("a role that is gone");
        // Only a superuser can own these, and a role of that name may be none in the target.
        let needs_superuser = matches!(
            found.kind,
            ObjectKind::EventTrigger | ObjectKind::ForeignDataWrapper
        );
        if needs_superuser && !self.found.is_superuser(expected_name) {
            return None;
        }
        (expected_name != found_name).then_some(OwnerChange {
            object: found,
            expected: expected_name,
            found: found_name,
        })
    }
}

/// Whether the object's access is recorded where it was changed alone.
fn is_recorded_when_changed(object: &AccessObject) -> bool {
    object.kind.is_recorded_when_granted() || object.initial.is_some()
}

/// What was given and what was taken away since PostgreSQL made the object.
fn changed<'a>(access: &'a Access, object: &'a AccessObject) -> (ObjectRights<'a>, ObjectRights<'a>) {
    let now = ObjectRights::of(access, object.grants, object.owner);
    let then = object.initial.map_or_else(ObjectRights::default, |initial| {
        ObjectRights::of(access, initial, object.owner)
    });
    (now.without(&then), then.without(&now))
}
