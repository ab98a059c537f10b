//! Putting the restored target into service: a step and a health check like the runbook's, in a private directory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use s3s::{Body, HttpError};

use super::outcome::{Verb, VerbFailure};
use super::{Trial, bounded};
use crate::drill::http_listener::HttpListener;
use crate::drill::scenario::{Cutover, FaultKind};
use crate::error::{Error, Kind, Result};
use crate::model::cutover::step::{Action, CommandLine, HealthCheck, Step};
use crate::model::redaction::Redactor;
use crate::recovery::cutover::{CutoverRequest, Prepared, StepContext};

/// Fails where a file `fails` is in its directory, and does not end while one named `hangs` is.
const STEP: &str = r#"while [ -e "$0/hangs" ]; do sleep 0.02; done; [ ! -e "$0/fails" ]"#;
const STEP_LIMIT: Duration = Duration::from_secs(1);

impl Trial<'_> {
    /// Puts the target into service. What an earlier try did is not done again.
    pub(super) async fn cut_over(&self) -> Result<(), VerbFailure> {
        let work = async {
            self.apply()
                .await
                .map_err(|error| VerbFailure::of(Verb::Cutover, error))
        };
        bounded(Verb::Cutover, work).await
    }

    async fn apply(&self) -> Result<()> {
        let asked = |meant: Cutover| {
            let is_meant = |what: &FaultKind| (*what == FaultKind::Cutover(meant)).then_some(());
            self.injector.asks(|_| true, is_meant).is_some()
        };
        let place = self.servers.scratch()?;
        mark(&place.join("fails"), asked(Cutover::StepFails))?;
        mark(&place.join("hangs"), asked(Cutover::StepHangs))?;
        let health = Health(Arc::new(AtomicBool::new(!asked(Cutover::HealthDegraded))));
        let listener = HttpListener::start(HttpListener::bind().await.map_err(unwritable)?, health)
            .map_err(unwritable)?;
        // The address is another one each time; a file with it lets the step be the same.
        let steps = steps(&place, &listener);
        let nothing = BTreeMap::new();
        let redactor = Redactor::new([]);
        let path = std::env::var_os("PATH");
        let clock = self.options.clock;
        let request = CutoverRequest {
            steps: &steps,
            target: "the rehearsed target",
            journal: &self.servers.substrate.directory().join("cutover-journal.jsonl"),
            restart: false,
            means: StepContext {
                secrets: &nothing,
                redactor: &redactor,
                withheld: &[],
                path: path.as_deref(),
            },
            clock,
        };
        let applied = Prepared::new(request)?.apply(self.injector).await?;
        mark(&place.join("fails"), false)?;
        mark(&place.join("hangs"), false)?;
        listener.stop().await;
        applied.failure.map_or(Ok(()), Err)
    }
}

fn steps(place: &std::path::Path, listener: &HttpListener) -> [Step; 2] {
    let command = CommandLine {
        program: "/bin/sh".to_owned(),
        arguments: vec!["-c".to_owned(), STEP.to_owned(), place.display().to_string()],
        directory: None,
        environment: BTreeMap::new(),
        secret_environment: BTreeMap::new(),
        input: None,
        timeout: STEP_LIMIT,
    };
    let health = HealthCheck {
        url: format!("http://{}/api/health", listener.address),
        status: 200,
        json: serde_json::Map::from_iter([("status".to_owned(), "ok".into())]),
        timeout: STEP_LIMIT,
        every: Duration::from_millis(50),
        patience: STEP_LIMIT,
    };
    [
        Step {
            name: "vault".to_owned(),
            why: "the application must find the new database".to_owned(),
            action: Action::Command(command),
        },
        Step {
            name: "health".to_owned(),
            why: "the application must answer".to_owned(),
            action: Action::Http(health),
        },
    ]
}

/// Makes an empty file, or removes it.
fn mark(path: &PathBuf, is_there: bool) -> Result<()> {
    if is_there {
        return std::fs::write(path, "").map_err(unwritable);
    }
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(unwritable(cause)),
        _ => Ok(()),
    }
}

fn unwritable(cause: std::io::Error) -> Error {
    Error::new(Kind::Usage, "cannot rehearse the cutover").caused_by(cause)
}

/// The application's health, as the runbook asks for it.
#[derive(Clone)]
struct Health(Arc<AtomicBool>);

impl hyper::service::Service<Request<Incoming>> for Health {
    type Response = Response<Body>;
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, _: Request<Incoming>) -> Self::Future {
        let is_well = self.0.load(Ordering::Acquire);
        let word = if is_well { "ok" } else { "degraded" };
        let mut answer = Response::new(Body::from(format!("{{\"status\":\"{word}\"}}")));
        if !is_well {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        Box::pin(ready(Ok(answer)))
    }
}
