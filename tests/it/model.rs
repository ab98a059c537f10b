//! Pure decisions.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::date;
use paycraft_dr::error::Kind;
use paycraft_dr::model::catalog::{ListedObject, choose, read_listing};
use paycraft_dr::model::drill_log::{self, DrillLogRow};
use paycraft_dr::model::fingerprint::{Fingerprint, LargeObjectHasher, TableHasher};
use paycraft_dr::model::identity::Identity;
use paycraft_dr::model::key::{BackupKey, KeyMeaning, Selector};
use paycraft_dr::model::left_out::LeftOut;
use paycraft_dr::model::manifest::{Block, EntryDigest, Framing, Manifest, Sequence, Source, Table, VERSION};
use paycraft_dr::model::manifest_head::HEAD_VERSION;
use paycraft_dr::model::objective::{Measured, RTO_OBJECTIVE};
use paycraft_dr::model::secret::Secret;
use paycraft_dr::model::timeline::{Event, Phase, Timeline};
use paycraft_dr::model::verdict::{Check, CheckOutcome, Verdict};
use proptest::prelude::*;

pub(super) const KEY: &str = "2026/11/23/backup-20261123-020007.dump.gz";

fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

mod keys {
    use super::*;

    #[test]
    fn a_key_names_the_instant_in_utc() {
        let key = BackupKey::at(instant("2026-11-23T02:00:07.999Z"));
        assert_eq!(key.to_string(), KEY);
        assert_eq!(
            key.manifest_key(),
            "2026/11/23/backup-20261123-020007.manifest.json"
        );
        assert_eq!(key.day(), date(2026, 11, 23));
        assert_eq!(key.began_at(), instant("2026-11-23T02:00:07Z"));
    }

    #[test]
    fn what_is_not_exactly_ours_is_foreign() {
        for foreign in [
            "",
            "backup-20261123-020007.dump.gz",
            "2026/11/23/backup-20261123-020007.dump",
            "2026/11/22/backup-20261123-020007.dump.gz",
            "2026/11/23/backup-20261123-020007.dump.gz.manifest.json",
            "2026/11/23/backup-20261123-250007.dump.gz",
            "2026/2/3/backup-20260203-020007.dump.gz",
            "x/2026/11/23/backup-20261123-020007.dump.gz",
            "2026/11/31/backup-20261131-020007.dump.gz",
        ] {
            assert_eq!(BackupKey::read(foreign), KeyMeaning::Foreign, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_survives_its_key(second in 0_i64..7_000_000_000) {
            let key = BackupKey::at(Timestamp::from_second(second).expect("in range"));
            prop_assert_eq!(BackupKey::read(&key.to_string()), KeyMeaning::Object(key));
            prop_assert_eq!(BackupKey::read(&key.manifest_key()), KeyMeaning::Manifest(key));
            prop_assert_eq!(BackupKey::read(&key.index_key()), KeyMeaning::Index(key));
            prop_assert_eq!(key.began_at().as_second(), second);
        }

        #[test]
        fn no_text_upsets_the_reader(text in ".{0,60}") {
            let _ = BackupKey::read(&text);
            let _ = text.parse::<Selector>();
        }
    }

    #[test]
    fn a_selector_is_latest_a_day_or_a_key() {
        assert_eq!("latest".parse::<Selector>().expect("latest"), Selector::Latest);
        assert_eq!(
            "2026/11/23".parse::<Selector>().expect("a day"),
            Selector::Day(date(2026, 11, 23))
        );
        assert_eq!(
            "2026-11-23".parse::<Selector>().expect("a day"),
            Selector::Day(date(2026, 11, 23))
        );
        assert_eq!(KEY.parse::<Selector>().expect("a key").to_string(), KEY);
        let error = "yesterday".parse::<Selector>().expect_err("no selector");
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.next_step().is_some());
    }
}

mod choosing {
    use super::*;

    fn listing(keys: &[&str]) -> Vec<ListedObject> {
        keys.iter()
            .map(|key| ListedObject {
                key: (*key).to_owned(),
                bytes: 1,
            })
            .collect()
    }

    fn both(stem: &str) -> [String; 2] {
        [format!("{stem}.dump.gz"), format!("{stem}.manifest.json")]
    }

