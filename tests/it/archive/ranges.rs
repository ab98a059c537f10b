//! The data of one entry, read from where it begins.

use std::sync::Arc;

use paycraft_dr::archive::{ArchiveEvent, ArchiveReader, Contents, DumpId, EntryKind};
use paycraft_dr::model::data_ranges::DataRange;

use super::{GOLDEN, golden, survey};

/// The rows of one table, from its data alone.
fn rows(contents: &Arc<Contents>, id: DumpId, data: &[u8], piece_bytes: usize) -> Vec<u8> {
    let mut reader = ArchiveReader::at_data(Arc::clone(contents), id);
    let mut rows = Vec::new();
    for mut piece in data.chunks(piece_bytes) {
        loop {
            let step = reader.step(piece).expect("data");
            piece = &piece[step.consumed..];
            match step.event {
                None => break,
                Some(ArchiveEvent::Rows(found)) => rows.extend_from_slice(found),
                Some(ArchiveEvent::TableBegan(began) | ArchiveEvent::TableEnded(began)) => {
                    assert_eq!(began, id);
                }
                Some(other) => panic!("{other:?}"),
            }
        }
    }
    reader.finish().expect("the end of the data");
    rows
}

fn cut(archive: &[u8], range: DataRange) -> &[u8] {
    let place = |byte: u64| usize::try_from(byte).expect("a place");
    &archive[place(range.offset)..place(range.end())]
}

#[test]
fn each_table_is_read_from_its_own_range_alone() {
    for (name, ..) in GOLDEN {
        let archive = golden(name);
        let found = survey(&archive).expect("an archive");
        let (tables, ranges) = (&found.tables, &found.data_ranges.tables);
        assert_eq!(tables.len(), ranges.len(), "{name}");
        let mut end = found.contents.head_bytes;
        let mut all = ranges.clone();
        all.extend(&found.data_ranges.large_objects);
        all.sort_by_key(|range| range.offset);
        for range in &all {
            assert_eq!(range.offset, end, "{name}: nothing lies between two");
            end = range.end();
        }
        assert_eq!(end, archive.len() as u64, "{name}");
        assert_eq!(found.data_ranges.large_objects.len(), 1, "{name}");
        for (table, range) in tables.iter().zip(ranges) {
            let is_its = |entry: &&paycraft_dr::archive::Entry| {
                entry.kind == EntryKind::TableData
                    && entry.tag == table.name
                    && entry.schema.as_deref() == Some(&table.schema)
            };
            let entry = found.contents.entries.iter().find(is_its).expect("an entry");
            let whole = rows(&found.contents, entry.id, cut(&archive, *range), usize::MAX);
            let mut hasher = paycraft_dr::model::fingerprint::TableHasher::new();
            hasher.update(&whole);
            assert_eq!(hasher.finish(), table.content, "{name}: {}", table.name);
            for piece_bytes in [1, 7] {
                let again = rows(&found.contents, entry.id, cut(&archive, *range), piece_bytes);
                assert!(
                    again == whole,
                    "{name}: {} in pieces of {piece_bytes}",
                    table.name
                );
            }
        }
    }
}

#[test]
fn data_of_another_entry_is_refused() {
    let archive = golden("zoo-16");
    let found = survey(&archive).expect("an archive");
    let with_data = found
        .contents
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::TableData);
    let first = found.data_ranges.tables[0];
    let refused = with_data.filter(|entry| {
        let mut reader = ArchiveReader::at_data(Arc::clone(&found.contents), entry.id);
        let mut piece = cut(&archive, first);
        loop {
            match reader.step(piece) {
                Err(_) => return true,
                Ok(step) if step.event.is_none() => return false,
                Ok(step) => piece = &piece[step.consumed..],
            }
        }
    });
    assert_eq!(refused.count(), found.tables.len() - 1);
}
