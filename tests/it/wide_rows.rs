//! Rows that are longer than memory should be.

use std::process::Command;

use futures_util::{TryStreamExt, pin_mut};
use paycraft_dr::error::Kind;
use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;
use tokio::net::{TcpStream, UnixListener};

use super::kit::{World, assert_proven, execute, json, output, postgres, program, query, run, said};

/// Some rows of a usual length, and one of about 128 MiB as COPY text: each byte of `data` is two digits there.
const WIDE: &str = "
    CREATE TABLE notes (id int PRIMARY KEY, note text, data bytea);
    INSERT INTO notes SELECT n, 'note ' || n, '\\x00ff' FROM generate_series(1, 1000) AS n;
    INSERT INTO notes VALUES (0, repeat(E'a line,\\ta tab, a \\\\ and an end\\n', 2000000), decode(repeat('00ff', 16777216), 'hex'));
";
const NARROW: &str = "
    CREATE TABLE notes (id int PRIMARY KEY, note text, data bytea);
    INSERT INTO notes SELECT n, 'note ' || n, '\\x00ff' FROM generate_series(1, 1000) AS n;
";

/// What a restore may have of memory, in KiB: enough for a narrow table with the stacks of all threads, and less than the long row.
const DATA_KIB: u32 = 112 << 10;

/// Holds a session to handing on a long row of `COPY … TO STDOUT` in pieces that are all of it.
pub async fn assert_comes_in_pieces(session: &Session) {
    const BYTES: usize = 10_000_000;
    let copy = format!("COPY (SELECT repeat('x', {BYTES}) UNION ALL SELECT 'end') TO STDOUT");
    let rows = session.client().copy_out(copy.as_str()).await.expect("rows");
    pin_mut!(rows);
    let (mut text, mut longest) = (Vec::new(), 0);
    while let Some(piece) = rows.try_next().await.expect("rows") {
        longest = longest.max(piece.len());
        text.extend_from_slice(&piece);
    }
    assert!(
        text == [&vec![b'x'; BYTES][..], b"\nend\n"].concat(),
        "{} bytes",
        text.len()
    );
    assert!(longest <= 1 << 20, "a piece of {longest} bytes");
}

/// The program, which the system refuses more memory for data than that.
fn within_memory(kib: u32, arguments: &[&str]) -> Command {
    let free = program(arguments);
    let mut bound = Command::new("sh");
    bound
        .arg("-c")
        .arg(format!("ulimit -d {kib} && exec \"$0\" \"$@\""))
        .arg(free.get_program())
        .args(free.get_args())
        .env_clear()
        .envs(free.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bound
}

/// Without a limit for data, as on other systems, there is nothing to see.
#[cfg(target_os = "linux")]
#[test]
fn a_long_row_is_restored_and_proven_in_the_memory_of_short_ones() {
    run(async {
        for schema in [NARROW, WIDE] {
            let Some(world) = World::new().await else { return };
            let source = world.postgres.source(schema).await;
            world.back_up(&source).await.expect("a backup");
            let target = world.postgres.database(Side::Target).await;
            for verb in ["restore", "verify"] {
                let mut command = within_memory(DATA_KIB, &[verb, "--json", "--jobs", "2"]);
                command
                    .envs(world.bucket.environment())
                    .env("TARGET_DB_URL", world.postgres.url(&target));
                let ended = output(command).await;
                assert!(ended.status.success(), "{verb}: {}", said(&ended));
                assert_eq!(json(&ended)["verdict"], "proven", "{verb}");
            }
            let content = "SELECT md5(string_agg(md5(note) || md5(data), ',' ORDER BY id)) FROM notes";
            assert_eq!(query(&target, content).await, query(&source, content).await);
        }
    });
}

#[test]
fn a_change_at_the_end_of_a_long_row_is_found() {
    run(async {
        let Some(world) = World::new().await else { return };
        let (_, target) = world
            .proven(
                "CREATE TABLE notes (id int, note text); INSERT INTO notes VALUES (1, repeat('x', 5000000))",
            )
            .await;
        let change = "UPDATE notes SET note = left(note, -1) || 'y'";
        let undo = "UPDATE notes SET note = left(note, -1) || 'x'";
        world.finds(&target, [change, undo], &["content"], "notes").await;
        assert_proven(&world.verify(&target).await);
    });
}

#[test]
fn a_row_that_no_dump_can_hold_is_told_with_its_table() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world
            .postgres
            .source(
                "CREATE TABLE films (id int, film bytea);
                 INSERT INTO films VALUES (1, convert_to(repeat('x', 600000000), 'UTF8'))",
            )
            .await;
        let error = world.back_up(&source).await.expect_err("a row of 1.2 GB as text");
        assert_eq!(error.kind(), Kind::Source, "{error}");
        let told = error.causes().join(" ");
        assert!(told.contains("\"films\""), "{told}");
        assert!(
            error.next_step().expect("a hint").contains("1 GiB"),
            "{:?}",
            error.next_step()
        );
        assert_eq!(world.bucket.store.list("").await.expect("a listing"), []);
        // Other tests find the disk as it was.
        execute(&source, "DROP TABLE films").await;
        assert!(
            world.restore(Selector::Latest).await.is_err(),
            "no backup was published"
        );
    });
}

#[test]
fn a_socket_of_this_machine_leads_to_the_server() {
    run(async {
        let Some(postgres) = postgres() else { return };
        let database = postgres.database(Side::Source).await;
        let url = postgres.url(&database);
        let (before, address) = url.split_once('@').expect("a user");
        let (address, database) = address.split_once('/').expect("a database");
        let place = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(place.path().join(".s.PGSQL.4711")).expect("a socket");
        let address = address.to_owned();
        // The tests' server listens at no socket of its own.
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut server = TcpStream::connect(&address).await.expect("the server");
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut socket, &mut server).await });
            }
        });
        let database = database.split('?').next().expect("a database");
        let host = place.path().display();
        for mode in ["disable", "prefer"] {
            let url = format!("{before}@:4711/{database}?host={host}&sslmode={mode}");
            let over_socket = Conninfo::parse(Side::Source, &url).expect("a connection string");
            let session = Session::connect(&over_socket).await.expect(mode);
            assert_comes_in_pieces(&session).await;
        }
        let url = format!("{before}@:4712/{database}?host={host}");
        let nowhere = Conninfo::parse(Side::Source, &url).expect("a connection string");
        let error = Session::connect(&nowhere).await.expect_err("no socket");
        assert_eq!(error.kind(), Kind::Source, "{error}");
        assert!(error.next_step().is_some(), "{error}");
    });
}
