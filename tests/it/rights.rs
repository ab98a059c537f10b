//! Owners, grants and default privileges come back as they were, and what was closed stays closed.

mod many;
mod pure;
mod random;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;

use super::kit::{Silent, World, assert_proven, execute, failed, json, output, program, query, run, terms};
use super::supabase::project::supabase;
use paycraft_dr::recovery::guard::GuardOptions;

/// What a product closed that a fresh project opens.
const CLOSED: &str = include_str!("rights/closed.sql");
/// Every answer is false where the product was made.
const MAY_STRANGERS: &str =
    "SELECT concat_ws(' ', has_function_privilege('anon', 'public.admin_refund(uuid)', 'execute'),
        has_table_privilege('anon', 'public.tenant_providers', 'select'),
        has_table_privilege('authenticated', 'public.tenant_providers', 'select'),
        has_table_privilege('anon', 'public.revenue', 'select'),
        has_sequence_privilege('anon', 'public.invoice_number', 'usage'))";

#[test]
fn what_a_product_closed_is_closed_in_a_fresh_project() {
    run(async {
        let Some(world) = World::new().await else { return };
        let supabase = supabase(world.postgres);
        let source = supabase.fresh(Side::Source).await;
        execute(&source, CLOSED).await;
        assert_eq!(query(&source, MAY_STRANGERS).await, "f f f f f");
        world.back_up(&source).await.expect("a backup");
        let target = supabase.fresh(Side::Target).await;
        let restored = world.restore_into(Selector::Latest, target.clone()).await;
        let restored = restored.unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
        assert_proven(&restored.verification);
        assert_eq!(query(&target, MAY_STRANGERS).await, "f f f f f");

        let clean = GuardOptions {
            clean: true,
            ..terms()
        };
        execute(&target, "GRANT ALL ON ALL TABLES IN SCHEMA public TO anon").await;
        let again = world
            .restore_on(Selector::Latest, target.clone(), clean, &Silent)
            .await;
        assert_proven(&again.expect("a restore").verification);
        assert_eq!(query(&target, MAY_STRANGERS).await, "f f f f f");

        execute(&target, "GRANT SELECT ON public.tenant_providers TO anon").await;
        let mut verify = program(&["verify", "--json"]);
        verify
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", supabase.url(&target));
        let told = json(&output(verify).await);
        assert_eq!(told["exit_code"], 3, "{told}");
        let detail = |name: &str| {
            let checks = told["checks"].as_array().expect("checks").iter();
            let mut found = checks.filter(|check| check["name"] == name);
            found.next().expect("a check")["detail"]
                .as_str()
                .expect("text")
                .to_owned()
        };
        assert_eq!(
            detail("rights"),
            "too much: anon has SELECT on table public.tenant_providers"
        );
        assert!(
            detail("effective access")
                .starts_with("too much: anon may SELECT on table public.tenant_providers"),
            "{}",
            detail("effective access")
        );
    });
}

