//! `paycraft-dr restore`.

use std::path::PathBuf;

use clap::Args;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::colour;
use crate::cli::consent;
use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::{backup_line, checks, counts, line, missing, skipped, tables, timeline};
use crate::cli::values::{parse_instant, worded};
use crate::error::{Error, Kind, Result};
use crate::model::depth::Depth;
use crate::model::key::Selector;
use crate::model::profile::Profile;
use crate::model::selection::Among;
use crate::model::source::SourceName;
use crate::model::timeline::Span;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::tools::{Leniency, Tools};
use crate::recovery::guard::{Consent, GuardOptions, Production};
use crate::recovery::recorder::Recorder;
use crate::recovery::restore::{self, Restored};

/// Restore a backup into a database and verify it there.
// Each is a flag of its own.
#[expect(clippy::struct_excessive_bools)]
#[derive(Args, Debug)]
pub struct RestoreArguments {
    /// Which backup: `latest`, a day as YYYY/MM/DD, or a key as `list` prints it
    #[arg(value_name = "DAY|KEY|latest", default_value = "latest", value_parser = |text: &str| worded(text.parse::<Selector>()))]
    pub backup: Selector,
    /// The database to restore into, without its password [env: TARGET_DB_URL]
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Who owns what is in it: `supabase`, or `plain` for no platform; left out, it is asked
    #[arg(long, value_name = "PROFILE", value_parser = |text: &str| worded(text.parse::<Profile>()))]
    pub profile: Option<Profile>,
    /// How much of the rows is compared: `content`, or `counts` for a quick look that proves nothing
    #[arg(long, value_name = "DEPTH", default_value = "content", value_parser = |text: &str| worded(text.parse::<Depth>()))]
    pub verify: Depth,
    /// Do without rows of the platform's tables that the target cannot take, and call the rest proven
    #[arg(long)]
    pub accept_lost_rows: bool,
    /// End at the first entry of the backup that cannot be made, instead of making all that does not need it
    #[arg(long)]
    pub stop_at_first_error: bool,
    /// Keep the tablespaces of the source, which the target's server must have
    #[arg(long)]
    pub tablespaces: bool,
    /// Where to write the SQL of what could not be made, for its owner alone; it may hold passwords
    #[arg(long, value_name = "FILE", default_value = "paycraft-dr-missing.sql")]
    pub missing_sql: PathBuf,
    /// Call a target proven although the backup, an older or foreign one, does not record owners and rights
    #[arg(long)]
    pub accept_unknown_rights: bool,
    /// Call a target proven although settings of the database or of roles are missing or differ there
    #[arg(long)]
    pub accept_missing_settings: bool,
    /// Gather no planner statistics; without them the first queries may be very slow
    #[arg(long)]
    pub no_analyze: bool,
    /// Create the roles that the backup needs and the target lacks, as the backup records them; none of them may log in
    #[arg(long)]
    pub create_roles: bool,
    /// Take a backup of this source, as `list` names it: PROJECT/DATABASE, or one of both
    #[arg(long, value_name = "NAME")]
    pub from_source: Option<String>,
    /// Take the newest backup that began before this instant, such as 2026-11-23T02:10:00Z
    #[arg(long, value_name = "INSTANT", value_parser = |text: &str| worded(parse_instant(text)))]
    pub before: Option<Timestamp>,
    /// Take also a backup that began later than that
    #[arg(long)]
    pub accept_later: bool,
    /// What may be done to it.
    #[command(flatten)]
    pub permission: PermissionArguments,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// What may be done to a target.
#[derive(Args, Clone, Debug)]
pub struct PermissionArguments {
    /// Drop from the target what the backup contains; all else that is there is refused by name
    #[arg(long)]
    pub clean: bool,
    /// Your word, where nothing shows it, that the target is not production: the target database's name
    #[arg(long, value_name = "NAME", conflicts_with = "confirm_prod_restore")]
    pub target_is_not_production: Option<String>,
    /// Let a restore write production; asks for the database's name
    #[arg(long, value_name = "YES", value_parser = consent::parse_confirmation)]
    pub confirm_prod_restore: Option<()>,
    /// The database's name, where no terminal is there to ask
    #[arg(long, value_name = "NAME", requires = "confirm_prod_restore")]
    pub yes_really: Option<String>,
}

impl PermissionArguments {
    /// Refuses a target that names production, before the store or a database is contacted. With consent, the guard asks for the name.
    pub fn refuse_named(&self, production: &Production, target: &Conninfo) -> Result<()> {
        match self.confirm_prod_restore {
            Some(()) => Ok(()),
            None => production.refuse_named(target),
        }
    }

    /// The name of the database that the operator consents to write, if production must be written.
    pub fn consent(&self, target: &Conninfo) -> BoxFuture<'static, Result<String>> {
        consent::ask(target, self.yes_really.as_deref())
    }
}

