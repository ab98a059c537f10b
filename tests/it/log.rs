//! The log: what is in it, where it goes, and that no secret and no row is in it.

mod secrets;
mod waits;

use std::os::unix::fs::PermissionsExt;

use super::kit::{World, json, output, program, run, said};

#[test]
fn a_log_is_written_only_where_it_is_asked_for_and_never_on_stdout() {
    run(async {
        let Some(world) = World::new().await else { return };
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("dr.log");
        let list = |arguments: &[&str]| {
            let mut command = program(&[&["list", "--json"], arguments].concat());
            command.envs(world.bucket.environment()).current_dir(place.path());
            command
        };
        let silent = output(list(&[])).await;
        assert!(silent.stderr.is_empty(), "{}", said(&silent));

        let told = output(list(&["-v"])).await;
        assert_eq!(json(&told)["ok"], true);
        let lines = String::from_utf8_lossy(&told.stderr);
        assert!(lines.contains(r#"run{verb="list"}: paycraft_dr"#), "{lines}");
        assert!(!lines.contains("DEBUG"), "{lines}");
        let told = output(list(&["-vv"])).await;
        let lines = String::from_utf8_lossy(&told.stderr);
        let request = r#"request{operation="ListObjectsV2" method="GET" key=""#;
        assert!(lines.contains(request) && lines.contains("status=200"), "{lines}");
        assert!(
            lines.lines().all(|line| line.contains(" paycraft_dr::")),
            "{lines}"
        );

        // Another filter, a file, and appended to it.
        for _ in 0..2 {
            let mut command = list(&["--log-file", "dr.log", "--log-format", "json"]);
            command.env("PAYCRAFT_LOG", "warn,paycraft_dr::store=debug");
            let told = output(command).await;
            assert!(told.stderr.is_empty(), "{}", said(&told));
        }
        let lines = std::fs::read_to_string(&file).expect("a log");
        let lines: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("an object"))
            .collect();
        let requests = lines.iter().filter(|line| line["status"] == 200);
        assert_eq!(requests.count(), 2, "{lines:?}");
        assert!(
            lines
                .iter()
                .all(|line| line["target"] == "paycraft_dr::store::s3::requests")
        );
        let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Without a filter a file is told as much as with -v.
        let plain = output(list(&["--log-file", "plain.log"])).await;
        assert!(plain.stderr.is_empty(), "{}", said(&plain));
        let lines = std::fs::read_to_string(place.path().join("plain.log")).expect("a log");
        assert!(lines.contains("INFO") && !lines.contains("DEBUG"), "{lines}");
    });
}

#[test]
fn a_log_that_cannot_be_kept_is_refused_before_all_else() {
    for (filter, file, says) in [
        (
            "loud",
            "dr.log",
            "PAYCRAFT_LOG is no filter: \"loud\" is no level",
        ),
        ("paycraft_dr=loud", "dr.log", "PAYCRAFT_LOG is no filter"),
        (
            "",
            "no/such/directory/dr.log",
            "cannot write the log to no/such/directory/dr.log",
        ),
    ] {
        let place = tempfile::tempdir().expect("a directory");
        // The store's settings are missing, too, and that would be the next to be told.
        let refused = program(&["list", "--json", "--log-file", file])
            .env("PAYCRAFT_LOG", filter)
            .current_dir(place.path())
            .output()
            .expect("the program starts");
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        let error = json(&refused)["error"].clone();
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|told| told.starts_with(says)),
            "{error}"
        );
        assert!(error["hint"].is_string(), "{error}");
    }
}
