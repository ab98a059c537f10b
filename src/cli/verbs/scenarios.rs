//! `paycraft-dr scenarios`.

use std::fmt::Write;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::outcome::{Outcome, Report};
use crate::drill::scenario::{self, Scenario};
use crate::error::Result;

/// Show what a drill can rehearse.
#[derive(Args, Debug)]
pub struct ScenariosArguments {
    /// Print the file of this one, as a beginning for one of your own
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Lists the scenarios that come with the program, or prints the file of one.
pub fn run(own: &ScenariosArguments) -> Result<Report> {
    let Some(name) = &own.name else {
        return Ok(Report::done(ScenarioList(scenario::all()?)));
    };
    let scenario = scenario::find(name)?;
    let text = scenario::text(name).unwrap_or_default();
    Ok(Report::done(ScenarioShown { scenario, text }))
}

fn row(scenario: &Scenario) -> Value {
    let faults: Vec<Value> = scenario
        .faults
        .iter()
        .map(|fault| json!({ "fault": fault.what.name(), "phase": fault.at.phase, "after_bytes": fault.at.after_bytes }))
        .collect();
    json!({
        "name": scenario.name,
        "description": scenario.description,
        "why": scenario.why,
        "expected": scenario.expect.to_string(),
        "scale_bytes": scenario.scale_bytes,
        "faults": faults,
    })
}

#[derive(Debug)]
struct ScenarioList(Vec<Scenario>);

impl Outcome for ScenarioList {
    fn fields(&self) -> Value {
        let rows: Vec<Value> = self.0.iter().map(row).collect();
        json!({ "scenarios": rows })
    }

    fn text(&self, verbose: bool) -> String {
        let mut text = format!("{:<30} {:<27} {}\n", "SCENARIO", "MUST", "WHAT BREAKS");
        for scenario in &self.0 {
            let _ = writeln!(
                text,
                "{:<30} {:<27} {}",
                scenario.name, scenario.expect, scenario.description
            );
            if verbose {
                let _ = writeln!(text, "{:58} {}", "", scenario.why);
            }
        }
        let _ = write!(
            text,
            "\n{} scenarios. `-v` says why each matters; `paycraft-dr scenarios NAME > mine.toml` begins one of your own,\nand `paycraft-dr drill --scenario ./mine.toml` plays it.\n",
            self.0.len()
        );
        text
    }
}

/// One, as its file.
#[derive(Debug)]
struct ScenarioShown {
    scenario: Scenario,
    text: &'static str,
}

impl Outcome for ScenarioShown {
    fn fields(&self) -> Value {
        json!({ "scenarios": [row(&self.scenario)], "toml": self.text })
    }

    fn text(&self, _: bool) -> String {
        self.text.to_owned()
    }
}
