//! The staging folders of an operation. New files are written whole into them and synced before
//! anything is displaced; displaced files lie there until the operation is over. A step swaps
//! staged files with what is there; the journal knows how far it came.
//!
//! A file is named by its operation and the number of its change (by the number alone in operations
//! of earlier versions). A file with any other name is foreign. Before an operation exists, its
//! files are staged already: those of an operation that is not begun belong to nobody.

use std::io;

use super::write::{self, FileOptions, UnsyncedFile, WriteError, failed};
use crate::{
    base::{Fs, RelPath, SyncPoint, Type, fs::create_dir_all},
    model::{FileRecord, OpId},
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
    op: Option<&'a OpId>,
}

impl<'a> Staging<'a> {
    /// Returns the staging folder at this path, with the names that carry an operation.
    pub fn at(fs: &'a dyn Fs, folder: RelPath, op: Option<&'a OpId>) -> Self {
        Self { fs, folder, op }
    }

    /// Makes the folder and syncs its name, before anything is displaced into a folder that a crash
    /// could take away.
    pub fn make(&self, point: SyncPoint) -> Result<(), WriteError> {
        let folder = &self.folder;
        self.make_unsynced()?;
        let synced = self.fs.sync_dir(&folder.parent(), point);
        synced.map_err(failed("sync", folder))
    }

    /// Makes the folder.
    pub fn make_unsynced(&self) -> Result<(), WriteError> {
        let folder = &self.folder;
        let made = create_dir_all(self.fs, folder, 0o700);
        made.map(drop).map_err(failed("create", folder))
    }

    /// Returns the place of the file with this number.
    pub fn nth(&self, nth: usize) -> RelPath {
        self.folder.join(match self.op {
            Some(op) => format!("{op}-{nth}"),
            None => format!("{nth}"),
        })
    }

    /// Writes a file or link under its number. It survives a power cut only when the file that is
    /// returned has been synced.
    pub fn write_open(
        &self,
        nth: usize,
        how: &FileOptions,
        (record, bytes): (&FileRecord, &dyn Bytes),
    ) -> Result<Option<UnsyncedFile>, WriteError> {
        let staged = self.nth(nth);
        if record.is_link() {
            return write::link(self.fs, &staged, (record, bytes)).map(|()| None);
        }
        write::file_open(self.fs, &staged, how, (record, bytes)).map(Some)
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
        let number = |name: &[u8]| -> Option<usize> {
            let name = std::str::from_utf8(name).ok()?;
            match self.op {
                Some(op) => name.strip_prefix(&format!("{op}-"))?.parse().ok(),
                None => name.parse().ok(),
            }
        };
        let is_ours =
            |name: &Vec<u8>| name.starts_with(WRITING.as_bytes()) || number(name).is_some();
        let ours = names.into_iter().filter(is_ours);
        Ok(ours
            .map(|name| (folder.join(&name), number(&name)))
            .collect())
    }

    /// Returns the files of any operation, each with the operation that it belongs to.
    pub fn of_operations(&self) -> Result<Vec<(RelPath, OpId)>, WriteError> {
        let folder = &self.folder;
        let there = self.fs.stat(folder).map_err(failed("look at", folder))?;
        if there.is_none_or(|stat| stat.kind != Type::Dir) {
            return Ok(Vec::new());
        }
        let names = self.fs.list(folder).map_err(failed("list", folder))?;
        let of = |name: &Vec<u8>| {
            let (op, number) = std::str::from_utf8(name).ok()?.rsplit_once('-')?;
            let _: usize = number.parse().ok()?;
            Some((folder.join(name), op.parse().ok()?))
        };
        Ok(names.iter().filter_map(of).collect())
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
