//! Encrypted connections and poolers, through real servers of each kind.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use paycraft_dr::drill::cluster::{Cluster, Traits};
use paycraft_dr::drill::server_user::ServerUser;
use paycraft_dr::error::Kind;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::shrinking::ShrinkLimits;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;
use paycraft_dr::postgres::tools::Tools;
use paycraft_dr::recovery::backup;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::certificates;
use super::kit::{
    SMALL_SCHEMA, ServerPlace, Warnings, World, assert_proven, execute, failed, output, postgres, program,
    query, run, skip,
};
use super::wide_rows::assert_comes_in_pieces;

/// The guard looks over two, and reads the source over none where none is named; rights are closed over one before rows come over a
/// connection for each job, which come again for keys and views and for statistics; the verification asks over its own: one, and for
/// each job one that reads rows and one that asks the rest.
const RESTORE_CONNECTIONS: usize = 2 + 1 + JOBS + JOBS + JOBS + 1 + JOBS + JOBS;
const JOBS: usize = 2;

/// A server with a certificate for `localhost`, and the authority that vouches for it.
struct Encrypted {
    cluster: Cluster,
    place: ServerPlace,
}

impl Encrypted {
    async fn start() -> Option<Self> {
        let postgres = postgres()?;
        if !certificates::can_be_made() {
            return None;
        }
        let place = ServerPlace::new();
        let user = ServerUser::suitable().expect("a user");
        user.take_over(place.path()).expect("a directory");
        certificates::make(place.path());
        user.take_over(&place.path().join("server.key")).expect("a key");
        let directory = place.path().join("cluster");
        let cluster = Cluster::start(&postgres.installation, &directory, user, Traits::default())
            .await
            .expect("a cluster");
        let admin = cluster
            .conninfo(Side::Source, "postgres")
            .expect("a connection string");
        let file = |name: &str| place.path().join(name).display().to_string();
        let plain = Session::connect(&admin).await.expect("a connection");
        for set in [
            format!("ALTER SYSTEM SET ssl_cert_file = '{}'", file("server.crt")),
            format!("ALTER SYSTEM SET ssl_key_file = '{}'", file("server.key")),
            "ALTER SYSTEM SET ssl = on".to_owned(),
            "SELECT pg_reload_conf()".to_owned(),
        ] {
            plain.client().batch_execute(&set).await.expect("a setting");
        }
        let encrypted = Self { cluster, place };
        let patience = Instant::now();
        while encrypted.session("localhost", "sslmode=require").await.is_err() {
            assert!(
                patience.elapsed() < Duration::from_secs(30),
                "the certificate is never used"
            );
            tokio::task::yield_now().await;
        }
        Some(encrypted)
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        let url = self.cluster.url("postgres").reveal().replace("127.0.0.1", host);
        let mark = if url.contains('?') { '&' } else { '?' };
        format!("{url}{mark}{parameters}")
    }

    fn conninfo(&self, host: &str, parameters: &str) -> Conninfo {
        Conninfo::parse(Side::Source, &self.url(host, parameters)).expect("a connection string")
    }

    async fn session(&self, host: &str, parameters: &str) -> Result<Session, paycraft_dr::error::Error> {
        Session::connect(&self.conninfo(host, parameters)).await
    }

    fn root(&self, authority: &str) -> String {
        format!(
            "sslrootcert={}",
            self.place.path().join(format!("{authority}.crt")).display()
        )
    }
}

#[test]
fn each_sslmode_trusts_as_much_as_it_says() {
    run(async {
        let Some(server) = Encrypted::start().await else {
            return;
        };
        let (ours, other) = (server.root("ca"), server.root("other"));
        let is_encrypted = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        for (host, parameters, encrypted) in [
            ("localhost", "sslmode=disable".to_owned(), "false"),
            ("localhost", "sslmode=prefer".to_owned(), "true"),
            ("127.0.0.1", "sslmode=require".to_owned(), "true"),
            (
                "127.0.0.1",
                "sslmode=require&channel_binding=require".to_owned(),
                "true",
            ),
            ("127.0.0.1", format!("sslmode=verify-ca&{ours}"), "true"),
            ("localhost", format!("sslmode=verify-full&{ours}"), "true"),
        ] {
            let conninfo = server.conninfo(host, &parameters);
            assert_eq!(
                query(&conninfo, is_encrypted).await,
                encrypted,
                "{host} {parameters}"
            );
            let session = Session::connect(&conninfo).await.expect("a connection");
            assert_comes_in_pieces(&session).await;
        }
        for (host, parameters, hint) in [
            (
                "127.0.0.1",
                format!("sslmode=verify-full&{ours}"),
                "for another host",
            ),
            ("localhost", format!("sslmode=verify-full&{other}"), "sslrootcert"),
            ("localhost", format!("sslmode=verify-ca&{other}"), "sslrootcert"),
            // As in libpq, a root certificate makes `require` verify.
            ("localhost", format!("sslmode=require&{other}"), "sslrootcert"),
        ] {
            let error = server.session(host, &parameters).await.expect_err(&parameters);
            assert_eq!(error.kind(), Kind::Source, "{error}");
            assert!(
                error.next_step().expect("a hint").contains(hint),
                "{parameters}: {:?}",
                error.next_step()
            );
        }
    });
}