/// A product with an application's role and a reader's, as frameworks make them.
fn product(unique: u32) -> String {
    format!(
        "CREATE ROLE owner_{unique}; CREATE ROLE app_{unique} LOGIN; CREATE ROLE reader_{unique};
         CREATE ROLE \"PUBLIC {unique}\"; CREATE ROLE \"odd \"\"{unique}=r*/x\"; CREATE ROLE clerk_{unique};
         GRANT reader_{unique} TO clerk_{unique}; ALTER SCHEMA public OWNER TO owner_{unique};
         SET ROLE owner_{unique};
         GRANT USAGE ON SCHEMA public TO app_{unique}, reader_{unique};
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader_{unique};
         ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
         CREATE TABLE public.tenants (id serial PRIMARY KEY, name text NOT NULL, secret text);
         INSERT INTO public.tenants (name) SELECT 'tenant ' || n FROM generate_series(1, 20) AS n;
         GRANT INSERT, UPDATE, DELETE, SELECT ON public.tenants TO app_{unique};
         GRANT USAGE ON SEQUENCE public.tenants_id_seq TO app_{unique};
         GRANT SELECT ON public.tenants TO \"PUBLIC {unique}\" WITH GRANT OPTION;
         GRANT UPDATE (name), INSERT (name) ON public.tenants TO \"odd \"\"{unique}=r*/x\";
         REVOKE DELETE ON public.tenants FROM owner_{unique};
         CREATE VIEW public.names AS SELECT name FROM public.tenants;
         CREATE FUNCTION public.\"Pay!\"(int, text[] DEFAULT '{{}}', VARIADIC numeric[] DEFAULT '{{}}') RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
         CREATE PROCEDURE public.close_month(INOUT n int) LANGUAGE sql AS 'SELECT 1';
         CREATE AGGREGATE public.total(numeric) (SFUNC = numeric_add, STYPE = numeric);
         CREATE AGGREGATE public.rows_in(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0');
         GRANT EXECUTE ON FUNCTION public.\"Pay!\" TO app_{unique};
         GRANT EXECUTE ON FUNCTION public.rows_in() TO reader_{unique};
         CREATE TYPE public.mood AS ENUM ('good', 'bad'); REVOKE USAGE ON TYPE public.mood FROM PUBLIC;
         CREATE DOMAIN public.email AS text CHECK (VALUE LIKE '%@%'); GRANT USAGE ON DOMAIN public.email TO reader_{unique};
         CREATE TYPE public.pair AS (a int, b int);
         RESET ROLE; SET ROLE \"PUBLIC {unique}\";
         GRANT SELECT ON public.tenants TO clerk_{unique};
         RESET ROLE;
         CREATE SCHEMA \"Back Office\" AUTHORIZATION owner_{unique};
         CREATE FOREIGN DATA WRAPPER wrapper_{unique}; GRANT USAGE ON FOREIGN DATA WRAPPER wrapper_{unique} TO app_{unique};
         CREATE SERVER far_{unique} FOREIGN DATA WRAPPER wrapper_{unique}; GRANT USAGE ON FOREIGN SERVER far_{unique} TO app_{unique};
         ALTER SERVER far_{unique} OWNER TO owner_{unique};
         CREATE FOREIGN TABLE \"Back Office\".far (id int) SERVER far_{unique}; GRANT SELECT ON \"Back Office\".far TO app_{unique};
         CREATE MATERIALIZED VIEW public.sums AS SELECT count(*) FROM public.tenants; REVOKE ALL ON public.sums FROM CURRENT_USER;
         SELECT lo_from_bytea(4711, 'x'), lo_from_bytea(4712, 'y'); GRANT SELECT ON LARGE OBJECT 4711, 4712 TO reader_{unique};
         ALTER LARGE OBJECT 4712 OWNER TO owner_{unique};
         REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC; GRANT USAGE ON LANGUAGE plpgsql TO app_{unique};
         REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO app_{unique};
         GRANT SELECT (rolname, rolsuper) ON pg_catalog.pg_authid TO CURRENT_USER;
         GRANT SELECT (prosrc) ON pg_catalog.pg_proc TO app_{unique};
         GRANT SET ON PARAMETER \"my.mode\" TO app_{unique};
         CREATE EXTENSION pgcrypto; REVOKE EXECUTE ON FUNCTION public.digest(text, text) FROM PUBLIC;
         DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()) ; END $$;"
    )
}

/// What `pg_dump` says of owners and grants.
async fn dumped(pg_dump: &Path, url: &str) -> BTreeSet<String> {
    let mut dump = Command::new(pg_dump);
    dump.args(["--schema-only", "--dbname", url]);
    let dumped = output(dump).await;
    assert!(dumped.status.success(), "{dumped:?}");
    let text = String::from_utf8(dumped.stdout).expect("text");
    let lines = text.lines().filter(|line| {
        ["GRANT ", "REVOKE ", "ALTER DEFAULT", "SET SESSION AUTH"]
            .iter()
            .any(|start| line.starts_with(start))
            || line.contains(" OWNER TO ")
    });
    lines.map(str::to_owned).collect()
}

