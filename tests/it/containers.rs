//! Drills in containers: the same servers as on this machine, the choice between both, and that nothing is ever left.

use std::io::{BufReader, Read};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use paycraft_dr::drill::cluster::Traits;
use paycraft_dr::drill::substrate::{Choice, DrillServer, Environment, EnvironmentOptions, Images, Limits};
use paycraft_dr::postgres::conninfo::Side;
use paycraft_dr::postgres::session::Session;
use rustix::process::{Pid, Signal, kill_process};

use super::kit::{
    Silent, drill_place, execute, json, leftovers, output, postgres, program, query, run, said, said_until,
    skip,
};

const PATIENCE: Duration = Duration::from_mins(1);

/// The images of the tests, or `None` where no engine holds them.
fn images() -> Option<Images> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/build.sh");
    let named = Command::new(script).arg("names").output().expect("a shell");
    let named = String::from_utf8_lossy(&named.stdout).into_owned();
    let image = |name: &str| {
        let mut lines = named.lines().filter_map(|line| line.split_once('='));
        let (_, image) = lines.find(|(known, _)| *known == name).expect("a name");
        image.to_owned()
    };
    let images = Images {
        postgres: image("PAYCRAFT_POSTGRES_IMAGE"),
        s3: image("PAYCRAFT_S3_IMAGE"),
    };
    for image in [&images.postgres, &images.s3] {
        if engine(&["image", "inspect", image]).is_none() {
            skip("docker", &format!("no engine holds {image}: run `make images`"));
            return None;
        }
    }
    Some(images)
}

/// What the engine's command line answers, where it succeeds.
fn engine(arguments: &[&str]) -> Option<String> {
    let asked = Command::new("docker").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    asked.status.success().then_some(text)
}

/// The containers of a process.
fn containers_of(process: u32) -> Vec<String> {
    let format = r#"{{.Names}} {{.Label "paycraft-dr.owner"}}"#;
    let filter = "label=paycraft-dr.owner";
    let listed = engine(&["ps", "--all", "--filter", filter, "--format", format]).expect("an engine");
    let owner = format!("/{process}/");
    let theirs = listed.lines().filter(|line| line.contains(&owner));
    theirs.map(str::to_owned).collect()
}

#[track_caller]
fn assert_none_left_of(process: u32) {
    let began = Instant::now();
    loop {
        let left = containers_of(process);
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{left:?}");
        std::thread::yield_now();
    }
}

/// A small drill with the images of the tests.
fn drill(place: &Path, images: &Images, arguments: &[&str]) -> Command {
    let mut command = program(&["drill", "--seed", "7", "--scale", "1MiB"]);
    command
        .args(arguments)
        .arg("--report")
        .arg(place.join("drills"))
        .env("TMPDIR", place.join("tmp"))
        .env("PAYCRAFT_POSTGRES_IMAGE", &images.postgres)
        .env("PAYCRAFT_S3_IMAGE", &images.s3)
        .current_dir(place);
    command
}

/// Starts a drill in containers and waits until it says `word`.
fn drill_until(place: &Path, images: &Images, word: &str) -> (Child, BufReader<impl Read>) {
    let mut drill = drill(place, images, &["--substrate", "containers"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut said = BufReader::new(drill.stderr.take().expect("a pipe"));
    said_until(&mut said, word);
    (drill, said)
}

fn signal(process: u32, signal: Signal) {
    let process = Pid::from_raw(process.cast_signed()).expect("a number");
    kill_process(process, signal).expect("it runs");
}

/// The process that removes a drill's containers when the drill was killed.
fn watchdog_of(drill: u32) -> u32 {
    let entries = std::fs::read_dir("/proc").expect("Linux").flatten();
    let mut found = entries.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, rest) = status.rsplit_once(')')?;
        let parent: u32 = rest.split_whitespace().nth(1)?.parse().ok()?;
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        (parent == drill && line.contains("clear-containers")).then_some(number)
    });
    found.next().expect("a watchdog")
}

#[test]
fn a_drill_in_containers_proves_and_leaves_nothing() {
    run(async {
        let Some(images) = images() else { return };
        let place = drill_place();
        let held = output(drill(
            place.path(),
            &images,
            &["--substrate", "containers", "--json"],
        ))
        .await;
        assert_eq!(held.status.code(), Some(0), "{}", said(&held));
        let document = json(&held);
        assert_eq!(
            (&document["verdict"], &document["substrate"]),
            (&"proven".into(), &"containers".into())
        );
        let repeat = document["repeat"].as_str().expect("a command");
        assert!(repeat.ends_with(" --substrate containers"), "{repeat}");
        assert_eq!(leftovers(&place.path().join("tmp")), Vec::<PathBuf>::new());
    });
}

