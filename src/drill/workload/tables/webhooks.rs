//! Webhook events: about two thirds of all bytes, as in production.

use super::WorkloadTable;
use super::tenants::push_sku;
use crate::drill::workload::copy_text::{CopyRow, push_hex, push_number, push_token, push_uuid};
use crate::drill::workload::draw::{Draw, index};
use crate::drill::workload::json::{Json, push_object};
use crate::drill::workload::moment::Moment;
use crate::drill::workload::world::{CURRENCIES, Entity, World};

/// Event, kind of its object, prefix of that object's id; the commonest first.
const EVENTS: [(&str, &str, &str); 8] = [
    ("invoice.paid", "invoice", "in_"),
    ("payment_intent.succeeded", "payment_intent", "pi_"),
    ("customer.subscription.updated", "subscription", "sub_"),
    ("charge.succeeded", "charge", "ch_"),
    ("invoice.payment_failed", "invoice", "in_"),
    ("customer.subscription.created", "subscription", "sub_"),
    ("checkout.session.completed", "checkout.session", "cs_"),
    ("customer.subscription.deleted", "subscription", "sub_"),
];

pub(super) const WEBHOOK_EVENTS: WorkloadTable = WorkloadTable {
    name: "public.webhook_events",
    columns: "id, tenant_id, provider, mode, event_type, provider_event_id, signature, payload, attempts, \
              last_error, received_at, processed_at",
    partitioned: false,
    rows: |rows| rows.webhook_events,
    write: event,
};

fn event(world: &World, draw: &mut Draw, number: u64, row: &mut CopyRow<'_>) {
    let subscription = draw.skewed(world.rows.subscriptions);
    let received =
        Moment::of_row(number, world.rows.webhook_events).plus_micros(draw.below_signed(5_000_000));
    let live = !draw.one_in(10);
    let (event_type, object, prefix) = EVENTS[index(draw.skewed(EVENTS.len() as u64))];
    let event_id = draw.bytes::<24>();
    row.number(number + 1)
        .uuid(world.id(Entity::Tenant, world.seller_of(subscription)))
        .plain(world.provider(subscription))
        .plain(if live { "live" } else { "test" })
        .plain(event_type);
    push_id(row.field(), "evt_", &event_id);
    if draw.one_in(20) {
        row.null();
    } else {
        row.bytes(&draw.bytes::<32>());
    }
    push_object(row.field(), |json| {
        json.plain("id", |out| push_id(out, "evt_", &event_id));
        json.text("object", "event");
        json.text("type", event_type);
        json.text("api_version", "2025-03-31.basil");
        json.number("created", received.unix_seconds());
        json.flag("livemode", live);
        json.number("pending_webhooks", draw.below(3));
        json.object("request", |request| {
            request.plain("id", |out| push_id(out, "req_", &draw.bytes::<14>()));
            request.plain("idempotency_key", |out| push_uuid(out, draw.uuid()));
        });
        json.object("data", |data| {
            data.object("object", |body| {
                body.text("object", object);
                body.plain("id", |out| push_id(out, prefix, &draw.bytes::<24>()));
                write_body(world, draw, subscription, received, body);
            });
        });
    });
    let failed = draw.one_in(40);
    row.number(if failed { 2 + draw.below(4) } else { 1 });
    if failed {
        row.text(&format!("HTTP 500\n{}", draw.pick(&world.pools.sentences)));
    } else {
        row.null();
    }
    row.moment(received);
    if failed || draw.one_in(200) {
        row.null();
    } else {
        row.moment(received.plus_micros(40_000 + draw.below_signed(900_000)));
    }
}

/// The members that every kind of object has.
fn write_body(world: &World, draw: &mut Draw, subscription: u64, received: Moment, json: &mut Json<'_>) {
    let customer = world.customer_of(subscription);
    let tenant = world.tenant_of(customer);
    let product = world.product_of(tenant, subscription);
    let cents = world.unit_cents(subscription);
    let currency = draw.pick_skewed(&CURRENCIES);
    json.plain("customer", |out| {
        out.extend_from_slice(b"cus_");
        world.push_provider_id(out, Entity::Customer, customer);
    });
    json.plain("customer_email", |out| {
        world.push_email(out, Entity::Customer, customer);
    });
    json.text("customer_name", world.name(Entity::Customer, customer));
    json.plain("subscription", |out| {
        out.extend_from_slice(b"sub_");
        world.push_provider_id(out, Entity::Subscription, subscription);
    });
    json.text(
        "status",
        draw.pick_skewed(&["active", "paid", "open", "past_due"]),
    );
    json.text("currency", currency);
    json.number("amount_due", cents);
    json.number("amount_paid", cents - cents * draw.below(2));
    json.number("period_start", received.plus_days(-30).unix_seconds());
    json.number("period_end", received.unix_seconds());
    json.null("discount");
    json.text("description", draw.pick(&world.pools.slogans));
    // Once in a while an event with many lines, large enough for the server to store it out of line.
    let lines = if draw.one_in(150) { 30 } else { 1 };
    let out = json.member("lines");
    out.push(b'[');
    for line in 0..lines {
        if line > 0 {
            out.push(b',');
        }
        push_object(out, |json| {
            json.plain("id", |out| push_id(out, "il_", &draw.bytes::<14>()));
            json.plain("price", |out| push_sku(out, world, product));
            json.number("quantity", 1);
            json.number("amount", cents + line);
            json.text("description", draw.pick(&world.pools.sentences));
        });
    }
    out.push(b']');
    json.object("metadata", |metadata| {
        metadata.plain("tenant_id", |out| {
            push_uuid(out, world.id(Entity::Tenant, tenant));
        });
        metadata.plain("product_id", |out| {
            push_uuid(out, world.id(Entity::Product, product));
        });
        metadata.plain("trace", |out| push_hex(out, &draw.bytes::<8>()));
        metadata.plain("attempt", |out| push_number(out, 1 + draw.below(3)));
    });
}

fn push_id(out: &mut Vec<u8>, prefix: &str, bytes: &[u8]) {
    out.extend_from_slice(prefix.as_bytes());
    push_token(out, bytes);
}
