//! Roles and settings of the newest backup that the target would lack tonight. Nothing is changed.

use super::within;
use crate::error::{Error, Kind, Result};
use crate::model::finding::Finding;
use crate::model::manifest::Manifest;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries;
use crate::postgres::session::Session;
use crate::recovery::{globals, roles, settings};
use crate::store::Store;

const NAMES: [&str; 2] = ["roles", "settings"];

pub(super) async fn examine(
    store: Option<&Store>,
    target: Option<&Conninfo>,
    newest: Option<&Manifest>,
) -> Vec<Finding> {
    let all = |finding: &dyn Fn(&'static str) -> Finding| NAMES.map(finding).into();
    let (Some(store), Some(target), Some(manifest)) = (store, target, newest) else {
        let why = "no target answers, or there is no attested backup to restore";
        return all(&|name| Finding::skipped(name, why));
    };
    if manifest.globals.is_none() {
        return all(&|name| Finding::skipped(name, "the newest backup does not record them"));
    }
    let [roles_name, settings_name] = NAMES;
    let asked = within(Kind::Target, async {
        let session = Session::connect(target).await?;
        queries::forbid_writes(&session).await?;
        let profile = queries::platform::profile(&session).await?;
        let roles = of_roles(&session, manifest, profile).await?;
        let record = globals::read(store, manifest).await;
        let settings = match record {
            Ok(Some(record)) => settings::foretell(&session, manifest, &record, profile)
                .await
                .map(|forbidden| of_settings(&forbidden)),
            Ok(None) => Ok(Finding::skipped(
                settings_name,
                "the newest backup does not record them",
            )),
            Err(error) => Ok(Finding::of_error(settings_name, &error)),
        };
        Ok(vec![roles, settings?])
    });
    let asked: Result<Vec<Finding>, Error> = asked.await;
    asked.unwrap_or_else(|error| {
        all(&|name| {
            Finding::of_error(
                if name == roles_name {
                    roles_name
                } else {
                    settings_name
                },
                &error,
            )
        })
    })
}

async fn of_roles(
    session: &Session,
    manifest: &Manifest,
    profile: crate::model::profile::Profile,
) -> Result<Finding> {
    let [name, _] = NAMES;
    let missing = roles::missing(session, manifest, profile).await?;
    if missing.is_empty() {
        return Ok(Finding::passed(
            name,
            "all that the newest backup needs are there",
        ));
    }
    let detail = format!("the target lacks {}", missing.join(", "));
    Ok(match roles::check_creatable(session, manifest, &missing).await {
        Ok(()) => Finding::failed(name, detail).hint("restore with --create-roles, or create them there"),
        Err(error) => {
            let hint = error.next_step().unwrap_or_default().to_owned();
            Finding::failed(name, format!("{detail}; {error}")).hint(hint)
        }
    })
}

fn of_settings(forbidden: &[String]) -> Finding {
    let [_, name] = NAMES;
    match forbidden.is_empty() {
        true => Finding::passed(name, "the role can make them as they were in the source"),
        false => Finding::failed(
            name,
            format!("the role may not make these: {}", forbidden.join(", ")),
        )
        .hint(
            "have a superuser set them there (ALTER DATABASE … SET, ALTER ROLE … SET), or restore with --accept-missing-settings",
        ),
    }
}
