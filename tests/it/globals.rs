//! Roles, memberships and settings: kept beside a backup, restored with it, and compared.

use std::io::Write;
use std::process::{Command, Stdio};

use paycraft_dr::error::Kind;
use paycraft_dr::model::globals::{Membership, RoleAttributes, RoleRecord, Roles, SettingScope};
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::manifest::Manifest;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::recovery::guard::GuardOptions;
use paycraft_dr::recovery::restore::Restored;

use super::kit::{
    SMALL_SCHEMA, Silent, Warnings, World, assert_proven, execute, failed, json, output, program, query, run,
    said, terms,
};
use super::supabase::project::supabase;
use super::versions::Newer;

const SECRET: &str = "s3cr3t it's \"quoted\" \\ 100% :v";

/// A product whose settings hold a secret, and roles that only memberships and settings name.
fn product(unique: u32) -> String {
    let secret = SECRET.replace('\'', "''");
    format!(
        "{SMALL_SCHEMA}
         CREATE ROLE owner_{unique} BYPASSRLS CONNECTION LIMIT 7 VALID UNTIL '2031-01-02 03:04:05+00';
         CREATE ROLE reader_{unique} NOINHERIT;
         CREATE ROLE clerk_{unique} LOGIN PASSWORD 'hunter2' IN ROLE reader_{unique}, pg_read_all_stats;
         CREATE ROLE \"odd \"\"{unique} %I\";
         GRANT clerk_{unique} TO \"odd \"\"{unique} %I\" WITH ADMIN OPTION;
         ALTER TABLE tenants OWNER TO owner_{unique};
         GRANT SELECT ON subscriptions TO reader_{unique};
         ALTER ROLE reader_{unique} SET search_path = \"$user\", public, \"odd, \"\"path\";
         ALTER ROLE clerk_{unique} SET work_mem = '65536kB';
         DO $$ BEGIN
           EXECUTE format('ALTER DATABASE %I SET app.encryption_key = %L', current_database(), '{secret}');
           EXECUTE format('ALTER DATABASE %I SET statement_timeout = 54321', current_database());
           EXECUTE format('ALTER ROLE \"odd \"\"{unique} %%I\" IN DATABASE %I SET lock_timeout = 4321', current_database());
         END $$;"
    )
}

/// Removes from the server what the product's roles are, as if it were another server.
async fn forget_roles(source: &Conninfo, unique: u32) {
    let admin = source.with_database(Side::Source, "postgres");
    execute(
        &admin,
        &format!("DROP DATABASE {} WITH (FORCE)", source.database()),
    )
    .await;
    execute(
        &admin,
        &format!("DROP ROLE owner_{unique}, reader_{unique}, clerk_{unique}, \"odd \"\"{unique} %I\""),
    )
    .await;
}

async fn restore(
    world: &World,
    target: &Conninfo,
    create_roles: bool,
) -> Result<Restored, paycraft_dr::error::Error> {
    let terms = GuardOptions {
        create_roles,
        ..terms()
    };
    world
        .restore_on(Selector::Latest, target.clone(), terms, &Silent)
        .await
}

/// What the catalogs say of the product's roles and settings.
async fn told(database: &Conninfo, unique: u32) -> String {
    let sql = format!(
        "SELECT concat_ws(E'\\n',
           (SELECT string_agg(format('%s %s %s %s %s %s', rolname, rolinherit, rolbypassrls, rolconnlimit,
                                     rolvaliduntil AT TIME ZONE 'UTC', rolcanlogin AND rolname !~ '^clerk'), ';' ORDER BY rolname)
              FROM pg_roles WHERE rolname ~ '{unique}'),
           (SELECT string_agg(format('%s %s %s', roleid::regrole, member::regrole, admin_option), ';' ORDER BY 1)
              FROM (SELECT * FROM pg_auth_members WHERE member::regrole::text ~ '{unique}' ORDER BY roleid, member) AS m),
           (SELECT string_agg(format('%s %s %s', setrole::regrole, setdatabase <> 0, setconfig), ';' ORDER BY setdatabase <> 0, setrole::regrole::text)
              FROM pg_db_role_setting LEFT JOIN pg_database d ON d.oid = setdatabase
             WHERE datname = current_database() OR setrole::regrole::text ~ '{unique}' AND setdatabase = 0))"
    );
    let text = query(database, &sql).await;
    // Memberships are listed in the order of oids, which differs.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Some(line) = lines.get_mut(1) {
        let mut parts: Vec<&str> = line.split(';').collect();
        parts.sort_unstable();
        *line = parts.join(";");
    }
    lines.join("\n")
}

