//! Where a configuration is found, and which one is not taken.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::kit::{json, output, program, run, said};

/// A product of this name.
fn write(path: &Path, name: &str) {
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    std::fs::write(path, format!("[product]\nname = {name:?}\n")).expect("a file");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).expect("permissions");
}

/// The product that the command finds.
async fn product(mut command: Command) -> String {
    command.args(["config", "show", "--json"]);
    let shown = output(command).await;
    assert_eq!(shown.status.code(), Some(0), "{}", said(&shown));
    let settings = json(&shown)["settings"].clone();
    let rows = settings.as_array().expect("settings");
    let row = rows.iter().find(|row| row["setting"] == "product.name");
    row.expect("a name")["value"].as_str().expect("text").to_owned()
}

#[test]
fn the_nearest_configuration_holds() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        let at = |path: &str| place.path().join(path);
        let here = || {
            let mut command = program(&[]);
            command.current_dir(place.path()).env("HOME", at("home"));
            command
        };
        assert_eq!(product(here()).await, "paycraft");
        write(&at("home/.config/paycraft-dr/config.toml"), "at-home");
        assert_eq!(product(here()).await, "at-home");
        write(&at("xdg/paycraft-dr/config.toml"), "xdg");
        let mut elsewhere = here();
        elsewhere.env("XDG_CONFIG_HOME", at("xdg"));
        assert_eq!(product(elsewhere).await, "xdg");
        let mut relative = here();
        relative.env("XDG_CONFIG_HOME", "xdg");
        assert_eq!(
            product(relative).await,
            "at-home",
            "a relative one does not count"
        );
        write(&at("paycraft-dr.toml"), "here");
        assert_eq!(product(here()).await, "here");
        write(&at("named.toml"), "by-variable");
        let mut variable = here();
        variable.env("PAYCRAFT_DR_CONFIG", at("named.toml"));
        assert_eq!(product(variable).await, "by-variable");
        write(&at("flag.toml"), "by-flag");
        let mut flag = here();
        flag.env("PAYCRAFT_DR_CONFIG", at("named.toml"))
            .args(["--config", "flag.toml"]);
        assert_eq!(product(flag).await, "by-flag");

        let mut told = here();
        told.args(["-v", "config", "show"]);
        let told = said(&output(told).await);
        assert!(
            told.contains("paycraft-dr.toml") && told.contains("found"),
            "{told}"
        );
    });
}

#[test]
fn a_named_configuration_that_is_missing_is_an_error() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        let mut command = program(&["config", "show"]);
        command
            .current_dir(place.path())
            .env("PAYCRAFT_DR_CONFIG", "/nonexistent.toml");
        let ended = output(command).await;
        let told = said(&ended);
        assert_eq!(ended.status.code(), Some(2), "{told}");
        assert!(
            told.contains("/nonexistent.toml") && told.contains("set PAYCRAFT_DR_CONFIG"),
            "{told}"
        );
    });
}

#[test]
fn a_configuration_that_others_may_have_written_is_refused_unless_it_is_named() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("paycraft-dr.toml");
        let show = |named: bool| {
            let mut command = program(&["config", "show"]);
            command.current_dir(place.path());
            if named {
                command.args(["--config", "paycraft-dr.toml"]);
            }
            output(command)
        };
        write(&file, "shop");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o646)).expect("permissions");
        let refused = show(false).await;
        let told = said(&refused);
        assert_eq!(refused.status.code(), Some(4), "{told}");
        assert!(
            told.contains("can be written by every user") && told.contains("hint: "),
            "{told}"
        );
        assert_eq!(show(true).await.status.code(), Some(0));
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("permissions");
        assert_eq!(show(false).await.status.code(), Some(0));
        // Only root can give a file away.
        if std::os::unix::fs::chown(&file, Some(65_534), None).is_ok() {
            let refused = show(false).await;
            assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
            assert!(said(&refused).contains("belongs to another user (65534)"));
            assert_eq!(show(true).await.status.code(), Some(0));
            let link = place.path().join("link");
            std::fs::rename(&file, &link).expect("a file");
            std::os::unix::fs::symlink(&link, &file).expect("a link");
            assert_eq!(show(false).await.status.code(), Some(4), "behind a link");
        }
    });
}

#[test]
fn what_needs_no_configuration_looks_for_none() {
    run(async {
        let place = tempfile::tempdir().expect("a directory");
        std::fs::write(place.path().join("paycraft-dr.toml"), "nonsense").expect("a file");
        for (arguments, code) in [
            (&["man", "pages"][..], 0),
            (&["completions", "bash"], 0),
            (&["scenarios"], 0),
            (&["list"], 2),
        ] {
            let mut command = program(arguments);
            command.current_dir(place.path());
            let ended = output(command).await;
            assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {}", said(&ended));
        }
    });
}
