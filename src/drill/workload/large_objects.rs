//! Invoice documents, kept as large objects: `pg_dump` carries them apart from all tables.

use super::copy_text::push_number;
use super::draw::Draw;
use super::world::World;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargeObject {
    /// Its id, which a row of `invoice_documents` holds.
    pub oid: u32,
    pub content: Vec<u8>,
}

/// Ids are given, not assigned, so that rows can name them before they exist. A fresh database uses none this high.
const FIRST_OID: u32 = 1_000_000;
/// The stream of random choices that no table uses.
const STREAM: u64 = u64::MAX - 1;

/// The id of document `number`.
pub(super) fn oid(number: u64) -> u32 {
    u32::try_from(number).map_or(FIRST_OID, |number| FIRST_OID + number)
}

/// Every document of the data set.
pub(super) fn all(world: World) -> impl Iterator<Item = LargeObject> {
    let mut draw = Draw::new(world.seed, STREAM);
    // A two-thousandth of the size each, so that all of them stay at a few per cent; some span several of the 2 kB pages
    // in which the server keeps them.
    let largest_bytes = (world.size_bytes / 2000).clamp(3 << 10, 256 << 10);
    (0..world.rows.documents).map(move |number| LargeObject {
        oid: oid(number),
        content: document(&world, number, &mut draw, largest_bytes),
    })
}

/// Something with the shape of a PDF: a binary mark, then text.
fn document(world: &World, number: u64, draw: &mut Draw, largest_bytes: u64) -> Vec<u8> {
    let length_bytes = 200 + draw.below(largest_bytes - 200);
    let mut content = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\0\nInvoice ".to_vec();
    push_number(&mut content, number);
    while (content.len() as u64) < length_bytes {
        content.push(b'\n');
        content.extend_from_slice(draw.pick(&world.pools.sentences).as_bytes());
        content.extend_from_slice(&draw.bytes::<12>());
    }
    content.extend_from_slice(b"\n%%EOF\n");
    content
}
