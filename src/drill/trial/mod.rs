//! Runs one scenario: faults are injected, and nothing wrong may be done; they are healed, and recovery must succeed.
//!
//! The checks at the end do not know which fault struck.

mod contents;
mod cutover;
mod damage;
mod inject;
mod injector;
mod invariants;
mod judgement;
mod outcome;
mod servers;
mod tool;
mod verbs;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use self::contents::{LEDGER, TableDigests, balance};
use self::injector::Injector;
use self::judgement::judge;
use self::outcome::{Proven, Verb, VerbFailure};
use self::servers::{DATABASE, TrialServers};
use super::canaries::{self, Original};
use super::rehearsal::Rehearsal;
use super::scenario::{Afterwards, Expectation, FaultKind, Mistake, Scenario};
use super::sentinel::Sentinel;
use super::substrate::Substrate;
use super::workload::Workload;
use crate::error::{Error, Kind, Result};
use crate::model::check_names;
use crate::model::key::{BackupKey, KeyMeaning, Selector};
use crate::model::objective::{Measured, RPO_OBJECTIVE, RTO_OBJECTIVE};
use crate::model::timeline::{Event, Observer, Phase};
use crate::model::verdict::Check;
use crate::postgres::conninfo::Side;
use crate::postgres::session::Session;
use crate::postgres::tools::Tools;
use crate::recovery::backup::Clock;
use crate::recovery::catalog;
use crate::recovery::guard::Production;

/// What a trial needs besides its servers.
#[derive(Clone, Copy)]
pub(super) struct TrialOptions<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) seed: u64,
    pub(super) scale_bytes: u64,
    pub(super) tools: &'a Tools,
    pub(super) jobs: usize,
    pub(super) clock: Clock<'a>,
    /// This program, for verbs that are ended from outside.
    pub(super) program: &'a Path,
}

/// A trial under way.
struct Trial<'a> {
    options: TrialOptions<'a>,
    servers: &'a TrialServers<'a>,
    injector: &'a Injector<'a>,
    production: Production,
    /// What the source held when each backup was made.
    held: Mutex<BTreeMap<String, TableDigests>>,
    /// What the target held before a restore touched it.
    before: Mutex<Option<(Side, &'static str, TableDigests)>>,
}

/// Runs the scenario. What it shows goes into `rehearsal` as it becomes known.
pub(super) async fn run(
    options: TrialOptions<'_>,
    substrate: &Substrate,
    rehearsal: &mut Rehearsal,
    observer: &dyn Observer,
) -> Result<()> {
    observer.observe(Event::Began(Phase::Seed));
    observer.observe(Event::Expected(options.scale_bytes));
    let servers = TrialServers::start(substrate, options.scenario, options.seed).await?;
    let sentinel = Sentinel::plant(&servers.direct(Side::Source, "postgres")?).await?;
    let injector = Injector::new(options.scenario, &servers, observer);
    let trial = Trial {
        options,
        servers: &servers,
        injector: &injector,
        production: Production {
            source: Some(servers.direct(Side::Source, DATABASE)?),
            ..Production::default()
        },
        held: Mutex::default(),
        before: Mutex::default(),
    };
    trial.seed(observer).await?;
    if !options.scenario.history_days.is_empty() {
        observer.observe(Event::Doing("making older backups".to_owned()));
    }
    trial.make_history().await?;
    injector.made(Phase::Seed);
    observer.observe(Event::Ended(Phase::Seed));

    let began = Instant::now();
    let mut run = TrialRun::default();
    let broken = trial
        .cycle(&mut run, Verb::Backup, options.scenario.backs_up)
        .await;
    run.retries = servers.store().retries();
    let healed = injector.heal().await;
    rehearsal.faults = injector.reports();
    healed?;
    // Where several faults were drawn by chance, one may have taken from another what that strikes at.
    let is_drawn = options.scenario.expect == Expectation::KeepsTheInvariants;
    if let Some(trouble) = injector.trouble().filter(|_| !is_drawn) {
        return Err(trouble);
    }
    let is_gone = options.scenario.has(|what| *what == FaultKind::Substrate);
    let changes = match &broken {
        Err(failed) if failed.verb == Verb::Restore && !is_gone => trial.changes().await?,
        _ => None,
    };
    let afterwards = match &broken {
        Ok(_) => None,
        Err(failed) => trial.recover_after(failed, &mut run).await,
    };
    let declared_at = run.declared.unwrap_or(began);

    rehearsal.retries = run.retries;
    rehearsal.happened = judgement::happened(&broken, afterwards.as_ref());
    let proven = broken
        .as_ref()
        .ok()
        .or(afterwards.as_ref().and_then(|after| after.as_ref().ok()));
    if let Some(proven) = proven {
        let took = proven.at.saturating_duration_since(declared_at);
        rehearsal.rto = Some(Measured::against(took, RTO_OBJECTIVE));
        rehearsal.rpo = Some(Measured::against(proven.age, RPO_OBJECTIVE));
        rehearsal.backup = Some(proven.facts.clone());
        rehearsal.checks.clone_from(&proven.checks);
        rehearsal.tables.clone_from(&proven.tables);
        observer.observe(Event::Doing("comparing with the source by plain SQL".to_owned()));
        let check = trial.second_opinion(proven).await?;
        rehearsal.checks.push(check);
        rehearsal.checks.extend(trial.canaries(proven).await?);
    }
    if options.scenario.is_plain() {
        if let Err(failed) = broken {
            return Err(failed.into_error());
        }
    } else {
        if !options.scenario.faults.is_empty() && !is_drawn {
            rehearsal.checks.push(fired(rehearsal));
        }
        rehearsal.checks.push(judge(
            &options.scenario.expect,
            &broken,
            afterwards.as_ref(),
            changes.as_deref(),
            &injector.warnings(),
        ));
        observer.observe(Event::Doing(
            "looking at what must hold after any fault".to_owned(),
        ));
        rehearsal.checks.extend(trial.invariants().await?);
    }
    if is_gone {
        // Production's server is gone and cannot be asked.
        return Ok(());
    }
    let changes = sentinel.changes().await?;
    rehearsal
        .checks
        .push(Check::none_of(check_names::PRODUCTION, &changes, "untouched"));
    Ok(())
}