#[test]
fn the_programs_of_postgresql_trust_alike() {
    run(async {
        let Some(server) = Encrypted::start().await else {
            return;
        };
        let Some(world) = World::new().await else { return };
        let verified = format!("sslmode=verify-full&{}", server.root("ca"));
        let source = server.conninfo("localhost", &verified);
        execute(&source, SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup over TLS");
        let wrong = format!("sslmode=verify-full&{}", server.root("other"));
        let refused = world.back_up(&server.conninfo("localhost", &wrong)).await;
        assert_eq!(refused.expect_err("another authority").kind(), Kind::Source);
        execute(&source, "CREATE DATABASE target").await;
        let target = source.with_database(Side::Target, "target");
        let restored = world
            .restore_into(Selector::Latest, target)
            .await
            .expect("a restore over TLS");
        assert_proven(&restored.verification);
    });
}

#[test]
fn a_server_without_tls_is_told_apart() {
    run(async {
        let Some(postgres) = postgres() else { return };
        let source = postgres.database(Side::Source).await;
        let url = postgres
            .url(&source)
            .replace("sslmode=disable", "sslmode=require");
        let asking = Conninfo::parse(Side::Source, &url).expect("a connection string");
        let error = Session::connect(&asking).await.expect_err("no TLS there");
        assert!(
            error.next_step().expect("a hint").contains("sslmode=disable"),
            "{:?}",
            error.next_step()
        );
    });
}

#[test]
fn nobody_at_a_projects_own_host_leads_to_the_session_pooler() {
    run(async {
        // Nothing listens on this port; the name is what a direct connection is told by.
        let url = "postgresql://postgres:hunter2@db.abcdefghijklmnopqrst.supabase.co:1/postgres?hostaddr=::1";
        let direct = Conninfo::parse(Side::Target, url).expect("a connection string");
        let error = Session::connect(&direct).await.expect_err("nobody");
        let hint = error.next_step().expect("a hint");
        assert!(
            hint.contains("postgresql://postgres.abcdefghijklmnopqrst:PASSWORD@"),
            "{hint}"
        );
        assert!(
            hint.contains("IPv6") && hint.contains("pooler.supabase.com:5432"),
            "{hint}"
        );
        assert!(!hint.contains("hunter2"));
    });
}

/// pgbouncer in front of a server, ended when dropped.
struct Pooler {
    process: Child,
    port: u16,
    _place: TempDir,
}

impl Pooler {
    /// A pooler of the databases of the tests' own server, as their superuser.
    async fn start(mode: &str, database: &Conninfo) -> Option<Self> {
        let postgres = postgres()?;
        let Some(binary) = pgbouncer() else {
            skip(
                "pgbouncer",
                "it is not on the path: `make setup-test` installs it",
            );
            return None;
        };
        let url = postgres.url(database);
        let (credentials, place) = url
            .trim_start_matches("postgresql://")
            .split_once('@')
            .expect("a URL");
        let (user, password) = credentials.split_once(':').expect("a password");
        let (host, rest) = place.split_once(':').expect("a port");
        let server_port = rest.split('/').next().expect("a port");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port")
            .port();
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={host} port={server_port} user={user} password={password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = {mode}\ndefault_pool_size = 10\n"
        );
        std::fs::write(&config, text).expect("a file");
        let server_user = ServerUser::suitable().expect("a user");
        for path in [directory.path(), &config] {
            server_user.take_over(path).expect("a directory");
        }
        let mut command = Command::new(binary);
        server_user.run(&mut command);
        let process = command
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let pooler = Self {
            process: process.expect("pgbouncer starts"),
            port,
            _place: directory,
        };
        let through = pooler.through(database);
        let patience = Instant::now();
        while Session::connect(&through).await.is_err() {
            assert!(
                patience.elapsed() < Duration::from_secs(30),
                "pgbouncer never answers"
            );
            tokio::task::yield_now().await;
        }
        Some(pooler)
    }

    /// As the session pooler of Supabase wants it, a project for each side.
    fn url(&self, database: &Conninfo) -> String {
        let project = match database.side() {
            Side::Source => "abcdefghijklmnopqrst",
            Side::Target => "tsrqponmlkjihgfedcba",
        };
        let (port, database) = (self.port, database.database());
        format!("postgresql://postgres.{project}:x@127.0.0.1:{port}/{database}")
    }

    fn through(&self, database: &Conninfo) -> Conninfo {
        Conninfo::parse(database.side(), &self.url(database)).expect("a connection string")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pgbouncer() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    places
        .map(|place| place.join("pgbouncer"))
        .find(|program| program.is_file())
}

/// What a client says through a relay to `server`, until it hangs up.
async fn overheard(server: SocketAddr) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = relay.local_addr().expect("an address");
    let heard = tokio::spawn(async move {
        let (client, _) = relay.accept().await.expect("a client");
        let (mut from_client, mut to_client) = client.into_split();
        let upstream = TcpStream::connect(server).await.expect("the server");
        let (mut from_server, mut to_server) = upstream.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = from_client.read(&mut piece).await {
            heard.extend_from_slice(&piece[..length]);
            if to_server.write_all(&piece[..length]).await.is_err() {
                break;
            }
        }
        heard
    });
    (address, heard)
}

/// A pooler that is left in the middle of an answer may give the rest of it to the next client.
#[test]
fn a_session_takes_its_leave() {
    run(async {
        let Some(postgres) = postgres() else { return };
        let database = postgres.database(Side::Target).await;
        let url = postgres.url(&database);
        let (_, place) = url.rsplit_once('@').expect("a host");
        let (server, _) = place.split_once('/').expect("a database");
        let (relay, heard) = overheard(server.parse().expect("an address")).await;
        let url = url.replace(server, &relay.to_string());
        let session = Session::connect(&Conninfo::parse(Side::Target, &url).expect("a connection string"))
            .await
            .expect("a connection");
        // The statement is closed when it goes out of use: that is asked for, and the answer is not waited for here.
        session
            .client()
            .query_one("SELECT $1::text", &[&"x"])
            .await
            .expect("an answer");
        drop(session);
        let heard = heard.await.expect("a client that hangs up");
        assert!(
            heard.ends_with(b"X\0\0\0\x04"),
            "the last it said: {:?}",
            heard.last_chunk::<16>()
        );
    });
}

#[test]
fn a_session_pooler_carries_a_whole_cycle() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let Some(pooler) = Pooler::start("session", &source).await else {
            return;
        };
        let made = world.back_up(&pooler.through(&source)).await.expect("a backup");
        assert_eq!(
            made.manifest.source.project_ref.as_deref(),
            Some("abcdefghijklmnopqrst")
        );
        let target = world.postgres.database(Side::Target).await;
        let restored = world
            .restore_into(Selector::Latest, pooler.through(&target))
            .await
            .expect("a restore");
        assert_proven(&restored.verification);
    });
}

