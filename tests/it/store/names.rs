//! Where the store is, by the names that this program, other products and AWS's tools give it.

use std::collections::BTreeMap;

use clap::Parser;
use paycraft_dr::cli::args::{Arguments, Command};
use paycraft_dr::cli::config::Config;
use paycraft_dr::cli::settings::Settings;
use paycraft_dr::error::{Error, Kind};
use paycraft_dr::store::{Addressing, Location, region_of_aws};

use crate::kit::{SMALL_SCHEMA, World, output, program, run, said};

/// What `list` with these flags and variables would ask.
fn location(flags: &[&str], variables: &[(&str, &str)]) -> Result<Location, Error> {
    let set: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let read = |name: &str| set.get(name).cloned();
    let settings = Settings {
        environment: &read,
        config: Config::default(),
    };
    let words = ["paycraft-dr", "list"].iter().chain(flags);
    let Command::List(list) = Arguments::parse_from(words).command else {
        panic!("list was typed")
    };
    settings.store(&list.store)
}

const R2: [(&str, &str); 3] = [
    ("R2_ENDPOINT_URL", "https://a.r2.cloudflarestorage.com"),
    ("R2_ACCESS_KEY_ID", "r2-id"),
    ("R2_SECRET_ACCESS_KEY", "r2-secret"),
];
const AWS: [(&str, &str); 4] = [
    ("AWS_REGION", "eu-central-1"),
    ("AWS_ACCESS_KEY_ID", "aws-id"),
    ("AWS_SECRET_ACCESS_KEY", "aws-secret"),
    ("AWS_SESSION_TOKEN", "aws-token"),
];

#[test]
fn this_programs_names_win_and_never_mix_with_others() {
    let both: Vec<_> = R2.iter().chain(&AWS).copied().collect();
    let found = location(&[], &both).expect("a store");
    assert_eq!(found.endpoint, R2[0].1);
    assert_eq!(found.access_key_id, "r2-id");
    assert_eq!(found.secret_access_key.reveal(), "r2-secret");
    assert!(found.session_token.is_none());
    assert_eq!(found.addressing, Addressing::Path);

    // Half of a key is not completed with half of another.
    let half: Vec<_> = R2[..2].iter().chain(&AWS).copied().collect();
    let error = location(&[], &half).expect_err("no secret");
    assert_eq!(error.kind(), Kind::Usage);
    assert!(
        error
            .next_step()
            .expect("a hint")
            .contains("R2_SECRET_ACCESS_KEY")
    );
}

#[test]
fn aws_is_meant_where_nothing_but_its_names_are_set() {
    let found = location(&[], &AWS).expect("a store");
    assert_eq!(found.endpoint, "https://s3.eu-central-1.amazonaws.com");
    assert_eq!(found.region, "eu-central-1");
    assert_eq!(found.addressing, Addressing::VirtualHost);
    assert_eq!(found.session_token.expect("a token").reveal(), "aws-token");

    let error = location(&[], &AWS[1..]).expect_err("no region, no address");
    assert!(error.next_step().expect("a hint").contains("R2_ENDPOINT_URL"));
}

#[test]
fn a_region_is_the_flags_the_addresses_or_the_environments() {
    let region = |flags: &[&str], endpoint: &'static str| {
        let set: Vec<_> = AWS
            .iter()
            .copied()
            .chain([("AWS_ENDPOINT_URL", endpoint)])
            .collect();
        location(flags, &set).expect("a store").region
    };
    assert_eq!(
        region(&["--region", "x"], "https://s3.eu-west-3.amazonaws.com"),
        "x"
    );
    assert_eq!(region(&[], "https://s3.eu-west-3.amazonaws.com"), "eu-west-3");
    assert_eq!(region(&[], "https://objects.internal:9000"), "eu-central-1");
    assert_eq!(location(&[], &R2).expect("a store").region, "auto");
    // AWS's region is not that of another store, whose keys are set.
    let both: Vec<_> = R2.iter().chain(&AWS).copied().collect();
    assert_eq!(location(&[], &both).expect("a store").region, "auto");
    for (endpoint, expected) in [
        ("https://s3.amazonaws.com", Some("us-east-1")),
        ("https://s3-eu-west-1.amazonaws.com/", Some("eu-west-1")),
        ("https://s3.dualstack.eu-west-1.amazonaws.com", Some("eu-west-1")),
        ("https://s3.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
        ("https://s3.eu-west-1.amazonaws.com.evil.test", None),
        ("https://minio.internal", None),
    ] {
        assert_eq!(region_of_aws(endpoint), expected, "{endpoint}");
    }
}

