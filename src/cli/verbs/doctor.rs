//! `paycraft-dr doctor`.

use std::fmt::Write;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::settings::{SOURCE, Settings, name_of};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::mark;
use crate::error::{Error, Kind, Result};
use crate::model::finding::Finding;
use crate::model::selection::Among;
use crate::model::source::SourceChoice;
use crate::model::timeline::Event;
use crate::model::verdict::CheckOutcome;
use crate::postgres::conninfo::Conninfo;
use crate::recovery::doctor::{self, Examination};
use crate::store::{Store, StoreAddress};

/// Look for anything that would stop a restore tonight.
#[derive(Args, Debug)]
pub struct DoctorArguments {
    /// The database that is backed up, without its password [env: SUPABASE_DB_URL or SOURCE_DB_URL]
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// The database to restore into, without its password [env: TARGET_DB_URL]
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Ask as for a restore with --clean, into a target that holds something
    #[arg(long)]
    pub clean: bool,
    /// Write a tiny object `doctor-probe` into the store, and remove it
    #[arg(long)]
    pub write: bool,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// What the settings name, as far as they can be used.
struct Named {
    source: Option<Conninfo>,
    target: Option<Conninfo>,
    store: Option<Store>,
    found: Vec<Finding>,
}

/// Examines settings, machine, store and databases.
pub async fn run(context: &Context<'_>, own: &DoctorArguments) -> Result<Report> {
    let mut named = settings(context.settings, own);
    let production = context
        .settings
        .production()
        .unwrap_or_else(|_| context.settings.production_without_source());
    let doing = "examining settings, store and databases";
    context.observer.observe(Event::Doing(doing.to_owned()));
    let tools = context.tools().await;
    let among = Among {
        source: match &named.source {
            Some(source) => SourceChoice::Configured(name_of(source)),
            None => SourceChoice::Any,
        },
        limits: context.settings.shrink_limits(),
        ..Among::ANY
    };
    let examination = Examination {
        tools: &tools,
        store: named.store.as_ref(),
        among: &among,
        source: named.source.as_ref(),
        target: named.target.as_ref(),
        production: &production,
        clean: own.clean,
        jobs: context.jobs(),
        write: own.write,
        scratch: &std::env::temp_dir(),
        clock: &Timestamp::now,
    };
    let mut found = doctor::examine(examination, context.observer).await;
    found.splice(0..0, named.found.drain(..));
    let found: Vec<Finding> = found
        .into_iter()
        .map(|finding| finding.worded(|text| context.settings.product().worded(text)))
        .collect();
    let failed: Vec<&str> = found
        .iter()
        .filter(|finding| finding.is_failed())
        .map(|finding| finding.check.name)
        .collect();
    let failure = (!failed.is_empty()).then(|| {
        let message = format!(
            "{} of {} findings would stop a restore or a backup: {}",
            failed.len(),
            found.len(),
            failed.join(", ")
        );
        Error::new(Kind::NotProven, message).hint("each failed finding says what to do")
    });
    let mut report = Report::done(Examined(found));
    report.failure = failure;
    Ok(report)
}

/// What is set, what is not, and what cannot be used as it is.
fn settings(settings: &Settings<'_>, own: &DoctorArguments) -> Named {
    let mut found = Vec::new();
    let source = settings.source(own.source.as_deref());
    found.push(of_database(settings.product().setting(SOURCE), &source));
    let target = settings.target(own.target.as_deref());
    let is_unset = own.target.is_none() && matches!(settings.value("TARGET_DB_URL"), Ok(None));
    found.push(match &target {
        Err(error) if is_unset => {
            let unset = Finding::skipped("TARGET_DB_URL", error.to_string());
            unset.hint(error.next_step().unwrap_or_default())
        }
        target => of_database("TARGET_DB_URL", target),
    });
    let address = settings.store_address(&own.store);
    if let Err(error) = settings.prefix(&own.store) {
        found.push(Finding::of_error(settings.product().setting("R2_PREFIX"), &error));
    }
    found.extend(of_store(settings, own, &address));
    Named {
        source: source.ok(),
        target: target.ok(),
        store: settings.open_store(&own.store).ok(),
        found,
    }
}

fn of_database(variable: &'static str, named: &Result<Conninfo>) -> Finding {
    match named {
        Ok(conninfo) => Finding::passed(variable, conninfo.to_string()),
        Err(error) => Finding::of_error(variable, error),
    }
}

/// One finding for each of the store's settings, so that all that is missing is told at once.
fn of_store(settings: &Settings<'_>, own: &DoctorArguments, address: &Result<StoreAddress>) -> Vec<Finding> {
    const ENDPOINT: &str = "R2_ENDPOINT_URL";
    let address_name = settings.product().setting(ENDPOINT);
    match (address, settings.directory(&own.store)) {
        (Ok(StoreAddress::Directory(path)), _) => {
            return vec![Finding::passed(
                address_name,
                format!("file://{}", path.display()),
            )];
        }
        (Err(error), Ok(Some(_)) | Err(_)) => return vec![Finding::of_error(address_name, error)],
        _ => {}
    }
    if let Ok(StoreAddress::S3(location)) = address
        && location.chain.is_some()
    {
        let place = format!("{}/{}", location.endpoint, location.bucket);
        let detail =
            "no keys are set: AWS's standard sources are asked (profile, web identity, container, instance)";
        return vec![
            Finding::passed(ENDPOINT, place),
            Finding::passed("credentials", detail),
        ];
    }
    let secret = |variable| match settings.value(variable) {
        Ok(Some(_)) => Finding::passed(variable, "set"),
        Ok(None) => unset(variable),
        Err(error) => Finding::of_error(variable, &error),
    };
    let names = settings.store_names();
    let keys = match &names {
        Ok(names) => [names.id, names.secret].map(secret),
        Err(_) => ["R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"]
            .map(|name| settings.product().setting(name))
            .map(secret),
    };
    let endpoint = match (address, settings.of_store(None, ENDPOINT)) {
        (Ok(StoreAddress::S3(location)), _) => {
            Finding::passed(address_name, format!("{}/{}", location.endpoint, location.bucket))
        }
        (_, Ok(None)) if own.store.endpoint.is_none() => unset(address_name),
        // Where the keys are not at fault, the address is.
        (Err(error), _) if !keys.iter().any(Finding::is_failed) => Finding::of_error(address_name, error),
        _ => Finding::passed(address_name, "set"),
    };
    let [id, secret] = keys;
    vec![endpoint, id, secret]
}

fn unset(variable: &'static str) -> Finding {
    Finding::failed(variable, "not set").hint(format!(
        "set {variable}, or {variable}_FILE to the path of a file that holds it"
    ))
}

#[derive(Debug)]
struct Examined(Vec<Finding>);

impl Outcome for Examined {
    fn fields(&self) -> Value {
        json!({ "findings": self.0 })
    }

    fn text(&self, _: bool) -> String {
        let mut text = String::new();
        for Finding { check, hint } in &self.0 {
            let (mark, name) = (mark(check.outcome), check.name);
            let _ = writeln!(text, "{mark}  {name:<20} {}", check.detail);
            if let Some(hint) = hint {
                let _ = writeln!(text, "{:<30}hint: {hint}", "");
            }
        }
        let count = |outcome| {
            self.0
                .iter()
                .filter(|finding| finding.check.outcome == outcome)
                .count()
        };
        let (passed, failed) = (count(CheckOutcome::Passed), count(CheckOutcome::Failed));
        let _ = writeln!(
            text,
            "\n{passed} passed, {failed} failed, {} skipped",
            count(CheckOutcome::Skipped)
        );
        text
    }
}
