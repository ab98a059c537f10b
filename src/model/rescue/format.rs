//! Rows as they are written: COPY text, CSV, lines of JSON, or INSERTs.

use std::borrow::Cow;
use std::io::Write;

use super::column::{Column, ColumnKind};
use super::copy_text::value;
use super::name::quoted;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As `COPY … TO STDOUT` does.
    Copy,
    /// As `COPY … TO STDOUT (FORMAT csv, HEADER)` does: RFC 4180 with lines that end as on Unix. NULL is empty, an empty text is `""`.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// One INSERT a line.
    Sql,
}

/// What INSERTs need to know beside the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insertion {
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub table: String,
    /// The encoding of the rows, as `SET client_encoding` takes it.
    pub encoding: String,
    /// Whether a column is `GENERATED ALWAYS AS IDENTITY`.
    pub overrides_identity: bool,
}

/// Writes rows of one table.
#[derive(Clone, Debug)]
pub struct RowWriter {
    format: Format,
    kinds: Vec<ColumnKind>,
    /// What comes before a value of each column: its name in JSON.
    keys: Vec<Vec<u8>>,
    /// What comes before the first row.
    head: Vec<u8>,
    /// What comes before the values of an INSERT.
    insert: Vec<u8>,
}

/// A value that is no UTF-8, which JSON is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8 {
    /// The place of its column among those written.
    pub column: usize,
}

impl RowWriter {
    /// A writer of rows of these columns.
    pub fn new(format: Format, columns: &[Column], insertion: &Insertion) -> Self {
        let names = || columns.iter().map(|column| column.name.as_str());
        let (mut head, mut insert) = (Vec::new(), Vec::new());
        match format {
            Format::Copy | Format::Jsonl => {}
            Format::Csv => {
                write_csv_line(
                    names().map(|name| Some(name.as_bytes())),
                    columns.len(),
                    &mut head,
                );
                head.push(b'\n');
            }
            Format::Sql => {
                head = format!(
                    "SET client_encoding = '{}';\nSET standard_conforming_strings = on;\n",
                    insertion.encoding.replace('\'', "''")
                )
                .into_bytes();
                insert = insert_of(insertion, columns).into_bytes();
            }
        }
        let key = |(place, name)| {
            let mark = if place == 0 { '{' } else { ',' };
            let name = serde_json::Value::from(name).to_string();
            format!("{mark}{name}:").into_bytes()
        };
        Self {
            format,
            kinds: columns.iter().map(|column| column.kind).collect(),
            keys: names().enumerate().map(key).collect(),
            head,
            insert,
        }
    }

    /// What comes before the first row.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether a row of all columns in their order is written as it is in the archive.
    pub fn is_plain(&self) -> bool {
        self.format == Format::Copy
    }

    /// Appends a row of fields of COPY text to `out`.
    pub fn write<'f>(
        &self,
        fields: impl Iterator<Item = &'f [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), NotUtf8> {
        match self.format {
            Format::Copy => write_copy(fields, out),
            Format::Csv => {
                // Values are borrowed where nothing is escaped.
                let values: Vec<Option<Cow<'_, [u8]>>> = fields.map(value).collect();
                write_csv_line(values.iter().map(Option::as_deref), values.len(), out);
            }
            Format::Jsonl => self.write_json(fields, out)?,
            Format::Sql => self.write_insert(fields, out),
        }
        out.push(b'\n');
        Ok(())
    }

    fn write_json<'f>(
        &self,
        fields: impl Iterator<Item = &'f [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), NotUtf8> {
        if self.keys.is_empty() {
            out.push(b'{');
        }
        let columns = self.keys.iter().zip(&self.kinds);
        for (column, (field, (key, kind))) in fields.zip(columns).enumerate() {
            out.extend_from_slice(key);
            match value(field) {
                None => out.extend_from_slice(b"null"),
                Some(value) => write_json_value(&value, *kind, out).ok_or(NotUtf8 { column })?,
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn write_insert<'f>(&self, fields: impl Iterator<Item = &'f [u8]>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.insert);
        if self.keys.is_empty() {
            return;
        }
        for (place, field) in fields.enumerate() {
            if place > 0 {
                out.extend_from_slice(b", ");
            }
            match value(field) {
                None => out.extend_from_slice(b"NULL"),
                Some(value) => write_between(b'\'', &value, out),
            }
        }
        out.extend_from_slice(b");");
    }
}

/// An INSERT up to its first value; all of it for a table without columns.
fn insert_of(insertion: &Insertion, columns: &[Column]) -> String {
    let table = format!("{}.{}", quoted(&insertion.schema), quoted(&insertion.table));
    if columns.is_empty() {
        return format!("INSERT INTO {table} DEFAULT VALUES;");
    }
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let overriding = match insertion.overrides_identity {
        true => "OVERRIDING SYSTEM VALUE ",
        false => "",
    };
    format!("INSERT INTO {table} ({}) {overriding}VALUES (", names.join(", "))
}

fn write_copy<'f>(fields: impl Iterator<Item = &'f [u8]>, out: &mut Vec<u8>) {
    for (place, field) in fields.enumerate() {
        if place > 0 {
            out.push(b'\t');
        }
        out.extend_from_slice(field);
    }
}

fn write_csv_line<'v>(values: impl Iterator<Item = Option<&'v [u8]>>, count: usize, out: &mut Vec<u8>) {
    for (place, value) in values.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        let Some(value) = value else { continue };
        let needs_quotes = value.is_empty()
            || value.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
            // A line of its own with this text would end the rows for psql.
            || (count == 1 && value == b"\\.");
        match needs_quotes {
            true => write_between(b'"', value, out),
            false => out.extend_from_slice(value),
        }
    }
}

