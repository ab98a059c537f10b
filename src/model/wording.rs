//! How a definition is worded, by any printer.

use std::borrow::Cow;

/// The column option in which newer minor releases of PostgreSQL (15.20 of its series) keep a number that they draw anew
/// whenever a column is made. Their own pg_dump leaves it out; one of an older minor release prints it as if it were set by a
/// person.
const DRAWN: &str = "pg_attver=";

/// A definition without what the server drew for itself, so that it reads alike from any minor release.
///
/// Only whole statements of the form `ALTER … ALTER COLUMN … SET (options);` are touched, one to a line as pg_dump writes them.
pub(super) fn without_drawn_options(definition: &str) -> Cow<'_, str> {
    if !definition.contains(DRAWN) {
        return Cow::Borrowed(definition);
    }
    let lines = definition.split_inclusive('\n');
    Cow::Owned(lines.filter_map(lasting_line).collect())
}

/// The line without such an option, or nothing if it set no other.
fn lasting_line(line: &str) -> Option<Cow<'_, str>> {
    let parts = || {
        let (statement, rest) = line.rsplit_once(" SET (")?;
        let (options, end) = rest.split_once(");")?;
        let of_a_column = statement.starts_with("ALTER ") && statement.contains(" ALTER COLUMN ");
        of_a_column.then_some((statement, options, end))
    };
    let Some((statement, options, end)) = parts() else {
        return Some(Cow::Borrowed(line));
    };
    let lasting: Vec<&str> = options
        .split(", ")
        .filter(|option| !option.starts_with(DRAWN))
        .collect();
    let options = lasting.join(", ");
    (!lasting.is_empty()).then(|| Cow::Owned(format!("{statement} SET ({options});{end}")))
}
