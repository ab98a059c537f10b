//! Ways past the guard to a sentinel in the place of production: each is refused, and the server counts no write.
//!
//! `PAYCRAFT_GUARD_ATTACKS=10000 cargo test --locked --test it guard::attacks::drawn` draws as many; `PAYCRAFT_GUARD_SEED` repeats.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};

use jiff::Timestamp;
use paycraft_dr::drill::proxy::Proxy;
use paycraft_dr::error::Kind;
use paycraft_dr::model::identity::Identity;
use paycraft_dr::model::key::{BackupKey, Selector};
use paycraft_dr::model::manifest::Manifest;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::recovery::guard::{GuardOptions, Production};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::trace;
use crate::kit::{SMALL_SCHEMA, Silent, World, execute, query, run, terms};

const DRAWN: usize = 40;

/// A production with backups of every kind, and ways to reach it.
struct Siege {
    world: World,
    /// Production, under the name it has now.
    sentinel: Conninfo,
    /// Another database, under the name that production had when it was backed up.
    old_name: Conninfo,
    /// Something else of the same server.
    neighbour: Conninfo,
    /// A role that owns production and may not read the control file.
    owner: String,
    proxy: Proxy,
    /// Takes connections and never answers.
    _silent: TcpListener,
    silent_port: u16,
    backups: Vec<(Recorded, BackupKey)>,
}

/// What a backup's manifest says of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recorded {
    /// All of it.
    Everything,
    /// What an ordinary owner may read.
    WithoutSystem,
    /// The same, and the server was restarted since.
    WithoutSystemBeforeARestart,
    /// What an older version wrote.
    Nothing,
    /// There is no manifest.
    NoManifest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceIs {
    Unset,
    Down,
    Silent,
    WrongPassword,
    Alias,
    AliasOfOwner,
    /// The configuration names something else.
    Another,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Clone, Copy, Debug)]
struct Attack {
    recorded: Recorded,
    source: SourceIs,
    host: &'static str,
    through_proxy: bool,
    as_owner: bool,
    at_old_name: bool,
    clean: bool,
    typed: Option<&'static str>,
}

impl Siege {
    async fn lay() -> Option<Self> {
        let world = World::new().await?;
        let sentinel = world.postgres.source(SMALL_SCHEMA).await;
        let name = sentinel.database().to_owned();
        let owner = format!("owner_{name}");
        // Rights on functions belong to one database: those of other tests stay as they are.
        execute(
            &sentinel,
            &format!(
                "CREATE ROLE {owner} LOGIN PASSWORD 'owner'; ALTER DATABASE {name} OWNER TO {owner};
                 REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; GRANT pg_read_all_data TO {owner};
                 CREATE TABLE others (id int); CREATE TABLE more (id int)"
            ),
        )
        .await;
        let mut backups = Vec::new();
        for (minute, recorded) in [
            Recorded::Everything,
            Recorded::WithoutSystem,
            Recorded::WithoutSystemBeforeARestart,
            Recorded::Nothing,
            Recorded::NoManifest,
        ]
        .into_iter()
        .enumerate()
        {
            let made = world
                .back_up_at(&sentinel, &format!("2026-11-23T02:0{minute}:07Z"))
                .await;
            let made = made.expect("a backup");
            let mut manifest = made.manifest;
            if recorded != Recorded::Everything {
                manifest.source.system_identifier = None;
            }
            if recorded == Recorded::WithoutSystemBeforeARestart {
                manifest.source.identity.server_started_at = Some(Timestamp::UNIX_EPOCH);
                manifest.source.identity.statistics_since = Some(Timestamp::UNIX_EPOCH);
            }
            if recorded == Recorded::Nothing {
                manifest.source.identity = Identity::default();
            }
            write(
                &world,
                &manifest,
                &made.manifest_key,
                recorded == Recorded::NoManifest,
            );
            backups.push((recorded, made.key));
        }
        // Renamed since, and something else has its name.
        let renamed = format!("{name}_live");
        let admin = sentinel.with_database(Side::Source, "postgres");
        execute(&admin, &format!("ALTER DATABASE {name} RENAME TO {renamed}")).await;
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        let old_name = sentinel.clone();
        execute(&old_name, SMALL_SCHEMA).await;
        let sentinel = sentinel.with_database(Side::Source, &renamed);
        let neighbour = world.postgres.database(Side::Source).await;
        let port = port_of(&sentinel);
        let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], port)), 1)
            .await
            .expect("a proxy");
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let silent_port = silent.local_addr().expect("an address").port();
        Some(Self {
            world,
            sentinel,
            old_name,
            neighbour,
            owner,
            proxy,
            _silent: silent,
            silent_port,
            backups,
        })
    }

    fn url(&self, database: &Conninfo, as_owner: bool) -> String {
        let url = self.world.postgres.url(database);
        if !as_owner {
            return url;
        }
        let (_, place) = url.split_once('@').expect("credentials");
        format!("postgresql://{}:owner@{place}", self.owner)
    }

    fn target(&self, attack: Attack) -> Conninfo {
        let database = if attack.at_old_name {
            &self.old_name
        } else {
            &self.sentinel
        };
        let mut url = self
            .url(database, attack.as_owner)
            .replace("127.0.0.1", attack.host);
        if attack.through_proxy {
            let ports =
                [port_of(&self.sentinel), self.proxy.address().port()].map(|port| format!(":{port}/"));
            url = url.replace(&ports[0], &ports[1]);
        }
        Conninfo::parse(Side::Target, &url).expect("a connection string")
    }

    fn source(&self, source: SourceIs) -> Option<Conninfo> {
        let own = self.url(&self.sentinel, false);
        let place = |port: u16| own.replace(&format!(":{}/", port_of(&self.sentinel)), &format!(":{port}/"));
        let url = match source {
            SourceIs::Unset => return None,
            SourceIs::Down => place(1),
            SourceIs::Silent => format!("{}&connect_timeout=1", place(self.silent_port)),
            SourceIs::WrongPassword => self.url(&self.sentinel, true).replace(":owner@", ":rotated@"),
            SourceIs::Alias => own.replace("127.0.0.1", "localhost"),
            SourceIs::AliasOfOwner => self.url(&self.sentinel, true).replace("127.0.0.1", "localhost"),
            SourceIs::Another => self.url(&self.neighbour, false),
        };
        Some(Conninfo::parse(Side::Source, &url).expect("a connection string"))
    }

    /// How the attack ends.
    async fn play(&self, attack: Attack) -> Result<(), String> {
        let (_, key) = self
            .backups
            .iter()
            .find(|(recorded, _)| *recorded == attack.recorded)
            .expect("a backup");
        let production = Production {
            source: self.source(attack.source),
            ..Production::default()
        };
        let terms = GuardOptions {
            production: &production,
            clean: attack.clean,
            not_production: attack.typed,
            ..terms()
        };
        let ended = self
            .world
            .restore_on(Selector::Key(*key), self.target(attack), terms, &Silent)
            .await;
        match ended {
            Err(error) if error.kind() == Kind::Refused && error.next_step().is_some() => Ok(()),
            Err(error) => Err(format!("{attack:?}: {error} {:?}", error.causes())),
            Ok(_) => Err(format!("{attack:?}: production was overwritten")),
        }
    }

    async fn traces(&self) -> (String, String) {
        (trace(&self.sentinel).await, trace(&self.old_name).await)
    }
}

