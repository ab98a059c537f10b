//! Backups under migrations that never end: what is attested is one state that the source had, whole.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::Conninfo;
use paycraft_dr::postgres::session::Session;
use paycraft_dr::recovery::backup;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::kit::{Silent, World, assert_proven, execute, query, run};

/// Every committed state has 3000 rows in the ledger, all of the generation that `state` tells, and of side tables those that
/// `sides` names, with 10 rows each.
const SCHEMA: &str = "
    CREATE TABLE state (generation int);
    INSERT INTO state VALUES (0);
    CREATE TABLE ledger (id int PRIMARY KEY, generation int, note text);
    INSERT INTO ledger SELECT n, 0, 'note ' || n FROM generate_series(1, 3000) AS n;
    CREATE TABLE sides (name text PRIMARY KEY);
";
const NEXT: &str = "UPDATE state SET generation = generation + 1";
const REFILL: &str = "INSERT INTO ledger (id, generation, note) SELECT n, (SELECT generation FROM state), 'note ' || n FROM generate_series(1, 3000) AS n";

/// How many backups are made by default.
const FEW: u32 = 2;
/// The longest pause between two migrations at the beginning. It is doubled each time that no attempt was given the time it needs.
const PAUSE_MS: u32 = 500;
/// How often in a row a backup may fail: by then the pauses are long enough for a machine of any speed.
const FAILURES: u32 = 6;

/// One transaction of the migrations.
fn draw(rng: &mut ChaCha8Rng, number: u32) -> String {
    let side = rng.random_range(0..4);
    match rng.random_range(0..9) {
        0 => format!("ALTER TABLE ledger ADD COLUMN seen_{number} timestamptz DEFAULT clock_timestamp()"),
        1 => format!("{NEXT}; TRUNCATE ledger; {REFILL}"),
        2 => format!("{NEXT}; CREATE TABLE fresh (LIKE ledger INCLUDING ALL); DROP TABLE ledger; ALTER TABLE fresh RENAME TO ledger; {REFILL}"),
        3 => "ALTER TABLE ledger ALTER COLUMN note TYPE text COLLATE \"C\"; ALTER TABLE ledger ALTER COLUMN generation TYPE bigint; ALTER TABLE ledger ALTER COLUMN generation TYPE int".to_owned(),
        4 | 5 => format!(
            "DROP TABLE IF EXISTS side_{side}; CREATE TABLE side_{side} AS SELECT n FROM generate_series(1, 10) AS n;
             INSERT INTO sides VALUES ('side_{side}') ON CONFLICT DO NOTHING"
        ),
        6 => format!("DROP TABLE IF EXISTS side_{side}; DELETE FROM sides WHERE name = 'side_{side}'"),
        7 => "CREATE INDEX IF NOT EXISTS by_note ON ledger (note)".to_owned(),
        _ => format!(
            "DROP INDEX IF EXISTS by_note; CREATE OR REPLACE FUNCTION told() RETURNS int LANGUAGE sql AS 'SELECT {number}'"
        ),
    }
}

/// Migrates until it is told to end.
async fn migrate(source: &Conninfo, seed: u64, pause_ms: &AtomicU32, ends: &AtomicBool) -> u32 {
    let session = Session::connect(source).await.expect("a connection");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut number = 0;
    while !ends.load(Ordering::Relaxed) {
        number += 1;
        let pause = f64::from(rng.random_range(0..=pause_ms.load(Ordering::Relaxed))) / 1000.0;
        let sql = format!(
            "BEGIN; {}; COMMIT; SELECT pg_sleep({pause})",
            draw(&mut rng, number)
        );
        session
            .client()
            .batch_execute(&sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    number
}

const IS_A_STATE: &str = "
    SELECT concat_ws(' ',
        (SELECT count(*) FILTER (WHERE l.generation = s.generation) || ' of ' || count(*) FROM ledger l, state s),
        (SELECT coalesce(string_agg(name, ',' ORDER BY name), '') FROM sides) =
        (SELECT coalesce(string_agg(relname, ',' ORDER BY relname), '') FROM pg_class WHERE relname ~ '^side_' AND relkind = 'r'))";

#[test]
fn migrations_that_never_end_cost_attempts_and_never_a_row() {
    let asked = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let runs = asked("PAYCRAFT_SOAK_DDL").unwrap_or(FEW);
    let pause_ms = AtomicU32::new(asked("PAYCRAFT_SOAK_DDL_PAUSE_MS").unwrap_or(PAUSE_MS));
    let seed = rand::random::<u64>();
    super::super::kit::say(&format!(
        "seed {seed}, {runs} backups, pauses up to {} ms at first",
        pause_ms.load(Ordering::Relaxed)
    ));
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SCHEMA).await;
        let ends = AtomicBool::new(false);
        let backs_up = async {
            let (mut attested, mut failed, mut in_a_row) = (0, 0, 0);
            while attested < runs {
                let number = attested + failed;
                let at = jiff::Timestamp::from_second(1_795_000_000 + i64::from(number) * 3600)
                    .expect("an instant");
                let request = backup::BackupRequest {
                    limits: &paycraft_dr::model::shrinking::ShrinkLimits::USUAL,
                    source: &source,
                    tools: &world.postgres.tools,
                    store: &world.bucket.store,
                    clock: &super::super::kit::clock_that_waits(at),
                    attempts: backup::ATTEMPTS,
                    looks_for_trouble: true,
                };
                let made = match backup::backup(request, &Silent).await {
                    Ok(made) => made,
                    Err(error) => {
                        super::super::kit::say(&format!("{number}: {error}: {:?}", error.causes()));
                        assert!(
                            error.next_step().is_some_and(|hint| hint.contains("--attempts")),
                            "{error}: {:?}",
                            error.causes()
                        );
                        failed += 1;
                        in_a_row += 1;
                        assert!(
                            in_a_row < FAILURES,
                            "seed {seed}: {in_a_row} backups in a row failed"
                        );
                        pause_ms.fetch_add(pause_ms.load(Ordering::Relaxed), Ordering::Relaxed);
                        continue;
                    }
                };
                attested += 1;
                in_a_row = 0;
                super::super::kit::say(&format!("{number}: {}", made.key));
                let restored = world.restore(Selector::Key(made.key)).await;
                let restored = restored.unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
                assert_proven(&restored.verification);
                assert_eq!(
                    query(&restored.target, IS_A_STATE).await,
                    "3000 of 3000 t",
                    "seed {seed}, backup {number}"
                );
                let sides = query(&restored.target, "SELECT coalesce(string_agg(format('SELECT 1 FROM %I HAVING count(*) <> 10', name), ' UNION ALL '), 'SELECT 1 WHERE false') FROM sides").await;
                let short = query(
                    &restored.target,
                    &format!("SELECT count(*)::text FROM ({sides}) AS short"),
                )
                .await;
                assert_eq!(short, "0", "a side table is short: seed {seed}, backup {number}");
                execute(&source, &format!("DROP DATABASE {}", restored.target.database())).await;
            }
            ends.store(true, Ordering::Relaxed);
            (attested, failed)
        };
        let ((attested, failed), migrations) =
            tokio::join!(backs_up, migrate(&source, seed, &pause_ms, &ends));
        super::super::kit::say(&format!(
            "{attested} attested and proven, {failed} failed, beside {migrations} migrations"
        ));
    });
}
