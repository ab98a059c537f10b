//! Telling those who are not there: a webhook, and a ping that somebody misses when it does not come.
//!
//! Each message has its time and at most one more try. What cannot be told is worth a warning and nothing more.

use std::time::Duration;

use crate::http::{Address, Message, RequestError};
use crate::model::notice::Notice;

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is told. The addresses are secrets.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    /// Takes JSON as Slack's webhooks do.
    pub webhook: Option<Address>,
    /// Takes a ping as healthchecks.io does.
    pub ping: Option<Address>,
}

impl Channels {
    /// Pings that a run begins. What went wrong is told without any address.
    pub async fn started(&self) -> Vec<String> {
        let ping = self.ping.as_ref().and_then(|ping| ping.below("start"));
        let told = tell("the ping of the start", ping, Message::Get).await;
        told.into_iter().collect()
    }

    /// Tells how a run ended, over all channels at once. What went wrong is told without any address.
    pub async fn ended(&self, notice: &Notice) -> Vec<String> {
        let ping = self.ping.as_ref();
        let ping = if notice.ok {
            ping.cloned()
        } else {
            ping.and_then(|ping| ping.below("fail"))
        };
        let pinged = tell("the ping", ping, post("text/plain; charset=utf-8", notice.text()));
        let webhook = self.webhook.clone();
        let posted = tell("the webhook", webhook, post("application/json", notice.webhook()));
        let (pinged, posted) = tokio::join!(pinged, posted);
        pinged.into_iter().chain(posted).collect()
    }
}

fn post(media_type: &'static str, body: String) -> Message {
    Message::Post { media_type, body }
}

/// Sends the message, once more where that may help. A server that does not answer is not waited for twice.
async fn tell(what: &str, address: Option<Address>, message: Message) -> Option<String> {
    let address = address?;
    let mut problem = send(&address, &message).await.err()?;
    if problem.1 {
        problem = send(&address, &message).await.err()?;
    }
    Some(format!("{what} was not delivered: {}", problem.0))
}

/// Why the message was not taken, and whether another try may help.
async fn send(address: &Address, message: &Message) -> Result<(), (String, bool)> {
    match address.send(message, PATIENCE).await {
        Ok(answer) if matches!(answer.status, 200..300) => Ok(()),
        Ok(answer) => Err((
            format!("it was answered with status {}", answer.status),
            answer.status == 429 || answer.status >= 500,
        )),
        Err(failure @ RequestError::TimedOut(_)) => Err((failure.to_string(), false)),
        Err(failure) => Err((failure.to_string(), true)),
    }
}