fn write(world: &World, manifest: &Manifest, key: &str, is_missing: bool) {
    if is_missing {
        assert!(world.bucket.server.remove(key));
    } else {
        world.bucket.put(key, &manifest.encode().expect("a manifest"));
    }
}

fn port_of(database: &Conninfo) -> u16 {
    let told = database.to_string();
    let port = told.rsplit_once(':').and_then(|(_, rest)| rest.split_once('/'));
    port.expect("a port").0.parse().expect("a number")
}

fn draw(seed: &mut ChaCha8Rng) -> Attack {
    let mut pick = |count: usize| seed.random_range(0..count);
    Attack {
        recorded: [
            Recorded::Everything,
            Recorded::WithoutSystem,
            Recorded::WithoutSystemBeforeARestart,
            Recorded::Nothing,
            Recorded::NoManifest,
        ][pick(5)],
        source: match pick(100) {
            // It takes seconds.
            0 => SourceIs::Silent,
            n => [
                SourceIs::Unset,
                SourceIs::Down,
                SourceIs::WrongPassword,
                SourceIs::Alias,
                SourceIs::AliasOfOwner,
                SourceIs::Another,
            ][n % 6],
        },
        host: ["127.0.0.1", "localhost", "LOCALHOST.", "127.0.0.1"][pick(4)],
        through_proxy: pick(2) == 0,
        as_owner: pick(2) == 0,
        at_old_name: false,
        clean: pick(8) > 0,
        typed: [None, None, Some("postgres"), Some("")][pick(4)],
    }
}

/// Past the capture of the harness: what was drawn must be known where it fails.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

#[test]
fn drawn_attacks_leave_production_untouched() {
    run(async {
        let Some(siege) = Siege::lay().await else { return };
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let attacks = number("PAYCRAFT_GUARD_ATTACKS").unwrap_or(DRAWN as u64);
        let seed = number("PAYCRAFT_GUARD_SEED").unwrap_or_else(rand::random);
        say(&format!(
            "PAYCRAFT_GUARD_SEED={seed} PAYCRAFT_GUARD_ATTACKS={attacks}"
        ));
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let before = siege.traces().await;
        let mut failed = Vec::new();
        for _ in 0..attacks {
            failed.extend(siege.play(draw(&mut random)).await.err());
        }
        assert!(failed.is_empty(), "{} of {attacks}: {failed:#?}", failed.len());
        assert_eq!(siege.traces().await, before);
        let written = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::text FROM pg_stat_user_tables";
        let count = query(&siege.sentinel, written).await;
        say(&format!(
            "{attacks} attacks; rows written since the sentinel was made: still {count}"
        ));
    });
}

#[test]
fn what_was_tried_by_hand_is_refused() {
    run(async {
        let Some(siege) = Siege::lay().await else { return };
        let before = siege.traces().await;
        let usual = Attack {
            recorded: Recorded::NoManifest,
            source: SourceIs::Unset,
            host: "localhost",
            through_proxy: true,
            as_owner: false,
            at_old_name: false,
            clean: true,
            typed: None,
        };
        let mut attacks: Vec<Attack> = [
            SourceIs::Unset,
            SourceIs::Down,
            SourceIs::Silent,
            SourceIs::WrongPassword,
            SourceIs::Another,
        ]
        .into_iter()
        .map(|source| Attack { source, ..usual })
        .collect();
        for recorded in [
            Recorded::WithoutSystem,
            Recorded::WithoutSystemBeforeARestart,
            Recorded::Nothing,
        ] {
            attacks.push(Attack {
                recorded,
                as_owner: true,
                ..usual
            });
        }
        // Renamed, and the old name's database given.
        attacks.push(Attack {
            recorded: Recorded::Everything,
            at_old_name: true,
            ..usual
        });
        for attack in attacks {
            assert_eq!(siege.play(attack).await, Ok(()));
        }
        assert_eq!(siege.traces().await, before);
    });
}