/// What a trial asks of a server, wherever that runs.
async fn check_contract(environment: &Environment) {
    let substrate = environment.substrate(1 << 20).await.expect("a substrate");
    let limited = Traits {
        is_durable: true,
        has_limited_disk: true,
    };
    let source = substrate
        .server("source", Traits::default())
        .await
        .expect("a server");
    let target = substrate.server("target", limited).await.expect("a server");
    let database = |server: &DrillServer| {
        server
            .conninfo(Side::Target, "postgres")
            .expect("a connection string")
    };

    let identity = "SELECT system_identifier::text FROM pg_control_system()";
    let (one, other) = (
        query(&database(&source), identity).await,
        query(&database(&target), identity).await,
    );
    assert_ne!(one, other, "source and target are two systems");

    execute(&database(&target), "CREATE TABLE kept AS SELECT 41 AS number").await;
    let session = Session::connect(&database(&target)).await.expect("a connection");
    target.crash().await.expect("a crash");
    assert!(
        session.client().simple_query("SELECT 1").await.is_err(),
        "a crash ends connections"
    );
    assert!(
        Session::connect(&database(&target)).await.is_err(),
        "it stays down"
    );
    target.start_again().await.expect("a start");
    assert_eq!(
        query(&database(&target), "SELECT number::text FROM kept").await,
        "41"
    );

    let session = Session::connect(&database(&target)).await.expect("a connection");
    target.pause().await.expect("a pause");
    let answer = session.client().simple_query("SELECT 1");
    let silence = tokio::time::timeout(Duration::from_millis(300), answer).await;
    assert!(silence.is_err(), "a paused server answers nothing");
    target.resume().await.expect("a resumption");
    session
        .client()
        .simple_query("SELECT 1")
        .await
        .expect("an answer");

    target.fill_disk().await.expect("a full disk");
    let large = "CREATE TABLE large AS SELECT md5(generate_series(1, 500000)::text)";
    let refused = session.client().simple_query(large).await.expect_err("no room");
    let refused = refused
        .as_db_error()
        .expect("the server's word")
        .message()
        .to_owned();
    assert!(refused.contains("could not extend file"), "{refused}");
    target.free_disk().await.expect("room");
    let session = Session::connect(&database(&target)).await.expect("a connection");
    session.client().simple_query(large).await.expect("room for it");

    let store = substrate.store();
    store
        .publish("some/key", b"bytes".to_vec(), "text/plain")
        .await
        .expect("a write");
    assert_eq!(&store.get("some/key", 10).await.expect("a read")[..], b"bytes");
    std::mem::forget(store.begin_upload("open/upload").await.expect("an upload"));
    drop((source, target));
    let left = substrate.tear_down().await;
    assert_eq!(left, ["an open upload of open/upload"]);
}

#[test]
fn servers_of_this_machine_keep_the_contract() {
    run(async {
        let Some(postgres) = postgres() else { return };
        let environment = Environment::local(&postgres.tools).expect("an environment");
        check_contract(&environment).await;
        environment.leave().await.expect("nothing left");
    });
}

#[test]
fn servers_in_containers_keep_the_contract() {
    run(async {
        let (Some(postgres), Some(images)) = (postgres(), images()) else {
            return;
        };
        let options = EnvironmentOptions {
            s3_program: None,
            choice: Choice::Containers,
            images,
            limits: Limits {
                memory_bytes: Some(768 << 20),
                milli_cpus: Some(1500),
            },
            tools: &postgres.tools,
            program: Path::new(env!("CARGO_BIN_EXE_paycraft-dr")),
        };
        let environment = Environment::prepare(&options, &Silent)
            .await
            .expect("an environment");
        check_contract(&environment).await;
        environment.leave().await.expect("nothing left");
    });
}

#[test]
fn an_engine_that_accepts_and_never_answers_holds_nothing_up() {
    run(async {
        let Some(_) = postgres() else { return };
        let place = drill_place();
        let socket = place.path().join("silent.sock");
        // Connections wait in its queue for ever.
        let _listener = UnixListener::bind(&socket).expect("a socket");
        let host = format!("unix://{}", socket.display());

        let mut auto = drill(place.path(), &Images::default(), &[]);
        let held = output({
            auto.env("DOCKER_HOST", &host);
            auto
        })
        .await;
        assert_eq!(held.status.code(), Some(0), "{}", said(&held));
        let told = String::from_utf8_lossy(&held.stderr).into_owned();
        assert!(
            told.contains("substrate local: the container engine does not answer within 1 s"),
            "{told}"
        );

        let mut containers = drill(place.path(), &Images::default(), &["--substrate", "containers"]);
        containers.env("DOCKER_HOST", &host);
        let began = Instant::now();
        let refused = output(containers).await;
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains("--substrate local"), "{}", said(&refused));
        assert!(began.elapsed() < PATIENCE / 2);
    });
}

