//! An object without a manifest, read to its end: what its manifest says, and publishing it.
//!
//! Such objects were made by the shell workflow: `pg_dump -Fc | gzip`. What they held when they were made is not recorded, so
//! the manifest describes what is there now; from then on any change shows.

use bytes::Bytes;
use futures_util::{StreamExt, pin_mut};
use sha2::{Digest, Sha256};

use super::background::in_the_background;
use super::manifests::Made;
use super::survey::{Survey, Surveyed};
use super::{manifests, object, plan};
use crate::archive::ArchiveError;
use crate::archive::gzip::{GzipError, GzipStream};
use crate::error::{Error, Kind, Result};
use crate::model::hex::hex;
use crate::model::identity::Identity;
use crate::model::key::BackupKey;
use crate::model::manifest::{self, Block, Framing, Manifest, Source};
use crate::model::sha256_sum::Sha256Sum;
use crate::model::timeline::{Event, Observer};
use crate::postgres::queries;
use crate::store::{ObjectFacts, Store};

/// How much of the object is one block of its index.
const BLOCK_BYTES: u64 = 4 << 20;

/// Reads the object `key` to its end and publishes its manifest, which makes it attested. No database is needed.
pub async fn attest(store: &Store, key: BackupKey, observer: &dyn Observer) -> Result<Made> {
    let manifest = describe(store, key, observer).await?;
    let manifest = manifests::publish(store, key, manifest).await?;
    Ok(Made {
        key,
        manifest_key: key.manifest_key(),
        manifest,
    })
}

/// Reads the object `key` to its end: the manifest it would have. Nothing is written.
pub async fn describe(store: &Store, key: BackupKey, observer: &dyn Observer) -> Result<Manifest> {
    let facts = unattested(store, key).await?;
    observer.observe(Event::Expected(facts.bytes));
    let name = key.to_string();
    let spans = object::spans_of(store, &name, facts.bytes, BLOCK_BYTES);
    pin_mut!(spans);
    let mut reading = ObjectReader::default();
    while let Some(stored) = spans.next().await {
        let stored = stored?;
        observer.observe(Event::Bytes(stored.len() as u64));
        let key = name.clone();
        reading = in_the_background(move || {
            reading.take(&stored).map_err(|cause| cause.of(&key))?;
            Ok(reading)
        })
        .await?;
    }
    if reading.stored_bytes != facts.bytes {
        return Err(object::corrupt(&name, "it changed while it was read"));
    }
    let (blocks, sha256, surveyed) = reading.finish().map_err(|cause| cause.of(&name))?;
    Ok(manifest_of(key, &facts, blocks, sha256, surveyed))
}

/// What the store says of an object that has no manifest and may be read as a backup.
async fn unattested(store: &Store, key: BackupKey) -> Result<ObjectFacts> {
    let Some(facts) = store.head(&key.to_string()).await? else {
        return Err(Error::new(Kind::Store, format!("there is no object {key}"))
            .hint("`paycraft-dr list` shows what is there"));
    };
    if store.head(&key.manifest_key()).await?.is_some() {
        return Err(Error::new(Kind::Refused, format!("{key} has a manifest already"))
            .hint("`paycraft-dr verify --object` checks it against that"));
    }
    if facts.is_ours {
        return Err(Error::new(
            Kind::Refused,
            format!("{key} is a backup that is being made, or the leftover of one that failed"),
        )
        .hint("use another backup: `paycraft-dr list` shows them"));
    }
    Ok(facts)
}

/// An object as far as it was read.
#[derive(Default)]
struct ObjectReader {
    inflater: GzipStream,
    survey: Survey,
    blocks: Vec<Block>,
    stored_bytes: u64,
    raw_bytes: u64,
    digest: Sha256,
}

/// Why an object cannot be read.
enum ObjectReadError {
    Gzip(GzipError),
    Archive(ArchiveError),
}

impl ObjectReadError {
    fn of(self, key: &str) -> Error {
        match self {
            Self::Gzip(cause) => object::corrupt(key, "gzip disagrees").caused_by(cause),
            Self::Archive(cause) => {
                let plain = Error::from(cause.clone());
                let error = object::unreadable(key, cause);
                match plain.next_step() {
                    Some(hint) => error.hint(hint),
                    None => error,
                }
            }
        }
    }
}

impl ObjectReader {
    fn take(&mut self, stored: &Bytes) -> Result<(), ObjectReadError> {
        let mut raw_bytes = 0;
        let mut surveyed = Ok(());
        let fed = object::feed(&mut self.inflater, stored, |piece| {
            raw_bytes += piece.len() as u64;
            surveyed = self.survey.feed(&piece);
            surveyed.is_ok()
        });
        surveyed.map_err(ObjectReadError::Archive)?;
        fed.map_err(ObjectReadError::Gzip)?;
        self.digest.update(stored);
        self.blocks.push(Block {
            offset: self.stored_bytes,
            stored_bytes: stored.len() as u64,
            raw_bytes,
            sha256: Sha256Sum::of(stored),
        });
        self.stored_bytes += stored.len() as u64;
        self.raw_bytes += raw_bytes;
        Ok(())
    }

    fn finish(mut self) -> Result<(Vec<Block>, String, Surveyed), ObjectReadError> {
        let mut rest = Vec::new();
        self.inflater.finish(&mut rest).map_err(ObjectReadError::Gzip)?;
        if let Some(last) = self.blocks.last_mut() {
            last.raw_bytes += rest.len() as u64;
        }
        self.survey.feed(&rest).map_err(ObjectReadError::Archive)?;
        let surveyed = self.survey.finish().map_err(ObjectReadError::Archive)?;
        Ok((self.blocks, hex(&self.digest.finalize()), surveyed))
    }
}

/// What is not recorded is taken from the archive's own header and from pg_dump's habits.
fn manifest_of(
    key: BackupKey,
    facts: &ObjectFacts,
    blocks: Vec<Block>,
    sha256: String,
    surveyed: Surveyed,
) -> Manifest {
    let contents = &surveyed.contents;
    let header = &contents.header;
    Manifest {
        manifest_version: manifest::VERSION,
        key: key.to_string(),
        started_at: key.began_at(),
        finished_at: facts
            .stored_at
            .unwrap_or_else(|| key.began_at())
            .max(key.began_at()),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        pg_dump_version: header.dump_version.clone(),
        source: Source {
            database: header.database.clone(),
            project_ref: None,
            system_identifier: None,
            server_version: header.server_version.clone(),
            identity: Identity::default(),
        },
        copy_settings: queries::usual_copy_settings(
            plan::encoding(contents),
            &plan::database_settings(contents),
        ),
        raw_bytes: surveyed.raw_bytes,
        head_bytes: contents.head_bytes,
        stored_bytes: facts.bytes,
        sha256,
        framing: Framing::Stream,
        blocks: blocks.into(),
        entries: plan::definitions(contents),
        sequences: plan::sequences(contents),
        populated_views: plan::populated_views(contents),
        extensions: plan::extensions(contents),
        roles: plan::policy_roles(contents),
        derived: None,
        troubles: None,
        suspicion: None,
        left_out: Vec::new(),
        tables: surveyed.tables,
        large_objects: surveyed.large_objects,
        data_ranges: Some(surveyed.data_ranges),
        access: None,
        globals: None,
    }
}
