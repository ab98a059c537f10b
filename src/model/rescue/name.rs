//! Names as a person types them: as in SQL, where what is not quoted is lower case.

use std::fmt;

use crate::error::{Error, Kind, Result};

/// One name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// What it means in SQL.
    pub name: String,
    /// What was typed, without quotes: a shell may have eaten them.
    pub typed: String,
}

/// A relation, with its schema where that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationName {
    /// The schema.
    pub schema: Option<Identifier>,
    /// The name within it.
    pub name: Identifier,
}

impl Identifier {
    /// The name at the front of `text`, and what follows it. A name without quotes ends before one of `ends`. Nothing where there is
    /// none, or where its quotes are not closed.
    pub fn take(text: &str, ends: impl Fn(char) -> bool) -> Option<(Self, &str)> {
        if let Some(mut rest) = text.strip_prefix('"') {
            let mut name = String::new();
            loop {
                let (part, after) = rest.split_once('"')?;
                name.push_str(part);
                match after.strip_prefix('"') {
                    Some(more) => {
                        name.push('"');
                        rest = more;
                    }
                    None if name.is_empty() => return None,
                    None => {
                        let typed = name.clone();
                        return Some((Self { name, typed }, after));
                    }
                }
            }
        }
        let end = text.find(ends).unwrap_or(text.len());
        let typed = text[..end].to_owned();
        let name = typed.to_lowercase();
        (!typed.is_empty()).then_some((Self { name, typed }, &text[end..]))
    }

    /// All names of a list between commas; nothing where it is none.
    pub fn list(text: &str) -> Option<Vec<Self>> {
        let (mut names, mut rest) = (Vec::new(), text);
        loop {
            let (name, after) = Self::take(rest.trim_start(), |mark| mark == ',' || mark.is_whitespace())?;
            names.push(name);
            match after.trim_start() {
                "" => return Some(names),
                after => rest = after.strip_prefix(',')?,
            }
        }
    }

    /// Which of `known` is meant: the one of that name, otherwise the one that was typed.
    pub fn among<'a>(&self, known: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
        let mut again = known.clone();
        let mut known = known;
        known
            .position(|known| known == self.name)
            .or_else(|| again.position(|known| known == self.typed))
    }
}

impl RelationName {
    /// Reads `table`, `schema.table` or `"Schema"."Table"`.
    pub fn parse(text: &str) -> Result<Self> {
        let unusable = || {
            Error::new(Kind::Usage, format!("{text:?} is no table's name"))
                .hint("write SCHEMA.TABLE, each in double quotes where it has a dot, a blank or a capital: '\"Odd\".\"Name\"'")
        };
        let is_end = |mark: char| mark == '.';
        let (first, rest) = Identifier::take(text.trim(), is_end).ok_or_else(unusable)?;
        if rest.is_empty() {
            return Ok(Self {
                schema: None,
                name: first,
            });
        }
        let rest = rest.strip_prefix('.').ok_or_else(unusable)?;
        let (name, rest) = Identifier::take(rest, is_end).ok_or_else(unusable)?;
        match rest {
            "" => Ok(Self {
                schema: Some(first),
                name,
            }),
            _ => Err(unusable()),
        }
    }

    /// Whether that relation may be meant, taken as SQL takes the name.
    pub fn is(&self, schema: &str, name: &str) -> bool {
        self.name.name == name && self.schema.as_ref().is_none_or(|typed| typed.name == schema)
    }

    /// Whether that relation may be meant, where quotes were forgotten.
    pub fn is_typed(&self, schema: &str, name: &str) -> bool {
        self.name.typed == name && self.schema.as_ref().is_none_or(|typed| typed.typed == schema)
    }
}

impl fmt::Display for RelationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", shown(&schema.typed))?;
        }
        f.write_str(&shown(&self.name.typed))
    }
}

/// A name as SQL wants it, with any characters in it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name for people: in quotes only where SQL would read it otherwise.
pub fn shown(name: &str) -> String {
    let is_plain = |mark: u8| mark.is_ascii_lowercase() || mark.is_ascii_digit() || mark == b'_';
    match name.bytes().all(is_plain) && !name.starts_with(|mark: char| mark.is_ascii_digit()) {
        true if !name.is_empty() => name.to_owned(),
        _ => quoted(name),
    }
}

/// A relation's whole name for people.
pub fn shown_relation(schema: &str, name: &str) -> String {
    format!("{}.{}", shown(schema), shown(name))
}
