//! Manifests of both forms: as bytes, and in a store.

use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};
use paycraft_dr::archive::gzip;
use paycraft_dr::error::Kind;
use paycraft_dr::model::blocks::Block;
use paycraft_dr::model::catalog::BackupState;
use paycraft_dr::model::comparison;
use paycraft_dr::model::fingerprint::Fingerprint;
use paycraft_dr::model::key::{BackupKey, Selector};
use paycraft_dr::model::manifest::{EntryDigest, Manifest, Table};
use paycraft_dr::model::manifest_document::Document;
use paycraft_dr::model::manifest_head::{
    BlockLines, HEAD_VERSION, MAX_BLOCKS, MAX_LISTS_BYTES, ManifestHead, PLAIN_LIMIT_BYTES, write_line,
};
use paycraft_dr::model::retention::Policy;
use paycraft_dr::model::sha256_sum::Sha256Sum;
use paycraft_dr::model::verdict::CheckOutcome;
use paycraft_dr::recovery::manifest_index::{PackedManifest, decode_lists, encode, pack};
use paycraft_dr::recovery::{catalog, prune};
use proptest::prelude::*;

use super::kit::{SMALL_SCHEMA, Silent, World, assert_proven, json, now, output, program, run, said};
use super::model::{KEY, manifest};

const INDEX_KEY: &str = "2026/11/23/backup-20261123-020007.index.jsonl.gz";

/// The head in a document.
fn head_of(document: &[u8]) -> ManifestHead {
    match Document::decode(KEY, document).expect("a document") {
        Document::Head(head) => *head,
        Document::Whole(_) => panic!("all of a manifest"),
    }
}

/// What a head and its index say together.
fn unpack(packed: &PackedManifest) -> Manifest {
    let head = head_of(&packed.document);
    let (lists, lines) = parts(&head, packed.index.as_deref().expect("an index"));
    let mut manifest = decode_lists(&head, lists, MAX_LISTS_BYTES).expect("lists");
    let mut raw = Vec::new();
    let mut stream = gzip::GzipStream::new();
    stream.feed(lines, &mut raw).expect("gzip");
    stream.finish(&mut raw).expect("gzip");
    let mut blocks = BlockLines::new(head.index.blocks);
    raw.chunks(7).for_each(|piece| blocks.feed(piece).expect("lines"));
    manifest.blocks = blocks.finish().expect("all blocks");
    manifest
}

fn parts<'a>(head: &ManifestHead, index: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    assert_eq!(index.len() as u64, head.index.stored_bytes());
    index.split_at(usize::try_from(head.index.lists.stored_bytes).expect("small"))
}

fn with_blocks(sizes: impl IntoIterator<Item = (u32, u32)>) -> Manifest {
    let mut manifest = manifest();
    let (mut offset, mut raw_bytes) = (0, 0);
    let blocks = sizes.into_iter().map(|(stored, raw)| {
        let block = Block {
            offset,
            stored_bytes: u64::from(stored),
            raw_bytes: u64::from(raw),
            sha256: Sha256Sum::of(&offset.to_le_bytes()),
        };
        offset += block.stored_bytes;
        raw_bytes += block.raw_bytes;
        block
    });
    manifest.blocks = blocks.collect::<Vec<_>>().into();
    (manifest.stored_bytes, manifest.raw_bytes) = (offset, raw_bytes);
    manifest
}

#[test]
fn a_small_manifest_is_the_bytes_it_always_was() {
    let golden = include_bytes!("../../fixtures/manifests/version-1.json");
    let packed = encode(&mut manifest(), INDEX_KEY.to_owned()).expect("a document");
    assert_eq!(
        String::from_utf8_lossy(&packed.document),
        String::from_utf8_lossy(golden)
    );
    assert_eq!(packed.index, None);
    assert_eq!(Manifest::decode(KEY, golden).expect("a manifest"), manifest());
}

