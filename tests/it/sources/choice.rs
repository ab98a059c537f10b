//! Which backup of which source a command takes, as a pure decision.

use std::collections::BTreeSet;

use jiff::Timestamp;
use paycraft_dr::error::{Error, Kind};
use paycraft_dr::model::catalog::{StoredBackup, choose};
use paycraft_dr::model::key::{BackupKey, Selector};
use paycraft_dr::model::selection::{Among, BackupSummary, Candidate, check, narrow, source_of};
use paycraft_dr::model::source::{SourceChoice, SourceName};

const NOW: &str = "2026-11-24T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn name(text: &str) -> SourceName {
    match text.split_once('/') {
        Some((project, database)) => SourceName {
            project_ref: Some(project.to_owned()),
            database: database.to_owned(),
        },
        None => SourceName {
            project_ref: None,
            database: text.to_owned(),
        },
    }
}

/// An attested backup of a day's 02:00.
fn backup(day: u32, source: &str, suspicion: &[&str]) -> (StoredBackup, BackupSummary) {
    let started_at = at(&format!("2026-11-{day:02}T02:00:00Z"));
    let found = StoredBackup {
        key: BackupKey::at(started_at),
        stored_bytes: Some(1),
        has_manifest: true,
        has_index: false,
        globals_bytes: None,
        has_confirmation: false,
        has_pin: false,
    };
    let known = BackupSummary {
        source: name(source),
        is_recorded: true,
        started_at,
        suspicion: suspicion.iter().map(|reason| (*reason).to_owned()).collect(),
    };
    (found, known)
}

/// The day of what is chosen.
fn chosen(backups: &[(StoredBackup, BackupSummary)], selector: Selector, among: &Among) -> Result<i8, Error> {
    let mut candidates: Vec<Candidate<'_>> = backups
        .iter()
        .map(|(found, known)| Candidate {
            found: *found,
            known: Some(known),
        })
        .collect();
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.found.key));
    let left = narrow(&candidates, selector, among, at(NOW))?;
    choose(&left, selector, at(NOW)).map(|found| found.key.day().day())
}

fn configured(source: &str) -> Among {
    Among {
        source: SourceChoice::Configured(name(source)),
        ..Among::ANY
    }
}

fn named(source: &str) -> Among {
    Among {
        source: SourceChoice::Named(source.to_owned()),
        ..Among::ANY
    }
}

