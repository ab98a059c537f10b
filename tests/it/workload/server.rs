//! On a real server: what was generated loads, holds together, and survives `pg_dump` and `pg_restore`.

use super::{MIB, fields, table, text};
use crate::kit;
use paycraft_dr::drill::workload::{LoadStatistics, Workload};
use paycraft_dr::error::Kind;
use paycraft_dr::postgres::conninfo::Side;
use std::process::{Command, Stdio};
use tokio_postgres::{Client, Config, NoTls};

/// A database of its own on the server that all tests share.
async fn database() -> Option<(Config, Client)> {
    let postgres = kit::postgres()?;
    let database = postgres.database(Side::Source).await;
    let config: Config = postgres.url(&database).parse().expect("a connection string");
    let client = connect(&config).await;
    Some((config, client))
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

async fn load(workload: Workload, client: &Client) -> LoadStatistics {
    let mut heard = 0;
    let loaded = workload
        .load(client, &mut |bytes| heard += bytes)
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?}", error.causes()));
    assert_eq!(heard, loaded.copy_bytes);
    loaded
}

async fn number(client: &Client, sql: &str) -> i64 {
    let row = client.query_one(sql, &[]).await;
    row.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

#[tokio::test]
async fn everything_that_was_generated_is_there() {
    let Some((_, client)) = database().await else {
        return;
    };
    let workload = Workload::new(11, 2 * MIB);
    let loaded = load(workload, &client).await;
    let tables = workload.tables();
    assert_eq!(loaded.tables, tables.len() as u64);
    assert_eq!(loaded.rows, tables.iter().map(|table| table.rows).sum::<u64>());
    for table in tables {
        let rows = number(&client, &format!("SELECT count(*) FROM {}", table.name)).await;
        assert_eq!(rows.unsigned_abs(), table.rows, "{}", table.name);
    }
    for object in workload.large_objects() {
        let stored = client
            .query_one("SELECT lo_get($1)", &[&object.oid])
            .await
            .expect("the object");
        assert_eq!(stored.get::<_, Vec<u8>>(0), object.content);
    }
    let dangling = "SELECT count(*) FROM public.invoice_documents d
        WHERE NOT EXISTS (SELECT FROM pg_largeobject_metadata o WHERE o.oid = d.content)";
    assert_eq!(number(&client, dangling).await, 0);
}

#[tokio::test]
async fn awkward_text_is_stored_byte_for_byte() {
    let Some((_, client)) = database().await else {
        return;
    };
    let workload = Workload::new(11, 0);
    load(workload, &client).await;
    let generated = fields(&text(table(workload, "public.\"Support \"\"VIP\"\" Notes\"")));
    let stored = client
        .query(
            r#"SELECT "Said ""verbatim""", "Tags" FROM public."Support ""VIP"" Notes" ORDER BY "Note Id""#,
            &[],
        )
        .await
        .expect("the notes");
    assert_eq!(stored.len(), generated.len());
    for (stored, generated) in stored.iter().zip(&generated) {
        assert_eq!(stored.get::<_, Option<String>>(0), generated[2]);
        assert_eq!(
            stored.get::<_, Vec<String>>(1),
            elements(generated[3].as_deref().expect("tags"))
        );
    }
}

/// The elements of an array literal that quotes each of them.
fn elements(literal: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut letters = literal.chars();
    let mut quoted = false;
    while let Some(letter) = letters.next() {
        match (letter, quoted) {
            ('"', false) => elements.push(String::new()),
            (_, false) => continue,
            ('\\', true) => elements.last_mut().expect("an element").extend(letters.next()),
            ('"', true) => {}
            (plain, true) => elements.last_mut().expect("an element").push(plain),
        }
        quoted ^= letter == '"';
    }
    elements
}

#[tokio::test]
async fn the_database_is_one_that_a_product_could_run_on() {
    let Some((_, client)) = database().await else {
        return;
    };
    load(Workload::new(11, 2 * MIB), &client).await;
    for (question, answer) in [
        (
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated",
            0,
        ),
        ("SELECT count(*) FROM pg_constraint WHERE NOT convalidated", 1),
        ("SELECT count(*) FROM pg_matviews WHERE ispopulated", 3),
        ("SELECT least(count(*), 1) FROM public.tenant_revenue", 1),
        ("SELECT least(count(*), 1) FROM public.revenue_by_plan", 1),
        ("SELECT least(count(*), 1) FROM public.webhook_volume", 1),
        ("SELECT least(count(*), 1) FROM public.audit_log_default", 1),
        ("SELECT least(count(*), 1) FROM public.usage_records_other", 1),
        ("SELECT count(DISTINCT tableoid) FROM public.audit_log", 7),
        (
            "SELECT least(count(*), 1) FROM public.subscriptions WHERE email <> lower(email)",
            1,
        ),
        ("SELECT count(*) FROM public.maintenance_windows", 0),
        (
            "SELECT nextval('public.payout_number_seq') - max(number) FROM public.payouts",
            1,
        ),
        (
            "SELECT nextval('public.customers_id_seq') - max(id) FROM public.customers",
            1,
        ),
        (
            "SELECT count(*) FROM public.invoices WHERE number = public.next_invoice_number()",
            0,
        ),
        (
            "SELECT count(*) FROM public.invoices WHERE total_cents <> subtotal_cents + tax_cents",
            0,
        ),
        // Rows are written frozen: the first reader need not write them again.
        (
            "SELECT count(*) FROM pg_class WHERE oid = 'public.webhook_events'::regclass AND relallvisible * 2 < relpages",
            0,
        ),
    ] {
        assert_eq!(number(&client, question).await, answer, "{question}");
    }
    // A signed-in owner sees their own tenants alone: the policies work.
    let owner: String = client
        .query_one(
            "SELECT owner_id::text FROM public.tenants ORDER BY id LIMIT 1",
            &[],
        )
        .await
        .expect("an owner")
        .get(0);
    let tenants = number(&client, "SELECT count(*) FROM public.tenants").await;
    let visitor = format!(
        "BEGIN; CREATE ROLE paycraft_visitor; GRANT USAGE ON SCHEMA auth TO paycraft_visitor;
         GRANT SELECT ON public.tenants TO paycraft_visitor; SET LOCAL ROLE paycraft_visitor;
         SET LOCAL request.jwt.claims = '{{\"sub\": \"{owner}\"}}';"
    );
    client.batch_execute(&visitor).await.expect("a visitor");
    let others = format!(
        "SELECT count(*) FROM public.tenants WHERE owner_id <> '{owner}' AND NOT public.is_tenant_member(id)"
    );
    assert_eq!(number(&client, &others).await, 0);
    let seen = number(&client, "SELECT count(*) FROM public.tenants").await;
    assert!(0 < seen && seen < tenants, "{seen} of {tenants}");
    client.batch_execute("ROLLBACK").await.expect("no visitor");
}

#[tokio::test]
async fn a_load_that_fails_changes_nothing() {
    let Some((_, client)) = database().await else {
        return;
    };
    client
        .batch_execute("CREATE FUNCTION public.later(a timestamptz, b timestamptz) RETURNS timestamptz LANGUAGE sql AS 'SELECT a'")
        .await
        .expect("something in the way");
    let error = Workload::new(11, 0)
        .load(&client, &mut |_| ())
        .await
        .expect_err("the function exists");
    assert_eq!(error.kind(), Kind::Source);
    assert!(error.causes().concat().contains("later"), "{:?}", error.causes());
    assert_eq!(
        number(
            &client,
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'auth'"
        )
        .await,
        0
    );
    assert_eq!(
        number(
            &client,
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        )
        .await,
        0
    );
}

#[tokio::test]
async fn pg_dump_and_pg_restore_carry_it_without_one_error() {
    let Some((source, client)) = database().await else {
        return;
    };
    let workload = Workload::new(11, 2 * MIB);
    load(workload, &client).await;
    let (target, restored) = database().await.expect("the same server");

    let mut dump = program("pg_dump", &source);
    let mut dump = dump
        .args(["--format=custom", "--compress=0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("pg_dump");
    let restore = program("pg_restore", &target)
        .arg("--exit-on-error")
        .stdin(dump.stdout.take().expect("its output"))
        .output()
        .expect("pg_restore");
    assert!(dump.wait().expect("pg_dump").success());
    let said = String::from_utf8_lossy(&restore.stderr);
    assert!(restore.status.success() && said.is_empty(), "{said}");

    assert_eq!(schema(&source), schema(&target));
    // Of every table a digest of its rows as text, in no order: what COPY wrote in and what came back are the same.
    for table in workload.tables() {
        let digest = format!(
            "SELECT md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {} t",
            table.name
        );
        let digests = [&client, &restored].map(|client| client.query_one(&digest, &[]));
        let [before, after] = digests;
        let (before, after) = (before.await.expect("a digest"), after.await.expect("a digest"));
        assert_eq!(
            before.get::<_, String>(0),
            after.get::<_, String>(0),
            "{}",
            table.name
        );
    }
    for state in [
        "SELECT count(*) FROM pg_largeobject_metadata",
        "SELECT sum(hashtext(encode(data, 'hex'))::bigint)::bigint FROM pg_largeobject",
        "SELECT sum(last_value)::bigint FROM pg_sequences",
        "SELECT (last_value * 2 + is_called::int)::bigint FROM public.payout_number_seq",
        "SELECT sum(hashtext(r::text)::bigint)::bigint FROM public.revenue_by_plan r",
    ] {
        assert_eq!(
            number(&client, state).await,
            number(&restored, state).await,
            "{state}"
        );
    }
}

/// The schema as `pg_dump` writes it, without the token that differs from run to run.
fn schema(config: &Config) -> String {
    let dump = program("pg_dump", config)
        .arg("--schema-only")
        .output()
        .expect("pg_dump");
    assert!(dump.status.success());
    let schema = String::from_utf8(dump.stdout).expect("UTF-8");
    let lines = schema
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.collect::<Vec<_>>().join("\n")
}

/// One of the client programs, pointed at a database.
fn program(name: &str, config: &Config) -> Command {
    use tokio_postgres::config::Host;
    let postgres = kit::postgres().expect("the server of the test");
    let mut command = Command::new(postgres.installation.program(name));
    let host = match &config.get_hosts()[0] {
        Host::Tcp(host) => host.clone(),
        #[cfg(unix)]
        Host::Unix(directory) => directory.to_string_lossy().into_owned(),
    };
    command
        .env("PGHOST", host)
        .env("PGPORT", config.get_ports().first().unwrap_or(&5432).to_string())
        .env("PGUSER", config.get_user().unwrap_or("postgres"))
        .arg("--dbname")
        .arg(config.get_dbname().expect("a database"));
    if let Some(password) = config.get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).into_owned());
    }
    command
}
