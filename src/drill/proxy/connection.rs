//! One connection: two directions, each a reader that stamps what arrives and a writer that passes it through the toxics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::direction::Direction;
use super::ledger::Ledger;
use super::toxics::{Chunk, Flow, Passage};

/// What is read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that have arrived and not been passed on: about 1 MiB.
const CHUNKS_UNDER_WAY: usize = 16;

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its reader saw the end, and the writer passed it on.
    Shut,
    /// Both ends are closed properly.
    Close,
    /// Both ends are reset.
    Reset,
}

/// Passes a client's bytes to the server and back until both have ended.
pub(super) async fn serve(client: TcpStream, upstream: SocketAddr, number: u64, ledger: Arc<Ledger>) {
    let mut resets = ledger.resets();
    if *resets.borrow_and_update() {
        let _ = client.set_zero_linger();
        return;
    }
    let Ok(server) = TcpStream::connect(upstream).await else {
        // As near as a proxy comes to a port without a listener.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let upward = pass(from_client, &to_server, Direction::Upstream, number, &ledger);
    let downward = pass(from_server, &to_client, Direction::Downstream, number, &ledger);
    let both = async {
        tokio::pin!(upward, downward);
        // A direction that is shut leaves the other one open; any other end is the end of both.
        let (first, up_is_first) = tokio::select! {
            end = &mut upward => (end, true),
            end = &mut downward => (end, false),
        };
        match (first, up_is_first) {
            (End::Shut, true) => downward.await,
            (End::Shut, false) => upward.await,
            (end, _) => end,
        }
    };
    let end = tokio::select! {
        end = both => end,
        _ = resets.changed() => End::Reset,
    };
    if end == End::Reset {
        let _ = to_client.as_ref().set_zero_linger();
        let _ = to_server.as_ref().set_zero_linger();
        // Dropped otherwise, each would end its direction first, and the peer would read an end before it meets the reset.
        to_client.forget();
        to_server.forget();
    }
}

async fn pass(
    from: OwnedReadHalf,
    to: &OwnedWriteHalf,
    direction: Direction,
    number: u64,
    ledger: &Ledger,
) -> End {
    let (sender, receiver) = mpsc::channel(CHUNKS_UNDER_WAY);
    let (read, written) = tokio::join!(read(from, sender), write(receiver, to, direction, number, ledger));
    match (read, written) {
        (_, End::Close) => End::Close,
        (Ok(()), End::Shut) => End::Shut,
        _ => End::Reset,
    }
}

/// Reads until the end. What was read before a failure is still passed on.
async fn read(mut from: OwnedReadHalf, chunks: mpsc::Sender<Chunk>) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read?,
            () = chunks.closed() => return Ok(()),
        };
        let chunk = Chunk {
            arrived: Instant::now(),
            bytes: Bytes::copy_from_slice(&buffer[..read]),
        };
        if read == 0 || chunks.send(chunk).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    mut chunks: mpsc::Receiver<Chunk>,
    to: &OwnedWriteHalf,
    direction: Direction,
    number: u64,
    ledger: &Ledger,
) -> End {
    let way = u64::from(direction == Direction::Downstream);
    let stream = number.wrapping_mul(2).wrapping_add(way);
    let mut rng = ChaCha8Rng::seed_from_u64(ledger.seed);
    rng.set_stream(stream);
    let mut passage = Passage::new(ledger, direction, number, rng);
    loop {
        let chunk = tokio::select! {
            chunk = chunks.recv() => chunk,
            // A toxic may end a connection on which nothing flows.
            flow = passage.watch() => match flow {
                Flow::Close => return End::Close,
                _ => return End::Reset,
            },
        };
        let Some(chunk) = chunk else {
            passage.close().await;
            return shut(to);
        };
        match passage.take(chunk, to).await {
            Flow::On => {}
            Flow::Close => return End::Close,
            Flow::Reset => return End::Reset,
        }
    }
}

fn shut(to: &OwnedWriteHalf) -> End {
    // A shutdown needs no ownership: it is a call on the socket.
    match rustix::net::shutdown(to.as_ref(), rustix::net::Shutdown::Write) {
        Ok(()) => End::Shut,
        Err(_) => End::Reset,
    }
}

/// Writes all of `bytes`.
pub(super) async fn send(to: &OwnedWriteHalf, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(cause) if cause.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}
