//! The two databases: rows over many tables, and rows of which four fifths are in one.

use paycraft_dr::drill::workload::Workload;
use paycraft_dr::postgres::session::Session;

use super::Outcome;

/// A database to measure with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Set {
    Many,
    Skewed,
}

/// What the largest table of the workload has of all its bytes.
const LARGEST_SHARE: f64 = 0.65;
/// What it is to have where one table has most.
const SKEWED_SHARE: f64 = 0.8;

/// The largest table's rows, dealt out to others like it.
const DEAL_OUT: &str = "
    DO $$ BEGIN FOR part IN 0..15 LOOP
        EXECUTE format('CREATE TABLE public.webhook_events_%s (LIKE public.webhook_events INCLUDING ALL)', part);
        EXECUTE format('INSERT INTO public.webhook_events_%s SELECT * FROM public.webhook_events WHERE id %% 16 = %s', part, part);
    END LOOP; END $$;
    TRUNCATE public.webhook_events;";

impl Set {
    pub(super) const fn database(self) -> &'static str {
        match self {
            Self::Many => "many",
            Self::Skewed => "skewed",
        }
    }

    /// Fills a new database with about so much COPY text.
    pub(super) async fn fill(self, session: &Session, size_bytes: u64) -> Outcome<()> {
        match self {
            Self::Many => {
                Workload::new(1, size_bytes)
                    .load(session.client(), &mut |_| ())
                    .await?;
                session.client().batch_execute(DEAL_OUT).await?;
            }
            Self::Skewed => {
                // Rows added to the largest table until it has its share.
                let others = 1.0 - LARGEST_SHARE;
                let factor = SKEWED_SHARE / (1.0 - SKEWED_SHARE) * others / LARGEST_SHARE;
                let all = LARGEST_SHARE * factor + others;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_precision_loss,
                    clippy::cast_sign_loss,
                    reason = "a size of about so much"
                )]
                let base = (size_bytes as f64 / all) as u64;
                Workload::new(1, base).load(session.client(), &mut |_| ()).await?;
                let copied = ((factor - 1.0) * 100.0).round();
                let sql = format!(
                    "INSERT INTO public.webhook_events SELECT (jsonb_populate_record(e, jsonb_build_object(
                         'id', id + 1000000000, 'provider_event_id', provider_event_id || '-again'))).*
                       FROM public.webhook_events e WHERE id % 100 < {}; ",
                    copied.min(100.0)
                );
                session.client().batch_execute(&sql).await?;
            }
        }
        session.client().batch_execute("VACUUM ANALYZE").await?;
        Ok(())
    }
}
