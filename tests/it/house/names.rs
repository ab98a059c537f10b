//! A type name means one thing, so that a line can be read without its imports.

use std::collections::BTreeMap;

use super::{root, sources};

/// The type that the line defines. An associated type has its meaning from its trait, and does not count.
fn defined(line: &str) -> Option<&str> {
    let item = line.trim_start();
    let item = match item.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.strip_prefix(' ')?,
        None => item,
    };
    let (keyword, rest) = item.split_once(' ')?;
    let is_associated = line.starts_with(' ') && keyword == "type";
    let defines = ["struct", "enum", "union", "trait", "type"].contains(&keyword) && !is_associated;
    defines.then(|| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())?
}

#[test]
fn a_type_name_means_one_thing() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).expect("a file");
        let file = path.strip_prefix(root()).expect("a source file").display();
        for (number, line) in text.lines().enumerate() {
            if let Some(name) = defined(line) {
                let place = format!("{file}:{}", number + 1);
                places.entry(name.to_owned()).or_default().push(place);
            }
        }
    }
    assert!(places.len() > 100, "the types are not found any more: {places:?}");
    places.retain(|_, places| places.len() > 1);
    assert!(
        places.is_empty(),
        "a reader has to look up which one is meant: give all but one a name that says what it is: {places:#?}"
    );
}

#[test]
fn a_definition_is_found() {
    assert_eq!(defined("pub struct Backup<'a> {"), Some("Backup"));
    assert_eq!(defined("    pub(in crate::store) enum State {"), Some("State"));
    assert_eq!(defined("type Name = String;"), Some("Name"));
    assert_eq!(defined("    type Error = io::Error;"), None);
    assert_eq!(defined("/// enum State of it"), None);
    assert_eq!(defined("let structure = 1;"), None);
}
