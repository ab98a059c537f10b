//! What settings are called by users of a product.
//!
//! Messages name them as PayCraft's users know them. For another product the general names are put in their place.

use super::Product;

/// PayCraft's name of a setting, and the general one. Both are read.
const NAMES: [(&str, &str); 9] = [
    ("SUPABASE_DB_URL", "SOURCE_DB_URL"),
    ("R2_ENDPOINT_URL", "S3_ENDPOINT_URL"),
    ("R2_BUCKET", "S3_BUCKET"),
    ("R2_PREFIX", "S3_PREFIX"),
    ("R2_REGION", "S3_REGION"),
    ("R2_ADDRESSING", "S3_ADDRESSING"),
    ("R2_ACCESS_KEY_ID", "S3_ACCESS_KEY_ID"),
    ("R2_SECRET_ACCESS_KEY", "S3_SECRET_ACCESS_KEY"),
    ("R2_SESSION_TOKEN", "S3_SESSION_TOKEN"),
];

/// An address in hints, and one that is no provider's.
const ADDRESS: (&str, &str) = ("https://ACCOUNT.r2.cloudflarestorage.com", "https://HOST");

/// The general name of the setting that PayCraft's users call `name`, where it has one. Keys of a store are no single settings: they
/// go with the names of their store.
pub fn general_name(name: &str) -> Option<&'static str> {
    const KEYS: [&str; 3] = ["R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_SESSION_TOKEN"];
    let known = NAMES.iter().find(|(own, _)| *own == name && !KEYS.contains(own));
    known.map(|(_, general)| *general)
}

impl Product {
    /// The name by which this product's users set what PayCraft's call `name`.
    pub fn setting(&self, name: &'static str) -> &'static str {
        let general = NAMES.iter().find(|(own, _)| *own == name);
        match general {
            Some((_, general)) if !self.is_paycraft() => general,
            _ => name,
        }
    }

    /// `text` with the names of settings that this product's users know.
    pub fn worded(&self, text: &str) -> String {
        if self.is_paycraft() {
            return text.to_owned();
        }
        let named = NAMES.iter().chain([&ADDRESS]);
        named.fold(text.to_owned(), |text, (own, general)| text.replace(own, general))
    }
}
