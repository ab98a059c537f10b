//! A scenario's file.

use std::path::Path;

use super::{Expectation, Scenario};
use crate::error::{Error, Kind, Result};

impl Scenario {
    /// Reads the scenario `name` from its TOML text. `place` is where that is, for messages.
    pub fn parse(name: &str, text: &str, place: &str) -> Result<Self> {
        let unusable = |what: String| {
            Error::new(Kind::Usage, format!("{place} is no scenario: {what}"))
                .hint("`paycraft-dr scenarios NAME` prints one that is, in the same form")
        };
        let parsed: Result<Self, toml::de::Error> = toml::from_str(text);
        let mut scenario = parsed.map_err(|cause| {
            let line = cause
                .span()
                .map(|span| 1 + text[..span.start].matches('\n').count());
            let place = line.map_or_else(String::new, |line| format!("line {line}: "));
            unusable(format!("{place}{}", cause.message()))
        })?;
        name.clone_into(&mut scenario.name);
        name.clone_into(&mut scenario.argument);
        match scenario.contradiction() {
            Some(contradiction) => Err(unusable(contradiction)),
            None => Ok(scenario),
        }
    }

    /// Reads a scenario from a user's file.
    pub fn read(path: &Path) -> Result<Self> {
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|cause| {
            Error::new(Kind::Usage, format!("cannot read the scenario {place}"))
                .caused_by(cause)
                .hint("name a file, or a scenario that `paycraft-dr scenarios` lists")
        })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let scenario = Self::parse(&name, &text, &place)?;
        Ok(Self {
            argument: place,
            ..scenario
        })
    }

    /// The scenario as such a file.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|cause| {
            Error::new(Kind::Internal, "a scenario cannot be written as TOML").caused_by(cause)
        })
    }

    /// What in it cannot be so.
    fn contradiction(&self) -> Option<String> {
        let empty = [("description", &self.description), ("why", &self.why)];
        if let Some((field, _)) = empty.iter().find(|(_, text)| text.trim().is_empty()) {
            return Some(format!("its `{field}` says nothing"));
        }
        if !self.history_days.is_sorted_by(|left, right| left < right)
            || self.history_days.first() == Some(&0)
        {
            return Some("its `history_days` must begin at 1 or more and grow".to_owned());
        }
        if let Expectation::FallsBack(back) = &self.expect
            && !self.history_days.contains(&back.to_days)
        {
            return Some(format!(
                "it falls back {} days, and its `history_days` have no such backup",
                back.to_days
            ));
        }
        if let Expectation::Refuses(refuses) = &self.expect
            && refuses.says.is_empty()
        {
            return Some("what it `says` is empty".to_owned());
        }
        None
    }
}
