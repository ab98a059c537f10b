//! What every test shares: servers that start once, a database and a store of its own for each test, the program itself.

mod watch;

use std::io::{BufRead, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock};

use jiff::{SignedDuration, Timestamp};
use paycraft_dr::child::reaper;
use paycraft_dr::drill::cluster::{Cluster, Traits};
use paycraft_dr::drill::s3_server::{Credentials, Rules, S3Server};
use paycraft_dr::drill::server_user::ServerUser;
use paycraft_dr::error::Error;
use paycraft_dr::model::comparison::Verification;
use paycraft_dr::model::depth::Depth;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::product::CountedTables;
use paycraft_dr::model::secret::Secret;
use paycraft_dr::model::selection::Among;
use paycraft_dr::model::shrinking::ShrinkLimits;
use paycraft_dr::model::timeline::{Event, Observer};
use paycraft_dr::model::verdict::Check;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;
use paycraft_dr::postgres::tools::{Installation, Leniency, Tools};
use paycraft_dr::recovery::backup::{self, Made};
use paycraft_dr::recovery::choosing;
use paycraft_dr::recovery::guard::{GuardOptions, Production};
use paycraft_dr::recovery::restore::{self, Restored};
use paycraft_dr::recovery::verify;
use paycraft_dr::store::{Location, Store};
use tempfile::TempDir;

pub const BUCKET: &str = "paycraft-backups";
const ACCESS_KEY_ID: &str = "test";
const SECRET_ACCESS_KEY: &str = "test-secret-access-key";

static SKIPPED: AtomicU32 = AtomicU32::new(0);

/// Runs a test's future on a runtime of its own.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    watch::watch();
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(future)
}

/// Says loudly that a test did not run for want of a service; a failure where `PAYCRAFT_REQUIRE` names the service.
pub fn skip(service: &str, why: &str) {
    let required = std::env::var("PAYCRAFT_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name.trim() == service),
        "{service} is required by PAYCRAFT_REQUIRE, and {why}"
    );
    let skipped = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Past the capture of the harness: a test that did not run must be seen.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED ({skipped} so far): {test} needs {service}, and {why}"
    );
}

/// Tells something past the capture of the harness, such as the seed that repeats a test.
pub fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// PostgreSQL's programs, and one server for all tests.
pub struct Postgres {
    pub tools: Tools,
    pub installation: Installation,
    server: Cluster,
}

/// The server all tests share, or `None` where there is no PostgreSQL.
///
/// It ends with the process: the watchdog sees the end of its pipe.
pub fn postgres() -> Option<&'static Postgres> {
    static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
    let start = || {
        let started = std::thread::spawn(|| run(start_postgres())).join();
        started
            .expect("the server's thread")
            .map_err(|error| format!("{error}: {:?}", error.causes()))
    };
    match SHARED.get_or_init(start) {
        Ok(postgres) => Some(postgres),
        Err(why) => {
            skip("postgres", why);
            None
        }
    }
}

async fn start_postgres() -> Result<Postgres, Error> {
    let tools = Tools::find(None, std::env::var_os("PATH").as_deref()).await?;
    let installation = tools.newest_with_server()?.clone();
    // The watchdog removes the directory when this process ends, so it is not a temporary one of ours.
    let directory = std::env::temp_dir().join(format!("paycraft-tests-{:016x}", rand::random::<u64>()));
    let server = Cluster::start(
        &installation,
        &directory,
        ServerUser::suitable()?,
        Traits::default(),
    )
    .await?;
    Ok(Postgres {
        tools,
        installation,
        server,
    })
}

impl Postgres {
    /// A new, empty database.
    pub async fn database(&self, side: Side) -> Conninfo {
        let name = format!("test_{:016x}", rand::random::<u64>());
        let admin = self
            .server
            .conninfo(side, "postgres")
            .expect("a connection string");
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        admin.with_database(side, &name)
    }

    /// The connection string of a database, with its password: what only an environment variable may hold.
    pub fn url(&self, database: &Conninfo) -> String {
        self.server.url(database.database()).reveal().to_owned()
    }

