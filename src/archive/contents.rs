//! The archive's table of contents.

use std::borrow::Cow;

use super::cursor::{Cursor, Short};
use super::error::ArchiveError;
use super::header::Header;
use super::kind::EntryKind;
use super::limits::MAX_ENTRIES;

/// The number by which entries and data blocks refer to each other. Always positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DumpId(pub i32);

/// When an entry is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// With the entry before it.
    None,
    PreData,
    Data,
    PostData,
}

/// One thing the archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: DumpId,
    /// Whether a data block belongs to it.
    pub has_data: bool,
    /// The oid of the catalog that describes it, or 0.
    pub catalog_oid: u32,
    /// Its oid in that catalog, or 0.
    pub oid: u32,
    /// Its name; for functions with the arguments, for constraints with the table.
    pub tag: String,
    /// What it is.
    pub kind: EntryKind,
    /// When it is made.
    pub section: Section,
    /// The SQL that makes it.
    pub definition: String,
    /// The SQL that drops it.
    pub drop_statement: String,
    /// The COPY statement that loads its data.
    pub copy_statement: String,
    /// The schema it belongs to.
    pub schema: Option<String>,
    pub tablespace: Option<String>,
    /// Its table access method, since version 1.14.
    pub access_method: Option<String>,
    /// Its kind of relation as in `pg_class.relkind`, since version 1.16.
    pub relation_kind: Option<char>,
    /// Its owner; empty where the dump leaves owners out.
    pub owner: String,
    /// The entries that must be made before it.
    pub dependencies: Vec<DumpId>,
}

impl Entry {
    /// The column list of its `COPY public.users (id, "Full Name") FROM stdin;`, with its parentheses; empty where a table has none.
    pub fn copied_columns(&self) -> &str {
        let Some(end) = self.copy_statement.rfind(" FROM ") else {
            return "";
        };
        let head = &self.copy_statement[..end];
        // Names may hold parentheses and blanks inside double quotes only.
        let mut is_quoted = false;
        for (at, mark) in head.char_indices() {
            match mark {
                '"' => is_quoted = !is_quoted,
                '(' if !is_quoted => return head[at..].trim_end(),
                _ => {}
            }
        }
        ""
    }

    /// The names of these columns, unquoted.
    pub fn copied_column_names(&self) -> Vec<String> {
        let listed = self.copied_columns();
        let listed = listed.trim_start_matches('(').trim_end_matches(')');
        let (mut columns, mut column, mut is_quoted) = (Vec::new(), String::new(), false);
        let mut marks = listed.chars().peekable();
        while let Some(mark) = marks.next() {
            match mark {
                '"' if is_quoted && marks.peek() == Some(&'"') => {
                    marks.next();
                    column.push('"');
                }
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => columns.push(std::mem::take(&mut column)),
                ' ' if !is_quoted => {}
                _ => column.push(mark),
            }
        }
        columns.push(column);
        columns.retain(|column| !column.is_empty());
        columns
    }
}

/// Everything before the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    pub header: Header,
    /// The entries, in the archive's order.
    pub entries: Vec<Entry>,
    /// Length of header and table of contents, in bytes.
    pub head_bytes: u64,
    /// The place of each entry among them, in the order of their numbers.
    places: Vec<(DumpId, u32)>,
}

impl Contents {
    fn new(header: Header, entries: Vec<Entry>, head_bytes: u64) -> Result<Self, ArchiveError> {
        let mut places: Vec<(DumpId, u32)> = entries
            .iter()
            .zip(0..)
            .map(|(entry, place)| (entry.id, place))
            .collect();
        places.sort_unstable();
        if places.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(ArchiveError::Malformed("two entries with one number"));
        }
        Ok(Self {
            header,
            entries,
            head_bytes,
            places,
        })
    }

    /// The entry with that number.
    pub fn entry(&self, id: DumpId) -> Option<&Entry> {
        let found = self.places.binary_search_by_key(&id, |(known, _)| *known).ok()?;
        let place = usize::try_from(self.places.get(found)?.1).ok()?;
        self.entries.get(place)
    }
}

/// So much input at most is looked at together, so that what follows the head is not copied with it.
const PIECE_BYTES: usize = 64 << 10;

/// Header and entries as far as they have come. What was read is never read again, and is not kept: a value that has not come whole
/// is tried once more when it has. Places are counted from the archive's beginning.
#[derive(Debug, Default)]
pub(super) struct HeadParser {
    bytes: Vec<u8>,
    /// Where these bytes begin.
    start: usize,
    /// Where the next value to read begins.
    at: usize,
    /// No attempt is worth making with fewer bytes of the archive.
    needs: usize,
    header: Option<Header>,
    expected: Option<usize>,
    entries: Vec<Entry>,
    /// An entry whose dependencies have not all come.
    begun: Option<Entry>,
}

