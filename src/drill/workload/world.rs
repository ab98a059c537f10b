//! One data set: its seed, its row counts, its pools, and everything that is known of a row without generating it.
//!
//! Rows of different tables agree because what they share (a tenant's id, a customer's address) is computed from the row's
//! number alone. So any block of any table can be generated at any time, on any thread.

use super::copy_text::{push_number, push_token};
use super::draw::{as_version_4, index};
use super::pools::Pools;
use super::scale::RowCounts;

/// Things that other rows refer to.
#[derive(Clone, Copy)]
pub(super) enum Entity {
    User = 1,
    Tenant,
    Product,
    Customer,
    Coupon,
    Subscription,
    Payment,
}

/// Everything rows are composed from.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) size_bytes: u64,
    pub(super) rows: RowCounts,
    pub(super) pools: Pools,
}

/// Payment providers, the commonest first; labels of the enum type.
pub(super) const PROVIDERS: [&str; 5] = ["stripe", "razorpay", "lemonsqueezy", "paddle", "paypal"];
/// Currencies that are billed in, the commonest first.
pub(super) const CURRENCIES: [&str; 8] = ["usd", "eur", "inr", "gbp", "cad", "aud", "jpy", "brl"];
pub(super) const COUNTRIES: [&str; 16] = [
    "US", "IN", "DE", "GB", "FR", "CA", "BR", "AU", "JP", "NL", "ES", "IT", "SE", "PL", "MX", "ZA",
];
/// `payout_number_seq` starts here.
pub(super) const FIRST_PAYOUT: u64 = 500_000;

impl World {
    /// The data set of `seed` at `size_bytes` of `COPY` text.
    pub(super) fn new(seed: u64, size_bytes: u64) -> Self {
        Self {
            seed,
            size_bytes,
            rows: RowCounts::fit(size_bytes),
            pools: Pools::new(seed),
        }
    }

    /// The UUID of row `number` of an entity.
    pub(super) fn id(&self, entity: Entity, number: u64) -> u128 {
        as_version_4(self.mixed(entity, number))
    }

    /// Appends the id that a payment provider gave a row: 16 letters and digits.
    pub(super) fn push_provider_id(&self, out: &mut Vec<u8>, entity: Entity, number: u64) {
        push_token(out, &self.mixed(entity, number).to_be_bytes());
    }

    /// Appends the e-mail address of a row: unique per entity, under a domain that cannot be registered.
    pub(super) fn push_email(&self, out: &mut Vec<u8>, entity: Entity, number: u64) {
        const DOMAINS: [&str; 3] = ["example.com", "example.org", "example.net"];
        let bits = self.bits(entity, number);
        out.extend_from_slice(choose(&self.pools.usernames, bits).as_bytes());
        push_number(out, number);
        out.push(b'@');
        out.extend_from_slice(choose(&DOMAINS, bits >> 32).as_bytes());
    }

    /// The name of the person behind a row.
    pub(super) fn name(&self, entity: Entity, number: u64) -> &str {
        choose(&self.pools.names, self.bits(entity, number) >> 16).as_str()
    }

    /// The provider that a subscription is billed through.
    pub(super) fn provider(&self, subscription: u64) -> &'static str {
        let bits = self.bits(Entity::Subscription, subscription);
        PROVIDERS[[0, 0, 0, 0, 1, 1, 2, 3][index(bits & 7)]]
    }

    /// The tenant that owns a customer, product or coupon.
    pub(super) fn tenant_of(&self, number: u64) -> u64 {
        number % self.rows.tenants
    }

    /// The customer of a subscription.
    pub(super) fn customer_of(&self, subscription: u64) -> u64 {
        subscription % self.rows.customers
    }

    /// One of the products of a tenant.
    pub(super) fn product_of(&self, tenant: u64, choice: u64) -> u64 {
        let products = (self.rows.products - tenant).div_ceil(self.rows.tenants);
        tenant + choice % products * self.rows.tenants
    }

    /// The subscription that an invoice bills.
    pub(super) fn subscription_of(&self, invoice: u64) -> u64 {
        invoice % self.rows.subscriptions
    }

    /// The tenant that sells a subscription.
    pub(super) fn seller_of(&self, subscription: u64) -> u64 {
        self.tenant_of(self.customer_of(subscription))
    }

    /// What an invoice charges per unit, in cents: agreed by the invoice, its lines, its payment and its refund.
    pub(super) fn unit_cents(&self, invoice: u64) -> u64 {
        const PRICES: [u64; 6] = [499, 900, 1900, 2900, 4900, 9900];
        let subscription = self.subscription_of(invoice);
        *choose(&PRICES, self.bits(Entity::Subscription, subscription) >> 8)
    }

    fn bits(&self, entity: Entity, number: u64) -> u64 {
        splitmix(splitmix(self.seed ^ (entity as u64) << 56) ^ number)
    }

    fn mixed(&self, entity: Entity, number: u64) -> u128 {
        let high = self.bits(entity, number);
        u128::from(high) << 64 | u128::from(splitmix(high))
    }
}

fn choose<T>(options: &[T], bits: u64) -> &T {
    &options[index(bits % options.len() as u64)]
}

/// The output step of the generator `SplitMix64`: it turns neighbouring numbers into unrelated ones.
fn splitmix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
