//! Plain `pg_dump | pg_restore` over one connection, which ours is held against.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;
use tokio_postgres::error::SqlState;

use super::super::kit::{Silent, World, clean, execute};

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
        if heading.ends_with("(rows)") {
            by_column_name(body);
        }
        // Rows lie in any order, and grants are given in any.
        if heading.ends_with("(rows)") || heading.contains("ACL; ") {
            body.sort();
        }
    }
    found
}

/// Puts the columns of a table's rows into the order of their names: those that a table inherits come first in every restore, though
/// its parent may have been given them later.
fn by_column_name(body: &mut [String]) {
    let Some(heading) = body.iter().position(|line| line.starts_with("COPY ")) else {
        return;
    };
    let Some((before, rest)) = columns_of(&body[heading]) else {
        return;
    };
    let columns = names(rest);
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|place| &columns[*place]);
    let sorted: Vec<&str> = order.iter().map(|place| columns[*place].as_str()).collect();
    let copy = format!("{before}({}) FROM stdin;", sorted.join(", "));
    for line in &mut *body {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() == columns.len() && !line.starts_with("COPY ") && line != "\\." {
            let sorted: Vec<&str> = order.iter().map(|place| fields[*place]).collect();
            *line = sorted.join("\t");
        }
    }
    body[heading] = copy;
}

/// What a COPY statement says before its list of columns, and that list.
fn columns_of(copy: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    let begins = copy.char_indices().find(|(_, letter)| {
        is_quoted ^= *letter == '"';
        *letter == '(' && !is_quoted
    });
    let (at, _) = begins?;
    Some((&copy[..at], copy[at + 1..].strip_suffix(") FROM stdin;")?))
}

/// The names in a list, each as it is quoted.
fn names(list: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut is_quoted = false;
    for letter in list.chars() {
        is_quoted ^= letter == '"';
        match letter {
            ',' if !is_quoted => names.push(String::new()),
            letter => names.last_mut().expect("a name").push(letter),
        }
    }
    names.iter().map(|name| name.trim().to_owned()).collect()
}

#[test]
fn rows_are_the_same_in_any_order_of_columns() {
    let dump = |columns: &str, rows: &str| {
        let dump = format!(
            "-- Data for Name: t; Type: TABLE DATA\nCOPY public.\"a (t\" ({columns}) FROM stdin;\n{rows}\n\\.\n"
        );
        entries(&dump)
    };
    let one = dump("id, word, \"x, y\"", "1\tone\t\\N\n2\ttwo\t7");
    assert_eq!(one, dump("\"x, y\", id, word", "7\t2\ttwo\n\\N\t1\tone"));
    assert_ne!(one, dump("id, \"x, y\", word", "1\tone\t\\N\n2\ttwo\t7"));
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

/// What is wrong with a backup and two restores of the database, the second over the first: where the verdict is not *proven*, and where what is restored is neither
/// as the source is nor as the plain tools make it. Leaves neither backups nor targets.
pub(super) async fn wrong_with_our_restore(world: &World, source: &Conninfo) -> Vec<String> {
    let ours = world.postgres.database(Side::Target).await;
    let plain = world.postgres.database(Side::Target).await;
    let mut wrong = Vec::new();
    if let Err(error) = world.back_up(source).await {
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
        match world
            .restore_on(Selector::Latest, ours.clone(), clean(), &Silent)
            .await
        {
            Ok(restored) if restored.verification.verdict.is_proven() => {}
            Ok(restored) => wrong.push(format!("again not proven: {:?}", restored.verification.checks)),
            Err(error) => wrong.push(format!("restore again: {error}: {:?}", error.causes())),
        }
        restore_plainly(world, source, &plain).await;
        let [of_ours, of_source, of_plain] = [
            dumped(world, &ours).await,
            dumped(world, source).await,
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
    for database in [&ours, &plain] {
        drop_database(database).await;
    }
    wrong
}

pub(super) async fn drop_database(database: &Conninfo) {
    let admin = database.with_database(database.side(), "postgres");
    execute(&admin, &format!("DROP DATABASE {} (FORCE)", database.database())).await;
}