#[test]
fn roles_memberships_and_settings_come_back_with_a_secret_unseen() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let source = world.postgres.source(&product(unique)).await;
        let before = told(&source, unique).await;
        let made = world.back_up(&source).await.expect("a backup");
        let manifest = String::from_utf8(made.manifest.encode().expect("a manifest")).expect("text");
        assert!(!manifest.contains("s3cr3t"), "{manifest}");
        forget_roles(&source, unique).await;

        let target = world.postgres.database(Side::Target).await;
        let error = restore(&world, &target, false)
            .await
            .expect_err("roles are missing");
        assert_eq!(error.kind(), Kind::Refused);
        for role in ["owner", "reader", "clerk"] {
            assert!(error.to_string().contains(&format!("{role}_{unique}")), "{error}");
        }
        assert!(
            error.to_string().contains(&format!("odd \"{unique} %I")),
            "{error}"
        );
        let hint = error.next_step().unwrap_or_default();
        assert!(hint.contains("--create-roles"), "{hint}");
        assert!(
            hint.contains("CREATE ROLE \"") && hint.contains(" WITH NOLOGIN"),
            "{hint}"
        );

        let mut command = program(&["restore", "--create-roles", "--json", "-v"]);
        command
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", world.postgres.url(&target));
        let ended = output(command).await;
        assert!(ended.status.success(), "{}", said(&ended));
        assert!(!said(&ended).contains("s3cr3t"), "{}", said(&ended));
        assert!(said(&ended).contains("cannot log in until"), "{}", said(&ended));
        assert_eq!(told(&target, unique).await, before);
        assert_eq!(
            query(&target, "SELECT current_setting('app.encryption_key')").await,
            SECRET
        );
        assert_proven(&world.verify(&target).await);
    });
}

#[test]
fn a_changed_role_or_setting_is_found_without_its_value() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let (_, target) = world.proven(&product(unique)).await;
        let database = target.database();
        for (change, undo, fails, says) in [
            (
                format!("ALTER DATABASE {database} SET app.encryption_key = 'an0ther'"),
                format!(
                    "ALTER DATABASE {database} SET app.encryption_key = '{}'",
                    SECRET.replace('\'', "''")
                ),
                "settings",
                "app.encryption_key of the database has another value".to_owned(),
            ),
            (
                format!("ALTER DATABASE {database} SET app.more = 'an0ther'"),
                format!("ALTER DATABASE {database} RESET app.more"),
                "settings",
                "too much: app.more of the database is set".to_owned(),
            ),
            (
                format!("ALTER ROLE clerk_{unique} RESET work_mem"),
                format!("ALTER ROLE clerk_{unique} SET work_mem = '65536kB'"),
                "settings",
                format!("too little: work_mem of role clerk_{unique} is not set"),
            ),
            (
                format!("ALTER ROLE reader_{unique} CREATEDB"),
                format!("ALTER ROLE reader_{unique} NOCREATEDB"),
                "roles",
                format!("too much: reader_{unique} is CREATEDB"),
            ),
            (
                format!("GRANT pg_read_all_settings TO reader_{unique}"),
                format!("REVOKE pg_read_all_settings FROM reader_{unique}"),
                "roles",
                format!("too much: reader_{unique} is a member of pg_read_all_settings"),
            ),
            (
                format!("REVOKE pg_read_all_stats FROM clerk_{unique}"),
                format!("GRANT pg_read_all_stats TO clerk_{unique}"),
                "roles",
                format!("too little: it is not so that clerk_{unique} is a member of pg_read_all_stats"),
            ),
        ] {
            let told = world.finds(&target, [&change, &undo], &[fails], &says).await;
            assert!(!told.contains("an0ther"), "{told}");
        }
        assert_proven(&world.verify(&target).await);
    });
}

