//! Targets that are not as a fresh project is: what is refused, what is left out, and what is missed.

use paycraft_dr::error::Kind;
use paycraft_dr::model::depth::Depth;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::product::CountedTables;
use paycraft_dr::model::profile::Profile;
use paycraft_dr::model::selection::Among;
use paycraft_dr::model::verdict::CheckOutcome;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::tools::Leniency;
use paycraft_dr::recovery::guard::GuardOptions;
use paycraft_dr::recovery::restore::{self, Restored};

use super::project::supabase;
use super::{backed_up, restored};
use crate::kit::{self, Silent, World, execute, failed, json, output, program, query, run};

/// Nothing of the product may have reached the project.
async fn assert_untouched(project: &Conninfo) {
    let tables = "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(query(project, tables).await, "0");
}

#[test]
fn a_project_taken_for_a_plain_target_is_refused_as_not_empty() {
    run(async {
        let Some((world, supabase, _)) = backed_up().await else {
            return;
        };
        let fresh = supabase.fresh(Side::Target).await;
        let request = restore::RestoreRequest {
            store: &world.bucket.store,
            among: &Among::ANY,
            counted: &CountedTables::PAYCRAFT,
            selector: Selector::Latest,
            tools: &world.postgres.tools,
            terms: kit::terms(),
            profile: Some(Profile::Plain),
            jobs: 2,
            depth: Depth::Content,
            accepts_lost_rows: false,
            leniency: Leniency::default(),
            missing_sql: None,
            accepts_unknown_rights: false,
            accepted: &[],
            accepts_missing_settings: false,
            analyzes: true,
            now: kit::now(),
        };
        let error = restore::restore(request, async |_| Ok(fresh.clone()), &Silent).await;
        let error = error.expect_err("not empty");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.message().contains("auth."), "{error}");
    });
}

#[test]
fn rows_in_the_platforms_tables_are_replaced_only_when_asked() {
    run(async {
        let Some((world, supabase, product)) = backed_up().await else {
            return;
        };
        let fresh = supabase.fresh(Side::Target).await;
        execute(
            &fresh,
            "INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'first@example.com')",
        )
        .await;
        let error = world.restore_into(Selector::Latest, fresh.clone()).await;
        let error = error.expect_err("a user is there");
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert!(error.message().contains("auth.users"), "{error}");
        assert_untouched(&fresh).await;

        let clean = || GuardOptions {
            clean: true,
            ..kit::terms()
        };
        for attempt in ["into rows of the platform's", "over a whole product"] {
            let restored = world
                .restore_on(Selector::Latest, fresh.clone(), clean(), &Silent)
                .await;
            let restored =
                restored.unwrap_or_else(|error| panic!("{attempt}: {error}: {:?}", error.causes()));
            assert!(
                restored.verification.verdict.is_proven(),
                "{attempt}: {:?}",
                restored.verification.checks
            );
        }
        let profiles = "SELECT md5(string_agg(p::text, ',' ORDER BY id)) FROM public.profiles p";
        assert_eq!(query(&fresh, profiles).await, query(&product, profiles).await);
    });
}

#[test]
fn a_project_of_another_version_gets_what_fits() {
    run(async {
        let Some((world, supabase, _)) = backed_up().await else {
            return;
        };
        let changes = "ALTER TABLE auth.users ADD last_seen_at timestamptz; CREATE TABLE auth.oauth_clients (id uuid PRIMARY KEY);
            ALTER TABLE auth.oauth_clients OWNER TO supabase_auth_admin; DROP TRIGGER protect_buckets_delete ON storage.buckets;
            DROP FUNCTION storage.filename; CREATE EVENT TRIGGER issue_more ON ddl_command_end EXECUTE FUNCTION extensions.pgrst_ddl_watch()";
        let newer = supabase.changed(changes).await;
        let restored = restored(&world, &newer).await;
        let rules: Vec<&str> = restored
            .skipped
            .iter()
            .filter(|skipped| skipped.entry.contains("filename") || skipped.entry.contains("protect_buckets"))
            .map(|skipped| skipped.rule)
            .collect();
        assert_eq!(rules, ["definition the platform lacks"; 2]);

        let older = supabase.changed("ALTER TABLE auth.users DROP is_anonymous").await;
        let error = world
            .restore_into(Selector::Latest, older.clone())
            .await
            .expect_err("no such column");
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert!(
            error.message().contains("auth.users") && error.message().contains("FK CONSTRAINT public."),
            "{error}"
        );
        assert_untouched(&older).await;
    });
}

/// What keeps the rows of `auth.identities` out of a project, and the rule that says so. Without them no user signs in with
/// anything but a password.
const KEPT_OUT: [(&str, &str); 3] = [
    (
        "ALTER TABLE auth.identities DROP last_sign_in_at",
        "platform rows with other columns",
    ),
    ("REVOKE INSERT ON auth.identities FROM postgres", "platform rows"),
    (
        "DROP TABLE auth.identities CASCADE",
        "rows of a table the platform lacks",
    ),
];

