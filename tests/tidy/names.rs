//! One name, one thing: no two types of the project share a name.

use std::collections::BTreeMap;

use crate::sources::{code_only, sources};

/// Names that every room has one of by convention.
const SHARED: [&str; 3] = ["Error", "Args", "Command"];

/// The types that a code defines, apart from associated ones and those of its tests.
fn types(code: &str) -> Vec<&str> {
    let code = code.split("mod tests {").next().unwrap_or_default();
    let name = |line: &'_ str| -> Option<(usize, usize)> {
        let begun = line.trim_start();
        let rest = begun
            .strip_prefix("pub(super) ")
            .or(begun.strip_prefix("pub(crate) "))
            .or(begun.strip_prefix("pub "))
            .unwrap_or(begun);
        let (word, rest) = rest.split_once(' ')?;
        let is_type = matches!(word, "struct" | "enum" | "trait" | "union")
            || (word == "type" && !line.starts_with(' '));
        let len = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let is_name = rest.starts_with(|c: char| c.is_ascii_uppercase());
        (is_type && is_name).then(|| (line.len() - rest.len(), len))
    };
    code.lines()
        .filter_map(|line| name(line).map(|(at, len)| &line[at..at + len]))
        .collect()
}

#[test]
fn no_type_name_stands_for_two_things() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in sources(&["src", "crates"]) {
        if file.contains("/tests/") || file.ends_with("tests.rs") {
            continue;
        }
        for name in types(&code_only(&text)) {
            places.entry(name.into()).or_default().push(file.clone());
        }
    }
    let twice: Vec<String> = places
        .iter()
        .filter(|(name, files)| files.len() > 1 && !SHARED.contains(&name.as_str()))
        .map(|(name, files)| format!("{name}: {}", files.join(", ")))
        .collect();
    assert!(twice.is_empty(), "{}", twice.join("\n"));
    assert!(places.len() > 500, "they were found");
}

#[test]
fn types_are_found_in_every_form() {
    let code = "pub struct A;\nenum B<T> {\n}\n    pub(super) trait C: D {}\ntype E<'a> = F;\n    type G = H;\nimpl A {}\nmod tests {\nstruct I;\n}";
    assert_eq!(types(code), ["A", "B", "C", "E"]);
}
