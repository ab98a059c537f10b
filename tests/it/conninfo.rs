//! Connection strings: what libpq reads, and production in every spelling.

use std::collections::BTreeMap;

use paycraft_dr::error::{Error, Kind};
use paycraft_dr::postgres::conninfo::{Conninfo, Side, Surroundings};
use proptest::prelude::*;

use super::kit::{postgres, run, secret_file};

const PRODUCTION: &str = "mlwfgytjxlqyfxcgpysm";
const OTHER: &str = "abcdefghijklmnopqrst";

fn parse(text: &str) -> Result<Conninfo, Error> {
    Conninfo::parse(Side::Target, text)
}

fn parse_among(text: &str, variables: &[(&str, String)]) -> Result<Conninfo, Error> {
    let variables: BTreeMap<&str, &String> = variables.iter().map(|(name, value)| (*name, value)).collect();
    let surroundings = Surroundings {
        variable: &|name| variables.get(name).map(|value| (*value).clone()),
    };
    Conninfo::parse_in(Side::Target, text, &surroundings)
}

#[test]
fn urls_and_pairs_say_the_same() {
    for text in [
        "postgresql://ann:s%20c%27ret@db.example.com:6000/pay%2Fcraft",
        "postgres://ann:s%20c%27ret@DB.example.com.:6000/pay%2Fcraft?application_name=x",
        "postgresql://db.example.com:6000/pay%2Fcraft?user=ann&password=s%20c%27ret",
        r"host=db.example.com port = 6000 user=ann password='s c\'ret' dbname = 'pay/craft'",
        r"host=db.example.com port=6000 user=ann password=s\ c\'ret dbname=pay/craft",
    ] {
        let conninfo = parse(text).expect(text);
        assert_eq!(
            conninfo.to_string(),
            "ann@db.example.com:6000/pay/craft",
            "{text}"
        );
        assert!(conninfo.has_password(), "{text}");
        assert!(!format!("{conninfo:?}").contains("ret"), "{text}");
    }
    assert_eq!(
        parse("postgresql://ann@[::1]:7/x").expect("IPv6").to_string(),
        "ann@[::1]:7/x"
    );
    assert_eq!(
        parse("postgresql://ann@h").expect("defaults").to_string(),
        "ann@h:5432/ann"
    );
}

