//! The verbs of a cycle, called as their commands call them, with what the scenario makes of their arguments.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::date;

use super::contents::TableDigests;
use super::outcome::{Proven, Verb, VerbFailure};
use super::servers::DATABASE;
use super::tool::{self, Apart};
use super::{Trial, bounded, lock};
use crate::drill::quiet::Quiet;
use crate::drill::rehearsal::BackupFacts;
use crate::drill::scenario::{FaultKind, Mistake, Space};
use crate::error::{Error, Kind, Result};
use crate::model::comparison::Verification;
use crate::model::depth::Depth;
use crate::model::key::{BackupKey, Selector};
use crate::model::manifest::Manifest;
use crate::model::product::CountedTables;
use crate::model::selection::Among;
use crate::model::shrinking::ShrinkLimits;
use crate::model::timeline::{Event, Observer, Phase};
use crate::postgres::conninfo::{Conninfo, Side};
use crate::postgres::session::Session;
use crate::postgres::tools::{Leniency, Tools};
use crate::recovery::guard::GuardOptions;
use crate::recovery::{backup, choosing, restore, verify};

/// A database that is somebody else's.
const USED: &str = "somebody_elses";
/// A role that row security hides rows from.
const BLIND_ROLE: &str = "drill_blind";

impl Trial<'_> {
    /// Backs the source up, as if it were `at`, by no link.
    pub(super) async fn back_up_quietly(&self, at: Timestamp) -> Result<BackupKey> {
        let source = self.servers.direct(Side::Source, DATABASE)?;
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source: &source,
            tools: self.options.tools,
            store: self.servers.direct_store(),
            clock: &move || at,
            attempts: backup::ATTEMPTS,
            looks_for_trouble: true,
        };
        let made = backup::backup(request, &Quiet).await?;
        let held = TableDigests::of(&source).await?;
        lock(&self.held).insert(made.key.to_string(), held);
        Ok(made.key)
    }

    /// Restores into the target by no link.
    pub(super) async fn restore_quietly(&self, selector: Selector) -> Result<()> {
        let request = restore::RestoreRequest {
            store: self.servers.direct_store(),
            among: &Among::ANY,
            counted: &CountedTables::PAYCRAFT,
            selector,
            tools: self.options.tools,
            terms: self.terms(false),
            profile: None,
            jobs: self.options.jobs,
            depth: Depth::Content,
            accepts_lost_rows: false,
            leniency: Leniency::default(),
            missing_sql: None,
            accepts_unknown_rights: false,
            accepted: &[],
            accepts_missing_settings: false,
            analyzes: true,
            now: (self.options.clock)(),
        };
        let provision = async |manifest: &Manifest| {
            self.servers.provision().await?;
            self.servers
                .create_database(Side::Target, DATABASE, Some(manifest))
                .await?;
            self.servers.direct(Side::Target, DATABASE)
        };
        restore::restore(request, provision, &Quiet).await.map(drop)
    }

    /// The backup of the cycle.
    pub(super) async fn back_up(&self) -> Result<(), VerbFailure> {
        bounded(Verb::Backup, self.store_backup()).await
    }

    async fn store_backup(&self) -> Result<(), VerbFailure> {
        let failed = |error| VerbFailure::of(Verb::Backup, error);
        // What the source holds now is what the backup must hold: only the ledger's writer writes.
        let source = self.servers.direct(Side::Source, DATABASE).map_err(failed)?;
        let held = TableDigests::of(&source).await.map_err(failed)?;
        let is_blind = self.errs(&Mistake::BlindRole);
        if is_blind {
            self.make_blind_role().await.map_err(failed)?;
        }
        if let Some(apart) = self.tool(|phase| phase == Phase::Backup) {
            self.injector.begins(Phase::Backup);
            let key = tool::back_up(self, &apart).await?;
            lock(&self.held).insert(key, held);
            return Ok(());
        }
        let source = self.source(is_blind).map_err(failed)?;
        let older = match self.errs(&Mistake::OlderPrograms) {
            true => Some(self.older_programs().await.map_err(failed)?),
            false => None,
        };
        let clock = self.clock();
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source: &source,
            tools: older.as_ref().unwrap_or(self.options.tools),
            store: self.servers.store(),
            clock: &clock,
            attempts: backup::ATTEMPTS,
            looks_for_trouble: true,
        };
        let made = if self.errs(&Mistake::TwoBackupsAtOnce) {
            // Both see the same instant first, and then each its own time.
            let (now, asked, real) = (clock(), AtomicU32::new(0), &clock);
            let clock = move || match asked.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => now,
                _ => real(),
            };
            let request = backup::BackupRequest {
                clock: &clock,
                ..request
            };
            let (one, other) = tokio::join!(
                backup::backup(request, self.injector),
                backup::backup(request, &Quiet)
            );
            match (one, other) {
                (Ok(one), Ok(other)) if one.key == other.key => {
                    let message = "two backups of one second have one key";
                    return Err(failed(Error::new(Kind::Internal, message)));
                }
                (Ok(one), Ok(other)) => {
                    lock(&self.held).insert(one.key.to_string(), held.clone());
                    other
                }
                (Ok(made), Err(_)) | (Err(_), Ok(made)) => made,
                (Err(error), Err(_)) => return Err(failed(error)),
            }
        } else {
            backup::backup(request, self.injector).await.map_err(failed)?
        };
        lock(&self.held).insert(made.key.to_string(), held);
        Ok(())
    }

    /// The restore of the cycle. Where it says that a backup is corrupt and names an older one, that one is restored, as the
    /// operator would.
    pub(super) async fn restore(&self) -> Result<Proven, VerbFailure> {
        let declared_at = (self.options.clock)();
        let mut selector = match self.errs(&Mistake::WrongDay) {
            true => Selector::Day(date(2019, 1, 1)),
            false => Selector::Latest,
        };
        loop {
            match bounded(Verb::Restore, self.restore_selected(selector, declared_at)).await {
                Err(VerbFailure {
                    older: Some(older),
                    message,
                    ..
                }) => {
                    let what = format!("{message}: falling back to {older}");
                    self.injector.observe(Event::Warned(what));
                    selector = Selector::Key(older);
                }
                ended => return ended,
            }
        }
    }

    async fn restore_selected(
        &self,
        selector: Selector,
        declared_at: Timestamp,
    ) -> Result<Proven, VerbFailure> {
        let failed = |error| VerbFailure::of(Verb::Restore, error);
        if let Some(apart) = self.tool(|phase| phase != Phase::Backup) {
            let newest = choosing::select(self.servers.direct_store(), selector, declared_at, &Quiet)
                .await
                .map_err(failed)?;
            self.make_ready(&newest.manifest).await.map_err(failed)?;
            self.injector.begins(Phase::Select);
            tool::restore(self, selector, &apart).await?;
            // It came to its own end. What it told is not what it is judged by.
            let target = self.servers.direct(Side::Target, DATABASE).map_err(failed)?;
            let (store, tools) = (self.servers.direct_store(), self.options.tools);
            let scope = verify::scope(store, &newest.manifest, &target, tools, None, false)
                .await
                .map_err(failed)?;
            let verified = verify::target(
                &newest.manifest,
                &target,
                &scope,
                tools,
                self.options.jobs,
                &Quiet,
            )
            .await;
            return proven(&newest.manifest, verified.map_err(failed)?, declared_at);
        }
        let request = restore::RestoreRequest {
            store: self.servers.store(),
            among: &Among::ANY,
            counted: &CountedTables::PAYCRAFT,
            selector,
            tools: self.options.tools,
            terms: self.terms(self.errs(&Mistake::Clean)),
            profile: None,
            jobs: self.options.jobs,
            depth: Depth::Content,
            accepts_lost_rows: false,
            leniency: Leniency::default(),
            missing_sql: None,
            accepts_unknown_rights: false,
            accepted: &[],
            accepts_missing_settings: false,
            analyzes: true,
            now: (self.options.clock)(),
        };
        let provision = async |manifest: &Manifest| self.make_ready(manifest).await;
        let restored = restore::restore(request, provision, self.injector)
            .await
            .map_err(failed)?;
        proven(&restored.manifest, restored.verification, declared_at)
    }

    /// The target of a restore, as the operator has it made ready.
    async fn make_ready(&self, manifest: &Manifest) -> Result<Conninfo> {
        self.servers.provision().await?;
        let (side, mut name) = (Side::Target, DATABASE);
        if self.errs(&Mistake::UsedTarget) {
            name = USED;
            self.servers.create_database(side, USED, Some(manifest)).await?;
            let session = Session::connect(&self.servers.direct(side, USED)?).await?;
            let used = "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1), (2)";
            let made = session.client().batch_execute(used).await;
            made.map_err(|cause| session.failed("cannot fill the used database", cause))?;
        } else if !self.errs(&Mistake::Clean) {
            self.servers
                .create_database(side, DATABASE, Some(manifest))
                .await?;
        }
        self.injector.made(Phase::Provision);
        if self.errs(&Mistake::ProductionAsTarget) {
            let source = self.servers.direct(Side::Source, DATABASE)?;
            *lock(&self.before) = Some((Side::Source, DATABASE, TableDigests::of(&source).await?));
            return Ok(self
                .servers
                .database(Side::Source, DATABASE)?
                .with_database(Side::Target, DATABASE));
        }
        let found = TableDigests::of(&self.servers.direct(side, name)?).await?;
        *lock(&self.before) = Some((side, name, found));
        self.servers.database(side, name)
    }

    fn terms(&self, clean: bool) -> GuardOptions<'_> {
        GuardOptions {
            production: &self.production,
            consent: None,
            clean,
            // The trial made its target itself, and its production may be gone.
            not_production: clean.then_some(DATABASE),
            create_roles: false,
        }
    }

    fn source(&self, is_blind: bool) -> Result<Conninfo> {
        if !is_blind {
            return self.servers.database(Side::Source, DATABASE);
        }
        let url = self.servers.url(Side::Source, DATABASE)?;
        let (_, rest) = url.reveal().split_once('@').unwrap_or_default();
        Conninfo::parse(Side::Source, &format!("postgresql://{BLIND_ROLE}:blind@{rest}"))
    }

    /// A role that may read every table and that row security applies to.
    async fn make_blind_role(&self) -> Result<()> {
        let session = Session::connect(&self.servers.direct(Side::Source, DATABASE)?).await?;
        let statement = format!("CREATE ROLE {BLIND_ROLE} LOGIN PASSWORD 'blind' IN ROLE pg_read_all_data");
        let made = session.client().batch_execute(&statement).await;
        made.map_err(|cause| session.failed("cannot make a role", cause))
    }

    /// PostgreSQL's programs as an older package would bring them: they say so, and are asked for nothing else.
    async fn older_programs(&self) -> Result<Tools> {
        let place = self.servers.scratch()?;
        for name in ["pg_dump", "pg_restore"] {
            let path = place.join(name);
            let script = format!("#!/bin/sh\necho '{name} (PostgreSQL) 13.20'\n");
            std::fs::write(&path, script)
                .and_then(|()| std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)))
                .map_err(|cause| {
                    Error::new(Kind::Usage, format!("cannot write {}", path.display())).caused_by(cause)
                })?;
        }
        Tools::find(Some(&place), None).await
    }

    /// Whether the operator makes this mistake now, which is its firing.
    fn errs(&self, mistake: &Mistake) -> bool {
        let made =
            |what: &FaultKind| matches!(what, FaultKind::Mistake(made) if made == mistake).then_some(());
        self.injector.asks(|_| true, made).is_some()
    }

    /// Why the verb of a phase is a process of its own, where it is.
    fn tool(&self, is_meant: impl Fn(Phase) -> bool) -> Option<Apart> {
        self.injector.asks(is_meant, |what| match what {
            FaultKind::Tool(tool) => Some(Apart::Ended(tool.clone())),
            FaultKind::Space(Space::TemporaryFiles) => Some(Apart::WithoutRoom),
            _ => None,
        })
    }
}

/// What a restore that was verified came to, just now.
fn proven(
    manifest: &Manifest,
    verification: Verification,
    declared_at: Timestamp,
) -> Result<Proven, VerbFailure> {
    if !verification.verdict.is_proven() {
        return Err(VerbFailure::unproven(&verification.checks));
    }
    let age = Duration::try_from(declared_at.duration_since(manifest.started_at));
    Ok(Proven {
        facts: BackupFacts::of(manifest),
        age: age.unwrap_or(Duration::ZERO),
        at: Instant::now(),
        checks: verification.checks,
        tables: verification.tables,
    })
}
