//! Many objects and roles: what recording and comparing their rights costs.

use std::time::Instant;

use paycraft_dr::model::access::{Access, UnknownRightsAccepted, checks, compare};
use paycraft_dr::model::profile::Profile;
use paycraft_dr::model::verdict::CheckOutcome;
use paycraft_dr::postgres::conninfo::Conninfo;
use paycraft_dr::postgres::queries::access as queries;
use paycraft_dr::postgres::session::Session;

use crate::kit::{World, run};

/// So many objects; `PAYCRAFT_RIGHTS_OBJECTS=2000` is what the bound was measured with.
const OBJECTS: usize = 150;
const ROLES: usize = 20;
/// The bound on what a manifest holds of them.
const MOST_BYTES: usize = 20 << 20;

async fn recorded(database: &Conninfo) -> Access {
    let session = Session::connect(database).await.expect("a connection");
    let read = queries::read(&session).await.expect("an access");
    let (roles, questions) = queries::questions(&read, &read.access);
    let mut answers = Vec::new();
    for question in &questions {
        answers.extend(queries::ask(&session, question).await.expect("answers"));
    }
    let mut access = read.access;
    access.effective = Some(queries::collect(roles, access.objects.len(), answers));
    access
}

#[test]
fn many_objects_and_roles_are_compared_in_little_time_and_space() {
    run(async {
        let Some(world) = World::new().await else { return };
        let asked = std::env::var("PAYCRAFT_RIGHTS_OBJECTS").ok();
        let objects = asked.and_then(|objects| objects.parse().ok()).unwrap_or(OBJECTS);
        let unique = rand::random::<u32>();
        let sql = format!(
            "DO $$ BEGIN
               FOR i IN 1..{ROLES} LOOP EXECUTE format('CREATE ROLE many_%s_{unique}', i); END LOOP;
               FOR i IN 1..{objects} LOOP
                 CASE i % 4
                   WHEN 0 THEN EXECUTE format('CREATE FUNCTION f%s(int, text) RETURNS int LANGUAGE sql AS ''SELECT 1''', i);
                     EXECUTE format('REVOKE EXECUTE ON FUNCTION f%s FROM PUBLIC', i);
                     EXECUTE format('GRANT EXECUTE ON FUNCTION f%s TO many_%s_{unique}', i, 1 + i % {ROLES});
                   WHEN 1 THEN EXECUTE format('CREATE SEQUENCE s%s', i);
                   ELSE EXECUTE format('CREATE TABLE t%s (a int, b text)', i);
                     EXECUTE format('GRANT SELECT, INSERT ON t%s TO %s', i,
                         (SELECT string_agg(format('many_%s_{unique}', n), ', ') FROM generate_series(1, 1 + i % {ROLES}) AS n));
                 END CASE;
               END LOOP;
             END $$"
        );
        let source = world.postgres.source(&sql).await;
        let expected = recorded(&source).await;
        let began = Instant::now();
        let found = recorded(&source).await;
        let asked = began.elapsed();
        let comparison = compare(&expected, &found, Profile::Plain, "postgres");
        let checks = checks(&comparison, UnknownRightsAccepted(false));
        let all = began.elapsed();
        let bytes = serde_json::to_vec(&expected).expect("a document").len();
        super::super::kit::say(&format!(
            "{objects} objects, {} roles: asked in {asked:?}, compared in {:?}, {bytes} bytes of manifest",
            expected.roles.len(),
            all.saturating_sub(asked)
        ));
        assert!(
            checks.iter().all(|check| check.outcome == CheckOutcome::Passed),
            "{checks:?}"
        );
        assert!(bytes < MOST_BYTES, "{bytes}");
        let document = serde_json::to_string(&expected).expect("a document");
        assert_eq!(
            serde_json::from_str::<Access>(&document).expect("an access"),
            expected
        );
    });
}
