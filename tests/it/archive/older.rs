//! Layouts of which no server can be had here: a golden archive of version 1.14, written again as 1.12 and 1.13.

use paycraft_dr::archive::{DumpId, Entry};

use super::*;

/// What the reader does not tell of an entry is written as pg_dump writes it: no oids of rows, an unknown place in the file.
fn written(entries: Writer, minor: u8, entry: &Entry) -> Writer {
    let section = match entry.section {
        Section::None => 1,
        Section::PreData => 2,
        Section::Data => 3,
        Section::PostData => 4,
    };
    let entries = entries
        .int(entry.id.0)
        .int(i32::from(entry.has_data))
        .text(Some(&entry.catalog_oid.to_string()))
        .text(Some(&entry.oid.to_string()))
        .text(Some(&entry.tag))
        .text(Some(entry.kind.as_str()))
        .int(section)
        .text(Some(&entry.definition))
        .text(Some(&entry.drop_statement))
        .text(Some(&entry.copy_statement))
        .text(entry.schema.as_deref())
        .text(entry.tablespace.as_deref());
    let entries = match minor {
        14.. => entries.text(entry.access_method.as_deref()),
        _ => entries,
    };
    let entries = entries.text(Some(&entry.owner)).text(Some("false"));
    let dependencies = entry.dependencies.iter();
    dependencies
        .fold(entries, |entries, DumpId(id)| entries.text(Some(&id.to_string())))
        .entry_end()
}

#[test]
fn golden_archives_in_older_layouts_hold_the_same() {
    for (name, compression) in [("zoo-15", 0), ("zoo-15-zlib", -1)] {
        let archive = golden(name);
        let golden = survey(&archive).expect("an archive");
        let entries = &golden.contents.entries;
        let head = usize::try_from(golden.contents.head_bytes).expect("a length");
        for minor in [12, 13, 14] {
            let count = i32::try_from(entries.len()).expect("few");
            let older = entries
                .iter()
                .fold(Writer::header(minor, compression, count), |older, entry| {
                    written(older, minor, entry)
                })
                .bytes(&archive[head..]);
            let found = survey(&older.0).unwrap_or_else(|error| panic!("{name} as 1.{minor}: {error}"));
            assert_eq!(found.contents.header.version.minor, minor);
            assert_eq!(found.contents.header.created.year, 2026);
            let same = |entry: &Entry| Entry {
                access_method: entry.access_method.clone().filter(|_| minor >= 14),
                ..entry.clone()
            };
            let expected: Vec<Entry> = entries.iter().map(same).collect();
            assert_eq!(found.contents.entries, expected, "{name} as 1.{minor}");
            assert_eq!(found.tables, golden.tables, "{name} as 1.{minor}");
            assert_eq!(found.large_objects, golden.large_objects, "{name} as 1.{minor}");
        }
    }
}
