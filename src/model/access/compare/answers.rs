//! What the two servers answered about each role and object.

use std::collections::{HashMap, HashSet};

use super::{Both, Comparison, EffectiveDifference, Key, table_of};
use crate::model::access::platform::{is_left_to_platform, shares_with_platform};
use crate::model::access::privileges::Privileges;
use crate::model::access::{Effective, ObjectKind};

/// The privileges that a column can carry.
const ON_COLUMNS: [char; 4] = ['r', 'a', 'w', 'x'];

impl<'a> Both<'a> {
    /// A drill and a verification are often the work of a superuser, which has in the source another standing or none.
    pub(super) fn new_superusers(&self, own_role: &str) -> Vec<&'a str> {
        let ordinary: HashSet<&str> = self
            .expected
            .roles
            .iter()
            .filter(|role| !role.is_superuser)
            .map(|role| role.name.as_str())
            .collect();
        let superusers = self.found.roles.iter().filter(|role| role.is_superuser);
        let new = superusers.filter(|role| ordinary.contains(role.name.as_str()) && role.name != own_role);
        new.map(|role| role.name.as_str()).collect()
    }

    pub(super) fn effective(&self, comparison: &mut Comparison<'a>) {
        let (Some(expected), Some(found)) = (&self.expected.effective, &self.found.effective) else {
            return;
        };
        let columns = ON_COLUMNS.iter().fold(Privileges::NONE, |set, letter| {
            set.and(Privileges::of_letter(*letter))
        });
        let unknown = self.unknown_in_source();
        let found_roles: HashMap<&str, usize> = found
            .roles
            .iter()
            .enumerate()
            .map(|(place, role)| (self.found.role_name(*role), place))
            .collect();
        let roles: Vec<(usize, usize, &'a str)> = expected
            .roles
            .iter()
            .enumerate()
            .filter_map(|(place, role)| {
                let name = self.expected.role_name(*role);
                Some((place, *found_roles.get(name)?, name))
            })
            .collect();
        let mut keys: Vec<Key<'a>> = self.expected_places.keys().copied().collect();
        keys.extend(self.found_places.keys().filter(|key| key.0 == ObjectKind::Column));
        keys.sort_unstable();
        keys.dedup();
        let mut answers = 0;
        for place in keys {
            let ours = answers_about(expected, &self.expected_places, place, columns);
            let theirs = answers_about(found, &self.found_places, place, columns);
            let object = match (self.found_places.get(&place), self.expected_places.get(&place)) {
                (Some(place), _) => &self.found.objects[*place],
                (None, Some(place)) => &self.expected.objects[*place],
                (None, None) => continue,
            };
            let (Some(ours), Some(theirs)) = (ours, theirs) else {
                continue;
            };
            if is_left_to_platform(self.profile, object) {
                continue;
            }
            let is_shared = shares_with_platform(self.profile, object);
            for (our_place, their_place, role) in &roles {
                let (Some(should), Some(does)) = (ours.get(*our_place), theirs.get(*their_place)) else {
                    continue;
                };
                if is_shared && self.profile.is_internal_role(role) {
                    continue;
                }
                answers += 1;
                let (should, does) = (should.without(unknown), does.without(unknown));
                if should != does {
                    comparison.effective.push(EffectiveDifference {
                        object,
                        role,
                        too_much: does.without(should),
                        too_little: should.without(does),
                    });
                }
            }
        }
        comparison.answers = Some(answers);
    }
}

/// The answers about an object; about a column without a record, those about its table.
fn answers_about(
    effective: &Effective,
    places: &HashMap<Key<'_>, usize>,
    (kind, name, column): Key<'_>,
    on_columns: Privileges,
) -> Option<Vec<Privileges>> {
    if let Some(place) = places.get(&(kind, name, column)) {
        return effective.of_object(*place).map(<[_]>::to_vec);
    }
    if kind != ObjectKind::Column {
        return None;
    }
    let row = effective.of_object(table_of(places, name)?)?;
    Some(row.iter().map(|may| may.common(on_columns)).collect())
}
