//! Scenarios drawn by chance from everything that can be broken. The same seed draws the same one.

use std::mem::{Discriminant, discriminant};

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    BackupChoice, BackupPart, Cutover, Damage, DamageKind, Expectation, Fault, FaultKind, FaultStatement,
    Link, Mistake, Program, Scenario, ServerCrash, Space, StoreFailureMode, StoreFault, Tool, ToolSignal,
    ToxicFault, Trigger,
};
use crate::drill::proxy::{
    Bandwidth, Direction, Latency, LimitData, ResetPeer, Slicer, SlowClose, Timeout, Toxic,
};
use crate::drill::s3_faults::Operation;
use crate::model::timeline::Phase;
use crate::postgres::conninfo::Side;

/// What is typed to have one.
pub const RANDOM: &str = "random";

const MOST_FAULTS: usize = 3;
/// How much flows in a phase before a fault that waits for bytes may still strike.
const LATEST_BYTES: u64 = 1 << 20;
/// What somebody may do to a target behind our back.
const MEDDLING: [&str; 4] = [
    "UPDATE public.tenants SET name = name || ' ' WHERE id = (SELECT min(id::text)::uuid FROM public.tenants)",
    "DELETE FROM public.webhook_events WHERE ctid = (SELECT min(ctid) FROM public.webhook_events)",
    "SELECT setval('public.invoice_number_seq', 1, false)",
    "CREATE TABLE public.strange (id int)",
];
const LOCKED: &str = "BEGIN; LOCK TABLE public.tenants IN ACCESS EXCLUSIVE MODE";

/// The scenario of this seed: up to three faults at once, of which nothing is asked but that every invariant holds and that
/// recovery comes once they are healed.
pub fn draw(seed: u64) -> Scenario {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let history_days = pick(&mut rng, &[vec![], vec![1], vec![1, 2]]);
    let cuts_over = rng.random_ratio(1, 5);
    let wanted = rng.random_range(1..=MOST_FAULTS);
    let mut faults: Vec<Fault> = Vec::new();
    while faults.len() < wanted {
        let fault = draw_fault(&mut rng, !history_days.is_empty(), cuts_over);
        if fits(&fault, &faults) {
            faults.push(fault);
        }
    }
    let names: Vec<String> = faults
        .iter()
        .map(|fault| format!("{} in {}", fault.what.name(), fault.at.phase))
        .collect();
    Scenario {
        name: format!("{RANDOM}-{seed}"),
        argument: RANDOM.to_owned(),
        description: names.join(", "),
        why: "faults that chance draws must keep every invariant as well".to_owned(),
        scale_bytes: if rng.random_ratio(1, 4) { 4 << 20 } else { 1 << 20 },
        history_days,
        backs_up: true,
        cuts_over,
        expect: Expectation::KeepsTheInvariants,
        faults,
    }
}

/// Two of a kind would only undo each other; of links and requests there are many.
fn fits(fault: &Fault, others: &[Fault]) -> bool {
    let kind = |fault: &Fault| -> Discriminant<FaultKind> { discriminant(&fault.what) };
    let may_repeat = matches!(fault.what, FaultKind::Toxic(_) | FaultKind::Store(_));
    let runs_alone = |fault: &Fault| {
        matches!(
            fault.what,
            FaultKind::Tool(_) | FaultKind::Space(Space::TemporaryFiles)
        )
    };
    let is_new = may_repeat || others.iter().all(|other| kind(other) != kind(fault));
    // A verb is a process of its own for one reason at a time, and has a real run's patience with what lasts.
    let clashes = |one: &Fault, other: &Fault| runs_alone(one) && (runs_alone(other) || lasts(&other.what));
    is_new
        && !others
            .iter()
            .any(|other| clashes(fault, other) || clashes(other, fault))
}

/// Whether only somebody's patience ends it.
fn lasts(what: &FaultKind) -> bool {
    match what {
        FaultKind::Cut(_) | FaultKind::Session(_) => true,
        FaultKind::Program(program) => matches!(program, Program::StopDump | Program::StopRestore),
        FaultKind::Server(server) => !server.restarts,
        FaultKind::Store(fault) => fault.times.is_none() || fault.answer == StoreFailureMode::Silence,
        FaultKind::Toxic(fault) => matches!(
            fault.toxic,
            Toxic::Timeout(_) | Toxic::ResetPeer(_) | Toxic::LimitData(_)
        ),
        _ => false,
    }
}

