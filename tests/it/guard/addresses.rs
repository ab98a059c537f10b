//! A name with two addresses: every connection of a run goes to the one that was looked at first.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use paycraft_dr::model::key::Selector;
use paycraft_dr::postgres::address;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{SMALL_SCHEMA, Silent, World, assert_proven, query, run, terms};

const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// Two doors with one port: the first lets so many connections in and is closed then, the second is always open. Each connection
/// is written down with its address.
struct TwoDoors {
    port: u16,
    seen: Arc<Mutex<Vec<IpAddr>>>,
}

impl TwoDoors {
    async fn before(server: &Conninfo, first_lets_in: usize) -> Option<Self> {
        let upstream: u16 = server.to_string().split([':', '/']).nth(1)?.parse().ok()?;
        let first = TcpListener::bind(SocketAddr::new(FIRST, 0)).await.ok()?;
        let port = first.local_addr().ok()?.port();
        let second = TcpListener::bind(SocketAddr::new(SECOND, port)).await.ok()?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(door(first, FIRST, upstream, first_lets_in, Arc::clone(&seen)));
        tokio::spawn(door(second, SECOND, upstream, usize::MAX, Arc::clone(&seen)));
        Some(Self { port, seen })
    }

    fn seen(&self) -> Vec<IpAddr> {
        self.seen.lock().expect("no panic").clone()
    }

    /// The database behind the doors, by a name that leads to both.
    fn named(&self, url: &str) -> Conninfo {
        let (credentials, rest) = url.split_once('@').expect("a URL");
        let (_, database) = rest.split_once('/').expect("a database");
        let text = format!("{credentials}@two.doors.invalid:{}/{database}", self.port);
        let named = Conninfo::parse(Side::Target, &text).expect("a connection string");
        named.with_addresses(&[FIRST, SECOND])
    }
}

async fn door(
    listener: TcpListener,
    address: IpAddr,
    upstream: u16,
    lets_in: usize,
    seen: Arc<Mutex<Vec<IpAddr>>>,
) {
    for _ in 0..lets_in {
        let Ok((mut client, _)) = listener.accept().await else {
            return;
        };
        seen.lock().expect("no panic").push(address);
        tokio::spawn(async move {
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream))
                .await
                .expect("a server");
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[test]
fn all_connections_of_a_restore_go_to_the_address_that_was_cleared() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        let target = world.postgres.database(Side::Target).await;
        let doors = TwoDoors::before(&target, usize::MAX)
            .await
            .expect("loopback addresses");
        let named = doors.named(&world.postgres.url(&target));
        let restored = world.restore_on(Selector::Latest, named, terms(), &Silent).await;
        assert_proven(&restored.expect("a restore").verification);
        let seen = doors.seen();
        let _ = writeln!(
            std::io::stderr(),
            "{} connections of one restore, all to {FIRST}",
            seen.len()
        );
        assert!(seen.len() > 10, "{seen:?}");
        assert!(seen.iter().all(|address| *address == FIRST), "{seen:?}");
    });
}

#[test]
fn a_restore_never_goes_on_at_another_address() {
    run(async {
        let Some(world) = World::new().await else { return };
        let source = world.postgres.source(SMALL_SCHEMA).await;
        world.back_up(&source).await.expect("a backup");
        // The door is closed while the guard looks, when it has looked, and later.
        for lets_in in [1, 4, 5, 7] {
            let target = world.postgres.database(Side::Target).await;
            let doors = TwoDoors::before(&target, lets_in)
                .await
                .expect("loopback addresses");
            let named = doors.named(&world.postgres.url(&target));
            let restored = world.restore_on(Selector::Latest, named, terms(), &Silent).await;
            assert!(restored.is_err(), "{lets_in}: half of it went elsewhere");
            assert_eq!(doors.seen(), vec![FIRST; lets_in], "{lets_in}");
        }
    });
}

#[test]
fn an_address_that_does_not_answer_is_passed_over_once_and_for_all() {
    run(async {
        let Some(world) = World::new().await else { return };
        let target = world.postgres.database(Side::Target).await;
        let doors = TwoDoors::before(&target, 0).await.expect("loopback addresses");
        let named = doors.named(&world.postgres.url(&target));
        let (_, bound) = address::connect(&named).await.expect("a connection");
        assert_eq!(bound.addresses(), [SECOND]);
        Session::connect(&bound).await.expect("a connection");
        assert_eq!(doors.seen(), [SECOND, SECOND]);
        // A name of this machine is looked up, and stays where it led.
        let url = world.postgres.url(&target).replace("127.0.0.1", "localhost");
        let local = Conninfo::parse(Side::Target, &url).expect("a connection string");
        let (_, bound) = address::connect(&local).await.expect("a connection");
        assert_eq!(bound.addresses().len(), 1);
        assert_eq!(
            query(&bound, "SELECT current_database()::text").await,
            target.database()
        );
    });
}
