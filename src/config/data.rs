//! Finds databases and data in the tasks' folders, as patterns of `large_files`. `.gitignore` hides
//! them from git, so a release keeps them only if the store does.

use std::collections::BTreeSet;

use crate::{base::RelPath, policy::litter};

/// Endings of names that mark databases and data.
const ENDS: [&str; 29] = [
    "arrow",
    "bin",
    "ckpt",
    "csv",
    "db",
    "db3",
    "duckdb",
    "feather",
    "h5",
    "hdf5",
    "joblib",
    "jsonl",
    "mdb",
    "ndjson",
    "npy",
    "npz",
    "onnx",
    "parquet",
    "pickle",
    "pkl",
    "pt",
    "pth",
    "rds",
    "safetensors",
    "sqlite",
    "sqlite3",
    "tsv",
    "xls",
    "xlsx",
];

/// Returns sorted patterns that name the data among some files; `is_database` looks into a file.
pub fn data_patterns<'a>(
    files: impl Iterator<Item = &'a RelPath>,
    is_database: impl Fn(&RelPath) -> bool,
) -> Vec<String> {
    let mut patterns = BTreeSet::new();
    for path in files.filter(|path| !litter::is_litter(path)) {
        let Ok(name) = std::str::from_utf8(path.name()) else {
            continue;
        };
        let end = name
            .rsplit_once('.')
            .map(|(_, end)| end)
            .filter(|end| !end.is_empty() && end.chars().all(char::is_alphanumeric));
        let is_data = end.is_some_and(|end| ENDS.contains(&end.to_ascii_lowercase().as_str()));
        if is_data || is_database(path) {
            let plain = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
            match end {
                Some(end) => drop(patterns.insert(format!("*.{end}"))),
                None if name.chars().all(plain) => drop(patterns.insert(name.to_string())),
                None => {}
            }
        }
    }
    patterns.into_iter().collect()
}
