-- A small product: what a restore counts, with a key to another table, an index, a sequence, and something computed.
CREATE TABLE tier_definitions (id text PRIMARY KEY, price_cents int NOT NULL);
CREATE TABLE tenants (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    tier text NOT NULL REFERENCES tier_definitions
);
CREATE TABLE tenant_providers (tenant bigint REFERENCES tenants, provider text, keys bytea, PRIMARY KEY (tenant, provider));
CREATE TABLE tenant_products (id bigint PRIMARY KEY, tenant bigint REFERENCES tenants, links jsonb);
CREATE TABLE subscriptions (id bigint PRIMARY KEY, tenant bigint REFERENCES tenants, email text, ends timestamptz);
CREATE INDEX subscriptions_of_a_tenant ON subscriptions (tenant, ends);
CREATE SEQUENCE receipts START 41;

INSERT INTO tier_definitions VALUES ('free', 0), ('pro', 2900), ('enterprise', 29900);
INSERT INTO tenants (name, tier) SELECT 'tenant ' || n, (ARRAY['free', 'pro', 'enterprise'])[1 + n % 3] FROM generate_series(1, 500) AS n;
INSERT INTO tenant_providers SELECT id, 'stripe', decode(md5(name), 'hex') FROM tenants;
INSERT INTO tenant_products SELECT id, id, jsonb_build_object('checkout', 'https://pay.example/' || id) FROM tenants;
INSERT INTO subscriptions
    SELECT n, 1 + n % 500, 'customer' || n || '@example.com', timestamptz '2026-01-01 UTC' + n * interval '1 hour'
    FROM generate_series(1, 20000) AS n;
SELECT nextval('receipts');
CREATE MATERIALIZED VIEW subscriptions_by_tier AS
    SELECT tier, count(*) FROM subscriptions JOIN tenants ON tenants.id = tenant GROUP BY tier;
