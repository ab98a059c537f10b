//! The examples of `deploy/`: units that systemd takes, manifests that Kubernetes takes, commands that the program takes.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use paycraft_dr::cli::args::Arguments;
use paycraft_dr::cli::config::Config;
use paycraft_dr::drill::cluster::{Cluster, Traits};
use paycraft_dr::drill::server_user::ServerUser;
use paycraft_dr::error::Kind;
use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::Side;
use serde_json::{Value, json};

use crate::kit::{World, assert_proven, drill_place, execute, query, run, skip};
use crate::supabase::project::supabase;

/// What a unit may expose at most, in tenths of what `systemd-analyze security` counts to ten.
const MOST_EXPOSED: &str = "20";

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Holds every unit of a directory to what systemd demands, and services to an exposure. Their program is put in.
pub fn verify_units(directory: &Path) {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        skip(
            "systemd-analyze",
            "it is not on the path: `make setup-test` installs systemd",
        );
        return;
    }
    let own = env!("CARGO_BIN_EXE_paycraft-dr");
    let mut units = Vec::new();
    for path in files(directory).into_iter().filter(|path| path.is_file()) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a unit");
        let with_program = text.lines().map(|line| match line.strip_prefix("ExecStart=") {
            Some(command) => {
                let (_, arguments) = command.split_once(' ').expect("arguments");
                format!("ExecStart={own} {arguments}\n")
            }
            None => format!("{line}\n"),
        });
        std::fs::write(&path, with_program.collect::<String>()).expect("a unit");
        if path
            .extension()
            .is_some_and(|kind| kind == "service" || kind == "timer")
        {
            units.push(name);
        }
    }
    assert!(units.len() >= 6, "{units:?}");
    let analyze = |arguments: &[&str], units: &[String]| {
        let mut analyze = Command::new("systemd-analyze");
        analyze
            .args(arguments)
            .args(units)
            .env("SYSTEMD_UNIT_PATH", format!("{}:", directory.display()))
            .env("HOME", directory);
        let ran = analyze.output().expect("systemd-analyze");
        let said = [ran.stdout, ran.stderr].concat();
        (ran.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (holds, said) = analyze(&["verify", "--man=no"], &units);
    assert!(holds && said.is_empty(), "{said}");
    for unit in units.iter().filter(|unit| unit.contains(".service")) {
        let threshold = format!("--threshold={MOST_EXPOSED}");
        let (holds, said) = analyze(
            &["security", "--no-pager", "--offline=yes", &threshold],
            std::slice::from_ref(unit),
        );
        assert!(holds, "{said}");
    }
}

#[test]
fn systemd_takes_the_units() {
    let place = tempfile::tempdir().expect("a directory");
    let mut copy = Command::new("cp");
    let copied = copy
        .arg("-R")
        .arg(example("systemd/."))
        .arg(place.path())
        .status();
    assert!(copied.expect("cp").success());
    verify_units(place.path());
}

#[test]
fn units_run_what_the_program_knows_and_give_only_backups_productions_address() {
    let mut commands = Vec::new();
    for path in files(&example("systemd")) {
        if path.extension().is_none_or(|extension| extension != "service") {
            continue;
        }
        let unit = std::fs::read_to_string(&path).expect("a unit");
        for line in unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            let parsed = Arguments::try_parse_from(line.split_whitespace());
            let parsed = parsed.unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()));
            commands.push(parsed.command.name());
        }
        let is_backup = path.ends_with("paycraft-dr-backup.service");
        assert_eq!(unit.contains("SUPABASE_DB_URL"), is_backup, "{}", path.display());
        for credential in unit
            .lines()
            .filter_map(|line| line.strip_prefix("LoadCredential="))
        {
            let (name, _) = credential.split_once(':').expect("a file");
            assert!(
                unit.contains(&format!("_FILE=%d/{name}\n")),
                "{name} is loaded, and not used"
            );
        }
    }
    assert_eq!(commands, ["backup", "prune", "drill", "status"]);
}

