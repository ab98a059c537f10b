//! What is the same for every tenant: tiers, taxes, exchange rates, flags, the encryption setting.

use super::WorkloadTable;
use crate::drill::workload::copy_text::{push_decimal, push_number};
use crate::drill::workload::draw::index;
use crate::drill::workload::json::push_object;
use crate::drill::workload::literal::array;
use crate::drill::workload::moment::Moment;
use crate::drill::workload::world::{COUNTRIES, CURRENCIES};

/// Tier, display name, price in cents, most subscribers, trial, features, requests per minute.
type Tier = (
    &'static str,
    &'static str,
    u64,
    Option<u64>,
    &'static str,
    &'static [&'static str],
    u64,
);

const TIERS: [Tier; 3] = [
    (
        "free",
        "Free",
        0,
        Some(100),
        "00:00:00",
        &["checkout", "webhooks"],
        60,
    ),
    (
        "pro",
        "Pro",
        2900,
        Some(10_000),
        "14 days",
        &["checkout", "webhooks", "coupons", "usage \"metering\""],
        600,
    ),
    (
        "enterprise",
        "Enterprise",
        49_900,
        None,
        "1 mon",
        &["everything", "SSO, audit log", "SLA 99.9 %"],
        6000,
    ),
];

pub(super) const TIER_DEFINITIONS: WorkloadTable = WorkloadTable {
    name: "public.tier_definitions",
    columns: "tier, display_name, monthly_price, max_subscribers, trial, features, limits, sort_order",
    partitioned: false,
    rows: |_| TIERS.len() as u64,
    write: |_, _, number, row| {
        let (tier, name, cents, subscribers, trial, features, per_minute) = TIERS[index(number)];
        row.plain(tier).plain(name).decimal(cents, 2);
        match subscribers {
            Some(most) => row.number(most),
            None => row.null(),
        };
        row.plain(trial).text(&array(features));
        push_object(row.field(), |json| {
            json.number("requests_per_minute", per_minute);
            json.flag("live_mode", tier != "free");
        });
        row.number(number + 1);
    },
};

pub(super) const ENCRYPTION_KEY_CONFIG: WorkloadTable = WorkloadTable {
    name: "public.encryption_key_config",
    columns: "id, setting, algorithm, key_fingerprint, rotated_at",
    partitioned: false,
    rows: |_| 1,
    write: |_, draw, _, row| {
        row.number(1)
            .plain("app.encryption_key")
            .plain("pgp_sym/aes256")
            .bytes(&draw.bytes::<20>())
            .moment(Moment::FIRST);
    },
};

pub(super) const TAX_RATES: WorkloadTable = WorkloadTable {
    name: "public.tax_rates",
    columns: "country, region, name, percentage, validity",
    partitioned: false,
    rows: |rows| rows.tax_rates,
    write: |_, draw, number, row| {
        let countries = COUNTRIES.len() as u64;
        row.plain(COUNTRIES[index(number % countries)]);
        let region = row.field();
        if number >= countries {
            region.extend_from_slice(b"R");
            push_number(region, number / countries);
        }
        row.plain(draw.pick(&["VAT", "GST", "Sales tax", "MwSt.", "消費税"]))
            .decimal(draw.below(250_000), 4)
            .plain("[2024-01-01,)");
    },
};

pub(super) const EXCHANGE_RATES: WorkloadTable = WorkloadTable {
    name: "public.exchange_rates",
    columns: "day, base, quote, rate",
    partitioned: false,
    rows: |rows| rows.exchange_rates,
    write: |_, draw, number, row| {
        let quotes = CURRENCIES.len() as u64 - 1;
        // The newest day comes first and the table reaches back as far as its rows do.
        let days_back = i64::try_from(number / quotes).unwrap_or(0);
        let quote = index(number % quotes + 1);
        let cents = [0, 92, 8350, 79, 136, 152, 15_700, 580][quote];
        row.date(Moment::FIRST.plus_days(Moment::SPAN_DAYS - days_back))
            .plain(CURRENCIES[0])
            .plain(CURRENCIES[quote]);
        push_decimal(row.field(), cents * 10_000_000 + draw.below(cents * 400_000), 9);
    },
};

const FLAGS: [(&str, &str); 6] = [
    ("checkout.v2", "One-page checkout"),
    ("dunning.smart", "Retry when the bank is likely to accept"),
    ("invoices.pdf", "Keep a PDF of every invoice"),
    ("razorpay.upi", "UPI mandates — भारत"),
    ("usage.batch", "Take usage records in batches"),
    ("webhooks.replay", "Let tenants replay webhooks themselves"),
];

pub(super) const FEATURE_FLAGS: WorkloadTable = WorkloadTable {
    name: "public.feature_flags",
    columns: "key, description, enabled, rollout, rules",
    partitioned: false,
    rows: |_| FLAGS.len() as u64,
    write: |_, draw, number, row| {
        let (key, description) = FLAGS[index(number)];
        row.plain(key).plain(description).flag(draw.one_in(2));
        // All sixteen places: a double that is not printed in full does not come back equal.
        push_decimal(row.field(), draw.below(10_000_000_000_000_000), 16);
        row.plain("[{\"plan\": [\"pro\", \"enterprise\"]}]");
    },
};
