//! Rights that differ, worded by what a grantee may do; who granted it does not matter.

use std::collections::{HashMap, HashSet};

use super::{Change, Comparison, GrantAction, Key, key};
use crate::model::access::AccessObject;
use crate::model::access::privileges::Privileges;
use crate::model::access::rights::{Grantee, HeldPrivileges};

/// A right that differs, worded by what a grantee may do; who granted it does not matter.
pub(in crate::model::access) struct RightsDifference<'a> {
    pub(in crate::model::access) object: &'a AccessObject,
    pub(in crate::model::access) grantee: Grantee<'a>,
    pub(in crate::model::access) too_much: HeldPrivileges,
    pub(in crate::model::access) too_little: HeldPrivileges,
}

impl<'a> Comparison<'a> {
    /// What each grantee may do too much or too little with each object, and what it has of another grantor, in the changes' order.
    pub(in crate::model::access) fn findings(&self) -> (Vec<RightsDifference<'a>>, Vec<&Change<'a>>) {
        let mut findings: Vec<RightsDifference<'a>> = Vec::new();
        let mut places: HashMap<(Key<'a>, Grantee<'a>), usize> = HashMap::new();
        for change in &self.changes {
            let place = *places
                .entry((key(change.object), change.grantee))
                .or_insert_with(|| {
                    findings.push(RightsDifference {
                        object: change.object,
                        grantee: change.grantee,
                        too_much: HeldPrivileges::default(),
                        too_little: HeldPrivileges::default(),
                    });
                    findings.len() - 1
                });
            let finding = &mut findings[place];
            let side = match change.verb.is_grant() {
                true => &mut finding.too_little,
                false => &mut finding.too_much,
            };
            let grantable = match change.verb {
                GrantAction::Grant | GrantAction::Revoke => Privileges::NONE,
                GrantAction::GrantWithOption | GrantAction::RevokeOption => change.privileges,
            };
            side.privileges = side.privileges.and(change.themselves);
            side.grantable = side.grantable.and(grantable);
        }
        // What is taken of one grantor and given by another is the grantee's before and after.
        for finding in &mut findings {
            let (much, little) = (finding.too_much, finding.too_little);
            finding.too_much = much.without(little);
            finding.too_little = little.without(much);
        }
        findings.retain(|finding| !finding.too_much.is_empty() || !finding.too_little.is_empty());
        let named: HashSet<(Key<'_>, Grantee<'_>)> = findings
            .iter()
            .map(|finding| (key(finding.object), finding.grantee))
            .collect();
        let regranted = self.changes.iter().filter(|change| {
            change.verb.is_grant() && !named.contains(&(key(change.object), change.grantee))
        });
        (findings, regranted.collect())
    }
}
