//! The archive's table of contents.

use super::cursor::{Cursor, HEAD_LIMIT_BYTES, Short};
use super::error::ArchiveError;
use super::header::Header;

/// The number by which entries and data blocks refer to each other. Always positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DumpId(pub i32);

/// When an entry is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// With the entry before it.
    None,
    /// Before the data.
    PreData,
    /// Among the data.
    Data,
    /// After the data.
    PostData,
}

/// One thing the archive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: DumpId,
    /// Whether a data block belongs to it.
    pub has_data: bool,
    /// The oid of the catalog that describes it, or 0.
    pub catalog_oid: u32,
    /// Its oid in that catalog, or 0.
    pub oid: u32,
    /// Its name; for functions with the arguments, for constraints with the table.
    pub tag: String,
    /// What it is, in pg_dump's words: `TABLE`, `TABLE DATA`, `FK CONSTRAINT`, …
    pub kind: String,
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
    /// Its tablespace.
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

/// Everything before the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The header.
    pub header: Header,
    /// The entries, in the archive's order.
    pub entries: Vec<Entry>,
    /// Length of header and table of contents, in bytes.
    pub head_bytes: u64,
}

impl Contents {
    /// The entry with that number.
    pub fn entry(&self, id: DumpId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }
}

/// Header and entries as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
    /// Where the next value to read begins.
    at: usize,
    /// No attempt is worth making with fewer bytes.
    needs: usize,
    header: Option<Header>,
    expected: Option<usize>,
    entries: Vec<Entry>,
}

impl Head {
    /// Takes from the front of `input`. When all is there, says how much of `input` belonged to it.
    pub(super) fn feed(&mut self, input: &[u8]) -> Result<Option<(usize, Contents)>, ArchiveError> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(input);
        if self.bytes.len() < self.needs {
            return Ok(None);
        }
        match self.advance() {
            Ok(header) => {
                let contents = Contents {
                    header,
                    entries: std::mem::take(&mut self.entries),
                    head_bytes: self.at as u64,
                };
                self.bytes = Vec::new();
                Ok(Some((self.at - before, contents)))
            }
            Err(Short::Needs(length)) if length > HEAD_LIMIT_BYTES => Err(ArchiveError::TooLarge),
            Err(Short::Needs(length)) => {
                self.needs = length;
                Ok(None)
            }
            Err(Short::Error(error)) => Err(error),
        }
    }

    /// Reads what can be read, remembering the end of the last whole value.
    fn advance(&mut self) -> Result<Header, Short> {
        let header = if let Some(header) = self.header.take() {
            header
        } else {
            let mut cursor = Cursor::new(&self.bytes, 0, 0);
            let header = Header::read(&mut cursor)?;
            self.at = cursor.position();
            header
        };
        let entries = self.advance_entries(&header);
        self.header = Some(header.clone());
        entries.map(|()| header)
    }

    fn advance_entries(&mut self, header: &Header) -> Result<(), Short> {
        let mut cursor = Cursor::new(&self.bytes, self.at, header.int_bytes);
        let expected = if let Some(expected) = self.expected {
            expected
        } else {
            let count = usize::try_from(cursor.int()?);
            let count = count.map_err(|_| ArchiveError::Malformed("a negative number of entries"))?;
            self.at = cursor.position();
            *self.expected.insert(count)
        };
        while self.entries.len() < expected {
            let entry = read_entry(&mut cursor, header)?;
            self.at = cursor.position();
            self.entries.push(entry);
        }
        Ok(())
    }
}

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
    let mut dependencies = Vec::new();
    while let Some(dependency) = cursor.string()? {
        let number = dependency.trim().parse();
        dependencies.push(DumpId(
            number.map_err(|_| ArchiveError::Malformed("a dependency that is no number"))?,
        ));
    }
    // The offset of the data, which an archive written to a pipe cannot know.
    let _offset_state = cursor.byte()?;
    let _offset = cursor.take(usize::from(header.offset_bytes))?;
    Ok(Entry {
        id: DumpId(id),
        has_data,
        catalog_oid,
        oid,
        tag: tag.to_owned(),
        kind: kind.to_owned(),
        section,
        definition: definition.to_owned(),
        drop_statement: drop_statement.to_owned(),
        copy_statement: copy_statement.to_owned(),
        schema: schema.map(str::to_owned),
        tablespace: tablespace.map(str::to_owned),
        access_method: access_method.filter(|name| !name.is_empty()).map(str::to_owned),
        relation_kind: u8::try_from(relation_kind)
            .ok()
            .filter(|kind| *kind != 0)
            .map(char::from),
        owner: owner.to_owned(),
        dependencies,
    })
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
