//! JSON inside a `COPY` field: both escapes are applied in one pass, without a copy in between.

use super::copy_text::{push_hex, push_number};

/// The members of one JSON object, in the order they are written.
pub(super) struct Json<'a> {
    out: &'a mut Vec<u8>,
    started: bool,
}

/// Appends an object whose members `members` writes.
pub(super) fn push_object(out: &mut Vec<u8>, members: impl FnOnce(&mut Json<'_>)) {
    out.push(b'{');
    members(&mut Json {
        out: &mut *out,
        started: false,
    });
    out.push(b'}');
}

impl Json<'_> {
    /// Opens a member; what is appended to the buffer next must be one JSON value.
    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if self.started {
            self.out.push(b',');
        }
        self.started = true;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        let out = self.member(name);
        out.push(b'"');
        for byte in value.bytes() {
            match byte {
                // A backslash of JSON's is doubled once more for COPY.
                b'"' => out.extend_from_slice(b"\\\\\""),
                b'\\' => out.extend_from_slice(b"\\\\\\\\"),
                0..0x20 => {
                    out.extend_from_slice(b"\\\\u00");
                    push_hex(out, &[byte]);
                }
                plain => out.push(plain),
            }
        }
        out.push(b'"');
    }

    /// Text that `write` appends and that needs no escape.
    pub(super) fn plain(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let out = self.member(name);
        out.push(b'"');
        write(out);
        out.push(b'"');
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        push_number(self.member(name), value);
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.member(name)
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(super) fn null(&mut self, name: &str) {
        self.member(name).extend_from_slice(b"null");
    }

    pub(super) fn object(&mut self, name: &str, members: impl FnOnce(&mut Json<'_>)) {
        push_object(self.member(name), members);
    }
}
