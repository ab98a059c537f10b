//! Databases drawn by chance: every kind of object that pg_dump knows, with odd names, that depend on each other, also through functions.
//!
//! A database is a list of steps. Each is rendered by what the steps before it made, so that any shorter list is a database too: that is how
//! a failure is made small.

use proptest::prelude::{Strategy, any};

/// One object, or a change of one.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    kind: u8,
    name: u8,
    /// Which of the objects before it are meant.
    picks: [u8; 3],
}

/// So many steps at most.
const MOST_STEPS: usize = 40;
/// Names that need quotes, hold what SQL gives a meaning, or look like SQL.
const NAMES: [&str; 14] = [
    "plain",
    "Mixed Case",
    "semi;colon",
    "quo\"te",
    "apo'strophe",
    "uni✓code",
    "select",
    "a.dot",
    "back\\slash",
    "dollar$$quote",
    "FOREIGN KEY (a) REFERENCES b",
    " NOT VALID ",
    "(brackets, and a comma)",
    "-- comment /*",
];
/// Roles that every server of the test has.
pub const ROLES: [&str; 3] = ["generated_reader", "Generated Writer", "generated;owner"];

/// Lists of steps, which get shorter and simpler where a test fails.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<u8>(), any::<u8>(), any::<[u8; 3]>()).prop_map(|(kind, name, picks)| Step {
        kind,
        name,
        picks,
    });
    proptest::collection::vec(step, 1..MOST_STEPS)
}

/// A relation with the columns `id int` and `word text`, among others.
#[derive(Clone)]
struct Table {
    name: String,
    rows: u32,
    is_partitioned: bool,
}

#[derive(Default)]
struct Made {
    schemas: Vec<String>,
    tables: Vec<Table>,
    /// Functions of an integer that return one and are declared immutable.
    functions: Vec<String>,
    /// Types with a value, as SQL.
    types: Vec<(String, String)>,
    views: Vec<String>,
    statements: Vec<String>,
}

