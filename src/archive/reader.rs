//! The archive as it flows.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::contents::{Contents, DumpId, HeadParser};
use super::cursor::read_int;
use super::data_blocks::{DataBlock, DataBlocks};
use super::error::ArchiveError;
use super::header::Compression;
use super::inflate::Inflater;
use super::kind::EntryKind;
use super::rows::{RowPosition, Taken, TakenData};

/// Type bytes of data blocks.
const BLOCK_OF_ROWS: u8 = 1;
const BLOCK_OF_LARGE_OBJECTS: u8 = 3;
/// The largest integer with its sign, and a type byte.
const FIELD_BYTES: usize = 10;

/// Reads an archive piece by piece. It does no I/O and keeps nothing but the table of contents and a buffer of fixed size.
#[derive(Debug, Default)]
pub struct ArchiveReader {
    state: ReaderState,
    head: HeadParser,
    contents: Option<Arc<Contents>>,
    /// Entries whose data has not come yet.
    awaited: HashSet<DumpId>,
    /// A field of which only the beginning has come.
    field: [u8; FIELD_BYTES],
    field_length: usize,
    inflater: Option<Inflater>,
    /// The part of the inflater's output that was not handed out yet.
    inflated: Range<usize>,
    /// How much of the archive was read before this step.
    position: u64,
    /// The entry whose data comes.
    current: Option<DumpId>,
    blocks: DataBlocks,
}

/// What one call of [`ArchiveReader::step`] came to.
#[derive(Debug)]
pub struct ReaderStep<'s> {
    /// How much of the input is done with.
    pub consumed: usize,
    /// What was found; `None` when more input is needed.
    pub event: Option<ArchiveEvent<'s>>,
}

/// What an archive holds, in the order it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveEvent<'s> {
    /// Header and table of contents, once.
    Contents(Arc<Contents>),
    /// The rows of this entry's table follow.
    TableBegan(DumpId),
    /// COPY text: rows that each end with a newline. A piece may begin and end inside a row.
    Rows(&'s [u8]),
    /// All rows have come.
    TableEnded(DumpId),
    /// The bytes of the large object with this oid follow.
    LargeObjectBegan(u32),
    /// Some bytes of it.
    LargeObjectData(&'s [u8]),
    /// All bytes have come.
    LargeObjectEnded(u32),
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default)]
enum ReaderState {
    /// Header or table of contents.
    #[default]
    Head,
    /// A data block's type and number.
    Block,
    /// A large object's oid, or the end of the block.
    LargeObject,
    /// The length of a piece of data, or the end of the data.
    Length(Data),
    /// A piece of which so many bytes are to come.
    Piece(Data, usize),
    /// All pieces have come; what the inflater holds has not.
    Draining(Data),
    Done,
}

/// Whose data it is.
#[derive(Clone, Copy, Debug)]
enum Data {
    Table(DumpId, RowPosition),
    LargeObject(u32),
}

/// What one look at the input came to.
enum ParseResult {
    /// Something changed inside; look again.
    Again,
    /// More input is needed.
    Wait,
    /// Something without data was found.
    Event(ArchiveEvent<'static>),
    /// Some data was found.
    Data(Data, DataPlace),
}

/// Where a piece of data lies.
enum DataPlace {
    Input(Range<usize>),
    Inflated(Range<usize>),
    Backslash,
}

impl ArchiveReader {
    /// A reader at the beginning of an archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader at the beginning of the data of the entry `id`, which reads that alone: the archive ends behind it.
    pub fn at_data(contents: Arc<Contents>, id: DumpId) -> Self {
        Self {
            state: ReaderState::Block,
            awaited: HashSet::from([id]),
            inflater: (contents.header.compression == Compression::Zlib).then(Inflater::new),
            contents: Some(contents),
            ..Self::default()
        }
    }

    /// Where the data is that was read to its end.
    pub fn data_blocks(&self) -> &[DataBlock] {
        self.blocks.ended()
    }

