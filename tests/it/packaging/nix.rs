//! The flake as far as it can be looked at without nixpkgs: evaluated against a stand-in, nothing built.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};

use clap::Parser;
use paycraft_dr::cli::args::Arguments;
use paycraft_dr::cli::config::Config;
use paycraft_dr::model::key::Selector;
use serde_json::Value;

use super::deploy::verify_units;
use crate::docs::page::read;
use crate::drill::CALLED;
use crate::kit::{World, query, run, skip};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `scripts/check-flake.sh` comes to, or nothing where there is no Nix.
fn evaluated(tree: &Path) -> Option<Output> {
    if Command::new("nix").arg("--version").output().is_err() {
        skip("nix", "it is not on the path: `make setup-test` installs it");
        return None;
    }
    let mut script = Command::new(root().join("scripts/check-flake.sh"));
    Some(script.arg(tree).output().expect("a shell"))
}

/// The words of a command line as systemd reads the module's: each in quotes.
fn words(line: &str) -> Vec<&str> {
    line.split('"').skip(1).step_by(2).collect()
}

#[test]
fn every_output_of_the_flake_evaluates_against_the_stand_in() {
    let Some(ran) = evaluated(root()) else { return };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told: Value = serde_json::from_slice(&ran.stdout).expect("a document");
    for system in ["x86_64-linux", "aarch64-linux", "x86_64-darwin", "aarch64-darwin"] {
        let program = told["apps"][system]["drill"]["program"]
            .as_str()
            .expect("a program");
        assert!(program.ends_with("/bin/paycraft-dr-drill"), "{program}");
    }

    has_what_it_calls(&told);
    tools_find_their_settings(&told["checks"]["files"]);

    let services = told["systemd"]["services"].as_object().expect("services");
    let names: Vec<&String> = services.keys().collect();
    assert_eq!(
        names,
        ["paycraft-dr-backup", "paycraft-dr-drill", "paycraft-dr-status"]
    );
    for (name, service) in services {
        let commands = service["serviceConfig"]["ExecStart"]
            .as_array()
            .expect("commands");
        for command in commands {
            let words = words(command.as_str().expect("a command"));
            Arguments::try_parse_from(&words)
                .unwrap_or_else(|refusal| panic!("{name}: {words:?}: {refusal}"));
        }
        let credentials = service["serviceConfig"]["LoadCredential"].to_string();
        assert_eq!(
            credentials.contains("source-url"),
            name == "paycraft-dr-backup",
            "only a backup is given production's address: {credentials}"
        );
    }
    let timers = &told["systemd"]["timers"];
    assert_eq!(
        timers["paycraft-dr-backup"]["timerConfig"]["OnCalendar"],
        "*-*-* 02:00:00 UTC"
    );
    assert_eq!(
        timers["paycraft-dr-status"]["timerConfig"]["OnCalendar"],
        "*-*-* *:30:00"
    );
    assert_eq!(
        timers["paycraft-dr-drill"]["timerConfig"]["OnCalendar"],
        "Mon *-*-01..07 04:00:00 UTC"
    );

    let units = tempfile::tempdir().expect("a directory");
    for (name, service) in services {
        std::fs::write(units.path().join(format!("{name}.service")), unit(service)).expect("a unit");
    }
    for (name, timer) in timers.as_object().expect("timers") {
        let calendar = timer["timerConfig"]["OnCalendar"].as_str().expect("a schedule");
        let plain = read(&format!("deploy/systemd/{name}.timer"));
        assert!(
            plain.contains(&format!("\nOnCalendar={calendar}\n")),
            "{name}: {plain}"
        );
        let text = format!("[Timer]\nOnCalendar={calendar}\nPersistent=true\n");
        std::fs::write(units.path().join(format!("{name}.timer")), text).expect("a unit");
    }
    verify_units(units.path());
}

/// Wherever the program is installed, and where its tests run, there is every program that a drill calls.
fn has_what_it_calls(told: &Value) {
    let tests = told["checks"]["tests"].as_array().expect("inputs");
    for (system, installed) in told["installed"].as_object().expect("systems") {
        for (program, package) in CALLED {
            let is_theirs = package != "util-linux" || system.ends_with("-linux");
            let on_path = |how: &str| {
                let script = installed[how].as_str().expect("a script");
                let (_, path) = script.split_once("--suffix PATH : ").expect("a path");
                path.trim()
                    .split(':')
                    .any(|place| place.ends_with(&format!("-{package}/bin")))
            };
            assert_eq!(on_path("default"), is_theirs, "{system}: {program} of {package}");
            assert!(
                !on_path("slim"),
                "{system}: {package}, and without drills nobody calls {program}"
            );
            assert!(
                tests.iter().any(|input| input == package),
                "the tests lack {package}"
            );
        }
    }
}

/// Formatting and lints are held to the tree's own settings, not to those that each tool has without any.
fn tools_find_their_settings(files: &Value) {
    for (check, settings) in [
        ("fmt", "rustfmt.toml"),
        ("clippy", "clippy.toml"),
        ("tests", "deny.toml"),
    ] {
        let files = files[check].as_array().expect("files");
        let mut files = files.iter().map(|file| Path::new(file.as_str().expect("a path")));
        // Either the file itself is named, or the folder of everything.
        assert!(
            files.any(|file| file.ends_with(settings) || file.display().to_string().ends_with("-source")),
            "checks.{check} does not see {settings}"
        );
    }
}

