//! AWS's standard sources of credentials, where no keys are set.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::kit::{TestStore, output, program, run, said, write_program};

/// The id and the secret that the server of a test knows.
fn keys(bucket: &TestStore) -> (String, String) {
    let location = bucket.location();
    let secret = location.secret_access_key.reveal().to_owned();
    (location.access_key_id, secret)
}

const TOKEN: &str = "a-session-token-that-no-one-may-see";

/// `list` with AWS's names alone, and a home of its own.
fn list(bucket: &TestStore, home: &Path, arguments: &[&str]) -> Command {
    let mut list = program(&["list", "-vv", "--log-format", "json"]);
    list.args(arguments)
        .env("HOME", home)
        .env("AWS_ENDPOINT_URL_S3", bucket.server.endpoint())
        .env("AWS_REGION", "auto");
    list
}

#[track_caller]
fn assert_listed(bucket: &TestStore, ended: &Output) {
    assert_eq!(ended.status.code(), Some(0), "{}", said(ended));
    assert!(said(ended).contains("no backups"), "{}", said(ended));
    assert_silent(bucket, ended);
}

#[track_caller]
fn assert_silent(bucket: &TestStore, ended: &Output) {
    for secret in [&keys(bucket).1, TOKEN] {
        assert!(!said(ended).contains(secret), "{}", said(ended));
    }
}

fn home_with(credentials: &str, config: &str) -> TempDir {
    let home = tempfile::tempdir().expect("a directory");
    let place = home.path().join(".aws");
    std::fs::create_dir(&place).expect("a directory");
    std::fs::write(place.join("credentials"), credentials).expect("a file");
    std::fs::write(place.join("config"), config).expect("a file");
    home
}

/// A service that answers every request with what `answer` makes of its first line and its number, counted from 0.
fn service(answer: impl Fn(&str, u32) -> String + Send + Sync + 'static) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            // A request's body is not waited for: what is asked is in its first line.
            while !request.windows(4).any(|four| four == b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(read @ 1..) => request.extend_from_slice(&piece[..read]),
                    _ => break,
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let body = answer(request.lines().next().unwrap_or_default(), number);
            let kind = match body.starts_with('<') {
                true => "text/xml",
                false => "application/json",
            };
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (place, asked)
}

/// Temporary credentials as a container's endpoint gives them, which expire after so long.
fn temporary(id: &str, secret: &str, lasts: SignedDuration) -> String {
    format!(
        r#"{{"AccessKeyId":"{id}","SecretAccessKey":"{secret}","Token":"{TOKEN}","Expiration":"{:.0}"}}"#,
        Timestamp::now() + lasts
    )
}

#[test]
fn a_profile_gives_keys_and_a_token() {
    run(async {
        let bucket = TestStore::start().await;
        let (id, secret) = keys(&bucket);
        let right = format!(
            "aws_access_key_id = {id}\naws_secret_access_key = {secret}\naws_session_token = {TOKEN}"
        );
        let home = home_with(
            &format!(
                "[default]\naws_access_key_id = other\naws_secret_access_key = other\n\n[backups]\n{right}\n"
            ),
            &format!("[profile elsewhere]\n{right}\n"),
        );
        for profile in ["backups", "elsewhere"] {
            let mut list = list(&bucket, home.path(), &[]);
            assert_listed(&bucket, &output_of(list.env("AWS_PROFILE", profile)).await);
        }
        // A store that is addressed by this program's name takes the profile that is chosen too.
        let mut list = program(&["list"]);
        list.env("HOME", home.path())
            .env("AWS_PROFILE", "backups")
            .env("R2_ENDPOINT_URL", bucket.server.endpoint());
        assert_listed(&bucket, &output_of(&mut list).await);
        // Keys that are set win, and none of a profile completes half of one.
        list.env("R2_ACCESS_KEY_ID", id);
        let half = output_of(&mut list).await;
        assert_eq!(half.status.code(), Some(2), "{}", said(&half));
        assert!(said(&half).contains("R2_SECRET_ACCESS_KEY"), "{}", said(&half));
        list.env("R2_SECRET_ACCESS_KEY", "wrong-on-purpose");
        let wrong = output_of(&mut list).await;
        assert_eq!(wrong.status.code(), Some(6), "{}", said(&wrong));
        assert!(said(&wrong).contains("SignatureDoesNotMatch"), "{}", said(&wrong));
    });
}

/// A command's output, where the command is used again.
async fn output_of(command: &mut Command) -> Output {
    let mut same = Command::new(command.get_program());
    same.args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            same.env(name, value);
        }
    }
    output(same).await
}

#[test]
fn a_container_gives_keys_and_gives_them_again_before_they_expire() {
    run(async {
        let bucket = TestStore::start().await;
        let (id, secret) = keys(&bucket);
        let home = tempfile::tempdir().expect("a directory");
        let (place, asked) = service(move |_, number| match number {
            // So short that the client may not use them for its next request.
            0 => temporary(&id, &secret, SignedDuration::from_secs(1)),
            _ => temporary(&id, &secret, SignedDuration::from_hours(1)),
        });
        let mut list = list(&bucket, home.path(), &["2026/11/23"]);
        list.env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{place}/credentials"),
        );
        assert_listed(&bucket, &output_of(&mut list).await);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        bucket.put("2026/11/23/backup-20261123-020004.dump.gz", b"no archive");
        let listed = output_of(&mut list).await;
        assert_eq!(listed.status.code(), Some(0), "{}", said(&listed));
        assert_silent(&bucket, &listed);
    });
}

