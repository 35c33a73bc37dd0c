//! What a task's releases leave out because git ignores it.

use serde::Serialize;

use base::{RelPath, text::size};

/// How many files are named.
const NAMED: usize = 5;

/// Ignored files of a task that no release keeps.
#[derive(Debug, Clone, Default, Eq, Serialize)]
pub struct LeftOut {
    /// How many there are.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// The largest of them, largest first.
    pub largest: Vec<RelPath>,
}

/// What is left out is no part of what would be done: a plan stays the same while such a file
/// grows.
impl PartialEq for LeftOut {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl LeftOut {
    /// Of files with their sizes.
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

    /// `2 ignored files, 3.0 GB, stay: a, b`, for what happens to them; `None` when there is none.
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
