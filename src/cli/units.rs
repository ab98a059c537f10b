//! Sizes and durations as people write and read them.

pub(super) use crate::model::units::{duration, rate, size};

#[cfg(feature = "drill")]
/// Reads `64MiB`, `1GiB`, `500kB` or a plain number of bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|mark: char| !mark.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..digits]
        .parse()
        .map_err(|_| "give a size such as 64MiB".to_owned())?;
    let factor: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        unit => return Err(format!("{unit:?} is no unit: use MiB or GiB")),
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| "that is too large".to_owned())
}
