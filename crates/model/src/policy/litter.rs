//! Ignored files that need not be mentioned in a release.
//!
//! A release names the files that it omits. Not worth naming are generated files, private files of
//! editors and other tools, logs, temporary files, and environment secrets, which do not belong in
//! a release. docs/releasing.md lists them; everything else counts as data.

use std::collections::BTreeSet;

use base::RelPath;

/// Folders of caches, packages, editors, other version control, logs and temporary files.
const FOLDERS: [&str; 21] = [
    "__pycache__",
    "__pypackages__",
    "node_modules",
    "site-packages",
    ".venv",
    "venv",
    ".git",
    ".hg",
    ".svn",
    ".cache",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".ipynb_checkpoints",
    ".tox",
    ".nox",
    ".idea",
    ".vscode",
    "logs",
    "tmp",
    "temp",
];
/// Suffixes of names.
const ENDS: [&str; 8] = [".pyc", ".pyo", ".swp", ".swo", "~", ".log", ".tmp", ".pid"];
/// Whole names.
const NAMES: [&str; 4] = [".DS_Store", "Thumbs.db", "desktop.ini", ".env"];
/// Files that mark their folder as reproducible: caches (bford.info/cachedir) and environments of
/// Python and conda.
const MARKS: [&str; 3] = ["CACHEDIR.TAG", "pyvenv.cfg", "conda-meta/history"];

/// Returns the ignored files that are worth naming.
pub fn without<'a>(ignored: &[&'a RelPath]) -> Vec<&'a RelPath> {
    let remade = ignored
        .iter()
        .flat_map(|path| MARKS.iter().filter_map(|mark| marked(path, mark)));
    let remade: BTreeSet<RelPath> = remade.collect();
    let is_remade =
        |path: &RelPath| !remade.is_empty() && path.ancestors().any(|dir| remade.contains(&dir));
    ignored
        .iter()
        .copied()
        .filter(|path| !is_litter(path) && !is_remade(path))
        .collect()
}

/// Returns the folder that a file marks.
fn marked(path: &RelPath, mark: &str) -> Option<RelPath> {
    let folder = path
        .as_bytes()
        .strip_suffix(mark.as_bytes())?
        .strip_suffix(b"/")?;
    Some(RelPath::own(folder))
}

/// True for a file whose name says that it holds secrets of the environment.
pub fn holds_secrets(path: &RelPath) -> bool {
    let local = path.name().strip_prefix(b".env.");
    let is_local = |rest: &[u8]| rest == b"local" || rest.ends_with(b".local");
    path.name() == b".env" || local.is_some_and(is_local)
}

/// True for a file that need not be named, judging by its name alone.
pub fn is_litter(path: &RelPath) -> bool {
    let name = path.name();
    NAMES.iter().any(|other| name == other.as_bytes())
        || name.starts_with(b".env.")
        || ENDS.iter().any(|end| name.ends_with(end.as_bytes()))
        || path
            .parent()
            .as_bytes()
            .split(|byte| *byte == b'/')
            .any(|folder| FOLDERS.iter().any(|other| folder == other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_named_and_what_is_made_again_is_not() {
        let all = [
            "t/market.sqlite",
            "t/data/train.csv",
            "t/.env",
            "t/.env.local",
            "t/__pycache__/a.pyc",
            "t/env/pyvenv.cfg",
            "t/env/lib/x.py",
            "t/target/CACHEDIR.TAG",
            "t/target/debug/app",
            "t/run.log",
            "t/.ipynb_checkpoints/a.ipynb",
            "t/logs",
        ];
        let paths = all.map(RelPath::own);
        let named: Vec<String> = without(&paths.iter().collect::<Vec<_>>())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(named, ["t/market.sqlite", "t/data/train.csv", "t/logs"]);
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        let names = [".env", "t/.env", ".env.local", ".env.test.local"];
        assert!(names.iter().all(|name| holds_secrets(&RelPath::own(*name))));
        let names = [".env.example", ".envrc", "x.env", ".env/x", "local"];
        assert!(!names.iter().any(|name| holds_secrets(&RelPath::own(*name))));
    }
}