#[test]
fn a_transaction_pooler_is_found_out_and_refused() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let Some(pooler) = Pooler::start("transaction", &source).await else {
            return;
        };
        let refused = world
            .back_up(&pooler.through(&source))
            .await
            .expect_err("transactions");
        assert_eq!(refused.kind(), Kind::Usage, "{refused}");
        assert!(refused.next_step().expect("a hint").contains("session mode"));
        assert!(world.bucket.store.list("").await.expect("a listing").is_empty());

        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let mut command = program(&["restore"]);
        command
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", pooler.url(&target));
        let ended = output(command).await;
        assert_eq!(
            ended.status.code(),
            Some(2),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        let holds = query(
            &target,
            "SELECT count(*)::text FROM pg_class WHERE relname = 'tenants'",
        )
        .await;
        assert_eq!(holds, "0");
    });
}

/// Passes each connection on to `server` without what the client's first message says of its time zone.
async fn without_time_zones(server: SocketAddr) -> SocketAddr {
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = relay.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = relay.accept().await {
            tokio::spawn(async move {
                let mut upstream = TcpStream::connect(server).await?;
                let length = client.read_u32().await?;
                let mut rest = vec![0; length as usize - 4];
                client.read_exact(&mut rest).await?;
                let (version, told) = rest.split_at(4);
                let words: Vec<&[u8]> = told.split(|byte| *byte == 0).collect();
                let mut message = version.to_vec();
                for pair in words.chunks_exact(2) {
                    if !pair[0].is_empty() && !pair[0].eq_ignore_ascii_case(b"timezone") {
                        message.extend([pair[0], b"\0", pair[1], b"\0"].concat());
                    }
                }
                message.push(0);
                let length = u32::try_from(message.len() + 4).expect("a short message");
                upstream.write_u32(length).await?;
                upstream.write_all(&message).await?;
                tokio::io::copy_bidirectional(&mut client, &mut upstream).await
            });
        }
    });
    address
}

