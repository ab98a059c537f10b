//! Steps that wait until something is as it should be.

use core::net::IpAddr;
use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::StepFailure;
use crate::http::{Address, Message};
use crate::model::cutover::step::{HealthCheck, NameCheck};
use crate::model::timeline::{Event, Observer};

/// How long the system's resolver may take.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks the address until it is healthy or the time is over. A service that begins is degraded first.
pub(super) async fn health(check: &HealthCheck, observer: &dyn Observer) -> Result<String, StepFailure> {
    let address =
        Address::parse(&check.url).map_err(|problem| StepFailure::new(format!("its url {problem}")))?;
    let ask = async || match address.send(&Message::Get, check.timeout).await {
        Err(failure) => Some(failure.to_string()),
        Ok(answer) => {
            let redirect = if matches!(answer.status, 300..400) {
                " (a redirect, which is not followed)"
            } else {
                ""
            };
            check
                .problem(answer.status, &answer.body)
                .map(|problem| format!("{problem}{redirect}"))
        }
    };
    let asked = poll(check.every, check.patience, ask, observer)
        .await
        .map_err(|problem| StepFailure::new(format!("{address} is not healthy: {problem}")))?;
    Ok(format!("{address} is healthy, asked {asked}"))
}

/// Looks the name up until it leads where it should or the time is over.
pub(super) async fn name(check: &NameCheck, observer: &dyn Observer) -> Result<String, StepFailure> {
    let ask = async || {
        let looked_up = timeout(LOOK_UP_TIMEOUT, async {
            let found = addresses(&check.name).await?;
            let expected = match &check.expects_host {
                Some(host) => addresses(host).await?,
                None => check.expects.clone(),
            };
            Ok(check.problem(&found, &expected))
        });
        match looked_up.await {
            Ok(Ok(problem)) => problem,
            Ok(Err(problem)) => Some(problem),
            Err(_) => Some(format!("{} could not be looked up in time", check.name)),
        }
    };
    let asked = poll(check.every, check.patience, ask, observer)
        .await
        .map_err(|problem| StepFailure::new(format!("{problem}; change the record of {}", check.name)))?;
    Ok(format!("{} leads where it should, asked {asked}", check.name))
}

/// The addresses that the system's resolver knows.
async fn addresses(name: &str) -> Result<BTreeSet<IpAddr>, String> {
    match tokio::net::lookup_host((name, 0)).await {
        Ok(found) => Ok(found.map(|address| address.ip()).collect()),
        Err(cause) => Err(format!("{name} cannot be looked up: {cause}")),
    }
}

/// Asks until there is no problem, and says how often; or the last problem once the time is over. Who was asked in time may
/// still answer.
async fn poll(
    every: Duration,
    patience: Duration,
    ask: impl AsyncFn() -> Option<String>,
    observer: &dyn Observer,
) -> Result<String, String> {
    let began = Instant::now();
    let mut asked: u32 = 0;
    let mut last = String::new();
    loop {
        asked += 1;
        let Some(problem) = ask().await else {
            return Ok(if asked == 1 {
                "once".to_owned()
            } else {
                format!("{asked} times")
            });
        };
        if problem != last {
            observer.observe(Event::Noted(format!("not yet: {problem}")));
            last = problem;
        }
        if began.elapsed() + every >= patience {
            return Err(format!("{last} (for {patience:?})"));
        }
        sleep(every).await;
    }
}
