-- Rights that a restore must bring back as they were. Run as the project's `postgres` in a database that holds
-- fixtures/supabase/platform.sql; then back up, restore into a fresh project, and ask the questions at the end in both.
-- In the source every answer below is false; plain `pg_restore`, with or without --no-acl, answers true for each in a
-- fresh project, because the target's default privileges grant before the archive's GRANTs are replayed.
CREATE TABLE public.tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
INSERT INTO public.tenants (name) SELECT 'tenant ' || n FROM generate_series(1, 12) AS n;
CREATE TABLE public.tenant_providers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid REFERENCES public.tenants, secret_key bytea);
INSERT INTO public.tenant_providers (tenant_id, secret_key) SELECT id, '\xdeadbeef' FROM public.tenants;
REVOKE ALL ON public.tenant_providers FROM anon, authenticated;
GRANT SELECT (id) ON public.tenant_providers TO authenticated;
CREATE FUNCTION public.admin_refund(tenant uuid) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT 'refunded' $$;
REVOKE EXECUTE ON FUNCTION public.admin_refund(uuid) FROM PUBLIC, anon, authenticated;
CREATE MATERIALIZED VIEW public.revenue AS SELECT count(*) AS providers FROM public.tenant_providers;
REVOKE ALL ON public.revenue FROM anon;
CREATE SEQUENCE public.invoice_number;
REVOKE ALL ON SEQUENCE public.invoice_number FROM anon, authenticated;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM anon;