    fn now() -> Timestamp {
        "2026-11-24T01:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn what_is_dated_in_the_future_is_not_the_latest() {
        let [old, old_manifest] = both("2026/11/23/backup-20261123-020000");
        let [future, future_manifest] = both("2026/11/24/backup-20261124-010501");
        let found = read_listing(&listing(&[&old, &old_manifest, &future, &future_manifest]));
        let key = |selector| choose(&found, selector, now()).expect("a backup").key.to_string();
        assert_eq!(key(Selector::Latest), old);
        assert_eq!(key(future.parse().expect("a key")), future);
        assert_eq!(key(Selector::Day(date(2026, 11, 24))), future);
        // Clocks differ by some minutes.
        let [ahead, ahead_manifest] = both("2026/11/24/backup-20261124-010500");
        let found = read_listing(&listing(&[&old, &old_manifest, &ahead, &ahead_manifest]));
        assert_eq!(
            choose(&found, Selector::Latest, now())
                .expect("a backup")
                .key
                .to_string(),
            ahead
        );
        let only = read_listing(&listing(&[&future, &future_manifest]));
        let error = choose(&only, Selector::Latest, now()).expect_err("none of the past");
        assert!(
            error.kind() == Kind::Store && error.message().contains(&future),
            "{error}"
        );
    }

    #[test]
    fn the_newest_is_found_across_midnight() {
        let [object, manifest] = both("2026/11/22/backup-20261122-020000");
        let found = read_listing(&listing(&[&manifest, &object, "readme.txt", "2026/11/23/"]));
        let chosen = choose(&found, Selector::Latest, now()).expect("yesterday's");
        assert_eq!(chosen.key.to_string(), object);
    }

    #[test]
    fn only_whole_backups_are_chosen() {
        let [old, old_manifest] = both("2026/11/21/backup-20261121-020000");
        let [lonely_object, _] = both("2026/11/22/backup-20261122-020000");
        let [_, lonely_manifest] = both("2026/11/23/backup-20261123-020000");
        let found = read_listing(&listing(&[&old, &old_manifest, &lonely_object, &lonely_manifest]));
        assert_eq!(
            choose(&found, Selector::Latest, now())
                .expect("the whole one")
                .key
                .to_string(),
            old
        );

        let named = choose(&found, lonely_object.parse().expect("a key"), now()).expect("what was named");
        assert!(!named.is_attested());
        let without_object = choose(&found, Selector::Day(date(2026, 11, 23)), now()).expect_err("no object");
        assert_eq!(without_object.kind(), Kind::Corrupt);
        assert!(
            without_object.next_step().expect("a hint").contains(&old),
            "the hint names what can be used"
        );
    }

    #[test]
    fn nothing_to_choose_is_the_stores_fault() {
        assert_eq!(
            choose(&[], Selector::Latest, now()).expect_err("empty").kind(),
            Kind::Store
        );
        let [object, manifest] = both("2026/11/21/backup-20261121-020000");
        let found = read_listing(&listing(&[&object, &manifest]));
        let error = choose(&found, Selector::Day(date(2026, 11, 22)), now()).expect_err("another day");
        assert_eq!(error.kind(), Kind::Store);
        assert!(error.next_step().expect("a hint").contains(&object));
        let lone = read_listing(&listing(&["2026/11/21/backup-20261121-020000.globals.sql.gz"]));
        let error = choose(&lone, Selector::Latest, now()).expect_err("roles alone");
        assert_eq!(error.kind(), Kind::Store);
        assert!(error.message().contains("no backup"), "{error}");
    }
}

pub(super) fn manifest() -> Manifest {
    let block = |offset, sha256: &str| Block {
        offset,
        stored_bytes: 10,
        raw_bytes: 30,
        sha256: sha256.repeat(32).parse().expect("a digest"),
    };
    Manifest {
        manifest_version: VERSION,
        key: KEY.to_owned(),
        started_at: instant("2026-11-23T02:00:07Z"),
        finished_at: instant("2026-11-23T02:00:19Z"),
        tool_version: "0.1.0".to_owned(),
        pg_dump_version: "15.18".to_owned(),
        source: Source {
            database: "postgres".to_owned(),
            project_ref: Some("mlwfgytjxlqyfxcgpysm".to_owned()),
            system_identifier: Some("7300000000000000000".to_owned()),
            server_version: "15.18".to_owned(),
            identity: Identity::default(),
        },
        copy_settings: [("TimeZone".to_owned(), "UTC".to_owned())].into(),
        raw_bytes: 60,
        head_bytes: 20,
        stored_bytes: 20,
        sha256: "ab".repeat(32),
        framing: Framing::Members,
        blocks: vec![block(0, "01"), block(10, "02")].into(),
        tables: vec![Table {
            schema: "public".to_owned(),
            name: "tenants".to_owned(),
            columns: "(id, \"Full Name\")".to_owned(),
            content: Fingerprint { rows: 3, hash: 7 },
        }],
        large_objects: Fingerprint::default(),
        data_ranges: None,
        entries: vec![EntryDigest::of("TABLE", "public", "tenants", "CREATE TABLE …")],
        sequences: vec![Sequence {
            schema: "public".to_owned(),
            name: "receipts".to_owned(),
            last_value: 41,
            is_called: true,
        }],
        populated_views: vec!["public.totals".to_owned()],
        left_out: vec![LeftOut {
            what: "rows of a foreign table".to_owned(),
            name: "public.prices".to_owned(),
            reason: "they are on another server".to_owned(),
        }],
        extensions: Vec::new(),
        roles: Vec::new(),
        access: None,
        derived: None,
        troubles: None,
        globals: None,
        suspicion: None,
    }
}

mod manifests {
    use super::*;

