//! What pg_dump's definitions of tables and domains say of columns.

use super::column::ColumnKind;
use super::name::Identifier;

/// The type of a column or domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefinedType {
    /// One whose values are known.
    Known(ColumnKind),
    /// One that is defined elsewhere, by schema and name.
    Named(String, String),
}

/// A table as it is defined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefinedTable {
    /// Its own columns with their types, in order.
    pub columns: Vec<(String, DefinedType)>,
    /// Tables that it has further columns of, by schema and name.
    pub parents: Vec<(String, String)>,
    /// Whether its rows are all in partitions.
    pub is_partitioned: bool,
}

/// Types whose values are numbers.
const NUMBERS: [&str; 6] = [
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric",
];

impl DefinedTable {
    /// Reads `CREATE TABLE public.t (id bigint NOT NULL, …) INHERITS (public.u);`.
    pub fn parse(definition: &str) -> Self {
        let mut table = Self::default();
        let Some(start) = unquoted(definition)
            .find(|(_, mark)| *mark == '(')
            .map(|(at, _)| at)
        else {
            return table;
        };
        let (items, rest) = items(&definition[start + 1..]);
        table.columns = items.into_iter().filter_map(column).collect();
        table.is_partitioned = rest.trim_start().starts_with("PARTITION BY ");
        let between = &definition[..start];
        if let Some((_, parent)) = between.split_once(" PARTITION OF ") {
            table.parents.extend(qualified(parent).map(|(parent, _)| parent));
        }
        if let Some(inherits) = rest.trim_start().strip_prefix("INHERITS (") {
            let (parents, _) = self::items(inherits);
            let named = parents.into_iter().filter_map(|parent| qualified(parent.trim()));
            table.parents.extend(named.map(|(parent, _)| parent));
        }
        table
    }
}

/// The type below `CREATE DOMAIN public.cents AS bigint …;`.
pub fn domain_type(definition: &str) -> Option<DefinedType> {
    let (_, rest) = qualified(definition.strip_prefix("CREATE DOMAIN ")?)?;
    Some(defined_type(rest.strip_prefix(" AS ")?))
}

/// The parent in `ALTER TABLE ONLY public.events ATTACH PARTITION public.events_2026 FOR VALUES …;`.
pub fn attached_to(definition: &str) -> Option<(String, String)> {
    let named = definition.trim_start().strip_prefix("ALTER TABLE ")?;
    let named = named.strip_prefix("ONLY ").unwrap_or(named);
    qualified(named).map(|(parent, _)| parent)
}

/// The columns of `ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (a, b);`.
pub fn primary_key(definition: &str) -> Option<Vec<String>> {
    let (_, columns) = definition.split_once(" PRIMARY KEY (")?;
    let (columns, _) = items(columns);
    let named = columns.into_iter().map(|column| {
        let is_end = |mark: char| mark.is_whitespace();
        Identifier::take(column.trim(), is_end).map(|(column, _)| column.typed)
    });
    named.collect()
}

/// Schema and name at the front of `text`, and what follows.
fn qualified(text: &str) -> Option<((String, String), &str)> {
    let is_end = |mark: char| !(mark.is_alphanumeric() || mark == '_' || mark == '$');
    let (schema, rest) = Identifier::take(text, is_end)?;
    let (name, rest) = Identifier::take(rest.strip_prefix('.')?, is_end)?;
    Some(((schema.typed, name.typed), rest))
}

/// A column of a list; nothing for a constraint.
fn column(item: &str) -> Option<(String, DefinedType)> {
    let item = item.trim();
    if item.starts_with("CONSTRAINT ") {
        return None;
    }
    let (name, rest) = Identifier::take(item, char::is_whitespace)?;
    let defined = defined_type(rest.trim_start());
    Some((name.typed, defined))
}

/// The type at the front of `text`.
fn defined_type(text: &str) -> DefinedType {
    let is_type = |known: &&str| {
        text.strip_prefix(*known).is_some_and(|rest| {
            let rest = match rest.strip_prefix('(') {
                Some(modifier) => modifier.split_once(')').map_or("", |(_, rest)| rest),
                None => rest,
            };
            // An array is none of these.
            !rest.starts_with(|mark: char| mark.is_alphanumeric() || matches!(mark, '_' | '[' | '.'))
        })
    };
    if NUMBERS.iter().any(is_type) {
        return DefinedType::Known(ColumnKind::Number);
    }
    if is_type(&"boolean") {
        return DefinedType::Known(ColumnKind::Boolean);
    }
    match qualified(text) {
        Some((_, rest)) if rest.starts_with('[') => DefinedType::Known(ColumnKind::Text),
        Some(((schema, name), _)) => DefinedType::Named(schema, name),
        None => DefinedType::Known(ColumnKind::Text),
    }
}

