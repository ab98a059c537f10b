//! Which rows are meant: `--where COLUMN=VALUE`.

use std::cmp::Ordering;
use std::fmt;

use super::column::{Column, ColumnKind};
use super::copy_text::{is_null, value};
use super::name::{Identifier, shown};
use super::number::Number;
use crate::error::{Error, Kind, Result};
use crate::model::nearest::{did_you_mean, nearest};

/// A condition as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowCondition {
    column: Identifier,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    IsNull,
    IsNotNull,
    Compare(Operator, String),
}

/// How two values are to be to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Operators as they are typed; what begins like another one comes first.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::Unequal),
    ("<>", Operator::Unequal),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// A condition on a column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The column's place among those of the table.
    pub column: usize,
    comparison: ComparedAs,
    /// The condition for people, with how its values are compared.
    told: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ComparedAs {
    IsNull,
    IsNotNull,
    Number(Operator, Number),
    /// A text, or `t` or `f`.
    Text(Operator, Vec<u8>),
}

impl RowCondition {
    /// Reads `COLUMN=VALUE` with any of the operators, `COLUMN IS NULL` or `COLUMN IS NOT NULL`.
    pub fn parse(text: &str) -> Result<Self> {
        let unusable = |why: &str| {
            Error::new(Kind::Usage, format!("{text:?} is no condition: {why}")).hint(
                "write COLUMN=VALUE, with = != < <= > or >=, or 'COLUMN IS NULL' or 'COLUMN IS NOT NULL'",
            )
        };
        let is_end = |mark: char| mark.is_whitespace() || "=!<>".contains(mark);
        let (column, rest) =
            Identifier::take(text.trim(), is_end).ok_or_else(|| unusable("it begins with no column"))?;
        let rest = rest.trim_start();
        let words: Vec<String> = rest.split_whitespace().map(str::to_uppercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let asked = match words[..] {
            ["IS", "NULL"] => Test::IsNull,
            ["IS", "NOT", "NULL"] => Test::IsNotNull,
            _ => {
                let known = OPERATORS
                    .iter()
                    .find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)));
                let (operator, value) =
                    known.ok_or_else(|| unusable("it has no operator behind the column"))?;
                let value = value.trim();
                if value.eq_ignore_ascii_case("null") {
                    return Err(unusable(
                        "nothing equals NULL: write IS NULL, or 'NULL' in quotes for that text",
                    ));
                }
                Test::Compare(operator, literal(value))
            }
        };
        Ok(Self { column, test: asked })
    }

    /// The condition on one of these columns of `table`.
    pub fn on(&self, table: &str, columns: &[Column]) -> Result<Bound> {
        let place = place_of(&self.column, table, columns)?;
        let (name, kind) = (&columns[place].name, columns[place].kind);
        let (comparison, how) = match &self.test {
            Test::IsNull => (ComparedAs::IsNull, String::new()),
            Test::IsNotNull => (ComparedAs::IsNotNull, String::new()),
            Test::Compare(operator, value) => {
                let (comparison, how) = compared(*operator, value, kind);
                (comparison, format!(", compared as {how}"))
            }
        };
        Ok(Bound {
            column: place,
            comparison,
            told: format!("{} {}{how}", shown(name), self.test),
        })
    }
}

/// The place of the column that a person means.
pub fn place_of(typed: &Identifier, table: &str, columns: &[Column]) -> Result<usize> {
    let names = columns.iter().map(|column| column.name.as_str());
    typed.among(names.clone()).ok_or_else(|| {
        let listed: Vec<String> = names.clone().map(shown).collect();
        let listed = match listed.is_empty() {
            true => "it has no columns".to_owned(),
            false => format!("it has {}", listed.join(", ")),
        };
        Error::new(
            Kind::Usage,
            format!("{table} has no stored column {}", shown(&typed.typed)),
        )
        .hint(did_you_mean(nearest(&typed.name, names), &listed))
    })
}

/// A value as it was typed: in single quotes as in SQL, or as it is.
fn literal(typed: &str) -> String {
    let inner = typed.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match inner {
        Some(inner) => inner.replace("''", "'"),
        None => typed.to_owned(),
    }
}

fn compared(operator: Operator, value: &str, kind: ColumnKind) -> (ComparedAs, &'static str) {
    let text = || ComparedAs::Text(operator, value.as_bytes().to_vec());
    match kind {
        ColumnKind::Number => match Number::parse(value.as_bytes()) {
            Some(number) => (ComparedAs::Number(operator, number), "numbers"),
            None => (text(), "text"),
        },
        ColumnKind::Boolean => {
            let letter = match value.to_lowercase().as_str() {
                "t" | "true" | "yes" | "on" | "1" => "t",
                "f" | "false" | "no" | "off" | "0" => "f",
                _ => return (text(), "text"),
            };
            (ComparedAs::Text(operator, letter.into()), "booleans")
        }
        ColumnKind::Text => (text(), "text"),
    }
}