#[test]
fn the_object_is_read_by_gunzip_and_psql() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let source = world.postgres.source(&product(unique)).await;
        let before = told(&source, unique).await;
        let made = world.back_up(&source).await.expect("a backup");
        let globals = made.manifest.globals.expect("globals");
        assert_eq!(
            globals.key,
            made.key.to_string().replace(".dump.gz", ".globals.sql.gz")
        );
        let stored = world.bucket.bytes(&globals.key);
        assert_eq!(stored.len() as u64, globals.stored_bytes);
        let text = gunzip(&stored);
        assert!(!text.contains("hunter2"), "no password");
        assert!(text.contains(&format!("CREATE ROLE clerk_{unique}")), "{text}");
        forget_roles(&source, unique).await;

        let target = world.postgres.database(Side::Target).await;
        let mut psql = Command::new(world.postgres.installation.program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--dbname", &world.postgres.url(&target)])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut psql = psql.spawn().expect("psql starts");
        let mut input = psql.stdin.take().expect("a pipe");
        // Roles of other tests are in it too, which may have removed them.
        let (roles, settings) = text.split_once("-- paycraft-dr: settings").expect("two parts");
        let unique_text = unique.to_string();
        let own = roles.lines().filter(|line| line.contains(&unique_text));
        let own: String = own.map(|line| format!("{line}\n")).collect();
        let ours = format!("{own}-- {settings}");
        input.write_all(ours.as_bytes()).expect("psql reads");
        drop(input);
        assert!(psql.wait().expect("psql ends").success());
        let line = |text: &str, number: usize| text.lines().nth(number).expect("a line").to_owned();
        let after = told(&target, unique).await;
        assert_eq!(line(&after, 1), line(&before, 1));
        assert_eq!(line(&after, 2), line(&before, 2));
    });
}

fn gunzip(stored: &[u8]) -> String {
    let mut raw = Vec::new();
    let mut stream = paycraft_dr::archive::gzip::GzipStream::new();
    stream.feed(stored, &mut raw).expect("gzip");
    stream.finish(&mut raw).expect("an end");
    String::from_utf8(raw).expect("text")
}

#[test]
fn a_globals_object_that_is_not_the_one_ends_a_restore_before_it_begins() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let source = world.postgres.source(&product(unique)).await;
        let other = world
            .back_up_at(&source, "2026-11-22T02:00:07Z")
            .await
            .expect("a backup");
        let made = world.back_up(&source).await.expect("a backup");
        let key = made.key.globals_key();
        let whole = world.bucket.bytes(&key);
        let anothers = world.bucket.bytes(&other.key.globals_key());
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for (what, bytes) in [
            ("cut", Some(whole[..whole.len() - 5].to_vec())),
            ("flipped", Some(flipped)),
            ("another day's", Some(anothers)),
            ("missing", None),
        ] {
            match bytes {
                Some(bytes) => world.bucket.put(&key, &bytes),
                None => world.bucket.store.delete(&key).await.expect("a removal"),
            }
            let target = world.postgres.database(Side::Target).await;
            let by_key = Selector::Key(made.key);
            let error = world.restore_into(by_key, target.clone()).await.expect_err(what);
            assert_eq!(error.kind(), Kind::Corrupt, "{what}: {error}");
            let hint = error.next_step().unwrap_or_default();
            assert!(
                hint.contains(&other.key.to_string()) && hint.contains("--accept-missing-settings"),
                "{what}: {hint}"
            );
            let tables = "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace";
            assert_eq!(query(&target, tables).await, "0", "{what}");
            let verified = world.verify_object().await;
            assert_eq!(verified.expect_err(what).kind(), Kind::Corrupt, "{what}");
        }
        let mut command = program(&["restore", "--accept-missing-settings", "--json"]);
        let target = world.postgres.database(Side::Target).await;
        command
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", world.postgres.url(&target));
        let ended = output(command).await;
        assert!(ended.status.success(), "{}", said(&ended));
        let told = json(&ended);
        assert_eq!(told["verdict"], "proven", "{told}");
        world.bucket.put(&key, &whole);
        assert!(
            world
                .verify_object()
                .await
                .expect("a verification")
                .verdict
                .is_proven()
        );
    });
}

