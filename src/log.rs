//! What a log is told along the way: the phase at work, and what is waited for.
//!
//! Events are `tracing`'s. Where no log is kept, none is formatted and no task is started for it.

use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::level_filters::LevelFilter;
use tracing::{Span, info};

use crate::model::secret::Secret;

/// Who waits longer is named in the log.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The pause between two lines about one wait doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// How long a look at the cause of a wait may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

static FOUND: RwLock<Vec<Secret>> = RwLock::new(Vec::new());
static PHASE: Mutex<Span> = Mutex::new(Span::none());

/// Makes `span` the parent of what begins from here on. Phases never overlap.
pub fn enter_phase(span: Span) {
    *PHASE.lock() = span;
}

/// The phase at work, or the verb between its phases: the parent of a connection, a child or a request.
pub fn phase() -> Span {
    PHASE.lock().clone()
}

/// From here on no line of the log repeats a secret that was found on the way: keys that another program or service gave.
pub fn withhold(secret: Secret) {
    let mut found = FOUND.write();
    if !found.contains(&secret) {
        found.push(secret);
    }
}

/// The secrets that were found on the way.
pub fn found_secrets() -> Vec<Secret> {
    FOUND.read().clone()
}

/// Whether a log may be told of anything but warnings. Costs one look at a number.
pub fn is_kept() -> bool {
    LevelFilter::current() >= LevelFilter::INFO
}

/// A wait that is logged when it lasts. Dropped, it is over.
#[derive(Debug, Default)]
pub struct Wait(Option<AbortHandle>);

impl Wait {
    /// Begins a wait for `what`, of which a log is told within `span` after 10 s, and then at pauses that double, up to 5 minutes.
    pub fn begin(span: &Span, what: impl FnOnce() -> String) -> Self {
        Self::begin_looking(span, what, || std::future::ready(None))
    }

    /// The same, each time with what a `look` at the other side finds.
    pub fn begin_looking<F>(
        span: &Span,
        what: impl FnOnce() -> String,
        look: impl (Fn() -> F) + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Option<String>> + Send + 'static,
    {
        if !is_kept() {
            return Self::default();
        }
        let Ok(runtime) = Handle::try_current() else {
            return Self::default();
        };
        let (span, what, began) = (span.clone(), what(), Instant::now());
        let waiting = runtime.spawn(async move {
            let mut pause = FIRST_PAUSE;
            loop {
                sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
                let found = timeout(LOOK_TIMEOUT, look()).await.ok().flatten();
                let seconds = began.elapsed().as_secs();
                let _within = span.enter();
                if let Some(found) = found {
                    info!(seconds, found, "still waiting for {what}");
                } else {
                    info!(seconds, "still waiting for {what}");
                }
            }
        });
        Self(Some(waiting.abort_handle()))
    }

    /// Ends the wait where it cannot be dropped.
    pub fn end(&self) {
        if let Some(waiting) = &self.0 {
            waiting.abort();
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.end();
    }
}
