//! What can be broken, and when.

use serde::{Deserialize, Serialize};

use crate::drill::proxy::{Direction, Toxic};
use crate::drill::s3_faults::Operation;
use crate::model::timeline::Phase;
use crate::postgres::conninfo::Side;

/// One thing that breaks.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub at: Trigger,
    pub what: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// In this phase. One that comes again breaks no second time.
    pub phase: Phase,
    /// After so many bytes of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after_bytes: u64,
}

/// What breaks. What lasts is healed when the breaking time ends.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// A connection behaves badly.
    Toxic(ToxicFault),
    /// A link goes down: no connection is accepted, and those that are open are reset.
    Cut(Link),
    /// The open connections of a link are reset, once.
    Reset(Link),
    /// Requests to the store fail.
    Store(StoreFault),
    /// Stored objects are not what they were.
    Damage(Damage),
    /// So many keys of strangers are in the bucket.
    ForeignKeys(u32),
    /// So many objects with a backup's name and without a manifest, all of years ago, are in the bucket.
    OldKeys(u32),
    /// This machine's clock is so many hours ahead, or behind.
    ClockAheadHours(i32),
    /// A program of PostgreSQL's ends or stops.
    Program(Program),
    /// This program is ended from outside. Its verb runs as a process of its own.
    Tool(Tool),
    /// Every connection to the rehearsed database of a side is ended by its server.
    Backends(Side),
    Server(ServerCrash),
    /// No byte more can be written.
    Space(Space),
    /// A statement runs on the rehearsed database of a side, as its superuser.
    Sql(FaultStatement),
    /// A session on the rehearsed database of a side runs statements and then stays, with all it locked.
    Session(FaultStatement),
    /// Somebody moves money between two accounts, over and over.
    Writes,
    Mistake(Mistake),
    /// Putting into service goes wrong.
    Cutover(Cutover),
    /// The servers of the drill are gone for good.
    Substrate,
    /// Something of the drill's cannot be cleared away.
    Leftover,
}

impl FaultKind {
    /// Its name, as the scenario's file has it.
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        let inner = |value: &serde_json::Value| match value {
            serde_json::Value::Object(fields) => fields.keys().next().cloned(),
            serde_json::Value::String(name) => Some(name.clone()),
            _ => None,
        };
        let name = inner(&value).unwrap_or_default();
        match self {
            Self::Toxic(fault) => {
                let toxic = serde_json::to_value(&fault.toxic).unwrap_or_default();
                inner(&toxic).unwrap_or(name)
            }
            Self::Store(fault) => {
                let answer = serde_json::to_value(fault.answer).unwrap_or_default();
                format!("{name} {}", inner(&answer).unwrap_or_default())
            }
            Self::Program(_) | Self::Mistake(_) | Self::Cutover(_) | Self::Space(_) => {
                let what = value.get(&name).and_then(inner).unwrap_or_default();
                format!("{name} {what}")
            }
            _ => name,
        }
    }

    /// Whether it does not strike by itself: the trial asks for it.
    pub(in crate::drill) fn is_asked_for(&self) -> bool {
        matches!(
            self,
            Self::ClockAheadHours(_)
                | Self::Tool(_)
                | Self::Space(Space::TemporaryFiles)
                | Self::Mistake(_)
                | Self::Cutover(_)
        )
    }
}

/// A way to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    Store,
    /// To the source database.
    Source,
    /// To the target database.
    Target,
}

/// How a link behaves badly.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ToxicFault {
    pub link: Link,
    /// What flows which way.
    pub direction: Direction,
    /// So many connections at most; without a number, all until healed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    pub toxic: Toxic,
}

/// Which requests to the store fail, and how.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StoreFault {
    /// Those for this operation; without one, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Those for a key that ends so; without one, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_suffix: Option<String>,
    /// From this one on, counted from 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub from_call: u32,
    /// So many; without a number, all until healed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    pub answer: StoreFailureMode,
}

/// How a request to the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StoreFailureMode {
    /// 500 InternalError.
    InternalError,
    /// 503 SlowDown.
    SlowDown,
    /// 429 TooManyRequests.
    TooManyRequests,
    /// 403 AccessDenied.
    AccessDenied,
    /// 400 ExpiredToken: the credentials had their time.
    ExpiredToken,
    /// 403 RequestTimeTooSkewed.
    RequestTimeTooSkewed,
    /// 404 NoSuchKey.
    NoSuchKey,
    /// None, though it was carried out.
    Lost,
    /// None, and nothing is done.
    Silence,
    /// One whose body breaks off after so many bytes.
    CutAfter(u32),
    /// One whose body has a wrong bit in this byte.
    FlippedAt(u32),
    /// The second of two: the request is carried out twice.
    Duplicate,
    /// One that does not show the newest backup yet.
    Stale,
}

/// What happened to stored objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Damage {
    pub of: BackupChoice,
    /// Which of their two objects.
    pub part: BackupPart,
    pub by: DamageKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupChoice {
    Newest,
    All,
}

/// Which of a backup's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupPart {
    /// The one with the data.
    Object,
    /// The one that describes it.
    Manifest,
    /// The one with its roles and settings.
    Globals,
    Both,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DamageKind {
    /// One bit in its middle is another one.
    Flip,
    /// Its last third is gone.
    Cut,
    /// It holds what the next older backup's holds.
    Swap,
    Delete,
}

/// What happens to a program of PostgreSQL's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Program {
    KillDump,
    /// `pg_dump` is stopped, and does not end.
    StopDump,
    KillRestore,
    /// `pg_restore` is stopped, and does not end.
    StopRestore,
}

/// When and how this program is ended from outside.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    pub signal: ToolSignal,
    /// When it asks the store for this.
    pub operation: Operation,
    /// For a key that ends so; without one, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_suffix: Option<String>,
    /// For the so-manieth time, counted from 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub call: u32,
}

/// What ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolSignal {
    /// SIGINT, as Ctrl-C sends it.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// No request at all.
    Kill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerCrash {
    /// The one of this side.
    pub side: Side,
    /// Whether it is up again at once, or only when it is healed.
    #[serde(default)]
    pub restarts: bool,
}

/// Where space runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// On the target server's disk.
    Target,
    /// Where this program keeps temporary files. Its verb runs as a process of its own.
    TemporaryFiles,
}

/// SQL on one side.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FaultStatement {
    pub side: Side,
    pub sql: String,
}

/// What the operator does wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Mistake {
    /// Names a target that holds something else.
    UsedTarget,
    /// Names production as the target.
    ProductionAsTarget,
    /// Asks for a day without a backup.
    WrongDay,
    /// Begins two backups in the same second.
    TwoBackupsAtOnce,
    /// Restores into a database that holds yesterday's state, with `--clean`.
    Clean,
    /// Backs up with a role that sees only some rows.
    BlindRole,
    /// Has only programs that are older than the server.
    OlderPrograms,
}

/// What goes wrong when a target is put into service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cutover {
    /// The health check answers 503.
    HealthDegraded,
    StepFails,
    /// A step does not end.
    StepHangs,
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_one(value: &u32) -> bool {
    *value == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}
