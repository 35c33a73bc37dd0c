//! The staging folders of an operation. New files are written whole into them and synced before
//! anything is displaced; displaced files lie there until the operation is over. A step swaps
//! staged files with what is there; the journal knows how far it came.
//!
//! A file is named by the number of its change. A file with any other name is foreign.

use std::io;

use super::write::{self, FileOptions, WriteError, failed};
use crate::{
    base::{Fs, RelPath, SyncPoint, fs::create_dir_all},
    model::FileRecord,
    site::Bytes,
};

/// The name of a staging folder; no user file may have it, see [`RelPath::parse`].
pub const STAGE: &str = ".snapback";
/// The beginning of the name of a file that is being staged.
const WRITING: &str = "writing-";

/// A staging folder.
pub struct Staging<'a> {
    fs: &'a dyn Fs,
    folder: RelPath,
}

impl<'a> Staging<'a> {
    /// Returns the staging folder at this path.
    pub fn at(fs: &'a dyn Fs, folder: RelPath) -> Self {
        Self { fs, folder }
    }

    /// Makes the folder and syncs its name, before anything is displaced into a folder that a crash
    /// could take away.
    pub fn make(&self, point: SyncPoint) -> Result<(), WriteError> {
        let folder = &self.folder;
        create_dir_all(self.fs, folder, 0o700).map_err(failed("create", folder))?;
        let synced = self.fs.sync_dir(&folder.parent(), point);
        synced.map_err(failed("sync", folder))
    }

    /// Returns the place of the file with this number.
    pub fn nth(&self, nth: usize) -> RelPath {
        self.folder.join(format!("{nth}"))
    }

    /// Writes a file or link and gives it its number when it is whole. Until then it has a name of
    /// its own, and what a crash leaves under that name belongs to no operation.
    pub fn write(
        &self,
        nth: usize,
        how: &FileOptions,
        (record, bytes): (&FileRecord, &dyn Bytes),
    ) -> Result<(), WriteError> {
        let staged = self.nth(nth);
        if record.is_link() {
            return write::link(self.fs, &staged, (record, bytes));
        }
        let path = self.folder.join(format!("{WRITING}{nth}"));
        write::file(self.fs, &path, how, (record, bytes))?;
        let named = self.fs.rename(&path, &staged);
        named.map_err(failed("write", &path))
    }

    /// Returns the operation's files in the folder, each with its number if it is whole; nothing
    /// when there is no folder.
    pub fn files(&self) -> Result<Vec<(RelPath, Option<usize>)>, WriteError> {
        let folder = &self.folder;
        let there = self.fs.stat(folder).map_err(failed("look at", folder))?;
        if there.is_none() {
            return Ok(Vec::new());
        }
        let names = self.fs.list(folder).map_err(failed("list", folder))?;
        let number = |name: &[u8]| std::str::from_utf8(name).ok()?.parse().ok();
        let is_ours =
            |name: &Vec<u8>| name.starts_with(WRITING.as_bytes()) || number(name).is_some();
        let ours = names.into_iter().filter(is_ours);
        Ok(ours
            .map(|name| (folder.join(&name), number(&name)))
            .collect())
    }

    /// Removes the folder, unless it is missing or holds foreign files.
    pub fn remove(&self) -> Result<(), WriteError> {
        let folder = &self.folder;
        let there = self.fs.stat(folder).map_err(failed("look at", folder))?;
        match there.map_or(Ok(()), |_| self.fs.remove_dir(folder)) {
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
                Err(failed("remove", folder)(error))
            }
            _ => Ok(()),
        }
    }
}
