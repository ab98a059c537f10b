//! What is missing makes a backup suspicious, and nothing else does; and no order of backups, prunes and confirmations takes the
//! last good backup of any source.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};
use paycraft_dr::model::catalog::Condition;
use paycraft_dr::model::history::{History, HistoryEntry};
use paycraft_dr::model::identity::Identity;
use paycraft_dr::model::key::BackupKey;
use paycraft_dr::model::manifest::Source;
use paycraft_dr::model::retention::{Attestation, Decision, HeldBackup, Inventory, Policy, plan};
use paycraft_dr::model::shape::Shape;
use paycraft_dr::model::shrinking::{ShrinkLimits, reasons};
use paycraft_dr::model::source::{Sameness, SourceName, attribute, compare};
use proptest::prelude::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const START: Timestamp = Timestamp::constant(1_790_000_000, 0);

fn source(project: Option<&str>, database: &str, cluster: Option<&str>) -> Source {
    Source {
        database: database.to_owned(),
        project_ref: project.map(str::to_owned),
        system_identifier: cluster.map(str::to_owned),
        server_version: "15.1".to_owned(),
        identity: Identity::default(),
    }
}

fn shape(tables: &[(&str, u64)], raw_bytes: u64) -> Shape {
    Shape {
        tables: tables
            .iter()
            .map(|(name, rows)| (("public".to_owned(), (*name).to_owned()), *rows))
            .collect(),
        partitions: BTreeSet::new(),
        raw_bytes,
    }
}

/// A product of so many rows.
fn product(rows: u64) -> Shape {
    shape(
        &[("tenants", rows), ("tier_definitions", 3), ("events", rows * 10)],
        1000 + rows * 1000,
    )
}

fn told(source: Source, shape: Shape) -> HistoryEntry {
    HistoryEntry {
        source,
        is_recorded: true,
        started_at: START,
        shape,
        recorded: None,
        is_confirmed: false,
    }
}

#[test]
fn two_descriptions_are_of_one_database_or_not_or_it_is_not_known() {
    let (a, b) = (Some("aaaaaaaaaaaaaaaaaaaa"), Some("bbbbbbbbbbbbbbbbbbbb"));
    let cases = [
        (
            source(a, "postgres", None),
            source(a, "postgres", None),
            Sameness::Same,
        ),
        // A project keeps its name when its cluster is replaced.
        (
            source(a, "postgres", Some("1")),
            source(a, "postgres", Some("2")),
            Sameness::Same,
        ),
        // Clusters of projects may be copies of one image.
        (
            source(a, "postgres", Some("1")),
            source(b, "postgres", Some("1")),
            Sameness::Another,
        ),
        (
            source(a, "postgres", None),
            source(a, "app", None),
            Sameness::Another,
        ),
        (
            source(a, "postgres", None),
            source(None, "postgres", None),
            Sameness::Unknown,
        ),
        (
            source(None, "app", None),
            source(None, "app", None),
            Sameness::Same,
        ),
        (
            source(None, "app", Some("1")),
            source(None, "app", None),
            Sameness::Same,
        ),
        (
            source(None, "app", Some("1")),
            source(None, "app", Some("2")),
            Sameness::Unknown,
        ),
        (
            source(None, "app", Some("1")),
            source(None, "web", Some("1")),
            Sameness::Another,
        ),
    ];
    for (left, right, expected) in cases {
        assert_eq!(compare(&left, &right), expected, "{left:?} {right:?}");
        assert_eq!(compare(&right, &left), expected, "{right:?} {left:?}");
    }
}

#[test]
fn an_object_attested_later_is_of_the_only_project_it_can_be_of() {
    let project = |letter: &str| letter.repeat(20);
    let mut legacy = source(None, "postgres", None);
    let mut native = source(Some(&project("a")), "postgres", None);
    attribute(&mut [(&mut legacy, false), (&mut native, true)], None);
    assert_eq!(legacy.project_ref, Some(project("a")));
    let mut legacy = source(None, "postgres", None);
    let other = SourceName::from(&source(Some(&project("b")), "postgres", None));
    attribute(&mut [(&mut legacy, false), (&mut native, true)], Some(&other));
    assert_eq!(legacy.project_ref, None, "two could be meant");
}

