//! The server's own answers to what roles may do: `has_table_privilege` and its like, many in one statement.

use super::{ServerAccess, WHAT};
use crate::error::Result;
use crate::model::access::{Access, Effective, ObjectKind, Privileges, RoleId};
use crate::postgres::queries::all;
use crate::postgres::session::Session;

/// About so many pairs of role and object are asked about in one statement.
const PAIRS: usize = 20_000;
/// No more pairs than these are asked about: an hour of questions is no check.
const MOST_PAIRS: usize = 4_000_000;
/// PostgreSQL's version that introduced `MAINTAIN`.
const MAINTAIN_SINCE: u32 = 17;

/// A function of the server's, and the privileges that it knows, with their bits in [`Privileges`].
type Function = (&'static str, &'static [(&'static str, u16)]);

const TABLE: Function = (
    "has_table_privilege",
    &[
        ("SELECT", 1),
        ("INSERT", 1 << 1),
        ("UPDATE", 1 << 2),
        ("DELETE", 1 << 3),
        ("TRUNCATE", 1 << 4),
        ("REFERENCES", 1 << 5),
        ("TRIGGER", 1 << 6),
        ("MAINTAIN", 1 << 7),
    ],
);
const COLUMN: Function = (
    "has_column_privilege",
    &[
        ("SELECT", 1),
        ("INSERT", 1 << 1),
        ("UPDATE", 1 << 2),
        ("REFERENCES", 1 << 5),
    ],
);
const SEQUENCE: Function = (
    "has_sequence_privilege",
    &[("SELECT", 1), ("UPDATE", 1 << 2), ("USAGE", 1 << 9)],
);
const ROUTINE: Function = ("has_function_privilege", &[("EXECUTE", 1 << 8)]);
const SCHEMA: Function = ("has_schema_privilege", &[("USAGE", 1 << 9), ("CREATE", 1 << 10)]);
const TYPE: Function = ("has_type_privilege", &[("USAGE", 1 << 9)]);
const LANGUAGE: Function = ("has_language_privilege", &[("USAGE", 1 << 9)]);
const WRAPPER: Function = ("has_foreign_data_wrapper_privilege", &[("USAGE", 1 << 9)]);
const SERVER: Function = ("has_server_privilege", &[("USAGE", 1 << 9)]);
const DATABASE: Function = (
    "has_database_privilege",
    &[("CREATE", 1 << 10), ("CONNECT", 1 << 11), ("TEMPORARY", 1 << 12)],
);

/// The function that answers about an object of a kind. Before version 18 there is none for large objects, and what a setting's
/// grants allow is the whole server's.
fn function(kind: ObjectKind) -> Option<Function> {
    Some(match kind {
        ObjectKind::Table | ObjectKind::ForeignTable | ObjectKind::View | ObjectKind::MaterializedView => {
            TABLE
        }
        ObjectKind::Column => COLUMN,
        ObjectKind::Sequence => SEQUENCE,
        ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate => ROUTINE,
        ObjectKind::Schema => SCHEMA,
        ObjectKind::Type | ObjectKind::Domain => TYPE,
        ObjectKind::Language => LANGUAGE,
        ObjectKind::ForeignDataWrapper => WRAPPER,
        ObjectKind::Server => SERVER,
        ObjectKind::Database => DATABASE,
        _ => return None,
    })
}

/// One statement's worth of questions.
#[derive(Clone, Debug)]
pub struct PrivilegeQuery {
    sql: String,
    roles: Vec<u32>,
    /// Where these roles begin among all that are asked about.
    first_role: usize,
    objects: Vec<usize>,
    oids: Vec<(u32, i16)>,
}

/// What is to be asked about the roles of `of` that are no superusers and no role of PostgreSQL's own: their positions, and the
/// questions. There are none where it would be too many.
pub fn questions(read: &ServerAccess, of: &Access) -> (Vec<RoleId>, Vec<PrivilegeQuery>) {
    let wanted = |name: &str| {
        let known = of.roles.iter().find(|role| role.name == name);
        known.is_some_and(|role| !role.is_superuser)
    };
    let roles: Vec<(RoleId, u32)> = read
        .access
        .roles
        .iter()
        .zip(0..)
        .zip(&read.role_oids)
        .filter(|((role, _), _)| !role.is_superuser && !role.name.starts_with("pg_") && wanted(&role.name))
        .map(|((_, position), oid)| (RoleId(position), *oid))
        .collect();
    let mut by_function: Vec<(Function, Vec<usize>)> = Vec::new();
    for (place, object) in read.access.objects.iter().enumerate() {
        let Some(function) = function(object.kind).filter(|_| object.initial.is_none()) else {
            continue;
        };
        match by_function.iter_mut().find(|(known, _)| known.0 == function.0) {
            Some((_, objects)) => objects.push(place),
            None => by_function.push((function, vec![place])),
        }
    }
    let pairs = by_function
        .iter()
        .map(|(_, objects)| objects.len())
        .sum::<usize>()
        * roles.len();
    let mut questions = Vec::new();
    if pairs <= MOST_PAIRS {
        for (function, objects) in &by_function {
            let at_once = (PAIRS / objects.len().max(1)).max(1);
            for (chunk, some) in roles.chunks(at_once).enumerate() {
                questions.push(PrivilegeQuery {
                    sql: worded(*function, read.access.server_major),
                    roles: some.iter().map(|(_, oid)| *oid).collect(),
                    first_role: chunk * at_once,
                    objects: objects.clone(),
                    oids: objects.iter().map(|place| read.object_oids[*place]).collect(),
                });
            }
        }
    }
    (
        roles.into_iter().map(|(position, _)| position).collect(),
        questions,
    )
}

/// For each role a list with a number for each object, whose bits are what the role may do. Each role's memberships are looked
/// up once, as all of its objects come one after the other.
fn worded((name, privileges): Function, major: u32) -> String {
    let known = || {
        let known = privileges.iter();
        known.filter(|(word, _)| major >= MAINTAIN_SINCE || *word != "MAINTAIN")
    };
    let column = if name == COLUMN.0 { ", o.attnum" } else { "" };
    let any: Vec<&str> = known().map(|(word, _)| *word).collect();
    let bits: Vec<String> = known()
        .map(|(word, bit)| {
            format!("CASE WHEN pg_catalog.{name}(r.oid, o.oid{column}, '{word}') THEN {bit} ELSE 0 END")
        })
        .collect();
    format!(
        "SELECT ARRAY(SELECT (CASE WHEN pg_catalog.{name}(r.oid, o.oid{column}, '{}') THEN {} ELSE 0 END)::int2
                        FROM unnest($1::oid[], $2::int2[]) WITH ORDINALITY AS o (oid, attnum, place) ORDER BY o.place)
           FROM unnest($3::oid[]) WITH ORDINALITY AS r (oid, place) ORDER BY r.place",
        any.join(", "),
        bits.join(" + ")
    )
}

/// The answers to one question: number of the role, number of the object, what the one may do with the other.
pub async fn ask(session: &Session, question: &PrivilegeQuery) -> Result<Vec<(usize, usize, Privileges)>> {
    let (oids, columns): (Vec<u32>, Vec<i16>) = question.oids.iter().copied().unzip();
    let rows = all(session, WHAT, &question.sql, &[&oids, &columns, &question.roles]).await?;
    let mut answers = Vec::with_capacity(rows.len() * oids.len());
    for (role, row) in rows.iter().enumerate() {
        let may: Vec<i16> = row.get(0);
        answers.extend(question.objects.iter().zip(may).map(|(object, bits)| {
            let privileges = Privileges::of_bits(bits.cast_unsigned());
            (question.first_role + role, *object, privileges)
        }));
    }
    Ok(answers)
}

/// All answers as one, for `objects` objects.
pub fn collect(
    roles: Vec<RoleId>,
    objects: usize,
    answers: impl IntoIterator<Item = (usize, usize, Privileges)>,
) -> Effective {
    let mut rows: Vec<Option<Vec<Privileges>>> = vec![None; objects];
    for (role, object, privileges) in answers {
        let row = rows[object].get_or_insert_with(|| vec![Privileges::NONE; roles.len()]);
        row[role] = privileges;
    }
    let asked = rows.into_iter().enumerate();
    let asked = asked.filter_map(|(object, row)| Some((object, row?)));
    Effective::new(roles, objects, asked)
}