#[test]
fn a_setting_that_may_not_be_made_leaves_the_restore_unproven_until_accepted() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let source = world.postgres.source(&format!("{SMALL_SCHEMA} CREATE ROLE maker_{unique} LOGIN PASSWORD 'm' CREATEROLE CREATEDB;
            ALTER TABLE tenants OWNER TO maker_{unique}; ALTER TABLE subscriptions OWNER TO maker_{unique};
            DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET app.encryption_key = %L', current_database(), 's3cr3t');
                        EXECUTE format('ALTER DATABASE %I SET statement_timeout = 54321', current_database()); END $$")).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        execute(
            &target,
            &format!(
                "ALTER DATABASE {} OWNER TO maker_{unique}; ALTER SCHEMA public OWNER TO maker_{unique}",
                target.database()
            ),
        )
        .await;
        let url = world.postgres.url(&target);
        let (_, rest) = url.split_once('@').expect("a user");
        let url = format!("postgresql://maker_{unique}:m@{rest}");
        let as_maker = Conninfo::parse(Side::Target, &url).expect("a connection string");
        let warnings = Warnings::default();
        let restored = world
            .restore_on(Selector::Latest, as_maker.clone(), terms(), &warnings)
            .await
            .unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
        assert!(
            failed(&restored.verification).contains(&"settings"),
            "{:?}",
            restored.verification.checks
        );
        let warned = warnings.0.lock().expect("no panic").join("\n");
        assert!(
            warned.contains("app.encryption_key of the database (the role may not set it)"),
            "{warned}"
        );
        assert!(!warned.contains("s3cr3t"), "{warned}");
        assert_eq!(
            query(&target, "SELECT current_setting('statement_timeout')").await,
            "54321ms"
        );
        let mut verify = program(&["verify", "--accept-missing-settings", "--json"]);
        verify.envs(world.bucket.environment()).env("TARGET_DB_URL", &url);
        let told = json(&output(verify).await);
        let checks = told["checks"].as_array().expect("checks");
        let settings = checks
            .iter()
            .find(|check| check["name"] == "settings")
            .expect("a check");
        assert_eq!(settings["outcome"], "passed", "{told}");
        assert!(
            settings["detail"]
                .as_str()
                .expect("text")
                .starts_with("accepted: "),
            "{told}"
        );
    });
}

#[test]
fn who_may_not_create_roles_is_told_before_anything_is_changed() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let source = world.postgres.source(&product(unique)).await;
        world.back_up(&source).await.expect("a backup");
        forget_roles(&source, unique).await;
        let target = world.postgres.database(Side::Target).await;
        execute(
            &target,
            &format!("CREATE ROLE plain_{unique} LOGIN PASSWORD 'm'; ALTER DATABASE {} OWNER TO plain_{unique}; ALTER SCHEMA public OWNER TO plain_{unique}", target.database()),
        )
        .await;
        let url = world.postgres.url(&target);
        let (_, rest) = url.split_once('@').expect("a user");
        let url = |role: &str| format!("postgresql://{role}:m@{rest}");
        let plain =
            Conninfo::parse(Side::Target, &url(&format!("plain_{unique}"))).expect("a connection string");
        let error = restore(&world, &plain, true).await.expect_err("no right");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains("may not create roles"), "{error}");
        execute(&target, &format!("ALTER ROLE plain_{unique} CREATEROLE")).await;
        let error = restore(&world, &plain, true).await.expect_err("no right");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(
            error
                .to_string()
                .contains(&format!("may not create owner_{unique} with BYPASSRLS")),
            "{error}"
        );
        let count = format!("SELECT count(*)::text FROM pg_roles WHERE rolname ~ '{unique}'");
        assert_eq!(query(&target, &count).await, "1");
    });
}

