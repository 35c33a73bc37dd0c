//! Lock files that repeat the version of their own project: `Cargo.lock`, `package-lock.json`,
//! `uv.lock`. Only that version is replaced; every other byte stays.

use std::ops::Range;

use super::{
    Error, json, toml,
    tree::{Value, ValueNode, splice},
};
use crate::{base::RelPath, model::Version};

/// Maximum size of a lock file: 64 MiB.
const LIMIT: usize = 64 << 20;

/// Whose version a lock file repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockEntry {
    /// The crates with these names that come from the workspace.
    Cargo(Vec<String>),
    /// The npm package in this folder below the lock file; empty for its own.
    Npm(String),
    /// The Python project with this name.
    Uv(String),
}

/// Returns the bytes with another version of the project; `None` when it says so already, or does
/// not hold the project.
///
/// # Errors
/// Fails when the file cannot be read as what its name says, when it holds several packages of the
/// project's name, whose order and references depend on their versions, and when it writes the
/// version in a way that cannot be replaced.
pub fn with_version(
    bytes: &[u8],
    file: &RelPath,
    entry: &LockEntry,
    version: &Version,
) -> Result<Option<Vec<u8>>, Error> {
    let (file, version) = (file.to_string(), version.to_string());
    let mut spans: Vec<Range<usize>> = Vec::new();
    let before = entry.parse(bytes, &file)?;
    for node in entry.versions(&before) {
        match &node.value {
            Value::Text(found) if *found == version => {}
            Value::Text(_) => spans.push(node.span.clone()),
            _ => {
                return Err(Error::Shape {
                    file,
                    why: "its own version is not a text".into(),
                });
            }
        }
    }
    if let (false, Some(name)) = (spans.is_empty(), entry.named_twice(&before)) {
        let why = format!("it holds several packages named {name}");
        return Err(Error::Shape { file, why });
    }
    spans.sort_by_key(|span| span.start);
    let mut edited = bytes.to_vec();
    for span in spans.iter().rev() {
        edited = splice(&edited, span, &format!("\"{version}\""));
    }
    let after = entry.parse(&edited, &file)?;
    let is_set = |node: &ValueNode| node.scalar() == Some(version.as_str());
    if !entry.versions(&after).into_iter().all(is_set) {
        return Err(Error::Shape {
            file,
            why: "its own version cannot be replaced".into(),
        });
    }
    Ok((!spans.is_empty()).then_some(edited))
}

impl LockEntry {
    /// Parses a lock file.
    fn parse(&self, bytes: &[u8], file: &str) -> Result<ValueNode, Error> {
        match self {
            Self::Cargo(_) | Self::Uv(_) => toml::parse(bytes, file, LIMIT),
            Self::Npm(_) => json::parse(bytes, file, LIMIT).map(|(root, _)| root),
        }
    }

    /// Returns an own name that several packages have, wherever they come from.
    fn named_twice(&self, root: &ValueNode) -> Option<String> {
        let names = match self {
            Self::Cargo(names) => names.as_slice(),
            Self::Uv(name) => std::slice::from_ref(name),
            Self::Npm(_) => &[],
        };
        let number = |name: &String| {
            let of_name = |node: &&ValueNode| {
                node.get("name").and_then(ValueNode::scalar) == Some(name.as_str())
            };
            packages(root).filter(of_name).count()
        };
        names.iter().find(|name| number(name) > 1).cloned()
    }

