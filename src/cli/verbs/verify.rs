//! `paycraft-dr verify`.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::colour;
use crate::cli::context::Context;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::store_arguments::StoreArguments;
use crate::cli::text::{backup_line, checks, line, tables};
use crate::cli::values::worded;
use crate::error::Result;
use crate::model::comparison::Verification;
use crate::model::depth::Depth;
use crate::model::key::Selector;
use crate::model::profile::Profile;
use crate::model::source::SourceName;
use crate::model::timeline::{Event, Phase};
use crate::postgres::address;
use crate::recovery::choosing::{self, Selected};
use crate::recovery::verify;

/// Check a stored backup, or a restored database against it.
// Each is a flag of its own.
#[expect(clippy::struct_excessive_bools)]
#[derive(Args, Debug)]
pub struct VerifyArguments {
    /// Which backup: `latest`, a day as YYYY/MM/DD, or a key as `list` prints it
    #[arg(value_name = "DAY|KEY|latest", default_value = "latest", value_parser = |text: &str| worded(text.parse::<Selector>()))]
    pub backup: Selector,
    /// Read the stored bytes alone, without any database
    #[arg(long, conflicts_with = "target")]
    pub object: bool,
    /// The restored database, without its password [env: TARGET_DB_URL]
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Who owns what is in it: `supabase`, or `plain` for no platform; left out, it is asked
    #[arg(long, value_name = "PROFILE", conflicts_with = "object", value_parser = |text: &str| worded(text.parse::<Profile>()))]
    pub profile: Option<Profile>,
    /// How much of a database's rows is compared: `content`, or `counts` for a quick look that proves nothing
    #[arg(long, value_name = "DEPTH", default_value = "content", conflicts_with = "object", value_parser = |text: &str| worded(text.parse::<Depth>()))]
    pub verify: Depth,
    /// Do without rows of the platform's tables that the database cannot take, and call the rest proven
    #[arg(long, conflicts_with = "object")]
    pub accept_lost_rows: bool,
    /// Call a database proven although the backup, an older or foreign one, does not record owners and rights
    #[arg(long, conflicts_with = "object")]
    pub accept_unknown_rights: bool,
    /// Call a database proven although settings of the database or of roles are missing or differ there
    #[arg(long, conflicts_with = "object")]
    pub accept_missing_settings: bool,
    /// Compare the counted tables with this database too, such as production [env: SUPABASE_DB_URL or SOURCE_DB_URL]
    #[arg(long, value_name = "URL", num_args = 0..=1)]
    pub against: Option<Option<String>>,
    /// Take a backup of this source, as `list` names it: PROJECT/DATABASE, or one of both
    #[arg(long, value_name = "NAME")]
    pub from_source: Option<String>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Compares a backup or a database with a manifest.
pub async fn run(context: &Context<'_>, own: &VerifyArguments) -> Result<Report> {
    let (store, observer) = (context.store()?, context.observer);
    let counted = &context.settings.product().tables;
    let among = context.settings.among(own.from_source.as_deref())?;
    observer.observe(Event::Began(Phase::Verify));
    let Selected {
        manifest,
        is_attested,
    } = choosing::select_among(store, own.backup, &among, Timestamp::now(), observer).await?;
    let verification = if own.object && !is_attested {
        verify::unattested_object(&manifest)
    } else if own.object {
        match verify::object(store, &manifest, observer).await {
            Ok(verification) => verification.counting(counted),
            Err(error) => return Err(choosing::name_older(store, &manifest.key, &among, error).await),
        }
    } else {
        let target = context.settings.target(own.target.as_deref())?;
        let (_, target) = address::connect(&target).await?;
        let tools = context.tools().await?;
        let accepts = own.accept_missing_settings;
        let scope = verify::scope(store, &manifest, &target, &tools, own.profile, accepts).await?;
        verify::target(
            &manifest,
            &target,
            &scope
                .to(own.verify)
                .accepting_lost_rows(own.accept_lost_rows)
                .accepting_unknown_rights(own.accept_unknown_rights),
            &tools,
            context.jobs(),
            observer,
        )
        .await?
        .counting(counted)
    };
    let verification = match &own.against {
        None => verification,
        Some(flag) => {
            let other = context.settings.source(flag.as_deref())?;
            let check = verify::counts_against(&verification, counted, &other).await?;
            verification.and(check)
        }
    };
    // Stored bytes are as they were, or they are not.
    let verification = if own.object {
        verification
    } else {
        let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
        verification.accepting(&context.settings.config.accept, today)
    };
    observer.observe(Event::Ended(Phase::Verify));
    let (key, source) = (manifest.key, SourceName::from(&manifest.source));
    Ok(Report::judged(
        verification.verdict,
        VerifyReport {
            key,
            source,
            is_attested,
            verification,
        },
    ))
}

/// A backup or a database was compared with a manifest.
#[derive(Debug)]
struct VerifyReport {
    key: String,
    source: SourceName,
    is_attested: bool,
    verification: Verification,
}

impl Outcome for VerifyReport {
    fn fields(&self) -> Value {
        json!({
            "backup": self.key,
            "backup_key": self.key,
            "attested": self.is_attested,
            "source": self.source,
            "checks": self.verification.checks,
            "tables": self.verification.tables,
            "verdict": self.verification.verdict,
        })
    }

    fn text(&self, verbose: bool) -> String {
        let mut text = String::new();
        line(&mut text, "backup", &backup_line(&self.key, self.is_attested));
        line(&mut text, "source", &self.source.to_string());
        checks(&mut text, &self.verification.checks);
        tables(&mut text, &self.verification.tables, verbose);
        line(&mut text, "verdict", &colour::verdict(self.verification.verdict));
        text
    }
}
