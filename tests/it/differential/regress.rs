//! PostgreSQL's own regression database, where its files are at hand: `PAYCRAFT_REGRESS` names the directory `src/test/regress` of the
//! server's own version.

use std::path::Path;
use std::process::{Command, Stdio};

use paycraft_dr::postgres::conninfo::{Conninfo, Side};

use super::super::kit::{World, query, run, say};
use super::referee::{drop_database, wrong_with_our_restore};

/// How many relations the files make at least, if they are run at all.
const FEWEST_RELATIONS: u32 = 500;

/// The tests in the order of their schedule, whose lines are `test: name name …`.
fn scheduled(directory: &Path) -> Vec<String> {
    let schedule = std::fs::read_to_string(directory.join("parallel_schedule")).expect("a schedule");
    let lines = schedule.lines().filter_map(|line| line.strip_prefix("test: "));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// Runs the files as `pg_regress` does. Statements that fail are part of them.
fn fill(world: &World, database: &Conninfo, directory: &Path) {
    let scratch = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(scratch.path().join("results")).expect("a directory");
    for test in scheduled(directory) {
        // It makes roles and databases of the whole server, or drops what others made.
        let Ok(sql) = std::fs::File::open(directory.join("sql").join(format!("{test}.sql"))) else {
            continue;
        };
        let mut psql = Command::new(world.postgres.installation.program("psql"));
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--variable",
            "HIDE_TABLEAM=on",
            "--dbname",
        ])
        .arg(world.postgres.url(database))
        .env("PG_ABS_SRCDIR", directory)
        .env("PG_ABS_BUILDDIR", scratch.path())
        .env(
            "PG_LIBDIR",
            std::env::var_os("PAYCRAFT_REGRESS_LIB").unwrap_or_else(|| directory.into()),
        )
        .env("PG_DLSUFFIX", ".so")
        .stdin(sql)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
        let ended = psql.status().expect("psql");
        if !ended.success() {
            say(&format!("{test}: {ended}"));
        }
    }
}

#[test]
fn the_regression_database_of_postgresql_is_restored_as_plain_tools_restore_it() {
    let Some(directory) = std::env::var_os("PAYCRAFT_REGRESS") else {
        return;
    };
    let directory = std::fs::canonicalize(directory).expect("a directory");
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.database(Side::Source).await;
        tokio::task::block_in_place(|| fill(&world, &source, &directory));
        let relations = query(
            &source,
            "SELECT count(*)::text FROM pg_class WHERE oid >= 16384 AND relkind <> 't'",
        )
        .await;
        say(&format!("{relations} relations"));
        assert!(relations.parse::<u32>().expect("a number") >= FEWEST_RELATIONS);
        let wrong = wrong_with_our_restore(&world, &source).await;
        drop_database(&source).await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}