#[track_caller]
fn refused(chosen: Result<i8, Error>, words: &[&str]) {
    let error = chosen.expect_err("a refusal");
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    let told = format!("{error} {}", error.next_step().expect("a hint"));
    for word in words {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn the_newest_is_of_the_configured_source() {
    let store = [
        backup(20, "app", &[]),
        backup(21, "web", &[]),
        backup(22, "P/app", &[]),
    ];
    let latest = |among: &Among| chosen(&store, Selector::Latest, among);
    assert_eq!(latest(&configured("app")).expect("its own"), 20);
    assert_eq!(latest(&configured("web")).expect("its own"), 21);
    assert_eq!(latest(&configured("P/app")).expect("its own"), 22);
    assert_eq!(latest(&named("web")).expect("what was named"), 21);
    assert_eq!(latest(&named("P")).expect("what was named"), 22);
    assert_eq!(latest(&named("app")).expect("the full name of one"), 20);
    refused(
        latest(&Among::ANY),
        &["3 sources", "P/app", "app", "web", "--from-source"],
    );
    refused(latest(&named("nothing")), &["\"nothing\"", "P/app"]);
    refused(
        latest(&configured("blog")),
        &["of the source, blog", "web", "--from-source"],
    );
    refused(latest(&configured("Q/app")), &["it cannot be known"]);
    let day = Selector::Day(jiff::civil::date(2026, 11, 21));
    assert_eq!(chosen(&store, day, &configured("web")).expect("its own"), 21);
    refused(
        chosen(&store, day, &configured("app")),
        &["of the source, app", "web"],
    );
    let one = [backup(20, "app", &[]), backup(21, "app", &[])];
    assert_eq!(
        chosen(&one, Selector::Latest, &Among::ANY).expect("one source"),
        21
    );
    assert_eq!(
        chosen(&[], Selector::Latest, &configured("app"))
            .expect_err("nothing")
            .kind(),
        Kind::Store
    );
    let two = [backup(20, "P/app", &[]), backup(21, "Q/app", &[])];
    refused(
        chosen(&two, Selector::Latest, &named("app")),
        &["may be P/app, Q/app"],
    );
}

#[test]
fn what_is_under_suspicion_is_refused_and_both_are_named() {
    let store = [
        backup(20, "app", &[]),
        backup(21, "app", &["no row"]),
        backup(22, "app", &["no row"]),
    ];
    let latest = chosen(&store, Selector::Latest, &configured("app"));
    refused(
        latest,
        &[
            "backup-20261122",
            "no row",
            "the newest good one give its key, 2026/11/20/",
            "confirm",
        ],
    );
    let only = [backup(22, "app", &["no row"])];
    refused(chosen(&only, Selector::Latest, &Among::ANY), &["no other backup"]);
    let then = [backup(20, "app", &["no row"]), backup(21, "app", &[])];
    assert_eq!(
        chosen(&then, Selector::Latest, &Among::ANY).expect("a good one is newer"),
        21
    );
    // Another source's suspicion is its own matter.
    let others = [backup(20, "app", &[]), backup(21, "web", &["no row"])];
    assert_eq!(
        chosen(&others, Selector::Latest, &configured("app")).expect("its own"),
        20
    );
}

#[test]
fn a_backup_begins_before_the_declared_instant() {
    let store = [backup(20, "app", &[]), backup(21, "app", &[])];
    let before = |instant: &str, accept_later| Among {
        before: Some(at(instant)),
        accept_later,
        ..Among::ANY
    };
    let latest = |among: &Among| chosen(&store, Selector::Latest, among);
    assert_eq!(
        latest(&before("2026-11-22T00:00:00Z", false)).expect("the newest"),
        21
    );
    assert_eq!(
        latest(&before("2026-11-21T02:00:00Z", false)).expect("not at that instant"),
        20
    );
    assert_eq!(
        latest(&before("2026-11-21T02:00:01Z", false)).expect("a second later"),
        21
    );
    assert_eq!(
        latest(&before("2026-11-20T12:00:00Z", true)).expect("as accepted"),
        21
    );
    refused(
        latest(&before("2026-11-20T02:00:00Z", false)),
        &["2026/11/20/backup-20261120", "--accept-later"],
    );
    let (found, known) = backup(21, "app", &[]);
    let early = before("2026-11-21T01:00:00Z", false);
    assert_eq!(
        check(found.key, &known, &early).expect_err("too late").kind(),
        Kind::Refused
    );
    assert_eq!(
        check(found.key, &known, &before("2026-11-21T01:00:00Z", true)).expect("accepted"),
        None
    );
}

#[test]
fn a_key_that_is_named_must_be_of_the_source_or_its_source_be_named() {
    let (found, known) = backup(21, "P/app", &["no row"]);
    for among in [
        configured("P/app"),
        named("P"),
        named("app"),
        named("P/app"),
        Among::ANY,
    ] {
        let told = check(found.key, &known, &among)
            .expect("it may be taken")
            .expect("a warning");
        assert!(told.contains("no row"), "{told}");
    }
    for among in [
        configured("app"),
        configured("Q/app"),
        configured("web"),
        named("web"),
    ] {
        let error = check(found.key, &known, &among).expect_err("another's");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(
            error.next_step().expect("a hint").contains("--from-source P/app"),
            "{error}"
        );
    }
    // An object that was attested later tells no project.
    let legacy = BackupSummary {
        is_recorded: false,
        suspicion: Vec::new(),
        ..backup(21, "app", &[]).1
    };
    assert!(
        check(found.key, &legacy, &configured("P/app"))
            .expect("it may be")
            .is_some()
    );
    assert!(check(found.key, &legacy, &configured("P/web")).is_err());
}

#[test]
fn nothing_configured_and_nothing_there_is_no_refusal() {
    assert_eq!(
        source_of(&SourceChoice::Any, &BTreeSet::new()).expect("an answer"),
        None
    );
    assert_eq!(
        source_of(&SourceChoice::Named("app".to_owned()), &BTreeSet::new()).expect("an answer"),
        None
    );
}
