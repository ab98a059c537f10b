//! What the server words otherwise once it has read its own words.
//!
//! - A list that the server cast itself is printed as `(ARRAY['a'::character varying])::text[]`. Where that is read again, the cast goes
//!   to the elements: `ARRAY[('a'::character varying)::text]`. So is `status IN ('a', 'b')` over a column of type `varchar`.
//! - Of `a IN (b, c, d)` over columns the server makes `((x AND y) AND z)`, and reads that as `(x AND y AND z)`.
//!
//! Source: `transformTypeCast` and `transformArrayExpr` in PostgreSQL's `parse_expr.c`, `makeAndExpr` in `gram.y`, `ruleutils.c`.

use super::{Scanner, Word};

/// Text with more brackets in each other is left as it is: each takes room on the stack.
const DEEPEST: usize = 200;

/// `sql` as the server words it once it has read it; nothing where that is the same. `has_escapes` is as for
/// [`statements`](super::statements).
pub fn settled(sql: &str, has_escapes: bool) -> Option<String> {
    if !sql.contains("ARRAY[") && !sql.contains(" AND ") && !sql.contains(" OR ") {
        return None;
    }
    let text = Text::read(sql, has_escapes)?;
    let settled = text.rewritten(0, text.words.len(), 0, sql.len());
    (settled != sql).then_some(settled)
}

/// SQL in words.
struct Text<'t> {
    sql: &'t str,
    words: Vec<Word>,
    /// Where each word begins and ends in the text.
    places: Vec<(usize, usize)>,
    /// For each word that opens a bracket, the word that closes it; for all others themselves.
    closes: Vec<usize>,
}

/// The cast of a list, in numbers of words.
struct ListCast<'t> {
    first_element: usize,
    behind_elements: usize,
    /// Behind all of it.
    behind: usize,
    /// The type of the elements, as it is written.
    element_type: &'t str,
    /// Whether the text has all parentheses, and not only those that are needed.
    has_all_parentheses: bool,
}

impl<'t> Text<'t> {
    /// Nothing where brackets do not match.
    fn read(sql: &'t str, has_escapes: bool) -> Option<Self> {
        let mut scanner = Scanner {
            sql,
            at: 0,
            has_escapes,
        };
        let mut text = Self {
            sql,
            words: Vec::new(),
            places: Vec::new(),
            closes: Vec::new(),
        };
        let mut open = Vec::new();
        loop {
            scanner.skip_blanks();
            let start = scanner.at;
            let Some(word) = scanner.next() else { break };
            let own = text.words.len();
            text.closes.push(own);
            match word {
                Word::Sign('(') => open.push((own, ')')),
                Word::Sign('[') => open.push((own, ']')),
                Word::Sign(sign @ (')' | ']')) => {
                    let (opening, _) = open.pop().filter(|(_, closing)| *closing == sign)?;
                    text.closes[opening] = own;
                }
                _ => {}
            }
            if open.len() > DEEPEST {
                return None;
            }
            text.words.push(word);
            text.places.push((start, scanner.at));
        }
        open.is_empty().then_some(text)
    }

    /// The text between `start` and `end`, which has the words from `first` to before `behind`.
    fn rewritten(&self, first: usize, behind: usize, start: usize, end: usize) -> String {
        let (mut text, mut at, mut copied) = (String::new(), first, start);
        while at < behind {
            let (new, next) = if let Some(cast) = self.list_cast(at) {
                (
                    self.list(&cast, cast.first_element, cast.behind_elements),
                    cast.behind,
                )
            } else if let Some(next) = self.chain_in_chain(at) {
                (self.alone(at + 1, next - 1), next)
            } else {
                at += 1;
                continue;
            };
            text.push_str(&self.sql[copied..self.places[at].0]);
            text.push_str(&new);
            at = next;
            copied = self.places[at - 1].1;
        }
        text.push_str(&self.sql[copied..end]);
        text
    }

    /// The text of these words, without what is around them.
    fn alone(&self, first: usize, behind: usize) -> String {
        if first == behind {
            return String::new();
        }
        self.rewritten(first, behind, self.places[first].0, self.places[behind - 1].1)
    }

