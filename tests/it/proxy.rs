//! The toxics, each on a real connection.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use paycraft_dr::drill::proxy::{
    Bandwidth, Direction, Latency, LimitData, Proxy, ResetPeer, Slicer, SlowClose, Timeout, Toxic,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::kit::run;

/// A server that sends back all that it is sent.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    address
}

async fn proxy() -> Proxy {
    Proxy::start(echo().await, 7).await.expect("a proxy")
}

/// Sends `bytes` and reads as many back.
async fn round_trip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await?;
    Ok(back)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("a connection")
}

#[test]
fn without_toxics_everything_passes_as_it_is() {
    run(async {
        let proxy = proxy().await;
        let sent: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut stream = connect(&proxy).await;
        let back = {
            let (mut from, mut to) = stream.split();
            let mut back = vec![0; sent.len()];
            let (wrote, read) = tokio::join!(to.write_all(&sent), from.read_exact(&mut back));
            wrote.expect("written");
            read.expect("read");
            back
        };
        assert_eq!(back, sent);
        assert_eq!(proxy.bytes(Direction::Upstream), sent.len() as u64);
        assert_eq!(proxy.bytes(Direction::Downstream), sent.len() as u64);
    });
}

#[test]
fn latency_and_bandwidth_take_their_time_and_slices_arrive_whole() {
    run(async {
        let latency = Toxic::Latency(Latency {
            latency_ms: 60,
            jitter_ms: 10,
        });
        let bandwidth = Toxic::Bandwidth(Bandwidth { rate_kb: 200 });
        let slicer = Toxic::Slicer(Slicer {
            average_bytes: 100,
            variation_bytes: 50,
            delay_us: 0,
        });
        for (toxic, at_least_ms) in [(latency, 50), (bandwidth, 90), (slicer, 0)] {
            let proxy = proxy().await;
            let id = proxy.add(toxic.clone(), Direction::Downstream, None);
            let mut stream = connect(&proxy).await;
            let began = Instant::now();
            let sent = vec![5; 20_000];
            let back = round_trip(&mut stream, &sent).await.expect("an answer");
            assert_eq!(back, sent);
            assert!(began.elapsed() >= Duration::from_millis(at_least_ms), "{toxic:?}");
            assert!(proxy.has_fired(id), "{toxic:?}");
        }
    });
}

#[test]
fn what_ends_a_connection_ends_it_in_its_own_way() {
    run(async {
        let (limit, reset, timeout) = (
            Toxic::LimitData(LimitData { limit_bytes: 3 }),
            Toxic::ResetPeer(ResetPeer { timeout_ms: 0 }),
            Toxic::Timeout(Timeout { timeout_ms: 1 }),
        );
        for (toxic, passes, is_reset) in [(limit, 3, false), (reset, 0, true), (timeout, 0, false)] {
            let proxy = proxy().await;
            proxy.add(toxic.clone(), Direction::Downstream, Some(1));
            let mut stream = connect(&proxy).await;
            stream.write_all(b"hello").await.expect("written");
            let mut back = Vec::new();
            let ended = stream.read_to_end(&mut back).await;
            assert_eq!(back.len(), passes, "{toxic:?}");
            let was_reset = ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
            assert_eq!(was_reset, is_reset, "{toxic:?}");
            // So many connections, and not the next.
            let mut next = connect(&proxy).await;
            assert_eq!(
                round_trip(&mut next, b"hello").await.expect("an answer"),
                b"hello"
            );
        }
    });
}

#[test]
fn the_end_of_a_connection_can_be_late() {
    run(async {
        let proxy = proxy().await;
        proxy.add(
            Toxic::SlowClose(SlowClose { delay_ms: 80 }),
            Direction::Downstream,
            None,
        );
        let mut stream = connect(&proxy).await;
        round_trip(&mut stream, b"hello").await.expect("an answer");
        let began = Instant::now();
        stream.shutdown().await.expect("an end");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("an end");
        assert!(began.elapsed() >= Duration::from_millis(80));
    });
}

#[test]
fn silence_ends_when_it_is_healed_and_a_link_that_was_cut_comes_back() {
    run(async {
        let proxy = proxy().await;
        let id = proxy.add(
            Toxic::Timeout(Timeout { timeout_ms: 0 }),
            Direction::Downstream,
            None,
        );
        let mut stream = connect(&proxy).await;
        stream.write_all(b"hello").await.expect("written");
        while !proxy.has_fired(id) {
            tokio::task::yield_now().await;
        }
        proxy.remove(id);
        // What came meanwhile was dropped, so this connection is no use any more.
        let mut back = Vec::new();
        let _ = stream.read_to_end(&mut back).await;
        assert!(back.is_empty());

        let mut open = connect(&proxy).await;
        round_trip(&mut open, b"hello").await.expect("an answer");
        proxy.set_down(true);
        assert!(round_trip(&mut open, b"hello").await.is_err());
        let refused = match TcpStream::connect(proxy.address()).await {
            Ok(mut stream) => round_trip(&mut stream, b"hello").await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
        proxy.set_down(false);
        let mut again = connect(&proxy).await;
        assert_eq!(
            round_trip(&mut again, b"hello").await.expect("an answer"),
            b"hello"
        );
    });
}
