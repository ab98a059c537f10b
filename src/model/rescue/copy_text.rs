//! One row of COPY text: its fields, and what they mean.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr_iter};

/// The field of a NULL.
const NULL: &[u8] = b"\\N";

/// Finds the fields of `row`, which has no newline at its end. A row of a table without columns has none.
pub fn split(row: &[u8], columns: usize, fields: &mut Vec<Range<usize>>) {
    fields.clear();
    if columns == 0 && row.is_empty() {
        return;
    }
    let mut start = 0;
    for tab in memchr_iter(b'\t', row) {
        fields.push(start..tab);
        start = tab + 1;
    }
    fields.push(start..row.len());
}

/// Whether the field is NULL.
pub fn is_null(field: &[u8]) -> bool {
    field == NULL
}

/// The value of a field; nothing for NULL.
pub fn value(field: &[u8]) -> Option<Cow<'_, [u8]>> {
    if is_null(field) {
        return None;
    }
    let Some(first) = memchr(b'\\', field) else {
        return Some(Cow::Borrowed(field));
    };
    let mut value = Vec::with_capacity(field.len());
    value.extend_from_slice(&field[..first]);
    let mut rest = field[first..].iter();
    while let Some(byte) = rest.next() {
        value.push(match byte {
            b'\\' => rest.next().map_or(b'\\', |escaped| unescaped(*escaped)),
            byte => *byte,
        });
    }
    Some(Cow::Owned(value))
}

/// PostgreSQL writes no other escapes; those for digits are only read.
fn unescaped(letter: u8) -> u8 {
    match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{split, value};

    #[test]
    fn fields_are_split_and_read() {
        let row = b"1\t\\N\t\ta\\tb\\\\N\\n";
        let mut fields = Vec::new();
        split(row, 4, &mut fields);
        let read: Vec<Option<String>> = fields
            .iter()
            .map(|field| value(&row[field.clone()]).map(|value| String::from_utf8_lossy(&value).into_owned()))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(read, [text("1"), None, text(""), text("a\tb\\N\n")]);
        split(b"", 0, &mut fields);
        assert!(fields.is_empty());
        split(b"", 1, &mut fields);
        assert_eq!((fields.len(), fields[0].len()), (1, 0));
    }
}
