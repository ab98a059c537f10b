//! What is granted on objects that a role makes later.

use std::collections::HashMap;

use super::{Both, Comparison, DefaultChange, GrantAction};
use crate::model::access::privileges::Privileges;
use crate::model::access::rights::ObjectRights;
use crate::model::access::{Access, DefaultPrivileges};

impl<'a> Both<'a> {
    pub(super) fn defaults(&self, comparison: &mut Comparison<'a>) {
        type DefaultKey<'a> = (&'a str, Option<&'a str>, &'a str);
        let keyed = |access: &'a Access| -> HashMap<DefaultKey<'a>, &'a DefaultPrivileges> {
            let own = access.defaults.iter().filter(|default| {
                let schema = default.schema.as_deref().unwrap_or_default();
                !self.profile.is_internal_role(access.role_name(default.role))
                    && !self.profile.owns_schema(schema)
            });
            let key = |default: &'a DefaultPrivileges| {
                let role = access.role_name(default.role);
                (role, default.schema.as_deref(), default.on.as_str())
            };
            own.map(|default| (key(default), default)).collect()
        };
        let (expected, found) = (keyed(self.expected), keyed(self.found));
        let mut keys: Vec<DefaultKey<'a>> = expected.keys().chain(found.keys()).copied().collect();
        keys.sort_unstable();
        keys.dedup();
        comparison.defaults_compared = keys.len();
        for place in keys {
            let rights = |access: &'a Access,
                          own: Option<&'a DefaultPrivileges>,
                          other: Option<(&'a Access, &'a DefaultPrivileges)>| {
                match (own, other) {
                    (Some(own), _) => ObjectRights::of(access, own.grants, Some(own.role)),
                    (None, Some((access, usual))) => ObjectRights::of(access, usual.usual, Some(usual.role)),
                    (None, None) => ObjectRights::default(),
                }
            };
            let (ours, theirs) = (expected.get(&place).copied(), found.get(&place).copied());
            let mut should = rights(self.expected, ours, theirs.map(|of| (self.found, of)));
            let mut does = rights(self.found, theirs, ours.map(|of| (self.expected, of)));
            should = should.without_owners(self.unknown_in_source());
            does = does.without_owners(self.unknown_in_source());
            let Some(default) = theirs.or(ours) else { continue };
            let mut add = |verb, privileges: Privileges, grantee| {
                if !privileges.is_empty() {
                    comparison.defaults.push(DefaultChange {
                        verb,
                        default,
                        role: place.0,
                        privileges,
                        grantee,
                    });
                }
            };
            for (grantee, _, held) in does.without(&should).iter() {
                add(GrantAction::Revoke, held.privileges, grantee);
                add(
                    GrantAction::RevokeOption,
                    held.grantable.without(held.privileges),
                    grantee,
                );
            }
            for (grantee, _, held) in should.without(&does).iter() {
                add(GrantAction::GrantWithOption, held.grantable, grantee);
                add(
                    GrantAction::Grant,
                    held.privileges.without(held.grantable),
                    grantee,
                );
            }
        }
        comparison.defaults.sort_by_key(|change| change.verb);
    }
}
