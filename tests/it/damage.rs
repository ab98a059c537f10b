//! Stored bytes that are not what was backed up: every such restore ends as *corrupt*, none as *proven*.

use paycraft_dr::error::Kind;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::manifest::Manifest;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::recovery::backup::Made;

use super::kit::{SMALL_SCHEMA, Warnings, World, assert_proven, query, run};

/// More rows than are fetched at once, and such as do not compress well.
const SEVERAL_REQUESTS: &str = "
    CREATE TABLE tenants (id int, noise text);
    INSERT INTO tenants SELECT n, string_agg(md5(n || '-' || m), '') FROM generate_series(1, 12000) n, generate_series(1, 24) m
     GROUP BY n ORDER BY n";

/// A world with one backup of what `sql` makes.
async fn backed_up(sql: &str) -> Option<(World, Made)> {
    let world = World::new().await?;
    let source = world.postgres.source(sql).await;
    let made = world.back_up(&source).await.expect("a backup");
    Some((world, made))
}

/// Positions over the whole of `length`, dense at both ends.
fn positions(length: usize, samples: usize) -> Vec<usize> {
    let ends = (0..40).chain(length - 40..length);
    let between = (0..samples).map(|sample| sample * length / samples);
    let mut positions: Vec<usize> = ends.chain(between).collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

async fn assert_corrupt(world: &World, what: &str) {
    let error = world.verify_object().await.expect_err(what);
    assert_eq!(error.kind(), Kind::Corrupt, "{what}: {error}");
    assert!(error.next_step().is_some(), "{what}");
}

/// A restore must end as corrupt, and nothing may have reached the target.
async fn assert_restore_refused(world: &World, what: &str) {
    let target = world.postgres.database(Side::Target).await;
    let heard = Warnings::default();
    let restored = world
        .restore_watched(Selector::Latest, target.clone(), &heard)
        .await;
    assert_eq!(restored.expect_err(what).kind(), Kind::Corrupt, "{what}");
    assert_eq!(objects_in(&target).await, "0", "{what}: the target was written");
    assert_eq!(*heard.0.lock().expect("no panic"), Vec::<String>::new(), "{what}");
}

async fn objects_in(target: &Conninfo) -> String {
    query(
        target,
        "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    )
    .await
}

#[test]
fn a_flipped_bit_anywhere_in_the_object_is_found() {
    run(async {
        let Some((world, made)) = backed_up(SMALL_SCHEMA).await else {
            return;
        };
        let key = made.key.to_string();
        let intact = world.bucket.bytes(&key);
        for at in positions(intact.len(), 150) {
            let mut flipped = intact.clone();
            flipped[at] ^= 1 << (at % 8);
            world.bucket.put(&key, &flipped);
            assert_corrupt(&world, &format!("bit {} of byte {at}", at % 8)).await;
        }
        world.bucket.put(&key, &intact);
        assert_proven(&world.verify_object().await.expect("an intact object"));
    });
}

#[test]
fn a_cut_at_any_length_is_found() {
    run(async {
        let Some((world, made)) = backed_up(SMALL_SCHEMA).await else {
            return;
        };
        let key = made.key.to_string();
        let intact = world.bucket.bytes(&key);
        for length in positions(intact.len(), 60) {
            world.bucket.put(&key, &intact[..length]);
            assert_corrupt(&world, &format!("cut at {length}")).await;
        }
        let longer = [&intact[..], b"\0"].concat();
        world.bucket.put(&key, &longer);
        assert_corrupt(&world, "one byte more").await;
    });
}

#[test]
fn a_flipped_byte_in_the_manifest_is_found() {
    run(async {
        let Some((world, made)) = backed_up(SMALL_SCHEMA).await else {
            return;
        };
        let intact = world.bucket.bytes(&made.manifest_key);
        for at in positions(intact.len(), 60) {
            let mut flipped = intact.clone();
            flipped[at] ^= 0x20;
            world.bucket.put(&made.manifest_key, &flipped);
            assert_corrupt(&world, &format!("byte {at} of the manifest")).await;
        }
        assert_restore_refused(&world, "a changed manifest").await;
    });
}

#[test]
fn damage_before_the_first_byte_reaches_the_target_leaves_it_untouched() {
    run(async {
        let Some((world, made)) = backed_up(SMALL_SCHEMA).await else {
            return;
        };
        let key = made.key.to_string();
        let intact = world.bucket.bytes(&key);
        let mut flipped = intact.clone();
        flipped[intact.len() / 2] ^= 4;
        world.bucket.put(&key, &flipped);
        assert_restore_refused(&world, "a flipped bit").await;
        world.bucket.put(&key, &intact[..intact.len() - 1]);
        assert_restore_refused(&world, "a cut object").await;
        world.bucket.server.remove(&key);
        assert_restore_refused(&world, "a missing object").await;
    });
}

#[test]
fn damage_far_into_the_object_is_never_proven() {
    run(async {
        let Some((world, made)) = backed_up(SEVERAL_REQUESTS).await else {
            return;
        };
        let key = made.key.to_string();
        assert!(
            made.manifest.blocks.len() > 2,
            "the damage must lie behind the first block"
        );
        let intact = world.bucket.bytes(&key);
        let mut flipped = intact.clone();
        let at = intact.len() - 1000;
        flipped[at] ^= 1;
        world.bucket.put(&key, &flipped);
        let target = world.postgres.database(Side::Target).await;
        let heard = Warnings::default();
        let restored = world.restore_watched(Selector::Latest, target, &heard).await;
        assert_eq!(restored.expect_err("a flipped bit").kind(), Kind::Corrupt);
        let warnings = heard.0.lock().expect("no panic").join(" ");
        assert!(warnings.contains("half-loaded"), "{warnings}");
    });
}

#[test]
fn a_swapped_object_is_found() {
    run(async {
        let Some((world, monday)) = backed_up(SMALL_SCHEMA).await else {
            return;
        };
        let other = world.postgres.source("CREATE TABLE tenants (id int)").await;
        let tuesday = world
            .back_up_at(&other, "2026-11-24T02:00:00Z")
            .await
            .expect("a backup");
        let read = |key: &str| world.bucket.bytes(key);
        let mondays_object = read(&monday.key.to_string());
        let tuesdays_manifest = read(&tuesday.manifest_key);
        world.bucket.put(&tuesday.key.to_string(), &mondays_object);
        assert_restore_refused(&world, "Monday's object under Tuesday's key").await;

        let mondays_manifest = read(&monday.manifest_key);
        world.bucket.put(&tuesday.manifest_key, &mondays_manifest);
        assert_restore_refused(&world, "Monday's object and manifest under Tuesday's key").await;
        world.bucket.put(&tuesday.manifest_key, &tuesdays_manifest);
        let mondays = Selector::Key(monday.key);
        assert_proven(&world.restore(mondays).await.expect("a restore").verification);
    });
}

#[test]
fn the_error_names_the_next_older_backup() {
    run(async {
        let Some((world, monday)) = backed_up(SMALL_SCHEMA).await else {
            return;
        };
        let other = world.postgres.source("CREATE TABLE tenants (id int)").await;
        let tuesday = world
            .back_up_at(&other, "2026-11-24T02:00:00Z")
            .await
            .expect("a backup");
        world.bucket.put(&tuesday.manifest_key, b"{}");
        let error = world
            .restore(Selector::Latest)
            .await
            .expect_err("a broken manifest");
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(
            error
                .next_step()
                .expect("a hint")
                .contains(&monday.key.to_string())
        );
    });
}

#[test]
fn a_resealed_lie_about_content_is_not_proven() {
    run(async {
        let Some((world, made)) = backed_up(SMALL_SCHEMA).await else {
            return;
        };
        let mut lie: Manifest = made.manifest.clone();
        lie.tables[0].content.hash ^= 1;
        world
            .bucket
            .put(&made.manifest_key, &lie.encode().expect("a document"));
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_eq!(super::kit::failed(&restored.verification), ["content"]);
        let verification = world.verify_object().await.expect("the blocks are intact");
        assert_eq!(super::kit::failed(&verification), ["content"]);
    });
}