    #[test]
    fn a_definition_has_one_digest_whatever_a_newer_server_drew_for_its_columns() {
        let digest = |definition: &str| EntryDigest::of("TABLE", "public", "t", definition).digest;
        let (table, owner) = ("CREATE TABLE public.t (\n    a integer\n);\n", "COMMENT;\n");
        let set = |options: &str| {
            format!("{table}ALTER TABLE ONLY public.t ALTER COLUMN a SET ({options});\n{owner}")
        };

        assert_eq!(
            digest(&set("pg_attver=22158952")),
            digest(&format!("{table}{owner}"))
        );
        for drawn in ["pg_attver=22158952, n_distinct=5", "n_distinct=5, pg_attver=1"] {
            assert_eq!(digest(&set(drawn)), digest(&set("n_distinct=5")), "{drawn}");
        }
        assert_ne!(digest(&set("n_distinct=5")), digest(&set("n_distinct=6")));

        let body = |number: u32| format!("CREATE FUNCTION f() … SET (pg_attver={number});\n");
        assert_ne!(
            digest(&body(1)),
            digest(&body(2)),
            "only a column's options are drawn"
        );
    }

    #[test]
    fn a_manifest_comes_back_as_it_was() {
        let document = manifest().encode().expect("a document");
        assert_eq!(Manifest::decode(KEY, &document).expect("a manifest"), manifest());
        assert_eq!(
            manifest().encode().expect("a document"),
            document,
            "the same manifest is the same bytes"
        );
    }

    #[test]
    fn a_change_of_any_byte_shows() {
        let document = manifest().encode().expect("a document");
        for at in 0..document.len() {
            for flip in [1_u8, 0x20, 0x80] {
                let mut changed = document.clone();
                changed[at] ^= flip;
                let error = Manifest::decode(KEY, &changed).expect_err("a changed document");
                assert_eq!(error.kind(), Kind::Corrupt, "byte {at} changed by {flip:#x}");
            }
        }
    }

    #[test]
    fn a_cut_at_any_length_shows() {
        let document = manifest().encode().expect("a document");
        for length in 0..document.len() {
            let error = Manifest::decode(KEY, &document[..length]).expect_err("a cut document");
            assert_eq!(error.kind(), Kind::Corrupt, "cut at {length}");
        }
    }

    #[test]
    fn another_backups_manifest_is_refused() {
        let document = manifest().encode().expect("a document");
        let error = Manifest::decode("2026/11/22/backup-20261122-020000.dump.gz", &document)
            .expect_err("another key");
        assert_eq!(error.kind(), Kind::Corrupt);
    }

    #[test]
    fn another_major_version_is_refused_and_an_unknown_field_is_not() {
        let newer = Manifest {
            manifest_version: HEAD_VERSION + 1,
            ..manifest()
        };
        let error = Manifest::decode(KEY, &newer.encode().expect("a document")).expect_err("a newer version");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.message().contains("version 3"));
        assert!(error.message().contains("made by a newer paycraft-dr"));

        let document = String::from_utf8(manifest().encode().expect("a document")).expect("text");
        let extended = document.replacen("\"key\":", "\"colour\":\"green\",\"key\":", 1);
        let resealed = reseal(&extended);
        assert_eq!(
            Manifest::decode(KEY, resealed.as_bytes()).expect("a manifest"),
            manifest()
        );
    }