    /// A directory of PostgreSQL's client programs, with a script in the place of pg_dump. `$REAL` is the real one.
    pub fn with_scripted_dump(&self, pg_dump: &str) -> TempDir {
        self.with_scripted("pg_dump", pg_dump)
    }

    /// The same, with a script in the place of this program.
    pub fn with_scripted(&self, program: &str, script: &str) -> TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["pg_dump", "pg_restore"]
            .into_iter()
            .filter(|name| *name != program)
        {
            std::os::unix::fs::symlink(self.installation.program(name), directory.path().join(name))
                .expect("a link");
        }
        let real = self.installation.program(program);
        let script = format!(
            "REAL={}\nif [ \"$1\" = --version ]; then exec $REAL --version; fi\n{script}",
            real.display()
        );
        write_program(&directory.path().join(program), &script);
        directory
    }

    /// A new database with what `sql` makes.
    pub async fn source(&self, sql: &str) -> Conninfo {
        let source = self.database(Side::Source).await;
        execute(&source, sql).await;
        source
    }
}

/// Makes a program of a shell script.
pub fn write_program(place: &Path, script: &str) {
    std::fs::write(place, format!("#!/bin/sh\n{script}\n")).expect("a script");
    std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o755)).expect("a program");
}

/// Runs SQL that must succeed.
pub async fn execute(database: &Conninfo, sql: &str) {
    let session = Session::connect(database).await.expect("a connection");
    session
        .client()
        .batch_execute(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// The first value that a query returns, as text.
pub async fn query(database: &Conninfo, sql: &str) -> String {
    let session = Session::connect(database).await.expect("a connection");
    let row = session
        .client()
        .query_one(sql, &[])
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    row.get(0)
}

/// A schema with one of most things, small enough for many backups.
pub const SMALL_SCHEMA: &str = "
    CREATE TABLE tenants (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, note text);
    CREATE TABLE subscriptions (id int PRIMARY KEY, tenant bigint REFERENCES tenants, body jsonb);
    CREATE INDEX ON subscriptions (tenant);
    CREATE SEQUENCE receipts START 41;
    SELECT nextval('receipts');
    INSERT INTO tenants (name, note) SELECT 'tenant ' || n, repeat(md5(n::text), 4) FROM generate_series(1, 200) AS n;
    INSERT INTO subscriptions SELECT n, 1 + n % 200, jsonb_build_object('n', n) FROM generate_series(1, 500) AS n;
    CREATE MATERIALIZED VIEW totals AS SELECT tenant, count(*) FROM subscriptions GROUP BY tenant;
    SELECT lo_from_bytea(4711, decode(repeat('c0ffee', 1000), 'hex'));
";

/// A store of one test's own, on a server in this process.
pub struct TestStore {
    pub server: S3Server,
    pub store: Store,
    _directory: TempDir,
}

impl TestStore {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let credentials = Credentials {
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: SECRET_ACCESS_KEY.to_owned(),
        };
        let server = S3Server::start(&directory.path().join("store"), BUCKET, credentials, Rules::R2)
            .await
            .expect("a server");
        let store = Store::new(&location(&server.endpoint(), SECRET_ACCESS_KEY));
        Self {
            server,
            store,
            _directory: directory,
        }
    }

    /// What a client needs to reach this store.
    pub fn location(&self) -> Location {
        location(&self.server.endpoint(), SECRET_ACCESS_KEY)
    }

    /// Puts bytes under a key, in place of what is there.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.server.overwrite(key, bytes).expect("an object");
    }

    /// The bytes under a key.
    pub fn bytes(&self, key: &str) -> Vec<u8> {
        self.server.read(key).expect("an object")
    }

    /// What a shell would hold to reach this store.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("R2_ENDPOINT_URL", self.server.endpoint()),
            ("R2_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("R2_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ]
    }
}

pub fn location(endpoint: &str, secret: &str) -> Location {
    Location::new(endpoint, BUCKET, ACCESS_KEY_ID, Secret::new(secret))
}

/// A place for everything that a drill makes, whose `tmp` servers' users may enter.
pub fn drill_place() -> TempDir {
    let place = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    std::fs::create_dir(place.path().join("tmp")).expect("a directory");
    place
}

/// A directory for a server of one test's own. It goes when the server has ended.
pub struct ServerPlace(TempDir);

