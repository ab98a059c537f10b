//! Rights drawn by chance, over every kind of object, restored into a target that opens everything by itself.
//!
//! Two judges share nothing with this program's own comparison: what `pg_dump` writes about both sides, and what the servers answer
//! about each role and object.

use paycraft_dr::model::shrinking::ShrinkLimits;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;
use paycraft_dr::postgres::tools::Tools;
use paycraft_dr::recovery::backup;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::dumped;
use crate::kit::{Silent, World, assert_proven, execute, query, run};
use crate::versions::{Newer, attempt};

/// So many runs on each server; `PAYCRAFT_RIGHTS_RUNS` asks for more.
const RUNS: u64 = 2;
const ROLES: usize = 6;

/// Kind in GRANT, its privileges, and how an object of the kind is made.
const KINDS: [(&str, &str, &str); 14] = [
    (
        "TABLE",
        "SELECT INSERT UPDATE DELETE TRUNCATE REFERENCES TRIGGER",
        "CREATE TABLE {} (a int, b text, \"c d\" int)",
    ),
    (
        "TABLE",
        "SELECT INSERT UPDATE DELETE TRUNCATE REFERENCES TRIGGER",
        "CREATE TABLE {} (a bigserial PRIMARY KEY, b text, \"c d\" int)",
    ),
    (
        "TABLE",
        "SELECT INSERT",
        "CREATE VIEW {} AS SELECT 1 AS a, 'x'::text AS b, 2 AS \"c d\"",
    ),
    (
        "TABLE",
        "SELECT",
        "CREATE MATERIALIZED VIEW {} AS SELECT 1 AS a, 'x'::text AS b, 2 AS \"c d\"",
    ),
    ("SEQUENCE", "USAGE SELECT UPDATE", "CREATE SEQUENCE {}"),
    (
        "ROUTINE",
        "EXECUTE",
        "CREATE FUNCTION {}(int, text[]) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ),
    (
        "ROUTINE",
        "EXECUTE",
        "CREATE PROCEDURE {}(INOUT n int, m text) LANGUAGE sql AS 'SELECT 1'",
    ),
    (
        "ROUTINE",
        "EXECUTE",
        "CREATE AGGREGATE {}(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0')",
    ),
    ("TYPE", "USAGE", "CREATE TYPE {} AS ENUM ('x', 'y')"),
    ("TYPE", "USAGE", "CREATE DOMAIN {} AS int CHECK (VALUE > 0)"),
    ("SCHEMA", "USAGE CREATE", "CREATE SCHEMA {}"),
    ("FOREIGN DATA WRAPPER", "USAGE", "CREATE FOREIGN DATA WRAPPER {}"),
    (
        "FOREIGN SERVER",
        "USAGE",
        "CREATE SERVER {} FOREIGN DATA WRAPPER far",
    ),
    ("LARGE OBJECT", "SELECT UPDATE", "SELECT lo_from_bytea({}, 'x')"),
];

struct Drawn {
    roles: Vec<String>,
    /// What must succeed.
    made: Vec<String>,
    /// What may be refused.
    tried: Vec<String>,
}

#[expect(clippy::too_many_lines)]
fn draw(seed: u64, unique: u32) -> Drawn {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let names = [
        format!("plain_{unique}"),
        format!("PUBLIC {unique}"),
        format!("a\"b=c*/d {unique}"),
        format!("über,{unique}"),
        format!("user{{{unique}}}"),
        format!("'none' {unique}"),
    ];
    let roles: Vec<String> = names
        .iter()
        .map(|name| format!("\"{}\"", name.replace('"', "\"\"")))
        .collect();
    let mut made: Vec<String> = vec!["CREATE FOREIGN DATA WRAPPER far".to_owned()];
    let mut tried = Vec::new();
    let pick = |rng: &mut ChaCha8Rng| roles[rng.random_range(0..ROLES)].clone();
    let mut objects: Vec<(usize, String, String)> = Vec::new();
    for number in 0..40_usize {
        let kind = number % KINDS.len();
        let (word, _, create) = KINDS[kind];
        let in_schema = !["SCHEMA", "FOREIGN DATA WRAPPER", "FOREIGN SERVER", "LARGE OBJECT"].contains(&word);
        let name = match (word, in_schema) {
            ("LARGE OBJECT", _) => (1000 + number).to_string(),
            (_, true) => format!("public.\"Obj {number}\""),
            _ => format!("\"Obj {number} {unique}\""),
        };
        made.push(create.replacen("{}", &name, 1));
        let signature = match kind {
            5 => format!("{name}(int, text[])"),
            6 => format!("{name}(int, text)"),
            7 => format!("{name}()"),
            _ => name.clone(),
        };
        if rng.random_range(0..3) > 0 {
            let owner = pick(&mut rng);
            let altered = match word {
                "FOREIGN SERVER" => "SERVER",
                // The owner of a wrapper must be a superuser.
                "FOREIGN DATA WRAPPER" => "",
                other => other,
            };
            let altered = match kind {
                2 => "VIEW",
                3 => "MATERIALIZED VIEW",
                _ => altered,
            };
            if !altered.is_empty() {
                made.push(format!("ALTER {altered} {signature} OWNER TO {owner}"));
            }
        }
        objects.push((kind, signature, word.to_owned()));
    }
    for _ in 0..240 {
        let (kind, name, word) = &objects[rng.random_range(0..objects.len())];
        let words: Vec<&str> = KINDS[*kind].1.split(' ').collect();
        let privilege = match rng.random_range(0..5) {
            0 => "ALL".to_owned(),
            _ => words[rng.random_range(0..words.len())].to_owned(),
        };
        let is_column = word == "TABLE"
            && ["SELECT", "INSERT", "UPDATE"].contains(&privilege.as_str())
            && rng.random_range(0..3) == 0;
        let column = if is_column {
            [" (a)", " (\"c d\")"][rng.random_range(0..2)]
        } else {
            ""
        };
        let who = match rng.random_range(0..7) {
            0 => "PUBLIC".to_owned(),
            1 => "CURRENT_USER".to_owned(),
            _ => pick(&mut rng),
        };
        let on = format!("{privilege}{column} ON {word} {name}");
        let statement = match rng.random_range(0..4) {
            0 => format!("REVOKE {on} FROM {who} CASCADE"),
            1 => format!("GRANT {on} TO {who} WITH GRANT OPTION"),
            _ => format!("GRANT {on} TO {who}"),
        };
        let statement = match rng.random_range(0..3) {
            0 => format!("SET ROLE {}; {statement}; RESET ROLE", pick(&mut rng)),
            _ => statement,
        };
        tried.push(statement);
    }
    for _ in 0..12 {
        let on = ["TABLES", "SEQUENCES", "FUNCTIONS", "TYPES"][rng.random_range(0..4)];
        let schema = if rng.random_range(0..2) == 0 {
            " IN SCHEMA public"
        } else {
            ""
        };
        let verb = match rng.random_range(0..3) {
            0 => format!(
                "REVOKE ALL ON {on} FROM {}",
                [pick(&mut rng), "PUBLIC".to_owned()][rng.random_range(0..2)]
            ),
            1 => format!("GRANT ALL ON {on} TO {} WITH GRANT OPTION", pick(&mut rng)),
            _ => format!(
                "GRANT ALL ON {on} TO {}",
                [pick(&mut rng), "PUBLIC".to_owned()][rng.random_range(0..2)]
            ),
        };
        tried.push(format!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {}{schema} {verb}",
            pick(&mut rng)
        ));
    }
    for one in 0..ROLES {
        for other in one + 1..ROLES {
            if rng.random_range(0..5) == 0 {
                tried.push(format!("GRANT {} TO {}", roles[one], roles[other]));
            }
        }
    }
    Drawn { roles, made, tried }
}