    /// Returns the places of the project's version.
    fn versions<'a>(&self, root: &'a ValueNode) -> Vec<&'a ValueNode> {
        match self {
            Self::Cargo(names) => {
                let is_own = |node: &&ValueNode| {
                    let name = node.get("name").and_then(ValueNode::scalar);
                    let is_named = name.is_some_and(|name| names.iter().any(|own| own == name));
                    is_named && node.get("source").is_none()
                };
                packages(root)
                    .filter(is_own)
                    .filter_map(|node| node.get("version"))
                    .collect()
            }
            Self::Uv(name) => {
                let is_own = |node: &&ValueNode| {
                    let source = node.get("source");
                    let is_here = |key| source.is_some_and(|source| source.get(key).is_some());
                    node.get("name").and_then(ValueNode::scalar) == Some(name)
                        && (is_here("editable") || is_here("virtual") || is_here("directory"))
                };
                packages(root)
                    .filter(is_own)
                    .filter_map(|node| node.get("version"))
                    .collect()
            }
            Self::Npm(folder) => {
                let own = root.get("version").filter(|_| folder.is_empty());
                let listed = root.get("packages").and_then(|all| all.get(folder));
                let listed = listed.and_then(|node| node.get("version"));
                own.into_iter().chain(listed).collect()
            }
        }
    }
}

/// Returns the packages of `Cargo.lock` and `uv.lock`.
fn packages(root: &ValueNode) -> impl Iterator<Item = &ValueNode> {
    let items = root.get("package").map(|node| &node.value);
    let items = match items {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    items.iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(name: &str, text: &str, entry: &LockEntry) -> Option<String> {
        let version = "1.3.0".parse().expect("version");
        let bytes = with_version(text.as_bytes(), &RelPath::own(name), entry, &version);
        let bytes = bytes.expect("it can be edited")?;
        Some(String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn only_the_projects_own_version_is_replaced() {
        let cargo = "version = 4\n\n[[package]]\nname = \"web\"\nversion = \"1.2.0\"\n\n[[package]]\nname = \"other\"\nversion = \"1.2.0\"\nsource = \"registry+https://x\"\n";
        let own = LockEntry::Cargo(vec!["web".into()]);
        let after = cargo.replacen("1.2.0", "1.3.0", 1);
        assert_eq!(edited("Cargo.lock", cargo, &own), Some(after.clone()));
        assert_eq!(edited("Cargo.lock", &after, &own), None);
        assert_eq!(edited("Cargo.lock", cargo, &LockEntry::Cargo(vec![])), None);
        let npm = "{\n  \"name\": \"web\",\n  \"version\": \"1.2.0\",\n  \"packages\": {\n    \"\": {\"version\": \"1.2.0\"},\n    \"packages/a.b\": {\"version\": \"1.2.0\"}\n  }\n}\n";
        let both = npm.replacen("1.2.0", "1.3.0", 2);
        assert_eq!(
            edited("package-lock.json", npm, &LockEntry::Npm(String::new())),
            Some(both)
        );
        let of_one = LockEntry::Npm("packages/a.b".into());
        let last = npm.replace(
            "a.b\": {\"version\": \"1.2.0",
            "a.b\": {\"version\": \"1.3.0",
        );
        assert_eq!(edited("package-lock.json", npm, &of_one), Some(last));
        let uv = "version = 1\n[[package]]\nname = \"web\"\nversion = \"1.2.0\"\nsource = { editable = \".\" }\n\n[[package]]\nname = \"other\"\nversion = \"1.2.0\"\nsource = { registry = \"x\" }\n";
        let after = uv.replacen("1.2.0", "1.3.0", 1);
        assert_eq!(
            edited("uv.lock", uv, &LockEntry::Uv("web".into())),
            Some(after)
        );
    }

    #[test]
    fn two_packages_of_one_name_are_left_alone() {
        let version = "1.3.0".parse().expect("version");
        let vendored = "\n[[package]]\nname = \"web\"\nversion = \"0.9.0\"\n";
        let cargo = format!("[[package]]\nname = \"web\"\nversion = \"1.2.0\"\n{vendored}");
        let uv = cargo.replace("0\"\n", "0\"\nsource = { directory = \"x\" }\n");
        for (name, text, entry) in [
            ("Cargo.lock", cargo, LockEntry::Cargo(vec!["web".into()])),
            ("uv.lock", uv, LockEntry::Uv("web".into())),
        ] {
            let refused = with_version(text.as_bytes(), &RelPath::own(name), &entry, &version);
            let why = refused
                .expect_err("which is meant is not known")
                .to_string();
            assert!(why.contains("several packages named web"), "{why}");
        }
    }
}
