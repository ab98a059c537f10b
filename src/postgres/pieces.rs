//! Long rows in pieces.
//!
//! The server sends each row of `COPY … TO STDOUT` as one CopyData message of up to 1 GiB, and tokio-postgres hands on no message
//! before all of it has come. So a long message is cut into short ones before tokio-postgres sees it: readers of COPY data take it
//! as one stream of bytes.
//!
//! A message is a type byte and a length of four bytes, most significant first, which counts itself and what follows it:
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// So much of a message's data comes in one piece. Shorter messages are not changed.
const PIECE_BYTES: usize = 64 << 10;
/// So much is read at once.
const READ_BYTES: usize = 64 << 10;
const COPY_DATA: u8 = b'd';
const HEADER_BYTES: usize = 5;
/// The length of a message without data.
const EMPTY_LENGTH: usize = 4;

/// The messages of a server, with long COPY data in pieces.
pub(super) struct Pieces {
    /// What came and was not handed on lies from `start` to `end`. In front of it is room for a header.
    arrived: Box<[u8]>,
    start: usize,
    end: usize,
    /// So many of the next bytes go on as they are.
    passing: usize,
    /// So many bytes of a long message come behind these.
    cut: usize,
}

impl Pieces {
    /// Nothing has come yet.
    pub(super) fn new() -> Self {
        Self {
            arrived: vec![0; HEADER_BYTES + READ_BYTES].into_boxed_slice(),
            start: HEADER_BYTES,
            end: HEADER_BYTES,
            passing: 0,
            cut: 0,
        }
    }

    /// Reads from the server into `room`, as [`AsyncRead::poll_read`] does.
    pub(super) fn poll_read(
        &mut self,
        mut server: Pin<&mut (impl AsyncRead + ?Sized)>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = room.filled().len();
        loop {
            self.hand_on(room);
            if room.filled().len() > before || room.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let mut more = ReadBuf::new(self.space());
            ready!(server.as_mut().poll_read(context, &mut more))?;
            let length = more.filled().len();
            self.end += length;
            if length == 0 {
                self.hand_on_rest(room);
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Room for more of what comes. At most a part of a header is waiting then.
    fn space(&mut self) -> &mut [u8] {
        self.arrived.copy_within(self.start..self.end, HEADER_BYTES);
        self.end = HEADER_BYTES + self.end - self.start;
        self.start = HEADER_BYTES;
        &mut self.arrived[self.end..]
    }

    fn hand_on(&mut self, room: &mut ReadBuf<'_>) {
        while self.passing > 0 || self.begin_message() {
            let length = self.passing.min(self.end - self.start).min(room.remaining());
            if length == 0 {
                return;
            }
            room.put_slice(&self.arrived[self.start..self.start + length]);
            self.start += length;
            self.passing -= length;
        }
    }

    /// The connection has ended, perhaps within a header.
    fn hand_on_rest(&mut self, room: &mut ReadBuf<'_>) {
        let length = room.remaining().min(self.end - self.start);
        room.put_slice(&self.arrived[self.start..self.start + length]);
        self.start += length;
    }

    /// Finds out how many bytes go on. False where that cannot be told yet.
    fn begin_message(&mut self) -> bool {
        if self.cut > 0 {
            self.begin_piece();
            return true;
        }
        // All short messages that came go on together.
        while let Some(length) = self.next_length() {
            match length {
                Length::Short(bytes) => self.passing += bytes,
                Length::Long(_) if self.passing > 0 => return true,
                Length::Long(bytes) => {
                    self.start += HEADER_BYTES;
                    self.cut = bytes;
                    self.begin_piece();
                    return true;
                }
            }
        }
        self.passing > 0
    }

    fn begin_piece(&mut self) {
        let bytes = self.cut.min(PIECE_BYTES);
        self.cut -= bytes;
        let [a, b, c, d] = u32::try_from(EMPTY_LENGTH + bytes).unwrap_or(0).to_be_bytes();
        self.start -= HEADER_BYTES;
        self.arrived[self.start..self.start + HEADER_BYTES].copy_from_slice(&[COPY_DATA, a, b, c, d]);
        self.passing = HEADER_BYTES + bytes;
    }

    /// The length of the message behind those that go on, where its header came.
    fn next_length(&self) -> Option<Length> {
        let rest = self.arrived.get(self.start + self.passing..self.end)?;
        let [kind, length @ ..] = *rest.first_chunk::<HEADER_BYTES>()?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        Some(match length.checked_sub(EMPTY_LENGTH) {
            Some(bytes) if kind == COPY_DATA && bytes > PIECE_BYTES => Length::Long(bytes),
            // A length that no message has is the reader's to refuse.
            _ => Length::Short(1 + length.max(EMPTY_LENGTH)),
        })
    }
}

/// How long the next message is.
enum Length {
    /// With its header.
    Short(usize),
    /// Its data alone.
    Long(usize),
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;
    use tokio::io::{AsyncRead, ReadBuf};

    use super::{COPY_DATA, HEADER_BYTES, PIECE_BYTES, Pieces};

    /// A server whose bytes come in reads of these lengths, over and over.
    struct FakeServer<'a> {
        bytes: &'a [u8],
        reads: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    }

    impl AsyncRead for FakeServer<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
            room: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            let length = *self.reads.next().expect("a length");
            let (now, later) = self
                .bytes
                .split_at(length.min(room.remaining()).min(self.bytes.len()));
            room.put_slice(now);
            self.bytes = later;
            Poll::Ready(Ok(()))
        }
    }

