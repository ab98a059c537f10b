//! What was probably meant by a word that means nothing.

use jiff::civil::Date;

/// The known word that is nearest to `typed`, where one is near enough to be meant.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    near(typed, known)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The known words that are near enough to `typed` to be meant, nearest first, and no more than `limit`.
pub fn nearest_few<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>, limit: usize) -> Vec<&'a str> {
    let mut found: Vec<(usize, &str)> = near(typed, known).collect();
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().take(limit).map(|(_, word)| word).collect()
}

fn near<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = (usize, &'a str)> {
    let far = (typed.chars().count() / 3).clamp(1, 4);
    known.into_iter().filter_map(move |word| {
        let distance = strsim::damerau_levenshtein(typed, word);
        let is_part = typed.len() >= 4 && (word.contains(typed) || typed.contains(word));
        (distance <= far || is_part).then_some((distance, word))
    })
}

/// `hint` behind the question whether `meant` was meant, where that is known.
pub fn did_you_mean(meant: Option<&str>, hint: &str) -> String {
    match meant {
        Some(meant) => format!("did you mean {meant}? {hint}"),
        None => hint.to_owned(),
    }
}

/// The day that `text` means in another way of writing: `2026/1/2`, `20260102`, `2026.01.02`, or one with more behind it.
pub(super) fn day_meant(text: &str) -> Option<String> {
    let mut numbers = text
        .split(|mark: char| !mark.is_ascii_digit())
        .filter(|number| !number.is_empty());
    let first = numbers.next()?;
    let date = match first.len() {
        4 => {
            let mut next = || numbers.next()?.parse::<i8>().ok();
            Date::new(first.parse().ok()?, next()?, next()?).ok()?
        }
        8 => Date::new(
            first[..4].parse().ok()?,
            first[4..6].parse().ok()?,
            first[6..].parse().ok()?,
        )
        .ok()?,
        _ => return None,
    };
    Some(date.strftime("%Y/%m/%d").to_string())
}

/// The field that a message of a reader of settings (``unknown field `x`, expected one of `y`, `z` ``) means.
pub fn field_meant(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("unknown field `")?;
    let (typed, expected) = rest.split_once('`')?;
    nearest(typed, expected.split('`').skip(1).step_by(2))
}

#[cfg(test)]
mod tests {
    use super::{day_meant, did_you_mean, field_meant, nearest};

    #[test]
    fn a_word_with_a_slip_is_found_and_another_word_is_not() {
        let known = ["baseline", "download-reset", "download-stalls"];
        for (typed, meant) in [
            ("basline", Some("baseline")),
            ("download-rest", Some("download-reset")),
            ("stalls", Some("download-stalls")),
            ("bsaeline", Some("baseline")),
            ("frobnicate", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
        assert_eq!(did_you_mean(None, "look"), "look");
        assert_eq!(did_you_mean(Some("a"), "look"), "did you mean a? look");
    }

    #[test]
    fn a_day_is_understood_in_other_ways_of_writing() {
        for text in [
            "2026/1/2",
            "20260102",
            "2026.01.02",
            "2026-01-02T02:00:00Z",
            "2026 1 2",
        ] {
            assert_eq!(day_meant(text).as_deref(), Some("2026/01/02"), "{text}");
        }
        for text in [
            "yesterday",
            "2026/13/02",
            "2026",
            "2026/1",
            "20261302",
            "02/01/2026",
            "",
        ] {
            assert_eq!(day_meant(text), None, "{text}");
        }
    }

    #[test]
    fn a_field_is_found_in_the_words_of_the_reader() {
        let told = "unknown field `buckt`, expected one of `endpoint`, `bucket`, `prefix`";
        assert_eq!(field_meant(told), Some("bucket"));
        assert_eq!(field_meant("unknown field `colour`, expected `bucket`"), None);
        assert_eq!(field_meant("invalid type: integer"), None);
    }
}