#[test]
fn a_pooler_that_keeps_the_time_zone_to_itself_makes_no_difference() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source(
                "CREATE TABLE t (at timestamptz); INSERT INTO t VALUES ('2026-11-23 02:00:07+00'), (NULL)",
            )
            .await;
        let zone = format!(
            "ALTER DATABASE {} SET timezone TO 'Asia/Kolkata'",
            source.database()
        );
        execute(&source, &zone).await;
        let url = world.postgres.url(&source);
        let (_, place) = url.rsplit_once('@').expect("a host");
        let (server, _) = place.split_once('/').expect("a database");
        let relay = without_time_zones(server.parse().expect("an address")).await;
        let through = url.replace(server, &relay.to_string());
        let through = Conninfo::parse(Side::Source, &through).expect("a connection string");
        let mut ways = vec![(source.clone(), "UTC"), (through, "Asia/Kolkata")];
        // This one hands it on.
        let pooler = Pooler::start("session", &source).await;
        ways.extend(pooler.iter().map(|pooler| (pooler.through(&source), "UTC")));
        for (day, (source, zone)) in (23..).zip(&ways) {
            let at = format!("2026-11-{day}T02:00:07Z");
            let made = world.back_up_at(source, &at).await.expect("a backup");
            assert_eq!(made.manifest.copy_settings["TimeZone"], *zone);
            let restored = world.restore(Selector::Key(made.key)).await.expect("a restore");
            assert!(
                restored.verification.verdict.is_proven(),
                "{zone}: {:?}",
                failed(&restored.verification)
            );
        }
    });
}

#[test]
fn a_psql_that_does_not_run_costs_no_backup() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let zone = format!(
            "ALTER DATABASE {} SET timezone TO 'Asia/Kolkata'",
            source.database()
        );
        execute(&source, &zone).await;
        let programs = world
            .postgres
            .with_scripted("psql", "echo 'psql: no libreadline' >&2; exit 127");
        for (at, says) in [
            ("2026-11-23T02:00:07Z", "psql failed"),
            ("2026-11-24T02:00:07Z", "there is no psql"),
        ] {
            let tools = Tools::find(Some(programs.path()), None).await.expect("programs");
            let at: Timestamp = at.parse().expect("an instant");
            let warnings = Warnings::default();
            let request = backup::BackupRequest {
                limits: &ShrinkLimits::USUAL,
                source: &source,
                tools: &tools,
                store: &world.bucket.store,
                clock: &|| at,
                attempts: backup::ATTEMPTS,
                looks_for_trouble: true,
            };
            let made = backup::backup(request, &warnings).await.expect("a backup");
            assert_eq!(made.manifest.copy_settings["TimeZone"], "UTC");
            let warnings = warnings.0.into_inner().expect("no panic").join(" ");
            assert!(
                warnings.contains(says) && warnings.contains("Asia/Kolkata"),
                "{warnings}"
            );
            let _ = std::fs::remove_file(programs.path().join("psql"));
        }
    });
}

/// Something for each step of a restore that opens connections.
const EVERY_STEP: &str = "
    CREATE INDEX ON tenants (lower(name));
    CREATE TABLE computed (n int PRIMARY KEY, twice int GENERATED ALWAYS AS (n * 2) STORED);
    INSERT INTO computed SELECT generate_series(1, 100);
    CREATE MATERIALIZED VIEW names AS SELECT name FROM tenants;
    ALTER TABLE subscriptions ADD UNIQUE (tenant, id);
";

#[test]
fn a_restore_opens_few_connections() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source(&format!("{SMALL_SCHEMA}{EVERY_STEP}"))
            .await;
        let setting = format!("ALTER DATABASE {} SET work_mem TO '5MB'", source.database());
        execute(&source, &setting).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let jobs = JOBS.to_string();
        let mut command = program(&["restore", "--jobs", &jobs, "-vv", "--log-format", "json"]);
        command
            .envs(world.bucket.environment())
            .env("TARGET_DB_URL", world.postgres.url(&target));
        let ended = output(command).await;
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{told}");
        let made: Vec<&str> = told
            .lines()
            .filter(|line| line.contains("tried to connect"))
            .collect();
        assert!(!made.is_empty(), "the log tells of no connection: {told}");
        assert!(
            made.len() <= RESTORE_CONNECTIONS,
            "{} connections: {made:#?}",
            made.len()
        );
    });
}