#[test]
fn credentials_that_expire_are_asked_for_again() {
    run(async {
        let bucket = TestStore::start().await;
        bucket.put("2026/11/23/backup-20261123-020004.dump.gz", b"no archive");
        let (id, secret) = keys(&bucket);
        let home = tempfile::tempdir().expect("a directory");
        // A listing and a question about the object: each needs keys that are still good.
        let (place, asked) = service(move |_, _| temporary(&id, &secret, SignedDuration::from_secs(1)));
        let mut list = list(&bucket, home.path(), &[]);
        list.env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{place}/credentials"),
        );
        let listed = output_of(&mut list).await;
        assert_eq!(listed.status.code(), Some(0), "{}", said(&listed));
        assert!(said(&listed).contains("unattested"), "{}", said(&listed));
        assert!(asked.load(Ordering::SeqCst) >= 2, "asked {asked:?} times");
        assert_silent(&bucket, &listed);
    });
}

#[test]
fn a_web_identity_is_exchanged_for_keys() {
    run(async {
        let bucket = TestStore::start().await;
        let (id, secret) = keys(&bucket);
        let home = tempfile::tempdir().expect("a directory");
        let token = home.path().join("token");
        std::fs::write(&token, "an.identity.token").expect("a file");
        let (place, asked) = service(move |line, _| {
            assert!(line.starts_with("POST / "), "{line}");
            format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{id}</AccessKeyId>\
                 <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>\
                 <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>\
                 </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            )
        });
        let mut list = list(&bucket, home.path(), &[]);
        list.env("AWS_WEB_IDENTITY_TOKEN_FILE", &token)
            .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backups")
            .env("AWS_ENDPOINT_URL_STS", &place);
        assert_listed(&bucket, &output_of(&mut list).await);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn the_role_of_an_instance_gives_keys_where_it_is_named() {
    run(async {
        let bucket = TestStore::start().await;
        let (id, secret) = keys(&bucket);
        let home = tempfile::tempdir().expect("a directory");
        let (place, _) = service(move |line, _| {
            if line.contains("/api/token") {
                return "metadata-token".to_owned();
            }
            if line.contains("/security-credentials/backups ") {
                let given = temporary(&id, &secret, SignedDuration::from_hours(1));
                return given.replacen(
                    '{',
                    "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"LastUpdated\":\"2026-11-23T02:00:00Z\",",
                    1,
                );
            }
            "backups".to_owned()
        });
        let mut list = list(&bucket, home.path(), &[]);
        list.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &place);
        let ended = output_of(&mut list).await;
        assert_listed(&bucket, &ended);
    });
}

#[test]
fn without_any_source_the_refusal_comes_within_seconds() {
    run(async {
        let home = tempfile::tempdir().expect("a directory");
        // Takes connections and never says a word, as some networks do with the address of the metadata.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = format!("http://{}", silent.local_addr().expect("an address"));
        let began = Instant::now();
        let mut list = program(&["list", "--region", "eu-central-1"]);
        list.env("HOME", home.path())
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", place);
        let ended = output(list).await;
        assert_eq!(ended.status.code(), Some(6), "{}", said(&ended));
        for part in ["no credentials: ", "hint: ", "AWS_PROFILE", "R2_ACCESS_KEY_ID"] {
            assert!(said(&ended).contains(part), "{part}: {}", said(&ended));
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    });
}

#[test]
fn a_store_elsewhere_gets_no_credentials_of_awss_unasked() {
    run(async {
        let bucket = TestStore::start().await;
        let (id, secret) = keys(&bucket);
        let home = tempfile::tempdir().expect("a directory");
        let (place, asked) = service(move |_, _| temporary(&id, &secret, SignedDuration::from_hours(1)));
        for endpoint in ["R2_ENDPOINT_URL", "S3_ENDPOINT_URL"] {
            let mut list = program(&["list"]);
            list.env("HOME", home.path())
                .env(endpoint, bucket.server.endpoint())
                .env("AWS_REGION", "eu-central-1")
                .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &place)
                .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &place);
            let ended = output(list).await;
            assert_eq!(ended.status.code(), Some(2), "{}", said(&ended));
            assert!(said(&ended).contains("_ACCESS_KEY_ID"), "{}", said(&ended));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_source_that_fails_is_named() {
    run(async {
        let bucket = TestStore::start().await;
        let home = tempfile::tempdir().expect("a directory");
        let mut list = list(&bucket, home.path(), &[]);
        list.env("AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such/token")
            .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backups");
        let ended = output_of(&mut list).await;
        assert_eq!(ended.status.code(), Some(6), "{}", said(&ended));
        for part in ["no credentials: ", "No such file", "AWS_WEB_IDENTITY_TOKEN_FILE"] {
            assert!(said(&ended).contains(part), "{part}: {}", said(&ended));
        }
    });
}

#[test]
fn what_a_program_says_that_gives_no_keys_is_not_repeated() {
    run(async {
        let bucket = TestStore::start().await;
        let place = tempfile::tempdir().expect("a directory");
        let keys = place.path().join("keys");
        write_program(
            &keys,
            "echo 'cannot read hunter2-of-the-vault' >&2; echo '{\"SecretAccessKey\": \"hunter2-of-aws'; exit $CODE",
        );
        let profile = format!("[profile shop]\ncredential_process = {}\n", keys.display());
        let home = home_with("", &profile);
        for (code, says) in [("3", "exit status: 3"), ("0", "could not parse")] {
            let mut list = list(&bucket, home.path(), &["-v"]);
            list.env("AWS_PROFILE", "shop").env("CODE", code);
            let ended = output_of(&mut list).await;
            assert_eq!(ended.status.code(), Some(6), "{}", said(&ended));
            for part in ["no credentials: ", says, "credential_process"] {
                assert!(said(&ended).contains(part), "{part}: {}", said(&ended));
            }
            assert!(!said(&ended).contains("hunter2"), "{}", said(&ended));
        }
    });
}
