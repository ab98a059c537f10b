//! Whether a target is production, decided from facts: over worlds drawn by chance in which the truth is known.

use jiff::Timestamp;
use paycraft_dr::model::identity::{
    Assessment, Challenge, DatabaseFacts, Identity, Likeness, SourceAnswer, TableOid, TargetEvidence, assess,
    likeness,
};
use proptest::prelude::*;

/// A running server. `run` names its process, `files` its data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    files: u32,
    run: u32,
    counted_since: u32,
    system_identifier: u32,
    major: u32,
    counter: u64,
    is_standby: bool,
}

/// A database. `truth` names it for good: no fact shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Database {
    truth: u32,
    server: Server,
    name: &'static str,
    oid: u32,
    tables: u32,
    marker: Option<&'static str>,
}

const PRODUCTION: u32 = 1;

fn instant(number: u32) -> Option<Timestamp> {
    Timestamp::from_second(i64::from(number)).ok()
}

impl Database {
    fn facts(&self, role: Role) -> DatabaseFacts {
        let tables = (0..8).map(|number| TableOid {
            schema: "public".to_owned(),
            name: format!("table_{number}"),
            oid: self.tables + number,
        });
        let identity = Identity {
            database_oid: Some(self.oid),
            server_started_at: instant(self.server.run),
            statistics_since: instant(self.server.counted_since),
            next_transaction: Some(self.server.counter),
            wal_position: Some(self.server.counter * 100),
            marker: self.marker.map(str::to_owned),
            oldest_tables: tables.take(role.tables).collect(),
        };
        DatabaseFacts {
            database: self.name.to_owned(),
            system_identifier: role
                .is_told_the_system
                .then(|| self.server.system_identifier.to_string()),
            major: self.server.major,
            is_standby: self.server.is_standby,
            identity: if role.is_told_anything {
                identity
            } else {
                Identity::default()
            },
        }
    }

    fn challenge(&self, target: &Self) -> Challenge {
        let is_same_server = self.server.run == target.server.run;
        if is_same_server && self.oid == target.oid {
            Challenge::Found
        } else if is_same_server {
            Challenge::FoundInOtherDatabase
        } else if self.server.is_standby || target.server.is_standby {
            Challenge::Undecided("a standby".to_owned())
        } else {
            Challenge::NotFound
        }
    }
}

/// What a role is told.
#[derive(Clone, Copy, Debug)]
struct Role {
    is_told_the_system: bool,
    is_told_anything: bool,
    tables: usize,
}

fn role() -> impl Strategy<Value = Role> {
    (any::<bool>(), prop::bool::weighted(0.8), 0..=8_usize).prop_map(|(system, anything, tables)| Role {
        is_told_the_system: system && anything,
        is_told_anything: anything,
        tables,
    })
}

/// What happened to production between the backup and the restore.
#[expect(clippy::struct_excessive_bools, reason = "each happens by itself")]
#[derive(Clone, Copy, Debug)]
struct Past {
    is_renamed: bool,
    is_restarted: bool,
    has_crashed: bool,
    is_upgraded: bool,
    is_set_back: bool,
    are_tables_made_anew: bool,
    has_lost_its_marker: bool,
}

fn past() -> impl Strategy<Value = Past> {
    prop::array::uniform7(prop::bool::weighted(0.3)).prop_map(
        |[
            is_renamed,
            is_restarted,
            has_crashed,
            is_upgraded,
            is_set_back,
            are_tables_made_anew,
            has_lost_its_marker,
        ]| Past {
            is_renamed,
            is_restarted,
            has_crashed,
            is_upgraded,
            is_set_back,
            are_tables_made_anew,
            has_lost_its_marker,
        },
    )
}

fn as_backed_up(has_marker: bool) -> Database {
    Database {
        truth: PRODUCTION,
        server: Server {
            files: 1,
            run: 100,
            counted_since: 50,
            system_identifier: 7,
            major: 15,
            counter: 1000,
            is_standby: false,
        },
        name: "app",
        oid: 16_384,
        tables: 16_400,
        marker: has_marker.then_some("marker"),
    }
}

