//! Known-bad backups beside the real one. A drill that would call one of them good has proven nothing.

use bytes::{Bytes, BytesMut};

use super::quiet::Quiet;
use crate::error::{Error, Kind, Result};
use crate::model::access::Access;
use crate::model::check_names;
use crate::model::globals::Globals;
use crate::model::manifest::Manifest;
use crate::model::sha256_sum::Sha256Sum;
use crate::model::timeline::{Event, Observer};
use crate::model::verdict::{Check, CheckOutcome};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::tools::Tools;
use crate::recovery::object::CheckedArchive;
use crate::recovery::packer::{BLOCK_RAW_BYTES, Packer};
use crate::recovery::verify;
use crate::store::Store;

/// Where the objects of canaries lie for a moment. No such key is a backup's.
const PREFIX: &str = "canaries";

/// What canaries are made of.
pub(super) struct Original<'a> {
    /// The manifest of the real backup.
    pub(super) manifest: &'a Manifest,
    /// Where that backup is.
    pub(super) store: &'a Store,
    /// Whether objects may be added there.
    pub(super) may_write: bool,
    /// What it was restored into.
    pub(super) target: &'a Conninfo,
    pub(super) tools: &'a Tools,
    pub(super) jobs: usize,
    /// Who is told how far it is.
    pub(super) observer: &'a dyn Observer,
}

/// Checks that every canary is refused and that the real backup is called good.
pub(super) async fn check(original: &Original<'_>) -> Result<Check> {
    let mut called_good = Vec::new();
    let mut checked = 0;
    let mut looked = 0;
    let of = if original.may_write { 6 } else { 4 };
    original
        .observer
        .observe(Event::Doing("comparing with known-bad backups".to_owned()));
    let mut look = || {
        original.observer.observe(Event::Counted {
            what: "readings of the backup",
            done: looked,
            of,
        });
        looked += 1;
    };
    for (name, manifest) in false_manifests(original.manifest) {
        checked += 1;
        look();
        if is_good(original.store, &manifest).await? {
            called_good.push(format!("a backup with {name} would pass"));
        }
    }
    if original.may_write {
        for (name, spoilt) in [
            ("one row changed and every digest made to fit", Spoilt::Row),
            ("its end missing and every digest made to fit", Spoilt::End),
        ] {
            checked += 1;
            look();
            if is_spoilt_one_good(original, spoilt).await? {
                called_good.push(format!("a backup with {name} would pass"));
            }
        }
    }
    look();
    let (parts, unseen) = unseen_differences(original).await?;
    checked += parts;
    called_good.extend(
        unseen
            .into_iter()
            .map(|name| format!("a target with other {name} would pass")),
    );
    look();
    if !is_good(original.store, original.manifest).await? {
        called_good.push("the real backup would not pass".to_owned());
    }
    Ok(Check::none_of(
        check_names::CANARIES,
        &called_good,
        format!("{checked} known-bad ones, each refused"),
    ))
}

/// Manifests that differ from the object as they would if the object had been damaged.
fn false_manifests(original: &Manifest) -> Vec<(&'static str, Manifest)> {
    let mut flipped = original.clone();
    let middle = flipped.blocks.len() / 2;
    if let Some(block) = flipped.blocks.get_mut(middle) {
        block.sha256 = Sha256Sum::of(block.sha256.to_string().as_bytes());
    }
    let mut cut = original.clone();
    if let Some(last) = cut.blocks.last_mut() {
        last.stored_bytes += 1;
    }
    cut.stored_bytes += 1;
    vec![("a flipped bit", flipped), ("a byte missing", cut)]
}

