//! Who pays: customers, their payment methods, coupons, subscriptions.

use super::WorkloadTable;
use super::tenants::address;
use crate::drill::workload::copy_text::{CopyRow, push_decimal, push_number, push_padded};
use crate::drill::workload::draw::{Draw, index};
use crate::drill::workload::json::push_object;
use crate::drill::workload::literal::array;
use crate::drill::workload::moment::Moment;
use crate::drill::workload::world::{Entity, PROVIDERS, World};

pub(super) const CUSTOMERS: WorkloadTable = WorkloadTable {
    name: "public.customers",
    columns: "id, tenant_id, email, name, address, metadata, created_at, updated_at",
    partitioned: false,
    rows: |rows| rows.customers,
    write: |world, draw, number, row| {
        let created = Moment::of_row(number, world.rows.customers).plus_days(-150);
        row.number(number + 1)
            .uuid(world.id(Entity::Tenant, world.tenant_of(number)));
        world.push_email(row.field(), Entity::Customer, number);
        if draw.one_in(20) {
            row.null();
        } else {
            row.text(world.name(Entity::Customer, number));
        }
        if draw.one_in(3) {
            row.null();
        } else {
            row.text(&address(world, draw));
        }
        push_object(row.field(), |json| {
            json.text(
                "source",
                draw.pick_skewed(&["checkout", "api", "import", "sales"]),
            );
            json.text(
                "campaign",
                draw.pick_skewed(&["spring-25", "launch", "referral", "conférence"]),
            );
            json.number("score", draw.below(1000));
        });
        row.moment(created)
            .moment(created.plus_seconds(draw.below_signed(9_000_000)));
    },
};

pub(super) const PAYMENT_METHODS: WorkloadTable = WorkloadTable {
    name: "public.payment_methods",
    columns: "id, customer_id, provider, brand, last4, expires_on, is_default",
    partitioned: false,
    rows: |rows| rows.payment_methods,
    write: |world, draw, number, row| {
        row.number(number + 1)
            .number(number % world.rows.customers + 1)
            .plain(draw.pick_skewed(&PROVIDERS))
            .plain(draw.pick_skewed(&["visa", "mastercard", "amex", "rupay", "sepa"]));
        push_padded(row.field(), draw.below(10_000), 4);
        // One default per customer at most: only the first time round.
        row.date(Moment::FIRST.plus_days(draw.below_signed(1400)))
            .flag(number < world.rows.customers && !draw.one_in(5));
    },
};

pub(super) const COUPONS: WorkloadTable = WorkloadTable {
    name: "public.coupons",
    columns: "id, tenant_id, code, percent_off, amount_off_cents, applies_to, redeemed, valid_until",
    partitioned: false,
    rows: |rows| rows.coupons,
    write: |world, draw, number, row| {
        row.uuid(world.id(Entity::Coupon, number))
            .uuid(world.id(Entity::Tenant, world.tenant_of(number)));
        let code = row.field();
        code.extend_from_slice(draw.pick(&["SPRING", "WELCOME", "SAVE", "FÊTE"]).as_bytes());
        push_number(code, number);
        if draw.one_in(3) {
            row.null().number(500 + draw.below(5000));
        } else {
            push_decimal(row.field(), 500 + draw.below(9000), 2);
            row.null();
        }
        let products = ["plan-1-monthly", "plan-1-yearly", "all of it, \"really\""];
        row.text(&array(&products[..index(draw.below(4))]))
            .number(draw.below(400));
        if draw.one_in(2) {
            row.null();
        } else {
            row.moment(Moment::FIRST.plus_days(draw.below_signed(400)));
        }
    },
};

pub(super) const SUBSCRIPTIONS: WorkloadTable = WorkloadTable {
    name: "public.subscriptions",
    columns: "id, tenant_id, customer_id, product_id, coupon_id, email, provider, provider_customer_id, \
              provider_subscription_id, status, mode, current_period_start, current_period_end, canceled_at, \
              created_at, updated_at",
    partitioned: false,
    rows: |rows| rows.subscriptions,
    write: subscription,
};

fn subscription(world: &World, draw: &mut Draw, number: u64, row: &mut CopyRow<'_>) {
    const STATUSES: [&str; 6] = [
        "active",
        "canceled",
        "trialing",
        "past_due",
        "paused",
        "incomplete",
    ];
    let customer = world.customer_of(number);
    let tenant = world.tenant_of(customer);
    let created = Moment::of_row(number, world.rows.subscriptions).plus_micros(draw.below_signed(60_000_000));
    let period_start = created.plus_days(30 * draw.below_signed(3));
    let status = draw.pick_skewed(&STATUSES);
    row.uuid(world.id(Entity::Subscription, number))
        .uuid(world.id(Entity::Tenant, tenant))
        .number(customer + 1)
        .uuid(world.id(Entity::Product, world.product_of(tenant, number)));
    if draw.one_in(25) {
        row.uuid(world.id(Entity::Coupon, draw.below(world.rows.coupons)));
    } else {
        row.null();
    }
    let email = row.field();
    // Imported before addresses had to be lower case: what the constraint left NOT VALID is about.
    if number % 400 == 7 {
        email.extend_from_slice(b"Imported.");
    }
    world.push_email(email, Entity::Customer, customer);
    row.plain(world.provider(number));
    // An incomplete checkout has no ids of the provider's yet.
    if status == "incomplete" {
        row.null().null();
    } else {
        let id = row.field();
        id.extend_from_slice(b"cus_");
        world.push_provider_id(id, Entity::Customer, customer);
        let id = row.field();
        id.extend_from_slice(b"sub_");
        world.push_provider_id(id, Entity::Subscription, number);
    }
    row.plain(status)
        .plain(if draw.one_in(10) { "test" } else { "live" })
        .moment(period_start)
        .moment(period_start.plus_days(30));
    if status == "canceled" {
        row.moment(period_start.plus_seconds(draw.below_signed(2_000_000)));
    } else {
        row.null();
    }
    row.moment(created).moment(period_start);
}
