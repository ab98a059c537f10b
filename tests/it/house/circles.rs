//! Files depend one way: to understand a file, no reader needs another file that needs the first one in turn.

use std::collections::{BTreeMap, BTreeSet};

use super::{root, sources};

/// Modules whose parts are one thing in several files.
const ONE_THING: [&str; 3] = ["drill/s3_server", "drill/workload", "store"];

type Module = Vec<String>;

/// Every module of the library with its text, without comments and tests.
fn modules() -> BTreeMap<Module, String> {
    let source = root().join("src");
    let files = sources(&source).into_iter();
    let modules = files.map(|file| {
        let path = file
            .strip_prefix(&source)
            .expect("a source file")
            .with_extension("");
        let mut names: Module = path
            .iter()
            .map(|part| part.to_str().expect("a name").to_owned())
            .collect();
        if names.last().is_some_and(|name| name == "mod") {
            names.pop();
        }
        (names, code(&std::fs::read_to_string(&file).expect("a file")))
    });
    let without_roots =
        |(names, _): &(Module, String)| names.len() > 1 || !["lib", "main"].contains(&names[0].as_str());
    modules.filter(without_roots).collect()
}

fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path that the text names from `crate`, `super` or `self` on, with those in braces.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            if before.is_none_or(|before| !before.is_alphanumeric() && before != '_' && before != ':') {
                expand(&mut Vec::new(), &text[at..], &mut found);
            }
        }
    }
    found
}

/// Reads one tree of names behind `prefix`, and returns how many bytes of the text it takes.
fn expand(prefix: &mut Vec<String>, text: &str, found: &mut Vec<Vec<String>>) -> usize {
    let depth = prefix.len();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let name: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if !name.is_empty() {
            at += name.len();
            prefix.push(name);
            if text[at..].starts_with("::") {
                at += 2;
                continue;
            }
        } else if let Some(list) = rest.strip_prefix('{') {
            at += 1 + branches(prefix, list, found);
            prefix.truncate(depth);
            return at;
        }
        break;
    }
    found.push(prefix.clone());
    prefix.truncate(depth);
    at
}

/// Reads the trees of a list up to its closing brace.
fn branches(prefix: &mut Vec<String>, text: &str, found: &mut Vec<Vec<String>>) -> usize {
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        match next {
            '}' => return at + 1,
            c if c.is_alphanumeric() || c == '_' => {
                at += expand(prefix, &text[at..], found);
                // `as` and another name, or the end.
                at += text[at..].find([',', '}']).unwrap_or(text.len() - at);
            }
            c => at += c.len_utf8(),
        }
    }
    at
}

/// Which module a path of `from` names, where it is another one that is neither above nor below it.
fn named(path: &[String], from: &[String], modules: &BTreeMap<Module, String>) -> Option<Module> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    let mut absolute: Module = match path[0].as_str() {
        "crate" => path[1..].to_vec(),
        "self" => [from, &path[1..]].concat(),
        _ => [&from[..from.len().checked_sub(supers)?], &path[supers..]].concat(),
    };
    while !absolute.is_empty() && !modules.contains_key(&absolute) {
        absolute.pop();
    }
    let is_kin = absolute.starts_with(from) || from.starts_with(&absolute);
    (!absolute.is_empty() && !is_kin).then_some(absolute)
}

/// Which modules each one needs. A module and its parts are one: what they take from each other does not count.
fn needs(modules: &BTreeMap<Module, String>) -> BTreeMap<&Module, BTreeSet<Module>> {
    let needs = modules.iter().map(|(from, text)| {
        let paths = paths(text);
        let needed = paths.iter().filter_map(|path| named(path, from, modules));
        (from, needed.collect())
    });
    needs.collect()
}

/// The modules that can be reached from `from`.
fn reached<'a>(from: &'a Module, needs: &'a BTreeMap<&Module, BTreeSet<Module>>) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(module) = waiting.pop() {
        for needed in &needs[module] {
            if reached.insert(needed) {
                waiting.push(needed);
            }
        }
    }
    reached
}

/// Every module that needs itself in the end, with the ones in the same circle.
fn circles(modules: &BTreeMap<Module, String>) -> BTreeSet<Vec<String>> {
    let needs = needs(modules);
    let all: BTreeMap<&Module, BTreeSet<&Module>> = modules
        .keys()
        .map(|module| (module, reached(module, &needs)))
        .collect();
    let in_circles = all.iter().filter(|(module, reached)| reached.contains(*module));
    let circles = in_circles.map(|(module, reached)| {
        let others = reached.iter().filter(|other| all[**other].contains(module));
        others.map(|other| other.join("/")).collect()
    });
    circles.collect()
}

#[test]
fn files_depend_one_way() {
    let found = circles(&modules());
    let wrong: Vec<&Vec<String>> = found
        .iter()
        .filter(|circle| {
            !ONE_THING
                .iter()
                .any(|one| circle.iter().all(|module| module.starts_with(one)))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "these files need each other in a circle: move what both need into a file of its own: {wrong:#?}"
    );
}

#[test]
fn a_circle_is_found() {
    let module = |name: &str, text: &str| (vec!["a".to_owned(), name.to_owned()], text.to_owned());
    let one_way = BTreeMap::from([
        module("one", "use super::two::Two;"),
        module("two", "use crate::b::{self, c};"),
        module("three", "fn f() { super::two::g() }"),
    ]);
    assert!(circles(&one_way).is_empty());
    let mut circular = one_way;
    circular.extend([module(
        "two",
        "pub use crate::a::{four::Four, three::{self as last, Three}};",
    )]);
    let circle = vec!["a/three".to_owned(), "a/two".to_owned()];
    assert_eq!(circles(&circular), BTreeSet::from([circle]));
}