    /// The seal as another program would compute it from the documented definition.
    fn reseal(document: &str) -> String {
        use sha2::{Digest, Sha256};
        let digits = document.rfind("\"manifest_sha256\":\"").expect("a seal") + 19;
        let zeroed = format!(
            "{}{}{}",
            &document[..digits],
            "0".repeat(64),
            &document[digits + 64..]
        );
        let seal: String = Sha256::digest(&zeroed)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{}{seal}{}", &document[..digits], &document[digits + 64..])
    }

    #[test]
    fn an_index_must_cover_the_object() {
        let mut with_gap = manifest();
        with_gap.blocks[1].offset = 11;
        let mut too_short = manifest();
        too_short.blocks.pop();
        let mut too_large = manifest();
        too_large.blocks[0].raw_bytes = 1 << 40;
        for wrong in [with_gap, too_short, too_large] {
            let error =
                Manifest::decode(KEY, &wrong.encode().expect("a document")).expect_err("a wrong index");
            assert_eq!(error.kind(), Kind::Corrupt);
        }
    }
}

mod fingerprints {
    use super::*;

    fn of(rows: &[u8]) -> Fingerprint {
        let mut hasher = TableHasher::new();
        hasher.update(rows);
        hasher.finish()
    }

    #[test]
    fn it_is_what_the_definition_says() {
        use twox_hash::xxhash3_128::Hasher;
        let expected = Hasher::oneshot(b"1\tfree").wrapping_add(Hasher::oneshot(b"2\tpro"));
        assert_eq!(
            of(b"1\tfree\n2\tpro\n"),
            Fingerprint {
                rows: 2,
                hash: expected
            }
        );
        assert_eq!(
            of(b"\n"),
            Fingerprint {
                rows: 1,
                hash: Hasher::oneshot(b"")
            },
            "an empty row is a row"
        );
        assert_eq!(of(b""), Fingerprint::default());

        let mut objects = LargeObjectHasher::new();
        objects.began(4711);
        objects.data(b"a\n");
        objects.data(b"b");
        objects.ended();
        assert_eq!(
            objects.finish(),
            Fingerprint {
                rows: 1,
                hash: Hasher::oneshot(b"4711\ta\nb")
            }
        );
    }

    #[test]
    fn it_is_written_with_32_digits() {
        let json = serde_json::to_value(Fingerprint { rows: 2, hash: 0xabc }).expect("a value");
        assert_eq!(
            json,
            serde_json::json!({ "rows": 2, "fingerprint": "00000000000000000000000000000abc" })
        );
        assert!(
            serde_json::from_value::<Fingerprint>(serde_json::json!({ "rows": 2, "fingerprint": "abc" }))
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn neither_order_nor_cuts_matter(
            rows in prop::collection::vec("[a-z\\\\\t]{0,300}", 0..20),
            cuts in prop::collection::vec(0_usize..5000, 0..8),
        ) {
            let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
            let reversed: String = rows.iter().rev().map(|row| format!("{row}\n")).collect();
            let whole = of(text.as_bytes());
            prop_assert_eq!(whole, of(reversed.as_bytes()));

            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (text.len() + 1)).collect();
            cuts.sort_unstable();
            let mut hasher = TableHasher::new();
            let mut from = 0;
            for cut in cuts {
                hasher.update(&text.as_bytes()[from..cut]);
                from = cut;
            }
            hasher.update(&text.as_bytes()[from..]);
            prop_assert_eq!(hasher.finish(), whole);
        }

        #[test]
        fn a_changed_byte_shows(row in "[a-z]{1,200}", at in 0_usize..200) {
            let mut changed = row.clone().into_bytes();
            let at = at % changed.len();
            changed[at] ^= 1;
            prop_assert_ne!(of(row.as_bytes()), of(&changed));
        }
    }
}

mod verdicts {
    use super::*;

    #[test]
    fn only_checks_that_all_passed_prove() {
        let passed = Check::none_of("rows", &[], "all there");
        let failed = Check::none_of("content", &["tenants differ".to_owned()], "equal");
        let skipped = Check::skipped("schema", "no pg_dump");
        assert_eq!(Verdict::over([&passed]), Verdict::Proven);
        assert_eq!(Verdict::over([&passed, &failed]), Verdict::NotProven);
        assert_eq!(Verdict::over([&passed, &skipped]), Verdict::NotProven);
        assert_eq!(Verdict::over([]), Verdict::NotProven, "no checks prove nothing");
    }

