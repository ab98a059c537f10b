//! SQL in words, as the server's scanner would see them: what is inside quotes, comments and dollar quotes is never taken for
//! syntax. The rules are those of PostgreSQL's `scan.l`, as far as definitions written by pg_dump need them.

mod settled;
mod shown;

pub use self::settled::settled;
pub use self::shown::shown;
use super::queries::identifier;

/// One word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// A keyword or an unquoted name, in lower case.
    Bare(String),
    /// What is between double quotes.
    Quoted(String),
    /// A string constant of any kind.
    Constant,
    /// A number, an operator's character or punctuation.
    Sign(char),
}

/// One statement of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text without the semicolon.
    pub text: &'a str,
    words: Vec<Word>,
}

/// A foreign key in the two steps in which it can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKeySteps {
    /// The table that has it: its schema, where that is given, and its name.
    pub table: Vec<String>,
    /// Makes it for rows to come.
    pub attach: String,
    /// Checks the rows that are there.
    pub validate: String,
}

/// The statements in `sql`. `has_escapes` says whether a backslash escapes in every string, as it does where
/// `standard_conforming_strings` is off.
pub fn statements(sql: &str, has_escapes: bool) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut words = Vec::new();
    let mut scanner = Scanner {
        sql,
        at: 0,
        has_escapes,
    };
    let mut start = 0;
    loop {
        let word = scanner.next();
        if !matches!(word, None | Some(Word::Sign(';'))) {
            words.extend(word);
            continue;
        }
        let end = if word.is_some() { scanner.at - 1 } else { sql.len() };
        if !words.is_empty() {
            found.push(Statement {
                text: sql[start..end].trim(),
                words: std::mem::take(&mut words),
            });
        }
        start = scanner.at;
        if word.is_none() {
            return found;
        }
    }
}

impl Statement<'_> {
    /// The two steps of `ALTER TABLE ONLY t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u(b)`. Nothing where it takes one step: a key
    /// of a partitioned table is written without ONLY and cannot be attached unchecked; one that is NOT VALID or NOT ENFORCED already
    /// checks no rows.
    pub fn foreign_key_steps(&self) -> Option<ForeignKeySteps> {
        let rest = strip(&self.words, &["alter", "table", "only"])?;
        let (table, rest) = qualified_name(rest)?;
        let rest = strip(rest, &["add", "constraint"])?;
        let (name, rest) = (rest.first()?.name()?, &rest[1..]);
        let rest = strip(rest, &["foreign", "key"])?;
        let checks_no_rows = rest
            .windows(2)
            .any(|pair| pair[0].is("not") && (pair[1].is("valid") || pair[1].is("enforced")));
        if checks_no_rows {
            return None;
        }
        let quoted: Vec<String> = table.iter().map(|part| identifier(part)).collect();
        Some(ForeignKeySteps {
            attach: format!("{} NOT VALID", self.text),
            validate: format!(
                "ALTER TABLE ONLY {} VALIDATE CONSTRAINT {}",
                quoted.join("."),
                identifier(name)
            ),
            table,
        })
    }
}

impl Word {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Bare(word) if word == keyword)
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Bare(name) | Self::Quoted(name) => Some(name),
            Self::Constant | Self::Sign(_) => None,
        }
    }
}

/// What follows the keywords, where `words` begins with them.
fn strip<'w>(words: &'w [Word], keywords: &[&str]) -> Option<&'w [Word]> {
    let begins = words.len() >= keywords.len() && words.iter().zip(keywords).all(|(word, key)| word.is(key));
    begins.then(|| &words[keywords.len()..])
}

/// A name with what it is qualified with, and what follows it.
fn qualified_name(mut words: &[Word]) -> Option<(Vec<String>, &[Word])> {
    let mut parts = Vec::new();
    loop {
        parts.push(words.first()?.name()?.to_owned());
        words = &words[1..];
        match words.first() {
            Some(Word::Sign('.')) => words = &words[1..],
            _ => return Some((parts, words)),
        }
    }
}

struct Scanner<'a> {
    sql: &'a str,
    at: usize,
    has_escapes: bool,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<Word> {
        self.skip_blanks();
        let first = self.peek()?;
        if is_of_a_name(first) && !first.is_ascii_digit() {
            return Some(self.word());
        }
        match first {
            '"' => Some(Word::Quoted(self.quoted('"', false))),
            '\'' => {
                self.quoted('\'', self.has_escapes);
                Some(Word::Constant)
            }
            '$' => Some(self.dollar()),
            _ => {
                self.at += first.len_utf8();
                Some(Word::Sign(first))
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.sql[self.at..].chars().next()
    }

    fn begins(&self, text: &str) -> bool {
        self.sql[self.at..].starts_with(text)
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.sql[self.at..];
            self.at = self.sql.len() - rest.trim_start().len();
            if self.begins("--") {
                let rest = &self.sql[self.at..];
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if self.begins("/*") {
                self.skip_comment();
            } else {
                return;
            }
        }
    }

    /// Comments of this kind nest.
    fn skip_comment(&mut self) {
        let mut depth = 0;
        while let Some(mark) = self.peek() {
            if self.begins("/*") {
                depth += 1;
                self.at += 2;
            } else if self.begins("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += mark.len_utf8();
            }
        }
    }

    /// A name or keyword, or the constant that one of `E`, `B`, `X`, `N` and `U&` begins.
    fn word(&mut self) -> Word {
        let rest = &self.sql[self.at..];
        let end = rest.find(|mark| !is_of_a_name(mark) && mark != '$');
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        if word.len() == 1 && self.begins("'") && "eEbBxXnN".contains(word) {
            self.quoted('\'', self.has_escapes || word.eq_ignore_ascii_case("e"));
            return Word::Constant;
        }
        if word.eq_ignore_ascii_case("u") && (self.begins("&'") || self.begins("&\"")) {
            self.at += 1;
            let quote = if self.begins("'") { '\'' } else { '"' };
            let inner = self.quoted(quote, false);
            return if quote == '"' {
                Word::Quoted(inner)
            } else {
                Word::Constant
            };
        }
        Word::Bare(word.to_lowercase())
    }

    /// What is between the quotes, each doubled one once.
    fn quoted(&mut self, quote: char, has_escapes: bool) -> String {
        let mut inner = String::new();
        self.at += 1;
        while let Some(mark) = self.peek() {
            self.at += mark.len_utf8();
            if mark == quote {
                if self.peek() != Some(quote) {
                    break;
                }
                self.at += 1;
            } else if has_escapes && mark == '\\' {
                self.at += self.peek().map_or(0, char::len_utf8);
            }
            inner.push(mark);
        }
        inner
    }

    /// `$tag$ … $tag$`, or a `$` by itself.
    fn dollar(&mut self) -> Word {
        let rest = &self.sql[self.at..];
        let tag = rest[1..].find('$').map(|end| &rest[..end + 2]);
        let is_tag = |tag: &&str| {
            let inner = &tag[1..tag.len() - 1];
            !inner.starts_with(|mark: char| mark.is_ascii_digit()) && inner.chars().all(is_of_a_name)
        };
        let Some(tag) = tag.filter(is_tag) else {
            self.at += 1;
            return Word::Sign('$');
        };
        let body = &rest[tag.len()..];
        let end = body
            .find(tag)
            .map_or(rest.len(), |end| tag.len() + end + tag.len());
        self.at += end;
        Word::Constant
    }
}

fn is_of_a_name(mark: char) -> bool {
    mark.is_ascii_alphanumeric() || mark == '_' || !mark.is_ascii()
}