#[test]
fn every_kind_of_object_has_its_owner_and_its_grants_back() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let source = world.postgres.source(&product(unique)).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        // The target opens by itself what the source has closed.
        let opens = format!(
            "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO reader_{unique}, clerk_{unique};
             ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO clerk_{unique};
             ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
             ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO clerk_{unique};
             ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO clerk_{unique}"
        );
        execute(&target, &opens).await;
        let restored = world.restore_into(Selector::Latest, target.clone()).await;
        let restored = restored.unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
        assert_proven(&restored.verification);
        let pg_dump = world.postgres.installation.program("pg_dump");
        assert_eq!(
            dumped(&pg_dump, &world.postgres.url(&target)).await,
            dumped(&pg_dump, &world.postgres.url(&source)).await
        );
    });
}

#[test]
fn a_right_too_much_or_too_little_is_found() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let (_, target) = world.proven(&product(unique)).await;
        let (app, owner, clerk) = (
            format!("app_{unique}"),
            format!("owner_{unique}"),
            format!("clerk_{unique}"),
        );
        for (change, undo, fails, says) in [
            (
                format!("GRANT DELETE ON public.tenants TO {clerk}"),
                format!("REVOKE DELETE ON public.tenants FROM {clerk}"),
                vec!["rights", "effective access"],
                format!("too much: {clerk} has DELETE on table public.tenants"),
            ),
            (
                format!("REVOKE INSERT ON public.tenants FROM {app}"),
                format!("GRANT INSERT ON public.tenants TO {app}"),
                vec!["rights", "effective access"],
                format!("too little: {app} lacks INSERT on table public.tenants"),
            ),
            (
                format!("GRANT UPDATE (secret) ON public.tenants TO {clerk}"),
                format!("REVOKE UPDATE (secret) ON public.tenants FROM {clerk}"),
                vec!["rights", "effective access"],
                format!("too much: {clerk} has UPDATE on column public.tenants.secret"),
            ),
            (
                "GRANT EXECUTE ON FUNCTION public.digest(text, text) TO PUBLIC".to_owned(),
                "REVOKE EXECUTE ON FUNCTION public.digest(text, text) FROM PUBLIC".to_owned(),
                vec!["rights", "effective access"],
                "too much: PUBLIC has EXECUTE on function public.digest(".to_owned(),
            ),
            (
                "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO PUBLIC".to_owned(),
                "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) FROM PUBLIC".to_owned(),
                vec!["rights"],
                "too much: PUBLIC has EXECUTE on function pg_catalog.pg_read_file(".to_owned(),
            ),
            (
                "GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) TO PUBLIC".to_owned(),
                "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC".to_owned(),
                vec!["rights"],
                "too much: PUBLIC has EXECUTE on function pg_catalog.pg_sleep(".to_owned(),
            ),
            (
                format!("GRANT {owner} TO {clerk}"),
                format!("REVOKE {owner} FROM {clerk}"),
                vec!["effective access", "roles"],
                format!("too much: {clerk} may "),
            ),
            (
                format!("ALTER TYPE public.pair OWNER TO {app}"),
                format!("ALTER TYPE public.pair OWNER TO {owner}"),
                vec!["owners"],
                format!("type public.pair belongs to {app} instead of {owner}"),
            ),
            (
                format!("ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON SEQUENCES TO {clerk}"),
                format!("ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE ALL ON SEQUENCES FROM {clerk}"),
                vec!["default privileges"],
                format!("too much: {clerk} gets SELECT, UPDATE, USAGE on sequences that {owner} makes"),
            ),
            (
                format!("GRANT SELECT ON LARGE OBJECT 4711 TO {clerk}"),
                format!("REVOKE SELECT ON LARGE OBJECT 4711 FROM {clerk}"),
                vec!["rights"],
                format!("too much: {clerk} has SELECT on large object 4711"),
            ),
        ] {
            world.finds(&target, [&change, &undo], &fails, &says).await;
        }
        let verification = world.verify(&target).await;
        assert_proven(&verification);
    });
}

