//! Which rule each entry of a real backup falls under, as the target changes. The decision is pure: one dump, many targets.

use std::sync::Arc;

use paycraft_dr::archive::{Contents, Entry};
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::rights::{self, TableRights};
use paycraft_dr::postgres::session::Session;
use paycraft_dr::recovery::platform::{KnownTarget, OmissionRule, Selection};
use paycraft_dr::recovery::survey::Survey;

use super::project::supabase;
use crate::kit::{Postgres, execute, postgres, run};

type Change = fn(&mut KnownTarget);

/// Each entry, what is changed in a fresh target, and the rule the entry then falls under.
const CASES: [(&str, Change, Option<OmissionRule>); 39] = [
    ("SCHEMA auth", |_| (), Some(OmissionRule::Schema)),
    (
        "SCHEMA auth",
        |target| lose(target, "SCHEMA auth"),
        Some(OmissionRule::LackingDefinition),
    ),
    ("SCHEMA supabase_migrations", |_| (), None),
    ("TABLE auth.users", |_| (), Some(OmissionRule::Definition)),
    ("FUNCTION auth.uid()", |_| (), Some(OmissionRule::Definition)),
    (
        "FUNCTION auth.uid()",
        |target| lose(target, "FUNCTION auth.uid()"),
        Some(OmissionRule::LackingDefinition),
    ),
    ("POLICY public.profiles own profile", |_| (), None),
    (
        "POLICY public.profiles own profile",
        |target| lose(target, "FUNCTION auth.uid()"),
        Some(OmissionRule::NeedsLeftOut),
    ),
    // The role may make things in this schema of the platform's.
    (
        "FUNCTION extensions.pgrst_ddl_watch()",
        |target| lose(target, "FUNCTION extensions.pgrst_ddl_watch()"),
        None,
    ),
    (
        "CONSTRAINT auth.users users_pkey",
        |_| (),
        Some(OmissionRule::Definition),
    ),
    (
        "INDEX storage.bname",
        |target| lose(target, "INDEX storage.bname"),
        Some(OmissionRule::LackingDefinition),
    ),
    ("FK CONSTRAINT public.profiles profiles_id_fkey", |_| (), None),
    ("COMMENT auth.TABLE users", |_| (), Some(OmissionRule::Comment)),
    ("COMMENT EXTENSION pgcrypto", |_| (), Some(OmissionRule::Comment)),
    ("EXTENSION pgcrypto", |_| (), Some(OmissionRule::Extension)),
    (
        "EXTENSION pgcrypto",
        |target| lose(target, "EXTENSION pgcrypto"),
        None,
    ),
    (
        "EXTENSION pg_stat_statements",
        |target| lose(target, "EXTENSION pg_stat_statements"),
        Some(OmissionRule::ForbiddenExtension),
    ),
    (
        "EVENT TRIGGER pgrst_ddl_watch",
        |_| (),
        Some(OmissionRule::EventTrigger),
    ),
    (
        "EVENT TRIGGER pgrst_ddl_watch",
        |target| lose(target, "EVENT TRIGGER pgrst_ddl_watch"),
        Some(OmissionRule::EventTrigger),
    ),
    (
        "PUBLICATION supabase_realtime",
        |_| (),
        Some(OmissionRule::Publication),
    ),
    (
        "PUBLICATION supabase_realtime",
        |target| lose(target, "PUBLICATION supabase_realtime"),
        None,
    ),
    (
        "PUBLICATION TABLE public.supabase_realtime profiles",
        |_| (),
        None,
    ),
    (
        "PUBLICATION TABLE public.supabase_realtime profiles",
        |target| target.rights.own_publications.clear(),
        Some(OmissionRule::ForbiddenPublication),
    ),
    ("TRIGGER auth.users on_auth_user_created", |_| (), None),
    (
        "TRIGGER auth.users on_auth_user_created",
        |target| users(target).may_make_triggers = false,
        Some(OmissionRule::ForbiddenTrigger),
    ),
    (
        "TRIGGER auth.users on_auth_user_created",
        |target| gain(target, "TRIGGER", "auth", "users on_auth_user_created"),
        Some(OmissionRule::Present),
    ),
    (
        "TRIGGER storage.objects protect_objects_delete",
        |_| (),
        Some(OmissionRule::Definition),
    ),
    ("TRIGGER public.tenants tenants_webhook", |_| (), None),
    (
        "TRIGGER public.tenants tenants_webhook",
        |target| {
            lose(target, "FUNCTION supabase_functions.http_request()");
            target.rights.creatable_in.remove("supabase_functions");
        },
        Some(OmissionRule::NeedsLeftOut),
    ),
    ("TABLE DATA auth.users", |_| (), None),
    (
        "TABLE DATA auth.users",
        |target| users(target).may_insert = false,
        Some(OmissionRule::ForbiddenRows),
    ),
    (
        "TABLE DATA auth.users",
        |target| users(target).columns.retain(|name| name != "phone"),
        Some(OmissionRule::OtherColumns),
    ),
    (
        "TABLE DATA auth.users",
        |target| lose_table(target, "auth", "users"),
        Some(OmissionRule::LackingRows),
    ),
    (
        "TABLE DATA realtime.subscription",
        |_| (),
        Some(OmissionRule::PassingRows),
    ),
    (
        "TABLE DATA auth.schema_migrations",
        |_| (),
        Some(OmissionRule::MigrationRows),
    ),
    ("TABLE DATA supabase_migrations.schema_migrations", |_| (), None),
    ("TABLE DATA vault.secrets", |_| (), Some(OmissionRule::SecretRows)),
    ("SEQUENCE SET auth.refresh_tokens_id_seq", |_| (), None),
    (
        "SEQUENCE SET realtime.subscription_id_seq",
        |_| (),
        Some(OmissionRule::Sequence),
    ),
];

