//! A database in the place of production: no drill may write it.

use crate::error::Result;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::session::Session;

/// The sentinel's name on its server.
pub const DATABASE: &str = "production";

/// A database that was filled once, and what the server had counted of writes by then.
#[derive(Debug)]
pub struct Sentinel {
    conninfo: Conninfo,
    before: Trace,
}

/// What a write would change: the rows themselves, the server's own count of row writes, what the database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trace {
    content: String,
    written_rows: i64,
    objects: i64,
}

impl Sentinel {
    /// Makes the sentinel on the server that `admin` leads to.
    pub(super) async fn plant(admin: &Conninfo) -> Result<Self> {
        let session = Session::connect(admin).await?;
        let created = session
            .client()
            .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
            .await;
        created.map_err(|cause| session.failed("cannot create the sentinel database", cause))?;
        let conninfo = admin.with_database(admin.side(), DATABASE);
        let session = Session::connect(&conninfo).await?;
        let filled = session.client().batch_execute(
            "CREATE TABLE tenants (id int PRIMARY KEY, name text NOT NULL);
             INSERT INTO tenants SELECT n, 'tenant ' || n FROM generate_series(1, 1000) AS n",
        );
        let filled = filled.await;
        filled.map_err(|cause| session.failed("cannot fill the sentinel database", cause))?;
        // What this session wrote must be counted before, not some time later.
        let counted = session
            .client()
            .batch_execute("SELECT pg_stat_force_next_flush()")
            .await;
        counted.map_err(|cause| session.failed("cannot settle the sentinel's statistics", cause))?;
        let before = trace(&session).await?;
        Ok(Self { conninfo, before })
    }

    /// What was changed since the sentinel was planted; nothing when it is untouched.
    pub async fn changes(&self) -> Result<Vec<String>> {
        let now = trace(&Session::connect(&self.conninfo).await?).await?;
        let mut changes = Vec::new();
        if now.content != self.before.content {
            changes.push("production holds other rows".to_owned());
        }
        // A crash of the server resets its counts, never lets them run ahead.
        if now.written_rows > self.before.written_rows {
            changes.push(format!(
                "{} rows of production were written",
                now.written_rows - self.before.written_rows
            ));
        }
        if now.objects != self.before.objects {
            changes.push("production holds other tables".to_owned());
        }
        Ok(changes)
    }
}

async fn trace(session: &Session) -> Result<Trace> {
    // Of the user's tables only: the server itself writes its catalogs now and then. A row that was written again as it was
    // lies elsewhere and names another transaction.
    let row = session
        .client()
        .query_one(
            "SELECT (SELECT md5(string_agg(concat_ws(':', id, name, ctid, xmin), ',' ORDER BY id)) FROM tenants),
                    (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::int8 FROM pg_stat_user_tables),
                    (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace)",
            &[],
        )
        .await
        .map_err(|cause| session.failed("cannot read the sentinel database", cause))?;
    Ok(Trace {
        content: row.get(0),
        written_rows: row.get(1),
        objects: row.get(2),
    })
}