fn draw_fault(rng: &mut ChaCha8Rng, has_history: bool, cuts_over: bool) -> Fault {
    let (phases, what): (&[Phase], FaultKind) = match rng.random_range(0..20) {
        0..4 => draw_toxic(rng),
        4..8 => (
            &[Phase::Backup, Phase::Select, Phase::Transfer],
            draw_store_fault(rng),
        ),
        8 => {
            let link = pick(rng, &[Link::Store, Link::Source, Link::Target]);
            let what = if rng.random() {
                FaultKind::Cut(link)
            } else {
                FaultKind::Reset(link)
            };
            (phases_of(link), what)
        }
        9 => (
            &[Phase::Select, Phase::Provision, Phase::Transfer],
            FaultKind::Damage(draw_damage(rng, has_history)),
        ),
        10 => (
            &[Phase::Select],
            match rng.random() {
                true => FaultKind::ForeignKeys(rng.random_range(1..50)),
                false => FaultKind::OldKeys(rng.random_range(1..30)),
            },
        ),
        11 => (
            &[Phase::Backup],
            FaultKind::ClockAheadHours(rng.random_range(-30..=30)),
        ),
        12 => draw_tool(rng),
        13..16 => (&[Phase::Backup], draw_on_the_source(rng)),
        16..19 => draw_on_the_target(rng),
        _ if cuts_over && rng.random() => (
            &[Phase::Cutover],
            FaultKind::Cutover(pick(
                rng,
                &[Cutover::HealthDegraded, Cutover::StepFails, Cutover::StepHangs],
            )),
        ),
        _ => draw_mistake(rng, has_history),
    };
    let phase = pick(rng, phases);
    // Most of what can go wrong goes wrong at a beginning.
    let moves_bytes = matches!(phase, Phase::Backup | Phase::Transfer | Phase::Verify);
    let after_bytes = match moves_bytes && !what.is_asked_for() && rng.random_ratio(1, 2) {
        true => rng.random_range(0..LATEST_BYTES),
        false => 0,
    };
    Fault {
        at: Trigger { phase, after_bytes },
        what,
    }
}

fn draw_on_the_source(rng: &mut ChaCha8Rng) -> FaultKind {
    match rng.random_range(0..6) {
        0 => FaultKind::Program(pick(rng, &[Program::KillDump, Program::StopDump])),
        1 => FaultKind::Backends(Side::Source),
        2 => server(Side::Source, rng),
        3 => session(Side::Source),
        4 => FaultKind::Writes,
        _ => FaultKind::Space(Space::TemporaryFiles),
    }
}

fn draw_on_the_target(rng: &mut ChaCha8Rng) -> (&'static [Phase], FaultKind) {
    const LATE: &[Phase] = &[Phase::Transfer, Phase::Finish, Phase::Verify];
    match rng.random_range(0..6) {
        0 => {
            let program = pick(rng, &[Program::KillRestore, Program::StopRestore]);
            (&[Phase::Transfer, Phase::Finish], FaultKind::Program(program))
        }
        1 => (LATE, FaultKind::Backends(Side::Target)),
        2 => (LATE, server(Side::Target, rng)),
        3 => (&[Phase::Finish, Phase::Verify], session(Side::Target)),
        4 => {
            let statement = FaultStatement {
                side: Side::Target,
                sql: pick(rng, &MEDDLING).to_owned(),
            };
            (&[Phase::Verify], FaultKind::Sql(statement))
        }
        _ => (
            &[Phase::Transfer],
            FaultKind::Space(pick(rng, &[Space::Target, Space::TemporaryFiles])),
        ),
    }
}

fn server(side: Side, rng: &mut ChaCha8Rng) -> FaultKind {
    FaultKind::Server(ServerCrash {
        side,
        restarts: rng.random(),
    })
}

/// When something flows on a link.
fn phases_of(link: Link) -> &'static [Phase] {
    match link {
        Link::Store => &[Phase::Backup, Phase::Select, Phase::Transfer],
        Link::Source => &[Phase::Backup],
        Link::Target => &[Phase::Provision, Phase::Transfer, Phase::Finish, Phase::Verify],
    }
}

fn session(side: Side) -> FaultKind {
    FaultKind::Session(FaultStatement {
        side,
        sql: LOCKED.to_owned(),
    })
}

