//! This program's restore against plain, serial `pg_restore`, over databases drawn by chance.
//!
//! `make soak-schemas ARGS="--runs 1000 --seed 1"` draws more of them. A failure is made small before it is told.

mod generator;
mod referee;
mod regress;

use paycraft_dr::postgres::conninfo::Side;
use paycraft_dr::postgres::session::Session;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::kit::{World, execute, query, run, say};
use generator::{ROLES, Step, render, steps};
use referee::drop_database;

/// How many databases are drawn by default.
const FEW: u32 = 6;
/// How many statements each database is made with at least, on average: a generator whose statements fail draws nothing.
const MOST_REFUSED: f64 = 0.15;
/// After how many databases a long run tells how far it is.
const TOLD_EACH: usize = 50;

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
    let wrong = referee::wrong_with_our_restore(world, &source).await;
    drop_database(&source).await;
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
        let drawn = {
            let mut shares = shares.borrow_mut();
            shares.push(share);
            shares.len()
        };
        if drawn % TOLD_EACH == 0 {
            say(&format!("{drawn} of {runs} databases"));
        }
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