    /// Header and table of contents, once they were read.
    pub fn contents(&self) -> Option<&Arc<Contents>> {
        self.contents.as_ref()
    }

    /// Reads from the front of `input`: how much of it is done with, and what was found. The next call wants what follows.
    pub fn step<'s>(&'s mut self, input: &'s [u8]) -> Result<ReaderStep<'s>, ArchiveError> {
        let mut consumed = 0;
        let event = loop {
            let turn = self.turn(input, &mut consumed)?;
            self.blocks.reached(
                self.position + consumed as u64,
                self.current,
                self.field_bytes(1) as u64,
            );
            match turn {
                ParseResult::Again => {}
                ParseResult::Wait => break None,
                ParseResult::Event(event) => break Some(event),
                ParseResult::Data(data, place) => {
                    self.position += consumed as u64;
                    let event = Some(self.data_event(data, place, input));
                    return Ok(ReaderStep { consumed, event });
                }
            }
        };
        self.position += consumed as u64;
        Ok(ReaderStep { consumed, event })
    }

    /// Header and entries, if the archive ended where they say.
    pub fn finish(self) -> Result<Arc<Contents>, ArchiveError> {
        match (self.state, self.contents) {
            (ReaderState::Done, Some(contents)) => Ok(contents),
            _ => Err(ArchiveError::Incomplete),
        }
    }

    fn turn(&mut self, input: &[u8], at: &mut usize) -> Result<ParseResult, ArchiveError> {
        let rest = &input[*at..];
        match self.state {
            ReaderState::Done if rest.is_empty() => Ok(ParseResult::Wait),
            ReaderState::Done => Err(ArchiveError::Trailing),
            ReaderState::Head => self.read_head(rest, at),
            ReaderState::Block => match self.field(1, input, at)? {
                Some((kind, number)) => self.begin_block(kind, DumpId(number)),
                None => Ok(ParseResult::Wait),
            },
            ReaderState::LargeObject => match self.field(0, input, at)? {
                Some((_, oid)) => Ok(self.begin_large_object(oid.cast_unsigned())),
                None => Ok(ParseResult::Wait),
            },
            ReaderState::Length(data) => match self.field(0, input, at)? {
                Some((_, length)) => self.begin_piece(data, length),
                None => Ok(ParseResult::Wait),
            },
            ReaderState::Piece(data, left) if self.inflater.is_some() => {
                self.inflate_piece(data, left, rest, at)
            }
            ReaderState::Piece(data, left) => self.take_piece(data, left, rest, at),
            ReaderState::Draining(data) => self.drain(data),
        }
    }

    fn read_head(&mut self, rest: &[u8], at: &mut usize) -> Result<ParseResult, ArchiveError> {
        let Some((used, contents)) = self.head.feed(rest)? else {
            *at += rest.len();
            return Ok(ParseResult::Wait);
        };
        *at += used;
        Ok(ParseResult::Event(self.begin_data(contents)))
    }

    fn begin_data(&mut self, contents: Contents) -> ArchiveEvent<'static> {
        let with_data = contents.entries.iter().filter(|entry| entry.has_data);
        self.awaited = with_data.map(|entry| entry.id).collect();
        self.inflater = (contents.header.compression == Compression::Zlib).then(Inflater::new);
        self.end_block();
        let contents = Arc::new(contents);
        self.contents = Some(Arc::clone(&contents));
        ArchiveEvent::Contents(contents)
    }

