//! Everything of an archive but its rows, as `pg_restore` makes it from the archive's head.

use super::guard::ClearedTarget;
use super::loader::Builds;
use super::plan::{self, RestoreStage, SkippedEntry};
use super::platform::{RestoreScope, Selection};
use super::rejected::{rejected, tells_of_failure};
use super::scratch::{Purpose, Scratch, no_room};
use super::silence::silence;
use crate::archive::{Contents, DumpId};
use crate::child::Child;
use crate::error::{Kind, Result};
use crate::model::manifest::Manifest;
use crate::postgres::queries::unknown::Unknown;
use crate::postgres::tools::Leniency;

/// When `pg_restore` makes an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before rows are loaded.
    Before,
    /// When indexes and keys are built, and before materialized views are filled.
    Rest,
    Last,
}

impl Stage {
    fn turn(self) -> RestoreStage {
        match self {
            Self::Before => RestoreStage::Before,
            Self::Rest | Self::Last => RestoreStage::After,
        }
    }

    fn list_name(self) -> &'static str {
        match self {
            Self::Before => "before.list",
            Self::Rest => "rest.list",
            Self::Last => "last.list",
        }
    }
}

/// Everything of an archive but its rows, ready for `pg_restore`.
pub(super) struct Definitions<'a> {
    target: &'a ClearedTarget,
    leniency: Leniency,
    directory: Scratch,
    empty: Vec<Stage>,
    /// Whether grants are made by themselves, from the manifest.
    makes_grants: bool,
    /// Whether settings of the database are made by themselves, from the globals object.
    makes_settings: bool,
    pub(super) skipped: Vec<SkippedEntry>,
    pub(super) scope: RestoreScope,
}

impl<'a> Definitions<'a> {
    /// Writes the head of the archive and the two lists of the `selection` where `pg_restore` can read them. The target is left
    /// alone.
    pub(super) fn new(
        target: &'a ClearedTarget,
        head: &[u8],
        contents: &Contents,
        selection: &Selection,
        leniency: Leniency,
        manifest: &Manifest,
    ) -> Result<Self> {
        let mut definitions = Self {
            target,
            leniency,
            directory: Scratch::new(Purpose::Verb)?,
            empty: Vec::new(),
            makes_grants: manifest.access.is_some(),
            makes_settings: manifest.globals.is_some(),
            skipped: Vec::new(),
            scope: RestoreScope::everything(),
        };
        definitions.write("head", head)?;
        definitions.list(contents, selection)?;
        Ok(definitions)
    }

    /// Writes the lists of the entries of the `selection`. Of those that come after the rows, they name what is not built over our own
    /// connections.
    pub(super) fn list(&mut self, contents: &Contents, selection: &Selection) -> Result<()> {
        let builds = Builds::of(
            contents,
            selection,
            &Unknown::default(),
            self.leniency.keeps_tablespaces,
        );
        let (ours, last) = (builds.ids(), plan::last(contents, &builds.refreshed()));
        self.empty.clear();
        for stage in [Stage::Before, Stage::Rest, Stage::Last] {
            let listed = plan::list(contents, stage.turn(), |id| {
                let is_listed = match stage {
                    Stage::Before => true,
                    Stage::Rest => !ours.contains(&id) && !last.contains(&id),
                    Stage::Last => !ours.contains(&id) && last.contains(&id),
                };
                is_listed && selection.keeps(id)
            });
            if listed.is_empty() {
                self.empty.push(stage);
            }
            self.write(stage.list_name(), listed.as_bytes())?;
        }
        self.skipped = [
            plan::skipped(contents, self.makes_grants, self.makes_settings),
            selection.skipped(contents),
        ]
        .concat();
        if !self.leniency.keeps_tablespaces {
            self.skipped.extend(plan::skipped_tablespaces(contents));
        }
        self.scope = RestoreScope::of(selection, contents);
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        std::fs::write(self.directory.path().join(name), bytes).map_err(no_room)
    }

    /// Makes the entries of this stage over one connection, in the archive's order. Returns those that the server refused, where
    /// that is no error.
    pub(super) async fn make(&self, stage: Stage, contents: &Contents) -> Result<Vec<DumpId>> {
        if stage != Stage::Before && self.empty.contains(&stage) {
            return Ok(Vec::new());
        }
        let place = self.directory.path();
        let command = self.target.installation().restore_listed(
            self.target.conninfo(),
            &place.join("head"),
            &place.join(stage.list_name()),
            self.leniency,
        );
        let what = || "the target, where pg_restore makes definitions".to_owned();
        let _wait = self.target.session().wait(what);
        let program = Child::start_hearing("pg_restore", command, Some(tells_of_failure))?;
        let ended = tokio::select! {
            ended = program.ended() => ended?,
            silence = silence(self.target.session(), "pg_restore") => return Err(silence),
        };
        if !self.leniency.stops_at_first_error && ended.status.code().is_some_and(|code| code != 0) {
            let rejected = rejected(&ended.said, contents);
            if rejected.came_to_its_end {
                return Ok(rejected.entries);
            }
        }
        ended.well(Kind::Target).map(|()| Vec::new()).map_err(|error| {
            // A newer server, also by a minor release only, has settings and options that an older one does not know.
            let is_older = error.causes().iter().any(|cause| {
                cause.contains("unrecognized parameter") || cause.contains("unrecognized configuration parameter")
            });
            error.hint(if is_older {
                "the target's server is older than the source's was: restore into one of the same minor release, or newer"
            } else {
                "see what pg_restore said; restore into a new, empty database"
            })
        })
    }
}