/// A service as NixOS writes it.
fn unit(service: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        other => other.to_string(),
    };
    let mut unit = format!(
        "[Unit]\nDescription={}\n[Service]\n",
        text(&service["description"])
    );
    for (name, value) in service["environment"].as_object().expect("variables") {
        let _ = writeln!(unit, "Environment=\"{name}={}\"", text(value));
    }
    for (name, value) in service["serviceConfig"].as_object().expect("settings") {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values {
            let _ = writeln!(unit, "{name}={}", text(&value));
        }
    }
    unit
}

#[test]
fn a_mistake_in_the_module_or_the_lock_is_found() {
    let place = tempfile::tempdir().expect("a directory");
    let copy = |from: &str, to: &str| {
        let mut copy = Command::new("cp");
        let copied = copy.args(["-R", from, to]).current_dir(root()).status();
        assert!(copied.expect("cp").success());
    };
    let tree = place.path().to_str().expect("a path");
    for part in [
        "flake.nix",
        "flake.lock",
        "nix",
        "Cargo.toml",
        "Cargo.lock",
        "clippy.toml",
        "rustfmt.toml",
        "src",
        "fixtures",
        "benches",
        "tests",
    ] {
        copy(part, tree);
    }
    for (file, right, wrong, said) in [
        (
            "nix/module.nix",
            "serviceConfig = {",
            "serviceConfgi = {",
            "there is no option systemd.services",
        ),
        (
            "nix/module.nix",
            "OnCalendar = schedule;",
            "OnCalendar = scedule;",
            "undefined variable 'scedule'",
        ),
        (
            "nix/machines.nix",
            "enableTCPIP = true;",
            "enableTCPIP = 1;",
            "enableTCPIP is no boolean",
        ),
        (
            "nix/machines.nix",
            "source.urlFile = \"/etc/paycraft/source\";",
            "source.urlFile = ./machines.sql;",
            "the secret source-url would lie in the store",
        ),
        (
            "nix/machines.nix",
            "accessKeyIdFile = \"/etc/paycraft/id\";",
            "accessKeyIdFile = \"${./machines.sql}\";",
            "would lie in the store",
        ),
        ("nix/package.nix", "../fixtures\n", "../fixture\n", "is not there"),
        ("nix/shell.nix", "seaweedfs", "minio", "wants minio"),
        (
            "flake.lock",
            "\"ref\": \"nixos-26.05\"",
            "\"ref\": \"nixos-25.11\"",
            "nixos-26.05",
        ),
    ] {
        let path = place.path().join(file);
        let whole = std::fs::read_to_string(&path).expect("a file");
        assert!(whole.contains(right), "{file} no longer says {right:?}");
        std::fs::write(&path, whole.replace(right, wrong)).expect("a file");
        let Some(ran) = evaluated(place.path()) else {
            return;
        };
        let error = String::from_utf8_lossy(&ran.stderr);
        assert!(
            !ran.status.success() && error.contains(said),
            "{file}: {wrong}: {error}"
        );
        std::fs::write(&path, whole).expect("a file");
    }
}

#[test]
fn the_package_takes_every_file_that_is_compiled_in() {
    let mut outside = Vec::new();
    let mut folders = ["src", "tests/it", "benches"]
        .map(|folder| root().join(folder))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).expect("a source");
            let named = ["include_str!(\"", "include_bytes!(\""]
                .into_iter()
                .flat_map(|how| text.split(how).skip(1));
            for path in named.filter_map(|rest| rest.split('"').next()) {
                let whole = entry.path().parent().expect("a folder").join(path);
                let whole = whole.canonicalize().expect("a file that is there");
                let inside = ["src", "fixtures", "tests/it", "benches"]
                    .map(|known| root().join(known).canonicalize().expect("a folder"));
                if !inside.iter().any(|known| whole.starts_with(known)) {
                    outside.push(whole);
                }
            }
        }
    }
    assert!(
        outside.is_empty(),
        "neither nix/package.nix nor Cargo.toml takes {outside:?}"
    );
}

#[test]
fn the_module_writes_settings_that_the_program_knows() {
    let module = std::fs::read_to_string(root().join("nix/module.nix")).expect("the module");
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("paycraft-dr.toml");
    let (_, settings) = module
        .split_once("services.paycraft-dr.settings = {")
        .expect("settings");
    let (settings, _) = settings.split_once("\n    };").expect("their end");
    let mut toml = String::new();
    for line in settings.lines().map(str::trim) {
        if let Some(section) = line.strip_suffix(" = {") {
            let _ = writeln!(toml, "[{section}]");
        } else if let Some((key, _)) = line.split_once(" = ") {
            let _ = writeln!(toml, "{key} = \"text\"");
        }
    }
    assert!(toml.contains("[status]") && toml.contains("drill_log"), "{toml}");
    std::fs::write(&file, &toml).expect("a file");
    Config::read(&file).unwrap_or_else(|error| panic!("{error}: {toml}"));
}

/// The machines of `nix/machines.nix` cannot be started here; what they do to the database can be done.
#[test]
fn the_product_of_the_machines_is_backed_up_lost_and_restored() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(&read("nix/machines.sql")).await;
        world.back_up(&source).await.expect("a backup");
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert!(
            restored.verification.verdict.is_proven(),
            "{:?}",
            restored.verification
        );
        let tiers = query(&source, "SELECT count(*)::text FROM tier_definitions").await;
        assert_eq!(tiers, "3");
    });
}
