//! What a command came to, as a value and as JSON.

use std::fmt::Debug;

use serde_json::{Map, Value, json};

use crate::error::{Error, Kind};
use crate::model::notice::{RunEnd, RunFacts};
use crate::model::verdict::Verdict;

/// The version of the JSON documents. A field that changes its type or goes away makes another one; a new field does not.
const SCHEMA_VERSION: u32 = 1;

/// What a command did, ready to be told.
pub trait Outcome: Debug + Send {
    /// The command's own fields of the JSON document, as an object.
    fn fields(&self) -> Value;

    /// What a notice tells about it.
    fn run_facts(&self) -> RunFacts {
        RunFacts::default()
    }

    /// The same as a person reads it. `verbose` shows also what is as it should be.
    fn text(&self, verbose: bool) -> String;

    /// Whether it was printed when the command began, which runs until it is ended.
    fn is_announced(&self) -> bool {
        false
    }
}

/// What a command did, and why that is not enough where it is not.
#[derive(Debug)]
pub struct Report {
    pub done: Box<dyn Outcome>,
    /// Why the command does not end with exit code 0 although there is something to report.
    pub failure: Option<Error>,
}

impl Report {
    /// The report of something that was done as it was asked for.
    pub fn done(outcome: impl Outcome + 'static) -> Self {
        Self {
            done: Box::new(outcome),
            failure: None,
        }
    }

    /// The report of something that was to be proven; what is not proven is a failure.
    pub fn judged(verdict: Verdict, outcome: impl Outcome + 'static) -> Self {
        let unproven = || {
            Error::new(
                Kind::NotProven,
                "not proven: a check failed or an objective was missed",
            )
            .hint("read the checks that did not pass; `-v` shows every table")
        };
        Self {
            done: Box::new(outcome),
            failure: (!verdict.is_proven()).then(unproven),
        }
    }
}

/// The whole JSON document of a run of `command`, or of arguments that name none.
pub fn document(command: Option<&str>, outcome: &Result<Report, Error>) -> Value {
    let (fields, failure) = match outcome {
        Ok(report) => (
            report.done.fields(),
            report.failure.as_ref().map(|error| json!(error)),
        ),
        Err(error) => (Value::Null, Some(json!(error))),
    };
    let mut fields = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let exit_code = exit_code(outcome);
    fields.insert("schema_version".into(), json!(SCHEMA_VERSION));
    fields.insert("command".into(), json!(command));
    fields.insert("ok".into(), json!(exit_code == 0));
    fields.insert("exit_code".into(), json!(exit_code));
    if let Some(failure) = failure {
        fields.insert("error".into(), failure);
    }
    Value::Object(fields)
}

/// How a run of `command` ended, for those who were not there.
pub fn end<'a>(command: &'a str, outcome: &'a Result<Report, Error>) -> RunEnd<'a> {
    let (error, facts) = match outcome {
        Ok(report) => (report.failure.as_ref(), report.done.run_facts()),
        Err(error) => (Some(error), RunFacts::default()),
    };
    RunEnd {
        command,
        exit_code: exit_code(outcome),
        error,
        facts,
    }
}

/// The exit code of a run.
pub fn exit_code(outcome: &Result<Report, Error>) -> u8 {
    let kind = match outcome {
        Ok(report) => report.failure.as_ref().map(Error::kind),
        Err(error) => Some(error.kind()),
    };
    kind.map_or(0, Kind::exit_code)
}
