//! Scenarios: their files, those that are drawn by chance, and what a drill makes of them.

use std::collections::BTreeSet;
use std::path::Path;

use paycraft_dr::drill::scenario::{self, Expectation, Scenario, draw};
use proptest::prelude::*;
use tempfile::TempDir;

use super::kit::{json, leftovers, output, postgres, processes_about, program, run, said};

/// A file of a user's own.
const OWN: &str = r#"
description = "A table is read-only"
why = "Somebody may have made it so"
expect = "recovers"

[[faults]]
at = { phase = "backup" }
what.reset = "source"
"#;

#[test]
fn every_file_is_embedded_and_says_what_it_is_for() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios");
    let files: BTreeSet<String> = std::fs::read_dir(place)
        .expect("a directory")
        .flatten()
        .map(|file| {
            file.path()
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let known = scenario::all().expect("scenarios");
    let names: BTreeSet<String> = known.iter().map(|scenario| scenario.name.clone()).collect();
    assert_eq!(files, names);
    assert!(names.len() >= 40);
    for scenario in known {
        let again =
            Scenario::parse(&scenario.name, &scenario.to_toml().expect("TOML"), "again").expect("a scenario");
        assert_eq!(again, scenario);
    }
}

#[test]
fn a_bad_file_is_told_with_line_and_field() {
    let cases = [
        (OWN.replace("why", "reason"), "line 3", "unknown field `reason`"),
        (
            OWN.replace("\"recovers\"", "\"recover\""),
            "line 4",
            "unknown variant `recover`",
        ),
        (
            OWN.replace("what.reset = \"source\"", "what.reset = \"sauce\""),
            "line 8",
            "unknown variant `sauce`",
        ),
        (
            OWN.replace("phase = \"backup\"", "phase = \"lunch\""),
            "line 7",
            "unknown variant `lunch`",
        ),
        (
            OWN.replace("why = \"Somebody may have made it so\"", "why = \" \""),
            "why",
            "says nothing",
        ),
        (
            OWN.replace("expect = \"recovers\"", "expect.falls-back = { to_days = 2 }"),
            "2 days",
            "history_days",
        ),
        (format!("history_days = [2, 1]\n{OWN}"), "history_days", "grow"),
        ("description = 3".to_owned(), "line 1", "expected a string"),
        ("= 3".to_owned(), "line 1", "is no scenario"),
    ];
    for (text, place, what) in cases {
        let refused = Scenario::parse("mine", &text, "mine.toml").expect_err("a bad file");
        let told = refused.to_string();
        assert!(
            told.contains("mine.toml") && told.contains(place) && told.contains(what),
            "{told}\n{text}"
        );
    }
}

#[test]
fn chance_draws_from_everything_that_can_break() {
    let drawn: Vec<Scenario> = (0..2000).map(draw).collect();
    let kinds: BTreeSet<String> = drawn
        .iter()
        .flat_map(|scenario| &scenario.faults)
        .map(|fault| fault.what.name().split(' ').next().unwrap_or_default().to_owned())
        .collect();
    for kind in [
        "latency",
        "bandwidth",
        "slow-close",
        "timeout",
        "reset-peer",
        "slicer",
        "limit-data",
        "cut",
        "reset",
        "store",
        "damage",
        "foreign-keys",
        "old-keys",
        "clock-ahead-hours",
        "program",
        "tool",
        "backends",
        "server",
        "space",
        "sql",
        "session",
        "writes",
        "mistake",
        "cutover",
    ] {
        assert!(kinds.contains(kind), "{kind} is never drawn: {kinds:?}");
    }
    assert!(drawn.iter().any(|scenario| scenario.faults.len() == 3));
}

proptest! {
    #[test]
    fn a_drawn_scenario_is_the_same_again_and_can_be_a_file(seed in any::<u64>()) {
        let drawn = draw(seed);
        prop_assert_eq!(&draw(seed), &drawn);
        prop_assert_eq!(&drawn.expect, &Expectation::KeepsTheInvariants);
        let file = drawn.to_toml().expect("TOML");
        let read = Scenario::parse(&drawn.name, &file, "drawn.toml").expect("a scenario");
        prop_assert_eq!(&read.faults, &drawn.faults);
        prop_assert_eq!(read.history_days, drawn.history_days);
    }
}

/// A place for everything a drill makes, and a drill of `scenario` in it.
fn drill(place: &TempDir, arguments: &[&str]) -> std::process::Command {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let tmp = place.path().join("tmp");
    std::fs::create_dir_all(&tmp).expect("a directory");
    let mut command = program(&["drill", "--seed", "1", "--substrate", "local", "--json"]);
    command
        .args(arguments)
        .arg("--report")
        .arg(place.path().join("drills"))
        .env("TMPDIR", tmp)
        .current_dir(place);
    command
}

#[track_caller]
fn assert_nothing_left(place: &TempDir) {
    let tmp = place.path().join("tmp");
    assert!(leftovers(&tmp).is_empty(), "{:?}", leftovers(&tmp));
    assert!(processes_about(&tmp).is_empty(), "{:?}", processes_about(&tmp));
}

/// The names of checks that did not pass.
fn failed(drill: &serde_json::Value) -> Vec<&str> {
    let checks = drill["checks"].as_array().expect("checks").iter();
    checks
        .filter(|check| check["outcome"] != "passed")
        .map(|check| check["name"].as_str().expect("a name"))
        .collect()
}

#[test]
fn a_fault_that_never_fires_and_an_expectation_that_is_wrong_fail_the_drill() {
    run(async {
        if postgres().is_none() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        for (name, text, check) in [
            // Nothing is put into service in this one, so that phase never comes.
            (
                "never",
                OWN.replace("phase = \"backup\"", "phase = \"cutover\""),
                "faults",
            ),
            (
                "wrong",
                OWN.replace(
                    "expect = \"recovers\"",
                    "expect.refuses = { exit_code = 4, says = \"x\" }",
                ),
                "expectation",
            ),
        ] {
            let file = place.path().join(format!("{name}.toml"));
            std::fs::write(&file, text).expect("a file");
            let held = output(drill(&place, &["--scenario", &file.display().to_string()])).await;
            let document = json(&held);
            assert_eq!(document["exit_code"], 3, "{document}");
            assert!(failed(&document).contains(&check), "{name}: {document}");
            let repeat = document["repeat"].as_str().expect("a command");
            assert!(
                repeat.ends_with(&format!(
                    "--scenario {} --seed 1 --substrate local",
                    file.display()
                )),
                "{repeat}"
            );
            assert_nothing_left(&place);
        }
    });
}

#[test]
fn the_same_seed_comes_to_the_same_end() {
    run(async {
        if postgres().is_none() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        let mut ends = Vec::new();
        for _ in 0..2 {
            let document = json(&output(drill(&place, &["--scenario", "upload-reset"])).await);
            let checks: Vec<_> = document["checks"]
                .as_array()
                .expect("checks")
                .iter()
                .map(|check| (check["name"].clone(), check["outcome"].clone()))
                .collect();
            ends.push((document["verdict"].clone(), document["happened"].clone(), checks));
        }
        assert_eq!(ends[0], ends[1]);
        assert_eq!(ends[0].0, "proven");
        assert!(
            ends[0].2.iter().any(|(name, _)| name == "canaries"),
            "{:?}",
            ends[0].2
        );
        assert_nothing_left(&place);
    });
}

#[test]
fn scenarios_drawn_by_chance_keep_every_invariant_and_make_a_scorecard() {
    run(async {
        if postgres().is_none() {
            return;
        }
        let place = tempfile::tempdir().expect("a directory");
        let held = output(drill(
            &place,
            &["--scenario", "random", "--runs", "4", "--scale", "256KiB"],
        ))
        .await;
        let document = json(&held);
        assert_eq!(document["exit_code"], 0, "{}", said(&held));
        assert_eq!((&document["passed"], &document["failed"]), (&4.into(), &0.into()));
        let drills = document["drills"].as_array().expect("drills");
        assert_eq!(drills.len(), 4);
        assert_eq!(
            drills[2]["repeat"],
            "paycraft-dr drill --scenario random --seed 3 --scale 262144 --substrate local"
        );
        let page = std::fs::read_to_string(place.path().join("drills/scorecard-1.md")).expect("a page");
        assert!(page.contains("4 passed, 0 failed"), "{page}");
        assert_nothing_left(&place);
    });
}

#[test]
fn scenarios_are_listed_and_shown() {
    let listed = program(&["scenarios", "--json"])
        .output()
        .expect("the program starts");
    let document = json(&listed);
    let rows = document["scenarios"].as_array().expect("rows");
    assert!(rows.len() >= 40);
    assert!(
        rows.iter()
            .all(|row| row["why"].as_str().is_some_and(|why| !why.is_empty()))
    );
    let shown = program(&["scenarios", "download-reset"])
        .output()
        .expect("the program starts");
    let text = String::from_utf8(shown.stdout).expect("text");
    Scenario::parse("mine", &text, "mine.toml").expect("a scenario");
    let unknown = program(&["scenarios", "nothing-of-the-kind"])
        .output()
        .expect("the program starts");
    assert_eq!(unknown.status.code(), Some(2));
    for arguments in [
        &["drill", "--runs", "3"][..],
        &["drill", "--at-once", "2"],
        &["drill", "--scenario", "nothing"],
    ] {
        let refused = program(arguments).output().expect("the program starts");
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{arguments:?}: {}",
            said(&refused)
        );
        assert!(
            said(&refused).contains("hint: "),
            "{arguments:?}: {}",
            said(&refused)
        );
    }
}
