//! Tenants, their payment providers, what they sell.

use super::WorkloadTable;
use crate::drill::workload::copy_text::{CopyRow, push_number, push_token};
use crate::drill::workload::draw::{Draw, index};
use crate::drill::workload::json::push_object;
use crate::drill::workload::literal::{array, composite};
use crate::drill::workload::moment::Moment;
use crate::drill::workload::world::{COUNTRIES, CURRENCIES, Entity, PROVIDERS, World};

pub(super) const TENANTS: WorkloadTable = WorkloadTable {
    name: "public.tenants",
    columns: "id, owner_id, slug, name, plan, api_key_test, api_key_live, default_product_id, contact_email, \
              billing_address, allowed_origins, settings, created_at, updated_at",
    partitioned: false,
    rows: |rows| rows.tenants,
    write: tenant,
};

fn tenant(world: &World, draw: &mut Draw, number: u64, row: &mut CopyRow<'_>) {
    let created = Moment::of_row(number, world.rows.tenants).plus_days(-190);
    let company = draw.pick(&world.pools.companies);
    row.uuid(world.id(Entity::Tenant, number))
        .uuid(world.id(Entity::User, number % world.rows.users));
    let slug = row.field();
    slug.extend(company.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() {
            byte.to_ascii_lowercase()
        } else {
            b'-'
        }
    }));
    slug.push(b'-');
    push_number(slug, number);
    row.text(company)
        .plain(draw.pick_skewed(&["free", "pro", "enterprise"]));
    for prefix in [b"pk_test_", b"pk_live_"] {
        let key = row.field();
        key.extend_from_slice(prefix);
        push_token(key, &draw.bytes::<32>());
    }
    if draw.one_in(5) {
        row.null();
    } else {
        row.uuid(world.id(Entity::Product, world.product_of(number, 0)));
    }
    world.push_email(row.field(), Entity::Tenant, number);
    if draw.one_in(6) {
        row.null();
    } else {
        row.text(&address(world, draw));
    }
    row.text(&array(&[
        format!("https://app{number}.example.com"),
        "http://localhost:3000".to_owned(),
    ]));
    push_object(row.field(), |json| {
        json.text("slogan", draw.pick(&world.pools.slogans));
        json.text("theme", draw.pick_skewed(&["light", "dark", "système"]));
        json.number("retention_days", 30 * (1 + draw.below(12)));
        json.object("dunning", |dunning| {
            dunning.flag("enabled", draw.one_in(2));
            dunning.number("attempts", 1 + draw.below(5));
        });
    });
    row.moment(created)
        .moment(created.plus_days(draw.below_signed(180)));
}

/// A composite `postal_address`.
pub(super) fn address(world: &World, draw: &mut Draw) -> String {
    let house = 1 + draw.below(300);
    let street = draw.pick(&world.pools.streets);
    // A quote and a comma inside: both levels of quoting have to work.
    let street = match draw.below(10) {
        0 => format!("{house} {street}, \"rear\" building"),
        1 => format!("{street} {house}\\b"),
        _ => format!("{house} {street}"),
    };
    composite(&[
        street.as_str(),
        draw.pick(&world.pools.cities),
        &format!("{:05}", draw.below(100_000)),
        draw.pick_skewed(&COUNTRIES),
    ])
}

pub(super) const TENANT_PROVIDERS: WorkloadTable = WorkloadTable {
    name: "public.tenant_providers",
    columns: "id, tenant_id, provider, mode, secret_key_encrypted, webhook_secret_encrypted, payment_links, \
              is_active, created_at, updated_at",
    partitioned: false,
    rows: |rows| rows.providers,
    write: |world, draw, number, row| {
        let round = number / world.rows.tenants;
        let provider = PROVIDERS[index(round / 2 % PROVIDERS.len() as u64)];
        let created = Moment::of_row(number, world.rows.providers);
        row.uuid(draw.uuid())
            .uuid(world.id(Entity::Tenant, number % world.rows.tenants))
            .plain(provider)
            .plain(if round.is_multiple_of(2) { "live" } else { "test" })
            .bytes(&draw.bytes::<96>());
        if draw.one_in(7) {
            row.null();
        } else {
            row.bytes(&draw.bytes::<64>());
        }
        push_object(row.field(), |json| {
            for plan in ["monthly", "yearly"] {
                json.plain(plan, |link| {
                    link.extend_from_slice(b"https://buy.example.com/");
                    link.extend_from_slice(provider.as_bytes());
                    link.push(b'/');
                    push_token(link, &draw.bytes::<16>());
                });
            }
        });
        row.flag(!draw.one_in(10))
            .moment(created)
            .moment(created.plus_seconds(draw.below_signed(4_000_000)));
    },
};

pub(super) const PRODUCTS: WorkloadTable = WorkloadTable {
    name: "public.tenant_products",
    columns: "id, tenant_id, sku, name, description, type, \"interval\", price_cents, currency, regional_prices, \
              is_active, created_at, updated_at",
    partitioned: false,
    rows: |rows| rows.products,
    write: product,
};

fn product(world: &World, draw: &mut Draw, number: u64, row: &mut CopyRow<'_>) {
    let created = Moment::of_row(number, world.rows.products).plus_days(-180);
    let cents = 100 * (1 + draw.below(500)) - 1;
    row.uuid(world.id(Entity::Product, number))
        .uuid(world.id(Entity::Tenant, world.tenant_of(number)));
    push_sku(row.field(), world, number);
    row.text(draw.pick(&world.pools.slogans));
    if draw.one_in(4) {
        row.null();
    } else {
        row.text(draw.pick(&world.pools.sentences));
    }
    let kind = draw.pick_skewed(&["subscription", "metered", "one_time"]);
    row.plain(kind);
    if kind == "one_time" {
        row.null();
    } else {
        row.plain(draw.pick_skewed(&["month", "year", "quarter", "week"]));
    }
    row.number(cents).plain(draw.pick_skewed(&CURRENCIES));
    let regional: Vec<String> = CURRENCIES
        .iter()
        .take(index(draw.below(4)))
        .map(|currency| composite(&[(*currency).to_owned(), (cents + draw.below(300)).to_string()]))
        .collect();
    row.text(&array(&regional))
        .flag(!draw.one_in(8))
        .moment(created)
        .moment(created.plus_days(draw.below_signed(90)));
}

/// Appends the stock-keeping unit of a product: unique within its tenant.
pub(super) fn push_sku(out: &mut Vec<u8>, world: &World, product: u64) {
    out.extend_from_slice(b"plan-");
    push_number(out, product / world.rows.tenants + 1);
    out.extend_from_slice([&b"-monthly"[..], b"-yearly", b"-lifetime"][index(product % 3)]);
}
