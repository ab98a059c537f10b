//! Statements over a session. A log is told of each: as much of it as may be shown, how long it took, and how it ended; and while
//! one waits, for whom.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio_postgres::types::ToSql;
use tokio_postgres::{CopyInSink, CopyOutStream, Error, Row, SimpleQueryMessage};
use tracing::{debug, trace};

use super::{Session, span};
use crate::log::{self, Wait};
use crate::postgres::connector::Connector;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::statement::shown;

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    /// The rows of a question.
    pub async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        self.logged(sql, self.client.query(sql, values), Vec::len).await
    }

    /// The one row of a question.
    pub async fn query_one(&self, sql: &str, values: Values<'_>) -> Result<Row, Error> {
        self.logged(sql, self.client.query_one(sql, values), |_| 1).await
    }

    /// The row of a question, if there is one.
    pub(in crate::postgres) async fn query_opt(
        &self,
        sql: &str,
        values: Values<'_>,
    ) -> Result<Option<Row>, Error> {
        let asked = self.client.query_opt(sql, values);
        self.logged(sql, asked, |row| usize::from(row.is_some())).await
    }

    /// What statements without parameters answer, as text.
    pub async fn simple_query(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.logged(sql, self.client.simple_query(sql), Vec::len).await
    }

    /// Runs statements without parameters.
    pub async fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        self.logged(sql, self.client.batch_execute(sql), |()| 0).await
    }

    /// Begins to send rows.
    pub async fn copy_in(&self, sql: &str) -> Result<CopyInSink<Bytes>, Error> {
        self.logged(sql, self.client.copy_in(sql), |_| 0).await
    }

    /// Begins to read rows.
    pub async fn copy_out(&self, sql: &str) -> Result<CopyOutStream, Error> {
        self.logged(sql, self.client.copy_out(sql), |_| 0).await
    }

    /// Begins a wait of this session, for `what`.
    pub fn wait(&self, what: impl FnOnce() -> String) -> Wait {
        let Some(database) = self.database.clone() else {
            return Wait::default();
        };
        let look = move || {
            let database = Arc::clone(&database);
            async move { seen(&database).await }
        };
        Wait::begin_looking(&span(self.side, self.number), what, look)
    }

    async fn logged<T>(
        &self,
        sql: &str,
        work: impl Future<Output = Result<T, Error>>,
        rows: impl Fn(&T) -> usize,
    ) -> Result<T, Error> {
        if !log::is_kept() {
            return work.await;
        }
        let (span, sql, began) = (span(self.side, self.number), shown(sql), Instant::now());
        let wait = self.wait(|| format!("the {}'s server: {sql}", self.side));
        span.in_scope(|| trace!(sql, "sent"));
        let answer = work.await;
        drop(wait);
        let seconds = began.elapsed().as_secs_f64();
        span.in_scope(|| match &answer {
            Ok(answer) => debug!(sql, rows = rows(answer), seconds, "answered"),
            Err(cause) => {
                let code = cause.code().map_or("none", |code| code.code());
                debug!(sql, code, seconds, "refused");
            }
        });
        answer
    }
}

/// What the sessions of this program are seen to do in the database, and who holds a lock that one waits for, as a further
/// connection is told; nothing where there is none to be had.
async fn seen(database: &Conninfo) -> Option<String> {
    let sql = "SELECT string_agg(format('process %s %s', a.pid,
                 CASE WHEN a.wait_event_type = 'Lock'
                      THEN format('waits for a lock (%s) that is held by %s', a.wait_event,
                             (SELECT string_agg(format('process %s of role %s%s', b.pid, coalesce(b.usename, '(unknown)'),
                                                       ' (' || nullif(b.application_name, '') || ')'), ', ')
                                FROM pg_catalog.pg_stat_activity b WHERE b.pid = ANY (pg_catalog.pg_blocking_pids(a.pid))))
                      WHEN a.wait_event_type = 'Client' THEN 'waits for us'
                      ELSE coalesce('works, and waits for ' || a.wait_event, 'works') END), ', ' ORDER BY a.pid)
            FROM pg_catalog.pg_stat_activity a
           WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() AND a.usename = session_user
             AND a.state = 'active' AND a.application_name = pg_catalog.current_setting('application_name')";
    let (client, connection) = database
        .config()
        .connect(Connector::new(database.tls()))
        .await
        .ok()?;
    let driver = tokio::spawn(connection);
    let answer = client.query_one(sql, &[]).await;
    driver.abort();
    answer.ok()?.get(0)
}
