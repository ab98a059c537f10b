//! What stays and what goes, as a plan: golden listings, edges, and what holds for any store.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use paycraft_dr::model::catalog::{Condition, ListedObject, read_listing};
use paycraft_dr::model::key::{BackupKey, KeyMeaning};
use paycraft_dr::model::pin::{Pin, PinState};
use paycraft_dr::model::retention::{
    Attestation, Decision, FLOOR, HeldBackup, HeldUpload, Inventory, Policy, RetentionPlan, Ruling, plan,
};
use paycraft_dr::model::source::SourceName;
use proptest::prelude::*;

/// A store written down by hand.
#[derive(Default)]
struct Scene {
    now: Timestamp,
    policy: Policy,
    listing: Vec<ListedObject>,
    ours: Vec<BackupKey>,
    doubtful: Vec<BackupKey>,
    /// The source that the lines below are of.
    source: String,
    sources: BTreeMap<BackupKey, String>,
    suspicious: Vec<BackupKey>,
    configured: Option<String>,
    uploads: Vec<HeldUpload>,
}

fn key(text: &str) -> BackupKey {
    match BackupKey::read(text) {
        KeyMeaning::Object(key) | KeyMeaning::Manifest(key) => key,
        KeyMeaning::Index(_)
        | KeyMeaning::Globals(_)
        | KeyMeaning::Confirmation(_)
        | KeyMeaning::Pin(_)
        | KeyMeaning::Foreign => {
            panic!("{text} is no backup's key")
        }
    }
}

impl Scene {
    fn read(text: &str) -> Self {
        let mut scene = Self {
            source: "paycraft".to_owned(),
            ..Self::default()
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["now", at] => scene.now = at.parse().expect("an instant"),
                ["keep", number] => scene.policy.floor = number.parse().expect("a number"),
                ["days", number] => scene.policy.days = number.parse().expect("a number"),
                ["source", name] => name.clone_into(&mut scene.source),
                ["configured", name] => scene.configured = Some(name.to_owned()),
                ["daily", what, from, to] => scene.daily(what, from, to),
                ["object", name] => scene.put(name),
                ["ours", name] => {
                    scene.put(name);
                    scene.ours.push(key(name));
                }
                ["doubtful", name] => {
                    scene.put(name);
                    scene.put(&key(name).manifest_key());
                    scene.doubtful.push(key(name));
                }
                ["upload", name, at] => scene.uploads.extend(match BackupKey::read(name) {
                    KeyMeaning::Object(key) => Some(HeldUpload {
                        key,
                        id: name.to_owned(),
                        begun_at: at.parse().expect("an instant"),
                    }),
                    _ => None,
                }),
                _ => panic!("{line:?} means nothing"),
            }
        }
        scene
    }

    fn daily(&mut self, what: &str, from: &str, to: &str) {
        let (from, to): (Date, Date) = (from.parse().expect("a day"), to.parse().expect("a day"));
        for day in from.series(1.day()).take_while(|day| *day <= to) {
            let stem = day.strftime("%Y/%m/%d/backup-%Y%m%d-020007").to_string();
            let object = format!("{stem}.dump.gz");
            self.put(&object);
            if what != "unattested" {
                self.put(&format!("{stem}.manifest.json"));
                self.sources.insert(key(&object), self.source.clone());
            }
            if what == "suspicious" {
                self.suspicious.push(key(&object));
            }
        }
    }

    fn put(&mut self, key: &str) {
        self.listing.push(ListedObject {
            key: key.to_owned(),
            bytes: 1000,
        });
    }

    fn inventory(&self) -> Inventory {
        let held = read_listing(&self.listing).into_iter().map(|found| HeldBackup {
            key: found.key,
            condition: match (found.stored_bytes, found.has_manifest) {
                (Some(_), true) if self.doubtful.contains(&found.key) => {
                    Condition::Doubtful("the manifest has version 2".to_owned())
                }
                (Some(_), true) => Condition::Attested,
                (Some(_), false) if self.ours.contains(&found.key) => Condition::LoneObject,
                (Some(_), false) => Condition::Unattested,
                (None, true) => Condition::LoneManifest,
                (None, false) => Condition::LoneConfirmation,
            },
            stored_bytes: found.stored_bytes.unwrap_or(0),
            pin: None,
            attestation: found.is_attested().then(|| {
                let name = self.sources.get(&found.key).map_or("paycraft", String::as_str);
                Attestation {
                    source: source(name),
                    is_anothers: self
                        .configured
                        .as_ref()
                        .is_some_and(|configured| *configured != name),
                    is_good: !self.suspicious.contains(&found.key),
                }
            }),
        });
        Inventory {
            held: held.collect(),
            uploads: self.uploads.clone(),
        }
    }
}