fn as_it_is_now(before: &Database, past: Past) -> Database {
    let mut now = before.clone();
    now.server.counter = if past.is_set_back { 900 } else { 2000 };
    if past.is_restarted || past.has_crashed || past.is_upgraded || past.is_set_back {
        now.server.run = 101;
    }
    if past.has_crashed || past.is_upgraded || past.is_set_back {
        now.server.counted_since = 51;
    }
    if past.is_upgraded {
        now.server.system_identifier = 8;
        now.server.major = 16;
    }
    if past.is_renamed {
        now.name = "app_live";
    }
    if past.are_tables_made_anew {
        now.tables = 20_000;
    }
    if past.has_lost_its_marker {
        now.marker = None;
    }
    now
}

/// Every other database of the world.
#[derive(Clone, Copy, Debug)]
enum Other {
    /// It has the name that production had.
    OldName,
    /// Another one of production's server.
    Neighbour,
    /// A project of the same image: every fact that lies in files is the same.
    Twin,
    /// A database of another server, made by the same scripts.
    Stranger,
    /// The same, to which somebody copied production's marker.
    StrangerWithMarker,
}

fn other() -> impl Strategy<Value = Other> {
    prop::sample::select(vec![
        Other::OldName,
        Other::Neighbour,
        Other::Twin,
        Other::Stranger,
        Other::StrangerWithMarker,
    ])
}

fn database(kind: Other, before: &Database, now: &Database) -> Database {
    let mut made = now.clone();
    match kind {
        Other::OldName => {
            made.name = before.name;
            (made.truth, made.oid, made.tables, made.marker) = (2, 17_000, 17_100, None);
        }
        Other::Neighbour => {
            (made.truth, made.name, made.oid, made.tables, made.marker) = (3, "dev", 18_000, 18_100, None);
        }
        Other::Twin => {
            (made.truth, made.server.files, made.server.run) = (4, 2, 300);
            made.marker = None;
        }
        Other::Stranger | Other::StrangerWithMarker => {
            (made.truth, made.server.files, made.server.run) = (5, 3, 400);
            (made.server.counted_since, made.server.system_identifier) = (350, 9);
            made.marker = matches!(kind, Other::StrangerWithMarker).then_some("marker");
        }
    }
    made
}

#[derive(Clone, Copy, Debug)]
enum Source {
    None,
    Silent,
    Production(Role),
    Standby(Role),
    Other(Other, Role),
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        Just(Source::None),
        Just(Source::Silent),
        role().prop_map(Source::Production),
        role().prop_map(Source::Standby),
        (other(), role()).prop_map(|(other, role)| Source::Other(other, role)),
    ]
}

fn standby_of(database: &Database) -> Database {
    let mut standby = database.clone();
    (
        standby.server.run,
        standby.server.counted_since,
        standby.server.is_standby,
    ) = (200, 150, true);
    standby.server.counter -= 10;
    standby
}

