//! `paycraft-dr drill`: one drill, every scenario, or scenarios drawn by chance.

mod proof;
mod report;
mod scorecard;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

pub(super) use self::proof::Prover;
use self::report::DrillReport;
use self::scorecard::{SuiteReport, in_a_line};
use crate::cli::context::Context;
use crate::cli::outcome::Report;
use crate::cli::store_arguments::StoreArguments;
use crate::cli::units::parse_size;
use crate::cli::values::worded;
use crate::drill::evidence::{DrillLog, EvidenceDirectory, log_row};
use crate::drill::rehearse::{Options, RehearsalInput, Stored, rehearse};
use crate::drill::scenario::{self, BASELINE, RANDOM, Scenario};
use crate::drill::substrate::{Choice, Environment, EnvironmentOptions};
use crate::drill::suite::{self, Equipment, PlannedDrill};
use crate::error::{Error, Kind, Result};
use crate::model::key::Selector;
use crate::model::selection::Among;
use crate::model::timeline::Event;
use crate::model::verdict::Verdict;

/// What is typed to have every scenario.
pub(super) const ALL: &str = "all";

/// Rehearse the whole cycle on private servers.
#[derive(Args, Debug)]
pub struct DrillArguments {
    /// Restore a backup of the real store instead of synthetic data; the store is only read
    #[arg(long, conflicts_with_all = ["scenario", "seed", "scale", "runs", "at_once"])]
    pub from_store: bool,
    /// With --from-store: which backup, as in `restore` [default: latest]
    #[arg(long, value_name = "DAY|KEY|latest", requires = "from_store", value_parser = |text: &str| worded(text.parse::<Selector>()))]
    pub backup: Option<Selector>,
    /// Call the target proven although the backup, an older or foreign one, does not record owners and rights
    #[arg(long, requires = "from_store")]
    pub accept_unknown_rights: bool,
    /// With --from-store: take a backup of this source, as `list` names it
    #[arg(long, value_name = "NAME", requires = "from_store")]
    pub from_source: Option<String>,
    /// Picks the synthetic data; the same seed and scale give the same bytes [default: drawn and printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What to rehearse: a scenario that `scenarios` lists, the file of one, `all`, or `random`
    #[arg(long, value_name = "NAME|FILE|all|random", default_value = BASELINE)]
    pub scenario: String,
    /// With `random`: how many drills, each with the next seed [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub runs: Option<u32>,
    /// With `all` and `random`: drills that run at the same time [default: one per core, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub at_once: Option<u16>,
    /// Where the servers run; `auto` takes containers where an engine answers and holds the images
    #[arg(long, value_name = "WHERE", value_enum, default_value_t)]
    pub substrate: SubstrateArgument,
    /// Image of the PostgreSQL server, for containers [env: PAYCRAFT_POSTGRES_IMAGE]
    #[arg(long, value_name = "IMAGE")]
    pub postgres_image: Option<String>,
    /// Image of the S3 server, for containers [env: PAYCRAFT_S3_IMAGE]
    #[arg(long, value_name = "IMAGE")]
    pub s3_image: Option<String>,
    /// S3 server to run as a process instead of the built-in one: MinIO's `minio` or SeaweedFS's `weed` [env:
    /// PAYCRAFT_S3_PROGRAM]
    #[arg(long, value_name = "PROGRAM")]
    pub s3_program: Option<PathBuf>,
    /// How much data to rehearse with, as COPY text [default: as the scenario says]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub scale: Option<u64>,
    /// Add a row to this Markdown table of drills, or begin one
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Who drills, for the log [env: USER]
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
    /// Where the evidence of each drill is kept
    #[arg(long, value_name = "DIR", default_value = "drills")]
    pub report: PathBuf,
    /// Where the real backups are kept.
    #[command(flatten)]
    pub store: StoreArguments,
}

/// Where servers run, as it is typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SubstrateArgument {
    /// Containers where they are at hand, else local
    #[default]
    Auto,
    /// Containers of an engine on this machine
    Containers,
    /// Processes of this machine
    Local,
}

