//! People: accounts, team members, invitations, sessions, notifications.

use super::WorkloadTable;
use crate::drill::workload::copy_text::{CopyRow, push_number, push_token};
use crate::drill::workload::draw::Draw;
use crate::drill::workload::json::push_object;
use crate::drill::workload::moment::Moment;
use crate::drill::workload::world::{Entity, World};

const ROLES: [&str; 4] = ["developer", "admin", "read only", "owner"];

pub(super) const USERS: WorkloadTable = WorkloadTable {
    name: "auth.users",
    columns: "id, email, encrypted_password, email_confirmed_at, last_sign_in_at, raw_app_meta_data, \
              raw_user_meta_data, created_at",
    partitioned: false,
    rows: |rows| rows.users,
    write: user,
};

fn user(world: &World, draw: &mut Draw, number: u64, row: &mut CopyRow<'_>) {
    let created = Moment::of_row(number, world.rows.users).plus_days(-200);
    row.uuid(world.id(Entity::User, number));
    world.push_email(row.field(), Entity::User, number);
    let hash = row.field();
    hash.extend_from_slice(b"$2a$10$");
    push_token(hash, &draw.bytes::<53>());
    if draw.one_in(12) {
        row.null().null();
    } else {
        row.moment(created.plus_seconds(draw.below_signed(7200)))
            .moment(created.plus_days(draw.below_signed(300)));
    }
    let provider = draw.pick_skewed(&["email", "google", "github"]);
    push_object(row.field(), |json| {
        json.text("provider", provider);
        json.member("providers")
            .extend_from_slice(format!("[\"{provider}\"]").as_bytes());
    });
    push_object(row.field(), |json| {
        json.text("full_name", world.name(Entity::User, number));
        json.flag("email_verified", true);
        json.text("locale", draw.pick_skewed(&["en", "de", "hi", "pt-BR", "ja"]));
    });
    row.moment(created);
}

pub(super) const MEMBERS: WorkloadTable = WorkloadTable {
    name: "public.team_members",
    columns: "tenant_id, user_id, role, joined_at",
    partitioned: false,
    rows: |rows| rows.members.min(rows.tenants * rows.users),
    write: |world, draw, number, row| {
        let tenant = number % world.rows.tenants;
        // Each time round the tenants, the user is another one: a pair never repeats.
        let user = (tenant + number / world.rows.tenants) % world.rows.users;
        row.uuid(world.id(Entity::Tenant, tenant))
            .uuid(world.id(Entity::User, user))
            .plain(draw.pick_skewed(&ROLES))
            .moment(Moment::of_row(number, world.rows.members).plus_micros(draw.below_signed(1 << 40)));
    },
};

pub(super) const INVITES: WorkloadTable = WorkloadTable {
    name: "public.team_invites",
    columns: "id, tenant_id, invited_by, email, role, token_hash, expires_at, accepted_at",
    partitioned: false,
    rows: |rows| rows.invites,
    write: |world, draw, number, row| {
        let sent = Moment::of_row(number, world.rows.invites);
        row.uuid(draw.uuid())
            .uuid(world.id(Entity::Tenant, draw.skewed(world.rows.tenants)));
        if draw.one_in(9) {
            row.null();
        } else {
            row.uuid(world.id(Entity::User, draw.below(world.rows.users)));
        }
        let address = row.field();
        address.extend_from_slice(b"invited.");
        world.push_email(address, Entity::User, draw.below(world.rows.users));
        row.plain(draw.pick_skewed(&ROLES))
            .bytes(&draw.bytes::<32>())
            .moment(sent.plus_days(7));
        if draw.one_in(3) {
            row.null();
        } else {
            row.moment(sent.plus_seconds(draw.below_signed(500_000)));
        }
    },
};

pub(super) const SESSIONS: WorkloadTable = WorkloadTable {
    name: "public.sessions",
    columns: "id, user_id, token_hash, ip, user_agent, created_at, expires_at",
    partitioned: false,
    rows: |rows| rows.sessions,
    write: |world, draw, number, row| {
        let created = Moment::of_row(number, world.rows.sessions).plus_micros(draw.below_signed(90_000_000));
        row.uuid(draw.uuid())
            .uuid(world.id(Entity::User, draw.skewed(world.rows.users)))
            .bytes(&draw.bytes::<32>());
        push_address(row.field(), draw);
        row.text(draw.pick_skewed(&world.pools.user_agents))
            .moment(created)
            .moment(created.plus_days(30));
    },
};

/// Appends an IP address from the networks that are set aside for documentation.
pub(super) fn push_address(out: &mut Vec<u8>, draw: &mut Draw) {
    let prefix: &[u8] = if draw.one_in(8) {
        b"2001:db8::"
    } else {
        b"203.0.113."
    };
    out.extend_from_slice(prefix);
    push_number(out, 1 + draw.below(254));
}

pub(super) const NOTIFICATIONS: WorkloadTable = WorkloadTable {
    name: "public.notifications",
    columns: "id, user_id, channel, subject, body, sent_at, read_at",
    partitioned: false,
    rows: |rows| rows.notifications,
    write: |world, draw, number, row| {
        const SUBJECTS: [&str; 5] = [
            "Payment received",
            "Your trial ends soon",
            "A card is about to expire",
            "Zahlung fehlgeschlagen – bitte prüfen",
            "お支払いが完了しました",
        ];
        let sent = Moment::of_row(number, world.rows.notifications);
        row.number(number + 1)
            .uuid(world.id(Entity::User, draw.skewed(world.rows.users)))
            .plain(draw.pick_skewed(&["email", "in_app", "webhook"]))
            .plain(draw.pick_skewed(&SUBJECTS));
        let greeting = draw.pick(&world.pools.names);
        let sentence = draw.pick(&world.pools.sentences);
        // A body of several lines, as people write: COPY must escape it.
        row.text(&format!("Hi {greeting},\n\n{sentence}\n\t— PayCraft"));
        row.moment(sent);
        if draw.one_in(2) {
            row.null();
        } else {
            row.moment(sent.plus_seconds(draw.below_signed(90_000)));
        }
    },
};
