//! What a log is told of requests: what is asked of which key, how often, how long it took and how it ended. Headers are not
//! logged, and of a query only a prefix of keys and the number of a part: the rest may sign, or name an upload.

use std::time::Instant;

use aws_sdk_s3::config::interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use percent_encoding::percent_decode_str;
use tracing::{Span, debug, info, info_span};

use crate::log::{self, Wait};

/// Tells a log of every attempt at a request.
#[derive(Debug)]
pub(super) struct RequestLog;

/// An attempt under way.
#[derive(Debug)]
struct RequestAttempt {
    span: Span,
    number: u32,
    began: Instant,
    wait: Wait,
}

impl Storable for RequestAttempt {
    type Storer = StoreReplace<Self>;
}

impl Intercept for RequestLog {
    fn name(&self) -> &'static str {
        "request log"
    }

    fn read_before_attempt(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !log::is_kept() {
            return Ok(());
        }
        let operation = bag
            .load::<Metadata>()
            .map_or("request", Metadata::name)
            .to_owned();
        let number = bag.load::<RequestAttempts>().map_or(1, RequestAttempts::attempts);
        let (key, part) = target(context.request().uri());
        let method = context.request().method().to_owned();
        let span = info_span!(parent: log::phase(), "request", operation, method, key, part);
        if number > 1 {
            span.in_scope(|| info!(attempt = number, "trying again"));
        }
        let wait = Wait::begin(&span, || format!("the store to answer {operation} {key}"));
        bag.interceptor_state().store_put(RequestAttempt {
            span,
            number,
            began: Instant::now(),
            wait,
        });
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(attempt) = bag.load::<RequestAttempt>() else {
            return Ok(());
        };
        attempt.wait.end();
        let seconds = attempt.began.elapsed().as_secs_f64();
        let status = context.response().map(|response| response.status().as_u16());
        let _within = attempt.span.enter();
        if let Some(status) = status {
            debug!(status, attempt = attempt.number, seconds, "answered");
        } else {
            debug!(attempt = attempt.number, seconds, "not answered");
        }
        Ok(())
    }
}

/// The key of a request, or the prefix of keys that it lists, and which part of an upload it is about.
fn target(uri: &str) -> (String, Option<&str>) {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    // Before an endpoint is known it is a path alone.
    let path = path.split_once("://").map_or(path, |(_, rest)| {
        rest.split_once('/').map_or("", |(_, path)| path)
    });
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name));
    let key = match path.trim_start_matches('/') {
        "" => value("prefix=").unwrap_or_default(),
        key => key,
    };
    let key = percent_decode_str(key).decode_utf8_lossy();
    (key.into_owned(), value("partNumber="))
}

/// The body of an answer on its way.
pub(super) struct Body {
    span: Span,
    began: Instant,
    _wait: Wait,
}

impl Body {
    /// That of an object's bytes.
    pub(super) fn of(key: &str) -> Self {
        let span = info_span!(parent: log::phase(), "body", key);
        Self {
            began: Instant::now(),
            _wait: Wait::begin(&span, || format!("the rest of {key}")),
            span,
        }
    }

    /// Tells how many `bytes` of it came, and whether that is all.
    pub(super) fn ended(self, bytes: usize, is_whole: bool) {
        let seconds = self.began.elapsed().as_secs_f64();
        let _within = self.span.enter();
        if is_whole {
            debug!(bytes, seconds, "read");
        } else {
            info!(bytes, seconds, "broke off, and is asked for again");
        }
    }
}