impl From<SubstrateArgument> for Choice {
    fn from(argument: SubstrateArgument) -> Self {
        match argument {
            SubstrateArgument::Auto => Self::Auto,
            SubstrateArgument::Containers => Self::Containers,
            SubstrateArgument::Local => Self::Local,
        }
    }
}

impl DrillArguments {
    /// The scenario that is meant. What looks like a path is one.
    fn scenario(&self) -> Result<Scenario> {
        if self.scenario.contains(['/', '.']) {
            Scenario::read(Path::new(&self.scenario))
        } else {
            scenario::find(&self.scenario)
        }
    }

    /// The S3 server that is to run as a process. What the environment names is for processes only, and no hindrance elsewhere.
    fn s3_program(&self, context: &Context<'_>) -> Result<Option<PathBuf>> {
        let is_local = self.substrate != SubstrateArgument::Containers;
        match &self.s3_program {
            Some(_) if !is_local => {
                let message = "--s3-program goes only with servers that are processes";
                Err(Error::new(Kind::Usage, message)
                    .hint("leave it out, or name an image with --s3-image, or use --substrate local"))
            }
            Some(program) => Ok(Some(program.clone())),
            None if is_local => Ok(context.settings.s3_program()?.map(PathBuf::from)),
            None => Ok(None),
        }
    }

    /// What is asked for. Nothing is started before that is known.
    fn asked(&self, seed: u64) -> Result<DrillSelection> {
        let misplaced = |flag: &str, with: &str| {
            let message = format!("{flag} goes only with --scenario {with}");
            Err(Error::new(Kind::Usage, message).hint("leave it out, or name that scenario"))
        };
        if self.runs.is_some() && self.scenario != RANDOM {
            return misplaced("--runs", RANDOM);
        }
        match self.scenario.as_str() {
            ALL => {
                let planned = |scenario| PlannedDrill { scenario, seed };
                Ok(DrillSelection::Several(
                    scenario::all()?.into_iter().map(planned).collect(),
                ))
            }
            RANDOM => {
                let seeds = (0..self.runs.unwrap_or(1)).map(|run| seed.wrapping_add(u64::from(run)));
                let planned = |seed| PlannedDrill {
                    scenario: scenario::draw(seed),
                    seed,
                };
                Ok(DrillSelection::Several(seeds.map(planned).collect()))
            }
            _ if self.at_once.is_some() => misplaced("--at-once", "all or random"),
            _ => self
                .scenario()
                .map(|scenario| DrillSelection::One(Box::new(scenario))),
        }
    }
}

/// What a command line asks for.
enum DrillSelection {
    One(Box<Scenario>),
    Several(Vec<PlannedDrill>),
}

/// Holds what was asked for and keeps the evidence.
pub async fn run(context: &Context<'_>, own: &DrillArguments) -> Result<Report> {
    let seed = own.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let asked = own.asked(seed)?;
    let log = own.log.as_deref().map(DrillLog::open).transpose()?;
    let evidence = EvidenceDirectory::open(&own.report)?;
    let operator = context.settings.operator(own.operator.as_deref())?;
    let tools = context.tools().await?;
    let program = this_program()?;
    let s3_program = own.s3_program(context)?;
    let options = EnvironmentOptions {
        choice: own.substrate.into(),
        s3_program: s3_program.as_deref(),
        images: context
            .settings
            .images(own.postgres_image.as_deref(), own.s3_image.as_deref())?,
        limits: context.settings.limits(),
        tools: &tools,
        program: &program,
    };
    let doing = |what: &str| context.observer.observe(Event::Doing(what.to_owned()));
    doing("looking for a place for private servers");
    let environment = Environment::prepare(&options, context.observer).await?;
    let scenario = match asked {
        DrillSelection::One(scenario) => scenario,
        DrillSelection::Several(plan) => {
            let equipment = Equipment {
                environment,
                tools,
                jobs: context.jobs(),
                at_once: crate::cli::settings::jobs(own.at_once),
                scale_bytes: own.scale,
                program,
            };
            return run_suite(context, plan, seed, equipment, &evidence).await;
        }
    };

    let among = match own.from_store {
        true => context.settings.among(own.from_source.as_deref())?,
        false => Among::ANY,
    };
    let origin = if own.from_store {
        RehearsalInput::Store(Stored {
            store: context.store()?,
            among: &among,
            product: context.settings.product(),
            selector: own.backup.unwrap_or(Selector::Latest),
            accepts_unknown_rights: own.accept_unknown_rights,
        })
    } else {
        let bytes = own.scale.unwrap_or(scenario.scale_bytes);
        let what = format!("scenario {}, seed {seed}, {bytes} bytes of data", scenario.name);
        context.observer.observe(Event::Noted(what));
        RehearsalInput::Synthetic {
            scenario: &scenario,
            seed,
            scale_bytes: own.scale,
        }
    };
    let options = Options {
        origin,
        environment: &environment,
        tools: &tools,
        jobs: context.jobs(),
        clock: &Timestamp::now,
        program: &program,
    };
    let mut rehearsal = rehearse(options, context.observer).await?;
    let left = environment.leave().await;
    let product = context.settings.product();
    rehearsal.failure = rehearsal
        .failure
        .map(|failure| failure.worded(|text| product.worded(text)));
    let evidence = evidence.keep(&rehearsal)?;
    if let Some(log) = log {
        log.add(&log_row(&rehearsal, &operator))?;
    }
    let failure = rehearsal.failure.take();
    let mut report = Report::judged(rehearsal.verdict, DrillReport { rehearsal, evidence });
    report.failure = failure.or(left.err()).or(report.failure);
    Ok(report)
}

