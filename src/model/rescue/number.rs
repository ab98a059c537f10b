//! Numbers of any length as PostgreSQL prints them, compared exactly: a floating-point number takes two neighbouring keys for one.

use std::cmp::Ordering;

/// A number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// One with digits.
    Finite(Decimal),
    /// `Infinity`, or `-Infinity` where negative.
    Infinite {
        /// Whether it is below all others.
        is_negative: bool,
    },
    /// `NaN`, which is above all others and equals itself, as in PostgreSQL.
    NotANumber,
}

/// 0.d₁d₂d₃… × 10^exponent, where neither the first digit nor the last is 0. Zero has no digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    is_negative: bool,
    exponent: i64,
    digits: Vec<u8>,
}

impl Number {
    /// Reads a number as PostgreSQL prints it.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"NaN" => return Some(Self::NotANumber),
            b"Infinity" => return Some(Self::Infinite { is_negative: false }),
            b"-Infinity" => return Some(Self::Infinite { is_negative: true }),
            _ => {}
        }
        let (is_negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            text => (false, text),
        };
        let (mantissa, exponent) = match text.iter().position(|mark| matches!(mark, b'e' | b'E')) {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.iter().position(|mark| *mark == b'.') {
            Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
            None => (mantissa, &b""[..]),
        };
        let mut digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..leading);
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let places = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
        Some(Self::Finite(match digits.is_empty() {
            true => Decimal {
                is_negative: false,
                exponent: 0,
                digits,
            },
            false => Decimal {
                is_negative,
                exponent: exponent + places,
                digits,
            },
        }))
    }
}

fn exponent(text: &[u8]) -> Option<i64> {
    let exponent: i32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(i64::from(exponent))
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Finite(one), Self::Finite(other)) => one.cmp(other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Number {
    fn rank(&self) -> u8 {
        match self {
            Self::Infinite { is_negative: true } => 0,
            Self::Finite(_) => 1,
            Self::Infinite { is_negative: false } => 2,
            Self::NotANumber => 3,
        }
    }
}

impl Decimal {
    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let size = || (self.exponent, &self.digits).cmp(&(other.exponent, &other.digits));
        match self.sign().cmp(&other.sign()) {
            Ordering::Equal if self.is_negative => size().reverse(),
            Ordering::Equal => size(),
            unequal => unequal,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::Number;

    fn number(text: &str) -> Number {
        Number::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn numbers_are_in_postgresqls_order() {
        let ordered = [
            "-Infinity",
            "-1e400",
            "-12.5",
            "-12.4999",
            "-1",
            "-0.001",
            "0",
            "0.0009",
            "0.001",
            "1",
            "1.5",
            "9",
            "10",
            "9007199254740992",
            "9007199254740993",
            "1e+20",
            "100000000000000000001",
            "1e400",
            "Infinity",
            "NaN",
        ];
        for (at, one) in ordered.iter().enumerate() {
            for (beside, other) in ordered.iter().enumerate() {
                assert_eq!(
                    number(one).cmp(&number(other)),
                    at.cmp(&beside),
                    "{one} and {other}"
                );
            }
        }
        for (one, other) in [
            ("1", "1.000"),
            ("-0", "0.0"),
            ("0012", "12"),
            ("1e2", "100"),
            ("1.20e-1", "0.12"),
        ] {
            assert_eq!(
                number(one).cmp(&number(other)),
                Ordering::Equal,
                "{one} and {other}"
            );
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e99999999999",
            "12a",
            "0x10",
            "1 ",
            "1_000",
            "nan",
            "--1",
        ] {
            assert_eq!(Number::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn integers_and_fractions_are_compared_as_they_are(one: i64, other: i64, cents: i32) {
            prop_assert_eq!(number(&one.to_string()).cmp(&number(&other.to_string())), one.cmp(&other));
            let fraction = number(&format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, (cents / 100).abs(), (cents % 100).abs()));
            prop_assert_eq!(fraction.cmp(&number(&format!("{cents}e-2"))), Ordering::Equal);
        }
    }
}
