//! What a product's database tells for its profile. It is only read.

use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::model::product::short_name;
use crate::postgres::address;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::pooling;
use crate::postgres::queries::{self, user_tables};

/// How long the database may take to tell it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// So many tables are proposed.
const TABLES: usize = 10;

/// What was seen in the database.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// The cluster's system identifier, where the role may read it.
    pub system_identifier: Option<String>,
    /// The tables to count, by schema and name: the largest, and those that most others refer to.
    pub proposed: Vec<(String, String)>,
    /// Every table of the product.
    pub tables: Vec<(String, String)>,
}

impl Proposal {
    /// The table that an operator means by `NAME` or `SCHEMA.NAME`.
    pub fn find(&self, text: &str) -> Option<&(String, String)> {
        self.tables
            .iter()
            .find(|(schema, name)| short_name(schema, name) == text)
    }
}

/// Looks at the product's database.
pub async fn look(source: &Conninfo) -> Result<Proposal> {
    let looked = tokio::time::timeout(TIMEOUT, ask(source)).await;
    looked.unwrap_or_else(|_| {
        let message = format!("{source} did not tell its tables within {} s", TIMEOUT.as_secs());
        Err(Error::new(Kind::Source, message)
            .hint("check the network between here and it, and its own health"))
    })
}

async fn ask(source: &Conninfo) -> Result<Proposal> {
    let (session, source) = address::connect(source).await?;
    pooling::refuse_transactions(&session, &source).await?;
    queries::forbid_writes(&session).await?;
    let facts = queries::facts(&session).await?;
    let tables = user_tables::by_weight(&session).await?;
    Ok(Proposal {
        system_identifier: facts.system_identifier,
        proposed: tables.iter().take(TABLES).cloned().collect(),
        tables,
    })
}