#[test]
fn auto_says_what_it_takes_and_why() {
    run(async {
        let (Some(_), Some(images)) = (postgres(), images()) else {
            return;
        };
        let unknown = Images {
            postgres: "localhost:1/nowhere/postgres:15".to_owned(),
            ..images.clone()
        };
        for (images, says) in [
            (
                &images,
                "substrate containers: an engine answers and holds the images",
            ),
            (
                &unknown,
                "substrate local: the container engine does not hold localhost:1/nowhere/postgres:15",
            ),
        ] {
            let place = drill_place();
            let held = output(drill(place.path(), images, &[])).await;
            assert_eq!(held.status.code(), Some(0), "{}", said(&held));
            assert!(said(&held).contains(says), "{}", said(&held));
        }
        let place = drill_place();
        let refused = output(drill(place.path(), &unknown, &["--substrate", "containers"])).await;
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        let told = said(&refused);
        assert!(
            told.contains("cannot pull the image") && told.contains("hint: "),
            "{told}"
        );
    });
}

#[test]
fn an_image_that_is_newer_than_the_programs_is_refused() {
    run(async {
        let (Some(_), Some(images)) = (postgres(), images()) else {
            return;
        };
        let name = format!("paycraft-dr-test/too-new:{:08x}", rand::random::<u32>());
        let empty = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(empty.path(), [0; 1024]).expect("an empty archive");
        let file = empty.path().display().to_string();
        engine(&["import", "--change", "ENV PG_MAJOR=99", &file, &name]).expect("an image");
        let too_new = Images {
            postgres: name.clone(),
            ..images
        };
        let place = drill_place();
        let refused = output(drill(place.path(), &too_new, &["--substrate", "containers"])).await;
        let auto = output(drill(place.path(), &too_new, &[])).await;
        engine(&["image", "rm", &name]).expect("a removal");
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(
            said(&refused).contains("the server is PostgreSQL 99, the newest client here is"),
            "{}",
            said(&refused)
        );
        assert_eq!(auto.status.code(), Some(0), "{}", said(&auto));
        assert!(
            said(&auto).contains("substrate local: the image"),
            "{}",
            said(&auto)
        );
    });
}

#[test]
fn a_signal_ends_a_drill_in_containers_and_them() {
    let Some(images) = images() else { return };
    let place = drill_place();
    let (mut drill, mut said) = drill_until(place.path(), &images, "backup");
    assert!(containers_of(drill.id()).len() >= 2, "a store and a source");
    signal(drill.id(), Signal::INT);
    let mut told = String::new();
    said.read_to_string(&mut told).expect("text");
    assert_eq!(drill.wait().expect("an end").code(), Some(130), "{told}");
    assert_eq!(containers_of(drill.id()), Vec::<String>::new());
    assert_eq!(leftovers(&place.path().join("tmp")), Vec::<PathBuf>::new());
}

#[test]
fn the_containers_of_a_killed_drill_are_removed() {
    let Some(images) = images() else { return };
    let place = drill_place();
    let (mut drill, _said) = drill_until(place.path(), &images, "backup");
    assert!(containers_of(drill.id()).len() >= 2, "a store and a source");
    signal(drill.id(), Signal::KILL);
    drill.wait().expect("an end");
    assert_none_left_of(drill.id());
}

#[test]
fn what_a_drill_left_that_was_killed_with_its_watchdog_the_next_one_removes() {
    run(async {
        let Some(images) = images() else { return };
        let place = drill_place();
        let (mut killed, _said) = drill_until(place.path(), &images, "backup");
        signal(watchdog_of(killed.id()), Signal::KILL);
        signal(killed.id(), Signal::KILL);
        killed.wait().expect("an end");
        assert!(
            !containers_of(killed.id()).is_empty(),
            "nobody was there to remove them"
        );
        let next = output(drill(place.path(), &images, &["--substrate", "containers"])).await;
        assert_eq!(next.status.code(), Some(0), "{}", said(&next));
        assert_eq!(containers_of(killed.id()), Vec::<String>::new());
        assert!(
            said(&next).contains("which a killed drill left"),
            "{}",
            said(&next)
        );
    });
}
