//! What an archive claims costs neither memory nor time beyond the bytes that really come.

use std::time::{Duration, Instant};

use super::*;

const COPY: &str = "COPY public.t (a) FROM stdin;\n";
/// Reading each byte once takes a fraction of this; reading again from the beginning with each piece takes many times as long.
const AMPLE: Duration = Duration::from_secs(10);

fn taking<T>(read: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let value = read();
    (value, began.elapsed())
}

/// The most address space this process ever held, in bytes: also what was asked for and never touched.
#[cfg(target_os = "linux")]
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process's own status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    kibibytes
        .and_then(|number| number.parse::<u64>().ok())
        .expect("a number")
        << 10
}

#[cfg(target_os = "linux")]
#[test]
fn a_length_is_believed_when_its_bytes_have_come() {
    let before = peak_bytes();
    // Each claims two thousand million entries, bytes of text, or bytes of rows, and brings none.
    for claim in [
        Writer::header(14, 0, i32::MAX),
        Writer::header(14, 0, 1).int(1).int(0).int(i32::MAX),
        Writer::header(14, 0, 1)
            .rows_entry(14, 5, "TABLE DATA", COPY)
            .bytes(&[1])
            .int(5)
            .int(i32::MAX),
        Writer::header(14, 6, 1)
            .rows_entry(14, 5, "TABLE DATA", COPY)
            .bytes(&[1])
            .int(5)
            .int(i32::MAX),
    ] {
        let outcome = survey(&claim.0).map(|_| ());
        assert!(
            matches!(
                outcome,
                Err(ArchiveError::Incomplete | ArchiveError::TooLarge | ArchiveError::TooManyEntries(_))
            ),
            "{outcome:?}"
        );
    }
    // Other tests run beside this one, and none of them takes a gibibyte.
    let grown = peak_bytes() - before;
    assert!(grown < 1 << 30, "{grown} bytes for some hundred");
}

#[test]
fn contents_past_the_limit_are_given_up_however_they_are_cut() {
    let entry = |id| {
        Writer::default()
            .rows_entry(14, id, "TABLE DATA", &"x".repeat(1 << 20))
            .0
    };
    let archive = (1..=256)
        .fold(Writer::header(14, 0, 256), |archive, id| {
            archive.bytes(&entry(id))
        })
        .0;
    assert!(archive.len() > 256 << 20);
    for size in [archive.len(), 1 << 20, 1 << 16] {
        let outcome = survey_pieces(archive.chunks(size)).map(|_| ());
        assert_eq!(outcome, Err(ArchiveError::TooLarge), "in pieces of {size}");
    }
}

#[test]
fn more_entries_than_are_read_are_refused_by_their_number() {
    let count = MAX_ENTRIES + 1;
    let claim = Writer::header(14, 0, i32::try_from(count).expect("a number"));
    let error = survey(&claim.0).map(|_| ()).expect_err("too many");
    assert_eq!(error, ArchiveError::TooManyEntries(count));
    assert!(
        error.to_string().contains("1000001 entries, and 1000000 at most"),
        "{error}"
    );
}

#[test]
fn an_entry_of_many_dependencies_is_read_once() {
    const DEPENDENCIES: i32 = 50_000;
    let head = Writer::header(14, 0, 1).entry_fields(14, 5, "TABLE DATA", COPY);
    let dependencies = (1..=DEPENDENCIES).fold(head, |entry, id| entry.text(Some(&id.to_string())));
    let archive = dependencies.entry_end().block(5, &[b"\\.\n\n\n"]).0;
    let (found, elapsed) = taking(|| survey_pieces(archive.chunks(7)).expect("an archive"));
    let dependencies = &found.contents.entries[0].dependencies;
    assert!(dependencies.iter().map(|id| id.0).eq(1..=DEPENDENCIES));
    assert!(elapsed < AMPLE, "{elapsed:?}");
}

#[test]
fn long_texts_are_read_once() {
    // While the second arrives, the first must not be looked at again.
    let (kind, copy) = ("é".repeat(2 << 20), "ü".repeat(2 << 20));
    let archive = Writer::header(14, 0, 1)
        .rows_entry(14, 5, &kind, &copy)
        .block(5, &[])
        .0;
    let (outcome, elapsed) = taking(|| survey_pieces(archive.chunks(64)).map(|_| ()));
    assert!(
        outcome == Err(ArchiveError::UnknownData(kind)),
        "a kind that no reader knows"
    );
    assert!(elapsed < AMPLE, "{elapsed:?}");
}

#[test]
fn many_tables_are_found_at_once() {
    const TABLES: i32 = 60_000;
    let head = Writer::header(14, 0, TABLES);
    let head = (1..=TABLES).fold(head, |head, id| head.rows_entry(14, id, "TABLE DATA", COPY));
    // Blocks need not come in the order of the entries.
    let archive = (1..=TABLES)
        .rev()
        .fold(head, |archive, id| archive.block(id, &[b"x\n\\.\n\n\n"]))
        .0;
    let (found, elapsed) = taking(|| survey(&archive).expect("an archive"));
    assert_eq!(found.tables.len(), 60_000);
    assert!(elapsed < AMPLE, "{elapsed:?}");
}