/// The statements that make the database, in order.
pub fn render(steps: &[Step]) -> Vec<String> {
    let mut made = Made {
        schemas: vec!["public".to_owned()],
        ..Made::default()
    };
    for (number, step) in steps.iter().enumerate() {
        made.take(number, *step);
    }
    made.statements
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The one that is meant, of those there are.
fn pick<T: Clone>(of: &[T], which: u8) -> Option<T> {
    (!of.is_empty()).then(|| of[usize::from(which) % of.len()].clone())
}

impl Made {
    fn say(&mut self, sql: String) {
        self.statements.push(sql);
    }

    /// A name that nothing else has, and the same within a schema.
    fn names(&self, number: usize, step: Step) -> (String, String) {
        let own = quoted(&format!(
            "{}{number}",
            NAMES[usize::from(step.name) % NAMES.len()]
        ));
        let schema = pick(&self.schemas, step.picks[2]).expect("public");
        let whole = format!("{schema}.{own}");
        (own, whole)
    }

    /// A table that was made, or one that is made now.
    fn table(&mut self, number: usize, step: Step, which: u8) -> Table {
        if let Some(table) = pick(&self.tables, which) {
            return table;
        }
        let (_, name) = self.names(number, step);
        let name = format!("{}_t\"", name.strip_suffix('"').expect("a quoted name"));
        self.make_table(&name, step)
    }

    fn make_table(&mut self, name: &str, step: Step) -> Table {
        let rows = u32::from(step.picks[0]) % 60;
        self.say(format!(
            "CREATE TABLE {name} (id int PRIMARY KEY, word text, \"Odd Column\" numeric DEFAULT 1.50, at timestamptz DEFAULT '2026-01-01Z', kind varchar(9) DEFAULT 'new' CHECK (kind IN ('new', 'old')))"
        ));
        self.fill(name, rows);
        let table = Table {
            name: name.to_owned(),
            rows,
            is_partitioned: false,
        };
        self.tables.push(table.clone());
        table
    }

    fn fill(&mut self, name: &str, rows: u32) {
        self.say(format!(
            "INSERT INTO {name} (id, word) SELECT n, CASE WHEN n % 7 = 0 THEN NULL ELSE E'wo\\trd \\\\. ' || n % 5 END FROM generate_series(1, {rows}) AS n"
        ));
    }

    fn function(&mut self, number: usize, step: Step, which: u8) -> String {
        if let Some(function) = pick(&self.functions, which) {
            return function;
        }
        let (_, name) = self.names(number, step);
        let name = format!("{}_f\"", name.strip_suffix('"').expect("a quoted name"));
        self.say(format!(
            "CREATE FUNCTION {name}(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n * 2'"
        ));
        self.functions.push(name.clone());
        name
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of object")]
    fn take(&mut self, number: usize, step: Step) {
        let (own, name) = self.names(number, step);
        let [first, second, _] = step.picks;
        match step.kind % 52 {
            0 => {
                self.say(format!("CREATE SCHEMA {own}"));
                self.schemas.push(own);
            }
            1..=4 => drop(self.make_table(&name, step)),
            5 => {
                self.say(format!(
                    "CREATE TABLE {name} (id int PRIMARY KEY, word text, \"Odd Column\" numeric DEFAULT 1, at timestamptz) PARTITION BY RANGE (id)"
                ));
                let part =
                    |suffix: &str| format!("{}{suffix}\"", name.strip_suffix('"').expect("a quoted name"));
                let (low, high) = (part("_low"), part("_high"));
                self.say(format!(
                    "CREATE TABLE {low} PARTITION OF {name} FOR VALUES FROM (MINVALUE) TO (20)"
                ));
                self.say(format!("CREATE TABLE {high} PARTITION OF {name} FOR VALUES FROM (20) TO (MAXVALUE) PARTITION BY HASH (id)"));
                for rest in 0..2 {
                    self.say(format!(
                        "CREATE TABLE {} PARTITION OF {high} FOR VALUES WITH (MODULUS 2, REMAINDER {rest})",
                        part(&format!("_h{rest}"))
                    ));
                }
                let rows = u32::from(first) % 60;
                self.fill(&name, rows);
                self.tables.push(Table {
                    name,
                    rows,
                    is_partitioned: true,
                });
            }
            6 => {
                let parent = self.table(number, step, first);
                if !parent.is_partitioned {
                    self.say(format!(
                        "CREATE TABLE {name} (extra int, PRIMARY KEY (id)) INHERITS ({})",
                        parent.name
                    ));
                    self.say(format!(
                        "INSERT INTO {name} (id, extra) SELECT 1000 + n, n FROM generate_series(1, 5) AS n"
                    ));
                }
            }
            7 => {
                self.say(format!(
                    "CREATE FUNCTION {name}(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n * 2 + 1'"
                ));
                self.functions.push(name);
            }
            8 => {
                // Not what it declares: what it returns depends on rows.
                let table = self.table(number, step, first);
                self.say(format!(
                    "CREATE FUNCTION {name}(n int) RETURNS int IMMUTABLE LANGUAGE sql AS $body$ SELECT count(*)::int + $1 FROM {} $body$",
                    table.name
                ));
                self.functions.push(name);
            }
            9 => {
                let table = self.table(number, step, first);
                self.say(format!(
                    "CREATE FUNCTION {name}(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $body$ DECLARE r int; BEGIN SELECT x.id INTO r FROM {} AS x ORDER BY x.id LIMIT 1; RETURN coalesce(r, $1); END $body$",
                    table.name
                ));
                self.functions.push(name);
            }
            10 => {
                let function = self.function(number, step, first);
                self.say(format!(
                    "CREATE TABLE {name} (id int PRIMARY KEY, word text, made int GENERATED ALWAYS AS ({function}(id)) STORED)"
                ));
                self.fill(&name, 20);
                self.tables.push(Table {
                    name,
                    rows: 20,
                    is_partitioned: false,
                });
            }
            11 => {
                let (table, function) = (
                    self.table(number, step, first),
                    self.function(number, step, second),
                );
                self.say(format!(
                    "ALTER TABLE {} ADD CONSTRAINT {own} CHECK ({function}(id) IS NOT NULL)",
                    table.name
                ));
            }
            12 => {
                let (table, function) = (
                    self.table(number, step, first),
                    self.function(number, step, second),
                );
                self.say(format!(
                    "CREATE INDEX {own} ON {} ({function}(id), lower(word) DESC NULLS LAST)",
                    table.name
                ));
            }
            13 => {
                let table = self.table(number, step, first);
                self.say(format!(
                    "CREATE INDEX {own} ON {} (id) INCLUDE (word) WHERE word IS NOT NULL AND id % 2 = 0",
                    table.name
                ));
            }
            14 => {
                let table = self.table(number, step, first);
                let method = [
                    "hash (word)",
                    "brin (id)",
                    "gin (to_tsvector('simple', word))",
                    "gist (point(id, id))",
                ][usize::from(second) % 4];
                self.say(format!("CREATE INDEX {own} ON {} USING {method}", table.name));
            }
            15 => {
                let table = self.table(number, step, first);
                self.say(format!(
                    "ALTER TABLE {} ADD CONSTRAINT {own} UNIQUE (id, word) DEFERRABLE INITIALLY DEFERRED",
                    table.name
                ));
            }
            16 | 17 => {
                let (table, other) = (self.table(number, step, first), self.table(number, step, second));
                if other.rows > 0 && table.rows <= other.rows {
                    let kind = [
                        "ON DELETE CASCADE",
                        "DEFERRABLE INITIALLY DEFERRED",
                        "ON UPDATE SET NULL",
                        "NOT VALID",
                    ][usize::from(step.picks[2]) % 4];
                    let kind = if kind == "NOT VALID" && (table.is_partitioned || other.is_partitioned) {
                        ""
                    } else {
                        kind
                    };
                    self.say(format!(
                        "ALTER TABLE {} ADD CONSTRAINT {own} FOREIGN KEY (id) REFERENCES {} {kind}",
                        table.name, other.name
                    ));
                }
            }
            18 => {
                let table = self.table(number, step, first);
                self.say(format!(
                    "ALTER TABLE {} ADD COLUMN {own} int REFERENCES {}",
                    table.name, table.name
                ));
            }
            19 => {
                let table = self.table(number, step, first);
                self.say(format!(
                    "CREATE VIEW {name} AS SELECT id, word FROM {} WHERE id > 3",
                    table.name
                ));
                self.views.push(name);
            }
            20 => {
                let function = self.function(number, step, second);
                let from = pick(&self.views, first).unwrap_or_else(|| self.table(number, step, first).name);
                self.say(format!(
                    "CREATE MATERIALIZED VIEW {name} AS SELECT id, word, {function}(id) AS made FROM {from}"
                ));
                self.say(format!("CREATE UNIQUE INDEX ON {name} (id, word)"));
                self.views.push(name);
            }
            21 => {
                let from = self.table(number, step, first);
                self.say(format!("CREATE MATERIALIZED VIEW {name} AS SELECT count(*) AS id, max(word) AS word FROM {} WITH NO DATA", from.name));
            }
            22 => {
                self.say(format!("CREATE TYPE {name} AS ENUM ('one', 'Two', 'thr''ee')"));
                self.types.push((name, "'one'".to_owned()));
            }
            23 => {
                let function = self.function(number, step, first);
                self.say(format!("CREATE DOMAIN {name} AS int DEFAULT 3 CHECK (VALUE > 0) CONSTRAINT {own} CHECK ({function}(VALUE) IS NOT NULL)"));
                self.types.push((name, "5".to_owned()));
            }
            24 => {
                self.say(format!("CREATE TYPE {name} AS (a int, \"b c\" text[])"));
                self.types.push((name, "ROW(1, '{x,y}')".to_owned()));
            }
            25 => {
                let function = self.function(number, step, first);
                let _ = function;
                self.say(format!("CREATE FUNCTION {name}_gap(a float8, b float8) RETURNS float8 IMMUTABLE LANGUAGE sql AS 'SELECT a - b'").replace("\"_gap", "_gap\""));
                let gap = format!("{name}_gap").replace("\"_gap", "_gap\"");
                self.say(format!(
                    "CREATE TYPE {name} AS RANGE (subtype = float8, subtype_diff = {gap})"
                ));
                self.types.push((name, "'[1,2]'".to_owned()));
            }
            26 | 27 => {
                let table = self.table(number, step, first);
                if let Some((kind, value)) = pick(&self.types, second) {
                    self.say(format!(
                        "ALTER TABLE {} ADD COLUMN {own} {kind}, ADD COLUMN {} {kind}[]",
                        table.name,
                        quoted(&format!("many {number}"))
                    ));
                    self.say(format!(
                        "UPDATE {} SET {own} = {value}::{kind} WHERE id % 2 = 1",
                        table.name
                    ));
                }
            }
            28 => self.say(format!(
                "CREATE SEQUENCE {name} START 41 INCREMENT 3 MINVALUE -5 CYCLE; SELECT nextval('{}')",
                name.replace('\'', "''")
            )),
            29 => {
                self.say(format!("CREATE TABLE {name} (id int GENERATED BY DEFAULT AS IDENTITY (START 10) PRIMARY KEY, word text, n bigserial)"));
                self.fill(&name, 4);
                self.tables.push(Table {
                    name,
                    rows: 4,
                    is_partitioned: false,
                });
            }
            30 => {
                let table = self.table(number, step, first);
                self.say(format!("CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.word := ''touched''; RETURN NEW; END'"));
                self.say(format!("CREATE TRIGGER {own} BEFORE INSERT OR UPDATE OF word ON {} FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION {name}()", table.name));
                if second % 2 == 0 {
                    self.say(format!("ALTER TABLE {} DISABLE TRIGGER {own}", table.name));
                }
            }
            31 => {
                let table = self.table(number, step, first);
                self.say(format!("CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'"));
                self.say(format!("CREATE CONSTRAINT TRIGGER {own} AFTER INSERT ON {} DEFERRABLE FOR EACH ROW EXECUTE FUNCTION {name}()", table.name));
            }
            32 => {
                let table = self.table(number, step, first);
                self.say(format!("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", table.name));
                self.say(format!("ALTER TABLE {} FORCE ROW LEVEL SECURITY", table.name));
                self.say(format!(
                    "CREATE POLICY {own} ON {} FOR SELECT TO {} USING (id > 5)",
                    table.name,
                    quoted(ROLES[usize::from(second) % ROLES.len()])
                ));
            }
            33 => {
                let table = self.table(number, step, first);
                self.say(format!(
                    "CREATE RULE {own} AS ON DELETE TO {} DO INSTEAD NOTHING",
                    table.name
                ));
            }
            34 => {
                let table = self.table(number, step, first);
                self.say(format!("COMMENT ON TABLE {} IS E'it''s;\\nodd -- ✓'", table.name));
                self.say(format!("COMMENT ON COLUMN {}.word IS 'a \"word\"'", table.name));
            }
            35 => {
                let (table, role) = (
                    self.table(number, step, first),
                    quoted(ROLES[usize::from(second) % ROLES.len()]),
                );
                self.say(format!(
                    "GRANT SELECT, UPDATE ON {} TO {role} WITH GRANT OPTION",
                    table.name
                ));
                self.say(format!("GRANT INSERT (id, word) ON {} TO PUBLIC", table.name));
            }
            36 => {
                let (table, role) = (
                    self.table(number, step, first),
                    quoted(ROLES[usize::from(second) % ROLES.len()]),
                );
                self.say(format!("ALTER TABLE {} OWNER TO {role}", table.name));
            }
            37 => {
                let (function, role) = (
                    self.function(number, step, first),
                    quoted(ROLES[usize::from(second) % ROLES.len()]),
                );
                self.say(format!("REVOKE ALL ON FUNCTION {function}(int) FROM PUBLIC"));
                self.say(format!("GRANT EXECUTE ON FUNCTION {function}(int) TO {role}"));
            }
            38 => {
                let extension = ["hstore", "citext", "pg_trgm", "btree_gist", "ltree", "intarray"]
                    [usize::from(first) % 6];
                self.say(format!(
                    "CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA public"
                ));
                if extension == "citext" {
                    self.types
                        .push(("public.citext".to_owned(), "'CiText'".to_owned()));
                }
                if extension == "hstore" {
                    self.types.push(("public.hstore".to_owned(), "'a=>1'".to_owned()));
                }
            }
            39 => {
                let table = self.table(number, step, first);
                self.say("CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public".to_owned());
                self.say(format!(
                    "ALTER TABLE {} ADD CONSTRAINT {own} EXCLUDE USING gist (id WITH =)",
                    table.name
                ));
            }
            40 => {
                self.say(format!(
                    "CREATE TEXT SEARCH DICTIONARY {name} (TEMPLATE = simple, ACCEPT = false)"
                ));
                self.say(format!("CREATE TEXT SEARCH CONFIGURATION {name} (COPY = simple)"));
                self.say(format!(
                    "ALTER TEXT SEARCH CONFIGURATION {name} ALTER MAPPING FOR word WITH {name}, simple"
                ));
            }
            41 => {
                self.say(format!("CREATE FUNCTION {name}(a int, b int) RETURNS int IMMUTABLE STRICT LANGUAGE sql AS 'SELECT a + b'"));
                self.say(format!(
                    "CREATE AGGREGATE {name}(int) (SFUNC = {name}, STYPE = int, INITCOND = '0')"
                ));
                self.say(format!(
                    "CREATE OPERATOR public.@+{} (LEFTARG = int, RIGHTARG = int, FUNCTION = {name})",
                    "+".repeat(number + 1)
                ));
            }
            42 => self.say(format!(
                "CREATE AGGREGATE {name}(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0')"
            )),
            43 => self.say(format!(
                "CREATE COLLATION {name} (provider = icu, locale = 'de-x-icu')"
            )),
            44 => {
                let table = self.table(number, step, first);
                self.say(format!(
                    "CREATE STATISTICS {name} (ndistinct, mcv) ON id, word FROM {}",
                    table.name
                ));
                self.say(format!("ALTER TABLE {} ALTER COLUMN word SET STATISTICS 77, ALTER COLUMN word SET STORAGE EXTERNAL", table.name));
            }
            45 => {
                let table = self.table(number, step, first);
                self.say(format!("ALTER TABLE {} REPLICA IDENTITY FULL", table.name));
                self.say(format!(
                    "CREATE PUBLICATION {own} FOR TABLE {} WITH (publish = 'insert')",
                    table.name
                ));
            }
            46 => {
                self.say("CREATE EXTENSION IF NOT EXISTS file_fdw SCHEMA public".to_owned());
                self.say(format!("CREATE SERVER {own} FOREIGN DATA WRAPPER file_fdw"));
                self.say(format!("CREATE FOREIGN TABLE {name} (id int, word text) SERVER {own} OPTIONS (filename '/dev/null')"));
            }
            47 => self.say(format!(
                "SELECT lo_from_bytea({}, decode(repeat('c0ffee', {}), 'hex'))",
                70_000 + number,
                u32::from(first) * 40
            )),
            48 => {
                self.say(format!("CREATE PROCEDURE {name}(INOUT n int, m text DEFAULT 'x;y') LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'"));
            }
            49 => {
                self.say(format!(
                    "CREATE FUNCTION {name}() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'"
                ));
                self.say(format!("CREATE EVENT TRIGGER {own} ON ddl_command_end WHEN TAG IN ('CREATE SCHEMA') EXECUTE FUNCTION {name}()"));
            }
            50 => {
                self.say(format!("CREATE UNLOGGED TABLE {name} (id int, word text) WITH (fillfactor = 70, autovacuum_enabled = off)"));
                self.fill(&name, 6);
            }
            _ => {
                let table = self.table(number, step, first);
                self.say(format!(
                    "INSERT INTO {} (id, word) SELECT 500 + n, 'late' FROM generate_series(1, 4) AS n",
                    table.name
                ));
                self.say(format!(
                    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {}",
                    quoted(ROLES[usize::from(second) % ROLES.len()])
                ));
            }
        }
    }
}
