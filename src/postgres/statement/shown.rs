//! As much of a statement as a log may show.
//!
//! A question is shown without its constants. Of all else, what it is and what it is about: a definition of an archive or a setting
//! may hold a password anywhere.

use super::{Statement, Word, qualified_name, statements};
use crate::postgres::queries::identifier;

const MOST_CHARS: usize = 1000;

/// What begins a statement that is shown but for its constants.
const QUESTIONS: [&str; 5] = ["select", "with", "show", "begin", "fetch"];

/// As much of the statements in `sql` as a log may show, on one line.
pub fn shown(sql: &str) -> String {
    let parts = statements(sql, false);
    // A backslash may escape a quote or not, by a setting of the session: where a constant ends is not certain then.
    let is_certain = !sql.contains('\\');
    let certain = if is_certain { parts.len() } else { 1 };
    let parts = parts.iter().take(certain);
    let parts = parts.map(|statement| statement.shown(is_certain));
    let text = parts.collect::<Vec<String>>().join("; ");
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl Statement<'_> {
    fn shown(&self, is_certain: bool) -> String {
        let is_question = match self.words.as_slice() {
            [Word::Bare(first), Word::Sign('('), ..] if first == "copy" => true,
            [Word::Bare(first), ..] => QUESTIONS.contains(&first.as_str()),
            _ => false,
        };
        if is_question && is_certain {
            without_constants(&self.words)
        } else {
            kind_and_name(self)
        }
    }
}

/// The words, each constant and number replaced; `$1` stays, as it names a parameter.
fn without_constants(words: &[Word]) -> String {
    let mut text = String::new();
    let mut before: Option<&Word> = None;
    let mut is_parameter = false;
    for word in words {
        let is_digit = is_digit(word);
        let goes_on = is_digit && before.is_some_and(is_digit_or_dollar);
        is_parameter = matches!(word, Word::Sign('$')) || is_parameter && is_digit;
        if !goes_on && !is_tight(before, word) {
            text.push(' ');
        }
        match word {
            Word::Bare(name) => text.push_str(name),
            Word::Quoted(name) => text.push_str(&identifier(name)),
            Word::Sign(sign) if !is_digit || is_parameter => text.push(*sign),
            Word::Sign(_) if goes_on => {}
            Word::Constant | Word::Sign(_) => text.push('?'),
        }
        before = Some(word);
    }
    text
}

fn is_digit(word: &Word) -> bool {
    matches!(word, Word::Sign(sign) if sign.is_ascii_digit())
}

fn is_digit_or_dollar(word: &Word) -> bool {
    is_digit(word) || matches!(word, Word::Sign('$'))
}

/// Whether no space is wanted between two words.
fn is_tight(before: Option<&Word>, word: &Word) -> bool {
    let is_operator =
        |word: Option<&Word>| matches!(word, Some(Word::Sign(sign)) if "<>=!|&-+*/~@#%^".contains(*sign));
    is_operator(before) && is_operator(Some(word))
        || matches!(before, None | Some(Word::Sign('.' | '(' | '[' | ':')))
        || matches!(word, Word::Sign('.' | ',' | '(' | ')' | '[' | ']' | ':'))
}

/// What a statement does and to what, such as `CREATE INDEX public.by_name`: its words in capitals, as this program and pg_dump write
/// keywords, and the name behind them.
fn kind_and_name(statement: &Statement<'_>) -> String {
    let is_keyword = |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase());
    let keywords: Vec<&str> = statement.text.split_whitespace().take_while(is_keyword).collect();
    let behind = statement.words.get(keywords.len()..).unwrap_or_default();
    let name = qualified_name(behind).map(|(parts, _)| parts.join("."));
    let parts: Vec<String> = keywords.into_iter().map(str::to_owned).chain(name).collect();
    if parts.is_empty() {
        return "a statement".to_owned();
    }
    parts.join(" ")
}