/// What the server answers about each of the roles and each object.
fn answers(roles: &[String]) -> String {
    let names: Vec<String> = roles
        .iter()
        .map(|role| {
            format!(
                "'{}'",
                role.trim_matches('"').replace("\"\"", "\"").replace('\'', "''")
            )
        })
        .collect();
    format!(
        "SELECT coalesce(string_agg(answer, E'\\n' ORDER BY answer), '') FROM (
           SELECT format('%s %s %s %s', r.rolname, c.oid::regclass, p, has_table_privilege(r.oid, c.oid, p)) AS answer
             FROM pg_roles r, pg_class c, unnest('{{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}}'::text[]) AS p
            WHERE r.rolname IN ({names}) AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm')
           UNION ALL
           SELECT format('%s %s.%s %s %s', r.rolname, c.oid::regclass, a.attname, p, has_column_privilege(r.oid, c.oid, a.attnum, p))
             FROM pg_roles r, pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0, unnest('{{SELECT,INSERT,UPDATE,REFERENCES}}'::text[]) AS p
            WHERE r.rolname IN ({names}) AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm')
           UNION ALL
           SELECT format('%s %s %s %s', r.rolname, c.relname, p, has_sequence_privilege(r.oid, c.oid, p))
             FROM pg_roles r, pg_class c, unnest('{{USAGE,SELECT,UPDATE}}'::text[]) AS p
            WHERE r.rolname IN ({names}) AND c.relnamespace = 'public'::regnamespace AND c.relkind = 'S'
           UNION ALL
           SELECT format('%s %s %s', r.rolname, f.oid::regprocedure, has_function_privilege(r.oid, f.oid, 'EXECUTE WITH GRANT OPTION, EXECUTE'))
             FROM pg_roles r, pg_proc f WHERE r.rolname IN ({names}) AND f.pronamespace = 'public'::regnamespace
           UNION ALL
           SELECT format('%s %s %s %s', r.rolname, n.nspname, p, has_schema_privilege(r.oid, n.oid, p))
             FROM pg_roles r, pg_namespace n, unnest('{{USAGE,CREATE}}'::text[]) AS p WHERE r.rolname IN ({names}) AND nspname !~ '^pg_'
           UNION ALL
           SELECT format('%s %s %s', r.rolname, t.oid::regtype, has_type_privilege(r.oid, t.oid, 'USAGE'))
             FROM pg_roles r, pg_type t WHERE r.rolname IN ({names}) AND t.typnamespace = 'public'::regnamespace AND typtype IN ('d', 'e')
           UNION ALL
           SELECT format('%s %s %s', r.rolname, s.srvname, has_server_privilege(r.oid, s.oid, 'USAGE')) FROM pg_roles r, pg_foreign_server s WHERE r.rolname IN ({names})
         ) AS answers",
        names = names.join(", ")
    )
}

