//! What is tried again, how often, and after which pause.
//!
//! The SDK repeats a request that was not answered, was throttled or met a fault of the server's, with exponential backoff, full
//! jitter, and a quota over all requests, so that a store that is down is not stormed. It does not know what R2 and the proxies
//! before it say in such cases, nor what to do with a body that breaks off: that is here and in `read`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction, RetryConfig, RetryPartition};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::{ErrorKind, RequestAttempts};

const TOO_MANY_REQUESTS: u16 = 429;
/// The slowest line over which a part arrives in time, in bytes per second.
const SLOWEST_LINE: u64 = 64 << 10;

/// How long a store is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a question is asked at most.
    pub attempts: u32,
    /// How often a part of a transfer is sent or asked for at most: what is under way is worth more than a question.
    pub transfer_attempts: u32,
    pub connect: Duration,
    /// For the beginning of the answer to a question: what is small is answered at once, or asked again.
    pub answer: Duration,
    /// For the beginning of an answer to a part of a transfer.
    pub transfer_answer: Duration,
    /// Before the first retry.
    pub first_pause: Duration,
    /// Before a late one.
    pub longest_pause: Duration,
    /// After a write that came too soon behind another to its key: R2 takes one a second.
    pub rest: Duration,
    /// For a question and all its retries together, and for a small answer that stops.
    pub total: Duration,
    /// For a part of a transfer and all its retries together.
    pub transfer_total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            transfer_attempts: 10,
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(12),
            transfer_answer: Duration::from_mins(1),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(8),
            rest: Duration::from_millis(1100),
            total: Duration::from_secs(30),
            transfer_total: Duration::from_mins(10),
        }
    }
}

impl RetryPolicy {
    /// The pause before the next try after `tries` that failed: twice as long each time, up to a limit, and of that at least
    /// half. `random` lies between 0 and 1.
    pub fn pause(&self, tries: u32, random: f64) -> Duration {
        let doubled = self
            .first_pause
            .saturating_mul(1 << tries.saturating_sub(1).min(16));
        doubled
            .min(self.longest_pause)
            .mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }

    /// What holds for every request that is not told otherwise: it is a question.
    pub(super) fn configure(&self, config: Builder, retries: &Retries) -> Builder {
        self.asking(config, self.attempts, self.total)
            // A quota of this store's own: another one that is down must not use it up.
            .retry_partition(RetryPartition::custom("store").build())
            .retry_classifier(Temporary { rest: self.rest })
            .interceptor(retries.clone())
    }

    /// What holds for a request that reads a small object, for which so much time is left.
    pub(super) fn reading(&self, left: Duration) -> Builder {
        self.asking(Builder::new(), self.transfer_attempts, left)
    }

    /// What holds for a request that writes a small object of so many `bytes`.
    pub(super) fn writing(&self, bytes: usize) -> Builder {
        let sending = sending(bytes);
        self.waiting(
            Builder::new(),
            self.attempts,
            self.answer + sending,
            self.total + sending,
        )
    }

    /// What holds for a request that carries `bytes` of a transfer.
    pub(super) fn transfer(&self, bytes: usize) -> Builder {
        let sending = sending(bytes);
        self.waiting(
            Builder::new(),
            self.transfer_attempts,
            self.transfer_answer + sending,
            self.transfer_total + sending,
        )
    }

    fn asking(&self, config: Builder, attempts: u32, total: Duration) -> Builder {
        self.waiting(config, attempts, self.answer, total)
    }

    fn waiting(&self, config: Builder, attempts: u32, answer: Duration, total: Duration) -> Builder {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .read_timeout(answer)
            .operation_timeout(total)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(self.first_pause)
            .with_max_backoff(self.longest_pause);
        config.timeout_config(timeouts).retry_config(retries)
    }
}

/// How long so many bytes take over the slowest line. The SDK's wait for an answer begins with the first byte sent.
fn sending(bytes: usize) -> Duration {
    Duration::from_secs(bytes as u64 / SLOWEST_LINE)
}

/// Whether an answer says that the same request may succeed later.
pub fn is_temporary(status: u16, code: Option<&str>) -> bool {
    match code {
        // The body broke off on its way to the store, or two conditional writes crossed.
        Some(
            "IncompleteBody"
            | "ClientDisconnect"
            | "RequestTimeout"
            | "ConditionalRequestConflict"
            | "OperationAborted",
        ) => true,
        // Above 500 also what the proxies before a store say of it.
        _ => matches!(status, 408 | TOO_MANY_REQUESTS | 500 | 502..=504 | 520..=530),
    }
}

/// Tells the SDK what is temporary.
#[derive(Debug)]
struct Temporary {
    rest: Duration,
}

impl ClassifyRetry for Temporary {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(answer) = context.response() else {
            return RetryAction::NoActionIndicated;
        };
        let status = answer.status().as_u16();
        if status == TOO_MANY_REQUESTS {
            let rest = self.rest.mul_f64(1.0 + random() / 4.0);
            return RetryAction::retryable_error_with_explicit_delay(ErrorKind::ThrottlingError, rest);
        }
        let is_refusal = !answer.status().is_success();
        let document = answer.body().bytes().filter(|_| is_refusal).unwrap_or_default();
        if is_refusal && is_temporary(status, code_in(document)) {
            RetryAction::server_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "temporary"
    }
}

/// The code in an error document.
fn code_in(document: &[u8]) -> Option<&str> {
    let (_, rest) = std::str::from_utf8(document).ok()?.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

/// Counts what had to be tried again.
#[derive(Clone, Debug, Default)]
pub(super) struct Retries(Arc<AtomicU64>);

impl Retries {
    pub(super) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Retries {
    fn name(&self) -> &'static str {
        "retries"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        request: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let attempts = request.load::<RequestAttempts>();
        if attempts.is_some_and(|attempts| attempts.attempts() > 1) {
            self.note();
        }
        Ok(())
    }
}

/// Something between 0 and 1, so that many clients that failed together do not try again together.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().hash_one(0) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(u32::MAX)
}
