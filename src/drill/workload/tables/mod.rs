//! The tables in load order, and the generation of one table's rows in bounded memory.

mod accounts;
mod activity;
mod billing;
mod catalogue;
mod customers;
mod notes;
mod tenants;
mod webhooks;

use super::copy_text::CopyRow;
use super::draw::Draw;
use super::scale::RowCounts;
use super::world::World;
use std::fmt;
use std::sync::Arc;

/// Rows per block. Each block has its own stream of random choices and needs no other block.
const BLOCK_ROWS: u64 = 64;
/// [`TableLoad::fill`] stops at the first block that reaches this size.
pub(super) const BATCH_BYTES: usize = 256 << 10;

/// A table: where its rows go, how many there are, and what row `number` looks like.
struct WorkloadTable {
    name: &'static str,
    columns: &'static str,
    partitioned: bool,
    rows: fn(&RowCounts) -> u64,
    write: fn(&World, &mut Draw, u64, &mut CopyRow<'_>),
}

/// Parents first, but for `tenants.default_product_id`, which no order satisfies. The position in this list is the first
/// half of a block's stream number.
const TABLES: [&WorkloadTable; 29] = [
    &accounts::USERS,
    &catalogue::TIER_DEFINITIONS,
    &catalogue::ENCRYPTION_KEY_CONFIG,
    &catalogue::TAX_RATES,
    &catalogue::EXCHANGE_RATES,
    &catalogue::FEATURE_FLAGS,
    &tenants::TENANTS,
    &tenants::TENANT_PROVIDERS,
    &tenants::PRODUCTS,
    &accounts::MEMBERS,
    &accounts::INVITES,
    &customers::CUSTOMERS,
    &customers::PAYMENT_METHODS,
    &customers::COUPONS,
    &customers::SUBSCRIPTIONS,
    &billing::INVOICES,
    &billing::INVOICE_LINES,
    &billing::PAYMENTS,
    &billing::REFUNDS,
    &billing::DISPUTES,
    &billing::PAYOUTS,
    &webhooks::WEBHOOK_EVENTS,
    &activity::USAGE_RECORDS,
    &activity::AUDIT_LOG,
    &activity::API_REQUESTS,
    &accounts::NOTIFICATIONS,
    &accounts::SESSIONS,
    &billing::DOCUMENTS,
    &notes::NOTES,
];

/// One table's rows as `COPY` text, generated as they are asked for.
pub struct TableLoad {
    /// The table as SQL writes it, with its schema.
    pub name: &'static str,
    /// The statement that takes the rows: `COPY table (columns) FROM STDIN`.
    pub copy_statement: String,
    /// How many rows there are in total.
    pub rows: u64,
    /// Whether rows are routed to partitions, which rules out `COPY … (FREEZE)`.
    pub partitioned: bool,
    world: Arc<World>,
    write: fn(&World, &mut Draw, u64, &mut CopyRow<'_>),
    stream: u64,
    next_row: u64,
}

impl TableLoad {
    /// Appends the next rows, always whole ones and about 256 KiB; `false` when there were none left.
    pub fn fill(&mut self, buffer: &mut Vec<u8>) -> bool {
        let first_row = self.next_row;
        let full = buffer.len() + BATCH_BYTES;
        while self.next_row < self.rows && buffer.len() < full {
            let block = self.next_row / BLOCK_ROWS;
            let mut draw = Draw::new(self.world.seed, self.stream | block);
            let end = self.rows.min((block + 1) * BLOCK_ROWS);
            for number in self.next_row..end {
                let mut row = CopyRow::new(buffer);
                (self.write)(&self.world, &mut draw, number, &mut row);
                row.end();
            }
            self.next_row = end;
        }
        self.next_row > first_row
    }
}

impl fmt::Debug for TableLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} of {} rows)", self.name, self.next_row, self.rows)
    }
}

/// Every table of the data set, in load order.
pub(super) fn all(world: &Arc<World>) -> Vec<TableLoad> {
    (0..)
        .zip(TABLES)
        .map(|(position, table)| TableLoad {
            name: table.name,
            copy_statement: format!("COPY {} ({}) FROM STDIN", table.name, table.columns),
            rows: (table.rows)(&world.rows),
            partitioned: table.partitioned,
            world: Arc::clone(world),
            write: table.write,
            stream: position << 40,
            next_row: 0,
        })
        .collect()
}