#[test]
fn an_applications_and_a_readers_role_work_as_before() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        // As a framework's migrations leave it: one owner, an application that writes, a reader that only reads.
        let schema = format!(
            "CREATE ROLE owner_{unique}; CREATE ROLE app_{unique}; CREATE ROLE ro_{unique};
             GRANT CREATE, USAGE ON SCHEMA public TO owner_{unique}; SET ROLE owner_{unique};
             CREATE TABLE auth_user (id serial PRIMARY KEY, username varchar(150) UNIQUE, password varchar(128));
             CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text, expire_date timestamptz);
             CREATE TABLE shop_order (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, user_id int REFERENCES auth_user, total numeric);
             INSERT INTO auth_user (username, password) SELECT 'user' || n, md5(n::text) FROM generate_series(1, 9) AS n;
             INSERT INTO shop_order (user_id, total) SELECT n, n FROM generate_series(1, 9) AS n;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app_{unique};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app_{unique};
             GRANT SELECT ON shop_order TO ro_{unique}; GRANT SELECT (id, username) ON auth_user TO ro_{unique}"
        );
        let source = world.postgres.source(&schema).await;
        world.back_up(&source).await.expect("a backup");
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        for (role, statement, may) in [
            ("app", "INSERT INTO auth_user (username) VALUES ('new')", true),
            ("app", "DELETE FROM shop_order WHERE id = 1", true),
            (
                "app",
                "INSERT INTO shop_order (user_id, total) VALUES (2, 1)",
                true,
            ),
            ("app", "TRUNCATE django_session", false),
            ("app", "ALTER TABLE auth_user ADD note text", false),
            ("ro", "SELECT count(*) FROM shop_order", true),
            ("ro", "SELECT id, username FROM auth_user", true),
            ("ro", "SELECT password FROM auth_user", false),
            ("ro", "DELETE FROM shop_order", false),
            ("ro", "SELECT * FROM django_session", false),
            ("owner", "ALTER TABLE auth_user ADD note text", true),
        ] {
            for database in [&source, &restored.target] {
                let session = Session::connect(database).await.expect("a connection");
                let sql = format!("BEGIN; SET LOCAL ROLE {role}_{unique}; {statement}; ROLLBACK");
                let done = session.client().batch_execute(&sql).await;
                assert_eq!(done.is_ok(), may, "{role}: {statement}: {done:?}");
            }
        }
    });
}

#[test]
fn a_backup_that_records_no_rights_is_proven_only_where_that_is_accepted() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source("CREATE TABLE tenants (id int)").await;
        let made = world.back_up(&source).await.expect("a backup");
        let mut older = made.manifest.clone();
        older.access = None;
        world
            .bucket
            .put(&made.manifest_key, &older.encode().expect("a document"));
        let target = world.postgres.database(Side::Target).await;
        for (arguments, code) in [
            (&["restore", "--json"][..], 3),
            (&["verify", "--json"], 3),
            (&["verify", "--json", "--accept-unknown-rights"], 0),
            (&["restore", "--json", "--clean", "--accept-unknown-rights"], 0),
        ] {
            let mut command = program(arguments);
            command
                .envs(world.bucket.environment())
                .env("TARGET_DB_URL", world.postgres.url(&target));
            let told = json(&output(command).await);
            assert_eq!(told["exit_code"], code, "{arguments:?}: {told}");
            let checks = told["checks"].as_array().expect("checks").iter();
            let wrong: Vec<_> = checks
                .filter(|check| check["outcome"] != "passed")
                .map(|check| check["name"].as_str().expect("a name").to_owned())
                .collect();
            let all = ["rights", "owners", "default privileges", "effective access"];
            let expected: Vec<&str> = all.into_iter().filter(|_| code == 3).collect();
            assert_eq!(wrong, expected, "{told}");
        }
    });
}

