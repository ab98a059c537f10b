//! Who may do what in a database: read from its catalogs, asked of its server, and made like another's.

mod apply;
mod asking;
mod reach;
mod statements;

pub use apply::{RefusedStatement, apply, begin, commit, roll_back};
pub use asking::{PrivilegeQuery, ask, collect, questions};
pub use reach::{Reach, reach};
pub use statements::{AccessStatement, of_changes, of_defaults, of_owners};

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as Unknown;
use tokio_postgres::Row;

use super::{SYSTEM_SCHEMAS, all};
use crate::error::{Error, Kind, Result};
use crate::model::access::{
    self, Access, AccessBuilder, AccessObject, DefaultPrivileges, Extension, LargeObjectAccess, Role,
    RowSecurity,
};
use crate::postgres::session::Session;

const WHAT: &str = "cannot read who may do what";
const OBJECTS: &str = include_str!("objects.sql");

/// A database's access, and by which numbers its server knows what is in it.
#[derive(Clone, Debug)]
pub struct ServerAccess {
    /// The access. What roles may do in effect is not in it yet.
    pub access: Access,
    /// The oids of its roles.
    pub role_oids: Vec<u32>,
    /// The oids of its objects; for a column with the column's number.
    pub object_oids: Vec<(u32, i16)>,
}

/// Reads the access from the catalogs, which every role may do.
pub async fn read(session: &Session) -> Result<ServerAccess> {
    let roles = "SELECT rolname::text, rolsuper, oid, current_setting('server_version_num')::int / 10000 FROM pg_catalog.pg_roles ORDER BY 1";
    let rows = all(session, WHAT, roles, &[]).await?;
    let major = rows.first().map_or(0, |row| row.get::<_, i32>(3));
    let roles = rows.iter().map(|row| Role {
        name: row.get(0),
        is_superuser: row.get(1),
    });
    let role_oids: Vec<u32> = rows.iter().map(|row| row.get(2)).collect();
    let mut builder = AccessBuilder::new(u32::try_from(major).unwrap_or(0), roles.collect());
    let mut object_oids = Vec::new();
    for row in all(session, WHAT, OBJECTS, &[]).await? {
        // What is dropped meanwhile has no name any more.
        if let Some(object) = object(&mut builder, &row, &role_oids)? {
            builder.access().objects.push(object);
            object_oids.push((row.get(8), i16::try_from(row.get::<_, i32>(9)).unwrap_or(0)));
        }
    }
    large_objects(session, &mut builder, &role_oids).await?;
    defaults(session, &mut builder).await?;
    let row_security = format!(
        "SELECT n.nspname::text, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relrowsecurity, c.relforcerowsecurity
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE (c.relrowsecurity OR c.relforcerowsecurity) AND {SYSTEM_SCHEMAS} ORDER BY 1, 2"
    );
    let tables = all(session, WHAT, &row_security, &[]).await?;
    builder.access().row_security = tables
        .iter()
        .map(|row| RowSecurity {
            schema: row.get(0),
            name: row.get(1),
            is_on: row.get(2),
            is_forced: row.get(3),
        })
        .collect();
    let extensions = "SELECT extname::text, extversion FROM pg_catalog.pg_extension ORDER BY 1";
    let extensions = all(session, WHAT, extensions, &[]).await?;
    builder.access().extensions = extensions
        .iter()
        .map(|row| Extension {
            name: row.get(0),
            version: row.get(1),
        })
        .collect();
    Ok(ServerAccess {
        access: builder.finish(),
        role_oids,
        object_oids,
    })
}

fn object(builder: &mut AccessBuilder, row: &Row, role_oids: &[u32]) -> Result<Option<AccessObject>> {
    let Some(name) = row.get(2) else { return Ok(None) };
    let kind: &str = row.get(0);
    let kind = access::ObjectKind::deserialize(IntoDeserializer::<Unknown>::into_deserializer(kind));
    let kind = kind.map_err(|cause| Error::new(Kind::Internal, WHAT).caused_by(cause))?;
    let initial: Option<Vec<String>> = row.get(6);
    Ok(Some(AccessObject {
        kind,
        schema: row.get(1),
        name,
        column: row.get(3),
        owner: position(role_oids, row.get(4)),
        grants: builder.grants(&row.get::<_, Vec<String>>(5)),
        initial: initial.map(|items| builder.grants(&items)),
        has_foreign_owner: row.get(7),
    }))
}

/// The position of the role with this oid; nothing where it is gone.
fn position(role_oids: &[u32], oid: u32) -> Option<access::RoleId> {
    let place = role_oids.iter().position(|known| *known == oid)?;
    u32::try_from(place).ok().map(access::RoleId)
}

async fn large_objects(session: &Session, builder: &mut AccessBuilder, role_oids: &[u32]) -> Result<()> {
    let sql = "SELECT lomowner, coalesce(lomacl, pg_catalog.acldefault('L', lomowner))::text[], pg_catalog.array_agg(oid ORDER BY oid)
           FROM pg_catalog.pg_largeobject_metadata GROUP BY 1, 2 ORDER BY min(oid)";
    for row in all(session, WHAT, sql, &[]).await? {
        let mut ids: Vec<(u32, u32)> = Vec::new();
        for id in row.get::<_, Vec<u32>>(2) {
            match ids.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(id) => *last = id,
                _ => ids.push((id, id)),
            }
        }
        let group = LargeObjectAccess {
            owner: position(role_oids, row.get(0)),
            grants: builder.grants(&row.get::<_, Vec<String>>(1)),
            ids,
        };
        builder.access().large_objects.push(group);
    }
    Ok(())
}

async fn defaults(session: &Session, builder: &mut AccessBuilder) -> Result<()> {
    let sql = "SELECT r.rolname::text, n.nspname::text,
                CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                     WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
                d.defaclacl::text[],
                CASE WHEN d.defaclnamespace = 0 THEN pg_catalog.acldefault(
                    CASE d.defaclobjtype WHEN 'S' THEN 's'::\"char\" ELSE d.defaclobjtype END, d.defaclrole)::text[] ELSE '{}' END
           FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_roles r ON r.oid = d.defaclrole
           LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
          ORDER BY 1, 2 NULLS FIRST, 3";
    for row in all(session, WHAT, sql, &[]).await? {
        let Some(role) = builder.role(row.get(0)) else {
            continue;
        };
        let default = DefaultPrivileges {
            role,
            schema: row.get(1),
            on: row.get(2),
            grants: builder.grants(&row.get::<_, Vec<String>>(3)),
            usual: builder.grants(&row.get::<_, Vec<String>>(4)),
        };
        builder.access().defaults.push(default);
    }
    Ok(())
}