#[test]
fn an_address_with_credentials_is_refused_without_a_word_of_them() {
    for address in ["https://id:s3cr3t@host", "id:s3cr3t@host", "ftp://id:s3cr3t@host"] {
        let set: Vec<_> = R2[1..]
            .iter()
            .copied()
            .chain([("R2_ENDPOINT_URL", address)])
            .collect();
        let error = location(&[], &set).expect_err(address);
        assert_eq!(error.kind(), Kind::Usage);
        let told = format!("{error} {:?} {:?}", error.next_step(), error.causes());
        assert!(!told.contains("s3cr3t"), "{told}");
    }
}

#[test]
fn certificates_that_cannot_be_read_are_refused() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("ca.pem");
    std::fs::write(&file, "no certificate").expect("a file");
    for path in [file.to_str().expect("a path"), "/no/such/file"] {
        let set: Vec<_> = R2.iter().copied().chain([("AWS_CA_BUNDLE", path)]).collect();
        let error = location(&[], &set).expect_err(path);
        assert!(error.message().contains("AWS_CA_BUNDLE"), "{error}");
    }
}

#[test]
fn a_backup_goes_to_a_store_and_from_a_database_by_the_names_of_others() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let ours = world.bucket.environment();
        let value = |name: &str| {
            let mut ours = ours.iter();
            ours.find(|(own, _)| *own == name).expect("a variable").1.clone()
        };
        for [endpoint, id, secret, region, database] in [
            [
                "S3_ENDPOINT_URL",
                "S3_ACCESS_KEY_ID",
                "S3_SECRET_ACCESS_KEY",
                "S3_REGION",
                "SOURCE_DB_URL",
            ],
            [
                "AWS_ENDPOINT_URL",
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "AWS_REGION",
                "DATABASE_URL",
            ],
        ] {
            let mut backup = program(&["backup"]);
            backup
                .env(endpoint, value("R2_ENDPOINT_URL"))
                .env(id, value("R2_ACCESS_KEY_ID"))
                .env(secret, value("R2_SECRET_ACCESS_KEY"))
                .env(region, "auto")
                .env(database, world.postgres.url(&source));
            let ended = output(backup).await;
            assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
        }
    });
}

#[test]
fn a_database_of_another_kind_is_none_of_ours() {
    let source = |url: &str| {
        let read = |name: &str| (name == "DATABASE_URL").then(|| url.to_owned());
        let settings = Settings {
            environment: &read,
            config: Config::default(),
        };
        let production = settings.production().expect("a production").source;
        production.map(|source| source.database().to_owned())
    };
    assert_eq!(
        source("postgresql+psycopg2://me:secret@host/shop"),
        Some("shop".to_owned())
    );
    assert_eq!(source("postgres://me:secret@host/shop"), Some("shop".to_owned()));
    assert_eq!(source("mysql://me:secret@host/shop"), None);
    assert_eq!(source("sqlite:///shop.db"), None);
}

#[test]
fn production_is_known_by_the_names_of_others_too() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let mut restore = program(&["restore", "--clean"]);
        restore
            .envs(world.bucket.environment())
            .env("DATABASE_URL", world.postgres.url(&source))
            .env("TARGET_DB_URL", world.postgres.url(&source));
        let ended = output(restore).await;
        assert_eq!(ended.status.code(), Some(4), "{}", said(&ended));
    });
}