#[test]
fn a_large_manifest_has_a_small_head_that_an_older_program_refuses_by_its_version() {
    // A third of a mebibyte for each block of one, as text has it.
    let mut manifest = with_blocks((0..100_000).map(|number| (330_000 + number % 999, 1 << 20)));
    let plain = manifest.encode().expect("a document");
    assert!(plain.len() > PLAIN_LIMIT_BYTES);
    let packed = encode(&mut manifest, INDEX_KEY.to_owned()).expect("a document");
    assert!(packed.document.len() < 2000, "{}", packed.document.len());
    let index = packed.index.as_deref().expect("an index");
    assert!(
        index.len() * 3 < plain.len(),
        "{} bytes instead of {}",
        index.len(),
        plain.len()
    );
    assert_eq!(unpack(&packed), manifest);

    // What a program of version 1 looks at: the seal, and then the version.
    let document = String::from_utf8(packed.document.clone()).expect("text");
    assert!(
        document.starts_with("{\"manifest_version\":2,\"key\":"),
        "{document}"
    );
    assert!(document.contains("\"manifest_sha256\":\""), "{document}");
    let error = Manifest::decode(KEY, &packed.document).expect_err("a head alone");
    assert_eq!(error.kind(), Kind::Corrupt);
    assert_eq!(head_of(&packed.document).manifest_version, HEAD_VERSION);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_forms_come_back_as_they_were(
        sizes in prop::collection::vec((1..1_u32 << 24, 1..1_u32 << 24), 0..200),
        names in prop::collection::vec("\\PC{0,12}", 0..20),
    ) {
        let mut wanted = with_blocks(sizes);
        wanted.entries = names.iter().map(|name| EntryDigest::of("TABLE", name, name, name)).collect();
        let document = wanted.encode().expect("a document");
        prop_assert_eq!(&Manifest::decode(KEY, &document).expect("a manifest"), &wanted);
        let packed = pack(&mut wanted.clone(), INDEX_KEY.to_owned()).expect("a head");
        prop_assert_eq!(unpack(&packed), wanted);
    }

    #[test]
    fn lines_that_are_none_are_refused(garbage in prop::collection::vec(any::<u8>(), 1..400)) {
        let mut lines = BlockLines::new(3);
        let fed = lines.feed(&garbage);
        prop_assert!(fed.is_err() || lines.finish().is_err());
    }
}

#[test]
fn a_change_of_any_byte_of_head_or_lists_shows() {
    let packed = pack(&mut manifest(), INDEX_KEY.to_owned()).expect("a head");
    let head = head_of(&packed.document);
    for at in 0..packed.document.len() {
        let mut changed = packed.document.clone();
        changed[at] ^= 1;
        let error = Document::decode(KEY, &changed).expect_err("a changed head");
        assert_eq!(error.kind(), Kind::Corrupt, "byte {at}");
    }
    let (lists, _) = parts(&head, packed.index.as_deref().expect("an index"));
    for at in 0..lists.len() {
        let mut changed = lists.to_vec();
        changed[at] ^= 1;
        let error = decode_lists(&head, &changed, MAX_LISTS_BYTES).expect_err("changed lists");
        assert_eq!(error.kind(), Kind::Corrupt, "byte {at}");
    }
}

#[test]
fn an_index_that_inflates_without_end_is_refused() {
    let packed = pack(&mut manifest(), INDEX_KEY.to_owned()).expect("a head");
    let mut head = head_of(&packed.document);
    let beginning = gzip::deflate(b"{\"key\":\"", 1);
    let bomb = [beginning, gzip::deflate(&vec![b'0'; 4 << 20], 12)].concat();
    assert!(bomb.len() < 1 << 15, "{}", bomb.len());
    head.index.lists.stored_bytes = bomb.len() as u64;
    head.index.lists.sha256 = Sha256Sum::of(&bomb);
    let error = decode_lists(&head, &bomb, 1 << 20).expect_err("a bomb");
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(
        error.message().contains("inflates to more than 1048576 bytes"),
        "{error}"
    );

    let mut lines = BlockLines::new(2);
    let error = lines.feed(&vec![b'['; 1 << 20]).expect_err("an endless line");
    assert!(error.contains("longer than"), "{error}");
    let mut line = Vec::new();
    write_line(&manifest().blocks[0], &mut line).expect("a line");
    let error = BlockLines::new(2)
        .feed(&line.repeat(3))
        .expect_err("one too many");
    assert!(error.contains("more than 2 blocks"), "{error}");
}

#[test]
fn a_head_that_claims_too_much_is_refused_before_its_index_is_read() {
    let packed = pack(&mut manifest(), INDEX_KEY.to_owned()).expect("a head");
    let head = head_of(&packed.document);
    head.check_limits().expect("a small one");
    let mut many = head.clone();
    many.index.blocks = MAX_BLOCKS + 1;
    let mut wide = head.clone();
    wide.index.lists.stored_bytes = 1 << 40;
    let mut long = head.clone();
    long.index.block_lines.stored_bytes = 1 << 40;
    for wrong in [many, wide, long] {
        let error = wrong.check_limits().expect_err("too much");
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    }
}

/// Work that grows with the square of the tables takes a hundred times as long for ten times as many.
#[test]
fn tables_are_compared_in_one_pass() {
    let tables = |count: u64| -> Vec<Table> {
        let names = (0..count).map(|number| Table {
            schema: "a_schema_of_many_tables".to_owned(),
            name: format!("{number}"),
            columns: String::new(),
            content: Fingerprint {
                rows: number,
                hash: 7,
            },
        });
        names.collect()
    };
    let seconds = |count: u64| {
        let (expected, mut found) = (tables(count), tables(count));
        found.reverse();
        let began = std::time::Instant::now();
        let reports = comparison::tables(&expected, &found);
        assert!(comparison::content(&reports).outcome == CheckOutcome::Passed);
        began.elapsed().as_secs_f64()
    };
    seconds(1000);
    let (few, many) = (seconds(4000), seconds(40_000));
    assert!(many < few * 60.0, "{few} s and {many} s");
}