fn source(name: &str) -> SourceName {
    SourceName {
        project_ref: None,
        database: name.to_owned(),
    }
}

fn told(plan: &RetentionPlan) -> String {
    fn line<T>(name: &str, state: &str, ruling: &Ruling<T>) -> String {
        let decision = format!("{:?}", ruling.decision).to_lowercase();
        format!("{decision:<6} {name} ({state}): {}\n", ruling.reason)
    }
    let held = plan.held.iter();
    let held = held.map(|ruling| line(&ruling.on.name(), ruling.on.condition.state().name(), ruling));
    let uploads = plan.uploads.iter();
    let uploads = uploads.map(|ruling| line(&ruling.on.key.to_string(), "upload", ruling));
    held.chain(uploads).collect()
}

/// Each file is a store, a line of dashes, and the plan for it, which `PAYCRAFT_BLESS=1` writes anew for a person to read.
#[test]
fn plans_are_as_written_down() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/retention");
    let entries = std::fs::read_dir(directory).expect("a directory").flatten();
    let files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file");
        let (written, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let scene = Scene::read(written.trim_end());
        let planned = told(&plan(&scene.inventory(), scene.policy, scene.now));
        if std::env::var_os("PAYCRAFT_BLESS").is_some() {
            std::fs::write(&file, format!("{written}---\n{planned}")).expect("a file");
            continue;
        }
        assert_eq!(planned, expected, "{}\n{planned}", file.display());
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn held(instant: Timestamp, condition: Condition) -> HeldBackup {
    let is_attested = condition == Condition::Attested;
    HeldBackup {
        key: BackupKey::at(instant),
        condition,
        stored_bytes: 1000,
        pin: None,
        attestation: is_attested.then(|| Attestation {
            source: source("paycraft"),
            is_anothers: false,
            is_good: true,
        }),
    }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not zero")
}

/// What becomes of one thing beside `newer` attested backups that are an hour old.
fn decide(condition: Condition, age: SignedDuration, newer: i64) -> Decision {
    let now = at("2026-11-24T02:30:00Z");
    let newer = (0..newer).map(|second| {
        held(
            now - SignedDuration::from_secs(3600 + second),
            Condition::Attested,
        )
    });
    let one = held(now - age, condition);
    let inventory = Inventory {
        held: newer.chain([one.clone()]).collect(),
        uploads: Vec::new(),
    };
    let plan = plan(&inventory, Policy::default(), now);
    let ruling = plan.held.iter().find(|ruling| ruling.on == one);
    ruling.expect("a ruling on everything").decision
}

#[test]
fn edges_belong_to_the_side_that_keeps() {
    use Decision::{Keep, Remove};
    let second = SignedDuration::from_secs(1);
    let (thirty_days, two_days) = (SignedDuration::from_hours(720), SignedDuration::from_hours(48));
    for condition in [Condition::Attested, Condition::Unattested] {
        assert_eq!(
            decide(condition.clone(), thirty_days, 7),
            Keep,
            "exactly as old is not older"
        );
        assert_eq!(
            decide(condition.clone(), thirty_days + second, 7),
            Remove,
            "{condition:?}"
        );
        assert_eq!(
            decide(condition.clone(), thirty_days + second, 6),
            Keep,
            "the floor holds"
        );
        assert_eq!(
            decide(condition.clone(), -second, 7),
            Keep,
            "the future has no age"
        );
        assert_eq!(decide(condition, SignedDuration::ZERO, 7), Keep);
    }
    assert_eq!(
        decide(Condition::LoneObject, two_days, 7),
        Keep,
        "it may be in progress"
    );
    assert_eq!(decide(Condition::LoneObject, two_days + second, 1), Remove);
    assert_eq!(
        decide(Condition::LoneObject, two_days + second, 0),
        Keep,
        "it may be all there is"
    );
    assert_eq!(decide(Condition::LoneManifest, two_days, 7), Keep);
    assert_eq!(decide(Condition::LoneManifest, two_days + second, 0), Remove);
    let doubtful = Condition::Doubtful("it has version 2".to_owned());
    assert_eq!(decide(doubtful, SignedDuration::from_hours(100_000), 100), Keep);
}

#[test]
fn backups_dated_in_the_future_hold_up_no_floor() {
    let now = at("2026-11-24T02:30:00Z");
    let future = (1..=20).map(|day| held(now + SignedDuration::from_hours(24 * day), Condition::Attested));
    let old = (40..=50).map(|day| held(now - SignedDuration::from_hours(24 * day), Condition::Attested));
    let inventory = Inventory {
        held: future.chain(old).collect(),
        uploads: Vec::new(),
    };
    let plan = plan(&inventory, Policy::default(), now);
    let gone: Vec<&Ruling<HeldBackup>> = plan
        .held
        .iter()
        .filter(|ruling| ruling.decision == Decision::Remove)
        .collect();
    assert_eq!(gone.len(), 4, "eleven real ones, of which the newest seven stay");
    assert!(gone.iter().all(|ruling| ruling.on.key.began_at() <= now));
}

fn conditions() -> impl Strategy<Value = Condition> {
    prop_oneof![
        4 => Just(Condition::Attested),
        2 => Just(Condition::Unattested),
        1 => Just(Condition::LoneObject),
        1 => Just(Condition::LoneManifest),
        1 => Just(Condition::Doubtful("it cannot be read".to_owned())),
    ]
}

/// Stores of up to sixty things, from years ago to some days ahead, often at the very edges.
fn inventories() -> impl Strategy<Value = Inventory> {
    const DAY: i64 = 86_400;
    let ages = prop_oneof![
        -3 * DAY..120 * DAY,
        prop::sample::select(vec![-1, 0, 1, 2 * DAY, 2 * DAY + 1, 30 * DAY, 30 * DAY + 1]),
    ];
    let one = (ages.clone(), conditions());
    let uploads = prop::collection::vec((ages.clone(), ages), 0..10);
    (prop::collection::btree_map(one.0, one.1, 0..60), uploads).prop_map(|(held_by_age, uploads)| Inventory {
        held: held_by_age
            .into_iter()
            .map(|(age, condition)| held(NOW - SignedDuration::from_secs(age), condition))
            .collect(),
        uploads: uploads
            .into_iter()
            .map(|(age, begun)| HeldUpload {
                key: BackupKey::at(NOW - SignedDuration::from_secs(age)),
                id: format!("{age}-{begun}"),
                begun_at: NOW - SignedDuration::from_secs(begun),
            })
            .collect(),
    })
}

const NOW: Timestamp = Timestamp::constant(1_795_487_400, 0);

fn policies() -> impl Strategy<Value = Policy> {
    (1..60_u32, 1..20_u32).prop_map(|(days, floor)| Policy {
        days: number(days),
        floor: number(floor),
    })
}

fn removed(plan: &RetentionPlan) -> Vec<HeldBackup> {
    let gone = plan
        .held
        .iter()
        .filter(|ruling| ruling.decision == Decision::Remove);
    gone.map(|ruling| ruling.on.clone()).collect()
}

/// What is left when the plan was carried out.
fn carried_out(inventory: &Inventory, policy: Policy, now: Timestamp) -> Inventory {
    let plan = plan(inventory, policy, now);
    let stay = |decision: Decision| decision == Decision::Keep;
    Inventory {
        held: plan
            .held
            .into_iter()
            .filter(|ruling| stay(ruling.decision))
            .map(|ruling| ruling.on)
            .collect(),
        uploads: plan
            .uploads
            .into_iter()
            .filter(|ruling| stay(ruling.decision))
            .map(|ruling| ruling.on)
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_newest_attested_backups_always_stay(inventory in inventories(), policy in policies()) {
        let mut attested: Vec<&HeldBackup> = inventory
            .held
            .iter()
            .filter(|held| held.condition == Condition::Attested && held.key.began_at() <= NOW)
            .collect();
        attested.sort_by_key(|held| std::cmp::Reverse(held.key));
        let left = carried_out(&inventory, policy, NOW);
        for newest in attested.into_iter().take(policy.floor.get() as usize) {
            prop_assert!(left.held.contains(newest), "{newest:?} went");
        }
    }

    #[test]
    fn nothing_goes_that_is_dated_in_the_future_or_doubtful_or_young(inventory in inventories(), policy in policies()) {
        for gone in removed(&plan(&inventory, policy, NOW)) {
            let age = NOW.duration_since(gone.key.began_at());
            prop_assert!(age > SignedDuration::from_hours(24), "{gone:?}");
            prop_assert!(!matches!(gone.condition, Condition::Doubtful(_)), "{gone:?}");
        }
    }

    #[test]
    fn what_is_pinned_stays_and_makes_nothing_else_go(
        inventory in inventories(),
        policy in policies(),
        which in any::<prop::sample::Index>(),
        days in prop::option::of(-2..3_i64),
    ) {
        prop_assume!(!inventory.held.is_empty());
        let mut pinned = inventory.clone();
        let one = which.index(pinned.held.len());
        let today = jiff::tz::TimeZone::UTC.to_datetime(NOW).date();
        let until = days.map(|days| today + days.days());
        let key = pinned.held[one].key;
        pinned.held[one].pin = Some(PinState::Known(Pin::new(key, "audit", until, NOW)));
        let keys = |plan: &RetentionPlan| removed(plan).into_iter().map(|held| held.key).collect::<Vec<_>>();
        let mut expected = keys(&plan(&inventory, policy, NOW));
        if days.is_none_or(|days| days >= 0) {
            expected.retain(|gone| *gone != key);
        }
        prop_assert_eq!(keys(&plan(&pinned, policy, NOW)), expected);
    }

    #[test]
    fn the_newest_thing_that_can_be_restored_stays(inventory in inventories(), policy in policies()) {
        let restorable = |held: &&HeldBackup| held.condition != Condition::LoneManifest;
        let newest = inventory.held.iter().filter(restorable).max_by_key(|held| held.key);
        let left = carried_out(&inventory, policy, NOW);
        prop_assert!(newest.is_none_or(|newest| left.held.contains(newest)), "{newest:?} went");
    }

    #[test]
    fn every_thing_is_ruled_on_once(inventory in inventories(), policy in policies()) {
        let plan = plan(&inventory, policy, NOW);
        let mut ruled: Vec<&HeldBackup> = plan.held.iter().map(|ruling| &ruling.on).collect();
        let mut all: Vec<&HeldBackup> = inventory.held.iter().collect();
        ruled.sort_by_key(|held| held.key);
        all.sort_by_key(|held| held.key);
        prop_assert_eq!(ruled, all);
        prop_assert_eq!(plan.uploads.len(), inventory.uploads.len());
        prop_assert!(plan.held.is_sorted_by(|left, right| left.on.key >= right.on.key));
    }

    #[test]
    fn a_second_prune_finds_nothing_to_do(inventory in inventories(), policy in policies()) {
        let once = carried_out(&inventory, policy, NOW);
        let twice = plan(&once, policy, NOW);
        prop_assert_eq!(removed(&twice), Vec::new());
        prop_assert!(twice.uploads.iter().all(|ruling| ruling.decision == Decision::Keep));
    }

    #[test]
    fn a_stricter_policy_keeps_no_less(inventory in inventories(), policy in policies(), days in 0..30_u32, floor in 0..10_u32) {
        let keeping = Policy {
            days: number(policy.days.get() + days),
            floor: number(policy.floor.get() + floor),
        };
        let more = removed(&plan(&inventory, policy, NOW));
        for gone in removed(&plan(&inventory, keeping, NOW)) {
            prop_assert!(more.contains(&gone), "{gone:?}");
        }
    }

    #[test]
    fn what_vanishes_meanwhile_condemns_nothing_else(inventory in inventories(), policy in policies(), which in any::<prop::sample::Index>()) {
        prop_assume!(!inventory.held.is_empty());
        let before = removed(&plan(&inventory, policy, NOW));
        let mut poorer = inventory.clone();
        poorer.held.remove(which.index(inventory.held.len()));
        for gone in removed(&plan(&poorer, policy, NOW)) {
            prop_assert!(before.contains(&gone), "{gone:?}");
        }
    }

    #[test]
    fn time_condemns_and_never_spares(inventory in inventories(), policy in policies(), hours in 0..2000_i64) {
        let later = removed(&plan(&inventory, policy, NOW + SignedDuration::from_hours(hours)));
        for gone in removed(&plan(&inventory, policy, NOW)) {
            prop_assert!(later.contains(&gone), "{gone:?}");
        }
    }

    #[test]
    fn an_upload_goes_by_its_own_age_alone(inventory in inventories(), policy in policies()) {
        for ruling in plan(&inventory, policy, NOW).uploads {
            let is_old = NOW.duration_since(ruling.on.begun_at) > SignedDuration::from_hours(48);
            prop_assert_eq!(ruling.decision == Decision::Remove, is_old);
        }
    }
}

#[test]
fn the_floor_is_seven() {
    assert_eq!((FLOOR.get(), Policy::default().days.get()), (7, 30));
}