/// Writes `value` between quotes, each quote within it twice.
fn write_between(quote: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(quote);
    for part in value.split_inclusive(|byte| *byte == quote) {
        out.extend_from_slice(part);
        if part.last() == Some(&quote) {
            out.push(quote);
        }
    }
    out.push(quote);
}

/// Writes a value as JSON; nothing where it is no UTF-8.
fn write_json_value(value: &[u8], kind: ColumnKind, out: &mut Vec<u8>) -> Option<()> {
    let plain: Option<&[u8]> = match (kind, value) {
        (ColumnKind::Boolean, b"t") => Some(b"true"),
        (ColumnKind::Boolean, b"f") => Some(b"false"),
        (ColumnKind::Number, value) if is_json_number(value) => Some(value),
        _ => None,
    };
    if let Some(plain) = plain {
        out.extend_from_slice(plain);
    } else {
        let text = std::str::from_utf8(value).ok()?;
        // A vector takes all that is written.
        let _ = serde_json::to_writer(out.by_ref(), text);
    }
    Some(())
}

/// Whether these bytes are a number in JSON. `NaN` and infinity are none.
fn is_json_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let unsigned = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-"));
        let exponent = unsigned.unwrap_or(exponent);
        let length = digits(exponent);
        return length > 0 && length == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{Format, Insertion, NotUtf8, RowWriter, is_json_number};
    use crate::model::rescue::column::{Column, ColumnKind};

    fn written(format: Format, columns: &[(&str, ColumnKind)], rows: &[&[&[u8]]]) -> Result<String, NotUtf8> {
        let columns: Vec<Column> = columns
            .iter()
            .map(|(name, kind)| Column {
                name: (*name).to_owned(),
                kind: *kind,
            })
            .collect();
        let insertion = Insertion {
            schema: "public".to_owned(),
            table: "Odd \"t".to_owned(),
            encoding: "UTF8".to_owned(),
            overrides_identity: true,
        };
        let writer = RowWriter::new(format, &columns, &insertion);
        let mut out = writer.head().to_vec();
        for row in rows {
            writer.write(row.iter().copied(), &mut out)?;
        }
        Ok(String::from_utf8(out).expect("text"))
    }

    const COLUMNS: [(&str, ColumnKind); 3] = [
        ("id", ColumnKind::Number),
        ("a, \"b", ColumnKind::Text),
        ("ok", ColumnKind::Boolean),
    ];
    const ROWS: [&[&[u8]]; 3] = [
        &[b"1", b"it's \\\"x\\\\", b"t"],
        &[b"NaN", b"\\N", b"f"],
        &[b"-1.50", b"", b"\\N"],
    ];

    #[test]
    fn rows_are_written_in_each_format() {
        let text = |format| written(format, &COLUMNS, &ROWS).expect("text");
        assert_eq!(
            text(Format::Copy),
            "1\tit's \\\"x\\\\\tt\nNaN\t\\N\tf\n-1.50\t\t\\N\n"
        );
        assert_eq!(
            text(Format::Csv),
            "id,\"a, \"\"b\",ok\n1,\"it's \"\"x\\\",t\nNaN,,f\n-1.50,\"\",\n"
        );
        assert_eq!(
            text(Format::Jsonl),
            "{\"id\":1,\"a, \\\"b\":\"it's \\\"x\\\\\",\"ok\":true}\n{\"id\":\"NaN\",\"a, \\\"b\":null,\"ok\":false}\n{\"id\":-1.50,\"a, \\\"b\":\"\",\"ok\":null}\n"
        );
        let insert = "INSERT INTO \"public\".\"Odd \"\"t\" (\"id\", \"a, \"\"b\", \"ok\") OVERRIDING SYSTEM VALUE VALUES (";
        assert_eq!(
            text(Format::Sql),
            format!(
                "SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n{insert}'1', 'it''s \"x\\', 't');\n{insert}'NaN', NULL, 'f');\n{insert}'-1.50', '', NULL);\n"
            )
        );
    }

    #[test]
    fn tables_of_one_column_and_of_none() {
        let one = [("x", ColumnKind::Text)];
        assert_eq!(
            written(Format::Csv, &one, &[&[b"\\\\."], &[b"\\N"]]).as_deref(),
            Ok("x\n\"\\.\"\n\n")
        );
        let text = |format| written(format, &[], &[&[], &[]]).expect("text");
        assert_eq!(text(Format::Copy), "\n\n");
        assert_eq!(text(Format::Csv), "\n\n\n");
        assert_eq!(text(Format::Jsonl), "{}\n{}\n");
        assert!(
            text(Format::Sql)
                .ends_with("DEFAULT VALUES;\nINSERT INTO \"public\".\"Odd \"\"t\" DEFAULT VALUES;\n")
        );
    }

    #[test]
    fn json_is_utf_8() {
        let rows: [&[&[u8]]; 1] = [&[b"1", b"\xff", b"t"]];
        assert_eq!(
            written(Format::Jsonl, &COLUMNS, &rows),
            Err(NotUtf8 { column: 1 })
        );
    }

    #[test]
    fn numbers_of_json() {
        for text in [
            "0",
            "-0",
            "10",
            "1.50",
            "1e+20",
            "-0.5E-3",
            "123456789012345678901234567890",
        ] {
            assert!(is_json_number(text.as_bytes()), "{text}");
        }
        for text in [
            "", "-", "01", "1.", ".5", "1e", "1e+", "NaN", "Infinity", "1 ", "1x",
        ] {
            assert!(!is_json_number(text.as_bytes()), "{text}");
        }
    }
}