fn draw_toxic(rng: &mut ChaCha8Rng) -> (&'static [Phase], FaultKind) {
    let link = pick(rng, &[Link::Store, Link::Store, Link::Source, Link::Target]);
    let toxic = match rng.random_range(0..7) {
        0 => Toxic::Latency(Latency {
            latency_ms: rng.random_range(1..60),
            jitter_ms: rng.random_range(0..20),
        }),
        1 => Toxic::Bandwidth(Bandwidth {
            rate_kb: rng.random_range(500..20_000),
        }),
        2 => Toxic::SlowClose(SlowClose {
            delay_ms: rng.random_range(1..300),
        }),
        3 => Toxic::Timeout(Timeout {
            timeout_ms: pick(rng, &[0, 50, 500]),
        }),
        4 => Toxic::ResetPeer(ResetPeer {
            timeout_ms: rng.random_range(0..200),
        }),
        5 => Toxic::Slicer(Slicer {
            average_bytes: rng.random_range(200..8_000),
            variation_bytes: rng.random_range(0..200),
            delay_us: rng.random_range(0..20),
        }),
        _ => Toxic::LimitData(LimitData {
            limit_bytes: rng.random_range(0..2_000_000),
        }),
    };
    let what = FaultKind::Toxic(ToxicFault {
        link,
        direction: pick(rng, &[Direction::Upstream, Direction::Downstream]),
        connections: pick(rng, &[None, Some(1), Some(2), Some(4)]),
        toxic,
    });
    (phases_of(link), what)
}

fn draw_store_fault(rng: &mut ChaCha8Rng) -> FaultKind {
    let operations = [
        Operation::List,
        Operation::Head,
        Operation::Get,
        Operation::Put,
        Operation::BeginUpload,
        Operation::PutPart,
        Operation::Complete,
        Operation::Abort,
    ];
    let answer = match rng.random_range(0..13) {
        0 => StoreFailureMode::InternalError,
        1 => StoreFailureMode::SlowDown,
        2 => StoreFailureMode::TooManyRequests,
        3 => StoreFailureMode::AccessDenied,
        4 => StoreFailureMode::ExpiredToken,
        5 => StoreFailureMode::RequestTimeTooSkewed,
        6 => StoreFailureMode::NoSuchKey,
        7 => StoreFailureMode::Lost,
        8 => StoreFailureMode::Silence,
        9 => StoreFailureMode::CutAfter(rng.random_range(0..200_000)),
        10 => StoreFailureMode::FlippedAt(rng.random_range(0..200_000)),
        _ => StoreFailureMode::Duplicate,
    };
    let operation = rng.random_ratio(4, 5).then(|| pick(rng, &operations));
    FaultKind::Store(StoreFault {
        operation,
        key_suffix: rng.random_ratio(1, 5).then(|| ".manifest.json".to_owned()),
        from_call: rng.random_range(1..6),
        times: rng.random_ratio(3, 4).then(|| rng.random_range(1..5)),
        answer,
    })
}

fn draw_damage(rng: &mut ChaCha8Rng, has_history: bool) -> Damage {
    let kinds = [
        DamageKind::Flip,
        DamageKind::Cut,
        DamageKind::Delete,
        DamageKind::Swap,
    ];
    let by = pick(rng, if has_history { &kinds } else { &kinds[..3] });
    Damage {
        // The oldest has none older to be swapped with.
        of: match by == DamageKind::Swap || rng.random_ratio(2, 3) {
            true => BackupChoice::Newest,
            false => BackupChoice::All,
        },
        part: pick(rng, &[BackupPart::Object, BackupPart::Manifest, BackupPart::Both]),
        by,
    }
}

fn draw_tool(rng: &mut ChaCha8Rng) -> (&'static [Phase], FaultKind) {
    let signal = pick(
        rng,
        &[ToolSignal::Interrupt, ToolSignal::Terminate, ToolSignal::Kill],
    );
    let (phases, operations): (&[Phase], &[Operation]) = match rng.random() {
        true => (
            &[Phase::Backup],
            &[
                Operation::List,
                Operation::BeginUpload,
                Operation::PutPart,
                Operation::Complete,
                Operation::Head,
                Operation::Put,
            ],
        ),
        false => (
            &[Phase::Transfer],
            &[Operation::List, Operation::Head, Operation::Get],
        ),
    };
    let what = FaultKind::Tool(Tool {
        signal,
        operation: pick(rng, operations),
        key_suffix: None,
        call: rng.random_range(1..4),
    });
    (phases, what)
}

fn draw_mistake(rng: &mut ChaCha8Rng, has_history: bool) -> (&'static [Phase], FaultKind) {
    let at_backup = [
        Mistake::TwoBackupsAtOnce,
        Mistake::BlindRole,
        Mistake::OlderPrograms,
    ];
    let at_restore = [
        Mistake::UsedTarget,
        Mistake::ProductionAsTarget,
        Mistake::WrongDay,
        Mistake::Clean,
    ];
    if rng.random() {
        return (&[Phase::Backup], FaultKind::Mistake(pick(rng, &at_backup)));
    }
    let known = if has_history {
        &at_restore[..]
    } else {
        &at_restore[..3]
    };
    (&[Phase::Provision], FaultKind::Mistake(pick(rng, known)))
}

fn pick<T: Clone>(rng: &mut impl Rng, from: &[T]) -> T {
    from.choose(rng).cloned().unwrap_or_else(|| from[0].clone())
}
