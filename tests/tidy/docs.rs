//! The documentation refers only to what exists: pages and their headings, files of the repository,
//! and tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::sources::{sources, top};

/// Returns every page by its path from the top.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for folder in ["", "docs/", "hooks/", "snapshots/"] {
        for entry in fs::read_dir(top().join(folder)).expect("it lists") {
            let name = entry.expect("it lists").file_name();
            let path = format!("{folder}{}", name.to_str().expect("it is UTF-8"));
            if path.ends_with(".md") {
                let text = fs::read_to_string(top().join(&path)).expect("it is UTF-8");
                pages.insert(path, text);
            }
        }
    }
    pages
}

/// Returns the anchor of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Resolves a relative path on a page to a path from the top.
fn resolve(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/").trim_end_matches('/').to_string()
}

/// Lists the broken links of a page.
fn broken_links(path: &str, text: &str, pages: &BTreeMap<String, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for part in text.split("](").skip(1) {
        let link = part.split(')').next().unwrap_or_default();
        if link.contains("://") {
            continue;
        }
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() {
            path.to_string()
        } else {
            resolve(path, file)
        };
        let has_heading = |page: &String| {
            page.lines()
                .any(|line| line.starts_with('#') && anchor(line) == heading)
        };
        if !pages.contains_key(&target) && !top().join(&target).exists()
            || !heading.is_empty() && !pages.get(&target).is_some_and(has_heading)
        {
            wrong.push(format!("{path}: {link} leads nowhere"));
        }
    }
    wrong
}

/// Returns the texts between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Expands `a::{b, c}` to `a::b` and `a::c`; returns nothing for text that is not a Rust path.
fn paths(code: &str) -> Vec<String> {
    let is_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:{}, ".contains(c);
    if !code.contains("::") || !code.chars().all(is_path) {
        return Vec::new();
    }
    let Some((before, list)) = code.split_once('{') else {
        return vec![code.to_string()];
    };
    let names = list.trim_end_matches('}').split(", ");
    names.map(|name| format!("{before}{name}")).collect()
}

/// Returns whether a file has a function, or is or has a module, of this name.
fn has(file: &str, text: &str, name: &str) -> bool {
    is_in(file, name)
        || [
            format!("fn {name}("),
            format!("mod {name};"),
            format!("mod {name} {{"),
        ]
        .iter()
        .any(|form| text.contains(form))
}

/// Returns whether a file is or belongs to the module of this name.
fn is_in(file: &str, name: &str) -> bool {
    file.trim_end_matches(".rs")
        .split('/')
        .any(|part| part == name)
}

/// Returns whether an item exists that a Rust path, or its end, names.
fn is_there(path: &str, sources: &BTreeMap<String, String>) -> bool {
    let names: Vec<&str> = path.split("::").collect();
    let (last, modules) = names.split_last().expect("it has parts");
    sources.iter().any(|(file, text)| {
        let in_module = |name: &&str| is_in(file, name) || text.contains(&format!("mod {name} {{"));
        has(file, text, last) && modules.iter().all(in_module)
    })
}

#[test]
fn pages_name_what_is_there() {
    let (pages, sources) = (pages(), sources(&["src", "crates", "tests"]));
    let mut wrong = Vec::new();
    for (path, text) in &pages {
        wrong.extend(broken_links(path, text, &pages));
        let named: BTreeSet<&str> = code(text).collect();
        for name in named {
            let folders = ["tests/", "src/", "crates/", "docs/", "fuzz/", "examples/"];
            let is_file = folders.iter().any(|folder| name.starts_with(folder));
            if is_file && !name.contains([' ', '*', '<']) && !top().join(name).exists() {
                wrong.push(format!("{path}: there is no `{name}`"));
            }
            let missing = |path: &String| !is_there(path, &sources);
            wrong.extend(
                paths(name)
                    .into_iter()
                    .filter(missing)
                    .map(|name| format!("{path}: there is no `{name}`")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_leads_nowhere_is_found() {
    let page = |text: &str| BTreeMap::from([("docs/a.md".to_string(), text.to_string())]);
    let broken = |text: &str| broken_links("docs/a.md", text, &page(text)).len();
    assert_eq!(
        broken("[a](../README.md) [b](https://example.org/c) [c](#d-e)\n## D, e"),
        0
    );
    assert_eq!(broken("[a](b.md) [b](#c)"), 2);
    assert_eq!(paths("a::{b, c}"), ["a::b", "a::c"]);
    assert_eq!(paths("cargo test -- a::b"), Vec::<String>::new());
    let file = ("tests/it/kept.rs".to_string(), "fn one() {}".to_string());
    let sources = BTreeMap::from([file]);
    assert!(is_there("kept::one", &sources) && is_there("it::kept", &sources));
    assert!(!is_there("kept::two", &sources) && !is_there("lost::one", &sources));
}
