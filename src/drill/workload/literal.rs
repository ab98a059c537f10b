//! Literals of composite and array types. They are ordinary text to `COPY` and still need its escapes.

/// A composite value, every field quoted.
pub(super) fn composite<T: AsRef<str>>(fields: &[T]) -> String {
    enclosed('(', fields, ')')
}

/// An array value, every element quoted.
pub(super) fn array<T: AsRef<str>>(elements: &[T]) -> String {
    enclosed('{', elements, '}')
}

fn enclosed<T: AsRef<str>>(open: char, parts: &[T], close: char) -> String {
    let mut literal = String::from(open);
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for letter in part.as_ref().chars() {
            if matches!(letter, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(letter);
        }
        literal.push('"');
    }
    literal.push(close);
    literal
}