    #[test]
    fn a_failed_check_names_some_problems_and_counts_all() {
        let problems: Vec<String> = (0..8).map(|n| format!("problem {n}")).collect();
        let check = Check::none_of("rows", &problems, "fine");
        assert_eq!(check.outcome, CheckOutcome::Failed);
        assert!(check.detail.ends_with("and 3 more"), "{}", check.detail);
    }

    #[test]
    fn an_objective_is_met_up_to_its_last_second() {
        assert!(Measured::against(RTO_OBJECTIVE, RTO_OBJECTIVE).met);
        assert!(!Measured::against(RTO_OBJECTIVE + Duration::from_millis(1), RTO_OBJECTIVE).met);
    }
}

#[test]
fn a_timeline_holds_phases_in_order_with_what_they_moved() {
    let mut timeline = Timeline::default();
    let at = Duration::from_millis;
    timeline.record(at(0), &Event::Began(Phase::Select));
    timeline.record(at(250), &Event::Ended(Phase::Select));
    timeline.record(at(300), &Event::Began(Phase::Transfer));
    timeline.record(at(400), &Event::Bytes(10));
    timeline.record(at(500), &Event::Bytes(20));
    assert_eq!(timeline.running(), Some(Phase::Transfer));
    timeline.record(at(1300), &Event::Ended(Phase::Transfer));
    let spans: Vec<_> = timeline
        .spans()
        .iter()
        .map(|span| (span.name, span.seconds, span.bytes))
        .collect();
    assert_eq!(spans, [(Phase::Select, 0.25, 0), (Phase::Transfer, 1.0, 30)]);
}

#[test]
fn a_secret_never_shows_itself() {
    let secret = Secret::new("hunter2");
    assert_eq!(format!("{secret} {secret:?}"), "*** ***");
}

mod drill_logs {
    use super::*;

    fn row(date: &str) -> DrillLogRow {
        DrillLogRow {
            date: date.to_owned(),
            operator: "ann | bob".to_owned(),
            outcome: "proven".to_owned(),
            ..DrillLogRow::default()
        }
    }

    const BOOTSTRAP: &str = "# Log\n\nIntro.\n\n| Date | Operator | Backup restored | RTO observed | Tables verified | Outcome | Notes |\n|---|---|---|---|---|---|---|\n| _bootstrap_ | - | - | - | - | - | - |\n\n## After\n\n| other | table |\n|---|---|\n| bootstrap | x |\n";

    #[test]
    fn the_first_drill_replaces_the_placeholder_and_nothing_else() {
        let once = drill_log::append(BOOTSTRAP, &row("2026-11-23")).expect("a log");
        let line = "| 2026-11-23 | ann \\| bob |  |  |  | proven |  |\n";
        assert_eq!(
            once,
            BOOTSTRAP.replace("| _bootstrap_ | - | - | - | - | - | - |\n", line)
        );
        let twice = drill_log::append(&once, &row("2026-12-07")).expect("a log");
        let second = line.replace("2026-11-23", "2026-12-07");
        assert_eq!(twice, once.replace(line, &format!("{line}{second}")));
    }

    #[test]
    fn a_new_log_is_begun_and_line_ends_are_kept() {
        let begun = drill_log::append(&drill_log::empty(), &row("2026-11-23")).expect("a log");
        assert!(begun.ends_with("| proven |  |\n"));
        let windows = BOOTSTRAP.replace('\n', "\r\n");
        let added = drill_log::append(&windows, &row("2026-11-23")).expect("a log");
        assert_eq!(added.matches('\n').count(), added.matches("\r\n").count());
    }

    #[test]
    fn a_last_row_without_a_newline_is_kept() {
        let open = drill_log::empty() + "| 2026-10-05 | ann | k | 1 s | 5 | proven | |";
        let added = drill_log::append(&open, &row("2026-11-23")).expect("a log");
        assert!(added.starts_with(&format!("{open}\n| 2026-11-23")));
    }

    #[test]
    fn a_file_without_the_table_is_refused() {
        for text in ["hello\n", "| Date | Operator |\n|---|---|\n"] {
            let error = drill_log::append(text, &row("2026-11-23")).expect_err("no table");
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.next_step().expect("a hint").contains("Tables verified"));
        }
    }
}
