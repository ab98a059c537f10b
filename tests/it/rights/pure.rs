//! Decisions about rights without any server.

use paycraft_dr::model::access::{
    Access, AccessBuilder, AccessObject, AclItem, Effective, Grantee, ObjectKind, Privileges, Role, RoleId,
    UnknownRightsAccepted, checks, compare, parse, unknown,
};
use paycraft_dr::model::profile::Profile;
use paycraft_dr::model::verdict::CheckOutcome;
use proptest::prelude::*;

/// As PostgreSQL writes a name in an access list.
fn quoted(name: &str) -> String {
    match name
        .chars()
        .all(|mark| mark.is_ascii_alphanumeric() || mark == '_')
    {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

#[test]
fn public_is_no_role_and_an_odd_name_is_one() {
    let public = parse("=r/postgres").expect("an item");
    assert_eq!(public.grantee, None);
    let quoted_public = parse("\"PUBLIC \"=r/postgres").expect("an item");
    assert_eq!(quoted_public.grantee.as_deref(), Some("PUBLIC "));
    let odd = parse("\"a=\"\"r*/x\"=r*w/\"b/=\"").expect("an item");
    let select = Privileges::of_letter('r');
    assert_eq!(
        odd,
        AclItem {
            grantee: Some("a=\"r*/x".to_owned()),
            privileges: select.and(Privileges::of_letter('w')),
            grantable: select,
            grantor: "b/=".to_owned(),
        }
    );
    for broken in ["", "x", "=r", "=r/", "\"a=r/b", "a=r/b c\"d\""] {
        let _ = parse(broken);
    }
    assert_eq!(parse("\"a=r/b"), None);
    assert_eq!(parse("=r/"), None);
}

fn roles(names: &[&str]) -> Vec<Role> {
    let made = names.iter().map(|name| Role {
        name: (*name).to_owned(),
        is_superuser: *name == "root",
    });
    made.collect()
}

fn table(name: &str, owner: u32, grants: usize) -> AccessObject {
    AccessObject {
        kind: ObjectKind::Table,
        schema: "public".to_owned(),
        name: format!("public.{name}"),
        column: None,
        owner: Some(RoleId(owner)),
        grants,
        initial: None,
        has_foreign_owner: false,
    }
}

fn access(names: &[&str], lists: &[&[&str]]) -> Access {
    let mut builder = AccessBuilder::new(17, roles(names));
    for (number, items) in lists.iter().enumerate() {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        let grants = builder.grants(&items);
        builder
            .access()
            .objects
            .push(table(&format!("t{number}"), 0, grants));
    }
    builder.finish()
}

fn details(expected: &Access, found: &Access) -> Vec<(CheckOutcome, String)> {
    let comparison = compare(expected, found, Profile::Plain, "root");
    let checks = checks(&comparison, UnknownRightsAccepted(false));
    checks
        .into_iter()
        .map(|check| (check.outcome, check.detail))
        .collect()
}

#[test]
fn too_much_comes_before_too_little_and_names_who_may_what() {
    let names = ["app", "anon", "reader", "root"];
    let expected = access(
        &names,
        &[&["app=rw/app", "reader=r/app"], &["app=r/app", "reader=r*/app"]],
    );
    let found = access(
        &names,
        &[
            &["app=rw/app"],
            &["app=r/app", "reader=r/app", "anon=rd/app", "=r/app"],
        ],
    );
    let details = details(&expected, &found);
    assert_eq!(
        details[0],
        (
            CheckOutcome::Failed,
            "too much: PUBLIC has SELECT on table public.t1; too much: anon has SELECT, DELETE on table public.t1; \
             too little: reader may not grant SELECT on table public.t1; too little: reader lacks SELECT on table public.t0"
                .to_owned()
        )
    );
    assert_eq!(details[1].0, CheckOutcome::Passed, "owners");
    assert_eq!(details[3].0, CheckOutcome::Skipped, "nobody was asked");
}

#[test]
fn an_owner_is_compared_by_itself_and_its_own_grants_follow_it() {
    let names = ["app", "other", "root"];
    let expected = access(&names, &[&["app=rw/app", "other=r/app"]]);
    let mut found = access(&names, &[&["other=rw/other", "app=r/other"]]);
    found.objects[0].owner = Some(RoleId(1));
    let details = details(&expected, &found);
    assert_eq!(
        details[1],
        (
            CheckOutcome::Failed,
            "table public.t0 belongs to other instead of app".to_owned()
        )
    );
    assert!(
        details[0].1.starts_with("too much: app has SELECT"),
        "{details:?}"
    );
}

#[test]
fn a_grant_of_a_role_that_is_gone_grants_nothing() {
    let names = ["app", "root"];
    let with = access(&names, &[&["app=r/app", "16403=r/app"]]);
    assert_eq!(with.grants_of_gone_roles, 1);
    let without = access(&names, &[&["app=r/app"]]);
    assert_eq!(details(&with, &without)[0].0, CheckOutcome::Passed);
}

#[test]
fn a_role_that_became_a_superuser_may_too_much() {
    let expected = access(&["app", "clerk", "root"], &[&["app=r/app"]]);
    let mut found = expected.clone();
    found.roles[1].is_superuser = true;
    let asked = |access: &mut Access| {
        access.effective = Some(Effective::new(
            vec![RoleId(0)],
            1,
            [(0, vec![Privileges::of_letter('r')])],
        ));
    };
    let mut expected = expected;
    asked(&mut expected);
    asked(&mut found);
    let details = details(&expected, &found);
    assert_eq!(
        details[3],
        (
            CheckOutcome::Failed,
            "too much: clerk is a superuser, and may do everything".to_owned()
        )
    );
}

#[test]
fn a_manifest_without_rights_skips_every_check_until_that_is_accepted() {
    assert!(
        unknown(UnknownRightsAccepted(false))
            .iter()
            .all(|check| check.outcome == CheckOutcome::Skipped)
    );
    assert!(
        unknown(UnknownRightsAccepted(true))
            .iter()
            .all(|check| check.outcome == CheckOutcome::Passed)
    );
}

fn item() -> impl Strategy<Value = (Option<usize>, u16, u16, usize)> {
    (
        proptest::option::of(0_usize..5),
        1_u16..256,
        0_u16..256,
        0_usize..5,
    )
}

proptest! {
    #[test]
    fn every_name_is_read_as_postgresql_writes_it(grantee in "\\PC{1,12}", grantor in "\\PC{1,12}") {
        let text = format!("{}=ar*/{}", quoted(&grantee), quoted(&grantor));
        let item = parse(&text).expect("an item");
        prop_assert_eq!(item.grantee, Some(grantee));
        prop_assert_eq!(item.grantor, grantor);
    }

    #[test]
    fn the_changes_lead_from_any_rights_to_any_others(
        ours in proptest::collection::vec(item(), 0..12), theirs in proptest::collection::vec(item(), 0..12)
    ) {
        let names = ["app", "a \"b\"", "PUBLIC x", "r3", "r4"];
        let lists = |items: &[(Option<usize>, u16, u16, usize)]| -> Access {
            let mut builder = AccessBuilder::new(17, roles(&names));
            let texts: Vec<String> = items.iter().map(|(grantee, may, grantable, grantor)| {
                let grantee = grantee.map_or_else(String::new, |place| quoted(names[place]));
                let letters: String = "rawdDxtm".chars().enumerate().filter(|(bit, _)| may & (1 << bit) != 0)
                    .map(|(bit, letter)| if grantable & (1 << bit) != 0 { format!("{letter}*") } else { letter.to_string() })
                    .collect();
                format!("{grantee}={letters}/{}", quoted(names[*grantor]))
            }).collect();
            let grants = builder.grants(&texts);
            builder.access().objects.push(table("t", 0, grants));
            builder.finish()
        };
        let (expected, found) = (lists(&ours), lists(&theirs));
        prop_assert!(compare(&expected, &expected, Profile::Plain, "root").changes.is_empty());
        let comparison = compare(&expected, &found, Profile::Plain, "root");
        let mut held = held(&found);
        for change in &comparison.changes {
            use paycraft_dr::model::access::GrantAction;
            let entry = held.entry((name(change.grantee), name(change.grantor))).or_default();
            match change.verb {
                GrantAction::Grant => entry.0 = entry.0.and(change.privileges),
                GrantAction::GrantWithOption => *entry = (entry.0.and(change.privileges), entry.1.and(change.privileges)),
                GrantAction::Revoke => *entry = (entry.0.without(change.privileges), entry.1.without(change.privileges)),
                GrantAction::RevokeOption => entry.1 = entry.1.without(change.privileges),
            }
        }
        held.retain(|_, (privileges, _)| !privileges.is_empty());
        prop_assert_eq!(held, self::held(&expected));
    }
}

fn name(grantee: Grantee<'_>) -> String {
    match grantee {
        Grantee::Public => String::new(),
        Grantee::Owner => "app".to_owned(),
        Grantee::Role(name) => name.to_owned(),
    }
}

type Held = std::collections::BTreeMap<(String, String), (Privileges, Privileges)>;

/// What the one table's list grants, to whom, by whom.
fn held(access: &Access) -> Held {
    let mut held = Held::new();
    for grant in access.list(access.objects[0].grants) {
        let grantee = grant
            .grantee
            .map_or_else(String::new, |role| access.role_name(role).to_owned());
        let entry = held
            .entry((grantee, access.role_name(grant.grantor).to_owned()))
            .or_default();
        *entry = (entry.0.and(grant.privileges), entry.1.and(grant.grantable));
    }
    held
}
