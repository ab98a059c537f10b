//! The target: reachable, open to what a restore makes, and cleared by the guard as a restore would ask it.

use super::source::OfDatabase;
use super::{Examination, within};
use crate::error::Kind;
use crate::model::finding::Finding;
use crate::model::manifest::Manifest;
use crate::model::units::size;
use crate::postgres::address;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::examination::{self, Openness};
use crate::postgres::queries;
use crate::postgres::session::Session;
use crate::recovery::access;
use crate::recovery::guard::{self, GuardOptions};

/// What a restore needs besides the connections that work side by side: one that looks, and one that loads.
const OTHER_CONNECTIONS: usize = 2;

pub(super) async fn examine(target: Option<&Conninfo>, jobs: usize) -> OfDatabase {
    const FURTHER: [&str; 2] = ["target rights", "target sessions"];
    let Some(target) = target else {
        return OfDatabase::unasked(
            Finding::skipped("target", "it is not set"),
            &FURTHER,
            "the target is not set",
        );
    };
    let asked = within(Kind::Target, async {
        let (session, target) = address::connect(target).await?;
        let facts = queries::facts(&session).await?;
        queries::forbid_writes(&session).await?;
        Ok((target, facts, examination::openness(&session).await))
    });
    let (target, facts, openness) = match asked.await {
        Ok(answer) => answer,
        Err(error) => {
            return OfDatabase::unasked(
                Finding::of_error("target", &error),
                &FURTHER,
                "the target did not answer",
            );
        }
    };
    let mut found = vec![Finding::passed(
        "target",
        format!("{target}, PostgreSQL {}", facts.server_version),
    )];
    match openness {
        Ok(openness) => found.extend([rights(openness), sessions(openness, jobs)]),
        Err(error) => found.extend(FURTHER.map(|name| Finding::of_error(name, &error))),
    }
    OfDatabase {
        found,
        facts: Some(facts),
        reached: Some(target),
    }
}

fn rights(openness: Openness) -> Finding {
    const NAME: &str = "target rights";
    let missing = match (openness.may_create_schemas, openness.may_create_in_public) {
        (true, true) => return Finding::passed(NAME, "the role may create schemas, and tables in public"),
        (false, true) => "may not create schemas in the database",
        (true, false) => "may not create tables in the schema public",
        (false, false) => "may create neither schemas nor tables in public",
    };
    Finding::failed(NAME, format!("the role {missing}")).hint(
        "restore as the owner of the database, or GRANT CREATE on the database and on its schema public",
    )
}

fn sessions(openness: Openness, jobs: usize) -> Finding {
    const NAME: &str = "target sessions";
    let (free, wanted) = (openness.free_connections, jobs + OTHER_CONNECTIONS);
    let detail = format!("{free} more connections are free, and a restore with --jobs {jobs} opens {wanted}");
    if usize::try_from(free).is_ok_and(|free| free >= wanted) {
        Finding::passed(NAME, detail)
    } else {
        Finding::failed(NAME, detail)
            .hint("end idle sessions, raise the limit on connections, or lower --jobs")
    }
}

/// Whether the target's role could make owners and rights as the newest backup has them. Nothing is changed.
pub(super) async fn examine_rights(target: Option<&Conninfo>, newest: Option<&Manifest>) -> Finding {
    const NAME: &str = "owners and grants";
    let (Some(target), Some(manifest)) = (target, newest) else {
        return Finding::skipped(
            NAME,
            "no target answers, or there is no attested backup to restore",
        );
    };
    let Some(expected) = &manifest.access else {
        return Finding::skipped(NAME, "the newest backup does not record them");
    };
    let asked = within(Kind::Target, async {
        let session = Session::connect(target).await?;
        queries::forbid_writes(&session).await?;
        let profile = queries::platform::profile(&session).await?;
        access::foretell(&session, expected, profile).await
    });
    match asked.await {
        Ok(problems) if problems.is_empty() => {
            Finding::passed(NAME, "the role can make them as they were in the source")
        }
        Ok(problems) => Finding::failed(NAME, problems.join("; "))
            .hint("make the role a member of those roles (GRANT … TO …), or restore as a superuser; create roles that are missing"),
        Err(error) => Finding::of_error(NAME, &error),
    }
}

/// What the guard says to a restore of the newest backup into the target, which was `reached` at this address. PostgreSQL does not
/// tell how much room its disk has, so what is needed is said.
pub(super) async fn examine_guard(
    what: Examination<'_>,
    newest: Option<&Manifest>,
    reached: Option<&Conninfo>,
) -> Finding {
    const NAME: &str = "target guard";
    let Some(target) = what.target else {
        return Finding::skipped(NAME, "the target is not set");
    };
    if let Err(error) = what.production.refuse_named(target) {
        return Finding::of_error(NAME, &error);
    }
    let Some(manifest) = newest else {
        return Finding::skipped(NAME, "there is no attested backup to restore");
    };
    let Ok(tools) = what.tools else {
        return Finding::skipped(NAME, "there are no PostgreSQL programs");
    };
    let terms = GuardOptions {
        production: what.production,
        consent: None,
        clean: what.clean,
        not_production: None,
        create_roles: false,
    };
    let target = reached.unwrap_or(target);
    let looked = within(Kind::Target, guard::look(target, manifest, tools, terms, None)).await;
    let answer = looked.map(|doubts| {
        let later = match &doubts[..] {
            [] => String::new(),
            doubts => format!(
                "; as soon as the target holds something, --clean needs --target-is-not-production {}: {}",
                target.database(),
                doubts.join("; ")
            ),
        };
        format!(
            "a restore may go ahead; its rows alone need {}, and the server does not tell what room it has{later}",
            size(manifest.raw_bytes)
        )
    });
    Finding::of(NAME, answer)
}
