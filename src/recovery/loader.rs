//! The rows of an archive into a target.

use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use tokio_postgres::CopyInSink;

use super::plan;
use super::platform::Selection;
use crate::archive::{Contents, DumpId, Event};
use crate::error::{Error, Kind, Result};
use crate::postgres::queries;
use crate::postgres::session::Session;

/// Rows are sent in messages of about this size.
const MESSAGE_BYTES: usize = 256 << 10;

/// Loads what it is given, in the archive's order, over one connection.
pub struct Loader<'a> {
    session: &'a Session,
    contents: Option<Arc<Contents>>,
    selection: Selection,
    rows: Option<(String, Pin<Box<CopyInSink<Bytes>>>)>,
    large_object: Option<(u32, i64)>,
    waiting: BytesMut,
}

impl<'a> Loader<'a> {
    /// A loader that has not begun.
    pub fn new(session: &'a Session) -> Self {
        Self {
            session,
            contents: None,
            selection: Selection::everything(),
            rows: None,
            large_object: None,
            waiting: BytesMut::with_capacity(MESSAGE_BYTES),
        }
    }

    /// Makes the session ready for the rows of the archive with these contents. Of the rows, those of the selection are loaded.
    pub async fn prepare(&mut self, contents: &Arc<Contents>, selection: Selection) -> Result<()> {
        self.contents = Some(Arc::clone(contents));
        self.selection = selection;
        queries::prepare_load(self.session, plan::encoding(contents)).await
    }

    /// Loads the next thing read.
    pub async fn take(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Contents(_) => Ok(()),
            Event::TableBegan(id) => self.begin_table(id).await,
            Event::Rows(rows) => {
                self.waiting.extend_from_slice(rows);
                if self.waiting.len() >= MESSAGE_BYTES {
                    self.send_rows().await
                } else {
                    Ok(())
                }
            }
            Event::TableEnded(_) => self.end_table().await,
            Event::LargeObjectBegan(oid) => {
                self.large_object = Some((oid, 0));
                Ok(())
            }
            Event::LargeObjectData(data) => {
                self.waiting.extend_from_slice(data);
                if self.waiting.len() >= MESSAGE_BYTES {
                    self.write_large_object().await
                } else {
                    Ok(())
                }
            }
            Event::LargeObjectEnded(_) => {
                self.write_large_object().await?;
                self.large_object = None;
                Ok(())
            }
        }
    }

    async fn begin_table(&mut self, id: DumpId) -> Result<()> {
        let entry = self
            .contents
            .as_ref()
            .and_then(|contents| contents.entry(id))
            .ok_or_else(|| Error::new(Kind::Internal, "rows came before the table of contents"))?;
        if !self.selection.keeps(id) {
            return Ok(());
        }
        let begun = queries::copy_in(self.session, &entry.copy_statement);
        let sink = self.session.bear(begun).await??;
        let name = format!("{}.{}", entry.schema.as_deref().unwrap_or_default(), entry.tag);
        self.rows = Some((name, Box::pin(sink)));
        Ok(())
    }

    async fn send_rows(&mut self) -> Result<()> {
        let Some((name, sink)) = &mut self.rows else {
            self.waiting.clear();
            return Ok(());
        };
        let message = self.waiting.split().freeze();
        self.waiting.reserve(MESSAGE_BYTES);
        let sent = self.session.bear(sink.send(message)).await?;
        sent.map_err(|cause| {
            self.session
                .failed(format!("cannot load the rows of {name}"), cause)
        })
    }

    async fn end_table(&mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.send_rows().await?;
        }
        let Some((name, mut sink)) = self.rows.take() else {
            return Ok(());
        };
        let loaded = self.session.bear(sink.as_mut().finish()).await?;
        loaded.map_err(|cause| {
            self.session
                .failed(format!("cannot load the rows of {name}"), cause)
        })?;
        Ok(())
    }

    async fn write_large_object(&mut self) -> Result<()> {
        let Some((oid, offset)) = &mut self.large_object else {
            return Ok(());
        };
        if !self.waiting.is_empty() {
            let written = queries::write_large_object(self.session, *oid, *offset, &self.waiting);
            self.session.bear(written).await??;
            *offset += i64::try_from(self.waiting.len()).unwrap_or(i64::MAX);
            self.waiting.clear();
        }
        Ok(())
    }
}
