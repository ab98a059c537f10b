//! The steps, as a configuration writes them.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::model::hex::hex;
use crate::model::redaction::holds_password;

const COMMAND_TIMEOUT: Duration = Duration::from_mins(10);

/// One step. It can be run again where it was run before: that is how a cutover that broke off goes on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WrittenStep")]
pub struct Step {
    /// What it is called; no other step has this name.
    pub name: String,
    /// What it is for, in a sentence.
    pub why: String,
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Command(CommandLine),
    /// Waits until an address answers as it should.
    Http(HealthCheck),
    /// Waits until a name leads where it should.
    Dns(NameCheck),
}

/// A program with its arguments. No shell reads them, and none of them is a secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CommandLine {
    pub program: String,
    pub arguments: Vec<String>,
    /// Where it is run, if not where we are.
    pub directory: Option<PathBuf>,
    /// Variables it gets besides ours.
    pub environment: BTreeMap<String, String>,
    /// Variables that hold secrets.
    pub secret_environment: BTreeMap<String, SecretSource>,
    /// What it reads on stdin.
    pub input: Option<SecretSource>,
    /// How long it may take.
    #[serde(serialize_with = "compact::required::serialize")]
    pub timeout: Duration,
}

/// Where a secret is found. The secret itself is never in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// Something this program was given for its own use.
    From(KnownSecret),
    /// The value of a variable.
    Env(String),
    /// The contents of a file.
    File(PathBuf),
}

/// A secret this program has anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownSecret {
    /// The connection string of the target, as it was given.
    TargetUrl,
}

/// An address, and what it must answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    pub url: String,
    /// The status that is healthy.
    #[serde(default = "HealthCheck::ok")]
    pub status: u16,
    /// What the JSON document in the answer must contain; what else it contains does not matter.
    #[serde(default)]
    pub json: Map<String, Value>,
    /// How long one answer may take.
    #[serde(default = "HealthCheck::answer", with = "compact::required")]
    pub timeout: Duration,
    /// How long to wait before asking again.
    #[serde(default = "HealthCheck::pause", with = "compact::required")]
    pub every: Duration,
    /// How long to keep asking.
    #[serde(rename = "for", default = "HealthCheck::patience", with = "compact::required")]
    pub patience: Duration,
}

/// A name, and where it must lead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameCheck {
    pub name: String,
    /// The only addresses it may have.
    #[serde(default)]
    pub expects: BTreeSet<IpAddr>,
    /// The host whose addresses it must have.
    pub expects_host: Option<String>,
    /// How long to wait before asking again.
    #[serde(default = "HealthCheck::pause", with = "compact::required")]
    pub every: Duration,
    /// How long to keep asking.
    #[serde(rename = "for", default = "HealthCheck::patience", with = "compact::required")]
    pub patience: Duration,
}

impl Step {
    /// A digest of what the step does. Its reason may be worded anew without another digest.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(
            serde_json::json!([self.name, self.action]).to_string(),
        ))
    }

    /// Every secret it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        let command = match &self.action {
            Action::Command(command) => Some(command),
            _ => None,
        };
        command
            .into_iter()
            .flat_map(|command| command.secret_environment.values().chain(&command.input))
    }
}

/// Refuses steps that cannot be told apart.
pub fn distinct<'de, D: Deserializer<'de>>(written: D) -> Result<Vec<Step>, D::Error> {
    let steps = Vec::<Step>::deserialize(written)?;
    let mut names = BTreeSet::new();
    match steps.iter().find(|step| !names.insert(&step.name)) {
        Some(twin) => Err(serde::de::Error::custom(format!(
            "two steps have the name {:?}",
            twin.name
        ))),
        None => Ok(steps),
    }
}

impl HealthCheck {
    const fn ok() -> u16 {
        200
    }

    const fn answer() -> Duration {
        Duration::from_secs(10)
    }

    const fn pause() -> Duration {
        Duration::from_secs(5)
    }

    const fn patience() -> Duration {
        Duration::from_mins(10)
    }

    /// What is wrong with an answer, if anything. Of its body only members that were asked for are repeated.
    pub fn problem(&self, status: u16, body: &[u8]) -> Option<String> {
        let document: Option<Value> = serde_json::from_slice(body).ok();
        let found = |name: &str| document.as_ref().and_then(|document| document.get(name));
        let different = self.json.iter().filter_map(|(name, expected)| match found(name) {
            Some(value) if contains(value, expected) => None,
            Some(value) => Some(format!("{name:?} is {value} instead of {expected}")),
            None => Some(format!("{name:?} is missing from its JSON")),
        });
        let other_status =
            (status != self.status).then(|| format!("status {status} instead of {}", self.status));
        let problems: Vec<String> = other_status.into_iter().chain(different).collect();
        (!problems.is_empty()).then(|| problems.join(", "))
    }
}

