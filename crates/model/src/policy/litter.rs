//! Which ignored files nobody misses in a release.
//!
//! A release names what it leaves out. What programs make again by themselves, what editors and
//! other tools keep for themselves, logs and temporary files, and the secrets of an environment,
//! which belong into no release, are not worth naming. docs/releasing.md lists them; what it does
//! not name is data.

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
/// Ends of names.
const ENDS: [&str; 8] = [".pyc", ".pyo", ".swp", ".swo", "~", ".log", ".tmp", ".pid"];
/// Whole names.
const NAMES: [&str; 4] = [".DS_Store", "Thumbs.db", "desktop.ini", ".env"];
/// Files that say of their folder that it can be made again: caches (bford.info/cachedir) and
/// environments of Python and conda.
const MARKS: [&str; 3] = ["CACHEDIR.TAG", "pyvenv.cfg", "conda-meta/history"];

/// The ignored files that are worth naming, of all ignored files.
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

/// The folder that a file marks.
fn marked(path: &RelPath, mark: &str) -> Option<RelPath> {
    let folder = path
        .as_bytes()
        .strip_suffix(mark.as_bytes())?
        .strip_suffix(b"/")?;
    Some(RelPath::own(folder))
}

/// True for a file that nobody misses, by its name alone.
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
}