impl ServerPlace {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for ServerPlace {
    fn drop(&mut self) {
        reaper::finish();
    }
}

/// What a program says until a line of it begins with `word`.
pub fn said_until(said: &mut impl BufRead, word: &str) -> String {
    let mut told = String::new();
    while !told.lines().last().unwrap_or_default().starts_with(word) {
        let bytes = said.read_line(&mut told).expect("text");
        assert_ne!(bytes, 0, "{word} never came: {told}");
    }
    told
}

/// An observer that remembers nothing.
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _: Event) {}
}

/// An observer that remembers the warnings.
#[derive(Default)]
pub struct Warnings(pub Mutex<Vec<String>>);

impl Observer for Warnings {
    fn observe(&self, event: Event) {
        if let Event::Warned(warning) = event {
            self.0.lock().expect("no panic").push(warning);
        }
    }
}

/// A server, a store, and the verbs between them.
pub struct World {
    pub postgres: &'static Postgres,
    pub bucket: TestStore,
}

impl World {
    /// A world, or `None` where there is no PostgreSQL.
    pub async fn new() -> Option<Self> {
        let postgres = postgres()?;
        Some(Self {
            postgres,
            bucket: TestStore::start().await,
        })
    }

    /// Backs `source` up as if it were `at`.
    pub async fn back_up_at(&self, source: &Conninfo, at: &str) -> Result<Made, Error> {
        let at: Timestamp = at.parse().expect("an instant");
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source,
            tools: &self.postgres.tools,
            store: &self.bucket.store,
            clock: &|| at,
            attempts: backup::ATTEMPTS,
            looks_for_trouble: true,
        };
        backup::backup(request, &Silent).await
    }

    pub async fn back_up(&self, source: &Conninfo) -> Result<Made, Error> {
        self.back_up_at(source, "2026-11-23T02:00:07Z").await
    }

    /// Restores into a new database.
    pub async fn restore(&self, selector: Selector) -> Result<Restored, Error> {
        let target = self.postgres.database(Side::Target).await;
        self.restore_into(selector, target).await
    }

    pub async fn restore_into(&self, selector: Selector, target: Conninfo) -> Result<Restored, Error> {
        self.restore_watched(selector, target, &Silent).await
    }

    pub async fn restore_watched(
        &self,
        selector: Selector,
        target: Conninfo,
        observer: &dyn Observer,
    ) -> Result<Restored, Error> {
        self.restore_on(selector, target, terms(), observer).await
    }

    /// Restores on the operator's own terms.
    pub async fn restore_on(
        &self,
        selector: Selector,
        target: Conninfo,
        terms: GuardOptions<'_>,
        observer: &dyn Observer,
    ) -> Result<Restored, Error> {
        let request = restore::RestoreRequest {
            store: &self.bucket.store,
            among: &Among::ANY,
            counted: &CountedTables::PAYCRAFT,
            selector,
            tools: &self.postgres.tools,
            terms,
            profile: None,
            jobs: 2,
            depth: Depth::Content,
            accepts_lost_rows: false,
            leniency: Leniency::default(),
            missing_sql: None,
            // What the checks say of a backup that records no rights has a test of its own.
            accepts_unknown_rights: true,
            accepted: &[],
            accepts_missing_settings: false,
            analyzes: true,
            now: now(),
        };
        restore::restore(request, async |_| Ok(target), observer).await
    }

    /// A source with what `sql` makes, backed up, and a target that it is restored into and proven.
    pub async fn proven(&self, sql: &str) -> (Conninfo, Conninfo) {
        let source = self.postgres.source(sql).await;
        self.back_up(&source).await.expect("a backup");
        let restored = self.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);
        (source, restored.target)
    }

    /// Makes the `change` in a target, holds a comparison with the newest backup to failing exactly the checks `fails`, one of which
    /// says `says`, and takes the change back. What these checks say.
    pub async fn finds(
        &self,
        target: &Conninfo,
        [change, undo]: [&str; 2],
        fails: &[&str],
        says: &str,
    ) -> String {
        execute(target, change).await;
        let verification = self.verify(target).await;
        assert_eq!(
            failed(&verification),
            fails,
            "{change}: {:?}",
            verification.checks
        );
        let details = fails.iter().map(|name| check(&verification, name).detail.clone());
        let told = details.collect::<Vec<String>>().join("\n");
        assert!(told.contains(says), "{change}: {told}");
        execute(target, undo).await;
        told
    }

    /// Compares a database with the newest backup.
    pub async fn verify(&self, target: &Conninfo) -> Verification {
        let selected = choosing::select(&self.bucket.store, Selector::Latest, now(), &Silent)
            .await
            .expect("a backup");
        let tools = &self.postgres.tools;
        let scope = verify::scope(&self.bucket.store, &selected.manifest, target, tools, None, false)
            .await
            .expect("a scope")
            .accepting_unknown_rights(true);
        verify::target(&selected.manifest, target, &scope, tools, 2, &Silent)
            .await
            .expect("a verification")
    }

    /// Reads the stored bytes of the newest backup.
    pub async fn verify_object(&self) -> Result<Verification, Error> {
        let selected = choosing::select(&self.bucket.store, Selector::Latest, now(), &Silent).await?;
        verify::object(&self.bucket.store, &selected.manifest, &Silent).await
    }
}

