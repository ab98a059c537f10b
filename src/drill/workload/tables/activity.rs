//! What accumulates with use: metered usage, the audit log, requests to the API.

use super::WorkloadTable;
use super::accounts::push_address;
use crate::drill::workload::copy_text::{CopyRow, push_decimal, push_number, push_uuid};
use crate::drill::workload::draw::Draw;
use crate::drill::workload::json::push_object;
use crate::drill::workload::moment::Moment;
use crate::drill::workload::world::{Entity, World};

pub(super) const USAGE_RECORDS: WorkloadTable = WorkloadTable {
    name: "public.usage_records",
    columns: "id, subscription_id, meter, quantity, idempotency_key, recorded_at",
    partitioned: true,
    rows: |rows| rows.usage_records,
    write: |world, draw, number, row| {
        // The last meters have no partition of their own and go to the default one.
        const METERS: [&str; 5] = ["api_calls", "storage_gb", "egress_gb", "seats", "e-mails"];
        row.number(number + 1)
            .uuid(world.id(Entity::Subscription, draw.skewed(world.rows.subscriptions)))
            .plain(draw.pick_skewed(&METERS));
        push_decimal(row.field(), draw.skewed(50_000_000_000), 6);
        row.uuid(draw.uuid()).moment(
            Moment::of_row(number, world.rows.usage_records).plus_micros(draw.below_signed(1_000_000)),
        );
    },
};

pub(super) const AUDIT_LOG: WorkloadTable = WorkloadTable {
    name: "public.audit_log",
    columns: "id, occurred_at, tenant_id, actor_id, action, entity, entity_id, changes, ip",
    partitioned: true,
    rows: |rows| rows.audit_entries,
    write: audit_entry,
};

fn audit_entry(world: &World, draw: &mut Draw, number: u64, row: &mut CopyRow<'_>) {
    const ENTITIES: [&str; 5] = [
        "subscriptions",
        "tenant_products",
        "tenants",
        "coupons",
        "tenant_providers",
    ];
    let occurred = Moment::of_row(number, world.rows.audit_entries).plus_micros(draw.below_signed(1_000_000));
    // A few lie outside the months that have a partition, and go to the default one.
    let occurred = if number.is_multiple_of(29) {
        occurred.plus_days(-400)
    } else {
        occurred
    };
    row.number(number + 1)
        .moment(occurred)
        .uuid(world.id(Entity::Tenant, draw.skewed(world.rows.tenants)));
    if draw.one_in(4) {
        row.null();
    } else {
        row.uuid(world.id(Entity::User, draw.skewed(world.rows.users)));
    }
    row.plain(draw.pick_skewed(&["update", "insert", "sign_in", "delete"]))
        .plain(draw.pick_skewed(&ENTITIES));
    let product = draw.below(world.rows.products);
    push_uuid(row.field(), world.id(Entity::Product, product));
    if draw.one_in(5) {
        row.null();
    } else {
        push_object(row.field(), |json| {
            json.object("price_cents", |change| {
                change.number("old", draw.below(10_000));
                change.number("new", draw.below(10_000));
            });
            json.text("note", draw.pick_skewed(&world.pools.slogans));
        });
    }
    push_address(row.field(), draw);
}

pub(super) const API_REQUESTS: WorkloadTable = WorkloadTable {
    name: "public.api_requests",
    columns: "id, tenant_id, request_id, method, path, status, latency_ms, ip, user_agent, occurred_at",
    partitioned: false,
    rows: |rows| rows.api_requests,
    write: |world, draw, number, row| {
        const PATHS: [&str; 6] = [
            "/v1/checkout",
            "/v1/premium/",
            "/v1/products",
            "/v1/usage",
            "/v1/customers/",
            "/health",
        ];
        row.number(number + 1)
            .uuid(world.id(Entity::Tenant, draw.skewed(world.rows.tenants)))
            .uuid(draw.uuid())
            .plain(draw.pick_skewed(&["GET", "POST", "DELETE"]));
        let path = draw.pick_skewed(&PATHS);
        let out = row.field();
        out.extend_from_slice(path.as_bytes());
        if path.ends_with('/') {
            push_number(out, 1 + draw.below(world.rows.customers));
        }
        row.plain(draw.pick_skewed(&["200", "201", "404", "401", "429", "500"]))
            .decimal(1000 + draw.skewed(900_000), 3);
        push_address(row.field(), draw);
        row.text(draw.pick_skewed(&world.pools.user_agents)).moment(
            Moment::of_row(number, world.rows.api_requests).plus_micros(draw.below_signed(1_000_000)),
        );
    },
};