#[test]
fn what_is_missing_is_a_reason_and_growth_is_none() {
    let limits = ShrinkLimits::USUAL;
    let old = product(1000);
    let says = |new: &Shape, words: &[&str]| {
        let found = reasons(&old, new, &limits);
        for word in words {
            assert!(
                found.iter().any(|reason| reason.contains(word)),
                "{word}: {found:?}"
            );
        }
        assert!(!found.is_empty());
    };
    says(
        &Shape::default(),
        &[
            "3 tables are gone: public.events",
            "0 rows instead of 11003",
            "100 % fewer",
        ],
    );
    says(
        &shape(&[("tenants", 1000), ("tier_definitions", 3)], old.raw_bytes),
        &["1 table is gone: public.events"],
    );
    let with = |table: &str, rows: u64| {
        let mut new = old.clone();
        new.tables.insert(("public".to_owned(), table.to_owned()), rows);
        new
    };
    says(
        &with("tier_definitions", 2),
        &["public.tier_definitions holds 2 rows, and always held 3"],
    );
    says(
        &with("tenants", 0),
        &["public.tenants holds no row instead of 1000"],
    );
    says(
        &with("tenants", 499),
        &["public.tenants holds 499 rows instead of 1000 (50 % fewer)"],
    );
    says(
        &Shape {
            raw_bytes: 1000,
            ..old.clone()
        },
        &["its archive has"],
    );
    for well in [
        old.clone(),
        with("tenants", 500),
        with("tenants", 100_000),
        with("new", 7),
        product(5000),
    ] {
        assert_eq!(reasons(&old, &well, &limits), Vec::<String>::new(), "{well:?}");
    }
    // Partitions come and go, and what is the platform's is its own.
    let mut old = old.clone();
    for (schema, name) in [("public", "events_2026_10"), ("auth", "one_time_tokens")] {
        old.tables.insert((schema.to_owned(), name.to_owned()), 0);
    }
    old.partitions
        .insert(("public".to_owned(), "events_2026_10".to_owned()));
    assert_eq!(reasons(&old, &product(1000), &limits), Vec::<String>::new());
    let lenient = ShrinkLimits {
        rows_percent: 100,
        bytes_percent: 100,
        tables_gone: 1,
        ..ShrinkLimits::USUAL
    };
    assert_eq!(
        reasons(
            &product(1000),
            &shape(&[("tenants", 1), ("tier_definitions", 3)], 1),
            &lenient
        ),
        Vec::<String>::new()
    );
}

#[test]
fn first_backups_and_empty_products_are_no_nuisance() {
    let limits = ShrinkLimits::USUAL;
    let own = source(None, "app", Some("1"));
    let mut history = History::default();
    for (day, rows) in [0, 0, 3, 40, 40].into_iter().enumerate() {
        let at = BackupKey::at(START + DAY * i32::try_from(day).expect("small"));
        assert_eq!(
            history.take(at, &told(own.clone(), product(rows)), &limits),
            Vec::<String>::new()
        );
    }
    // After a pause of years only what is missing counts.
    let later = history.judge(&own, &product(4000), &limits);
    assert_eq!(later.reasons, Vec::<String>::new());
    // Another product in the same store.
    let other = history.judge(
        &source(None, "blog", Some("1")),
        &shape(&[("posts", 2)], 100),
        &limits,
    );
    assert_eq!((other.reasons, other.compared_with), (Vec::new(), None));
    // The same product, empty, by another name; and by the same name in another cluster.
    let empty = history.judge(&source(None, "test", Some("1")), &Shape::default(), &limits);
    assert!(empty.reasons[1].contains("holds no row"), "{empty:?}");
    let moved = history.judge(&source(None, "app", Some("2")), &product(40), &limits);
    assert!(
        moved.reasons.len() == 1 && moved.reasons[0].contains("the cluster 2 instead of 1"),
        "{moved:?}"
    );
}

/// A store of attested backups, by the pure model alone.
#[derive(Default)]
struct Model {
    backups: BTreeMap<BackupKey, HistoryEntry>,
    now: Timestamp,
}

impl Model {
    fn back_up(&mut self, source: &Source, shape: Shape) -> bool {
        let key = BackupKey::at(self.now);
        let mut history = History::default();
        for (key, told) in &self.backups {
            history.take(*key, told, &ShrinkLimits::USUAL);
        }
        let mut new = told(source.clone(), shape);
        let suspicion = history.judge(source, &new.shape, &ShrinkLimits::USUAL);
        let is_good = suspicion.reasons.is_empty();
        new.recorded = Some(suspicion);
        self.backups.insert(key, new);
        is_good
    }

