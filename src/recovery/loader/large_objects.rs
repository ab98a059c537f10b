//! Large objects on their way into a target: many small ones, or pieces of a large one, go together.

use bytes::BytesMut;

use crate::error::Result;
use crate::postgres::queries::large_objects::{self, Piece, Way};
use crate::postgres::session::Session;

/// What is sent at once: about as much as a session keeps of a temporary table without a file.
const BATCH_BYTES: usize = 2 << 20;
const BATCH_PIECES: usize = 1000;
/// The most of one large object in one piece.
const PIECE_BYTES: usize = 256 << 10;

/// Writes large objects that exist.
#[derive(Debug, Default)]
pub(super) struct LargeObjectWriter {
    way: Option<Way>,
    /// The one whose bytes are coming, and how many of them went before `data`.
    current: (u32, i64),
    data: BytesMut,
    pieces: Vec<Piece>,
    waiting_bytes: usize,
}

impl LargeObjectWriter {
    pub(super) fn began(&mut self, oid: u32) {
        self.current = (oid, 0);
    }

    pub(super) async fn data(&mut self, session: &Session, data: &[u8]) -> Result<()> {
        self.data.extend_from_slice(data);
        if self.data.len() >= PIECE_BYTES {
            self.cut();
        }
        self.write_where(session, self.waiting_bytes >= BATCH_BYTES).await
    }

    pub(super) async fn ended(&mut self, session: &Session) -> Result<()> {
        self.cut();
        let is_enough = self.waiting_bytes >= BATCH_BYTES || self.pieces.len() >= BATCH_PIECES;
        self.write_where(session, is_enough).await
    }

    /// Writes what is left.
    pub(super) async fn finish(&mut self, session: &Session) -> Result<()> {
        self.write_where(session, !self.pieces.is_empty()).await
    }

    fn cut(&mut self) {
        if self.data.is_empty() {
            return;
        }
        let (oid, offset) = self.current;
        let bytes = self.data.split().freeze();
        self.current.1 += i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        self.waiting_bytes += bytes.len();
        self.pieces.push(Piece { oid, offset, bytes });
    }

    async fn write_where(&mut self, session: &Session, is_time: bool) -> Result<()> {
        if !is_time {
            return Ok(());
        }
        let way = match self.way {
            Some(way) => way,
            None => *self.way.insert(large_objects::prepare(session).await?),
        };
        large_objects::write(session, way, &self.pieces).await?;
        self.pieces.clear();
        self.waiting_bytes = 0;
        Ok(())
    }
}