/// The items of a list up to the parenthesis that closes it, and what follows that.
fn items(list: &str) -> (Vec<&str>, &str) {
    let (mut items, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, mark) in unquoted(list) {
        match mark {
            '(' | '[' => depth += 1,
            ')' if depth == 0 => {
                items.push(&list[start..at]);
                return (items, &list[at + 1..]);
            }
            ')' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    (items, "")
}

/// The characters outside quotes, each with its place.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut marks = text.char_indices();
    let mut before = ' ';
    std::iter::from_fn(move || {
        let (at, mark) = marks.next()?;
        let has_escapes = mark == '\'' && matches!(before, 'E' | 'e');
        before = mark;
        if matches!(mark, '\'' | '"') {
            while let Some((_, inner)) = marks.next() {
                match inner {
                    '\\' if has_escapes => drop(marks.next()),
                    inner if inner == mark => break,
                    _ => {}
                }
            }
        }
        Some((at, mark))
    })
}

#[cfg(test)]
mod tests {
    use super::{DefinedTable, DefinedType, attached_to, domain_type, primary_key};
    use crate::model::rescue::column::ColumnKind;

    #[test]
    fn columns_are_read_from_a_definition() {
        let table = DefinedTable::parse(
            "CREATE TABLE \"Odd (\".\"t(\" (\n    id bigint DEFAULT nextval('a,b(''x'::regclass) NOT NULL,\n    \"Full, \"\"Name\" text DEFAULT E'it\\'s, ('::text,\n    price numeric(10,2),\n    ratios double precision[],\n    cents public.cents NOT NULL,\n    many \"S\".\"T\"[],\n    at timestamp with time zone,\n    ok boolean DEFAULT (1 > (0 + 1)),\n    integers character varying(3),\n    integer real,\n    CONSTRAINT c CHECK ((id > 0))\n)\nINHERITS (public.u, \"V\".\"w x\");\n",
        );
        let known = |name: &str, kind| (name.to_owned(), DefinedType::Known(kind));
        assert_eq!(
            table.columns,
            [
                known("id", ColumnKind::Number),
                known("Full, \"Name", ColumnKind::Text),
                known("price", ColumnKind::Number),
                known("ratios", ColumnKind::Text),
                (
                    "cents".to_owned(),
                    DefinedType::Named("public".to_owned(), "cents".to_owned())
                ),
                known("many", ColumnKind::Text),
                known("at", ColumnKind::Text),
                known("ok", ColumnKind::Boolean),
                known("integers", ColumnKind::Text),
                known("integer", ColumnKind::Number),
            ]
        );
        let name = |schema: &str, name: &str| (schema.to_owned(), name.to_owned());
        assert_eq!(table.parents, [name("public", "u"), name("V", "w x")]);
        assert_eq!(DefinedTable::parse("CREATE TABLE public.t (\n);\n").columns, []);
        assert_eq!(DefinedTable::parse("garbage"), DefinedTable::default());
        let root =
            DefinedTable::parse("CREATE TABLE public.e (\n    id bigint\n)\nPARTITION BY RANGE (id);\n");
        assert!(root.is_partitioned && !table.is_partitioned);
    }

    #[test]
    fn domains_partitions_and_keys_are_read() {
        assert_eq!(
            domain_type("CREATE DOMAIN public.cents AS bigint\n\tCONSTRAINT c CHECK ((VALUE > 0));\n"),
            Some(DefinedType::Known(ColumnKind::Number))
        );
        assert_eq!(
            attached_to("ALTER TABLE ONLY \"S\".\"e v\" ATTACH PARTITION public.p FOR VALUES IN (1);\n"),
            Some(("S".to_owned(), "e v".to_owned()))
        );
        assert_eq!(
            primary_key("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id, \"A b\");\n"),
            Some(vec!["id".to_owned(), "A b".to_owned()])
        );
        assert_eq!(
            primary_key("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT u UNIQUE (id);\n"),
            None
        );
    }
}
