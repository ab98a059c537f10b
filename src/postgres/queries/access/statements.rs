//! The statements that make one database's access like another's.

use super::reach::Reach;
use crate::model::access::{
    AccessObject, Change, DefaultChange, GrantAction, Grantee, ObjectKind, OwnerChange, Privileges,
};
use crate::postgres::queries::identifier;

/// A statement, and the role in whose name it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessStatement {
    /// The role; left out, the session's own.
    pub role: Option<String>,
    /// The statement, without a semicolon.
    pub sql: String,
}

/// The statements of the changes, in their order. Changes that name a role that is not there, or that `reach` does not reach, have
/// none. What differs in the grantee alone is one statement.
pub fn of_changes(changes: &[Change<'_>], reach: &Reach) -> Vec<AccessStatement> {
    let mut statements: Vec<(&Change<'_>, AccessStatement, Vec<String>)> = Vec::new();
    for change in changes {
        // Of the catalog's own tables those are recorded that were changed, and their columns without them.
        let is_catalogs = change.object.initial.is_some();
        let owner = change.owner.or(is_catalogs.then_some(&*reach.catalog_owner));
        let Some(role) = acting(change, owner, reach) else {
            continue;
        };
        let Some(grantee) = grantee(change.grantee, owner, reach) else {
            continue;
        };
        if let Some((last, _, grantees)) = statements.last_mut()
            && (last.verb, last.privileges, last.grantor) == (change.verb, change.privileges, change.grantor)
            && std::ptr::eq(last.object, change.object)
        {
            grantees.push(grantee);
            continue;
        }
        let sql = String::new();
        statements.push((change, AccessStatement { role, sql }, vec![grantee]));
    }
    statements
        .into_iter()
        .map(|(change, statement, grantees)| AccessStatement {
            sql: worded(change, &grantees.join(", "), reach),
            ..statement
        })
        .collect()
}

fn worded(change: &Change<'_>, grantees: &str, reach: &Reach) -> String {
    let object = change.object;
    let privileges = listed(change.privileges, object.column.as_deref());
    let on = format!("{privileges} ON {}", target(object, reach));
    verb(change.verb, &on, grantees)
}

fn verb(verb: GrantAction, on: &str, grantees: &str) -> String {
    match verb {
        GrantAction::Grant => format!("GRANT {on} TO {grantees}"),
        GrantAction::GrantWithOption => format!("GRANT {on} TO {grantees} WITH GRANT OPTION"),
        // What was granted further goes too; the wanted part is granted again.
        GrantAction::Revoke => format!("REVOKE {on} FROM {grantees} CASCADE"),
        GrantAction::RevokeOption => format!("REVOKE GRANT OPTION FOR {on} FROM {grantees} CASCADE"),
    }
}

fn listed(privileges: Privileges, column: Option<&str>) -> String {
    let column = column.map_or_else(String::new, |column| format!(" ({})", identifier(column)));
    let words: Vec<String> = privileges.words().map(|word| format!("{word}{column}")).collect();
    words.join(", ")
}

/// The object in the words of GRANT.
fn target(object: &AccessObject, reach: &Reach) -> String {
    let name = &object.name;
    match object.kind {
        ObjectKind::Sequence => format!("SEQUENCE {name}"),
        ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate => format!("ROUTINE {name}"),
        ObjectKind::Schema => format!("SCHEMA {name}"),
        ObjectKind::Type | ObjectKind::Domain => format!("TYPE {name}"),
        ObjectKind::Language => format!("LANGUAGE {name}"),
        ObjectKind::ForeignDataWrapper => format!("FOREIGN DATA WRAPPER {name}"),
        ObjectKind::Server => format!("FOREIGN SERVER {name}"),
        ObjectKind::LargeObject => format!("LARGE OBJECT {name}"),
        ObjectKind::Parameter => format!("PARAMETER {}", identifier(name)),
        ObjectKind::Database => format!("DATABASE {}", identifier(&reach.database)),
        _ => format!("TABLE {name}"),
    }
}

/// The role in whose name a change is made: the grantor. Some(None) is the session's own.
#[expect(clippy::option_option)]
fn acting(change: &Change<'_>, owner: Option<&str>, reach: &Reach) -> Option<Option<String>> {
    let as_member = |name: &str| reach.may_become(name).then(|| Some(name.to_owned()));
    match change.grantor {
        Grantee::Public => None,
        Grantee::Role(name) => as_member(name),
        Grantee::Owner => match owner {
            _ if reach.is_superuser => Some(None),
            Some(owner) if reach.has_rights_of(owner) => Some(None),
            Some(owner) => as_member(owner),
            None => None,
        },
    }
}

fn grantee(grantee: Grantee<'_>, owner: Option<&str>, reach: &Reach) -> Option<String> {
    match grantee {
        Grantee::Public => Some("PUBLIC".to_owned()),
        Grantee::Owner => owner.map(identifier),
        Grantee::Role(name) => reach.is_there(name).then(|| identifier(name)),
    }
}

/// The statements that give objects to their owners, as far as the session's role may.
pub fn of_owners(changes: &[OwnerChange<'_>], reach: &Reach) -> Vec<AccessStatement> {
    let mut statements = Vec::new();
    let mut opened: Vec<(&str, &str)> = Vec::new();
    // The database comes last: its owner decides what else may be done in it.
    let (databases, others): (Vec<_>, Vec<_>) = changes
        .iter()
        .partition(|change| change.object.kind == ObjectKind::Database);
    for change in others.into_iter().chain(databases) {
        let may =
            reach.may_give_to(change.expected) && (reach.is_superuser || reach.has_rights_of(change.found));
        if !may {
            continue;
        }
        let schema = change.object.schema.as_str();
        let is_in_schema = !schema.is_empty() && change.object.kind != ObjectKind::Schema;
        if !reach.is_superuser && is_in_schema && !opened.contains(&(schema, change.expected)) {
            // An owner that may not make anything in the schema can have things there all the same. The right goes again when the
            // schema's grants are made equal.
            opened.push((schema, change.expected));
            statements.push(own(format!(
                "GRANT CREATE ON SCHEMA {} TO {}",
                identifier(schema),
                identifier(change.expected)
            )));
        }
        if let Some(kind) = altered(change.object.kind) {
            let name = match change.object.kind {
                ObjectKind::Database => identifier(&reach.database),
                _ => change.object.name.clone(),
            };
            statements.push(own(format!(
                "ALTER {kind} {name} OWNER TO {}",
                identifier(change.expected)
            )));
        }
    }
    statements
}

fn own(sql: String) -> AccessStatement {
    AccessStatement { role: None, sql }
}

fn altered(kind: ObjectKind) -> Option<&'static str> {
    Some(match kind {
        ObjectKind::Database => "DATABASE",
        ObjectKind::Schema => "SCHEMA",
        ObjectKind::Table => "TABLE",
        ObjectKind::ForeignTable => "FOREIGN TABLE",
        ObjectKind::View => "VIEW",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        ObjectKind::Sequence => "SEQUENCE",
        ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate => "ROUTINE",
        ObjectKind::Type => "TYPE",
        ObjectKind::Domain => "DOMAIN",
        ObjectKind::Language => "LANGUAGE",
        ObjectKind::ForeignDataWrapper => "FOREIGN DATA WRAPPER",
        ObjectKind::Server => "SERVER",
        ObjectKind::LargeObject => "LARGE OBJECT",
        ObjectKind::Collation => "COLLATION",
        ObjectKind::Conversion => "CONVERSION",
        ObjectKind::Operator => "OPERATOR",
        ObjectKind::OperatorClass => "OPERATOR CLASS",
        ObjectKind::OperatorFamily => "OPERATOR FAMILY",
        ObjectKind::TextSearchConfiguration => "TEXT SEARCH CONFIGURATION",
        ObjectKind::TextSearchDictionary => "TEXT SEARCH DICTIONARY",
        ObjectKind::Statistics => "STATISTICS",
        ObjectKind::Publication => "PUBLICATION",
        ObjectKind::EventTrigger => "EVENT TRIGGER",
        ObjectKind::Column | ObjectKind::Parameter => return None,
    })
}

/// The statements of the changes of default privileges, for the roles that `reach` reaches.
pub fn of_defaults(changes: &[DefaultChange<'_>], reach: &Reach) -> Vec<AccessStatement> {
    let reached = changes.iter().filter(|change| {
        reach.is_superuser && reach.is_there(change.role) || reach.has_rights_of(change.role)
    });
    reached
        .filter_map(|change| {
            let grantee = grantee(change.grantee, Some(change.role), reach)?;
            let schema = &change.default.schema;
            let schema = schema
                .as_deref()
                .map_or_else(String::new, |schema| format!(" IN SCHEMA {}", identifier(schema)));
            let on = format!("{} ON {}", listed(change.privileges, None), change.default.on);
            Some(own(format!(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {}{schema} {}",
                identifier(change.role),
                verb(change.verb, &on, &grantee)
            )))
        })
        .collect()
}