impl RestoreArguments {
    /// Which backups are considered, as seen at `now`: those that began before `declared_at` where that is given.
    pub fn among(
        &self,
        context: &Context<'_>,
        declared_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Among> {
        if let Some(before) = self.before.filter(|before| *before > now) {
            return Err(
                Error::new(Kind::Usage, format!("--before {before} is yet to come"))
                    .hint("give the instant in UTC, and check this machine's clock"),
            );
        }
        Ok(Among {
            before: self.before.into_iter().chain(declared_at).min(),
            accept_later: self.accept_later,
            ..context.settings.among(self.from_source.as_deref())?
        })
    }

    /// The request that these arguments make. `consent` is asked where they let production be written.
    pub fn request<'a>(
        &'a self,
        context: &'a Context<'_>,
        tools: &'a Tools,
        production: &'a Production,
        consent: Consent<'a>,
        among: &'a Among,
    ) -> Result<restore::RestoreRequest<'a>> {
        Ok(restore::RestoreRequest {
            store: context.store()?,
            selector: self.backup,
            among,
            counted: &context.settings.product().tables,
            tools,
            terms: GuardOptions {
                production,
                consent: self.permission.confirm_prod_restore.map(|()| consent),
                clean: self.permission.clean,
                not_production: self.permission.target_is_not_production.as_deref(),
                create_roles: self.create_roles,
            },
            profile: self.profile,
            jobs: context.jobs(),
            depth: self.verify,
            accepts_lost_rows: self.accept_lost_rows,
            leniency: Leniency {
                stops_at_first_error: self.stop_at_first_error,
                keeps_tablespaces: self.tablespaces,
            },
            missing_sql: Some(&self.missing_sql),
            accepts_unknown_rights: self.accept_unknown_rights,
            accepted: &context.settings.config.accept,
            accepts_missing_settings: self.accept_missing_settings,
            analyzes: !self.no_analyze,
            now: Timestamp::now(),
        })
    }
}

/// Restores one backup and compares it.
pub async fn run(context: &Context<'_>, own: &RestoreArguments) -> Result<Report> {
    let target = context.settings.target(own.target.as_deref())?;
    let production = context.settings.production()?;
    own.permission.refuse_named(&production, &target)?;
    let tools = context.tools().await?;
    let consent = |target: &Conninfo| own.permission.consent(target);
    let among = own.among(context, None, Timestamp::now())?;
    let request = own.request(context, &tools, &production, &consent, &among)?;
    let recorder = Recorder::new(context.observer);
    let restored = restore::restore(request, async |_| Ok(target), &recorder).await?;
    let phases = recorder.spans();
    let verdict = restored.verification.verdict;
    let lacks_rows = without_rows(&restored);
    let mut report = Report::judged(verdict, RestoreDone { restored, phases });
    report.failure = lacks_rows.or(report.failure);
    Ok(report)
}

/// The failure of a restore after which rows of the backup are missing.
pub(super) fn without_rows(restored: &Restored) -> Option<Error> {
    let lacking = restored.missing.iter().find(|missing| missing.is_rows())?;
    let message = format!(
        "rows of the backup are missing: {}: {}",
        lacking.entry, lacking.reason
    );
    Some(
        Error::new(Kind::Target, message)
            .hint("remove the reason, then restore again with --clean; `-v` shows every table"),
    )
}

/// A backup was restored and compared.
#[derive(Debug)]
pub(super) struct RestoreDone {
    pub(super) restored: Restored,
    pub(super) phases: Vec<Span>,
}

impl Outcome for RestoreDone {
    fn fields(&self) -> Value {
        let Restored {
            manifest,
            is_attested,
            target,
            skipped,
            missing,
            verification,
            counts,
        } = &self.restored;
        json!({
            "backup": manifest.key,
            "backup_key": manifest.key,
            "attested": is_attested,
            "source": SourceName::from(&manifest.source),
            "target": target.to_string(),
            "phases": self.phases,
            "skipped_entries": skipped,
            "missing_entries": missing,
            "canonical_counts": counts,
            "checks": verification.checks,
            "tables": verification.tables,
            "verdict": verification.verdict,
        })
    }

    fn text(&self, verbose: bool) -> String {
        let mut text = self.facts(verbose);
        let verdict = self.restored.verification.verdict;
        line(&mut text, "verdict", &colour::verdict(verdict));
        text
    }
}

impl RestoreDone {
    /// All of it but the verdict.
    pub(super) fn facts(&self, verbose: bool) -> String {
        let restored = &self.restored;
        let mut text = String::new();
        let backup = backup_line(&restored.manifest.key, restored.is_attested);
        line(&mut text, "backup", &backup);
        line(
            &mut text,
            "source",
            &SourceName::from(&restored.manifest.source).to_string(),
        );
        line(&mut text, "target", &restored.target.to_string());
        timeline(&mut text, &self.phases);
        skipped(&mut text, &restored.skipped, verbose);
        missing(&mut text, &restored.missing);
        counts(&mut text, &restored.counts);
        checks(&mut text, &restored.verification.checks);
        tables(&mut text, &restored.verification.tables, verbose);
        text
    }
}