    fn begin_block(&mut self, kind: u8, id: DumpId) -> Result<ParseResult, ArchiveError> {
        if !self.awaited.remove(&id) {
            return Err(ArchiveError::Malformed(
                "a data block of no entry, or a second one",
            ));
        }
        let entry = self.contents.as_ref().and_then(|contents| contents.entry(id));
        let entry = entry.ok_or(ArchiveError::Malformed("a data block of no entry"))?;
        self.current = Some(id);
        match (kind, &entry.kind) {
            (BLOCK_OF_LARGE_OBJECTS, EntryKind::Blobs) => {
                self.state = ReaderState::LargeObject;
                Ok(ParseResult::Again)
            }
            (BLOCK_OF_ROWS, EntryKind::TableData) if entry.copy_statement.starts_with("COPY ") => {
                self.begin_stream(Data::Table(id, RowPosition::AtRowStart));
                Ok(ParseResult::Event(ArchiveEvent::TableBegan(id)))
            }
            (BLOCK_OF_ROWS, EntryKind::TableData) => {
                Err(ArchiveError::UnknownData(format!("INSERTs into {}", entry.tag)))
            }
            (BLOCK_OF_ROWS | BLOCK_OF_LARGE_OBJECTS, kind) => {
                Err(ArchiveError::UnknownData(kind.to_string()))
            }
            _ => Err(ArchiveError::Malformed("a data block of unknown type")),
        }
    }

    /// An oid of 0 ends the block.
    fn begin_large_object(&mut self, oid: u32) -> ParseResult {
        if oid == 0 {
            self.end_block();
            return ParseResult::Again;
        }
        self.begin_stream(Data::LargeObject(oid));
        ParseResult::Event(ArchiveEvent::LargeObjectBegan(oid))
    }

    /// A length of 0 ends the data.
    fn begin_piece(&mut self, data: Data, length: i32) -> Result<ParseResult, ArchiveError> {
        let length =
            usize::try_from(length).map_err(|_| ArchiveError::Malformed("a piece of negative length"))?;
        if length > 0 {
            self.state = ReaderState::Piece(data, length);
        } else if self.inflater.is_some() {
            self.state = ReaderState::Draining(data);
        } else {
            return self.end_data(data).map(ParseResult::Event);
        }
        Ok(ParseResult::Again)
    }

    fn end_block(&mut self) {
        self.current = None;
        self.state = if self.awaited.is_empty() {
            ReaderState::Done
        } else {
            ReaderState::Block
        };
    }

    fn begin_stream(&mut self, data: Data) {
        if let Some(inflater) = &mut self.inflater {
            inflater.reset();
        }
        self.state = ReaderState::Length(data);
    }