/// Every document of the manifests, with its file; nothing where they cannot be read.
fn manifests() -> Option<Vec<(String, Value)>> {
    const READ: &str = "import json, sys, yaml
print(json.dumps([d for d in yaml.safe_load_all(open(sys.argv[1])) if d]))";
    let mut found = Vec::new();
    for path in files(&example("kubernetes")) {
        let read = Command::new("python3").args(["-c", READ]).arg(&path).output();
        let Some(read) = read.ok().filter(|read| read.status.success()) else {
            skip(
                "python3-yaml",
                "python3 has no module yaml: `make setup-test` installs it",
            );
            return None;
        };
        let documents: Vec<Value> = serde_json::from_slice(&read.stdout).expect("documents");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        found.extend(documents.into_iter().map(|document| (name.clone(), document)));
    }
    Some(found)
}

fn list(value: &Value) -> Vec<&Value> {
    value
        .as_array()
        .map(|list| list.iter().collect())
        .unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// The SQL that the server of the weekly restore is set up with.
fn roles(manifests: &[(String, Value)]) -> String {
    let mut of_the_check = manifests.iter().filter(|(name, _)| name == "restore-check.yaml");
    let roles = of_the_check.find(|(_, document)| document["kind"] == "ConfigMap");
    text(&roles.expect("roles").1["data"]["roles.sql"]).to_owned()
}

#[test]
fn a_project_of_supabase_comes_back_in_the_server_of_the_weekly_restore() {
    run(async {
        let Some(manifests) = manifests() else { return };
        let Some(world) = World::new().await else { return };
        let product = supabase(world.postgres).product(Side::Source).await;
        let everybodys = "CREATE POLICY readers ON public.tenants TO anon USING (false);
            CREATE POLICY service ON public.tenants TO service_role USING (true)";
        execute(&product, everybodys).await;
        world.back_up(&product).await.expect("a backup");

        // Roles are the whole server's: it has to be one that no other test has made roles on.
        let place = drill_place();
        let directory = place.path().join("tmp").join("server");
        let user = ServerUser::suitable().expect("a user");
        user.take_over(&place.path().join("tmp")).expect("a directory");
        let installation = &world.postgres.installation;
        let server = Cluster::start(installation, &directory, user, Traits::default())
            .await
            .expect("a server");
        let target = server.conninfo(Side::Target, "postgres").expect("an address");
        let refused = world.restore_into(Selector::Latest, target.clone()).await;
        let refused = refused.expect_err("no roles");
        assert_eq!(refused.kind(), Kind::Refused, "{refused}");
        execute(&target, &roles(&manifests)).await;
        let restored = world.restore_into(Selector::Latest, target.clone()).await;
        let restored = restored.unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
        assert_proven(&restored.verification);
        let bypasses = "SELECT rolbypassrls::text FROM pg_roles WHERE rolname = 'service_role'";
        assert_eq!(query(&target, bypasses).await, "true", "as at Supabase");
        server.stop().await;
    });
}

#[test]
fn a_prune_that_fails_makes_no_second_backup() {
    let Some(manifests) = manifests() else { return };
    for (name, job) in manifests
        .iter()
        .filter(|(_, document)| document["kind"] == "CronJob")
    {
        let job = &job["spec"]["jobTemplate"]["spec"];
        let pod = &job["template"]["spec"];
        let is_tried_again = job["backoffLimit"] != 0;
        let begins_with_a_backup = list(&pod["initContainers"])
            .iter()
            .any(|container| container["name"] == "backup");
        assert_eq!(is_tried_again, begins_with_a_backup, "{name}");
        if !is_tried_again {
            continue;
        }
        for container in list(&pod["containers"]) {
            let ends = json!({
                "action": "FailJob",
                "onExitCodes": { "containerName": container["name"], "operator": "NotIn", "values": [0] },
            });
            let rules = list(&job["podFailurePolicy"]["rules"]);
            assert!(rules.contains(&&ends), "{name}: {}", container["name"]);
            // Elsewhere the cluster refuses the policy.
            assert_eq!(pod["restartPolicy"], "Never", "{name}");
        }
    }
}

#[test]
fn pods_that_share_a_volume_of_one_node_share_the_node() {
    let Some(manifests) = manifests() else { return };
    let mut sharing = Vec::new();
    for (name, pod) in pods(&manifests) {
        let volumes = list(&pod["volumes"]);
        let claims = volumes
            .iter()
            .any(|volume| volume["persistentVolumeClaim"].is_object());
        let affinity = &pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
        let beside = &affinity["labelSelector"]["matchExpressions"][0]["values"];
        assert_eq!(claims, beside.is_array(), "{name}");
        if claims {
            assert_eq!(*beside, json!(["drill", "status"]), "{name}");
            assert_eq!(affinity["topologyKey"], "kubernetes.io/hostname", "{name}");
            sharing.push(name);
        }
    }
    assert_eq!(sharing, ["drill.yaml", "status.yaml"]);
}

/// The pods of the jobs, by the name of their file.
fn pods(manifests: &[(String, Value)]) -> Vec<(&str, &Value)> {
    let jobs = manifests
        .iter()
        .filter(|(_, document)| document["kind"] == "CronJob");
    jobs.map(|(name, job)| {
        (
            name.as_str(),
            &job["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        )
    })
    .collect()
}

#[test]
fn kubernetes_takes_the_manifests() {
    let mut validate = Command::new("kubernetes-validate");
    validate.args(["--strict", "--quiet"]);
    let manifests = files(&example("kubernetes"));
    validate.args(
        manifests
            .iter()
            .filter(|path| !path.ends_with("kustomization.yaml")),
    );
    let Ok(ran) = validate.output() else {
        skip(
            "kubernetes-validate",
            "it is not on the path: `make setup-test` installs it",
        );
        return;
    };
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success(), "{said}");
}

#[test]
fn pods_are_given_no_more_than_they_need() {
    let Some(manifests) = manifests() else { return };
    let pods = pods(&manifests);
    assert_eq!(pods.len(), 4);
    for (name, pod) in pods {
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
            "{name}"
        );
        for container in list(&pod["initContainers"])
            .into_iter()
            .chain(list(&pod["containers"]))
        {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
            let image = text(&container["image"]);
            assert!(
                image.contains("@sha256:") || image == "ghcr.io/paycraft/paycraft-dr",
                "{name}: {image}"
            );
        }
        for volume in list(&pod["volumes"]) {
            if volume["secret"].is_object() {
                assert_eq!(
                    volume["secret"]["defaultMode"], 0o440,
                    "{name}: the program refuses a secret for all"
                );
            }
        }
    }
}

#[test]
fn pods_run_what_the_program_knows_with_secrets_that_are_there() {
    let Some(manifests) = manifests() else { return };
    let mut commands = Vec::new();
    for (name, pod) in pods(&manifests) {
        let containers = list(&pod["initContainers"])
            .into_iter()
            .chain(list(&pod["containers"]));
        for container in containers.filter(|container| text(&container["image"]).ends_with("/paycraft-dr")) {
            let arguments = list(&container["args"]).into_iter().map(text);
            let parsed = Arguments::try_parse_from(["paycraft-dr"].into_iter().chain(arguments));
            let command = parsed
                .unwrap_or_else(|refusal| panic!("{name}: {refusal}"))
                .command
                .name();
            commands.push(command);
            let mounts: Vec<&str> = list(&container["volumeMounts"])
                .iter()
                .map(|mount| text(&mount["mountPath"]))
                .collect();
            for variable in list(&container["env"]) {
                let (variable, value) = (text(&variable["name"]), text(&variable["value"]));
                let is_mounted = mounts.iter().any(|mount| value.starts_with(&format!("{mount}/")));
                let is_local = variable == "TARGET_DB_URL" && value.contains("@127.0.0.1:");
                assert!(
                    variable.ends_with("_FILE") && is_mounted || is_local,
                    "{name}: {variable}={value}"
                );
                assert!(
                    !variable.starts_with("SUPABASE") || command == "backup",
                    "{name} knows production"
                );
            }
        }
    }
    assert_eq!(commands, ["backup", "prune", "drill", "restore", "status"]);
}

#[test]
fn the_configuration_is_one_and_every_manifest_is_applied() {
    let Some(manifests) = manifests() else { return };
    let configuration = manifests
        .iter()
        .find(|(_, document)| document["kind"] == "ConfigMap");
    let (_, configuration) = configuration.expect("a configuration");
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("paycraft-dr.toml");
    std::fs::write(&file, text(&configuration["data"]["paycraft-dr.toml"])).expect("a file");
    Config::read(&file).unwrap_or_else(|error| panic!("{error}"));

    let applied = manifests.iter().find(|(name, _)| name == "kustomization.yaml");
    let applied = list(&applied.expect("a kustomization").1["resources"]);
    let there = files(&example("kubernetes"));
    assert_eq!(applied.len() + 1, there.len());
    for resource in applied {
        assert!(example("kubernetes").join(text(resource)).is_file(), "{resource}");
    }
}
