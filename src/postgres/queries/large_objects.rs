//! Bytes of large objects into a database, unseen by its log.
//!
//! A server may log the values of a statement's parameters, and every literal; it never logs the rows of COPY. So the bytes go over
//! COPY into a temporary table, and the server itself writes them from there into the large objects.

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;

use super::loading::copy_in;
use super::{batch, one};
use crate::error::Result;
use crate::postgres::session::Session;

/// Of PostgreSQL's binary COPY format: the signature, no flags, no extension of the header.
const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const COPY_TRAILER: i16 = -1;
const COPY_COLUMNS: i16 = 3;

/// Bytes of one large object, which exists.
#[derive(Clone, Debug)]
pub struct Piece {
    pub oid: u32,
    /// Where in it the bytes go.
    pub offset: i64,
    /// Not more than a bytea holds.
    pub bytes: Bytes,
}

/// How a session writes large objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a temporary table of the session.
    Table,
    /// As parameters of statements: the role may make no temporary table.
    Parameters,
}

/// Makes the session ready to write large objects.
pub async fn prepare(session: &Session) -> Result<Way> {
    let made = session.batch_execute(
        "CREATE TEMPORARY TABLE paycraft_dr_pieces (oid oid, place bigint, bytes bytea) ON COMMIT DELETE ROWS;
         ALTER TABLE pg_temp.paycraft_dr_pieces ALTER bytes SET STORAGE EXTERNAL",
    );
    if session.with_timeout(made).await?.is_ok() {
        return Ok(Way::Table);
    }
    // A role that may not is one that may seldom set this either.
    let silent = session.batch_execute("SET log_parameter_max_length = 0");
    let _ = session.with_timeout(silent).await?;
    Ok(Way::Parameters)
}

/// Writes the pieces, all of them or none where the way is a table.
pub async fn write(session: &Session, way: Way, pieces: &[Piece]) -> Result<()> {
    let failed = |cause| session.failed("cannot write large objects", cause);
    if way == Way::Parameters {
        for Piece { oid, offset, bytes } in pieces {
            let what = format!("cannot write large object {oid}");
            let put = "SELECT pg_catalog.lo_put($1, $2, $3)";
            one(session, &what, put, &[oid, offset, &&bytes[..]]).await?;
        }
        return Ok(());
    }
    batch(session, "cannot write large objects", "BEGIN").await?;
    let copy = "COPY pg_temp.paycraft_dr_pieces FROM STDIN (FORMAT binary)";
    let sink = session
        .with_timeout(copy_in(session, copy))
        .await?
        .map_err(failed)?;
    let mut sink = Box::pin(sink);
    session
        .with_timeout(sink.send(rows(pieces)))
        .await?
        .map_err(failed)?;
    session
        .with_timeout(sink.as_mut().finish())
        .await?
        .map_err(failed)?;
    let put = "SELECT pg_catalog.lo_put(oid, place, bytes) FROM pg_temp.paycraft_dr_pieces; COMMIT";
    batch(session, "cannot write large objects", put).await
}

/// The pieces as rows of binary COPY.
fn rows(pieces: &[Piece]) -> Bytes {
    const FIXED_BYTES: usize = 26;
    let length: usize = pieces.iter().map(|piece| FIXED_BYTES + piece.bytes.len()).sum();
    let mut rows = BytesMut::with_capacity(COPY_HEADER.len() + length + 2);
    rows.put_slice(COPY_HEADER);
    for piece in pieces {
        rows.put_i16(COPY_COLUMNS);
        rows.put_i32(4);
        rows.put_u32(piece.oid);
        rows.put_i32(8);
        rows.put_i64(piece.offset);
        rows.put_i32(i32::try_from(piece.bytes.len()).unwrap_or(i32::MAX));
        rows.put_slice(&piece.bytes);
    }
    rows.put_i16(COPY_TRAILER);
    rows.freeze()
}
