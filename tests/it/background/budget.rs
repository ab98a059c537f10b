//! How many connections are opened.

use crate::kit::{SMALL_SCHEMA, Silent, World, execute, failed, now, query, run, terms};
use paycraft_dr::error::{Error, Kind};
use paycraft_dr::model::depth::Depth;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::product::CountedTables;
use paycraft_dr::model::selection::Among;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::tools::Leniency;
use paycraft_dr::recovery::restore::{self, Restored};

/// Restores over many connections, as a role that may have only so many, into a database of its own.
async fn restore_limited(world: &World, limit: u32) -> (Result<Restored, Error>, Conninfo) {
    let database = world.postgres.database(Side::Target).await;
    let role = format!("limited_{:08x}", rand::random::<u32>());
    execute(
        &database,
        &format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT {limit}; ALTER DATABASE {} OWNER TO {role}",
            database.database()
        ),
    )
    .await;
    let url = world.postgres.url(&database);
    let (_, place) = url.split_once('@').expect("a host");
    let target = Conninfo::parse(Side::Target, &format!("postgresql://{role}:x@{place}")).expect("a target");
    let request = restore::RestoreRequest {
        among: &Among::ANY,
        counted: &CountedTables::PAYCRAFT,
        store: &world.bucket.store,
        selector: Selector::Latest,
        tools: &world.postgres.tools,
        terms: terms(),
        profile: None,
        jobs: 8,
        depth: Depth::Content,
        accepts_lost_rows: false,
        leniency: Leniency::default(),
        missing_sql: None,
        accepts_unknown_rights: false,
        accepted: &[],
        accepts_missing_settings: false,
        analyzes: true,
        now: now(),
    };
    (
        restore::restore(request, async |_| Ok(target), &Silent).await,
        database,
    )
}

#[test]
fn a_restore_opens_no_more_connections_than_the_target_allows() {
    run(async {
        let Some(world) = World::new().await else { return };
        let many =
            "CREATE TABLE wide (n) AS SELECT generate_series(1, 1000); CREATE TRIGGER t BEFORE UPDATE ON wide
            FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();";
        let source = world.postgres.source(&format!("{SMALL_SCHEMA}{many}")).await;
        world.back_up(&source).await.expect("a backup");
        for limit in [4, 3] {
            let (restored, _) = restore_limited(&world, limit).await;
            let restored = restored.unwrap_or_else(|error| panic!("{limit}: {error} {:?}", error.causes()));
            // What the source's superuser owned cannot be given to it by an ordinary role.
            let verification = &restored.verification;
            assert_eq!(failed(verification), ["owners"], "{:?}", verification.checks);
        }
    });
}

#[test]
fn a_target_with_too_few_connections_is_not_changed() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let (refused, database) = restore_limited(&world, 2).await;
        let error = refused.expect_err("too few");
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert!(
            error
                .next_step()
                .is_some_and(|hint| hint.contains("CONNECTION LIMIT")),
            "{error}"
        );
        let tables = "SELECT count(*)::text FROM pg_class WHERE relname = 'tenants'";
        assert_eq!(query(&database, tables).await, "0");
    });
}
