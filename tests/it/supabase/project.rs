//! Supabase projects: a server with Supabase's roles, fresh projects on it, and projects that hold the product.

use std::pin::pin;
use std::sync::OnceLock;

use bytes::Bytes;
use futures_util::SinkExt;
use paycraft_dr::drill::cluster::{Cluster, Traits};
use paycraft_dr::drill::server_user::ServerUser;
use paycraft_dr::drill::workload::Workload;
use paycraft_dr::postgres::conninfo::{Conninfo, Side};
use paycraft_dr::postgres::session::Session;

use crate::kit::{Postgres, execute, run};

const ROLES: &str = include_str!("../../../fixtures/supabase/roles.sql");
const PLATFORM: &str = include_str!("../../../fixtures/supabase/platform.sql");
const PRODUCT: &str = include_str!("../../../fixtures/supabase/product.sql");
const TABLES: &str = include_str!("../../../fixtures/schema/1-tables.sql");
const CONSTRAINTS: &str = include_str!("../../../fixtures/schema/2-constraints.sql");
const SEED: u64 = 7;
const PRODUCT_BYTES: u64 = 200_000;

/// A server on which each database is a project.
pub struct Supabase {
    server: Cluster,
    password: String,
}

/// The server all tests share. Like the plain one it ends with the process.
pub fn supabase(postgres: &'static Postgres) -> &'static Supabase {
    static SHARED: OnceLock<Supabase> = OnceLock::new();
    SHARED.get_or_init(|| {
        let started = std::thread::spawn(|| run(Supabase::start(postgres))).join();
        started.expect("a server with projects")
    })
}

impl Supabase {
    async fn start(postgres: &Postgres) -> Self {
        let directory = std::env::temp_dir().join(format!("paycraft-tests-{:016x}", rand::random::<u64>()));
        let user = ServerUser::suitable().expect("a user");
        let server = Cluster::start(&postgres.installation, &directory, user, Traits::default()).await;
        let server = server.expect("a server");
        let url = server.url("postgres").reveal().to_owned();
        let password = url.split([':', '@']).nth(2).expect("a password").to_owned();
        let project = Self { server, password };
        project.make_roles().await;
        project.make_templates().await;
        project
    }

    /// The server's first role cannot lose its rights, so it becomes `supabase_admin`, and `postgres` is made anew.
    async fn make_roles(&self) {
        let create = |name: &str| format!("CREATE ROLE {name} LOGIN PASSWORD '{}'", self.password);
        let first = self.server.conninfo(Side::Target, "postgres").expect("a URL");
        execute(&first, &format!("{} SUPERUSER", create("helper"))).await;
        let helper = self.login("helper", Side::Target, "postgres");
        execute(&helper, "ALTER ROLE postgres RENAME TO supabase_admin").await;
        let admin = self.login("supabase_admin", Side::Target, "postgres");
        execute(
            &admin,
            &format!("DROP ROLE helper; {}; {ROLES}", create("postgres")),
        )
        .await;
    }

    async fn make_templates(&self) {
        self.create("fresh", "template1").await;
        execute(&self.admin("fresh"), PLATFORM).await;
        self.create("product", "fresh").await;
        let session = Session::connect(&self.login("postgres", Side::Source, "product"))
            .await
            .expect("a connection");
        let client = session.client();
        let run = async |sql: &str| {
            client
                .batch_execute(sql)
                .await
                .unwrap_or_else(|error| panic!("{error:?}"));
        };
        run("SET search_path = pg_catalog").await;
        run(&without_platform(TABLES)).await;
        for mut table in Workload::new(SEED, PRODUCT_BYTES).tables() {
            let sink = client.copy_in::<_, Bytes>(&table.copy_statement).await;
            let mut sink = pin!(sink.expect("a table"));
            let mut rows = Vec::new();
            while table.fill(&mut rows) {
                sink.send(std::mem::take(&mut rows).into()).await.expect("room");
            }
            sink.finish().await.expect("rows");
        }
        run(&without_platform(CONSTRAINTS)).await;
        run(PRODUCT).await;
    }

    /// A new project, as its owner sees it.
    pub async fn fresh(&self, side: Side) -> Conninfo {
        self.copy(side, "fresh").await
    }

    /// A new project to restore into, as its platform's own superuser has changed it.
    pub async fn changed(&self, sql: &str) -> Conninfo {
        let fresh = self.fresh(Side::Target).await;
        execute(&self.admin(fresh.database()), sql).await;
        fresh
    }

    /// A new project that holds the product.
    pub async fn product(&self, side: Side) -> Conninfo {
        self.copy(side, "product").await
    }

    /// The database as the platform's own superuser sees it.
    pub fn admin(&self, database: &str) -> Conninfo {
        self.login("supabase_admin", Side::Target, database)
    }

    /// The connection string of a project, as its owner, with its password.
    pub fn url(&self, database: &Conninfo) -> String {
        self.server.url(database.database()).reveal().to_owned()
    }

    /// The project as somebody sees it who may write all its tables, and may not do what only `postgres` may.
    pub async fn intern(&self, project: &Conninfo) -> Conninfo {
        let name = format!("intern_{:016x}", rand::random::<u64>());
        let sql = format!(
            "CREATE ROLE {name} LOGIN BYPASSRLS PASSWORD '{}'; GRANT CREATE ON DATABASE {} TO {name};
             GRANT pg_read_all_data, pg_write_all_data TO {name}",
            self.password,
            project.database()
        );
        execute(&self.admin(project.database()), &sql).await;
        self.login(&name, Side::Target, project.database())
    }

    async fn copy(&self, side: Side, template: &str) -> Conninfo {
        let name = format!("project_{:016x}", rand::random::<u64>());
        self.create(&name, template).await;
        // Each project has a secret of its own, which its platform sets.
        let secret =
            format!("ALTER DATABASE {name} SET \"app.settings.jwt_secret\" = 'jwt-secret-of-{name}'");
        execute(&self.admin("postgres"), &secret).await;
        self.login("postgres", side, &name)
    }

    async fn create(&self, name: &str, template: &str) {
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER postgres");
        execute(&self.admin("postgres"), &sql).await;
    }

    fn login(&self, role: &str, side: Side, database: &str) -> Conninfo {
        let url = self
            .server
            .url(database)
            .reveal()
            .replace("//postgres:", &format!("//{role}:"));
        Conninfo::parse(side, &url).expect("a connection string")
    }
}

/// The product's own part of the synthetic schema: where the platform is there already, it is not made again.
fn without_platform(schema: &str) -> String {
    const PLATFORMS: [&str; 8] = [
        "CREATE SCHEMA auth",
        "CREATE SCHEMA extensions",
        "CREATE EXTENSION pgcrypto",
        "COMMENT ON SCHEMA auth",
        "CREATE FUNCTION auth.",
        "CREATE TABLE auth.",
        "ALTER TABLE auth.",
        "CREATE POLICY \"own account\" ON auth.",
    ];
    let mut is_platforms = false;
    let mut kept = String::new();
    for line in schema.lines() {
        is_platforms |= PLATFORMS.iter().any(|start| line.starts_with(start));
        if !is_platforms {
            kept.push_str(line);
            kept.push('\n');
        }
        // No line inside one of these statements ends with a semicolon.
        is_platforms &= !line.ends_with(';');
    }
    kept
}
