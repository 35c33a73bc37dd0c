//! Files that a task's releases omit because git ignores them.

use serde::Serialize;

use base::{RelPath, text::size};

/// Number of files that are named.
const NAMED: usize = 5;

/// Ignored files of a task that no release keeps.
#[derive(Debug, Clone, Default, Eq, Serialize)]
pub struct IgnoredFiles {
    /// Number of files.
    pub files: usize,
    /// Number of their bytes.
    pub bytes: u64,
    /// The largest ones, largest first.
    pub largest: Vec<RelPath>,
}

/// Always equal, because omitted files are not part of a plan: a plan stays the same while such a
/// file grows.
impl PartialEq for IgnoredFiles {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl IgnoredFiles {
    /// Creates a summary of files with their sizes.
    pub fn of(mut files: Vec<(RelPath, u64)>) -> Self {
        files.sort_unstable_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        let (count, bytes) = (files.len(), files.iter().map(|(_, size)| size).sum());
        files.truncate(NAMED);
        Self {
            files: count,
            bytes,
            largest: files.into_iter().map(|(path, _)| path).collect(),
        }
    }

    /// Returns `2 ignored files, 3.0 GB, stay: a, b`, with the given verb; `None` without files.
    pub fn words(&self, one: &str, many: &str) -> Option<String> {
        let (s, verb) = match self.files {
            0 => return None,
            1 => ("", one),
            _ => ("s", many),
        };
        let mut names: Vec<String> = self.largest.iter().map(ToString::to_string).collect();
        if self.files > names.len() {
            names.push(format!("{} more", self.files - names.len()));
        }
        Some(format!(
            "{} ignored file{s}, {}, {verb}: {}",
            self.files,
            size(self.bytes),
            names.join(", ")
        ))
    }
}
