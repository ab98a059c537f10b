//! Taking secrets out of what others say, and finding them where they must not stand.

use percent_encoding::percent_decode_str;

use super::secret::Secret;

/// A form of a secret that is shorter is no secret: taking it out would only garble the text.
const SHORTEST_CHARS: usize = 4;
/// A word may hold a short password by chance, as `production` holds `prod`.
const SHORTEST_FOUND_CHARS: usize = 8;
const STAND_IN: &str = "***";

/// Every form in which a text may repeat a secret that is known.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that a part of a secret never hides the rest of it from us.
    forms: Vec<String>,
}

impl Redactor {
    /// Knows `secrets`: each whole, each of its lines, and the password where it is a connection string, as written and decoded.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut forms: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| forms(secret.reveal()))
            .filter(|form| form.chars().count() >= SHORTEST_CHARS)
            .collect();
        forms.sort_unstable_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        Self { forms }
    }

    /// The same for lines of a log, in which a value may be escaped as JSON or Rust do.
    pub fn for_lines<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut known = Self::new(secrets);
        let escaped: Vec<String> = known.forms.iter().flat_map(|form| escaped(form)).collect();
        known.forms.extend(escaped);
        known
            .forms
            .sort_unstable_by_key(|form| std::cmp::Reverse(form.len()));
        known.forms.dedup();
        known
    }

    /// `text` with every secret that it repeats replaced.
    pub fn redact(&self, text: &str) -> String {
        self.forms
            .iter()
            .fold(text.to_owned(), |text, form| text.replace(form, STAND_IN))
    }

    /// Whether `text` repeats a secret that is long enough not to stand there by chance.
    pub fn finds(&self, text: &str) -> bool {
        let mut forms = self.forms.iter();
        forms.any(|form| form.chars().count() >= SHORTEST_FOUND_CHARS && text.contains(form))
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} forms)", self.forms.len())
    }
}

/// `form` within quotes, as JSON and Rust write it, and as JSON writes what Rust wrote; without the quotes.
fn escaped(form: &str) -> [String; 3] {
    let unquoted = |text: String| text[1..text.len() - 1].to_owned();
    let as_json = |text: &str| unquoted(serde_json::Value::from(text).to_string());
    let as_rust = unquoted(format!("{form:?}"));
    [as_json(form), as_json(&as_rust), as_rust]
}

fn forms(secret: &str) -> Vec<String> {
    let mut forms: Vec<String> = vec![secret.to_owned()];
    forms.extend(secret.lines().map(|line| line.trim().to_owned()));
    for password in url_passwords(secret).into_iter().chain(named_passwords(secret)) {
        forms.push(percent_decode_str(password).decode_utf8_lossy().into_owned());
        forms.push(password.to_owned());
    }
    forms
}

/// Whether `text` holds a password: in a URL (`scheme://user:password@host`), or behind `password=` and the like.
pub fn holds_password(text: &str) -> bool {
    let is_one = |password: &&str| !password.is_empty();
    url_passwords(text).iter().any(is_one) || named_passwords(text).iter().any(is_one)
}

/// `text` without the passwords that [`holds_password`] finds.
pub fn without_passwords(text: &str) -> String {
    let mut found = url_passwords(text);
    found.extend(named_passwords(text));
    found.retain(|password| !password.is_empty());
    found.sort_unstable_by_key(|password| std::cmp::Reverse(password.len()));
    found
        .iter()
        .fold(text.to_owned(), |text, password| text.replace(password, STAND_IN))
}

/// The password of every URL in `text`. An `@` or `/` that should have been encoded ends none of them early.
fn url_passwords(text: &str) -> Vec<&str> {
    let mut passwords = Vec::new();
    for (place, mark) in text.match_indices("://") {
        let rest = &text[place + mark.len()..];
        let rest = rest.split(char::is_whitespace).next().unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        for part in [authority, rest] {
            if let Some((user, _)) = part.rsplit_once('@')
                && let Some((_, password)) = user.split_once(':')
            {
                passwords.push(password);
            }
        }
    }
    passwords
}

/// The values behind `password=`, in key-value pairs, query strings and variables such as `PGPASSWORD=`.
fn named_passwords(text: &str) -> Vec<&str> {
    const NAME: &str = "password=";
    let lowered = text.to_ascii_lowercase();
    let values = lowered.match_indices(NAME).map(|(place, name)| {
        let value = &text[place + name.len()..];
        match value.strip_prefix(['\'', '"']) {
            Some(quoted) => quoted.split(['\'', '"']).next(),
            None => value
                .split(|mark: char| mark.is_whitespace() || mark == '&')
                .next(),
        }
    });
    values.map(Option::unwrap_or_default).collect()
}
