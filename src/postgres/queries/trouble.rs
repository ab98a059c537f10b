//! What would keep a database from being made again as it is: rows that break its own keys and checks, expressions and views that mean
//! nothing where no schema is searched, and extensions that its own server could not create.

use tokio_postgres::error::SqlState;

use super::{SYSTEM_SCHEMAS, all, batch};
use crate::error::Result;
use crate::postgres::session::Session;

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QuestionKind {
    /// Whether rows break a key or check.
    Rows,
    /// Whether an expression can be computed where no schema is searched.
    Expression,
    /// Whether a view's text is a query that could be run.
    View,
    /// Whether a view reads itself.
    Circle,
    /// Whether an extension could be created.
    Extension,
}

impl QuestionKind {
    fn read(word: &str) -> Self {
        match word {
            "expression" => Self::Expression,
            "view" => Self::View,
            "circle" => Self::Circle,
            "extension" => Self::Extension,
            _ => Self::Rows,
        }
    }

    /// What is wrong where something is.
    const fn found(self) -> &'static str {
        match self {
            Self::Rows => "rows break it: it cannot be made again over them",
            Self::Expression => "it cannot be computed where no schema is searched",
            Self::View => "its definition is not understood where no schema is searched",
            Self::Circle => "it reads itself: it cannot be made where it is not there yet",
            Self::Extension => "its own server could not create it: its files are gone",
        }
    }
}

/// One question to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TroubleQuestion {
    /// What is asked about, as in `foreign key public.child child_p_fkey`.
    about: String,
    asked: QuestionKind,
    sql: String,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TroubleAnswer {
    Well,
    Trouble(String),
    /// The server did not answer it.
    Unanswered,
}

/// All questions about the database, the cheapest first: what is small is asked before what is large. Nothing is asked about extensions
/// that a `platform` brings.
pub async fn questions(session: &Session, platform: &[&str]) -> Result<Vec<TroubleQuestion>> {
    // `format` words the statements, so that every name is quoted by the server itself.
    let sql = format!(
        "
        WITH relation AS (
            SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.format('%I.%I', n.nspname, c.relname) AS sql_name,
                   pg_catalog.pg_relation_size(c.oid) AS bytes
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE {SYSTEM_SCHEMAS} AND c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
        ), asked (about, asked, sql, bytes) AS (
            SELECT pg_catalog.format('foreign key %s.%s %s', r.nspname, r.relname, k.conname), 'rows',
                   pg_catalog.format('SELECT EXISTS (SELECT FROM %s AS own WHERE %s AND NOT EXISTS (SELECT FROM %s AS other WHERE %s))', r.sql_name,
                          (SELECT pg_catalog.string_agg(pg_catalog.format('own.%I IS NOT NULL', a.attname), ' AND ')
                             FROM pg_catalog.unnest(k.conkey) AS number JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = number),
                          o.sql_name,
                          (SELECT pg_catalog.string_agg(pg_catalog.format('own.%I OPERATOR(%I.%s) other.%I', a.attname, s.nspname, p.oprname, b.attname), ' AND ')
                             FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conpfeqop)) AS pair (own, other, equal)
                             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.own
                             JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = pair.other
                             JOIN pg_catalog.pg_operator c ON c.oid = pair.equal
                             -- The stored operator compares the other way round.
                             JOIN pg_catalog.pg_operator p ON p.oid = CASE WHEN c.oprcom = 0 THEN c.oid ELSE c.oprcom END
                             JOIN pg_catalog.pg_namespace s ON s.oid = p.oprnamespace)),
                   r.bytes + o.bytes
              FROM pg_catalog.pg_constraint k JOIN relation r ON r.oid = k.conrelid JOIN relation o ON o.oid = k.confrelid
             WHERE k.contype = 'f' AND k.convalidated AND k.conparentid = 0
               AND coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true)
               AND NOT coalesce((pg_catalog.to_jsonb(k) ->> 'conperiod')::boolean, false)
            UNION ALL
            SELECT pg_catalog.format('check %s.%s %s', r.nspname, r.relname, k.conname), 'rows',
                   pg_catalog.format('SELECT EXISTS (SELECT FROM %s WHERE NOT (%s))', r.sql_name, pg_catalog.pg_get_expr(k.conbin, k.conrelid)), r.bytes
              FROM pg_catalog.pg_constraint k JOIN relation r ON r.oid = k.conrelid
             WHERE k.contype = 'c' AND k.convalidated AND k.conislocal
               AND coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true)
            UNION ALL
            SELECT pg_catalog.format('unique index %s.%s', r.nspname, c.relname), 'rows',
                   pg_catalog.format('SELECT EXISTS (SELECT FROM ONLY %s WHERE %s GROUP BY %s HAVING pg_catalog.count(*) > 1)', r.sql_name,
                          pg_catalog.concat_ws(' AND ', '(' || pg_catalog.pg_get_expr(i.indpred, i.indrelid) || ')', nulls.condition),
                          keys.list),
                   r.bytes * 2
              FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN relation r ON r.oid = i.indrelid,
                   LATERAL (SELECT pg_catalog.string_agg('(' || pg_catalog.pg_get_indexdef(i.indexrelid, k, true) || ')', ', ') AS list
                              FROM pg_catalog.generate_series(1, i.indnkeyatts) AS k) AS keys,
                   LATERAL (SELECT CASE WHEN coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) THEN 'true' ELSE
                                   pg_catalog.string_agg('(' || pg_catalog.pg_get_indexdef(i.indexrelid, k, true) || ') IS NOT NULL', ' AND ') END AS condition
                              FROM pg_catalog.generate_series(1, i.indnkeyatts) AS k) AS nulls
             WHERE i.indisunique AND i.indisvalid AND r.relkind <> 'p'
            UNION ALL
            SELECT pg_catalog.format('index %s.%s', r.nspname, c.relname), 'expression',
                   pg_catalog.format('SELECT pg_catalog.count(ROW(%s)) < 0 FROM (SELECT * FROM ONLY %s LIMIT 1) AS made', pg_catalog.pg_get_expr(i.indexprs, i.indrelid), r.sql_name), 0
              FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN relation r ON r.oid = i.indrelid
             WHERE i.indexprs IS NOT NULL AND r.relkind <> 'p'
            UNION ALL
            SELECT pg_catalog.format('generated column %s.%s.%s', r.nspname, r.relname, a.attname), 'expression',
                   pg_catalog.format('SELECT pg_catalog.count(ROW(%s)) < 0 FROM (SELECT * FROM ONLY %s LIMIT 1) AS made', pg_catalog.pg_get_expr(d.adbin, d.adrelid), r.sql_name), 0
              FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum JOIN relation r ON r.oid = d.adrelid
             WHERE pg_catalog.to_jsonb(a) ->> 'attgenerated' <> '' AND r.relkind <> 'p'
            UNION ALL
            SELECT pg_catalog.format('view %s.%s', n.nspname, c.relname), 'view', pg_catalog.pg_get_viewdef(c.oid), 0
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE {SYSTEM_SCHEMAS} AND c.relkind IN ('v', 'm') AND c.relpersistence <> 't'
            UNION ALL
            SELECT pg_catalog.format('view %s.%s', n.nspname, c.relname), 'circle', 'SELECT true', 0
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE {SYSTEM_SCHEMAS} AND c.relkind = 'v' AND c.relpersistence <> 't'
               -- Each rule depends on its own view as a whole.
               AND EXISTS (SELECT FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
                            WHERE r.ev_class = c.oid AND r.ev_type = '1' AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid
                              AND d.refobjsubid > 0)
            UNION ALL
            SELECT pg_catalog.format('extension %s', e.extname), 'extension',
                   pg_catalog.format('SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = %L)', e.extname), 0
              FROM pg_catalog.pg_extension e WHERE e.extname <> ALL ($1::text[])
        )
        SELECT about, asked, sql FROM asked WHERE sql IS NOT NULL ORDER BY bytes, about"
    );
    let rows = all(session, "cannot list the keys and checks", &sql, &[&platform]).await?;
    let questions = rows.iter().map(|row| TroubleQuestion {
        about: row.get(0),
        asked: QuestionKind::read(row.get(1)),
        sql: row.get(2),
    });
    Ok(questions.collect())
}