impl HeadParser {
    /// Takes from the front of `input`. When all is there, says how much of `input` belonged to it.
    pub(super) fn feed(&mut self, input: &[u8]) -> Result<Option<(usize, Contents)>, ArchiveError> {
        let before = self.start + self.bytes.len();
        for piece in input.chunks(PIECE_BYTES) {
            self.bytes.extend_from_slice(piece);
            if self.start + self.bytes.len() < self.needs {
                continue;
            }
            match self.advance() {
                Ok(header) => {
                    self.bytes = Vec::new();
                    let entries = std::mem::take(&mut self.entries);
                    let contents = Contents::new(header, entries, self.at as u64)?;
                    return Ok(Some((self.at - before, contents)));
                }
                Err(Short::Needs(length)) => {
                    self.needs = length;
                    self.forget();
                }
                Err(Short::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Lets go of what was read, once it is most of what is kept: then no byte is moved often.
    fn forget(&mut self) {
        let read = self.at - self.start;
        if read > self.bytes.len() / 2 {
            self.bytes.drain(..read);
            self.start = self.at;
        }
    }

    /// Reads what can be read, remembering the end of the last whole value.
    fn advance(&mut self) -> Result<Header, Short> {
        let header = if let Some(header) = self.header.take() {
            header
        } else {
            let mut cursor = Cursor::new(&self.bytes, 0, 0, 0);
            let header = Header::read(&mut cursor)?;
            self.at = cursor.position();
            header
        };
        if let Err(short) = self.advance_entries(&header) {
            self.header = Some(header);
            return Err(short);
        }
        Ok(header)
    }

    fn advance_entries(&mut self, header: &Header) -> Result<(), Short> {
        let mut cursor = Cursor::new(&self.bytes, self.start, self.at, header.int_bytes);
        let expected = if let Some(expected) = self.expected {
            expected
        } else {
            let count = usize::try_from(cursor.int()?);
            let count = count.map_err(|_| ArchiveError::Malformed("a negative number of entries"))?;
            if count > MAX_ENTRIES {
                return Err(ArchiveError::TooManyEntries(count).into());
            }
            self.at = cursor.position();
            *self.expected.insert(count)
        };
        while self.entries.len() < expected {
            let mut entry = match self.begun.take() {
                Some(entry) => entry,
                None => read_entry(&mut cursor, header)?,
            };
            self.at = cursor.position();
            loop {
                match read_dependency(&mut cursor, header) {
                    Ok(Some(dependency)) => entry.dependencies.push(dependency),
                    Ok(None) => break,
                    Err(short) => {
                        self.begun = Some(entry);
                        return Err(short);
                    }
                }
                self.at = cursor.position();
            }
            self.at = cursor.position();
            entry.dependencies.shrink_to_fit();
            self.entries.push(entry);
        }
        Ok(())
    }
}

/// An entry up to its dependencies.
fn read_entry(cursor: &mut Cursor<'_>, header: &Header) -> Result<Entry, Short> {
    let version = header.version;
    let id = cursor.int()?;
    if id <= 0 {
        return Err(ArchiveError::Malformed("an entry without a number").into());
    }
    let has_data = cursor.int()? != 0;
    let catalog_oid = read_oid(cursor)?;
    let oid = read_oid(cursor)?;
    let tag = cursor.text()?;
    let kind = cursor.text()?;
    let section = match cursor.int()? {
        1 => Section::None,
        2 => Section::PreData,
        3 => Section::Data,
        4 => Section::PostData,
        _ => return Err(ArchiveError::Malformed("an unknown section").into()),
    };
    let definition = cursor.text()?;
    let drop_statement = cursor.text()?;
    let copy_statement = cursor.text()?;
    let schema = cursor.string()?.filter(|name| !name.is_empty());
    let tablespace = cursor.string()?.filter(|name| !name.is_empty());
    let access_method = if version.is_at_least(14) {
        cursor.string()?
    } else {
        None
    };
    let relation_kind = if version.is_at_least(16) { cursor.int()? } else { 0 };
    let owner = cursor.text()?;
    let _with_oids = cursor.string()?;
    Ok(Entry {
        id: DumpId(id),
        has_data,
        catalog_oid,
        oid,
        tag: tag.into_owned(),
        kind: EntryKind::from(&*kind),
        section,
        definition: definition.into_owned(),
        drop_statement: drop_statement.into_owned(),
        copy_statement: copy_statement.into_owned(),
        schema: schema.map(Cow::into_owned),
        tablespace: tablespace.map(Cow::into_owned),
        access_method: access_method.filter(|name| !name.is_empty()).map(Cow::into_owned),
        relation_kind: u8::try_from(relation_kind)
            .ok()
            .filter(|kind| *kind != 0)
            .map(char::from),
        owner: owner.into_owned(),
        dependencies: Vec::new(),
    })
}

/// The next dependency of an entry, or the entry's end.
fn read_dependency(cursor: &mut Cursor<'_>, header: &Header) -> Result<Option<DumpId>, Short> {
    if let Some(dependency) = cursor.string()? {
        let number = dependency.trim().parse();
        let number = number.map_err(|_| ArchiveError::Malformed("a dependency that is no number"))?;
        return Ok(Some(DumpId(number)));
    }
    // The offset of the data, which an archive written to a pipe cannot know.
    let _offset_state = cursor.byte()?;
    let _offset = cursor.take(usize::from(header.offset_bytes))?;
    Ok(None)
}

/// Oids are written as decimal text.
fn read_oid(cursor: &mut Cursor<'_>) -> Result<u32, Short> {
    let text = cursor.text()?;
    if text.is_empty() {
        return Ok(0);
    }
    text.parse()
        .map_err(|_| ArchiveError::Malformed("an oid that is no number").into())
}