#[test]
fn rows_that_a_project_cannot_take_are_no_proof_until_they_are_done_without() {
    run(async {
        let Some((world, supabase, _)) = backed_up().await else {
            return;
        };
        for (change, rule) in KEPT_OUT {
            let older = supabase.changed(change).await;
            let restored = world.restore_into(Selector::Latest, older.clone()).await;
            let verification = restored.expect("a restore").verification;
            assert!(!verification.verdict.is_proven(), "{change}");
            assert_eq!(
                failed(&verification),
                ["lost rows"],
                "{change}: {:?}",
                verification.checks
            );
            let mut checks = verification.checks.iter();
            let lost = checks.find(|check| check.name == "lost rows").expect("the check");
            assert_eq!(lost.outcome, CheckOutcome::Skipped);
            let says = format!("rows of auth.identities ({rule}:");
            assert!(lost.detail.contains(&says), "{}", lost.detail);

            let verify = |more: &[&str]| {
                let mut command = program(&[&["verify", "--json"], more].concat());
                command
                    .envs(world.bucket.environment())
                    .env("TARGET_DB_URL", supabase.url(&older));
                command
            };
            let missed = json(&output(verify(&[])).await);
            assert_eq!(
                (&missed["exit_code"], &missed["verdict"]),
                (&3.into(), &"not proven".into())
            );
            let accepted = json(&output(verify(&["--accept-lost-rows"])).await);
            assert_eq!(accepted["exit_code"], 0, "{accepted}");
            assert!(
                accepted["checks"].to_string().contains("accepted: "),
                "{accepted}"
            );
        }
    });
}

#[test]
fn a_recovery_that_lost_rows_goes_into_service_only_when_they_are_done_without() {
    run(async {
        let Some(world) = World::new().await else { return };
        let supabase = supabase(world.postgres);
        let product = supabase.product(Side::Source).await;
        let now = jiff::Timestamp::now().to_string();
        world.back_up_at(&product, &now).await.expect("a backup");
        let directory = tempfile::tempdir().expect("a directory");
        let step = "[[cutover.step]]\nname = \"vault\"\nwhy = \"It is read there.\"\ncommand = [\"touch\", \"in-service\"]\n";
        std::fs::write(directory.path().join("dr.toml"), step).expect("a file");
        let in_service = directory.path().join("in-service");
        for (more, code) in [(&[][..], 3), (&["--accept-lost-rows"], 0)] {
            let older = supabase.changed(KEPT_OUT[0].0).await;
            let mut recover = program(&["--config", "dr.toml", "--json", "recover"]);
            recover
                .args(more)
                .current_dir(directory.path())
                .envs(world.bucket.environment())
                .env("TARGET_DB_URL", supabase.url(&older));
            let document = json(&output(recover).await);
            assert_eq!(document["exit_code"], code, "{document}");
            assert_eq!(in_service.exists(), code == 0, "{document}");
        }
    });
}

#[test]
fn policies_and_publications_go_where_the_role_may_make_them() {
    run(async {
        let Some(world) = World::new().await else { return };
        let supabase = supabase(world.postgres);
        let product = supabase.product(Side::Source).await;
        let policy = "CREATE POLICY own_files ON storage.objects FOR SELECT TO authenticated USING (owner = auth.uid())";
        execute(&supabase.admin(product.database()), policy).await;
        world.back_up(&product).await.expect("a backup");
        let entries = [
            "POLICY storage.objects own_files",
            "PUBLICATION TABLE public.supabase_realtime profiles",
        ];
        let skipped = |restored: &Restored| -> Vec<&'static str> {
            let skipped = restored
                .skipped
                .iter()
                .filter(|skipped| entries.contains(&skipped.entry.as_str()));
            skipped.map(|skipped| skipped.rule).collect()
        };
        let closed = supabase
            .changed("ALTER PUBLICATION supabase_realtime OWNER TO supabase_admin")
            .await;
        assert_eq!(
            skipped(&restored(&world, &closed).await),
            ["policy on a platform table", "table of a platform publication"]
        );
        let open = supabase
            .changed("ALTER TABLE storage.objects OWNER TO postgres")
            .await;
        assert!(skipped(&restored(&world, &open).await).is_empty());
        execute(&open, "DROP POLICY own_files ON storage.objects").await;
        assert_eq!(
            failed(&world.verify(&open).await),
            ["schema"],
            "what could be made is asked for"
        );
    });
}

#[test]
fn what_is_built_on_something_left_out_is_missed() {
    run(async {
        let Some(world) = World::new().await else { return };
        let supabase = supabase(world.postgres);
        let product = supabase.product(Side::Source).await;
        let function = "CREATE FUNCTION auth.is_boss() RETURNS boolean LANGUAGE sql AS 'SELECT true'";
        execute(&supabase.admin(product.database()), function).await;
        execute(
            &product,
            "CREATE POLICY boss ON public.profiles USING (auth.is_boss())",
        )
        .await;
        world.back_up(&product).await.expect("a backup");
        let fresh = supabase.fresh(Side::Target).await;
        let restored = world
            .restore_into(Selector::Latest, fresh.clone())
            .await
            .expect("a restore");
        let rule = |entry: &str| {
            let skipped = restored.skipped.iter().find(|skipped| skipped.entry == entry);
            skipped.map(|skipped| skipped.rule)
        };
        assert_eq!(
            rule("FUNCTION auth.is_boss()"),
            Some("definition the platform lacks")
        );
        assert_eq!(
            rule("POLICY public.profiles boss"),
            Some("needs what was left out")
        );
        assert_eq!(failed(&restored.verification), ["schema"]);
        assert_eq!(failed(&world.verify(&fresh).await), ["schema"]);
    });
}

#[test]
fn a_role_that_cannot_keep_triggers_from_firing_is_refused() {
    run(async {
        let Some((world, supabase, _)) = backed_up().await else {
            return;
        };
        let fresh = supabase.fresh(Side::Target).await;
        let intern = supabase.intern(&fresh).await;
        let error = world
            .restore_into(Selector::Latest, intern)
            .await
            .expect_err("triggers would fire");
        assert_eq!(error.kind(), Kind::Refused, "{error}: {:?}", error.causes());
        assert!(error.message().contains("triggers"), "{error}");
        assert_untouched(&fresh).await;
    });
}