/// The database that is configured as the source, and the evidence of a target that `target_role` looks at.
fn evidence(
    backup: &DatabaseFacts,
    (before, now): (&Database, &Database),
    source: Source,
    target: &Database,
    target_role: Role,
) -> (Option<Database>, TargetEvidence) {
    let (configured, role) = match source {
        Source::None | Source::Silent => (None, None),
        Source::Production(role) => (Some(now.clone()), Some(role)),
        Source::Standby(role) => (Some(standby_of(now)), Some(role)),
        Source::Other(kind, role) => (Some(database(kind, before, now)), Some(role)),
    };
    let answer = match (source, &configured, role) {
        (Source::None, ..) => SourceAnswer::NotConfigured,
        (_, Some(configured), Some(role)) => SourceAnswer::Answered {
            facts: Box::new(configured.facts(role)),
            challenge: match role.is_told_anything {
                true => configured.challenge(target),
                false => Challenge::Undecided("no lock".to_owned()),
            },
        },
        _ => SourceAnswer::Silent("down".to_owned()),
    };
    let evidence = TargetEvidence {
        backup: backup.clone(),
        target: target.facts(target_role),
        source: answer,
        is_other_project_than_backup: false,
        is_other_project_than_source: false,
    };
    (configured, evidence)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn production_by_another_name_is_never_taken_for_another_database(
        past in past(), has_marker: bool, backup_role in role(), target_role in role(), source in source(),
    ) {
        let before = as_backed_up(has_marker);
        let now = as_it_is_now(&before, past);
        let (_, evidence) = evidence(&before.facts(backup_role), (&before, &now), source, &now, target_role);
        prop_assert_ne!(assess(&evidence), Assessment::Other);
    }

    #[test]
    fn the_configured_source_is_never_taken_for_another_database(
        past in past(), kind in other(), backup_role in role(), source_role in role(), target_role in role(),
    ) {
        let before = as_backed_up(true);
        let now = as_it_is_now(&before, past);
        let target = database(kind, &before, &now);
        let source = Source::Other(kind, source_role);
        let (_, evidence) = evidence(&before.facts(backup_role), (&before, &now), source, &target, target_role);
        prop_assert_ne!(assess(&evidence), Assessment::Other);
    }

    #[test]
    fn the_database_with_productions_old_name_is_refused_where_the_system_is_known(
        past in past(), source in source(), tables in 0..=8_usize,
    ) {
        let role = Role { is_told_the_system: true, is_told_anything: true, tables };
        let before = as_backed_up(false);
        let now = as_it_is_now(&before, Past { is_renamed: true, is_upgraded: false, ..past });
        let target = database(Other::OldName, &before, &now);
        let (_, evidence) = evidence(&before.facts(role), (&before, &now), source, &target, role);
        prop_assert_ne!(assess(&evidence), Assessment::Other);
    }

    #[test]
    fn a_marker_that_somebody_copied_opens_nothing(
        past in past(), kind in other(), backup_role in role(), target_role in role(), source in source(),
    ) {
        let before = as_backed_up(true);
        let now = as_it_is_now(&before, past);
        let target = database(kind, &before, &now);
        for marker in [Some("marker"), Some("another"), None] {
            let marked = Database { marker, ..target.clone() };
            let unmarked = Database { marker: None, ..target.clone() };
            let assessed = |target: &Database| {
                let (_, evidence) = evidence(&before.facts(backup_role), (&before, &now), source, target, target_role);
                assess(&evidence)
            };
            let (with, without) = (assessed(&marked), assessed(&unmarked));
            prop_assert!(with != Assessment::Other || without == Assessment::Other, "{with:?} {without:?}");
        }
    }

    #[test]
    fn another_server_is_known_as_one_where_its_system_is_told(
        past in past(), tables in 0..=2_usize, has_marker: bool,
    ) {
        let role = Role { is_told_the_system: true, is_told_anything: true, tables };
        let before = as_backed_up(has_marker);
        let now = as_it_is_now(&before, Past { is_upgraded: false, ..past });
        for kind in [Other::Stranger, Other::Neighbour] {
            let target = database(kind, &before, &now);
            for source in [Source::None, Source::Production(role)] {
                let (_, evidence) = evidence(&before.facts(role), (&before, &now), source, &target, role);
                prop_assert_eq!(assess(&evidence), Assessment::Other);
            }
        }
    }
}

#[test]
fn what_each_fact_shows_by_itself() {
    let all = Role {
        is_told_the_system: true,
        is_told_anything: true,
        tables: 8,
    };
    let ordinary = Role {
        is_told_the_system: false,
        ..all
    };
    let before = as_backed_up(true);
    let of = |role, now: &Database| likeness(&before.facts(role), &now.facts(role));
    let without_marker = Database {
        marker: None,
        ..before.clone()
    };
    // The same running server, for every role.
    assert!(
        matches!(of(ordinary, &without_marker), Likeness::Same(why) if why.contains("start of the server"))
    );
    let mut restarted = without_marker.clone();
    (restarted.server.run, restarted.server.counted_since) = (101, 51);
    assert!(matches!(of(ordinary, &restarted), Likeness::Same(why) if why.contains("8 tables")));
    restarted.server.counter = 1;
    assert!(matches!(of(ordinary, &restarted), Likeness::Unknown(why) if why.contains("behind")));
    let stranger = database(Other::StrangerWithMarker, &before, &before);
    assert!(matches!(of(all, &stranger), Likeness::Unknown(why) if why.contains("marker was copied")));
    let old_name = database(Other::OldName, &before, &restarted);
    assert!(matches!(of(all, &old_name), Likeness::Same(why) if why.contains("database name")));
    assert!(matches!(of(ordinary, &old_name), Likeness::Unknown(_)));
}