    /// The words that are in no brackets among these, with their numbers. What is in brackets is passed over.
    fn outside(&self, first: usize, behind: usize) -> impl Iterator<Item = (usize, &Word)> {
        let mut at = first;
        std::iter::from_fn(move || {
            let own = at;
            at = self.closes.get(own)? + 1;
            (own < behind).then(|| (own, &self.words[own]))
        })
    }

    fn is_sign(&self, at: usize, sign: char) -> bool {
        self.words.get(at) == Some(&Word::Sign(sign))
    }

    /// `(ARRAY[…])::type[]` from this word on, or the same without the parentheses.
    fn list_cast(&self, at: usize) -> Option<ListCast<'t>> {
        let has_all_parentheses = self.is_sign(at, '(');
        let array = at + usize::from(has_all_parentheses);
        if !(self.words.get(array)?.is("array") && self.is_sign(array + 1, '[')) {
            return None;
        }
        let (first_element, behind_elements) = (array + 2, self.closes[array + 1]);
        let mut next = behind_elements + 1;
        if has_all_parentheses {
            next = (self.closes[at] == next).then_some(next + 1)?;
        }
        let is_cast = self.is_sign(next, ':') && self.is_sign(next + 1, ':');
        if first_element == behind_elements || !is_cast {
            return None;
        }
        let element_type = next + 2;
        let mut end = element_type;
        while !self.is_sign(end, '[') {
            match self.words.get(end)? {
                // What a type is held to: its length, or digits.
                Word::Sign('(') => end = self.closes[end],
                Word::Sign('.') | Word::Bare(_) | Word::Quoted(_) => {}
                _ => return None,
            }
            end += 1;
        }
        (end > element_type && self.closes[end] == end + 1).then(|| ListCast {
            first_element,
            behind_elements,
            behind: end + 2,
            element_type: &self.sql[self.places[element_type].0..self.places[end - 1].1],
            has_all_parentheses,
        })
    }

    /// The list of these elements with each of them cast; one that is a list itself is cast in its elements.
    fn list(&self, cast: &ListCast<'_>, first: usize, behind: usize) -> String {
        let commas = self
            .outside(first, behind)
            .filter(|(_, word)| **word == Word::Sign(','));
        let ends = commas.map(|(at, _)| at).chain([behind]);
        let mut begins = first;
        let elements = ends.map(|end| {
            let element = self.element(cast, begins, end);
            begins = end + 1;
            element
        });
        format!("ARRAY[{}]", elements.collect::<Vec<_>>().join(", "))
    }

    fn element(&self, cast: &ListCast<'_>, first: usize, behind: usize) -> String {
        let is_list = self.words[first].is("array")
            && self.is_sign(first + 1, '[')
            && self.closes[first + 1] + 1 == behind;
        if is_list {
            return self.list(cast, first + 2, behind - 1);
        }
        let element = self.alone(first, behind);
        let is_operator =
            |word: &Word| matches!(word, Word::Sign(sign) if "+-*/<>=~!@#%^&|`?".contains(*sign));
        let needs_parentheses = self.outside(first, behind).any(|(_, word)| is_operator(word));
        match cast.has_all_parentheses || needs_parentheses {
            true => format!("({element})::{}", cast.element_type),
            false => format!("{element}::{}", cast.element_type),
        }
    }

    /// The word behind `(x AND y)` from this word on, where that begins a chain and `AND z` goes on with it; and the same with `OR`.
    fn chain_in_chain(&self, at: usize) -> Option<usize> {
        let begins_chain = at > 0 && self.is_sign(at - 1, '(') && self.is_sign(at, '(');
        let next = begins_chain.then(|| self.closes[at] + 1)?;
        let joins = self.words.get(next)?;
        let other = match joins {
            joins if joins.is("and") => "or",
            joins if joins.is("or") => "and",
            _ => return None,
        };
        let mut inner = self.outside(at + 1, next - 1);
        let is_chain = inner.any(|(_, word)| word == joins);
        let is_mixed = self.outside(at + 1, next - 1).any(|(_, word)| word.is(other));
        (is_chain && !is_mixed).then_some(next)
    }
}
