//! Row 7, sources: choose the files to be kept. One file per source.
//!
//! A [`Source`] names the files it selects and their common top; the caller reads them there.
//! [`folder`] selects everything below a folder, [`task`] what a release of a task holds.

pub mod folder;
pub mod task;

use std::{collections::HashSet, path::Path};

use crate::{
    base::{Failure, Fs, RelPath, Stat, Type, sqlite},
    model::backup::PathTrouble,
};

pub use folder::Folder;
pub use task::TaskFiles;

/// A path with its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// Relative to the top of the source.
    pub path: RelPath,
    /// The result of `lstat`.
    pub stat: Stat,
    /// True when a live SQLite log or journal lies beside it.
    pub in_use: bool,
}

/// The selection of a source.
#[derive(Debug, Default)]
pub struct Selection {
    /// Files and links, sorted by path.
    pub files: Vec<PathStat>,
    /// All folders below the top, sorted by path.
    pub folders: Vec<PathStat>,
    /// Folders with nothing in them, sorted by path.
    pub empty: Vec<PathStat>,
    /// Entries that cannot be stored.
    pub skipped: Vec<PathTrouble>,
    /// Entries that could not be read.
    pub failed: Vec<PathTrouble>,
}

/// Chooses files to be kept.
pub trait Source: Sync {
    /// Returns the kind of source in one word; what is remembered about files of one kind is not
    /// used for another.
    fn kind(&self) -> &'static str;

    /// Returns the top, below which all paths lie.
    fn files(&self) -> &dyn Fs;

    /// Returns the top's absolute path, for programs that open files themselves.
    fn top(&self) -> &Path;

    /// Chooses the files. Reads names and `lstat` results, but no bytes.
    ///
    /// # Errors
    /// Fails when the files cannot be determined; a single file that cannot be inspected is listed
    /// as failed.
    fn choose(&self) -> Result<Selection, Failure>;
}

/// Marks the files that have live SQLite companions among the given paths.
fn mark_in_use<'p>(files: &mut [PathStat], paths: impl Iterator<Item = &'p RelPath>) {
    let is_side = |path: &&RelPath| {
        let name = path.name();
        let ends_so = |end: &&str| name.ends_with(end.as_bytes());
        sqlite::LIVE_ENDS.iter().any(ends_so)
    };
    let sides: HashSet<&RelPath> = paths.filter(is_side).collect();
    if sides.is_empty() {
        return;
    }
    for file in files.iter_mut().filter(|file| file.stat.kind == Type::File) {
        let has = |end: &&str| sides.contains(&sqlite::side(&file.path, end));
        file.in_use = sqlite::LIVE_ENDS.iter().any(has);
    }
}
