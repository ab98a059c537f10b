//! Whether two sets of facts, read at different instants, are of the same database.
//!
//! 1. The same server has the same system identifier, or was started at the same microsecond, or counts its statistics since the
//!    same microsecond. The first and the third are copied with a server's files, the second is not.
//! 2. On the same server, the same OID is the same database under any name. The same name is taken for it, too: production may
//!    have been renamed, and a new database may have its old name.
//! 3. Another system identifier is another server, unless `pg_upgrade` may have made it from the same one: that keeps the OIDs of
//!    databases and tables, and takes a new identifier.
//! 4. Where no system identifier can be compared, another OID together with another name is another database. The same OID together
//!    with a few tables of the same OIDs is the same one.
//! 5. The marker of `--leave-marker` says "the same", never "another": anyone can copy or remove it. Where another fact says
//!    "another", the answer is unknown.
//! 6. Counters that are behind those recorded speak for another server, but prove nothing: a server that was set back in time, or
//!    a standby that was promoted, is behind its own past.

use super::{DatabaseFacts, TableOid};

/// So many tables of the same OIDs and names are no accident.
const TABLES_NEEDED: usize = 3;

/// Whether two databases are one, with the reason as a sentence about the later one that lacks its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// They are the same.
    Same(String),
    /// They are certainly two.
    Different(String),
    /// It cannot be known.
    Unknown(String),
}

/// What comparing one fact came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fact {
    Equal,
    Other,
    /// At least one side does not know it.
    Unknown,
}

fn compare<T: PartialEq>(before: Option<&T>, now: Option<&T>) -> Fact {
    match (before, now) {
        (Some(before), Some(now)) if before == now => Fact::Equal,
        (Some(_), Some(_)) => Fact::Other,
        _ => Fact::Unknown,
    }
}

/// Compares what was recorded `before` with what is read `now`.
pub fn likeness(before: &DatabaseFacts, now: &DatabaseFacts) -> Likeness {
    let (recorded, found) = (&before.identity, &now.identity);
    let server = compare(before.system_identifier.as_ref(), now.system_identifier.as_ref());
    let oid = compare(recorded.database_oid.as_ref(), found.database_oid.as_ref());
    let has_marker = compare(recorded.marker.as_ref(), found.marker.as_ref()) == Fact::Equal;
    let has_name = before.database == now.database;
    let is_same_run = compare(
        recorded.server_started_at.as_ref(),
        found.server_started_at.as_ref(),
    ) == Fact::Equal;
    let is_counted_alike = compare(
        recorded.statistics_since.as_ref(),
        found.statistics_since.as_ref(),
    ) == Fact::Equal;
    let shared = shared_tables(&recorded.oldest_tables, &found.oldest_tables);

    if server == Fact::Other {
        let is_upgraded = oid == Fact::Equal && (now.major > before.major || shared >= TABLES_NEEDED);
        return match (has_marker, is_upgraded) {
            (true, _) => Likeness::Unknown(
                "carries its marker, although the server's system identifier is another: either the marker was copied there, or the server was upgraded"
                    .into(),
            ),
            (_, true) => Likeness::Unknown(
                "has its OIDs, and the server's system identifier is another: it may be the same database after pg_upgrade".into(),
            ),
            _ => Likeness::Different("the server's system identifier is another".into()),
        };
    }
    if server == Fact::Equal || is_same_run || is_counted_alike {
        let what = match (server, is_same_run) {
            (Fact::Equal, _) => "the same system identifier",
            (_, true) => "the same start of the server",
            _ => "the same server statistics",
        };
        return match oid {
            Fact::Equal => Likeness::Same(format!("has {what} and the same database OID")),
            _ if has_name => Likeness::Same(format!("has {what} and the same database name")),
            Fact::Other if has_marker => {
                Likeness::Unknown("carries its marker, although the database's OID is another".into())
            }
            Fact::Other => Likeness::Different("it is another database of the same server".into()),
            Fact::Unknown => {
                Likeness::Unknown("is on the same server, and the database's OID was not recorded".into())
            }
        };
    }
    match (oid, has_name) {
        (Fact::Other, _) if has_marker => {
            Likeness::Unknown("carries its marker, although the database's OID is another".into())
        }
        (Fact::Equal | Fact::Unknown, _) if has_marker => Likeness::Same("carries its marker".into()),
        (Fact::Equal, _) if shared >= TABLES_NEEDED && !is_behind(before, now) => {
            Likeness::Same(format!("has the same database OID and {shared} tables of the same OIDs"))
        }
        (Fact::Other, false) => Likeness::Different("the database's name and OID are others".into()),
        (Fact::Other, true) => Likeness::Unknown(
            "has the same name and another OID, and the server's system identifier cannot be compared".into(),
        ),
        (Fact::Equal, _) if is_behind(before, now) => Likeness::Unknown(
            "has the same database OID, and counters of the server that are behind: it may be the same server set back in time".into(),
        ),
        (Fact::Equal, _) => Likeness::Unknown(
            "has the same database OID, and the server's system identifier cannot be compared".into(),
        ),
        (Fact::Unknown, _) => Likeness::Unknown(nothing_to_compare(before, now)),
    }
}

/// Whether facts that are not copied with a server's files say that both are the same database.
pub(super) fn is_certainly(before: &DatabaseFacts, now: &DatabaseFacts) -> bool {
    let (recorded, found) = (&before.identity, &now.identity);
    compare(
        recorded.server_started_at.as_ref(),
        found.server_started_at.as_ref(),
    ) == Fact::Equal
        && compare(recorded.database_oid.as_ref(), found.database_oid.as_ref()) == Fact::Equal
        && compare(before.system_identifier.as_ref(), now.system_identifier.as_ref()) != Fact::Other
}

fn nothing_to_compare(before: &DatabaseFacts, now: &DatabaseFacts) -> String {
    let is_recorded = before.system_identifier.is_some() || before.identity.database_oid.is_some();
    match (is_recorded, now.identity.database_oid.is_some()) {
        (false, _) => "cannot be compared: what identifies that database was not recorded".into(),
        (true, false) => "cannot be compared: its role may not read what identifies it".into(),
        (true, true) => {
            "cannot be compared: neither the system identifier nor the database's OID is known on both sides"
                .into()
        }
    }
}

/// Whether the server's counters were further before than they are now. A standby's are always behind.
fn is_behind(before: &DatabaseFacts, now: &DatabaseFacts) -> bool {
    let (recorded, found) = (&before.identity, &now.identity);
    let lags =
        |before: Option<u64>, now: Option<u64>| before.zip(now).is_some_and(|(before, now)| now < before);
    !now.is_standby
        && (lags(recorded.next_transaction, found.next_transaction)
            || lags(recorded.wal_position, found.wal_position))
}

fn shared_tables(before: &[TableOid], now: &[TableOid]) -> usize {
    before.iter().filter(|table| now.contains(table)).count()
}