/// From here on the session believes no index, and searches no schema: what it is told is what a restore will meet.
pub async fn distrust_indexes(session: &Session) -> Result<()> {
    let sql = "SELECT pg_catalog.set_config(name, 'off', false) FROM pg_catalog.pg_settings
                WHERE name IN ('enable_indexscan', 'enable_indexonlyscan', 'enable_bitmapscan', 'row_security', 'jit');
               SELECT pg_catalog.set_config('search_path', '', false)";
    batch(session, "cannot prepare the session", sql).await
}

/// Asks one. An expression or a view that the server cannot read is what was looked for; rows that it cannot look at are not known to be right.
pub async fn ask(session: &Session, question: &TroubleQuestion) -> Result<TroubleAnswer> {
    const WHAT: &str = "cannot ask about the source";
    let about = &question.about;
    // A failure must not end the transaction that holds the snapshot.
    batch(session, WHAT, "SAVEPOINT asked").await?;
    let told = match answer(session, question).await {
        Ok(false) => TroubleAnswer::Well,
        Ok(true) => TroubleAnswer::Trouble(format!("{about}: {}", question.asked.found())),
        Err(error) => match (error.as_db_error(), question.asked) {
            (None, _) => return Err(session.failed(WHAT, error)),
            // Views that read each other are made again as they are: pg_dump begins with one that reads nothing.
            (Some(why), QuestionKind::View) if *why.code() == SqlState::INVALID_OBJECT_DEFINITION => {
                TroubleAnswer::Well
            }
            (Some(why), QuestionKind::Expression | QuestionKind::View)
                if is_about_the_question(why.code()) =>
            {
                TroubleAnswer::Trouble(format!("{about}: {}: {}", question.asked.found(), why.message()))
            }
            (Some(_), _) => TroubleAnswer::Unanswered,
        },
    };
    batch(session, WHAT, "ROLLBACK TO SAVEPOINT asked").await?;
    Ok(told)
}

/// Whether a refusal is about what was asked, and not about who asks or how the server is.
fn is_about_the_question(code: &SqlState) -> bool {
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    const OF_THE_SERVER: [&str; 6] = ["40", "53", "55", "57", "58", "XX"];
    *code != SqlState::INSUFFICIENT_PRIVILEGE
        && !OF_THE_SERVER.iter().any(|class| code.code().starts_with(class))
}

/// Whether what is asked for was found.
async fn answer(session: &Session, question: &TroubleQuestion) -> Result<bool, tokio_postgres::Error> {
    let client = session.client();
    if question.asked == QuestionKind::View {
        // The server reads the query and puts in the views that it reads, and runs nothing.
        let text = format!("PREPARE asked AS {}", question.sql);
        client.batch_execute(&text).await?;
        client.batch_execute("DEALLOCATE asked").await?;
        return Ok(false);
    }
    let row = session.query_opt(&question.sql, &[]).await?;
    Ok(row.is_some_and(|row| row.get(0)))
}
