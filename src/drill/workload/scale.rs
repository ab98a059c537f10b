//! How many rows each table gets for a size.

/// Rows per table. Most come from a share of the bytes; a few follow from other tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowCounts {
    pub(super) users: u64,
    pub(super) tax_rates: u64,
    pub(super) exchange_rates: u64,
    pub(super) tenants: u64,
    pub(super) providers: u64,
    pub(super) products: u64,
    pub(super) members: u64,
    pub(super) invites: u64,
    pub(super) customers: u64,
    pub(super) payment_methods: u64,
    pub(super) coupons: u64,
    pub(super) subscriptions: u64,
    pub(super) invoices: u64,
    pub(super) payments: u64,
    pub(super) refunds: u64,
    pub(super) disputes: u64,
    pub(super) payouts: u64,
    pub(super) webhook_events: u64,
    pub(super) usage_records: u64,
    pub(super) audit_entries: u64,
    pub(super) api_requests: u64,
    pub(super) notifications: u64,
    pub(super) sessions: u64,
    pub(super) documents: u64,
    pub(super) notes: u64,
}

/// Lines on every invoice. The width of an invoice below includes them.
pub(super) const LINES_PER_INVOICE: u64 = 2;

impl RowCounts {
    /// The rows whose `COPY` text has about `size_bytes`.
    ///
    /// Each table takes its share of the size, divided by the width of its rows; the webhook events take what is left,
    /// which is about 65 % of all, and absorb what rounding and minimums do to the others.
    pub(super) fn fit(size_bytes: u64) -> Self {
        let mut taken_bytes = FIXED_BYTES;
        let mut rows = |per_mille: u64, row_bytes: u64, at_least: u64| {
            let rows = (size_bytes / 1000 * per_mille / row_bytes).max(at_least);
            taken_bytes += rows * row_bytes;
            rows
        };
        let tenants = rows(4, 550, 4);
        let invoices = rows(44, 318, 30);
        let mut fitted = Self {
            users: rows(8, 325, 8),
            tax_rates: rows(1, 34, 20).min(TAX_RATES_AT_MOST),
            exchange_rates: rows(2, 31, 30).min(EXCHANGE_RATES_AT_MOST),
            tenants,
            // Unique per tenant, provider and mode, and every tenant has a product to sell.
            providers: rows(4, 580, 6).min(tenants * 10),
            products: rows(5, 310, 10).max(tenants),
            members: rows(3, 112, 8),
            invites: rows(2, 275, 4),
            customers: rows(22, 236, 20),
            payment_methods: rows(4, 42, 12),
            coupons: rows(2, 138, 4),
            subscriptions: rows(36, 343, 20),
            invoices,
            payments: rows(20, 131, 25).min(invoices),
            refunds: rows(3, 165, 4),
            disputes: rows(1, 240, 2),
            payouts: rows(2, 67, 6),
            webhook_events: 0,
            usage_records: rows(50, 132, 30),
            audit_entries: rows(42, 241, 30),
            api_requests: rows(75, 256, 30),
            notifications: rows(12, 232, 24),
            sessions: rows(8, 317, 8),
            documents: (24 + size_bytes / (8 << 20)).min(64),
            notes: rows(2, 185, 32),
        };
        fitted.webhook_events = (size_bytes.saturating_sub(taken_bytes) / EVENT_BYTES).max(40);
        fitted
    }
}

/// A webhook event, on average.
const EVENT_BYTES: u64 = 1295;
/// The tables that are the same at every size, and the one long note.
const FIXED_BYTES: u64 = 20_000;
/// Seven currencies on each day of ten years.
const EXCHANGE_RATES_AT_MOST: u64 = 7 * 3650;
/// Countries times regions: the key of that table.
const TAX_RATES_AT_MOST: u64 = 16 * 50;
