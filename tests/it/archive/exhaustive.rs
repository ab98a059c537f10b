//! Small archives with two tables and large objects, plain and deflated: every prefix, every flipped bit.

use std::io::Write as _;

use flate2::Compression as Level;
use flate2::write::ZlibEncoder;

use super::*;

const COPY: &str = "COPY public.t (a) FROM stdin;\n";

/// `data` as one zlib stream, or as it is.
fn packed(is_deflated: bool, data: &[u8]) -> Vec<u8> {
    if !is_deflated {
        return data.to_vec();
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Level::default());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn small(is_deflated: bool) -> Vec<u8> {
    let packed = |data: &[u8]| packed(is_deflated, data);
    let (first, second) = (packed(b"1\\t\\\\.\n\\N\n\\.\n\n\n"), packed(b"\\.\n\n\n"));
    let (first_half, other_half) = first.split_at(first.len() / 2);
    let object = packed(b"\n\\.\n\n\n");
    Writer::header(14, i32::from(is_deflated), 3)
        .rows_entry(14, 5, "TABLE DATA", COPY)
        .rows_entry(14, 6, "TABLE DATA", COPY)
        .rows_entry(14, 7, "BLOBS", "")
        .block(6, &[&second])
        .bytes(&[3])
        .int(7)
        .int(3_000_000_001_u32.cast_signed())
        .piece(&object)
        .int(0)
        .int(0)
        .block(5, &[first_half, other_half])
        .0
}

/// What is found, or why nothing is.
fn found(archive: &[u8], size: usize) -> Result<String, ArchiveError> {
    survey_pieces(archive.chunks(size)).map(|found| {
        format!(
            "{:?} {:?} {:?}",
            found.tables, found.large_objects, found.contents.entries
        )
    })
}

#[test]
fn a_whole_archive_is_read_and_no_prefix_is() {
    for is_deflated in [false, true] {
        let archive = small(is_deflated);
        let whole = survey(&archive).expect("an archive");
        let rows: Vec<u64> = whole.tables.iter().map(|table| table.content.rows).collect();
        assert_eq!((rows, whole.large_objects.rows), (vec![0, 2], 1));
        for length in 0..archive.len() {
            for size in [1, 4096] {
                assert_eq!(
                    found(&archive[..length], size),
                    Err(ArchiveError::Incomplete),
                    "cut at {length} of {}, in pieces of {size}",
                    archive.len()
                );
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_found_the_same_however_the_archive_is_cut() {
    for is_deflated in [false, true] {
        let archive = small(is_deflated);
        let whole = found(&archive, 4096);
        let head = survey(&archive).expect("an archive").contents.head_bytes;
        let mut unseen = 0;
        for at in 0..archive.len() {
            for bit in 0..8 {
                let mut flipped = archive.clone();
                flipped[at] ^= 1 << bit;
                let (once, byte_by_byte) = (found(&flipped, 4096), found(&flipped, 1));
                if is_deflated {
                    // An inflater that sees more at once may find damage before it hands out what precedes it.
                    assert_eq!(byte_by_byte.ok(), once.clone().ok(), "bit {bit} of byte {at}");
                } else {
                    assert_eq!(byte_by_byte, once, "bit {bit} of byte {at}");
                }
                unseen += usize::from(at as u64 >= head && once == whole);
            }
        }
        // Behind the contents all bits mean something but those of the signs of four zeros, with which two tables, an object
        // and its block end, and all but one of the negative oid's sign.
        assert!(is_deflated || unseen == 4 * 8 + 7, "{unseen} bits");
    }
}

#[test]
fn a_zlib_stream_ends_where_its_data_does() {
    let rows = packed(true, b"x\n\\.\n\n\n");
    let cut = &rows[..rows.len() - 1];
    let mut wrong_sum = rows.clone();
    *wrong_sum.last_mut().expect("a checksum") ^= 1;
    for (what, pieces) in [
        ("a stream without its last byte", &[cut][..]),
        ("a byte behind the stream", &[&rows, b"\0"]),
        (
            "a byte behind the stream in one piece",
            &[&[&rows[..], b"\0"].concat()],
        ),
        ("two streams", &[&rows, &rows]),
        ("a wrong checksum", &[&wrong_sum]),
        ("no stream", &[b"x\n\\.\n\n\n"]),
    ] {
        let archive = Writer::header(14, 6, 1)
            .rows_entry(14, 5, "TABLE DATA", COPY)
            .block(5, pieces)
            .0;
        for size in [1, 4096] {
            assert_eq!(found(&archive, size), Err(ArchiveError::Damaged), "{what}");
        }
    }
}
