//! The protocol between this program and its store, with a store that may fail at every call: what is listed is whole, and the
//! last good backup survives.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use paycraft_dr::drill::s3_faults::{FaultRule, Relay, RequestFailure};
use paycraft_dr::error::Kind;
use paycraft_dr::model::catalog::BackupState;
use paycraft_dr::model::key::Selector;
use paycraft_dr::model::retention::Policy;
use paycraft_dr::model::shrinking::ShrinkLimits;
use paycraft_dr::postgres::conninfo::Conninfo;
use paycraft_dr::recovery::{backup, catalog, choosing, prune, verify};
use paycraft_dr::store::Store;
use paycraft_dr::store::retry::RetryPolicy;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::kit::{Silent, World, run};

const REFUSED: RequestFailure = RequestFailure::Refused(403, "AccessDenied", "Access Denied");
/// A cycle asks the store less often than this.
const MOST_CALLS: u32 = 40;
const SCHEMA: &str = "CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 100)";

/// A store behind a relay that fails as asked, and the same store without faults.
struct Bench {
    world: World,
    source: Conninfo,
    relay: Relay,
    store: Store,
    /// What the clock of every verb says.
    now: Timestamp,
    /// The newest backup that was made to its end.
    newest: Option<String>,
}

impl Bench {
    async fn new() -> Option<Self> {
        let world = World::new().await?;
        let source = world.postgres.source(SCHEMA).await;
        let relay = Relay::start(world.bucket.server.address())
            .await
            .expect("a relay");
        let mut location = world.bucket.location();
        location.endpoint = format!("http://{}", relay.address());
        let patience = RetryPolicy {
            attempts: 2,
            transfer_attempts: 2,
            first_pause: Duration::from_millis(1),
            ..RetryPolicy::default()
        };
        Some(Self {
            store: Store::with_patience(&location, patience),
            world,
            source,
            relay,
            // The store dates uploads by its own clock, so this one begins at the same time.
            now: Timestamp::now(),
            newest: None,
        })
    }

    /// Fails so many requests from the one with this number on, counted from 1.
    fn fail(
        &self,
        number: u32,
        times: u32,
        failure: RequestFailure,
    ) -> paycraft_dr::drill::s3_faults::RuleId {
        self.relay.plan().add(FaultRule {
            operation: None,
            key_suffix: None,
            skip: number - 1,
            times: Some(times),
            failure,
        })
    }

    async fn back_up(&mut self) -> Result<(), Kind> {
        let now = self.now;
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source: &self.source,
            tools: &self.world.postgres.tools,
            store: &self.store,
            clock: &move || now,
            attempts: backup::ATTEMPTS,
            looks_for_trouble: true,
        };
        let made = backup::backup(request, &Silent).await;
        let made = made.map_err(|error| error.kind())?;
        self.newest = Some(made.key.to_string());
        Ok(())
    }

    /// A backup whose process is killed when it asks the store for the so-manieth time. One that asks less often is made.
    async fn back_up_killed_at(&mut self, number: u32) {
        let rule = self.fail(number, 1, RequestFailure::Silence);
        let plan = std::sync::Arc::clone(self.relay.plan());
        tokio::select! {
            made = self.back_up() => made.expect("nothing failed"),
            () = plan.strikes(rule) => {}
        }
        self.relay.plan().heal();
    }

    /// Two backups that begin in the same second: each that is made has a second of its own.
    async fn back_up_twice(&mut self) {
        let clock = super::kit::clock_that_waits(self.now);
        let request = backup::BackupRequest {
            limits: &ShrinkLimits::USUAL,
            source: &self.source,
            tools: &self.world.postgres.tools,
            store: &self.store,
            clock: &clock,
            attempts: backup::ATTEMPTS,
            looks_for_trouble: true,
        };
        let (one, other) = tokio::join!(backup::backup(request, &Silent), backup::backup(request, &Silent));
        let mut made: Vec<_> = [one, other].into_iter().flatten().map(|made| made.key).collect();
        made.sort_unstable();
        assert!(made.first() != made.last() || made.len() < 2, "both have one key");
        if let Some(newest) = made.last() {
            self.newest = Some(newest.to_string());
            self.now = self.now.max(newest.began_at());
        }
    }

    async fn prune(&self) {
        let request = prune::PruneRequest {
            policy: Policy::default(),
            now: self.now,
            dry_run: false,
        };
        // What it cannot do, it leaves to the next one.
        if let Ok(stock) = prune::take_stock(&self.store).await {
            let _ = prune::prune(&self.store, stock, request, &Silent).await;
        }
    }

    /// What must hold at every moment, seen by somebody whom no failure reaches.
    async fn check(&self, after: &str) {
        let vault = &self.world.bucket.store;
        let listed = catalog::list(vault, None, self.now, &Silent)
            .await
            .expect("a listing");
        for backup in listed
            .iter()
            .filter(|backup| backup.state == BackupState::Attested)
        {
            let manifest = catalog::read_manifest(vault, backup.key)
                .await
                .expect("a manifest");
            let verification = verify::object(vault, &manifest, &Silent).await;
            let verification = verification.unwrap_or_else(|error| panic!("after {after}: {error}"));
            assert!(
                verification.verdict.is_proven(),
                "after {after}: {} is listed",
                backup.key
            );
        }
        if let Some(newest) = &self.newest {
            let selected = choosing::select(vault, Selector::Latest, self.now, &Silent).await;
            let selected = selected.unwrap_or_else(|error| panic!("after {after}: {error}"));
            assert!(
                selected.manifest.key >= *newest,
                "after {after}: {newest} is gone"
            );
        }
    }

    fn wait(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
    }
}

