//! An access as lines, one for each thing and each grantee, to be set beside another.

use std::collections::BTreeMap;

use super::rights::Grantee;
use super::{Access, ObjectRights};

impl Access {
    /// Who owns what, and what each grantee may do with it: `owner of table public.users` → `app`, and
    /// `anon on table public.users` → `SELECT, INSERT`. Who granted it is left out.
    pub fn described(&self) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::new();
        for object in &self.objects {
            if let Some(owner) = object.owner.filter(|_| !object.has_foreign_owner) {
                lines.insert(format!("owner of {object}"), self.role_name(owner).to_owned());
            }
            self.describe_list(&object.to_string(), object.grants, object.owner, &mut lines);
        }
        for default in &self.defaults {
            let place = default
                .schema
                .as_deref()
                .map_or_else(|| "any schema".to_owned(), |schema| format!("schema {schema}"));
            let role = self.role_name(default.role);
            let on = format!("new {} of {role} in {place}", default.on.to_lowercase());
            self.describe_list(&on, default.grants, Some(default.role), &mut lines);
        }
        for table in &self.row_security {
            let state = match (table.is_on, table.is_forced) {
                (true, true) => "on and forced",
                (true, false) => "on",
                (false, true) => "forced, but off",
                (false, false) => continue,
            };
            lines.insert(format!("row security of {}", table.name), state.to_owned());
        }
        lines
    }

    fn describe_list(
        &self,
        on: &str,
        list: usize,
        owner: Option<super::RoleId>,
        lines: &mut BTreeMap<String, String>,
    ) {
        let mut of_each: BTreeMap<Grantee<'_>, super::rights::HeldPrivileges> = BTreeMap::new();
        for (grantee, _, held) in ObjectRights::of(self, list, owner).iter() {
            let all = of_each.entry(grantee).or_default();
            all.privileges = all.privileges.and(held.privileges);
            all.grantable = all.grantable.and(held.grantable);
        }
        for (grantee, held) in of_each {
            let may = match held.grantable.is_empty() {
                true => held.privileges.to_string(),
                false => format!("{}; may grant {}", held.privileges, held.grantable),
            };
            lines.insert(format!("{} on {on}", grantee.name()), may);
        }
    }
}
