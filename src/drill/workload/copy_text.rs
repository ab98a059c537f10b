//! Rows in the text format of `COPY … FROM STDIN`, written straight into a byte buffer.

use super::moment::Moment;

/// One row in the making: fields are written in column order and [`end`](Self::end) closes the line.
#[derive(Debug)]
pub struct CopyRow<'a> {
    out: &'a mut Vec<u8>,
    started: bool,
}

impl<'a> CopyRow<'a> {
    /// A row that is appended to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, started: false }
    }

    /// Opens the next field and hands out the buffer, for content that is known to need no escape.
    pub fn field(&mut self) -> &mut Vec<u8> {
        if self.started {
            self.out.push(b'\t');
        }
        self.started = true;
        self.out
    }

    /// Any text, escaped.
    pub fn text(&mut self, value: &str) -> &mut Self {
        push_escaped(self.field(), value);
        self
    }

    /// Text of ours that is known to need no escape.
    pub fn plain(&mut self, value: &str) -> &mut Self {
        debug_assert!(!value.bytes().any(needs_escape), "not plain: {value:?}");
        self.field().extend_from_slice(value.as_bytes());
        self
    }

    pub fn null(&mut self) -> &mut Self {
        self.field().extend_from_slice(b"\\N");
        self
    }

    pub fn number(&mut self, value: u64) -> &mut Self {
        push_number(self.field(), value);
        self
    }

    /// A number with `places` digits after the point, given in units of the last digit.
    pub fn decimal(&mut self, value: u64, places: u32) -> &mut Self {
        push_decimal(self.field(), value, places);
        self
    }

    pub fn flag(&mut self, value: bool) -> &mut Self {
        self.field().push(if value { b't' } else { b'f' });
        self
    }

    pub fn uuid(&mut self, value: u128) -> &mut Self {
        push_uuid(self.field(), value);
        self
    }

    /// Bytes for a `bytea` column.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        let out = self.field();
        out.extend_from_slice(b"\\\\x");
        push_hex(out, value);
        self
    }

    pub fn moment(&mut self, value: Moment) -> &mut Self {
        value.push_timestamp(self.field());
        self
    }

    /// The `date` of a moment.
    pub fn date(&mut self, value: Moment) -> &mut Self {
        value.push_date(self.field());
        self
    }

    pub fn end(self) {
        self.out.push(b'\n');
    }
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'\\'
}

/// Appends `text` so that `COPY` reads exactly it: backslashes and the characters that structure the format are escaped,
/// every other byte is itself.
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    if !text.bytes().any(needs_escape) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            plain => out.push(plain),
        }
    }
}

/// The last decimal digit of `value`.
fn digit(value: u64) -> u8 {
    b'0' + (value % 10) as u8
}

/// Appends a whole number in decimal.
pub(super) fn push_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = digit(value);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// Appends a number with `width` digits, zeros first.
pub(super) fn push_padded(out: &mut Vec<u8>, value: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(digit(value / 10_u64.pow(place)));
    }
}

/// Appends a number with `places` digits after the point, given in units of the last digit.
pub(super) fn push_decimal(out: &mut Vec<u8>, value: u64, places: u32) {
    let unit = 10_u64.pow(places);
    push_number(out, value / unit);
    out.push(b'.');
    push_padded(out, value % unit, places);
}

/// Appends bytes as lower-case hexadecimal.
pub(super) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        bytes
            .iter()
            .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}

/// Appends a UUID in its usual form.
pub(super) fn push_uuid(out: &mut Vec<u8>, value: u128) {
    let bytes = value.to_be_bytes();
    for (index, group) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
        if index > 0 {
            out.push(b'-');
        }
        push_hex(out, &bytes[group]);
    }
}

/// Appends bytes as letters and digits, one each: the shape of the ids and keys that payment providers hand out.
pub(super) fn push_token(out: &mut Vec<u8>, bytes: &[u8]) {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    out.extend(
        bytes
            .iter()
            .map(|byte| LETTERS[usize::from(*byte) * LETTERS.len() / 256]),
    );
}
