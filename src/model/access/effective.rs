//! What each role may do with each object in effect, as the server itself answers: through grants, membership, PUBLIC, ownership.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::RoleId;
use super::privileges::Privileges;

/// The answers, in little space: many objects have one row of answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effective {
    /// The roles that were asked about. Superusers are none of them: they may do everything.
    pub roles: Vec<RoleId>,
    /// Distinct rows of answers, one answer for each role.
    pub rows: Vec<Vec<Privileges>>,
    /// The row of each object, in the order of the access's objects; nothing for one that was not asked about.
    pub of_objects: Vec<Option<u32>>,
}

impl Effective {
    /// The answers for `objects` objects; `answers` has the number of an object, and what each of `roles` may do with it.
    pub fn new(
        roles: Vec<RoleId>,
        objects: usize,
        answers: impl IntoIterator<Item = (usize, Vec<Privileges>)>,
    ) -> Self {
        let mut effective = Self {
            roles,
            rows: Vec::new(),
            of_objects: vec![None; objects],
        };
        let mut known: HashMap<Vec<Privileges>, u32> = HashMap::new();
        for (object, row) in answers {
            let next = u32::try_from(effective.rows.len()).unwrap_or(u32::MAX);
            let position = *known.entry(row).or_insert_with_key(|row| {
                effective.rows.push(row.clone());
                next
            });
            if let Some(place) = effective.of_objects.get_mut(object) {
                *place = Some(position);
            }
        }
        effective
    }

    /// The answers about an object, in the order of the roles; nothing where it was not asked about.
    pub(super) fn of_object(&self, object: usize) -> Option<&[Privileges]> {
        let row = (*self.of_objects.get(object)?)?;
        self.rows.get(row as usize).map(Vec::as_slice)
    }
}