/// Whether `found` is `expected`, or an object with at least its members.
fn contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .all(|(name, expected)| found.get(name).is_some_and(|found| contains(found, expected))),
        _ => found == expected,
    }
}

impl NameCheck {
    /// What is wrong with the addresses the name has, if anything.
    pub fn problem(&self, found: &BTreeSet<IpAddr>, expected: &BTreeSet<IpAddr>) -> Option<String> {
        if found.is_empty() {
            return Some(format!("{} has no address", self.name));
        }
        let strangers: Vec<String> = found.difference(expected).map(IpAddr::to_string).collect();
        (!strangers.is_empty()).then(|| {
            let addresses: Vec<String> = expected.iter().map(IpAddr::to_string).collect();
            let host = self.expects_host.as_ref();
            let host = host.map_or_else(String::new, |host| format!(" of {host}"));
            format!(
                "{} leads to {} instead of {}{host}",
                self.name,
                strangers.join(", "),
                addresses.join(", ")
            )
        })
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(KnownSecret::TargetUrl) => f.write_str("the target's connection string"),
            Self::Env(name) => write!(f, "the variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// One step as it is written: exactly one action, and what belongs to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    name: String,
    why: String,
    command: Option<Vec<String>>,
    http: Option<HealthCheck>,
    dns: Option<NameCheck>,
    directory: Option<PathBuf>,
    env: Option<BTreeMap<String, String>>,
    secret_env: Option<BTreeMap<String, SecretSource>>,
    stdin: Option<SecretSource>,
    #[serde(default, with = "compact::optional")]
    timeout: Option<Duration>,
}

impl TryFrom<WrittenStep> for Step {
    type Error = String;

    fn try_from(mut written: WrittenStep) -> Result<Self, String> {
        let name = std::mem::take(&mut written.name);
        let why = std::mem::take(&mut written.why);
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            return Err("a step needs a name".to_owned());
        }
        if why.trim().is_empty() {
            return Err(format!("step {name:?} does not say why"));
        }
        let action = written
            .action()
            .map_err(|problem| format!("step {name:?} {problem}"))?;
        Ok(Self { name, why, action })
    }
}

impl WrittenStep {
    fn action(self) -> Result<Action, String> {
        let belongs_to_command = self.directory.is_some()
            || self.env.is_some()
            || self.secret_env.is_some()
            || self.stdin.is_some()
            || self.timeout.is_some();
        match (self.command, self.http, self.dns) {
            (Some(arguments), None, None) => command(CommandLine {
                program: String::new(),
                arguments,
                directory: self.directory,
                environment: self.env.unwrap_or_default(),
                secret_environment: self.secret_env.unwrap_or_default(),
                input: self.stdin,
                timeout: self.timeout.unwrap_or(COMMAND_TIMEOUT),
            }),
            (None, Some(_), None) | (None, None, Some(_)) if belongs_to_command => {
                Err("has directory, env, secret_env, stdin or timeout, which belong to a command".to_owned())
            }
            (None, Some(check), None) if holds_password(&check.url) => {
                Err("has a password in its url".to_owned())
            }
            (None, Some(check), None) => Ok(Action::Http(check)),
            (None, None, Some(check)) if check.expects.is_empty() == check.expects_host.is_none() => {
                Err("needs either expects or expects_host".to_owned())
            }
            (None, None, Some(check)) => Ok(Action::Dns(check)),
            _ => Err("needs exactly one of command, http and dns".to_owned()),
        }
    }
}

fn command(mut line: CommandLine) -> Result<Action, String> {
    if line.arguments.first().is_none_or(String::is_empty) {
        return Err("has an empty command".to_owned());
    }
    if line.arguments.iter().any(|argument| holds_password(argument)) {
        return Err(
            "has a password in its command, which every user of the machine could read: \
             give it with secret_env or stdin"
                .to_owned(),
        );
    }
    let values = line.environment.iter();
    if let Some((variable, _)) = values
        .clone()
        .find(|(name, value)| holds_password(value) || holds_password(&format!("{name}={value}")))
    {
        return Err(format!(
            "has a password in its env: give {variable} with secret_env"
        ));
    }
    let mut variables = line.environment.keys().chain(line.secret_environment.keys());
    if let Some(variable) = variables.find(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return Err(format!("sets {variable:?}, which is no variable"));
    }
    if let Some(variable) = line
        .secret_environment
        .keys()
        .find(|name| line.environment.contains_key(*name))
    {
        return Err(format!("sets {variable} twice"));
    }
    line.program = line.arguments.remove(0);
    Ok(Action::Command(line))
}
