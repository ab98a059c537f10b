//! One line of progress, made to fit a width. Nothing here reads a clock or a terminal.

use crate::model::timeline::Phase;
use crate::model::units::{rate, size};

const NARROWEST_BAR: usize = 10;
const WIDEST_BAR: usize = 60;
/// Below this nothing can be foretold.
const FIRST_FORECAST_SECONDS: f64 = 2.0;

/// What is known of a run at work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhaseProgress {
    /// Which step of how many this is.
    pub step: Option<(usize, usize)>,
    /// The phase, where one is running.
    pub phase: Option<Phase>,
    /// What is done in it, or between two.
    pub doing: Option<String>,
    /// How far that is.
    pub amount: Amount,
    /// Since the phase began.
    pub seconds: f64,
    /// Since the first of the amount was there.
    pub moving_seconds: f64,
}

/// How much is done, and of how much.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Amount {
    /// Nothing that can be counted.
    #[default]
    Unknown,
    /// Bytes, of about so many where that is known.
    Bytes {
        /// So many are done.
        moved: u64,
        /// Of about so many.
        expected: Option<u64>,
    },
    Things {
        /// What they are, in the plural.
        what: &'static str,
        /// So many are done.
        done: u64,
        /// The total.
        of: u64,
    },
}

impl Amount {
    /// The share that is done. What was only expected may be more in the end, so a share of bytes is never the whole.
    #[expect(clippy::cast_precision_loss, reason = "shown in whole percent")]
    fn share(self) -> Option<f64> {
        match self {
            Self::Bytes {
                moved,
                expected: Some(expected),
            } if expected > 0 => Some((moved as f64 / expected as f64).min(0.99)),
            Self::Things { done, of, .. } if of > 0 => Some((done as f64 / of as f64).min(1.0)),
            _ => None,
        }
    }

    fn told(self) -> String {
        match self {
            Self::Bytes {
                moved,
                expected: Some(expected),
            } => format!("{} of about {}", size(moved), size(expected)),
            Self::Bytes {
                moved,
                expected: None,
            } if moved > 0 => size(moved),
            Self::Things { what, done, of } => format!("{done} of {of} {what}"),
            Self::Bytes { .. } | Self::Unknown => String::new(),
        }
    }

    fn told_shortly(self) -> String {
        match self {
            Self::Bytes { moved, .. } if moved > 0 => size(moved),
            Self::Things { done, of, .. } => format!("{done} of {of}"),
            Self::Bytes { .. } | Self::Unknown => String::new(),
        }
    }
}

/// Parts of a line in the order in which they are left out where there is no room.
const LEVELS: [&[LinePart]; 6] = [
    &[],
    &[LinePart::Rate],
    &[LinePart::Rate, LinePart::Bar],
    &[LinePart::Rate, LinePart::Bar, LinePart::Words],
    &[LinePart::Rate, LinePart::Bar, LinePart::Words, LinePart::Told],
    &[
        LinePart::Rate,
        LinePart::Bar,
        LinePart::Words,
        LinePart::Told,
        LinePart::Doing,
    ],
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinePart {
    Doing,
    Bar,
    /// What the amount is of.
    Words,
    Told,
    Rate,
}

/// The line for a terminal of that many columns. The last column stays free: some terminals begin a new line behind it.
pub fn line(shown: &PhaseProgress, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    let fitting = LEVELS.iter().find_map(|without| {
        let text = composed(shown, without, room)?;
        (text.chars().count() <= room).then_some(text)
    });
    fitting.unwrap_or_else(|| {
        let least = composed(shown, LEVELS[LEVELS.len() - 1], room).unwrap_or_default();
        least.chars().take(room).collect::<String>().trim_end().to_owned()
    })
}

/// The same where no terminal shows it: without a bar, as long as it is.
pub fn plain(shown: &PhaseProgress) -> String {
    composed(shown, &[LinePart::Bar], usize::MAX).unwrap_or_default()
}

/// The line without some parts; nothing where its bar would be too narrow.
fn composed(shown: &PhaseProgress, without: &[LinePart], room: usize) -> Option<String> {
    let has = |part: LinePart| !without.contains(&part);
    let share = shown.amount.share();
    let mut before = Vec::new();
    if let Some((number, of)) = shown.step {
        before.push(format!("step {number} of {of}"));
    }
    before.extend(shown.phase.map(|phase| phase.name().to_owned()));
    if has(LinePart::Doing) || shown.phase.is_none() {
        before.extend(shown.doing.clone());
    }
    let mut behind = Vec::new();
    behind.extend(share.map(percent));
    if has(LinePart::Told) {
        behind.push(match has(LinePart::Words) {
            true => shown.amount.told(),
            false => shown.amount.told_shortly(),
        });
    }
    if let Amount::Bytes { moved, .. } = shown.amount
        && has(LinePart::Rate)
    {
        behind.push(rate(moved, shown.moving_seconds));
    }
    behind.push(left(shown).unwrap_or_else(|| clock(shown.seconds)));
    behind.retain(|part| !part.is_empty());
    let (before, behind) = (before.join("  "), behind.join("  "));
    let Some(share) = share.filter(|_| has(LinePart::Bar)) else {
        return Some(format!("{before}  {behind}"));
    };
    // Two spaces on each side, and the brackets.
    let taken = before.chars().count() + behind.chars().count() + 6;
    let width = room.checked_sub(taken).filter(|width| *width >= NARROWEST_BAR)?;
    Some(format!(
        "{before}  {}  {behind}",
        bar(share, width.min(WIDEST_BAR))
    ))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a few dozen columns"
)]
fn bar(share: f64, width: usize) -> String {
    let filled = ((width as f64) * share) as usize;
    format!("[{}{}]", "#".repeat(filled), "-".repeat(width - filled))
}

