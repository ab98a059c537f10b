//! This program's restore against plain, serial `pg_restore`, over databases drawn by chance.
//!
//! `make soak-schemas ARGS="--runs 1000 --seed 1"` draws more of them. A failure is made small before it is told.

mod generator;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tokio_postgres::error::SqlState;

use super::kit::{World, execute, query, run, say};
use generator::{ROLES, Step, render, steps};

/// How many databases are drawn by default.
const FEW: u32 = 6;
/// How many statements each database is made with at least, on average: a generator whose statements fail draws nothing.
const MOST_REFUSED: f64 = 0.15;

/// Entries of a plain dump by their heading, each with its lines in order; rows of a table in any order.
type Dumped = BTreeMap<String, Vec<String>>;

async fn dumped(world: &World, database: &Conninfo) -> Dumped {
    let mut command = Command::new(world.postgres.installation.program("pg_dump"));
    command.arg("--dbname").arg(world.postgres.url(database));
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("a thread").expect("pg_dump");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    entries(&String::from_utf8_lossy(&output.stdout))
}

fn entries(dump: &str) -> Dumped {
    let mut found = Dumped::new();
    let mut heading = String::from("the head");
    let mut body: Vec<String> = Vec::new();
    for line in dump.lines() {
        if let Some(next) = line
            .strip_prefix("-- Name: ")
            .or_else(|| line.strip_prefix("-- Data for Name: "))
        {
            found.entry(heading).or_default().append(&mut body);
            heading = String::from(next);
            if line.starts_with("-- Data") {
                heading.push_str(" (rows)");
            }
        } else if !(line.is_empty()
            || line.starts_with("--")
            || line.starts_with("\\restrict")
            || line.starts_with("\\unrestrict"))
        {
            body.push(line.to_owned());
        }
    }
    found.entry(heading).or_default().append(&mut body);
    for (heading, body) in &mut found {
        // Rows lie in any order, and grants are given in any.
        if heading.ends_with("(rows)") || heading.contains("ACL; ") {
            body.sort();
        }
    }
    found
}

/// Where `ours` is neither as the source is nor as the plain restore.
fn differences(ours: &Dumped, source: &Dumped, plain: &Dumped) -> Vec<String> {
    let headings: BTreeSet<&String> = ours.keys().chain(source.keys()).chain(plain.keys()).collect();
    let differs = headings.into_iter().filter(|heading| {
        let own = ours.get(*heading);
        own != source.get(*heading) && own != plain.get(*heading)
    });
    differs
        .map(|heading| {
            let short = |dump: &Dumped| {
                let body = dump
                    .get(heading)
                    .map_or_else(|| "nothing".to_owned(), |body| body.join("\n      "));
                body.chars().take(600).collect::<String>()
            };
            format!(
                "{heading}\n  ours: {}\n  source: {}\n  plain: {}",
                short(ours),
                short(source),
                short(plain)
            )
        })
        .collect()
}

/// `pg_dump | pg_restore`, one connection, all errors passed over.
async fn restore_plainly(world: &World, source: &Conninfo, target: &Conninfo) {
    let program = |name: &str, database: &Conninfo| {
        let mut command = Command::new(world.postgres.installation.program(name));
        command.arg("--dbname").arg(world.postgres.url(database));
        command
    };
    let (mut dump, mut restore) = (program("pg_dump", source), program("pg_restore", target));
    let done = tokio::task::spawn_blocking(move || {
        let mut dumping = dump.arg("-Fc").stdout(Stdio::piped()).spawn().expect("pg_dump");
        let archive = dumping.stdout.take().expect("a pipe");
        let restored = restore
            .stdin(archive)
            .stderr(Stdio::piped())
            .output()
            .expect("pg_restore");
        assert!(dumping.wait().expect("an end").success());
        restored
    });
    drop(done.await.expect("a thread"));
}

/// B-trees that do not hold every row of their table.
async fn wrong_indexes(database: &Conninfo) -> String {
    execute(
        database,
        "CREATE SCHEMA amcheck_here; CREATE EXTENSION amcheck SCHEMA amcheck_here",
    )
    .await;
    let session = Session::connect(database).await.expect("a connection");
    let indexes = "SELECT i.indexrelid, i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
                    WHERE m.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid AND c.oid >= 16384";
    let mut wrong = Vec::new();
    for row in session.client().query(indexes, &[]).await.expect("the indexes") {
        let (oid, name): (u32, String) = (row.get(0), row.get(1));
        let checked = session
            .client()
            .execute(
                "SELECT amcheck_here.bt_index_check($1::oid::regclass, true)",
                &[&oid],
            )
            .await;
        let is_damaged = |error: &tokio_postgres::Error| {
            error.code() == Some(&SqlState::INDEX_CORRUPTED)
                || error.code() == Some(&SqlState::DATA_CORRUPTED)
        };
        // An index whose function its table's owner may not call cannot be checked.
        if let Some(error) = checked.err().filter(is_damaged) {
            wrong.push(format!("{name}: {error:?}"));
        }
    }
    wrong.join("; ")
}

