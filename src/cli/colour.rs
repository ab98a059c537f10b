//! Colour for what a reader looks for first. It is always in the text; the printer leaves it out where no terminal shows it.

use anstyle::{AnsiColor, Style};

use crate::model::verdict::Verdict;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default();

/// Something that is as it should be.
pub(super) fn good(text: &str) -> String {
    painted(GOOD, text)
}

/// Something that is not.
pub(super) fn bad(text: &str) -> String {
    painted(BAD, text)
}

/// Something that a person has to judge.
pub(super) fn doubtful(text: &str) -> String {
    painted(DOUBTFUL, text)
}

/// The verdict over all checks.
pub(super) fn verdict(verdict: Verdict) -> String {
    let text = verdict.to_string();
    match verdict.is_proven() {
        true => good(&text),
        false => bad(&text),
    }
}

fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::verdict;
    use crate::model::verdict::Verdict;

    #[test]
    fn a_verdict_is_green_or_red_and_plain_without_its_colour() {
        let (proven, unproven) = (verdict(Verdict::Proven), verdict(Verdict::NotProven));
        assert!(proven.contains("\u{1b}[32m") && unproven.contains("\u{1b}[31m"));
        let plain = anstream::adapter::strip_str(&unproven).to_string();
        assert_eq!(plain, Verdict::NotProven.to_string());
    }
}
