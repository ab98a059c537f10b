//! Where a table's COPY text ends.
//!
//! pg_dump closes each table's rows with the line `\.` and two empty lines. Inside a row a backslash is always followed by one
//! of `bfnrtvN\`, so a line that begins with `\.` is the end and nothing else.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

use super::error::ArchiveError;

const END: &[u8] = b"\\.\n\n\n";
static LINE_END_AND_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n\\."));

/// Follows the text of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowPosition {
    /// The next byte begins a row.
    AtRowStart,
    /// The next byte is inside a row.
    InsideRow,
    /// A backslash began a row, and was not handed on yet.
    HoldingBackslash,
    /// So much of the end was seen.
    Ending(usize),
}

/// What was learned of the front of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// How much of the piece is done with.
    pub(super) used: usize,
    /// Which part of it is data.
    pub(super) data: TakenData,
}

/// Which part of a piece is data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakenData {
    Nothing,
    /// So many bytes from its beginning.
    First(usize),
    /// A backslash that an earlier piece ended with.
    HeldBackslash,
}

impl Taken {
    pub(super) fn all(length: usize) -> Self {
        Self {
            used: length,
            data: TakenData::First(length),
        }
    }

    fn nothing(used: usize) -> Self {
        Self {
            used,
            data: TakenData::Nothing,
        }
    }
}

impl RowPosition {
    /// Looks at the front of `piece`, which is not empty.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Taken, ArchiveError> {
        match *self {
            Self::Ending(seen) => {
                let length = piece.len().min(END.len() - seen);
                if length == 0 || piece[..length] != END[seen..seen + length] {
                    return Err(ArchiveError::Malformed(
                        "something follows the end of a table's rows",
                    ));
                }
                *self = Self::Ending(seen + length);
                Ok(Taken::nothing(length))
            }
            Self::HoldingBackslash if piece[0] == b'.' => {
                *self = Self::Ending(1);
                Ok(Taken::nothing(0))
            }
            Self::HoldingBackslash => {
                *self = Self::InsideRow;
                Ok(Taken {
                    used: 0,
                    data: TakenData::HeldBackslash,
                })
            }
            Self::AtRowStart if piece.starts_with(b"\\.") => {
                *self = Self::Ending(0);
                Ok(Taken::nothing(0))
            }
            Self::AtRowStart if piece == b"\\" => {
                *self = Self::HoldingBackslash;
                Ok(Taken::nothing(1))
            }
            Self::AtRowStart | Self::InsideRow => Ok(self.take_rows(piece)),
        }
    }

    fn take_rows(&mut self, piece: &[u8]) -> Taken {
        // In an uncompressed archive each row is a piece of its own, and one look is enough.
        if memchr(b'\n', piece) == Some(piece.len() - 1) {
            *self = Self::AtRowStart;
            return Taken::all(piece.len());
        }
        if let Some(line_end) = LINE_END_AND_END.find(piece) {
            *self = Self::AtRowStart;
            return Taken::all(line_end + 1);
        }
        if piece.ends_with(b"\n\\") {
            *self = Self::HoldingBackslash;
            return Taken {
                used: piece.len(),
                data: TakenData::First(piece.len() - 1),
            };
        }
        *self = if piece.ends_with(b"\n") {
            Self::AtRowStart
        } else {
            Self::InsideRow
        };
        Taken::all(piece.len())
    }

    /// Whether the whole end was seen.
    pub(super) fn have_ended(self) -> bool {
        self == Self::Ending(END.len())
    }
}