fn percent(share: f64) -> String {
    format!("{:>3.0} %", (share * 100.0).floor())
}

/// How long the rest takes at the speed so far. Things differ too much in size for that.
fn left(shown: &PhaseProgress) -> Option<String> {
    let Amount::Bytes { .. } = shown.amount else {
        return None;
    };
    let share = shown.amount.share().filter(|share| *share > 0.0)?;
    if shown.moving_seconds < FIRST_FORECAST_SECONDS {
        return None;
    }
    Some(format!(
        "{} left",
        clock((shown.moving_seconds * (1.0 - share) / share).ceil())
    ))
}

/// Whole seconds, as `59 s`, `3 min 7 s`, `4 h 0 min`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a duration that people wait for"
)]
fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{Amount, PhaseProgress, line, plain};
    use crate::model::timeline::Phase;

    fn transfer() -> PhaseProgress {
        PhaseProgress {
            step: Some((3, 6)),
            phase: Some(Phase::Transfer),
            doing: None,
            amount: Amount::Bytes {
                moved: 512 << 20,
                expected: Some(1 << 30),
            },
            seconds: 130.0,
            moving_seconds: 125.0,
        }
    }

    fn finish() -> PhaseProgress {
        PhaseProgress {
            step: Some((4, 6)),
            phase: Some(Phase::Finish),
            amount: Amount::Things {
                what: "indexes and keys",
                done: 12,
                of: 40,
            },
            seconds: 61.0,
            ..PhaseProgress::default()
        }
    }

    #[test]
    fn a_line_fits_every_width_and_says_step_share_and_time_left() {
        for columns in [60, 80, 200] {
            let told = line(&transfer(), columns);
            assert!(told.chars().count() < columns, "{columns}: {told}");
            for part in ["step 3 of 6", "transfer", "50 %", "2 min 5 s left"] {
                assert!(told.contains(part), "{columns}: {told}");
            }
            let told = line(&finish(), columns);
            assert!(told.chars().count() < columns, "{columns}: {told}");
            for part in ["step 4 of 6", "finish", "30 %", "12 of 40"] {
                assert!(told.contains(part), "{columns}: {told}");
            }
        }
        for columns in 0..60 {
            assert!(line(&transfer(), columns).chars().count() <= columns.saturating_sub(1));
        }
    }

    #[test]
    fn a_wide_terminal_has_a_bar_and_the_rate() {
        assert_eq!(
            line(&transfer(), 100),
            "step 3 of 6  transfer  [########--------]   50 %  512.0 MiB of about 1.0 GiB  4.1 MiB/s  2 min 5 s left"
                .replace("[########--------]", "[######------]")
        );
        assert_eq!(
            line(&transfer(), 60),
            "step 3 of 6  transfer   50 %  512.0 MiB  2 min 5 s left"
        );
    }

    #[test]
    fn what_cannot_be_counted_shows_its_clock() {
        let selecting = PhaseProgress {
            step: Some((1, 6)),
            phase: Some(Phase::Select),
            seconds: 7.9,
            ..PhaseProgress::default()
        };
        assert_eq!(line(&selecting, 80), "step 1 of 6  select  7 s");
        let between = PhaseProgress {
            doing: Some("starting servers".to_owned()),
            ..PhaseProgress::default()
        };
        assert_eq!(line(&between, 80), "starting servers  0 s");
        assert_eq!(line(&between, 10), "starting");
    }

    #[test]
    fn a_share_of_an_estimate_is_never_the_whole() {
        let more = PhaseProgress {
            amount: Amount::Bytes {
                moved: 3 << 30,
                expected: Some(1 << 30),
            },
            ..transfer()
        };
        assert!(plain(&more).contains("99 %"), "{}", plain(&more));
        let none = PhaseProgress {
            amount: Amount::Bytes {
                moved: 0,
                expected: Some(0),
            },
            ..transfer()
        };
        assert!(!plain(&none).contains('%'), "{}", plain(&none));
    }

    #[test]
    fn without_a_terminal_the_line_is_as_long_as_it_is() {
        assert_eq!(
            plain(&transfer()),
            "step 3 of 6  transfer   50 %  512.0 MiB of about 1.0 GiB  4.1 MiB/s  2 min 5 s left"
        );
    }
}
