//! The source: reachable, a session of its own, and readable to the last row.

use super::within;
use crate::error::{Kind, Result};
use crate::model::check_names;
use crate::model::finding::Finding;
use crate::model::verdict::Check;
use crate::postgres::address;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::examination;
use crate::postgres::pooling;
use crate::postgres::queries::{self, ServerFacts};
use crate::postgres::session::Session;

/// What was found of a database.
pub(super) struct OfDatabase {
    pub(super) found: Vec<Finding>,
    /// What it says of itself, where it answers.
    pub(super) facts: Option<ServerFacts>,
    /// How to reach it at the address that answered.
    pub(super) reached: Option<Conninfo>,
}

impl OfDatabase {
    /// What is found of a database that cannot be asked: `first`, and that the questions of these names were not.
    pub(super) fn unasked(first: Finding, names: &[&'static str], why: &str) -> Self {
        let skipped = names.iter().map(|name| Finding::skipped(name, why));
        Self {
            found: std::iter::once(first).chain(skipped).collect(),
            facts: None,
            reached: None,
        }
    }
}

pub(super) async fn examine(source: Option<&Conninfo>) -> OfDatabase {
    const FURTHER: [&str; 2] = ["source pooler", "source rights"];
    let Some(source) = source else {
        return OfDatabase::unasked(
            Finding::skipped("source", "it is not set"),
            &FURTHER,
            "the source is not set",
        );
    };
    let asked = within(Kind::Source, async {
        let (session, source) = address::connect(source).await?;
        let facts = queries::facts(&session).await?;
        Ok((session, source, facts))
    });
    let (session, source, facts) = match asked.await {
        Ok(answer) => answer,
        Err(error) => {
            return OfDatabase::unasked(
                Finding::of_error("source", &error),
                &FURTHER,
                "the source did not answer",
            );
        }
    };
    // One after the other: a question about rights that takes its time would look like a session that lost its process.
    let pooler = within(Kind::Source, pooling::refuse_transactions(&session, &source)).await;
    let rights = within(Kind::Source, examine_rights(&session)).await;
    OfDatabase {
        found: vec![
            Finding::passed("source", format!("{source}, PostgreSQL {}", facts.server_version)),
            Finding::of(
                "source pooler",
                pooler.map(|_| "a session keeps its server process".to_owned()),
            ),
            rights.unwrap_or_else(|error| Finding::of_error("source rights", &error)),
        ],
        facts: Some(facts),
        reached: Some(source),
    }
}

async fn examine_rights(session: &Session) -> Result<Finding> {
    const NAME: &str = check_names::SOURCE_RIGHTS;
    let unreadable = examination::unreadable(session).await?;
    let denied = unreadable.denied.iter();
    let mut problems: Vec<String> = denied
        .map(|(schema, name)| format!("{schema}.{name} may not be read"))
        .collect();
    let filtered = unreadable.filtered.iter();
    problems.extend(
        filtered.map(|(schema, name)| format!("{schema}.{name} hides rows from the role by its policies")),
    );
    let large_objects = examination::unreadable_large_objects(session).await?;
    if large_objects > 0 {
        problems.push(format!("{large_objects} large objects may not be read"));
    }
    let platforms = unreadable.platforms.iter();
    let platforms: Vec<String> = platforms
        .map(|(schema, name)| format!("{schema}.{name}"))
        .collect();
    let readable = match platforms.as_slice() {
        [] => "the role may read every row".to_owned(),
        some => format!(
            "the role may read every row but the platform's own in {}",
            some.join(", ")
        ),
    };
    let check = Check::none_of(NAME, &problems, readable);
    let finding = Finding { check, hint: None };
    Ok(if finding.is_failed() {
        finding.hint(
            "pg_dump would stop there: back up as the owner of what is named, or give the role pg_read_all_data and BYPASSRLS",
        )
    } else {
        finding
    })
}