#[test]
fn a_source_whose_settings_may_not_be_read_says_so() {
    run(async {
        let Some(world) = World::new().await else { return };
        let unique = rand::random::<u32>();
        let source = world
            .postgres
            .source(&format!(
                "{SMALL_SCHEMA} CREATE ROLE blind_{unique} LOGIN PASSWORD 'm' IN ROLE pg_read_all_data"
            ))
            .await;
        // The catalog is shared by all databases, but its rights are this database's own.
        execute(
            &source,
            "REVOKE SELECT ON pg_catalog.pg_db_role_setting FROM PUBLIC",
        )
        .await;
        execute(&source, &format!("REVOKE pg_read_all_data FROM blind_{unique}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO blind_{unique}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO blind_{unique}; GRANT SELECT ON LARGE OBJECT 4711 TO blind_{unique}")).await;
        let url = world.postgres.url(&source);
        let (_, rest) = url.split_once('@').expect("a user");
        let blind = Conninfo::parse(Side::Source, &format!("postgresql://blind_{unique}:m@{rest}"))
            .expect("a connection string");
        let error = world.back_up(&blind).await.expect_err("no right");
        assert_eq!(error.kind(), Kind::Source);
        assert!(error.to_string().contains("settings"), "{error}");
        assert!(
            error
                .next_step()
                .unwrap_or_default()
                .contains("pg_db_role_setting"),
            "{error}"
        );
    });
}

#[test]
fn a_backup_without_globals_says_that_it_does_not_record_them() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        let older = Manifest {
            globals: None,
            ..made.manifest
        };
        world
            .bucket
            .put(&made.manifest_key, &older.encode().expect("a manifest"));
        let target = world.postgres.database(Side::Target).await;
        let mut command = program(&["restore", "--json"]);
        command
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", world.postgres.url(&target));
        let told = json(&output(command).await);
        assert_eq!(told["exit_code"], 3, "{told}");
        for name in ["roles", "settings"] {
            let checks = told["checks"].as_array().expect("checks");
            let check = checks
                .iter()
                .find(|check| check["name"] == name)
                .expect("a check");
            assert_eq!(check["outcome"], "skipped", "{told}");
            let detail = check["detail"].as_str().expect("text");
            assert!(detail.starts_with("the backup does not record them"), "{detail}");
        }
        let mut verify = program(&["verify", "--accept-unknown-rights", "--json"]);
        verify
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", world.postgres.url(&target));
        assert_eq!(json(&output(verify).await)["verdict"], "proven");
    });
}

#[test]
fn roles_in_a_circle_and_superusers_lead_no_further() {
    let role = |name: &str, superuser: bool| {
        let mut role = RoleRecord {
            name: name.to_owned(),
            attributes: RoleAttributes::default(),
            connection_limit: None,
            valid_until: None,
        };
        role.attributes.superuser = superuser;
        role
    };
    let member = |role: &str, member: &str| Membership {
        role: role.to_owned(),
        member: member.to_owned(),
        admin: false,
        inherit: None,
        set: None,
    };
    let all = Roles {
        roles: vec![
            role("a", false),
            role("b", false),
            role("c", false),
            role("root", true),
            role("far", false),
        ],
        memberships: vec![
            member("a", "b"),
            member("b", "c"),
            member("c", "a"),
            member("a", "root"),
            member("far", "root"),
            member("pg_monitor", "c"),
            member("pg_monitor", "far"),
        ],
    };
    let ours = all.belonging_to(["a".to_owned(), "gone".to_owned()]);
    let names: Vec<&str> = ours.roles.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(ours.memberships.len(), 4);
    assert_eq!(SettingScope::RoleInDatabase.name(), "role-in-database");
}