#[test]
fn what_cannot_be_read_is_refused_without_repeating_it() {
    for (text, says) in [
        ("", "names no host"),
        ("hunter2", "neither a URL nor pairs"),
        ("postgresql://me:hunter2@", "names no host"),
        ("postgresql://me:hunter2@h:99999/d", "port"),
        ("postgresql://me:hunter2@h/d?pgbouncer=true", "\"pgbouncer\""),
        ("postgresql://me:hunter2@h/d?sslmode=always", "sslmode"),
        (
            "postgresql://me:hunter2@h/d?sslmode=verify-full",
            "no root certificate",
        ),
        (
            "postgresql://me:hunter2@h/d?sslmode=verify-ca&sslrootcert=/nonexistent",
            "cannot be read",
        ),
        ("postgresql://me:hunter2@h/d?sslcert=me.crt", "\"sslcert\""),
        ("postgresql://me:hunter2@a,b/d", "several hosts"),
        ("postgresql://:hunter2@h/d", "names no user"),
        ("postgresql://me:hunter2%zz@h/d", "percent-encoded"),
        ("host=h user=me password='hunter2", "quote without its end"),
        ("service=mine", "no service file defines"),
        ("host=h user=me hostaddr=hunter2", "no address"),
        (r#""postgresql://me:hunter2@h/d?sslmode=require""#, "quote"),
        ("'postgresql://me:hunter2@h/d'", "quote"),
        (
            "postgresq://me:hunter2@h/d?sslmode=require",
            "neither a URL nor pairs",
        ),
        ("me:hunter2@h/d?sslmode=require", "neither a URL nor pairs"),
        ("URL=postgresql://me:hunter2@h/d", "neither a URL nor pairs"),
        ("postgresql://me:a?hunter2=b@h/d", "percent-encoded"),
        ("host=h user=me password=a hunter=2", "not understood"),
        ("postgresql://me@h/d?password=a&hunter=2", "not understood"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.kind(), Kind::Usage, "{text}");
        assert!(error.message().contains(says), "{text}: {error}");
        assert!(error.next_step().is_some(), "{text}");
        assert!(
            !format!("{error} {:?} {:?}", error.causes(), error.next_step()).contains("hunter"),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_connection_string_in_quotes_is_told_to_lose_them() {
    let error = parse(r#""postgresql://me:hunter2@h/d?sslmode=require""#).expect_err("quotes");
    assert!(
        error
            .next_step()
            .expect("a hint")
            .starts_with("remove the quotes"),
        "{:?}",
        error.next_step()
    );
    let right = parse("host=h user=me password=p@ss://word").expect("libpq reads it");
    assert!(right.has_password());
}

#[test]
fn postgresqls_programs_are_held_to_what_the_string_asks_for() {
    run(async {
        let Some(postgres) = postgres() else { return };
        for asked in ["disable", "prefer", "require"] {
            let text = format!("postgresql://me@h/d?channel_binding={asked}");
            let dump = postgres.installation.dump(&parse(&text).expect(&text), &[]);
            let mut told = dump.as_std().get_envs();
            let (_, told) = told
                .find(|(name, _)| *name == "PGCHANNELBINDING")
                .expect("a variable");
            assert_eq!(told.expect("a value"), asked);
        }
        // A server that is not asked over TLS cannot bind the channel, and neither dumps nor answers.
        let source = postgres.database(Side::Source).await;
        let strict = format!("{}&channel_binding=require", postgres.url(&source));
        let strict = Conninfo::parse(Side::Source, &strict).expect("a connection string");
        let dumped = postgres
            .installation
            .dump(&strict, &[])
            .output()
            .await
            .expect("pg_dump");
        let said = String::from_utf8_lossy(&dumped.stderr).into_owned();
        assert!(
            !dumped.status.success() && said.contains("channel binding"),
            "{said}"
        );
    });
}

#[test]
fn surroundings_complete_what_the_string_leaves_out() {
    let home = tempfile::tempdir().expect("a directory");
    let place = home.path().display().to_string();
    secret_file(
        home.path(),
        ".pgpass",
        "other:*:*:*:no\nh\\:x:5432:*:ann:no\nh:5432:d:ann:s\\:cret",
    );
    let services = "# ours\n[one]\nhost=h\nuser = ann\ndbname=d\n\n[two]\nhost=elsewhere\n";
    std::fs::write(home.path().join(".pg_service.conf"), services).expect("a file");
    let at_home = |more: &[(&'static str, &str)]| {
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        more.chain([("HOME", place.clone())]).collect::<Vec<_>>()
    };
    let named = parse_among("service=one", &at_home(&[])).expect("a service");
    assert_eq!(named.to_string(), "ann@h:5432/d");
    assert!(named.has_password(), "from .pgpass");
    let told = at_home(&[("PGSERVICE", "one"), ("PGHOST", "ignored"), ("PGPORT", "7")]);
    let by_variable = parse_among("postgresql:///x", &told).expect("a service");
    assert_eq!(by_variable.to_string(), "ann@h:7/x");
    let all = at_home(&[
        ("PGHOST", "v"),
        ("PGUSER", "u"),
        ("PGDATABASE", "b"),
        ("PGPASSWORD", "p"),
    ]);
    let variables = parse_among("postgresql://", &all).expect("variables");
    assert_eq!(variables.to_string(), "u@v:5432/b");
    let open = home.path().join(".pgpass");
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("permissions");
    assert!(
        !parse_among("service=one", &at_home(&[]))
            .expect("a service")
            .has_password()
    );
}

#[test]
fn a_transaction_pooler_of_supabases_is_refused_with_the_right_url() {
    for (text, right) in [
        (
            format!(
                "postgresql://postgres.{OTHER}:hunter2@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"
            ),
            format!(
                "postgresql://postgres.{OTHER}:PASSWORD@aws-0-eu-central-1.pooler.supabase.com:5432/postgres"
            ),
        ),
        (
            format!("postgresql://postgres:hunter2@db.{OTHER}.supabase.co:6543/postgres"),
            format!("postgresql://postgres:PASSWORD@db.{OTHER}.supabase.co:5432/postgres"),
        ),
    ] {
        let error = parse(&text).expect_err("transactions");
        assert_eq!(error.kind(), Kind::Usage);
        assert!(
            error.next_step().expect("a hint").contains(&right),
            "{:?}",
            error.next_step()
        );
        assert!(!format!("{error} {:?}", error.next_step()).contains("hunter2"));
    }
    parse("postgresql://me@localhost:6543/d").expect("only a port");
}

/// The same word in another mix of cases, or with letters percent-encoded.
fn worded(word: String, encode: bool) -> impl Strategy<Value = String> {
    prop::collection::vec(0..3_u8, word.len()).prop_map(move |how| {
        let marks = word.chars().zip(how);
        marks
            .map(|(mark, how)| match how {
                1 => mark.to_ascii_uppercase().to_string(),
                2 if encode => format!("%{:02X}", u32::from(mark)),
                _ => mark.to_string(),
            })
            .collect()
    })
}

/// Everything that leads to the project: a connection string, variables, and a service file.
fn spellings(project: &'static str) -> impl Strategy<Value = (String, Vec<(&'static str, String)>, String)> {
    let host = format!("db.{project}.supabase.co");
    let user = format!("postgres.{project}");
    let pooler = "aws-1-eu-central-1.pooler.supabase.com";
    let text_only = |text: String| (text, Vec::new(), String::new());
    let credentials = prop_oneof![
        Just(""),
        Just("postgres@"),
        Just("postgres:p%40ss@"),
        Just("me:a/b@")
    ];
    let tail = prop_oneof![
        Just(""),
        Just("/postgres"),
        Just(":5432/postgres"),
        Just("./x?sslmode=require")
    ];
    let direct =
        (credentials, worded(host.clone(), true), tail).prop_map(move |(credentials, host, tail)| {
            let credentials = if credentials.is_empty() { "u@" } else { credentials };
            text_only(format!("postgresql://{credentials}{host}{tail}"))
        });
    let by_user = worded(user.clone(), true)
        .prop_map(move |user| text_only(format!("postgres://{user}:secret@{pooler}:5432/postgres")));
    let proxied = worded(user.clone(), true)
        .prop_map(move |user| text_only(format!("postgres://{user}:secret@10.0.0.7:5433/postgres")));
    let pairs = (worded(host.clone(), false), any::<bool>()).prop_map(move |(host, quoted)| {
        let host = if quoted { format!("'{host}'") } else { host };
        text_only(format!(
            "user=postgres host = {host} password='a b' dbname=postgres"
        ))
    });
    let options = worded(format!("reference={project}"), true).prop_map(move |options| {
        text_only(format!(
            "postgresql://postgres@{pooler}/postgres?options={options}"
        ))
    });
    let several = worded(host.clone(), false)
        .prop_map(move |host| text_only(format!("postgresql://u@localhost,{host}:5432,h/postgres")));
    let variables = (worded(host.clone(), false), any::<bool>()).prop_map(move |(host, url)| {
        let text = if url {
            "postgresql:///postgres"
        } else {
            "dbname=postgres"
        };
        (
            text.to_owned(),
            vec![("PGHOST", host), ("PGUSER", "postgres".to_owned())],
            String::new(),
        )
    });
    let user_variable = worded(user, false).prop_map(move |user| {
        let text = format!("host={pooler} dbname=postgres");
        (text, vec![("PGUSER", user)], String::new())
    });
    let service = (worded(host, false), any::<bool>()).prop_map(|(host, by_variable)| {
        let file = format!("[prod]\nhost={host}\nuser=postgres\n");
        if by_variable {
            (
                "dbname=x".to_owned(),
                vec![("PGSERVICE", "prod".to_owned())],
                file,
            )
        } else {
            ("service=prod".to_owned(), Vec::new(), file)
        }
    });
    prop_oneof![
        direct,
        by_user,
        proxied,
        pairs,
        options,
        several,
        variables,
        user_variable,
        service
    ]
}

/// What comes of a spelling, with its service file in place.
fn reached(
    (text, mut variables, services): (String, Vec<(&'static str, String)>, String),
) -> Result<Conninfo, Error> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("services");
    std::fs::write(&file, services).expect("a file");
    variables.push(("PGSERVICEFILE", file.display().to_string()));
    parse_among(&text, &variables)
}

const PASSWORD_PIECE: usize = 4;

/// What people do to a connection string on its way into a variable.
#[derive(Clone, Debug)]
enum Mishap {
    Quoted(&'static str, &'static str),
    Scheme(&'static str),
    Inserted(prop::sample::Index, &'static str),
}

fn mishaps() -> impl Strategy<Value = Mishap> {
    let quotes = prop::sample::select(vec!["\"", "'", "`", "", " \"", "URL=", "\u{201c}"]);
    let schemes = vec![
        "",
        "postgresq://",
        "postgres:/",
        "jdbc:postgresql://",
        "POSTGRES://",
        "url = ",
    ];
    let marks = vec![
        "?", "=", "&", " ", "'", "\"", "@", "/", ":", "%", "#", ",", "\\", "\n", " a=", "?a=", "&a=",
    ];
    prop_oneof![
        (quotes.clone(), quotes).prop_map(|(before, behind)| Mishap::Quoted(before, behind)),
        prop::sample::select(schemes).prop_map(Mishap::Scheme),
        (any::<prop::sample::Index>(), prop::sample::select(marks))
            .prop_map(|(place, mark)| Mishap::Inserted(place, mark)),
    ]
}

fn befallen(text: &str, mishap: &Mishap) -> String {
    match mishap {
        Mishap::Quoted(before, behind) => format!("{before}{text}{behind}"),
        Mishap::Scheme(scheme) => format!("{scheme}{}", text.trim_start_matches("postgresql://")),
        Mishap::Inserted(place, mark) => {
            let (before, behind) = text.split_at(place.index(text.len() + 1));
            format!("{before}{mark}{behind}")
        }
    }
}

proptest! {
    #[test]
    fn no_error_holds_a_piece_of_the_password_whatever_befell_the_string(
        letters in "[qxz_]{4,12}",
        marks in "[?=&@/]{0,2}",
        shape in 0..3_u8,
        mishaps in prop::collection::vec(mishaps(), 1..4),
    ) {
        let (front, behind) = letters.split_at(letters.len() / 2);
        let password = format!("{front}{marks}{behind}");
        let text = match shape {
            0 => format!("postgresql://me:{password}@h/d?sslmode=require"),
            1 => format!("postgresql://me@h/d?password={password}&sslmode=require"),
            _ => format!("host=h user=me password={password} dbname=d"),
        };
        // Several are of ASCII until the last.
        let text = mishaps.iter().fold(text, |text, mishap| if text.is_ascii() { befallen(&text, mishap) } else { text });
        if let Err(error) = parse(&text) {
            let told = format!("{error} {:?} {:?}", error.causes(), error.next_step());
            let pieces = password.as_bytes().windows(PASSWORD_PIECE);
            for piece in pieces.map(String::from_utf8_lossy) {
                prop_assert!(!told.contains(&*piece), "{piece} of {text}: {told}");
            }
        }
    }

    #[test]
    fn production_is_recognised_in_every_spelling(spelling in spellings(PRODUCTION)) {
        match reached(spelling) {
            Ok(conninfo) => {
                prop_assert!(conninfo.names_project(PRODUCTION), "{}", conninfo);
                prop_assert_eq!(conninfo.project_ref(), Some(PRODUCTION.to_owned()));
            }
            Err(error) => prop_assert!(error.message().contains("several hosts"), "{}", error),
        }
    }

    #[test]
    fn another_project_is_not_production(spelling in spellings(OTHER)) {
        if let Ok(conninfo) = reached(spelling) {
            prop_assert!(!conninfo.names_project(PRODUCTION), "{}", conninfo);
            prop_assert!(conninfo.names_project(OTHER));
        }
    }

    #[test]
    fn nothing_that_is_typed_makes_the_reader_fail(text in ".{0,60}") {
        let _ = parse(&text);
        let _ = parse(&format!("postgresql://{text}"));
        let _ = parse(&format!("host={text}"));
    }
}
