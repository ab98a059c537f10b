//! Support notes: a table whose names need quotes, holding the texts that break careless tools.

use super::WorkloadTable;
use crate::drill::workload::draw::index;
use crate::drill::workload::literal::array;
use crate::drill::workload::world::{Entity, World};

/// Texts that have to come back byte for byte.
const AWKWARD: [&str; 18] = [
    "",
    " leading and trailing ",
    "\\N",
    "\\.",
    "NULL",
    "back\\slash, two \\\\, and at the end \\",
    "tab\there,\nnew line,\r\nWindows line,\rold Mac line",
    "\u{1}\u{8}\u{b}\u{c}\u{1f}\u{7f} control characters",
    "'single' \"double\" `back` $$dollar$$ $1 %s {curly} (round) ,comma;",
    "'); DROP TABLE public.tenants; --",
    "${HOME} $(date) `date` %PATH%",
    "Grüße aus Köln – naïve façade, Đà Nẵng, Łódź",
    "支払いは完了しましたか？ 付款已完成。",
    "مرحبا بالعالم \u{202e}right to left\u{202c} שלום",
    "👩‍👩‍👧‍👦 🧾 e\u{301} (combining) \u{feff}(byte order mark) \u{200b}(zero width)",
    "\u{10ffff} the last character, \u{80}\u{85}\u{a0} C1 and no-break space",
    "{\"looks\": [\"like\", \"json\\n\"]}",
    "{\"looks like\",\"an array\",NULL}",
];

pub(super) const NOTES: WorkloadTable = WorkloadTable {
    name: "public.\"Support \"\"VIP\"\" Notes\"",
    columns: "\"Note Id\", \"Tenant\", \"Said \"\"verbatim\"\"\", \"Tags\"",
    partitioned: false,
    rows: |rows| rows.notes,
    write: |world, draw, number, row| {
        row.number(number + 1)
            .uuid(world.id(Entity::Tenant, draw.below(world.rows.tenants)));
        let awkward = AWKWARD[index(number % AWKWARD.len() as u64)];
        match number {
            // Longer than a page: stored out of line, in pieces.
            20 => row.text(&long_note(world)),
            21 => row.null(),
            number if number < AWKWARD.len() as u64 || draw.one_in(10) => row.text(awkward),
            _ => row.text(draw.pick(&world.pools.sentences)),
        };
        row.text(&array(&[
            awkward,
            draw.pick(&["urgent", "billing", "VIP \"gold\""]),
        ]));
    },
};

fn long_note(world: &World) -> String {
    world.pools.sentences[..200].join("\n")
}
