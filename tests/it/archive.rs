//! The archive reader against golden archives made by pg_dump, and against everything that is not one.

mod bounds;
mod exhaustive;
mod older;
mod ranges;

use std::path::PathBuf;
use std::sync::Arc;

use paycraft_dr::archive::{
    ArchiveError, ArchiveEvent, ArchiveReader, Compression, Contents, MAX_ENTRIES, Section, gzip,
};
use paycraft_dr::recovery::plan::{self, RestoreStage};
use paycraft_dr::recovery::survey::{Survey, Surveyed};
use proptest::prelude::*;

/// Each golden archive with the format's minor version and its inner compression. `fixtures/archives/make.sh` made them.
const GOLDEN: [(&str, u8, Compression); 6] = [
    ("zoo-15", 14, Compression::None),
    ("zoo-15-zlib", 14, Compression::Zlib),
    ("zoo-16", 15, Compression::None),
    ("zoo-16-zlib", 15, Compression::Zlib),
    ("zoo-18", 16, Compression::None),
    ("zoo-18-zlib", 16, Compression::Zlib),
];

fn fixture(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures", "archives", name]
        .iter()
        .collect();
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn golden(name: &str) -> Vec<u8> {
    fixture(&format!("{name}.dump"))
}

fn survey(archive: &[u8]) -> Result<Surveyed, ArchiveError> {
    survey_pieces([archive])
}

fn survey_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Surveyed, ArchiveError> {
    let mut survey = Survey::default();
    for piece in pieces {
        survey.feed(piece)?;
    }
    survey.finish()
}

/// Everything a reader tells, with neighbouring pieces of data joined, so that it does not depend on how input was cut.
fn told<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, ArchiveError> {
    let mut reader = ArchiveReader::new();
    let mut told: Vec<String> = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    for mut piece in pieces {
        loop {
            let step = reader.step(piece)?;
            piece = &piece[step.consumed..];
            let note = match step.event {
                None => break,
                Some(ArchiveEvent::Rows(bytes) | ArchiveEvent::LargeObjectData(bytes)) => {
                    assert!(!bytes.is_empty(), "an event without data");
                    data.extend_from_slice(bytes);
                    continue;
                }
                Some(ArchiveEvent::Contents(contents)) => format!("{} entries", contents.entries.len()),
                Some(event) => format!("{event:?}"),
            };
            if !data.is_empty() {
                told.push(format!(
                    "{:?}",
                    String::from_utf8_lossy(&std::mem::take(&mut data))
                ));
            }
            told.push(note);
        }
        assert!(piece.is_empty(), "input was left although more was asked for");
    }
    reader.finish()?;
    Ok(told)
}

#[test]
fn golden_archives_hold_what_an_independent_program_finds() {
    for (name, minor, compression) in GOLDEN {
        let found = survey(&golden(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let header = &found.contents.header;
        assert_eq!(
            (header.version.minor, header.compression),
            (minor, compression),
            "{name}"
        );
        assert_eq!(
            (header.int_bytes, header.offset_bytes, header.database.as_str()),
            (4, 8, "zoo"),
            "{name}"
        );
        assert!(
            header.created.year >= 2026 && (1..=12).contains(&header.created.month),
            "{name}"
        );
        assert_eq!(
            header.dump_version.split(' ').next(),
            header.server_version.split(' ').next(),
            "{name}"
        );

        let expected: serde_json::Value =
            serde_json::from_slice(&fixture(&format!("{name}.json"))).expect("JSON");
        let quoted = |part: &str| match part
            .chars()
            .all(|mark| mark.is_ascii_lowercase() || mark.is_ascii_digit() || mark == '_')
        {
            true => part.to_owned(),
            false => format!("\"{}\"", part.replace('"', "\"\"")),
        };
        let tables: serde_json::Map<_, _> = found
            .tables
            .iter()
            .map(|table| {
                let name = format!("{}.{}", quoted(&table.schema), quoted(&table.name));
                (name, serde_json::to_value(table.content).expect("a value"))
            })
            .collect();
        assert_eq!(serde_json::Value::Object(tables), expected["tables"], "{name}");
        let large_objects = serde_json::to_value(found.large_objects).expect("a value");
        assert_eq!(large_objects, expected["large_objects"], "{name}");
    }
}

/// They were made from one SQL file, so neither compression nor the server's version may show.
#[test]
fn golden_archives_have_the_same_content() {
    let expected = survey(&golden("zoo-15-zlib")).expect("an archive");
    for (name, ..) in GOLDEN {
        let found = survey(&golden(name)).expect("an archive");
        assert_eq!(found.large_objects, expected.large_objects, "{name}");
        let mut compared = 0;
        for table in &found.tables {
            let mut same = expected.tables.iter().filter(|other| other.name == table.name);
            assert_eq!(same.next(), Some(table), "{name}");
            compared += 1;
        }
        let left_out = usize::from(!name.ends_with("-zlib"));
        assert_eq!(compared, expected.tables.len() - left_out, "{name}");
    }
}

#[test]
fn golden_archives_tell_every_kind_of_entry() {
    for (name, ..) in GOLDEN {
        let contents = survey(&golden(name)).expect("an archive").contents;
        let kinds: Vec<&str> = contents.entries.iter().map(|entry| entry.kind.as_str()).collect();
        for kind in [
            "ENCODING",
            "SCHEMA",
            "TYPE",
            "DOMAIN",
            "FUNCTION",
            "PROCEDURE",
            "AGGREGATE",
            "OPERATOR",
            "CAST",
            "COLLATION",
            "SEQUENCE",
            "SEQUENCE OWNED BY",
            "SEQUENCE SET",
            "TABLE",
            "TABLE DATA",
            "TABLE ATTACH",
            "INDEX ATTACH",
            "DEFAULT",
            "CONSTRAINT",
            "CHECK CONSTRAINT",
            "FK CONSTRAINT",
            "INDEX",
            "STATISTICS",
            "TRIGGER",
            "EVENT TRIGGER",
            "RULE",
            "ROW SECURITY",
            "POLICY",
            "COMMENT",
            "PUBLICATION",
            "PUBLICATION TABLE",
            "VIEW",
            "MATERIALIZED VIEW",
            "MATERIALIZED VIEW DATA",
            "FOREIGN TABLE",
            "SERVER",
            "BLOBS",
            "DATABASE",
            "TEXT SEARCH CONFIGURATION",
        ] {
            assert!(kinds.contains(&kind), "{name} has no {kind} among {kinds:?}");
        }
        let has_grants = kinds.contains(&"ACL");
        assert_eq!(has_grants, name.ends_with("-zlib"), "{name}");

        let animals = contents
            .entries
            .iter()
            .find(|entry| entry.kind.as_str() == "TABLE DATA" && entry.tag == "animals");
        let animals = animals.expect("rows of animals");
        assert!(animals.has_data && animals.section == Section::Data);
        assert_eq!(animals.schema.as_deref(), Some("public"));
        assert_eq!(
            animals.copy_statement,
            "COPY public.animals (id, keeper, feeling, size, parts) FROM stdin;\n"
        );
        assert_eq!(animals.copied_columns(), "(id, keeper, feeling, size, parts)");
        assert_eq!(contents.entry(animals.id).map(|entry| entry.id), Some(animals.id));
        let table = contents.entry(animals.dependencies[0]).expect("the table");
        assert!(
            table.definition.starts_with("CREATE TABLE public.animals"),
            "{}",
            table.definition
        );
        assert_eq!(table.drop_statement, "DROP TABLE public.animals;\n");
        assert_eq!(table.access_method.as_deref(), Some("heap"));
        assert_eq!(table.relation_kind, name.starts_with("zoo-18").then_some('r'));
        let comment = contents
            .entries
            .iter()
            .find(|entry| entry.tag == "COLUMN animals.feeling")
            .expect("a comment");
        assert!(comment.definition.contains("grüße"));
        // A partitioned table, a view, a foreign table and an unfilled materialized view have no data of their own.
        for tag in ["visits", "happy", "far", "unfilled"] {
            assert!(
                !contents
                    .entries
                    .iter()
                    .any(|entry| entry.has_data && entry.tag == tag),
                "{tag}"
            );
        }
    }
}

#[test]
fn the_plan_makes_each_entry_once_and_in_its_turn() {
    for (name, ..) in GOLDEN {
        let contents = survey(&golden(name)).expect("an archive").contents;
        let turn_of = |kind: &str, tag: &str| {
            let mut found = plan::turns(&contents)
                .filter(|(entry, _)| entry.kind.as_str() == kind && entry.tag.starts_with(tag));
            found.next().map(|(_, turn)| turn)
        };
        for (kind, tag, turn) in [
            ("TABLE", "animals", RestoreStage::Before),
            ("COMMENT", "TABLE animals", RestoreStage::Before),
            ("TABLE DATA", "animals", RestoreStage::Rows),
            ("BLOBS", "", RestoreStage::Rows),
            ("SEQUENCE SET", "lonely", RestoreStage::After),
            ("INDEX", "by_feeling", RestoreStage::After),
            ("FK CONSTRAINT", "animals", RestoreStage::After),
            ("MATERIALIZED VIEW DATA", "totals", RestoreStage::After),
            ("EVENT TRIGGER", "watching", RestoreStage::After),
            ("DATABASE", "zoo", RestoreStage::Never),
        ] {
            assert_eq!(turn_of(kind, tag), Some(turn), "{name}: {kind} {tag}");
        }
        let objects = if name.starts_with("zoo-18") {
            "BLOB METADATA"
        } else {
            "BLOB"
        };
        assert_eq!(turn_of(objects, ""), Some(RestoreStage::Before), "{name}");
        assert_eq!(plan::encoding(&contents), "UTF8");
        assert_eq!(plan::populated_views(&contents), ["public.totals"]);
        let sequences = plan::sequences(&contents);
        let state = |name: &str| {
            let sequence = sequences
                .iter()
                .find(|sequence| sequence.name == name)
                .expect("a sequence");
            (sequence.last_value, sequence.is_called)
        };
        assert_eq!(
            (state("lonely"), state("untouched"), state("animals_id_seq")),
            ((7, true), (1, false), (60, true))
        );
        let definitions = plan::definitions(&contents);
        assert!(
            definitions
                .iter()
                .all(|entry| !entry.kind.as_str().starts_with("BLOB")
                    && !entry.kind.as_str().ends_with(" DATA"))
        );
    }
}

#[test]
fn how_the_input_is_cut_does_not_matter() {
    for (name, ..) in GOLDEN {
        let archive = golden(name);
        let whole = told([&archive[..]]).expect("an archive");
        assert!(whole.len() > 30, "{name}");
        for size in [1, 2, 3, 7, 4096] {
            assert_eq!(
                told(archive.chunks(size)).expect("an archive"),
                whole,
                "{name} in pieces of {size}"
            );
        }
    }
}

#[test]
fn every_proper_prefix_is_incomplete() {
    for (name, ..) in GOLDEN {
        let archive = golden(name);
        let head =
            usize::try_from(survey(&archive).expect("an archive").contents.head_bytes).expect("a length");
        // One pass: after each byte, the archive so far has no error and no end.
        let mut reader = ArchiveReader::new();
        for at in 0..archive.len() {
            assert!(reader.contents().is_some() == (at >= head), "{name} at {at}");
            let mut rest = &archive[at..=at];
            loop {
                let step = reader
                    .step(rest)
                    .unwrap_or_else(|error| panic!("{name} at {at}: {error}"));
                rest = &rest[step.consumed..];
                if step.event.is_none() {
                    break;
                }
            }
        }
        reader.finish().expect("the whole archive");
        // And some of them from the beginning, as a reader of a cut file would meet them.
        for length in (0..archive.len())
            .step_by(509)
            .chain(archive.len() - 20..archive.len())
        {
            assert_eq!(
                survey(&archive[..length]).map(|_| ()),
                Err(ArchiveError::Incomplete),
                "{name} cut at {length}"
            );
        }
    }
}

#[test]
fn what_follows_the_end_is_an_error() {
    for (name, ..) in GOLDEN {
        let longer = [&golden(name)[..], b"\0"].concat();
        assert_eq!(survey(&longer).map(|_| ()), Err(ArchiveError::Trailing), "{name}");
    }
}

#[test]
fn other_formats_are_told_by_name() {
    for (bytes, error) in [
        (&b"-- PostgreSQL database dump\n"[..], ArchiveError::NotAnArchive),
        (b"\x1f\x8b\x08\x00", ArchiveError::NotAnArchive),
        (b"PGDMP\x01\x0e\x00\x04\x08\x05", ArchiveError::OtherFormat(5)),
        (
            b"PGDMP\x01\x10\x00\x04\x08\x01\x02",
            ArchiveError::UnknownCompression("lz4"),
        ),
        (
            b"PGDMP\x01\x10\x00\x04\x08\x01\x03",
            ArchiveError::UnknownCompression("zstd"),
        ),
    ] {
        assert_eq!(survey(bytes).map(|_| ()), Err(error.clone()));
        let error = paycraft_dr::error::Error::from(error);
        assert_eq!(error.kind(), paycraft_dr::error::Kind::Corrupt);
        assert!(error.next_step().is_some());
    }
    for minor in [11, 17] {
        let newer = [b'P', b'G', b'D', b'M', b'P', 1, minor, 0, 4, 8, 1];
        assert!(matches!(survey(&newer), Err(ArchiveError::UnknownVersion(_))));
    }
}

/// Writes the values of the format, for archives that no pg_dump of today makes.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn int(self, value: i32) -> Self {
        self.bytes(&[u8::from(value < 0)])
            .bytes(&value.unsigned_abs().to_le_bytes())
    }

    fn text(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self
                .int(i32::try_from(text.len()).expect("short"))
                .bytes(text.as_bytes()),
            None => self.int(-1),
        }
    }

    fn header(minor: u8, compression: i32, entries: i32) -> Self {
        let header = Self::default().bytes(b"PGDMP").bytes(&[1, minor, 0, 4, 8, 1]);
        let header = if minor < 15 {
            header.int(compression)
        } else {
            header.bytes(&[1])
        };
        let created = [7, 0, 2, 23, 10, 126, 0].into_iter().fold(header, Self::int);
        created
            .text(Some("db"))
            .text(Some("9.6"))
            .text(Some("9.6"))
            .int(entries)
    }

    /// An entry with data, in the layout of version 1.`minor`.
    fn rows_entry(self, minor: u8, id: i32, kind: &str, copy: &str) -> Self {
        self.entry_fields(minor, id, kind, copy).entry_end()
    }

    /// An entry up to its dependencies.
    fn entry_fields(self, minor: u8, id: i32, kind: &str, copy: &str) -> Self {
        let entry = self
            .int(id)
            .int(1)
            .text(Some("0"))
            .text(Some("0"))
            .text(Some("t"))
            .text(Some(kind))
            .int(3);
        let entry = entry
            .text(Some(""))
            .text(Some(""))
            .text(Some(copy))
            .text(Some("public"))
            .text(Some(""));
        let entry = if minor >= 14 { entry.text(Some("")) } else { entry };
        let entry = if minor >= 16 { entry.int(0) } else { entry };
        entry.text(Some("")).text(Some("false"))
    }

    /// The end of an entry's dependencies, and where its data lies: unknown.
    fn entry_end(self) -> Self {
        self.text(None).bytes(&[1]).bytes(&[0; 8])
    }

    /// A block of rows, one piece for each of `pieces`.
    fn block(self, id: i32, pieces: &[&[u8]]) -> Self {
        let block = self.bytes(&[1]).int(id);
        pieces
            .iter()
            .fold(block, |block, piece| block.piece(piece))
            .int(0)
    }

    fn piece(self, bytes: &[u8]) -> Self {
        self.int(i32::try_from(bytes.len()).expect("short")).bytes(bytes)
    }
}