/// Stores the manifest of the backup again as a head and an index, although it is small.
fn store_packed(world: &World, key: BackupKey) -> PackedManifest {
    let document = world.bucket.bytes(&key.manifest_key());
    let mut manifest = Manifest::decode(&key.to_string(), &document).expect("a manifest");
    let packed = pack(&mut manifest, key.index_key()).expect("a head");
    world.bucket.put(&key.manifest_key(), &packed.document);
    world
        .bucket
        .put(&key.index_key(), packed.index.as_deref().expect("an index"));
    packed
}

#[test]
fn a_backup_with_an_index_is_listed_verified_restored_and_pruned() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        store_packed(&world, made.key);

        let store = &world.bucket.store;
        let read = catalog::read_manifest(store, made.key).await.expect("a manifest");
        assert_eq!(read, made.manifest);
        let listed = catalog::list(store, None, now(), &Silent)
            .await
            .expect("a catalog");
        assert_eq!(
            (listed.len(), listed[0].state, listed[0].rows),
            (1, BackupState::Attested, Some(700))
        );
        assert_proven(&world.verify_object().await.expect("an intact object"));
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_proven(&restored.verification);

        let at = format!("{}", made.key.began_at() + SignedDuration::from_hours(1));
        let later = world.back_up_at(&source, &at).await.expect("a backup");
        assert!(later.manifest.suspicion.expect("compared").reasons.is_empty());
        let one = NonZeroU32::MIN;
        let policy = Policy {
            days: one,
            floor: one,
        };
        let stock = prune::take_stock(store).await.expect("a stock");
        let request = prune::PruneRequest {
            policy,
            now: later.key.began_at() + SignedDuration::from_hours(24 * 40),
            dry_run: false,
        };
        let pruned = prune::prune(store, stock, request, &Silent)
            .await
            .expect("a prune");
        assert!(
            pruned.removed.iter().any(|line| line.key == made.key.to_string()),
            "{pruned:?}"
        );
        let left = store.list("").await.expect("a listing");
        let of_it = |key: &str| key.contains("020007");
        assert!(!left.iter().any(|object| of_it(&object.key)), "{left:?}");
    });
}

#[test]
fn an_index_that_is_not_what_was_stored_makes_its_backup_no_backup() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        let packed = store_packed(&world, made.key);
        let index = packed.index.expect("an index");
        let store = &world.bucket.store;
        let (mut first, mut last) = (index.clone(), index.clone());
        first[20] ^= 1;
        last[index.len() - 20] ^= 1;
        for (what, bytes) in [
            ("a flipped bit in the first part", Some(first)),
            ("a flipped bit in the second part", Some(last)),
            ("a cut index", Some(index[..index.len() - 1].to_vec())),
            ("no index", None),
        ] {
            match bytes {
                Some(bytes) => world.bucket.put(&made.key.index_key(), &bytes),
                None => drop(world.bucket.server.remove(&made.key.index_key())),
            }
            let error = catalog::read_manifest(store, made.key).await.expect_err(what);
            assert_eq!(error.kind(), Kind::Corrupt, "{what}: {error}");
            assert!(error.next_step().is_some(), "{what}");
        }
        let listed = catalog::list(store, None, now(), &Silent)
            .await
            .expect("a catalog");
        assert_eq!(listed[0].state, BackupState::Orphan);

        // Left alone, it is a leftover that goes after two days.
        world.bucket.put(&made.key.index_key(), &index);
        for key in [
            made.key.to_string(),
            made.key.manifest_key(),
            made.key.globals_key(),
        ] {
            world.bucket.server.remove(&key);
        }
        let listed = catalog::list(store, None, now(), &Silent)
            .await
            .expect("a catalog");
        assert_eq!(listed[0].state, BackupState::Orphan);
        let stock = prune::take_stock(store).await.expect("a stock");
        let policy = Policy::default();
        let later: Timestamp = made.key.began_at() + SignedDuration::from_hours(24 * 3);
        let request = prune::PruneRequest {
            policy,
            now: later,
            dry_run: false,
        };
        let pruned = prune::prune(store, stock, request, &Silent)
            .await
            .expect("a prune");
        assert_eq!(pruned.removed[0].key, made.key.index_key());
        assert!(store.list("").await.expect("a listing").is_empty());
    });
}

#[test]
fn the_program_tells_of_a_manifest_with_an_index_as_of_any_other() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        let made = world.back_up(&source).await.expect("a backup");
        store_packed(&world, made.key);
        for (arguments, code) in [
            (&["--json", "list"][..], 0),
            (&["--json", "verify", "--object"][..], 0),
            (&["--json", "status", "--no-drill"][..], 3),
        ] {
            let mut command = program(arguments);
            command.envs(world.bucket.environment());
            let told = output(command).await;
            assert_eq!(told.status.code(), Some(code), "{arguments:?}: {}", said(&told));
            let document = json(&told);
            assert_eq!(document["exit_code"], code, "{document}");
        }
    });
}
