//! `paycraft-dr serve`: the S3 server of drills, as other programs use it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::kit::{json, leftovers, output, program, run, said, secret_file, skip};

/// A server that runs, and what it printed.
struct Serving {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    variables: BTreeMap<String, String>,
}

impl Serving {
    /// Starts a server at a free port, and reads the lines for a shell.
    fn start(mut serve: Command) -> Self {
        serve.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut child = serve.spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut variables = BTreeMap::new();
        loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).expect("text"), 0, "{variables:?}");
            if line.starts_with("export AWS_") {
                break;
            }
            let export = line
                .strip_prefix("export ")
                .and_then(|export| export.trim_end().split_once('='));
            variables.extend(export.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Self {
            child,
            stdout,
            variables,
        }
    }

    /// Ends it by a signal; what it said after the lines for a shell, and how it ended.
    fn end(mut self, signal: Signal) -> (String, ExitStatus) {
        let process = Pid::from_raw(self.child.id().cast_signed()).expect("an id");
        kill_process(process, signal).expect("it runs");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("text");
        (rest, self.child.wait().expect("an end"))
    }
}

fn serve(place: &Path) -> Command {
    let mut serve = program(&["serve", "--directory"]);
    serve.arg(place);
    serve
}

#[test]
fn other_programs_and_this_one_use_it_until_a_signal_ends_it() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        for signal in [Signal::INT, Signal::TERM] {
            let serving = Serving::start(serve(place.path()));
            let variables = serving.variables.clone();
            let mut list = program(&["list"]);
            list.envs(&variables);
            let ended = output(list).await;
            assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
            assert!(said(&ended).contains("no backups"), "{}", said(&ended));

            if Command::new("aws").arg("--version").output().is_err() {
                skip("aws", "`aws` is not on the path: `make setup-test` installs it");
            } else {
                let file = place.path().join("object");
                std::fs::write(&file, vec![7; 9 << 20]).expect("a file");
                let aws = |arguments: &[&str]| {
                    let mut aws = Command::new("aws");
                    aws.args(arguments)
                        .env("AWS_ENDPOINT_URL", &variables["S3_ENDPOINT_URL"])
                        .env("AWS_ACCESS_KEY_ID", &variables["S3_ACCESS_KEY_ID"])
                        .env("AWS_SECRET_ACCESS_KEY", &variables["S3_SECRET_ACCESS_KEY"])
                        .env("AWS_REGION", "auto");
                    output(aws)
                };
                let copied = aws(&[
                    "s3",
                    "cp",
                    file.to_str().expect("text"),
                    "s3://paycraft-backups/2026/11/23/backup-20261123-020004.dump.gz",
                ]);
                let copied = copied.await;
                assert_eq!(copied.status.code(), Some(0), "{}", said(&copied));
                let listed = aws(&["s3", "ls", "--recursive", "s3://paycraft-backups/"]).await;
                assert!(said(&listed).contains("9437184"), "{}", said(&listed));
                let mut list = program(&["list", "--json"]);
                list.envs(&variables);
                let backups = json(&output(list).await);
                assert_eq!(backups["backups"][0]["state"], "unattested");
                std::fs::remove_file(&file).expect("a file");
            }

            let mut stranger = program(&["list"]);
            stranger.envs(&variables).env("S3_SECRET_ACCESS_KEY", "guess");
            assert_eq!(output(stranger).await.status.code(), Some(6));

            let (rest, ended) = serving.end(signal);
            assert_eq!((rest.as_str(), ended.code()), ("", Some(0)));
            assert!(
                leftovers(place.path()).is_empty(),
                "{:?}",
                leftovers(place.path())
            );
        }
    });
}

#[test]
fn a_secret_that_is_given_is_not_printed() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        let secret = "given-and-never-printed";
        let file = secret_file(place.path(), "secret", secret);
        let mut command = serve(&place.path().join("objects"));
        command.env("S3_SECRET_ACCESS_KEY_FILE", &file);
        let serving = Serving::start(command);
        assert!(!serving.variables.contains_key("S3_SECRET_ACCESS_KEY"));
        let mut list = program(&["list"]);
        list.envs(&serving.variables)
            .env("S3_SECRET_ACCESS_KEY_FILE", &file);
        let ended = output(list).await;
        assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
        serving.end(Signal::INT);
    });
}

#[test]
fn a_program_reads_one_document() {
    let mut command = program(&["serve", "--json", "--bucket", "tests", "--listen", "127.0.0.1:0"]);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("text");
    let document: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(
        (&document["command"], &document["ok"]),
        (&"serve".into(), &true.into())
    );
    assert_eq!(document["bucket"], "tests");
    let endpoint = document["endpoint"].as_str().expect("an address");
    assert!(
        endpoint.starts_with("http://127.0.0.1:") && !endpoint.ends_with(":0"),
        "{endpoint}"
    );
    assert!(document["secret_access_key"].as_str().expect("a secret").len() >= 32);
    let process = Pid::from_raw(child.id().cast_signed()).expect("an id");
    kill_process(process, Signal::TERM).expect("it runs");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    assert_eq!(
        (rest.as_str(), child.wait().expect("an end").code()),
        ("", Some(0))
    );
}

#[test]
fn what_others_could_reach_or_another_program_has_is_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    for (arguments, says) in [
        (&["serve", "--listen", "0.0.0.0:0"][..], "--public"),
        (&["serve", "--listen", "[::]:0"], "--public"),
        (&["serve", "--listen", &taken], "127.0.0.1:0"),
        (
            &["serve", "--listen", "127.0.0.1:0", "--bucket", "No Bucket"],
            "lowercase",
        ),
        (&["serve", "--access-key-id", "$(id)"], "letters, digits"),
        (&["serve", "--listen", "nowhere"], "--listen"),
    ] {
        let ended = program(arguments).output().expect("the program starts");
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {}", said(&ended));
        assert!(said(&ended).contains(says), "{arguments:?}: {}", said(&ended));
    }
}