    /// What a reader sees that asks for so many bytes at a time.
    fn seen(bytes: &[u8], reads: &[usize], rooms: &[usize]) -> Vec<u8> {
        let mut server = pin!(FakeServer {
            bytes,
            reads: reads.iter().cycle(),
        });
        let mut pieces = Pieces::new();
        let mut context = Context::from_waker(Waker::noop());
        let mut seen = Vec::new();
        for room in rooms.iter().cycle() {
            let mut room = vec![0; *room];
            let mut room = ReadBuf::new(&mut room);
            let read = pieces.poll_read(server.as_mut(), &mut context, &mut room);
            assert!(matches!(read, Poll::Ready(Ok(()))));
            if room.filled().is_empty() {
                break;
            }
            seen.extend_from_slice(room.filled());
        }
        seen
    }

    fn message(kind: u8, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(4 + data.len()).expect("a length");
        [&[kind], &length.to_be_bytes()[..], data].concat()
    }

    /// The messages, where COPY data that follows each other is one. No piece is longer than it may be.
    fn joined(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut messages: Vec<(u8, Vec<u8>)> = Vec::new();
        while let Some(header) = bytes.first_chunk::<HEADER_BYTES>() {
            let [kind, length @ ..] = *header;
            let length = u32::from_be_bytes(length) as usize - 4;
            let data = &bytes[HEADER_BYTES..HEADER_BYTES + length];
            assert!(kind != COPY_DATA || length <= PIECE_BYTES, "{length} bytes");
            bytes = &bytes[HEADER_BYTES + length..];
            match messages.last_mut() {
                Some((last, joined)) if *last == COPY_DATA && kind == COPY_DATA => {
                    joined.extend_from_slice(data);
                }
                _ => messages.push((kind, data.to_vec())),
            }
        }
        assert!(bytes.is_empty(), "a part of a message");
        messages
    }

    fn some_length() -> impl Strategy<Value = usize> {
        prop_oneof![
            4 => 0_usize..100,
            1 => PIECE_BYTES - 8..PIECE_BYTES + 8,
            1 => 2 * PIECE_BYTES - 8..2 * PIECE_BYTES + 8,
            1 => 0_usize..300_000,
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
        #[test]
        fn any_messages_in_any_reads_are_the_same_in_pieces(
            lengths in prop::collection::vec((prop::sample::select(&b"dddDCZ"[..]), some_length()), 0..12),
            reads in prop::collection::vec(prop_oneof![1_usize..12, 1_usize..100_000], 1..6),
            rooms in prop::collection::vec(prop_oneof![1_usize..12, 1_usize..100_000], 1..6),
        ) {
            let messages: Vec<(u8, Vec<u8>)> = lengths
                .iter()
                .map(|(kind, length)| (*kind, (0..251).cycle().take(*length).collect()))
                .collect();
            let sent: Vec<u8> = messages.iter().flat_map(|(kind, data)| message(*kind, data)).collect();
            let mut expected: Vec<(u8, Vec<u8>)> = Vec::new();
            for (kind, data) in messages {
                match expected.last_mut() {
                    Some((last, joined)) if *last == COPY_DATA && kind == COPY_DATA => joined.extend(data),
                    _ => expected.push((kind, data)),
                }
            }
            let seen = joined(&seen(&sent, &reads, &rooms));
            prop_assert!(seen == expected);
        }
    }

    #[test]
    fn what_is_short_or_ends_early_or_is_no_message_is_not_changed() {
        let whole = message(COPY_DATA, &vec![7; PIECE_BYTES]);
        let early = [message(b'T', b"columns"), vec![COPY_DATA, 0, 0]].concat();
        let wrong = [&[COPY_DATA, 0, 0, 0, 1][..], &[9; 300]].concat();
        for bytes in [whole, early] {
            assert_eq!(seen(&bytes, &[1000], &[4096]), bytes);
        }
        assert!(seen(&wrong, &[1000], &[4096]).starts_with(&wrong[..HEADER_BYTES]));
    }

    #[test]
    fn a_long_message_that_ends_early_stays_incomplete() {
        let sent = message(COPY_DATA, &vec![7; 3 * PIECE_BYTES]);
        for missing in [1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let sent = &sent[..sent.len() - missing];
            let whole_pieces = (sent.len() - HEADER_BYTES) / PIECE_BYTES;
            let seen = seen(sent, &[1000], &[4096]);
            assert_eq!(memchr::memchr_iter(7, &seen).count(), sent.len() - HEADER_BYTES);
            let (whole, part) = seen.split_at(whole_pieces * (HEADER_BYTES + PIECE_BYTES));
            assert_eq!(joined(whole).len(), whole_pieces.min(1));
            assert!(part.len() < HEADER_BYTES + PIECE_BYTES, "{missing} missing");
        }
    }
}
