//! Which rows of a table are meant, and which of their fields.

use std::ops::Range;

use super::table::BackedUpTable;
use crate::error::Result;
use crate::model::rescue::condition::Bound;
use crate::model::rescue::copy_text::split;
use crate::recovery::object::corrupt;

/// Picks rows and fields, whichever part of the table they are in.
pub(super) struct RowFields {
    /// The backup's key.
    key: String,
    parts: Vec<PartFields>,
    /// Where the fields of the last row are.
    fields: Vec<Range<usize>>,
}

/// Where in a row of one part the fields are that are asked for.
struct PartFields {
    /// How many fields a row has.
    count: usize,
    /// Those that are wanted, in order.
    wanted: Vec<usize>,
    /// Those that are compared.
    compared: Vec<(usize, Bound)>,
}

impl RowFields {
    /// Picks rows of `table` for which all `conditions` hold, and these of its columns.
    pub(super) fn new(key: &str, table: &BackedUpTable, conditions: &[Bound], columns: &[usize]) -> Self {
        let parts = table.parts.iter().map(|part| {
            let compared = conditions.iter().cloned();
            PartFields {
                count: part.order.len(),
                compared: compared.map(|bound| (part.order[bound.column], bound)).collect(),
                wanted: columns.iter().map(|place| part.order[*place]).collect(),
            }
        });
        Self {
            key: key.to_owned(),
            parts: parts.collect(),
            fields: Vec::new(),
        }
    }

    /// Whether each row of a part is meant, with all its fields in their order.
    pub(super) fn takes_all(&self, part: usize) -> bool {
        let part = &self.parts[part];
        part.compared.is_empty() && part.wanted.iter().copied().eq(0..part.count)
    }

    /// The fields of a row that are wanted; nothing where the row is not meant.
    pub(super) fn of<'r>(
        &'r mut self,
        part: usize,
        row: &'r [u8],
    ) -> Result<Option<impl Iterator<Item = &'r [u8]> + use<'r>>> {
        let part = &self.parts[part];
        split(row, part.count, &mut self.fields);
        if self.fields.len() != part.count {
            return Err(corrupt(
                &self.key,
                "a row has another number of columns than its table",
            ));
        }
        let fields = &self.fields;
        let field = move |place: usize| &row[fields[place].clone()];
        let mut compared = part.compared.iter();
        let is_meant = compared.all(|(place, bound)| bound.holds(field(*place)));
        Ok(is_meant.then(|| part.wanted.iter().map(move |place| field(*place))))
    }
}
