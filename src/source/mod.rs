//! Row 7, sources: what chooses the files that are to be kept. One file a source.
//!
//! A [`Source`] says which files it takes and below what they lie; whoever keeps them reads them
//! there. [`folder`] takes everything below a folder, [`task`] what a release of a task holds.

pub mod folder;
pub mod task;

use std::{collections::HashSet, path::Path};

use crate::{
    base::{Failure, Fs, RelPath, Stat, Type, sqlite},
    model::backup::Trouble,
};

pub use folder::Folder;
pub use task::TaskFiles;

/// A path with what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// Below the top of the source.
    pub path: RelPath,
    /// What `lstat` says.
    pub stat: Stat,
    /// True when SQLite's log or journal of the same name lies beside it.
    pub in_use: bool,
}

/// What a source takes.
#[derive(Debug, Default)]
pub struct Selection {
    /// Files and links, sorted by path.
    pub files: Vec<PathStat>,
    /// All folders below the top, sorted by path.
    pub folders: Vec<PathStat>,
    /// Folders with nothing in them, sorted by path.
    pub empty: Vec<PathStat>,
    /// What cannot be stored.
    pub skipped: Vec<Trouble>,
    /// What could not be read.
    pub failed: Vec<Trouble>,
}

/// Chooses files that are to be kept.
pub trait Source: Sync {
    /// What kind of source it is, in one word: what is remembered of the files of one kind is
    /// nothing that another relies on.
    fn kind(&self) -> &'static str;

    /// The top, below which all paths lie.
    fn files(&self) -> &dyn Fs;

    /// The same by its absolute path, for programs that open files themselves.
    fn top(&self) -> &Path;

    /// Chooses the files. Reads names and what `lstat` says of them, no bytes.
    ///
    /// # Errors
    /// When it cannot be said which they are; a single file that cannot be looked at is among
    /// those that failed.
    fn choose(&self) -> Result<Selection, Failure>;
}

/// Marks the files beside which SQLite keeps something, given the paths that there are.
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
