//! The synthetic database: what its generator promises, then what a real server makes of it.

mod server;

use paycraft_dr::drill::workload::{TableLoad, Workload, copy_text};
use proptest::prelude::*;
use std::collections::BTreeSet;

const MIB: u64 = 1 << 20;

/// All rows of a table.
fn text(mut table: TableLoad) -> Vec<u8> {
    let mut rows = Vec::new();
    while table.fill(&mut rows) {}
    rows
}

/// Every table's name and rows, in load order.
fn texts(workload: Workload) -> Vec<(&'static str, Vec<u8>)> {
    let tables = workload.tables().into_iter();
    tables.map(|table| (table.name, text(table))).collect()
}

fn table(workload: Workload, name: &str) -> TableLoad {
    let mut tables = workload.tables().into_iter();
    tables
        .find(|table| table.name == name)
        .expect("a table of that name")
}

fn total_bytes(texts: &[(&str, Vec<u8>)]) -> u64 {
    texts.iter().map(|(_, rows)| rows.len() as u64).sum()
}

/// What `COPY` would store for each field of each row: NULL is `None`.
fn fields(rows: &[u8]) -> Vec<Vec<Option<String>>> {
    let rows = std::str::from_utf8(rows).expect("UTF-8");
    let lines = rows
        .strip_suffix('\n')
        .expect("a last line that ends")
        .split('\n');
    lines
        .map(|line| line.split('\t').map(unescape).collect())
        .collect()
}

/// The documented rules for reading one field, written without a look at the writer.
fn unescape(field: &str) -> Option<String> {
    if field == "\\N" {
        return None;
    }
    let mut value = String::new();
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        value.push(match letter {
            '\\' => match letters.next().expect("a letter after a backslash") {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                other => {
                    assert!(
                        !other.is_ascii_alphanumeric(),
                        "an escape COPY gives a meaning: \\{other}"
                    );
                    other
                }
            },
            plain => plain,
        });
    }
    Some(value)
}

#[test]
fn the_same_seed_gives_the_same_bytes_in_any_order_on_any_thread() {
    let workload = Workload::new(42, MIB);
    let in_order = texts(workload);
    let threads: Vec<_> = workload
        .tables()
        .into_iter()
        .rev()
        .map(|table| std::thread::spawn(move || (table.name, text(table))))
        .collect();
    let mut at_once: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().expect("a generated table"))
        .collect();
    at_once.reverse();
    assert!(in_order == at_once);
    assert!(workload.large_objects().eq(workload.large_objects()));
}

#[test]
fn a_batch_size_does_not_change_the_rows() {
    let workload = Workload::new(42, 2 * MIB);
    let whole = text(table(workload, "public.webhook_events"));
    let mut events = table(workload, "public.webhook_events");
    let (mut parts, mut batch, mut batches) = (Vec::new(), Vec::new(), 0);
    while events.fill(&mut batch) {
        assert!(batch.ends_with(b"\n"), "a batch holds whole rows");
        assert!(
            batch.len() < 1 << 20,
            "memory stays bounded: {} bytes",
            batch.len()
        );
        parts.append(&mut batch);
        batches += 1;
    }
    assert!(batches > 2);
    assert!(parts == whole);
}

#[test]
fn another_seed_gives_other_bytes() {
    let (one, other) = (texts(Workload::new(1, MIB)), texts(Workload::new(2, MIB)));
    for ((name, one), (_, other)) in one.iter().zip(&other) {
        // These do not depend on chance.
        let fixed = ["public.tier_definitions", "public.invoice_documents"].contains(name);
        assert_eq!(one == other, fixed, "{name}");
    }
}

#[test]
fn the_size_is_met_and_one_table_dominates() {
    for size_bytes in [MIB, 10 * MIB, 40 * MIB] {
        let texts = texts(Workload::new(5, size_bytes));
        let total = total_bytes(&texts);
        assert!(
            total.abs_diff(size_bytes) <= size_bytes / 10,
            "{total} for {size_bytes}"
        );
        let (_, events) = texts
            .iter()
            .find(|(name, _)| *name == "public.webhook_events")
            .expect("events");
        let share = events.len() as u64 * 100 / total;
        assert!((58..=70).contains(&share), "{share} % at {size_bytes}");
    }
}