#[test]
fn a_backup_goes_with_its_globals_and_orphans_of_them_go_too() {
    run(async {
        use std::num::NonZeroU32;

        use paycraft_dr::model::retention::Policy;
        use paycraft_dr::recovery::prune;
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let old = world
            .back_up_at(&source, "2026-01-01T02:00:07Z")
            .await
            .expect("a backup");
        let kept = world
            .back_up_at(&source, "2026-11-23T02:00:07Z")
            .await
            .expect("a backup");
        let lone = "2026/01/02/backup-20260102-020007.globals.sql.gz";
        world.bucket.put(lone, b"left");
        let policy = Policy {
            floor: NonZeroU32::MIN,
            ..Policy::default()
        };
        let request = prune::PruneRequest {
            policy,
            now: "2026-11-24T00:00:00Z".parse().expect("an instant"),
            dry_run: false,
        };
        let stock = prune::take_stock(&world.bucket.store).await.expect("a look");
        let pruned = prune::prune(&world.bucket.store, stock, request, &Silent)
            .await
            .expect("a prune");
        assert!(pruned.removed.iter().any(|line| line.key == lone), "{pruned:?}");
        let left = world.bucket.store.list("").await.expect("a listing");
        let left: Vec<&str> = left.iter().map(|object| object.key.as_str()).collect();
        assert!(left.contains(&kept.key.globals_key().as_str()), "{left:?}");
        assert!(!left.contains(&old.key.globals_key().as_str()), "{left:?}");
        assert_eq!(left.len(), 3, "{left:?}");
        let mut list = program(&["list", "--json"]);
        list.envs(world.bucket.environment());
        let listed = json(&output(list).await);
        assert_eq!(
            listed["backups"][0]["globals_bytes"],
            kept.manifest.globals.expect("globals").stored_bytes
        );
    });
}

#[test]
fn a_platforms_settings_stay_and_a_products_own_are_told_where_they_are_forbidden() {
    run(async {
        let Some(world) = World::new().await else { return };
        let supabase = supabase(world.postgres);
        let source = supabase.product(Side::Source).await;
        let set = format!(
            "ALTER DATABASE {} SET app.encryption_key = 's3cr3t'",
            source.database()
        );
        execute(&supabase.admin("postgres"), &set).await;
        world.back_up(&source).await.expect("a backup");
        let target = supabase.fresh(Side::Target).await;
        let mut doctor = program(&["doctor", "--json"]);
        let of_target = supabase.url(&target);
        doctor
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", &of_target)
            .env("SUPABASE_DB_URL", supabase.url(&source));
        let found = output(doctor).await;
        assert!(!said(&found).contains("s3cr3t"), "{}", said(&found));
        let found = json(&found);
        let findings = found["findings"].as_array().expect("findings");
        let settings = findings
            .iter()
            .find(|finding| finding["name"] == "settings")
            .expect("a finding");
        assert_eq!(settings["outcome"], "failed", "{settings}");
        assert_eq!(
            settings["detail"],
            "the role may not make these: app.encryption_key of the database"
        );
        let roles = findings
            .iter()
            .find(|finding| finding["name"] == "roles")
            .expect("a finding");
        assert_eq!(roles["outcome"], "passed", "{roles}");

        let mut restore = program(&["restore", "--json"]);
        restore
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", &of_target);
        let ended = output(restore).await;
        assert!(
            !said(&ended).contains("s3cr3t") && !said(&ended).contains("jwt-secret"),
            "{}",
            said(&ended)
        );
        let told = json(&ended);
        assert_eq!(told["exit_code"], 3, "{told}");
        let checks = told["checks"].as_array().expect("checks");
        let wrong: Vec<_> = checks
            .iter()
            .filter(|check| check["outcome"] != "passed")
            .collect();
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        let detail = wrong[0]["detail"].as_str().expect("text");
        assert!(
            detail.starts_with("too little: app.encryption_key of the database is not set"),
            "{detail}"
        );

        let set = format!(
            "ALTER DATABASE {} SET app.encryption_key = 's3cr3t'",
            target.database()
        );
        execute(&supabase.admin("postgres"), &set).await;
        let verification = world.verify(&target).await;
        assert_proven(&verification);
        let settings = verification
            .checks
            .iter()
            .find(|check| check.name == "settings")
            .expect("a check");
        assert!(
            settings.detail.contains("platform settings: "),
            "{}",
            settings.detail
        );
    });
}