async fn try_all(database: &Conninfo, drawn: &Drawn) {
    let session = Session::connect(database).await.expect("a connection");
    for role in &drawn.roles {
        session
            .client()
            .batch_execute(&format!("CREATE ROLE {role}"))
            .await
            .expect("a role");
    }
    for statement in &drawn.made {
        let done = session.client().batch_execute(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    for statement in &drawn.tried {
        // What is refused is no grant.
        let done = session.client().batch_execute(statement).await;
        if done.is_err() {
            session
                .client()
                .batch_execute("RESET ROLE")
                .await
                .expect("the session's own role");
        }
    }
}

/// A target that opens everything by itself, and lets others grant it further.
fn opening(roles: &[String]) -> String {
    ["TABLES", "SEQUENCES", "FUNCTIONS", "TYPES", "SCHEMAS"]
        .map(|on| format!("ALTER DEFAULT PRIVILEGES GRANT ALL ON {on} TO {} WITH GRANT OPTION; ALTER DEFAULT PRIVILEGES GRANT ALL ON {on} TO PUBLIC", roles.join(", ")))
        .join("; ")
}

struct Servers<'a> {
    world: &'a World,
    tools: &'a Tools,
}

async fn play(
    servers: &Servers<'_>,
    source: Conninfo,
    target: Conninfo,
    urls: (String, String),
    seed: u64,
    pg_dump: &std::path::Path,
) {
    let unique = rand::random::<u32>();
    super::super::kit::say(&format!("rights drawn with seed {seed}"));
    let drawn = draw(seed, unique);
    try_all(&source, &drawn).await;
    let at: jiff::Timestamp = "2026-11-23T02:00:07Z".parse().expect("an instant");
    let made = backup::BackupRequest {
        limits: &ShrinkLimits::USUAL,
        source: &source,
        tools: servers.tools,
        store: &servers.world.bucket.store,
        clock: &|| at,
        attempts: 1,
        looks_for_trouble: true,
    };
    backup::backup(made, &Silent).await.expect("a backup");
    execute(&target, &opening(&drawn.roles)).await;
    let restored = attempt(servers.world, servers.tools, target.clone()).await;
    let restored = restored.unwrap_or_else(|error| panic!("seed {seed}: {error}: {:?}", error.causes()));
    let asked = answers(&drawn.roles);
    assert_eq!(
        query(&target, &asked).await,
        query(&source, &asked).await,
        "seed {seed}"
    );
    let (ours, theirs) = (dumped(pg_dump, &urls.0).await, dumped(pg_dump, &urls.1).await);
    let differing: Vec<_> = ours.symmetric_difference(&theirs).collect();
    assert!(differing.is_empty(), "seed {seed}: {differing:#?}");
    assert_proven(&restored.verification);
}

fn runs() -> u64 {
    let asked = std::env::var("PAYCRAFT_RIGHTS_RUNS").ok();
    asked.and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

#[test]
fn rights_drawn_by_chance_come_back() {
    run(async {
        for _ in 0..runs() {
            let Some(world) = World::new().await else { return };
            let servers = Servers {
                tools: &world.postgres.tools,
                world: &world,
            };
            let source = world.postgres.database(Side::Source).await;
            let target = world.postgres.database(Side::Target).await;
            let urls = (world.postgres.url(&source), world.postgres.url(&target));
            let pg_dump = world.postgres.installation.program("pg_dump");
            play(&servers, source, target, urls, rand::random(), &pg_dump).await;
        }
    });
}

#[test]
fn rights_drawn_by_chance_come_back_on_a_newer_server() {
    run(async {
        let Some(world) = World::new().await else { return };
        let Some(newer) = Newer::start(&world).await else {
            return;
        };
        for number in 0..runs() {
            let world = World::new().await.expect("a server");
            let servers = Servers {
                tools: &newer.only,
                world: &world,
            };
            let source = newer.database(Side::Source, &format!("source_{number}")).await;
            let target = newer.database(Side::Target, &format!("target_{number}")).await;
            let urls = (newer.url(&source), newer.url(&target));
            let pg_dump = newer
                .only
                .newest_with_server()
                .expect("programs")
                .program("pg_dump");
            play(&servers, source, target, urls, rand::random(), &pg_dump).await;
        }
    });
}