/// What became known while a trial ran.
#[derive(Default)]
struct TrialRun {
    /// When recovery was declared first.
    declared: Option<Instant>,
    /// How often the store had to be asked again while things were broken.
    retries: u64,
}

impl Trial<'_> {
    async fn seed(&self, observer: &dyn Observer) -> Result<()> {
        self.servers.create_database(Side::Source, DATABASE, None).await?;
        let workload = Workload::new(self.options.seed, self.options.scale_bytes);
        let session = Session::connect(&self.servers.direct(Side::Source, DATABASE)?).await?;
        let mut loaded = |bytes| observer.observe(Event::Bytes(bytes));
        workload.load(session.client(), &mut loaded).await?;
        if self.options.scenario.has(|what| *what == FaultKind::Writes) {
            let ledger = format!(
                "CREATE TABLE {LEDGER} (id int PRIMARY KEY, amount int8 NOT NULL);
                 INSERT INTO {LEDGER} VALUES (1, 0), (2, 0)"
            );
            let made = session.client().batch_execute(&ledger).await;
            made.map_err(|cause| session.failed("cannot make the ledger", cause))?;
        }
        Ok(())
    }

    /// Makes the backups that are there before, oldest first. Each holds another state.
    async fn make_history(&self) -> Result<()> {
        let now = (self.options.clock)();
        for days in self.options.scenario.history_days.iter().rev() {
            let at = now - SignedDuration::from_hours(24 * i64::from(*days));
            let key = self.back_up_quietly(at).await?;
            let session = Session::connect(&self.servers.direct(Side::Source, DATABASE)?).await?;
            let later = format!(
                "CREATE TABLE IF NOT EXISTS public.drill_days (days int PRIMARY KEY);
                 INSERT INTO public.drill_days VALUES ({days})"
            );
            let changed = session.client().batch_execute(&later).await;
            changed.map_err(|cause| session.failed("cannot change the source", cause))?;
            if self
                .options
                .scenario
                .has(|what| *what == FaultKind::Mistake(Mistake::Clean))
                && self.options.scenario.history_days.first() == Some(days)
            {
                self.restore_quietly(Selector::Key(key)).await?;
            }
        }
        Ok(())
    }

    /// One cycle from `first` on. Ends at the first verb that fails.
    async fn cycle(&self, run: &mut TrialRun, first: Verb, backs_up: bool) -> Result<Proven, VerbFailure> {
        if first == Verb::Backup && backs_up {
            self.back_up().await?;
        }
        run.declared.get_or_insert_with(Instant::now);
        let proven = self.restore().await?;
        if self.options.scenario.cuts_over {
            self.cut_over().await?;
        }
        Ok(proven)
    }

    /// Puts right what `failed` left, once everything is mended.
    async fn recover_after(
        &self,
        failed: &VerbFailure,
        run: &mut TrialRun,
    ) -> Option<Result<Proven, VerbFailure>> {
        let afterwards = match &self.options.scenario.expect {
            Expectation::Refuses(refuses) => refuses.afterwards,
            _ => Afterwards::Recovers,
        };
        let again = match afterwards {
            Afterwards::Ends => return None,
            Afterwards::Recovers => self.cycle(run, failed.verb, true).await,
            Afterwards::RecoversFromANewBackup => self.cycle(run, Verb::Backup, true).await,
        };
        match again {
            // What is lost in the store cannot be mended there; what the source holds can be stored anew.
            Err(still)
                if self.options.scenario.expect == Expectation::KeepsTheInvariants
                    && still.verb == Verb::Restore =>
            {
                Some(self.cycle(run, Verb::Backup, true).await)
            }
            again => Some(again),
        }
    }

    /// Whether the proven target holds what the source held when its backup was made, by plain SQL.
    async fn second_opinion(&self, proven: &Proven) -> Result<Check> {
        let target = self.servers.direct(Side::Target, DATABASE)?;
        let found = TableDigests::of(&target).await?;
        let mut differences = match lock(&self.held).get(&proven.facts.key) {
            Some(held) => held.differences(&found),
            None => vec![format!(
                "it is not known what the source held when {} was made",
                proven.facts.key
            )],
        };
        if self.options.scenario.has(|what| *what == FaultKind::Writes) && balance(&target).await? != 0 {
            differences.push("money is missing: a transaction was restored by half".to_owned());
        }
        Ok(Check::none_of(
            check_names::SOURCE,
            &differences,
            "equal to what it was, by plain SQL",
        ))
    }

    /// Whether known-bad backups like the proven one would have been noticed. That cannot be told where a fault has made a bad one of
    /// it since it was restored.
    async fn canaries(&self, proven: &Proven) -> Result<Option<Check>> {
        let KeyMeaning::Object(key) = BackupKey::read(&proven.facts.key) else {
            return Err(Error::new(
                Kind::Internal,
                format!("{} is no key of a backup", proven.facts.key),
            ));
        };
        if self.servers.damaged().contains(&key) {
            return Ok(None);
        }
        let store = self.servers.direct_store();
        let original = Original {
            manifest: &catalog::read_manifest(store, key).await?,
            store,
            may_write: true,
            target: &self.servers.direct(Side::Target, DATABASE)?,
            tools: self.options.tools,
            jobs: self.options.jobs,
            observer: self.injector.next(),
        };
        canaries::check(&original).await.map(Some)
    }

    /// What a restore that failed changed in its target; nothing where none was tried.
    async fn changes(&self) -> Result<Option<Vec<String>>> {
        let Some((side, name, before)) = lock(&self.before).take() else {
            return Ok(None);
        };
        let now = TableDigests::of(&self.servers.direct(side, name)?).await?;
        Ok(Some(before.differences(&now)))
    }

    /// The clock of this machine, which may be wrong while things are broken.
    fn clock(&self) -> impl Fn() -> Timestamp + Send + Sync {
        let ahead = self.injector.asks(
            |_| true,
            |what| match what {
                FaultKind::ClockAheadHours(hours) => Some(*hours),
                _ => None,
            },
        );
        let ahead = SignedDuration::from_hours(i64::from(ahead.unwrap_or(0)));
        // Who tries again after a failure does it in another second, which names another backup.
        let later = SignedDuration::from_secs(i64::from(self.injector.is_over()));
        let clock = self.options.clock;
        move || clock() + ahead + later
    }
}

/// Whether every fault struck: what did not, proves nothing.
fn fired(rehearsal: &Rehearsal) -> Check {
    let missed: Vec<String> = rehearsal
        .faults
        .iter()
        .filter(|fault| !fault.fired)
        .map(|fault| format!("{} in {} never fired", fault.fault, fault.phase))
        .collect();
    Check::none_of(
        check_names::FAULTS,
        &missed,
        format!("{} fired", rehearsal.faults.len()),
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

/// How long one verb may take.
const VERB_LIMIT: Duration = Duration::from_mins(2);

/// Ends a verb that does not end.
async fn bounded<T>(
    verb: Verb,
    work: impl Future<Output = Result<T, VerbFailure>>,
) -> Result<T, VerbFailure> {
    match tokio::time::timeout(VERB_LIMIT, Box::pin(work)).await {
        Ok(done) => done,
        Err(_) => Err(VerbFailure::endless(verb, VERB_LIMIT)),
    }
}

impl From<VerbFailure> for Error {
    fn from(failed: VerbFailure) -> Self {
        failed.into_error()
    }
}