    fn suspicious(&self) -> Vec<BackupKey> {
        let mut history = History::default();
        let judged = self.backups.iter().map(|(key, told)| {
            let reasons = history.take(*key, told, &ShrinkLimits::USUAL);
            (*key, reasons.is_empty())
        });
        judged
            .filter(|(_, is_good)| !is_good)
            .map(|(key, _)| key)
            .collect()
    }

    fn prune(&mut self, policy: Policy, configured: Option<&SourceName>) {
        let suspicious = self.suspicious();
        let held = self.backups.iter().map(|(key, told)| {
            let source = SourceName::from(&told.source);
            HeldBackup {
                pin: None,
                key: *key,
                condition: Condition::Attested,
                stored_bytes: 1,
                attestation: Some(Attestation {
                    is_anothers: configured.is_some_and(|configured| *configured != source),
                    is_good: !suspicious.contains(key),
                    source,
                }),
            }
        });
        let inventory = Inventory {
            held: held.collect(),
            uploads: Vec::new(),
        };
        for ruling in plan(&inventory, policy, self.now).held {
            if ruling.decision == Decision::Remove {
                self.backups.remove(&ruling.on.key);
            }
        }
    }
}

#[test]
fn a_month_of_empty_backups_takes_no_good_one() {
    for name in ["app", "empty"] {
        let (good, bad) = (source(None, "app", None), source(None, name, None));
        let mut model = Model::default();
        for day in 0..62 {
            model.now = START + DAY * day;
            let is_good = match day {
                0..31 => model.back_up(&good, product(1000)),
                _ => model.back_up(&bad, Shape::default()),
            };
            assert_eq!(is_good, day < 31, "day {day}");
            let configured = if day < 31 { &good } else { &bad };
            model.prune(Policy::default(), Some(&configured.into()));
        }
        let left = model
            .backups
            .values()
            .filter(|told| told.shape.rows() > 0)
            .count();
        assert_eq!(left, 31, "of {name}");
        assert_eq!(model.suspicious().len(), 31);
    }
}

#[derive(Clone, Debug)]
enum Deed {
    BackUp { source: usize, rows: u64 },
    Confirm,
    Prune { configured: Option<usize> },
    Wait { hours: i32 },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (0..3_usize, prop::sample::select(vec![0, 0, 5, 100, 1000, 5000])).prop_map(|(source, rows)| Deed::BackUp { source, rows }),
        1 => Just(Deed::Confirm),
        2 => prop::option::of(0..3_usize).prop_map(|configured| Deed::Prune { configured }),
        2 => (1..900).prop_map(|hours| Deed::Wait { hours }),
    ];
    prop::collection::vec(deed, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_order_of_deeds_takes_the_last_good_backup_of_a_source(deeds in deeds(), floor in 1..4_u32, days in 1..40_u32) {
        let sources = [source(None, "app", None), source(None, "web", None), source(Some("aaaaaaaaaaaaaaaaaaaa"), "app", None)];
        let policy = Policy {
            days: NonZeroU32::new(days).expect("not zero"),
            floor: NonZeroU32::new(floor).expect("not zero"),
        };
        let mut model = Model { now: START, ..Model::default() };
        // What an operator would call good: what was never under suspicion, and what was confirmed.
        let mut newest_good: BTreeMap<SourceName, BackupKey> = BTreeMap::new();
        for deed in deeds {
            model.now += SignedDuration::from_secs(1);
            match deed {
                Deed::BackUp { source, rows } => {
                    let key = BackupKey::at(model.now);
                    if model.back_up(&sources[source], product(rows)) {
                        newest_good.insert((&sources[source]).into(), key);
                    }
                }
                Deed::Confirm => {
                    if let Some(key) = model.suspicious().last() {
                        let told = model.backups.get_mut(key).expect("a backup");
                        told.is_confirmed = true;
                        let name = SourceName::from(&told.source);
                        let newest = newest_good.entry(name).or_insert(*key);
                        *newest = (*newest).max(*key);
                    }
                }
                Deed::Prune { configured } => {
                    let configured = configured.map(|number| SourceName::from(&sources[number]));
                    model.prune(policy, configured.as_ref());
                }
                Deed::Wait { hours } => model.now += SignedDuration::from_hours(i64::from(hours)),
            }
            for (name, key) in &newest_good {
                prop_assert!(model.backups.contains_key(key), "{key} of {name} went");
            }
        }
    }
}
