//! One table or row out of a backup: what is written, what is fetched for it, and what is refused.

mod extract;
mod history;
mod oracle;
mod refusals;

use std::process::{Command, Output};

use paycraft_dr::postgres::conninfo::Conninfo;
use paycraft_dr::recovery::backup::Made;
use paycraft_dr::recovery::manifest_index;

use super::kit::{World, json, output, program};

/// Tables of every shape that rows can have, and a large one beside them.
const TABLES: &str = r#"
    CREATE SCHEMA "Odd.Schema";
    CREATE DOMAIN cents AS bigint CHECK (VALUE >= 0);
    CREATE DOMAIN price AS cents;
    CREATE TABLE users (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, note text DEFAULT 'a, (b', balance numeric(12,2),
        ratio double precision, active boolean, data jsonb, raw bytea, tags text[], at timestamptz, cost price,
        doubled bigint GENERATED ALWAYS AS (length(name) * 2) STORED
    );
    INSERT INTO users (name, note, balance, ratio, active, data, raw, tags, at, cost)
        SELECT 'user ' || n, CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'note ' || n END, n * 1.25, n / 7.0, n % 2 = 0,
            jsonb_build_object('n', n), decode(md5(n::text), 'hex'), ARRAY['a', NULL, 'b "c"'],
            '2026-11-01T00:00:00Z'::timestamptz + n * interval '1 hour', n
        FROM generate_series(1, 300) AS n;
    INSERT INTO users (name, note, balance, ratio, active)
        VALUES (E'tab\tnewline\nreturn\rslash\\quote''"comma,', E'\\.', 'NaN', '-Infinity', NULL), (E'\b\f\x0b é 🌍', '\N', NULL, 1e300, true);
    CREATE TABLE "Odd.Schema"."Ta""ble, x" ("Id" int, "a b, c" text);
    INSERT INTO "Odd.Schema"."Ta""ble, x" VALUES (1, 'one'), (2, NULL);
    CREATE TABLE single (x text);
    INSERT INTO single VALUES (E'\\.'), (''), (NULL), ('a,b'), ('"');
    CREATE TABLE nothing ();
    INSERT INTO nothing DEFAULT VALUES;
    INSERT INTO nothing DEFAULT VALUES;
    CREATE TABLE empty (id int, note text);
    CREATE TABLE events (id int, at date, body text) PARTITION BY RANGE (at);
    CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
    CREATE TABLE events_new (gone int, body text, at date, id int);
    ALTER TABLE events_new DROP COLUMN gone;
    ALTER TABLE events ATTACH PARTITION events_new FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE TABLE events_rest PARTITION OF events DEFAULT PARTITION BY LIST (id);
    CREATE TABLE events_rest_all PARTITION OF events_rest DEFAULT;
    INSERT INTO events SELECT n, '2025-06-01'::date + n * 10, 'event ' || n FROM generate_series(1, 100) AS n;
    CREATE VIEW names AS SELECT name FROM users;
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM users;
    CREATE SCHEMA other;
    CREATE TABLE other.single (y int);
    CREATE TABLE filler AS SELECT n AS id, md5(n::text) || md5((n + 1)::text) || md5((n * 3)::text) AS body
        FROM generate_series(1, 60000) AS n;
    SELECT lo_from_bytea(4711, decode(repeat('c0ffee', 1000), 'hex'));
"#;

/// A store with a backup of [`TABLES`].
struct Rescue {
    world: World,
    source: Conninfo,
    made: Made,
}

impl Rescue {
    async fn new() -> Option<Self> {
        let world = World::new().await?;
        let source = world.postgres.source(TABLES).await;
        let made = world.back_up(&source).await.expect("a backup");
        Some(Self { world, source, made })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command.envs(self.world.bucket.environment());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        output(self.command(arguments)).await
    }

    /// What `extract` writes of a table, which must succeed.
    async fn rows(&self, arguments: &[&str]) -> Vec<u8> {
        let ran = self.run(&[&["extract"], arguments].concat()).await;
        assert!(
            ran.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
        ran.stdout
    }

    /// Stores the manifest again without the ranges, as an older program wrote it.
    fn forget_ranges(&self) {
        let mut manifest = self.made.manifest.clone();
        manifest.data_ranges = None;
        let packed = manifest_index::encode(&mut manifest, self.made.key.index_key()).expect("a manifest");
        self.world.bucket.put(&self.made.manifest_key, &packed.document);
    }

    /// Changes a byte of the block that holds this place of the archive.
    fn damage(&self, place: u64) {
        let mut raw = 0;
        let holds = |block: &&paycraft_dr::model::blocks::Block| {
            raw += block.raw_bytes;
            place < raw
        };
        let block = self.made.manifest.blocks.iter().find(holds).expect("a block");
        let key = self.made.key.to_string();
        let mut object = self.world.bucket.bytes(&key);
        let middle = usize::try_from(block.offset + block.stored_bytes / 2).expect("a place");
        object[middle] ^= 1;
        self.world.bucket.put(&key, &object);
    }

    /// Where a table's rows begin in the archive, and how long they are.
    fn range(&self, name: &str) -> (u64, u64) {
        let manifest = &self.made.manifest;
        let place = manifest.tables.iter().position(|table| table.name == name);
        let ranges = manifest.data_ranges.as_ref().expect("ranges");
        ranges.tables[place.expect("a table")].into()
    }
}

/// Runs a command that logs its requests: how many bytes it read of each object, by key.
async fn bytes_read(mut command: Command) -> (Output, Vec<(String, u64)>) {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("log");
    command
        .arg("--log-file")
        .arg(&file)
        .args(["--log-format", "json"])
        .env("PAYCRAFT_LOG", "warn,paycraft_dr::store=debug");
    let ran = output(command).await;
    let lines = std::fs::read_to_string(&file).expect("a log");
    let read = lines.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("an object");
        let spans = line["spans"].as_array()?;
        let body = spans.iter().find(|span| span["name"] == "body")?;
        Some((body["key"].as_str()?.to_owned(), line["bytes"].as_u64()?))
    });
    (ran, read.collect())
}

/// Holds a run to a refusal.
#[track_caller]
fn assert_refused(ran: &Output, code: i32, says: &[&str]) {
    let document = json(ran);
    assert_eq!(ran.status.code(), Some(code), "{document}");
    let error = document["error"].to_string();
    for text in says {
        assert!(error.contains(text), "{text:?} is not in {error}");
    }
    assert!(document["error"]["hint"].is_string(), "{document}");
}