/// Whether the object would be called intact. What the store answers is no canary's fault.
async fn is_good(store: &Store, manifest: &Manifest) -> Result<bool> {
    match verify::object(store, manifest, &Quiet).await {
        Ok(verification) => Ok(verification.verdict.is_proven()),
        Err(error) if error.kind() == Kind::Corrupt => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is wrong with an archive whose blocks are intact.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoilt {
    Row,
    End,
}

async fn is_spoilt_one_good(original: &Original<'_>, spoilt: Spoilt) -> Result<bool> {
    let manifest = store_spoilt(original, spoilt).await?;
    let good = is_good(original.store, &manifest).await;
    original.store.delete(&manifest.key).await?;
    good
}

/// Stores the archive again with something wrong in it, and returns the manifest that its makers might have written.
async fn store_spoilt(original: &Original<'_>, spoilt: Spoilt) -> Result<Manifest> {
    let key = format!("{PREFIX}/{}.dump.gz", original.manifest.sha256);
    let upload = original.store.begin_upload(&key).await?;
    let (packed, raw_bytes) = match pack_spoilt(
        original,
        spoilt,
        Packer::new(upload.clone(), original.manifest.raw_bytes),
    )
    .await
    {
        Ok(packed) => packed,
        Err(error) => {
            upload.abort().await?;
            return Err(error);
        }
    };
    Ok(Manifest {
        key,
        raw_bytes,
        stored_bytes: packed.stored_bytes,
        sha256: packed.sha256,
        blocks: packed.blocks.into(),
        ..original.manifest.clone()
    })
}

async fn pack_spoilt(
    original: &Original<'_>,
    spoilt: Spoilt,
    mut packer: Packer,
) -> Result<(crate::recovery::packer::PackedArchive, u64)> {
    let manifest = original.manifest;
    let middle = u64::midpoint(manifest.head_bytes, manifest.raw_bytes);
    let mut archive = CheckedArchive::open(original.store, manifest);
    let (mut passed, mut packed_bytes, mut is_spoilt) = (0_u64, 0_u64, false);
    let mut filling = BytesMut::new();
    while let Some(mut piece) = archive.next().await? {
        let ends = passed + piece.len() as u64;
        if !is_spoilt && ends > middle {
            let from = usize::try_from(middle.saturating_sub(passed)).unwrap_or(0);
            match spoilt {
                Spoilt::Row => is_spoilt = change_a_letter(&mut piece[from..]),
                Spoilt::End => {
                    piece.truncate(from);
                    is_spoilt = true;
                }
            }
        }
        passed = ends;
        filling.extend_from_slice(&piece);
        while filling.len() >= BLOCK_RAW_BYTES {
            packed_bytes += BLOCK_RAW_BYTES as u64;
            packer.push(filling.split_to(BLOCK_RAW_BYTES).freeze()).await?;
        }
        if is_spoilt && spoilt == Spoilt::End {
            break;
        }
    }
    if !is_spoilt {
        return Err(Error::new(
            Kind::Internal,
            "the archive has no row that could be changed for a canary",
        ));
    }
    packed_bytes += filling.len() as u64;
    packer.push(Bytes::from(filling)).await?;
    Ok((packer.finish().await?, packed_bytes))
}

/// Changes the middle one of three letters or digits, so that nothing but a value in a row becomes another one.
fn change_a_letter(bytes: &mut [u8]) -> bool {
    let is_word = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_alphanumeric);
    let found = bytes.windows(3).position(is_word);
    if let Some(place) = found {
        bytes[place + 1] ^= 1;
    }
    found.is_some()
}

/// Compares the target with a manifest that is wrong in every part that has a check: how many parts those are, and the names of
/// those that were not noticed.
async fn unseen_differences(original: &Original<'_>) -> Result<(usize, Vec<&'static str>)> {
    let (wrong, parts) = wrong_everywhere(original.manifest);
    let Original {
        store,
        target,
        tools,
        jobs,
        ..
    } = *original;
    let scope = verify::scope(store, original.manifest, target, tools, None, false).await?;
    let verification = verify::target(&wrong, target, &scope, tools, jobs, &Quiet).await?;
    let is_noticed = |part: &str| {
        let check = verification.checks.iter().find(|check| check.name == part);
        check.is_some_and(|check| check.outcome == CheckOutcome::Failed)
    };
    Ok((
        parts.len(),
        parts.into_iter().filter(|part| !is_noticed(part)).collect(),
    ))
}

/// The manifest of another state of the same database, and the names of the checks that must say so.
fn wrong_everywhere(original: &Manifest) -> (Manifest, Vec<&'static str>) {
    let mut wrong = original.clone();
    let mut parts = Vec::new();
    let mut filled = wrong.tables.iter_mut().filter(|table| table.content.rows > 0);
    if let Some(table) = filled.next() {
        table.content.hash = table.content.hash.wrapping_add(1);
        parts.push("content");
    }
    if let Some(table) = filled.next() {
        table.content.rows += 1;
        parts.push("rows");
    }
    if let Some(entry) = wrong
        .entries
        .iter_mut()
        .find(|entry| entry.kind == "TABLE" && entry.schema == "public")
    {
        entry.digest = [0; 32].into();
        parts.push("schema");
    }
    if let Some(sequence) = wrong
        .sequences
        .iter_mut()
        .find(|sequence| sequence.schema == "public")
    {
        sequence.last_value = sequence.last_value.wrapping_add(1);
        parts.push("sequences");
    }
    if wrong.access.as_mut().is_some_and(Access::forget_a_grant) {
        parts.push("rights");
    }
    if wrong.globals.as_mut().is_some_and(Globals::claim_a_setting) {
        parts.push("settings");
    }
    (wrong, parts)
}