    fn end_data(&mut self, data: Data) -> Result<ArchiveEvent<'static>, ArchiveError> {
        if self
            .inflater
            .as_ref()
            .is_some_and(|inflater| !inflater.has_ended())
        {
            return Err(ArchiveError::Damaged);
        }
        match data {
            Data::Table(id, rows) if rows.have_ended() => {
                self.end_block();
                Ok(ArchiveEvent::TableEnded(id))
            }
            Data::Table(..) => Err(ArchiveError::Malformed("a table's rows without their end")),
            Data::LargeObject(oid) => {
                self.state = ReaderState::LargeObject;
                Ok(ArchiveEvent::LargeObjectEnded(oid))
            }
        }
    }

    /// The length of a type byte where `type_bytes` is 1, and an integer with its sign.
    fn field_bytes(&self, type_bytes: usize) -> usize {
        let contents = self.contents.as_ref();
        type_bytes + 1 + contents.map_or(4, |contents| usize::from(contents.header.int_bytes))
    }

    /// A type byte where `type_bytes` is 1, and an integer, as soon as all of it has come.
    fn field(
        &mut self,
        type_bytes: usize,
        input: &[u8],
        at: &mut usize,
    ) -> Result<Option<(u8, i32)>, ArchiveError> {
        let wanted = self.field_bytes(type_bytes);
        let rest = &input[*at..];
        let split = |field: &[u8]| Ok(Some((field[0], read_int(&field[type_bytes..])?)));
        if self.field_length == 0
            && let Some(field) = rest.get(..wanted)
        {
            *at += wanted;
            return split(field);
        }
        let more = rest.len().min(wanted - self.field_length);
        self.field[self.field_length..self.field_length + more].copy_from_slice(&rest[..more]);
        self.field_length += more;
        *at += more;
        if self.field_length < wanted {
            return Ok(None);
        }
        self.field_length = 0;
        split(&self.field[..wanted])
    }

    fn take_piece(
        &mut self,
        mut data: Data,
        left: usize,
        rest: &[u8],
        at: &mut usize,
    ) -> Result<ParseResult, ArchiveError> {
        if rest.is_empty() {
            return Ok(ParseResult::Wait);
        }
        let taken = data.take(&rest[..left.min(rest.len())])?;
        self.state = match left - taken.used {
            0 => ReaderState::Length(data),
            left => ReaderState::Piece(data, left),
        };
        let found = DataPlace::of(&taken, *at, DataPlace::Input);
        *at += taken.used;
        Ok(found.map_or(ParseResult::Again, |place| ParseResult::Data(data, place)))
    }

    fn inflate_piece(
        &mut self,
        data: Data,
        left: usize,
        rest: &[u8],
        at: &mut usize,
    ) -> Result<ParseResult, ArchiveError> {
        if !self.inflated.is_empty() {
            return self.take_inflated(data, |data| ReaderState::Piece(data, left));
        }
        if left == 0 {
            self.state = ReaderState::Length(data);
            return Ok(ParseResult::Again);
        }
        if rest.is_empty() {
            return Ok(ParseResult::Wait);
        }
        if let Some(inflater) = &mut self.inflater {
            let (used, filled) = inflater.feed(&rest[..left.min(rest.len())])?;
            self.inflated = 0..filled;
            self.state = ReaderState::Piece(data, left - used);
            *at += used;
        }
        Ok(ParseResult::Again)
    }

    fn drain(&mut self, data: Data) -> Result<ParseResult, ArchiveError> {
        if self.inflated.is_empty() {
            let filled = self.inflater.as_mut().map_or(Ok(0), Inflater::drain)?;
            if filled == 0 {
                return self.end_data(data).map(ParseResult::Event);
            }
            self.inflated = 0..filled;
        }
        self.take_inflated(data, ReaderState::Draining)
    }

    /// Looks at what was inflated and not handed out yet.
    fn take_inflated(
        &mut self,
        mut data: Data,
        state: impl FnOnce(Data) -> ReaderState,
    ) -> Result<ParseResult, ArchiveError> {
        let output = self.inflater.as_ref().map_or(&[][..], Inflater::output);
        let start = self.inflated.start;
        let taken = data.take(&output[self.inflated.clone()])?;
        self.inflated.start += taken.used;
        self.state = state(data);
        let found = DataPlace::of(&taken, start, DataPlace::Inflated);
        Ok(found.map_or(ParseResult::Again, |place| ParseResult::Data(data, place)))
    }

    fn data_event<'s>(&'s self, data: Data, place: DataPlace, input: &'s [u8]) -> ArchiveEvent<'s> {
        let bytes = match place {
            DataPlace::Input(range) => &input[range],
            DataPlace::Inflated(range) => self
                .inflater
                .as_ref()
                .map_or(&[][..], |inflater| &inflater.output()[range]),
            DataPlace::Backslash => b"\\",
        };
        match data {
            Data::Table(..) => ArchiveEvent::Rows(bytes),
            Data::LargeObject(_) => ArchiveEvent::LargeObjectData(bytes),
        }
    }
}

impl Data {
    /// Looks at the front of `piece`, which is not empty.
    fn take(&mut self, piece: &[u8]) -> Result<Taken, ArchiveError> {
        match self {
            Self::Table(_, rows) => rows.take(piece),
            Self::LargeObject(_) => Ok(Taken::all(piece.len())),
        }
    }
}

impl DataPlace {
    /// What was taken of bytes that begin at `start`, if anything of it is data.
    fn of(taken: &Taken, start: usize, place: fn(Range<usize>) -> Self) -> Option<Self> {
        match taken.data {
            TakenData::Nothing => None,
            TakenData::HeldBackslash => Some(Self::Backslash),
            TakenData::First(length) => Some(place(start..start + length)),
        }
    }
}
