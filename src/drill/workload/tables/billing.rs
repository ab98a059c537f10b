//! Money: invoices and their lines, payments, refunds, disputes, payouts, documents.

use super::WorkloadTable;
use crate::drill::workload::copy_text::{CopyRow, push_number, push_padded, push_token};
use crate::drill::workload::draw::Draw;
use crate::drill::workload::json::push_object;
use crate::drill::workload::large_objects;
use crate::drill::workload::moment::Moment;
use crate::drill::workload::scale::LINES_PER_INVOICE;
use crate::drill::workload::world::{CURRENCIES, Entity, FIRST_PAYOUT, World};

/// `invoices_id_seq` starts here.
const FIRST_INVOICE: u64 = 100;

pub(super) const INVOICES: WorkloadTable = WorkloadTable {
    name: "public.invoices",
    columns: "id, number, tenant_id, subscription_id, status, currency, subtotal_cents, tax_cents, issued_at, \
              due_at, paid_at, memo",
    partitioned: false,
    rows: |rows| rows.invoices,
    write: invoice,
};

fn invoice(world: &World, draw: &mut Draw, number: u64, row: &mut CopyRow<'_>) {
    let subscription = world.subscription_of(number);
    let issued = Moment::of_row(number, world.rows.invoices).plus_micros(draw.below_signed(30_000_000));
    let subtotal = world.unit_cents(number) * LINES_PER_INVOICE;
    row.number(FIRST_INVOICE + number);
    let label = row.field();
    label.extend_from_slice(b"INV-");
    push_padded(label, 1000 + number, 9);
    row.uuid(world.id(Entity::Tenant, world.seller_of(subscription)))
        .uuid(world.id(Entity::Subscription, subscription));
    let paid = number < world.rows.payments;
    row.plain(if paid {
        "paid"
    } else {
        draw.pick_skewed(&["open", "void", "uncollectible", "draft"])
    });
    row.plain(draw.pick_skewed(&CURRENCIES))
        .number(subtotal)
        .number(subtotal * draw.below(3) / 10)
        .moment(issued)
        .moment(issued.plus_days(14));
    if paid {
        row.moment(issued.plus_seconds(draw.below_signed(900_000)));
    } else {
        row.null();
    }
    if draw.one_in(6) {
        row.text(draw.pick(&world.pools.sentences));
    } else {
        row.null();
    }
}

pub(super) const INVOICE_LINES: WorkloadTable = WorkloadTable {
    name: "public.invoice_lines",
    columns: "invoice_id, line_no, description, quantity, unit_cents",
    partitioned: false,
    rows: |rows| rows.invoices * LINES_PER_INVOICE,
    write: |world, draw, number, row| {
        let invoice = number / LINES_PER_INVOICE;
        row.number(FIRST_INVOICE + invoice)
            .number(number % LINES_PER_INVOICE + 1)
            .text(draw.pick_skewed(&world.pools.slogans))
            .decimal(1000, 3)
            .number(world.unit_cents(invoice));
    },
};

pub(super) const PAYMENTS: WorkloadTable = WorkloadTable {
    name: "public.payments",
    columns: "id, invoice_id, payment_method_id, provider_payment_id, status, amount_cents, fee_cents, failure_code, \
              created_at",
    partitioned: false,
    rows: |rows| rows.payments,
    write: |world, draw, number, row| {
        let amount = world.unit_cents(number) * LINES_PER_INVOICE;
        row.uuid(world.id(Entity::Payment, number))
            .number(FIRST_INVOICE + number);
        if draw.one_in(10) {
            row.null();
        } else {
            row.number(draw.below(world.rows.payment_methods) + 1);
        }
        let id = row.field();
        id.extend_from_slice(b"pi_");
        push_token(id, &draw.bytes::<24>());
        if draw.one_in(15) {
            row.plain("failed")
                .number(amount)
                .decimal(0, 4)
                .plain(draw.pick(&["card_declined", "insufficient_funds", "expired_card"]));
        } else {
            row.plain("succeeded")
                .number(amount)
                .decimal(amount * 290 + 300_000, 4)
                .null();
        }
        row.moment(Moment::of_row(number, world.rows.payments).plus_micros(draw.below_signed(80_000_000)));
    },
};

pub(super) const REFUNDS: WorkloadTable = WorkloadTable {
    name: "public.refunds",
    columns: "id, payment_id, amount_cents, reason, created_at",
    partitioned: false,
    rows: |rows| rows.refunds,
    write: |world, draw, number, row| {
        let payment = draw.below(world.rows.payments);
        row.uuid(draw.uuid())
            .uuid(world.id(Entity::Payment, payment))
            .number(1 + draw.below(world.unit_cents(payment)));
        if draw.one_in(3) {
            row.null();
        } else {
            row.text(draw.pick(&world.pools.sentences));
        }
        row.moment(Moment::of_row(number, world.rows.refunds));
    },
};

pub(super) const DISPUTES: WorkloadTable = WorkloadTable {
    name: "public.disputes",
    columns: "id, payment_id, reason, evidence, opened_at, closed_at",
    partitioned: false,
    rows: |rows| rows.disputes,
    write: |world, draw, number, row| {
        let opened = Moment::of_row(number, world.rows.disputes);
        row.uuid(draw.uuid())
            .uuid(world.id(Entity::Payment, draw.below(world.rows.payments)))
            .plain(draw.pick(&["fraudulent", "duplicate", "product_not_received"]));
        if draw.one_in(3) {
            row.null().moment(opened).null();
            return;
        }
        push_object(row.field(), |json| {
            json.text(
                "statement",
                &format!("\"{}\"\n— the customer", draw.pick(&world.pools.sentences)),
            );
            json.flag("receipt", draw.one_in(2));
            json.null("shipping");
        });
        row.moment(opened).moment(opened.plus_days(draw.below_signed(60)));
    },
};

pub(super) const PAYOUTS: WorkloadTable = WorkloadTable {
    name: "public.payouts",
    columns: "number, tenant_id, amount_cents, currency, arrives_on",
    partitioned: false,
    rows: |rows| rows.payouts,
    write: |world, draw, number, row| {
        row.number(FIRST_PAYOUT + number)
            .uuid(world.id(Entity::Tenant, draw.skewed(world.rows.tenants)))
            .number(10_000 + draw.below(5_000_000))
            .plain(draw.pick_skewed(&CURRENCIES))
            .date(Moment::of_row(number, world.rows.payouts));
    },
};

pub(super) const DOCUMENTS: WorkloadTable = WorkloadTable {
    name: "public.invoice_documents",
    columns: "id, invoice_id, file_name, content",
    partitioned: false,
    rows: |rows| rows.documents,
    write: |world, _, number, row| {
        row.number(number + 1)
            .number(FIRST_INVOICE + number % world.rows.invoices);
        let name = row.field();
        name.extend_from_slice("Rechnung №".as_bytes());
        push_number(name, number);
        name.extend_from_slice(b".pdf");
        row.number(large_objects::oid(number).into());
    },
};
