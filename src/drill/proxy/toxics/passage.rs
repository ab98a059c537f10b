//! One direction of a connection on its way through the toxics that there are.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::Toxic;
use crate::drill::proxy::connection::send;
use crate::drill::proxy::direction::Direction;
use crate::drill::proxy::ledger::{Active, Ledger, ToxicId};

#[derive(Clone, Debug)]
pub(in crate::drill::proxy) struct Chunk {
    pub(in crate::drill::proxy) arrived: Instant,
    pub(in crate::drill::proxy) bytes: Bytes,
}

/// How it goes on with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drill::proxy) enum Flow {
    On,
    Close,
    Reset,
}

/// One direction of one connection.
pub(in crate::drill::proxy) struct Passage<'a> {
    ledger: &'a Ledger,
    direction: Direction,
    number: u64,
    rng: ChaCha8Rng,
    changes: watch::Receiver<u64>,
    /// What has passed since a toxic that counts was met.
    counted: HashMap<ToxicId, u64>,
}

impl<'a> Passage<'a> {
    pub(in crate::drill::proxy) fn new(
        ledger: &'a Ledger,
        direction: Direction,
        number: u64,
        rng: ChaCha8Rng,
    ) -> Self {
        Self {
            ledger,
            direction,
            number,
            rng,
            changes: ledger.changes(),
            counted: HashMap::new(),
        }
    }

    fn toxics(&self) -> Vec<Active> {
        self.ledger.toxics(self.direction, self.number)
    }

    fn claims(&self, id: ToxicId) -> bool {
        self.ledger.claims(id, self.number)
    }

    /// Ends when a toxic ends a connection on which nothing flows. Only a limit of zero does.
    pub(in crate::drill::proxy) async fn watch(&mut self) -> Flow {
        loop {
            for Active { id, toxic } in self.toxics() {
                if let Toxic::LimitData(limit) = toxic
                    && limit.limit_bytes == 0
                    && self.claims(id)
                {
                    return Flow::Close;
                }
            }
            if self.changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Passes a chunk on, as the toxics let it.
    pub(in crate::drill::proxy) async fn take(&mut self, chunk: Chunk, to: &OwnedWriteHalf) -> Flow {
        let mut bytes = chunk.bytes.clone();
        let mut pace = Pace::default();
        let mut closes = false;
        for Active { id, toxic } in self.toxics() {
            if !self.claims(id) {
                continue;
            }
            match toxic {
                Toxic::Latency(latency) => {
                    let due = latency.due(&chunk, &mut self.rng);
                    self.wait_until(id, due).await;
                }
                Toxic::Bandwidth(bandwidth) => pace.bandwidth = Some((id, bandwidth)),
                Toxic::Slicer(slicer) => pace.slicer = Some((id, slicer)),
                Toxic::SlowClose(_) => {}
                Toxic::ResetPeer(reset) => {
                    let due = Instant::now() + Duration::from_millis(reset.timeout_ms);
                    if self.wait_until(id, due).await {
                        return Flow::Reset;
                    }
                }
                Toxic::Timeout(timeout) => {
                    let due = match timeout.timeout_ms {
                        0 => None,
                        timeout_ms => Some(Instant::now() + Duration::from_millis(timeout_ms)),
                    };
                    if self.hold(id, due).await {
                        return Flow::Close;
                    }
                    // What came meanwhile was dropped, so what follows would make no sense to anyone.
                    return Flow::Reset;
                }
                Toxic::LimitData(limit) => {
                    let passed = self.counted.entry(id).or_default();
                    let room = limit.limit_bytes.saturating_sub(*passed);
                    *passed += bytes.len() as u64;
                    if (bytes.len() as u64) >= room {
                        bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
                        closes = true;
                    }
                }
            }
        }
        if self.send(to, &bytes, pace).await.is_err() {
            return Flow::Reset;
        }
        if closes { Flow::Close } else { Flow::On }
    }

    /// Lets the end of the direction pass.
    pub(in crate::drill::proxy) async fn close(&mut self) {
        for Active { id, toxic } in self.toxics() {
            if let Toxic::SlowClose(slow) = toxic
                && self.claims(id)
            {
                let due = Instant::now() + Duration::from_millis(slow.delay_ms);
                self.wait_until(id, due).await;
            }
        }
    }

    async fn send(&mut self, to: &OwnedWriteHalf, mut bytes: &[u8], pace: Pace) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let mut piece_bytes = bytes.len();
            if let Some((_, bandwidth)) = pace.bandwidth {
                piece_bytes = piece_bytes.min(bandwidth.piece_bytes());
            }
            if let Some((_, slicer)) = pace.slicer {
                piece_bytes = piece_bytes.min(slicer.piece_bytes(&mut self.rng));
            }
            let (piece, rest) = bytes.split_at(piece_bytes);
            if let Some((id, bandwidth)) = pace.bandwidth {
                let due = Instant::now() + bandwidth.time_of(piece.len());
                self.wait_until(id, due).await;
            }
            // Its receiver finds it counted.
            self.ledger.passed(self.direction, piece.len());
            send(to, piece).await?;
            if let Some((_, slicer)) = pace.slicer
                && slicer.delay_us > 0
            {
                sleep(Duration::from_micros(slicer.delay_us)).await;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Waits, but no longer than the toxic is there. Whether it still is.
    async fn wait_until(&mut self, id: ToxicId, due: Instant) -> bool {
        self.hold(id, Some(due)).await
    }

    /// Waits until `due`, or as long as the toxic is there. Whether it still is.
    async fn hold(&mut self, id: ToxicId, due: Option<Instant>) -> bool {
        loop {
            self.changes.mark_unchanged();
            if !self.toxics().iter().any(|active| active.id == id) {
                return false;
            }
            let over = async {
                match due {
                    Some(due) => sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => return true,
                changed = self.changes.changed() => if changed.is_err() { return true },
            }
        }
    }
}

/// How fast, and in what pieces, a chunk passes.
#[derive(Clone, Copy, Default)]
struct Pace {
    bandwidth: Option<(ToxicId, super::Bandwidth)>,
    slicer: Option<(ToxicId, super::Slicer)>,
}