/// What is wrong with our restore of the database, and the share of its statements that the server refused.
async fn judge(world: &World, steps: &[Step]) -> (Vec<String>, f64) {
    let source = world.postgres.database(Side::Source).await;
    let session = Session::connect(&source).await.expect("a connection");
    let statements = render(steps);
    let mut refused = 0;
    for statement in &statements {
        if let Err(error) = session.client().batch_execute(statement).await {
            refused += 1;
            if std::env::var_os("PAYCRAFT_SCHEMAS_SHOW").is_some() {
                say(&format!("{statement}: {error:?}"));
            }
        }
    }
    drop(session);
    let share = f64::from(refused) / f64::from(u32::try_from(statements.len()).expect("few"));
    let ours = world.postgres.database(Side::Target).await;
    let plain = world.postgres.database(Side::Target).await;
    let mut wrong = Vec::new();
    if let Err(error) = world.back_up(&source).await {
        wrong.push(format!("backup: {error}: {:?}", error.causes()));
    } else {
        match world.restore_into(Selector::Latest, ours.clone()).await {
            Ok(restored) if restored.verification.verdict.is_proven() => {}
            Ok(restored) => wrong.push(format!(
                "not proven: {:?}; missing: {:?}",
                restored.verification.checks, restored.missing
            )),
            Err(error) => wrong.push(format!("restore: {error}: {:?}", error.causes())),
        }
        restore_plainly(world, &source, &plain).await;
        let [of_ours, of_source, of_plain] = [
            dumped(world, &ours).await,
            dumped(world, &source).await,
            dumped(world, &plain).await,
        ];
        wrong.extend(differences(&of_ours, &of_source, &of_plain));
        let indexes = wrong_indexes(&ours).await;
        if !indexes.is_empty() {
            wrong.push(indexes);
        }
    }
    let store = &world.bucket.store;
    for object in store.list("").await.expect("a listing") {
        store.delete(&object.key).await.expect("an object");
    }
    for database in [&ours, &plain, &source] {
        let admin = database.with_database(database.side(), "postgres");
        execute(&admin, &format!("DROP DATABASE {} (FORCE)", database.database())).await;
    }
    (wrong, share)
}

fn asked(name: &str) -> Option<u64> {
    let arguments = std::env::var("PAYCRAFT_SCHEMAS").ok()?;
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let place = words.iter().position(|word| *word == name)?;
    Some(words.get(place + 1)?.parse().expect("a number"))
}

#[test]
fn databases_drawn_by_chance_are_restored_as_plain_tools_restore_them() {
    let runs = asked("--runs").map_or(FEW, |runs| u32::try_from(runs).expect("fewer"));
    let seed = asked("--seed").unwrap_or_else(rand::random);
    say(&format!("PAYCRAFT_SCHEMAS=\"--runs {runs} --seed {seed}\""));
    run(async {
        let Some(world) = World::new().await else { return };
        let admin = world.postgres.database(Side::Source).await;
        for role in ROLES {
            let known = format!("SELECT count(*)::text FROM pg_roles WHERE rolname = '{role}'");
            if query(&admin, &known).await == "0" {
                execute(&admin, &format!("CREATE ROLE \"{role}\"")).await;
            }
        }
        tokio::task::block_in_place(|| draw(&world, runs, seed));
    });
}

fn draw(world: &World, runs: u32, seed: u64) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: runs,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let shares = std::cell::RefCell::new(Vec::new());
    let outcome = runner.run(&steps(), |steps| {
        let (wrong, share) = tokio::runtime::Handle::current().block_on(judge(world, &steps));
        shares.borrow_mut().push(share);
        if wrong.is_empty() {
            return Ok(());
        }
        Err(TestCaseError::fail(wrong.join("\n")))
    });
    if let Err(error) = outcome {
        let TestError::Fail(why, steps) = error else {
            panic!("{error}")
        };
        panic!("seed {seed}: {why}\n\n{};", render(&steps).join(";\n"));
    }
    let shares = shares.into_inner();
    let mean = shares.iter().sum::<f64>() / f64::from(u32::try_from(shares.len().max(1)).expect("few"));
    say(&format!(
        "{runs} databases; {:.1} % of their statements were refused",
        mean * 100.0
    ));
    assert!(
        mean < MOST_REFUSED,
        "{mean}: the generator draws what no server takes"
    );
}