#[test]
fn a_small_size_still_has_rows_in_every_table() {
    let texts = texts(Workload::new(5, 0));
    assert!(texts.iter().all(|(_, rows)| !rows.is_empty()));
    assert!(total_bytes(&texts) < 200_000);
}

#[test]
fn every_row_has_the_columns_that_its_statement_names() {
    for table in Workload::new(3, MIB).tables() {
        let (_, columns) = table.copy_statement.split_once(" (").expect("columns");
        let columns = columns
            .strip_suffix(") FROM STDIN")
            .expect("a statement")
            .split(", ")
            .count();
        let (name, expected_rows) = (table.name, table.rows);
        let rows = fields(&text(table));
        assert_eq!(rows.len() as u64, expected_rows, "{name}");
        assert!(rows.iter().all(|row| row.len() == columns), "{name}");
    }
}

#[test]
fn the_tiers_are_free_pro_and_enterprise_at_every_size() {
    for size_bytes in [0, MIB, 1 << 40] {
        let tiers = fields(&text(table(
            Workload::new(9, size_bytes),
            "public.tier_definitions",
        )));
        let names: Vec<_> = tiers.iter().map(|row| row[0].as_deref()).collect();
        assert_eq!(names, [Some("free"), Some("pro"), Some("enterprise")]);
    }
}

/// At a terabyte the counts are large enough for every bound to show.
#[test]
fn keys_stay_unique_at_sizes_nobody_generates() {
    let workload = Workload::new(9, 1 << 40);
    for (name, key_columns) in [
        ("public.tax_rates", [0, 1].as_slice()),
        ("public.exchange_rates", &[0, 2]),
    ] {
        let rows = fields(&text(table(workload, name)));
        let keys: BTreeSet<Vec<_>> = rows
            .iter()
            .map(|row| key_columns.iter().map(|column| row[*column].clone()).collect())
            .collect();
        assert_eq!(keys.len(), rows.len(), "{name}");
    }
}

#[test]
fn days_follow_the_calendar() {
    let rates = fields(&text(table(Workload::new(9, 1 << 40), "public.exchange_rates")));
    let mut day = jiff::civil::date(2025, 7, 1);
    for quotes in rates.chunks(7) {
        assert_eq!(quotes[0][0].as_deref(), Some(day.to_string().as_str()));
        day = day.yesterday().expect("an earlier day");
    }
    assert!(day.year() < 2016, "leap years were among them");
}

#[test]
fn the_awkward_texts_are_there() {
    let notes = fields(&text(table(
        Workload::new(9, 0),
        "public.\"Support \"\"VIP\"\" Notes\"",
    )));
    let said: Vec<_> = notes.iter().map(|row| row[2].as_deref()).collect();
    for awkward in [None, Some(""), Some("\\N"), Some("\\."), Some("NULL")] {
        assert!(said.contains(&awkward), "{awkward:?}");
    }
    let all: String = said.iter().flatten().copied().collect();
    let letters = ['\t', '\n', '\r', '\\', '\'', '"', 'ü', '支', '🧾', '\u{1}'];
    assert!(letters.iter().all(|letter| all.contains(*letter)));
    assert!(
        said.iter().flatten().any(|note| note.len() > 8192),
        "one is longer than a page"
    );
}

proptest! {
    #[test]
    fn copy_reads_back_what_was_escaped(values in prop::collection::vec("[\\PC\\\\\t\n\r\u{1}-\u{1f}NtbxN.]{0,12}", 1..4)) {
        let mut line = Vec::new();
        let mut row = copy_text::CopyRow::new(&mut line);
        for value in &values {
            row.text(value);
        }
        row.null();
        row.end();
        let mut expected: Vec<_> = values.into_iter().map(Some).collect();
        expected.push(None);
        prop_assert_eq!(fields(&line), [expected]);
    }
}