/// Where this program is.
fn this_program() -> Result<PathBuf> {
    std::env::current_exe()
        .map_err(|cause| Error::new(Kind::Internal, "cannot tell which program this is").caused_by(cause))
}

/// Holds every drill of `plan`. The first that was drawn by chance and failed is made as small as it still fails.
async fn run_suite(
    context: &Context<'_>,
    plan: Vec<PlannedDrill>,
    seed: u64,
    equipment: Equipment,
    evidence: &EvidenceDirectory,
) -> Result<Report> {
    let note = |what: String| context.observer.observe(Event::Noted(what));
    let all = plan.len();
    note(format!(
        "{all} drills from seed {seed}, {} at a time",
        equipment.at_once
    ));
    context
        .observer
        .observe(Event::Doing("running drills".to_owned()));
    let equipment = Arc::new(equipment);
    let drawn = plan.clone();
    let mut over: u64 = 0;
    let scorecard = suite::run(plan, &equipment, |drill| {
        over += 1;
        note(format!("{over:>3} of {all}  {}", in_a_line(drill)));
        context.observer.observe(Event::Counted {
            what: "drills",
            done: over,
            of: all as u64,
        });
        evidence.keep(drill).map(drop)
    })
    .await?;
    let failing = scorecard.drills.iter().find(|drill| !drill.verdict.is_proven());
    let failing = failing.and_then(|failed| {
        let is_it = |planned: &&PlannedDrill| {
            planned.scenario.argument == RANDOM && planned.scenario.name == failed.scenario
        };
        drawn.iter().find(is_it)
    });
    let smallest = match failing {
        Some(failing) => {
            note(format!(
                "looking for the smallest scenario that fails as {} does",
                failing.scenario.name
            ));
            let smallest = suite::shrink(failing.clone(), &equipment).await?;
            Some(evidence.keep_scenario(&smallest)?)
        }
        None => None,
    };
    let left = match Arc::into_inner(equipment) {
        Some(equipment) => equipment.environment.leave().await,
        None => Ok(()),
    };
    let is_clean = scorecard.is_clean();
    let mut suite_report = SuiteReport {
        scorecard,
        seed,
        smallest,
        evidence: PathBuf::new(),
    };
    suite_report.evidence =
        evidence.keep_scorecard(seed, &suite_report.document(), &suite_report.markdown())?;
    let (passed, summary) = (suite_report.scorecard.passed, suite_report.summary());
    let verdict = if is_clean {
        Verdict::Proven
    } else {
        Verdict::NotProven
    };
    let mut report = Report::judged(verdict, suite_report);
    let unproven = report.failure.map(|_| {
        let message = format!("not proven: {summary}, {passed} of {all} as expected");
        Error::new(Kind::NotProven, message).hint("repeat a drill by the command beside it")
    });
    report.failure = left.err().or(unproven);
    Ok(report)
}