#[test]
fn a_role_that_is_missing_in_the_target_is_named() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let schema =
            format!("CREATE ROLE gone_{unique}; CREATE TABLE t (id int); GRANT SELECT ON t TO gone_{unique}");
        let source = world.postgres.source(&schema).await;
        world.back_up(&source).await.expect("a backup");
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        for database in [&source, &restored.target] {
            execute(database, &format!("DROP OWNED BY gone_{unique}")).await;
        }
        execute(&source, &format!("DROP ROLE gone_{unique}")).await;
        let verification = world.verify(&restored.target).await;
        assert_eq!(
            failed(&verification),
            ["rights", "roles"],
            "{:?}",
            verification.checks
        );
        let told = format!("{:?}", verification.checks);
        let says =
            format!("too little: gone_{unique} lacks SELECT on table public.t (there is no such role)");
        assert!(told.contains(&says), "{told}");
    });
}

#[test]
fn a_restore_by_an_ordinary_role_does_what_it_may_and_names_the_rest() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let schema = format!(
            "CREATE ROLE mine_{unique}; CREATE ROLE others_{unique}; CREATE ROLE reader_{unique};
             CREATE TABLE ours (id int); ALTER TABLE ours OWNER TO mine_{unique}; GRANT SELECT ON ours TO reader_{unique};
             CREATE TABLE theirs (id int); ALTER TABLE theirs OWNER TO others_{unique}"
        );
        let source = world.postgres.source(&schema).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let login = format!(
            "CREATE ROLE restorer_{unique} LOGIN PASSWORD 'restorer' IN ROLE mine_{unique};
             ALTER DATABASE {} OWNER TO restorer_{unique};
             ALTER DEFAULT PRIVILEGES FOR ROLE restorer_{unique} GRANT ALL ON TABLES TO PUBLIC",
            target.database()
        );
        execute(&target, &login).await;
        let url = world.postgres.url(&target);
        let (_, rest) = url.split_once('@').expect("a URL");
        let url = format!("postgresql://restorer_{unique}:restorer@{rest}");
        let target = Conninfo::parse(Side::Target, &url).expect("a connection string");
        let restored = world.restore_into(Selector::Latest, target.clone()).await;
        let restored = restored.unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
        let told = format!("{:?}", restored.verification.checks);
        let says = format!("table public.theirs belongs to restorer_{unique} instead of others_{unique}");
        assert!(told.contains(&says), "{told}");
        let may = format!(
            "SELECT concat_ws(' ', pg_get_userbyid('ours'::regclass::oid), relowner::regrole,
                has_table_privilege('reader_{unique}', 'ours', 'SELECT'), has_table_privilege('others_{unique}', 'ours', 'SELECT'),
                has_table_privilege('reader_{unique}', 'theirs', 'SELECT'), has_schema_privilege('mine_{unique}', 'public', 'CREATE'))
               FROM pg_class WHERE oid = 'ours'::regclass"
        );
        let answers = query(&target, &may).await;
        assert!(
            answers.ends_with(&format!("mine_{unique} t f f f")),
            "{answers}: {told}"
        );
    });
}

#[test]
fn row_security_that_is_off_or_not_forced_is_found() {
    run(async {
        let Some(world) = World::new().await else { return };
        let schema = "CREATE TABLE tenants (id int); ALTER TABLE tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
             CREATE TABLE \"Odd one\" (id int); ALTER TABLE \"Odd one\" ENABLE ROW LEVEL SECURITY";
        let source = world.postgres.source(schema).await;
        world.back_up(&source).await.expect("a backup");
        for (change, says) in [
            (
                "ALTER TABLE tenants DISABLE ROW LEVEL SECURITY",
                "row security of public.tenants is switched off",
            ),
            (
                "ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY",
                "row security of public.tenants is not forced on its owner",
            ),
            (
                "ALTER TABLE \"Odd one\" DISABLE ROW LEVEL SECURITY",
                "row security of public.\"Odd one\" is switched off",
            ),
        ] {
            let target = world.restore(Selector::Latest).await.expect("a restore").target;
            execute(&target, change).await;
            let verification = world.verify(&target).await;
            assert_eq!(failed(&verification), ["schema"], "{change}");
            let schema = verification.checks.iter().find(|check| check.name == "schema");
            let told = &schema.expect("a check").detail;
            assert!(told.starts_with(says), "{told}");
        }
    });
}