/// Tables of every kind that statistics are gathered of.
const ANALYZED: &str = "
    CREATE TABLE events (id int, day date NOT NULL, kind text) PARTITION BY RANGE (day);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
    INSERT INTO events SELECT n, date '2026-01-01' + n % 50, 'k' || n % 3 FROM generate_series(1, 500) AS n;
    CREATE INDEX ON events (day);
    CREATE TABLE pairs (a int, b int);
    INSERT INTO pairs SELECT n % 10, n % 10 FROM generate_series(1, 500) AS n;
    CREATE STATISTICS both_of_pairs (dependencies) ON a, b FROM pairs;
    CREATE INDEX ON pairs ((a + b));
    CREATE TABLE \"Odd \"\"table\" (id int PRIMARY KEY); INSERT INTO \"Odd \"\"table\" VALUES (1), (2);";

#[test]
fn the_planner_knows_what_was_restored_unless_told_otherwise() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(&format!("{SMALL_SCHEMA}{ANALYZED}")).await;
        world.back_up(&source).await.expect("a backup");
        let known = "SELECT string_agg(DISTINCT tablename, ',' ORDER BY tablename) FROM pg_stats WHERE schemaname = 'public'";
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        let target = restored.target;
        assert_eq!(
            query(&target, known).await,
            "Odd \"table,events,events_1,events_2,pairs,pairs_expr_idx,subscriptions,tenants,totals"
        );
        let declared = "SELECT count(*)::text FROM pg_stats_ext WHERE dependencies IS NOT NULL";
        assert_eq!(query(&target, declared).await, "1");
        let session = paycraft_dr::postgres::session::Session::connect(&target)
            .await
            .expect("a connection");
        let without = paycraft_dr::postgres::queries::loading::without_statistics(&session).await;
        assert_eq!(without.expect("an answer"), Vec::<String>::new());

        let bare = world.postgres.database(Side::Target).await;
        let mut command = program(&["restore", "--no-analyze", "--json"]);
        command
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", world.postgres.url(&bare));
        let ended = output(command).await;
        assert!(
            said(&ended).contains("no planner statistics were gathered"),
            "{}",
            said(&ended)
        );
        let phases = json(&ended)["phases"].clone();
        let mut names = phases
            .as_array()
            .expect("phases")
            .iter()
            .map(|phase| &phase["name"]);
        assert!(names.all(|name| name != "analyze"), "{phases}");
        let place = tempfile::tempdir().expect("a directory");
        std::fs::write(
            place.path().join("dr.toml"),
            "[[cutover.step]]\nname = \"nothing\"\nwhy = \"a step\"\ncommand = [\"true\"]\n",
        )
        .expect("a file");
        let mut cutover = program(&["--config", "dr.toml", "cutover", "apply"]);
        cutover
            .current_dir(place.path())
            .env("TARGET_DB_URL", world.postgres.url(&bare));
        let ended = output(cutover).await;
        assert!(ended.status.success(), "{}", said(&ended));
        assert!(
            said(&ended).contains("have rows and no planner statistics"),
            "{}",
            said(&ended)
        );
    });
}

