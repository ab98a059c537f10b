//! What must hold after every trial, for any fault.

use std::time::Duration;

use jiff::SignedDuration;

use super::Trial;
use crate::deadline::Deadline;
use crate::drill::processes;
use crate::drill::quiet::Quiet;
use crate::drill::scenario::{FaultKind, ToolSignal};
use crate::error::Result;
use crate::model::catalog::BackupState;
use crate::model::check_names;
use crate::model::retention::{LEFTOVER_AGE, Policy};
use crate::model::verdict::Check;
use crate::postgres::conninfo::Side;
use crate::recovery::{catalog, prune, verify};

/// How long what a killed process started may take to see that it has no reader any more.
const AFTERLIFE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

impl Trial<'_> {
    /// Every invariant that the cycle itself does not show.
    pub(super) async fn invariants(&self) -> Result<Vec<Check>> {
        let mut checks = vec![self.what_is_listed_is_whole().await?];
        if !self.options.scenario.has(|what| *what == FaultKind::Leftover) {
            checks.push(self.pruning_leaves_the_last_good_backup().await?);
        }
        checks.push(self.nothing_runs_on().await);
        checks.push(self.no_file_is_left()?);
        Ok(checks)
    }

    /// What is not whole is never listed as a backup. What was damaged later is what `verify` is for.
    async fn what_is_listed_is_whole(&self) -> Result<Check> {
        let vault = self.servers.direct_store();
        let damaged = self.servers.damaged();
        let mut problems = Vec::new();
        let mut whole = 0;
        for listed in catalog::list(vault, None, (self.options.clock)(), &Quiet).await? {
            if listed.state != BackupState::Attested || damaged.contains(&listed.key) {
                continue;
            }
            let manifest = catalog::read_manifest(vault, listed.key).await?;
            match verify::object(vault, &manifest, &Quiet).await {
                Ok(verification) if verification.verdict.is_proven() => whole += 1,
                Ok(_) => problems.push(format!("{} is listed and is not whole", listed.key)),
                Err(error) => problems.push(format!("{} is listed: {error}", listed.key)),
            }
        }
        Ok(Check::none_of(
            check_names::CATALOG,
            &problems,
            format!("{whole} listed, all whole"),
        ))
    }

    /// Days later, prune removes what crashes left, and never the last good backup.
    async fn pruning_leaves_the_last_good_backup(&self) -> Result<Check> {
        let vault = self.servers.direct_store();
        let good = self.attested().await?;
        let request = prune::PruneRequest {
            policy: Policy::default(),
            now: (self.options.clock)() + LEFTOVER_AGE + SignedDuration::from_hours(24),
            dry_run: false,
        };
        let stock = prune::take_stock(vault).await?;
        let pruned = prune::prune(vault, stock, request, &Quiet).await?;
        let mut problems = Vec::new();
        problems.extend(pruned.failure.map(|failure| format!("prune failed: {failure}")));
        let left = self.attested().await?;
        if let Some(newest) = good.first()
            && !left.contains(newest)
        {
            problems.push(format!("prune removed {newest}, the last good backup"));
        }
        let uploads = vault.unfinished_uploads("").await?;
        problems.extend(
            uploads
                .iter()
                .map(|upload| format!("an upload of {} is left", upload.key)),
        );
        Ok(Check::none_of(
            check_names::PRUNE,
            &problems,
            "the last good backup stays, leftovers go",
        ))
    }

    async fn attested(&self) -> Result<Vec<String>> {
        let listed = catalog::list(self.servers.direct_store(), None, (self.options.clock)(), &Quiet).await?;
        let attested = listed
            .into_iter()
            .filter(|listed| listed.state == BackupState::Attested);
        Ok(attested.map(|listed| listed.key.to_string()).collect())
    }

    /// No program of a verb runs on behind it.
    async fn nothing_runs_on(&self) -> Check {
        let deadline = Deadline::after(AFTERLIFE);
        loop {
            let left = self.programs();
            if left.is_empty() || !deadline.pause(POLL).await {
                return Check::none_of(check_names::PROCESSES, &left, "none left");
            }
        }
    }

    fn programs(&self) -> Vec<String> {
        let ports: Vec<String> = [Side::Source, Side::Target]
            .into_iter()
            .filter_map(|side| self.servers.port(side))
            .map(|address| address.port().to_string())
            .collect();
        processes::all()
            .filter(|process| process.id != rustix::process::getpid())
            .filter(|process| ports.iter().any(|port| process.has_variable("PGPORT", port)))
            .map(|process| format!("{} ({}) runs on", process.program, process.id.as_raw_nonzero()))
            .collect()
    }

    /// No temporary file is left by a process that could have removed it.
    fn no_file_is_left(&self) -> Result<Check> {
        let is_killed =
            |what: &FaultKind| matches!(what, FaultKind::Tool(tool) if tool.signal == ToolSignal::Kill);
        if self.options.scenario.has(is_killed) {
            return Ok(Check::none_of(
                check_names::FILES,
                &[],
                "a killed process removes none",
            ));
        }
        let place = self.servers.scratch()?;
        let files = std::fs::read_dir(place).into_iter().flatten().flatten();
        let left: Vec<String> = files
            .filter(|file| file.file_name().to_string_lossy().starts_with("paycraft-dr-"))
            .map(|file| format!("{} is left", file.path().display()))
            .collect();
        Ok(Check::none_of(check_names::FILES, &left, "none left"))
    }
}