/// An instant after every backup that tests make, on any day of this machine.
pub fn now() -> Timestamp {
    let fixed: Timestamp = "2026-11-30T00:00:00Z".parse().expect("an instant");
    fixed.max(Timestamp::now())
}

/// A clock that shows `now` to the first two who ask, and then a second more to each: time that passes without being waited for.
pub fn clock_that_waits(now: Timestamp) -> impl Fn() -> Timestamp + Send + Sync {
    let asked = AtomicU32::new(0);
    move || {
        let asked = asked.fetch_add(1, Ordering::Relaxed);
        now + SignedDuration::from_secs(i64::from(asked.saturating_sub(1)))
    }
}

/// Nothing is production, nothing may be dropped.
pub fn terms() -> GuardOptions<'static> {
    static PRODUCTION: LazyLock<Production> = LazyLock::new(Production::default);
    GuardOptions {
        production: &PRODUCTION,
        consent: None,
        clean: false,
        not_production: None,
        create_roles: false,
    }
}

/// The same, over what is there already.
pub fn clean() -> GuardOptions<'static> {
    GuardOptions {
        clean: true,
        ..terms()
    }
}

/// Holds a verification to its proof.
#[track_caller]
pub fn assert_proven(verification: &Verification) {
    assert!(verification.verdict.is_proven(), "{:?}", verification.checks);
}

/// The check of that name.
#[track_caller]
pub fn check<'a>(verification: &'a Verification, name: &str) -> &'a Check {
    let mut checks = verification.checks.iter();
    checks
        .find(|check| check.name == name)
        .unwrap_or_else(|| panic!("no check {name}: {:?}", verification.checks))
}

/// The names of a verification's checks that did not pass.
pub fn failed(verification: &Verification) -> Vec<&'static str> {
    use paycraft_dr::model::verdict::CheckOutcome;
    let failed = verification
        .checks
        .iter()
        .filter(|check| check.outcome != CheckOutcome::Passed);
    failed.map(|check| check.name).collect()
}

/// The program, with nothing in its environment but what the test gives it.
pub fn program(arguments: &[&str]) -> Command {
    watch::watch();
    let mut command = Command::new(env!("CARGO_BIN_EXE_paycraft-dr"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    if let Some(place) = std::env::var_os("TMPDIR") {
        command.env("TMPDIR", place);
    }
    command
}

/// Runs a command without blocking the runtime that serves it.
pub async fn output(mut command: Command) -> Output {
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    ran.expect("a thread").expect("the program starts")
}

/// A file that holds `value` and that only its owner may read.
pub fn secret_file(directory: &Path, name: &str, value: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, format!("{value}\n")).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("permissions");
    path
}

/// The JSON on stdout.
pub fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
}

/// All that a program printed: stdout, then stderr.
pub fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The command lines of running processes that have something to do with `place`.
pub fn processes_about(place: &Path) -> Vec<String> {
    let place = place.display().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&place)).collect()
}

/// The files and directories in `place` that this program left.
pub fn leftovers(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).expect("a directory").flatten();
    entries.map(|entry| entry.path()).collect()
}