#[test]
fn a_newer_server_takes_roles_memberships_and_settings_of_an_older_one_and_of_its_own() {
    run(async {
        let Some(world) = World::new().await else { return };
        let Some(newer) = Newer::start(&world).await else {
            return;
        };
        let unique = rand::random::<u32>();
        let source = world.postgres.source(&product(unique)).await;
        let before = told(&source, unique).await;
        world.back_up(&source).await.expect("a backup");
        let restore = async |target: &Conninfo, of: &Conninfo| {
            let mut command = program(&[
                "restore",
                "--create-roles",
                "--json",
                "--from-source",
                of.database(),
            ]);
            command
                .envs(world.bucket.environment())
                .env("PATH", newer.path())
                .env("TARGET_DB_URL", newer.url(target));
            let ended = output(command).await;
            assert!(!said(&ended).contains("s3cr3t"), "{}", said(&ended));
            assert!(ended.status.success(), "{}", said(&ended));
        };
        let target = newer.database(Side::Target, "first").await;
        restore(&target, &source).await;
        assert_eq!(told(&target, unique).await, before);

        // Options that only newer servers know.
        let sql = format!(
            "GRANT owner_{unique} TO clerk_{unique} WITH INHERIT FALSE, SET TRUE; GRANT reader_{unique} TO clerk_{unique} WITH INHERIT TRUE, SET FALSE"
        );
        execute(&target, &sql).await;
        let options = format!(
            "SELECT string_agg(format('%s %s %s', roleid::regrole, inherit_option, set_option), ';' ORDER BY roleid::regrole::text)
               FROM pg_auth_members WHERE member::regrole::text = 'clerk_{unique}'"
        );
        let before = query(&target, &options).await;
        let source = Conninfo::parse(Side::Source, &newer.url(&target)).expect("a connection string");
        let mut back_up = program(&["backup", "--json"]);
        back_up
            .envs(world.bucket.environment())
            .env("PATH", newer.path())
            .env("SUPABASE_DB_URL", newer.url(&target));
        let ended = output(back_up).await;
        assert!(ended.status.success(), "{}", said(&ended));
        forget_roles(&source, unique).await;
        let again = newer.database(Side::Target, "second").await;
        restore(&again, &source).await;
        assert_eq!(query(&again, &options).await, before);
    });
}

#[test]
fn a_library_that_the_target_lacks_keeps_nobody_out() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let admin = source.with_database(Side::Source, "postgres");
        let set = |value: &str| {
            let database = source.database();
            format!(
                "ALTER DATABASE {database} SET session_preload_libraries = '{value}'; ALTER DATABASE {database} SET default_transaction_read_only = on"
            )
        };
        // The library is one that the source's own server has. The backup is made to name another.
        execute(&admin, &set("auto_explain")).await;
        let made = world.back_up(&source).await.expect("a backup");
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        let key = made.key.globals_key();
        let text = gunzip(&world.bucket.bytes(&key)).replace("\"auto_explain\"", "\"gone_library\"");
        let record = paycraft_dr::model::globals::SettingsRecord::decode(&text).expect("a record");
        let stored = paycraft_dr::archive::gzip::deflate(text.as_bytes(), 6);
        let mut manifest = made.manifest;
        let globals = manifest.globals.as_mut().expect("globals");
        globals.settings = record.digests();
        globals.stored_bytes = stored.len() as u64;
        globals.sha256 = sha256(&stored);
        world.bucket.put(&key, &stored);
        world
            .bucket
            .put(&made.manifest_key, &manifest.encode().expect("a manifest"));
        let warnings = Warnings::default();
        let target = world.postgres.database(Side::Target).await;
        let restored = world
            .restore_watched(Selector::Latest, target.clone(), &warnings)
            .await
            .expect("a restore");
        assert_eq!(failed(&restored.verification), ["settings"]);
        let warned = warnings.0.lock().expect("no panic").join("\n");
        assert!(
            warned.contains("session_preload_libraries of the database (no session could begin with it)"),
            "{warned}"
        );
    });
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    paycraft_dr::model::hex::hex(&Sha256::digest(bytes))
}