#[test]
fn a_backup_survives_a_store_that_fails_at_any_call() {
    run(async {
        let Some(mut bench) = Bench::new().await else {
            return;
        };
        for failure in [REFUSED, RequestFailure::AnswerLost] {
            let mut struck = 0;
            for number in 1..MOST_CALLS {
                bench.wait(1);
                // Enough of them that trying again does not help.
                let rule = bench.fail(number, 2, failure.clone());
                let made = bench.back_up().await;
                let fired = bench.relay.plan().fired(rule);
                bench.relay.plan().heal();
                bench.check(&format!("{failure:?} at call {number}")).await;
                if fired == 0 {
                    made.expect("nothing failed");
                    break;
                }
                struck += 1;
                if let Err(kind) = made {
                    assert_eq!(kind, Kind::Store, "{failure:?} at call {number}");
                }
            }
            // Each backup reads the manifests of those before it, so there may always be one more call.
            assert!((5..MOST_CALLS).contains(&struck), "{struck} calls were struck");
        }
    });
}

#[test]
fn a_backup_killed_at_any_call_leaves_nothing_that_is_listed_and_prune_clears_it_away() {
    run(async {
        let Some(mut bench) = Bench::new().await else {
            return;
        };
        bench.back_up().await.expect("a backup");
        for number in 1..12 {
            bench.wait(1);
            bench.back_up_killed_at(number).await;
            bench.check(&format!("a kill at call {number}")).await;
        }
        bench.wait(24 * 4);
        bench.prune().await;
        bench.check("prune").await;
        let vault = &bench.world.bucket.store;
        assert!(vault.unfinished_uploads("").await.expect("uploads").is_empty());
        let listed = catalog::list(vault, None, bench.now, &Silent)
            .await
            .expect("a listing");
        assert!(
            listed.iter().all(|backup| backup.state == BackupState::Attested),
            "{listed:?}"
        );
    });
}

#[test]
fn a_prune_that_fails_at_any_call_never_takes_the_last_good_backup() {
    run(async {
        let Some(mut bench) = Bench::new().await else {
            return;
        };
        for _ in 0..9 {
            bench.back_up().await.expect("a backup");
            bench.wait(24);
        }
        // Two of the nine have had their time and are above the floor.
        bench.wait(24 * 40);
        for number in 1..MOST_CALLS {
            let rule = bench.fail(number, 2, REFUSED);
            bench.prune().await;
            let fired = bench.relay.plan().fired(rule);
            bench.relay.plan().heal();
            bench.check(&format!("a prune refused at call {number}")).await;
            if fired == 0 {
                break;
            }
        }
        let left = bench.world.bucket.store.list("").await.expect("a listing");
        // Object, roles and settings, manifest.
        assert_eq!(left.len(), 3 * 7, "{left:?}");
    });
}

/// What may happen to a store.
#[derive(Clone, Debug)]
enum Step {
    BackUp,
    BackUpTwice,
    Killed(u32),
    Failing(u32, bool),
    Prune(Option<u32>),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::BackUp),
        1 => Just(Step::BackUpTwice),
        2 => (1..12_u32).prop_map(Step::Killed),
        2 => (1..12_u32, any::<bool>()).prop_map(|(number, lost)| Step::Failing(number, lost)),
        2 => proptest::option::of(1..20_u32).prop_map(Step::Prune),
        2 => (1..24 * 40_i64).prop_map(Step::Wait),
    ]
}

#[test]
fn any_sequence_of_backups_crashes_and_prunes_keeps_what_is_listed_whole() {
    let steps = proptest::collection::vec(step(), 1..8);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 8,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let ran = runner.run(&steps, |steps| {
        run(async {
            let Some(mut bench) = Bench::new().await else {
                return;
            };
            for step in &steps {
                // Two verbs of one second would meet at one key, which is a step of its own.
                bench.now += SignedDuration::from_secs(1);
                match step {
                    Step::BackUp => bench.back_up().await.expect("nothing failed"),
                    Step::BackUpTwice => bench.back_up_twice().await,
                    Step::Killed(number) => bench.back_up_killed_at(*number).await,
                    Step::Failing(number, lost) => {
                        let failure = if *lost {
                            RequestFailure::AnswerLost
                        } else {
                            REFUSED
                        };
                        bench.fail(*number, 2, failure);
                        let _ = bench.back_up().await;
                        bench.relay.plan().heal();
                    }
                    Step::Prune(failing) => {
                        if let Some(number) = failing {
                            bench.fail(*number, 2, REFUSED);
                        }
                        bench.prune().await;
                        bench.relay.plan().heal();
                    }
                    Step::Wait(hours) => bench.wait(*hours),
                }
                bench.check(&format!("{step:?} of {steps:?}")).await;
            }
        });
        Ok(())
    });
    ran.expect("every sequence");
}