fn worded(entry: &Entry) -> String {
    let schema = entry.schema.as_ref().map(|schema| format!("{schema}."));
    format!("{} {}{}", entry.kind, schema.unwrap_or_default(), entry.tag)
}

fn lose(target: &mut KnownTarget, entry: &str) {
    let before = target.present.len();
    target.present.retain(|(kind, schema, tag)| {
        let dot = if schema.is_empty() { "" } else { "." };
        entry != format!("{kind} {schema}{dot}{tag}")
    });
    assert_eq!(target.present.len() + 1, before, "a fresh target has {entry}");
}

fn gain(target: &mut KnownTarget, kind: &str, schema: &str, tag: &str) {
    target.present.insert((kind.into(), schema.into(), tag.into()));
}

fn lose_table(target: &mut KnownTarget, schema: &str, name: &str) {
    let table = (schema.to_owned(), name.to_owned());
    target.rights.tables.remove(&table).expect("every project has it");
}

fn users(target: &mut KnownTarget) -> &mut TableRights {
    let name = ("auth".to_owned(), "users".to_owned());
    target
        .rights
        .tables
        .get_mut(&name)
        .expect("every project has users")
}

async fn contents(postgres: &Postgres, database: &Conninfo) -> Arc<Contents> {
    let migrations = ("storage".to_owned(), "migrations".to_owned());
    let dump = postgres.installation.dump(database, &[migrations]).output().await;
    let dump = dump.expect("a dump");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let mut survey = Survey::default();
    survey.feed(&dump.stdout).expect("an archive");
    survey.finish().expect("a whole archive").contents
}

#[test]
fn every_kind_of_entry_falls_under_its_rule() {
    run(async {
        let Some(postgres) = postgres() else { return };
        let supabase = supabase(postgres);
        let fresh = supabase.fresh(Side::Target).await;
        let backup = contents(postgres, &supabase.product(Side::Source).await).await;
        let session = Session::connect(&fresh).await.expect("a connection");
        let rights = rights::rights(&session).await.expect("rights");
        let target = KnownTarget::new(&*contents(postgres, &fresh).await, rights);
        for (number, (wanted, change, rule)) in CASES.iter().enumerate() {
            let mut changed = target.clone();
            change(&mut changed);
            let selection = Selection::of(&backup, &changed);
            let entry = backup.entries.iter().find(|entry| worded(entry) == *wanted);
            let entry = entry.unwrap_or_else(|| panic!("the backup has {wanted}"));
            assert_eq!(selection.rule(entry.id), *rule, "case {number}: {wanted}");
            assert_eq!(selection.keeps(entry.id), rule.is_none());
        }
    });
}

#[test]
fn rights_are_read_from_privileges_and_from_supautils() {
    run(async {
        let Some(postgres) = postgres() else { return };
        let supabase = supabase(postgres);
        let fresh = supabase.fresh(Side::Target).await;
        let read = async || {
            let session = Session::connect(&fresh).await.expect("a connection");
            rights::rights(&session).await.expect("rights")
        };
        let own = read().await;
        let table = |schema: &str, name: &str| own.tables[&(schema.to_owned(), name.to_owned())].clone();
        assert!(!own.is_superuser && !own.may_make_event_triggers);
        assert!(own.creatable_in.contains("public") && own.creatable_in.contains("extensions"));
        assert!(!own.creatable_in.contains("auth") && !own.creatable_in.contains("storage"));
        assert!(
            own.creatable_extensions.contains("pgcrypto")
                && !own.creatable_extensions.contains("pg_stat_statements")
        );
        let users = table("auth", "users");
        assert!(users.may_insert && users.may_make_triggers && !users.may_make_policies);
        assert!(!users.columns.contains(&"confirmed_at".to_owned()), "computed");
        assert!(!table("auth", "schema_migrations").may_insert);
        assert!(!table("vault", "secrets").may_insert);
        let name = fresh.database();
        let settings = format!(
            r#"ALTER DATABASE {name} SET "supautils.policy_grants" = '{{"postgres": ["storage.objects"], "other": ["auth.users"]}}';
               ALTER DATABASE {name} SET "supautils.privileged_role" = 'postgres';
               ALTER DATABASE {name} SET "supautils.privileged_extensions" = 'hstore, pg_stat_statements'"#
        );
        execute(&supabase.admin(name), &settings).await;
        let more = read().await;
        let policies =
            |schema: &str, name: &str| more.tables[&(schema.to_owned(), name.to_owned())].may_make_policies;
        assert!(policies("storage", "objects") && !policies("auth", "users"));
        assert!(more.may_make_event_triggers && more.creatable_extensions.contains("pg_stat_statements"));
    });
}

#[test]
fn every_rule_has_a_name_and_a_reason_of_its_own() {
    let mut names: Vec<&str> = OmissionRule::ALL.iter().map(|rule| rule.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), OmissionRule::ALL.len());
    assert!(
        OmissionRule::ALL
            .iter()
            .all(|rule| rule.reason().len() > 10 && !rule.reason().ends_with('.'))
    );
}
