//! One zlib stream at a time, through a buffer of fixed size.

use flate2::{Decompress, FlushDecompress, Status};

use super::error::ArchiveError;

const OUTPUT_BYTES: usize = 64 << 10;

/// Inflates the data of one block after another.
#[derive(Debug)]
pub(super) struct Inflater {
    stream: Decompress,
    output: Box<[u8]>,
    has_ended: bool,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            stream: Decompress::new(true),
            output: vec![0; OUTPUT_BYTES].into_boxed_slice(),
            has_ended: false,
        }
    }

    /// Makes ready for the next stream.
    pub(super) fn reset(&mut self) {
        self.stream.reset(true);
        self.has_ended = false;
    }

    /// Inflates what is left inside when no more input will come: how much of the output is filled.
    pub(super) fn drain(&mut self) -> Result<usize, ArchiveError> {
        if self.has_ended {
            Ok(0)
        } else {
            self.feed(&[]).map(|(_, filled)| filled)
        }
    }

    /// Inflates from the front of `input`: how much of it was used, and how much of the output is filled. Input behind the
    /// stream's end is an error.
    pub(super) fn feed(&mut self, input: &[u8]) -> Result<(usize, usize), ArchiveError> {
        if self.has_ended {
            return Err(ArchiveError::Damaged);
        }
        let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
        let status = self
            .stream
            .decompress(input, &mut self.output, FlushDecompress::None)
            .map_err(|_| ArchiveError::Damaged)?;
        self.has_ended = status == Status::StreamEnd;
        let used = usize::try_from(self.stream.total_in() - before_in).unwrap_or(0);
        let filled = usize::try_from(self.stream.total_out() - before_out).unwrap_or(0);
        if used == 0 && filled == 0 && !input.is_empty() && !self.has_ended {
            return Err(ArchiveError::Damaged);
        }
        Ok((used, filled))
    }

    /// Whether the stream said that it is whole.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }
}