impl Bound {
    /// Whether a field of the column is meant.
    pub fn holds(&self, field: &[u8]) -> bool {
        match &self.comparison {
            ComparedAs::IsNull => is_null(field),
            ComparedAs::IsNotNull => !is_null(field),
            ComparedAs::Number(operator, number) => value(field)
                .and_then(|value| Number::parse(&value))
                .is_some_and(|value| operator.holds(value.cmp(number))),
            ComparedAs::Text(operator, text) => {
                value(field).is_some_and(|value| operator.holds((*value).cmp(&text[..])))
            }
        }
    }
}

impl Operator {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Unequal => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsNull => f.write_str("IS NULL"),
            Self::IsNotNull => f.write_str("IS NOT NULL"),
            Self::Compare(operator, value) => write!(f, "{} {value}", operator.sign()),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::RowCondition;
    use crate::model::rescue::column::{Column, ColumnKind};

    fn columns() -> Vec<Column> {
        [
            ("id", ColumnKind::Number),
            ("note", ColumnKind::Text),
            ("ok", ColumnKind::Boolean),
            ("Odd = \"name\"", ColumnKind::Text),
            ("Camel", ColumnKind::Text),
        ]
        .map(|(name, kind)| Column {
            name: name.to_owned(),
            kind,
        })
        .into()
    }

    fn holds(condition: &str, field: &str) -> bool {
        let bound = RowCondition::parse(condition).and_then(|condition| condition.on("public.t", &columns()));
        bound
            .unwrap_or_else(|error| panic!("{condition}: {error}"))
            .holds(field.as_bytes())
    }

    #[test]
    fn conditions_are_compared_as_their_columns_are() {
        for (condition, meant, other) in [
            ("id=9007199254740993", "9007199254740993", "9007199254740992"),
            ("id = 1.0", "1", "10"),
            ("id<10", "9", "10"),
            ("id <= 10", "10", "11"),
            ("id>=-5", "-5", "-6"),
            ("id!=7", "8", "7"),
            ("ID<>7", "8", "7.00"),
            ("id=x", "x", "1"),
            ("note<10", "1", "9"),
            ("note=a\tb", "a\\tb", "a b"),
            ("note = 'it''s '", "it's ", "it's"),
            ("note='NULL'", "NULL", "\\N"),
            ("note=", "", "\\N"),
            ("note!=x", "y", "\\N"),
            ("note is null", "\\N", ""),
            ("note IS  NOT NULL", "", "\\N"),
            ("ok=true", "t", "f"),
            ("ok=No", "f", "t"),
            ("\"Odd = \"\"name\"\"\"=<5", "<5", "5"),
            ("Camel=>x", ">x", "x"),
        ] {
            assert!(holds(condition, meant), "{condition} is {meant:?}");
            assert!(!holds(condition, other), "{condition} is not {other:?}");
        }
    }

    #[test]
    fn how_it_is_compared_is_told() {
        let told = |condition: &str| {
            let bound = RowCondition::parse(condition).and_then(|condition| condition.on("t", &columns()));
            bound.expect(condition).to_string()
        };
        assert_eq!(told("id=07"), "id = 07, compared as numbers");
        assert_eq!(told("id=seven"), "id = seven, compared as text");
        assert_eq!(told("Camel>x"), "\"Camel\" > x, compared as text");
        assert_eq!(told("ok=1"), "ok = 1, compared as booleans");
        assert_eq!(told("note is not null"), "note IS NOT NULL");
    }

    #[test]
    fn what_is_no_condition_is_refused_with_what_to_write() {
        for text in [
            "",
            "id",
            "=5",
            "id IS",
            "id LIKE x",
            "\"id=5",
            "id=NULL",
            "id = null",
        ] {
            let error = RowCondition::parse(text).expect_err(text);
            assert!(error.next_step().expect("a hint").contains("IS NULL"), "{error}");
        }
        let unknown = RowCondition::parse("nota=5")
            .expect("a condition")
            .on("public.t", &columns());
        let error = unknown.expect_err("no such column");
        assert_eq!(error.message(), "public.t has no stored column nota");
        let hint = error.next_step().expect("a hint");
        assert!(hint.starts_with("did you mean note? it has id, note"), "{hint}");
    }
}