fn one_table(minor: u8, pieces: &[&[u8]]) -> Vec<u8> {
    Writer::header(minor, 0, 1)
        .rows_entry(minor, 5, "TABLE DATA", "COPY public.t (a) FROM stdin;\n")
        .block(5, pieces)
        .0
}

#[test]
fn the_end_of_rows_is_found_however_it_is_cut() {
    let text = b"\\\\.\n\\N\n.\n\n\\\\\nlast\n\\.\n\n\n";
    let whole = told([&one_table(14, &[text])[..]]).expect("an archive");
    assert!(
        whole.contains(&format!("{:?}", "\\\\.\n\\N\n.\n\n\\\\\nlast\n")),
        "{whole:?}"
    );
    for first in 1..text.len() {
        for second in first..text.len() {
            let pieces: Vec<&[u8]> = [&text[..first], &text[first..second], &text[second..]]
                .into_iter()
                .filter(|piece| !piece.is_empty())
                .collect();
            assert_eq!(
                told([&one_table(14, &pieces)[..]]).expect("an archive"),
                whole,
                "cut at {first} and {second}"
            );
        }
    }
}

#[test]
fn rows_that_end_wrongly_are_an_error() {
    for text in [
        &b"x\n"[..],
        b"x\\.\n\n\n",
        b"x\n\\.\n\n",
        b"x\n\\.\n\n\n\n",
        b"x\n\\.\ny\n",
        b"x\n\\.",
        b"x\n\\",
    ] {
        let error = survey(&one_table(14, &[text])).expect_err("a wrong end");
        assert!(
            matches!(error, ArchiveError::Malformed(_)),
            "{:?}: {error}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn contradictions_are_errors() {
    const COPY: &str = "COPY public.t (a) FROM stdin;\n";
    let end: &[&[u8]] = &[b"\\.\n\n\n"];
    let entry = |id| Writer::header(14, 0, 1).rows_entry(14, id, "TABLE DATA", COPY);
    for (what, archive) in [
        ("a block of no entry", entry(5).block(6, end)),
        (
            "two blocks of one entry",
            Writer::header(14, 0, 2)
                .rows_entry(14, 5, "TABLE DATA", COPY)
                .rows_entry(14, 6, "TABLE DATA", COPY)
                .block(5, end)
                .block(5, end),
        ),
        (
            "two entries with one number",
            Writer::header(14, 0, 2)
                .rows_entry(14, 5, "TABLE DATA", COPY)
                .rows_entry(14, 5, "TABLE DATA", COPY),
        ),
        ("an entry without a number", entry(0)),
        ("a piece of negative length", entry(5).bytes(&[1]).int(5).int(-4)),
        ("a block of unknown type", entry(5).bytes(&[2]).int(5)),
        ("a negative number of entries", Writer::header(14, 0, -1)),
    ] {
        assert!(
            matches!(survey(&archive.0), Err(ArchiveError::Malformed(_))),
            "{what}: {:?}",
            survey(&archive.0).map(|_| ())
        );
    }
    let inserts = Writer::header(14, 0, 1)
        .rows_entry(14, 5, "TABLE DATA", "")
        .block(5, &[b"INSERT INTO t VALUES (1);\n"]);
    assert!(matches!(survey(&inserts.0), Err(ArchiveError::UnknownData(_))));
    let not_zlib = Writer::header(14, 6, 1)
        .rows_entry(14, 5, "TABLE DATA", COPY)
        .block(5, &[b"not zlib at all"]);
    assert_eq!(survey(&not_zlib.0).map(|_| ()), Err(ArchiveError::Damaged));
    let empty_zlib = Writer::header(14, 6, 1)
        .rows_entry(14, 5, "TABLE DATA", COPY)
        .block(5, &[]);
    assert_eq!(survey(&empty_zlib.0).map(|_| ()), Err(ArchiveError::Damaged));
}

proptest! {
    // The large row of some archives makes each case long.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_an_error_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(survey(&bytes).is_err());
        let behind_magic = [&b"PGDMP\x01\x0e\x00\x04\x08\x01"[..], &bytes].concat();
        prop_assert!(survey(&behind_magic).is_err());
    }

    #[test]
    fn a_changed_archive_is_an_error_or_a_value(
        which in 0..GOLDEN.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut archive = golden(GOLDEN[which].0);
        for (at, byte) in changes {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        let (first, second) = archive.split_at(cut.index(archive.len()));
        let one = survey(&archive).map(|found| found.tables);
        let two = survey_pieces([first, second]).map(|found| found.tables);
        if GOLDEN[which].2 == Compression::Zlib {
            // An inflater that sees more at once may find damage before it hands out what precedes it.
            prop_assert_eq!(one.ok(), two.ok());
        } else {
            prop_assert_eq!(one, two);
        }
    }

    #[test]
    fn cuts_at_random_do_not_matter(
        which in 0..GOLDEN.len(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let archive = golden(GOLDEN[which].0);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(archive.len())).collect();
        cuts.sort_unstable();
        cuts.push(archive.len());
        let mut from = 0;
        let pieces: Vec<&[u8]> = cuts.into_iter().map(|cut| &archive[std::mem::replace(&mut from, cut)..cut]).collect();
        let found = survey_pieces(pieces).expect("an archive");
        let whole = survey(&archive).expect("an archive");
        prop_assert_eq!(found.tables, whole.tables);
        prop_assert_eq!(found.large_objects, whole.large_objects);
        prop_assert_eq!(Arc::<Contents>::unwrap_or_clone(found.contents), Arc::unwrap_or_clone(whole.contents));
    }

    #[test]
    fn a_member_comes_back_and_nothing_else_does(raw in prop::collection::vec(any::<u8>(), 0..2000), flip in any::<prop::sample::Index>()) {
        let member = gzip::deflate(&raw, 6);
        prop_assert_eq!(gzip::inflate(&member, raw.len()), Ok(raw.clone()));
        prop_assert_eq!(gzip::inflate(&member, raw.len() + 1), Err(gzip::GzipError::Length));
        prop_assert!(raw.is_empty() || gzip::inflate(&member, raw.len() - 1).is_err());
        prop_assert!(gzip::inflate(&member[..member.len() - 1], raw.len()).is_err());
        let longer = [&member[..], &member].concat();
        prop_assert!(gzip::inflate(&longer, raw.len()).is_err());
        let mut flipped = member;
        let at = flip.index(flipped.len());
        flipped[at] ^= 1;
        // The header's time and system fields mean nothing; everything else must be missed.
        let same_or_error = gzip::inflate(&flipped, raw.len()).map_or(true, |inflated| inflated == raw);
        prop_assert!(same_or_error);
    }
}
