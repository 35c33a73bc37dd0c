//! Fills a new or empty folder, whole or not at all: it is written beside its place under a
//! temporary name, everything is synced, and one rename makes it visible.
//!
//! The temporary folder is held with a kernel lock, and the next run into the same place sweeps
//! what a killed run left. The disk must have room for all of it.

use std::{
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use super::{Error, leftovers, too_little, write::FolderWriter};
use crate::base::{Failure, Fs, RelPath, Root, Stat, Type, fs::remove_tree, output, text::size};

/// A folder that is to be made.
pub struct Fresh {
    /// The path as it was requested.
    into: PathBuf,
    parent: Root,
    name: RelPath,
    /// The empty folder that is already there.
    there: Option<Stat>,
}

impl Fresh {
    /// Accepts a new or empty folder that is no link. With `make`, makes the folders above it.
    pub fn new(into: &Path, make: bool) -> Result<Self, Failure> {
        let failed = |source| Error::Io {
            path: into.to_path_buf(),
            source,
        };
        let path = std::path::absolute(into).map_err(failed)?;
        let name = path
            .file_name()
            .filter(|name| *name != "..")
            .ok_or_else(|| failed(io::Error::other("it names no folder")))?;
        let name = RelPath::own(name.as_bytes());
        let parent = output::folder(path.parent().unwrap_or(Path::new("/")), make)?;
        let there = parent.stat(&name).map_err(failed)?;
        if let Some(stat) = there {
            if stat.kind != Type::Dir || !parent.list(&name).map_err(failed)?.is_empty() {
                return Err(Error::NotEmpty(into.to_path_buf()).into());
            }
            let above = parent.stat(&RelPath::root()).map_err(failed)?;
            refuse_fixed(into, &stat, above.map(|above| above.dev))?;
        }
        Ok(Self {
            into: into.to_path_buf(),
            parent,
            name,
            there,
        })
    }

    /// Checks what [`Fresh::new`] checks, and makes nothing: what is missing would be made.
    pub fn check(into: &Path) -> Result<(), Failure> {
        if into.symlink_metadata().is_ok() {
            Self::new(into, false)?;
        }
        Ok(())
    }

    /// Refuses when there is no room for this many bytes.
    pub fn check_room(&self, bytes: u64) -> Result<(), Error> {
        let folder = self.parent.path();
        match too_little(folder, bytes) {
            None => Ok(()),
            Some(free) => Err(Error::NoRoom {
                path: folder.to_path_buf(),
                needed: size(bytes),
                free: size(free),
            }),
        }
    }

    /// Fills the folder with this many bytes, after removing what killed runs left.
    ///
    /// # Errors
    /// When it cannot be filled: nothing is left then.
    pub fn fill(
        &self,
        bytes: u64,
        write: impl FnOnce(&FolderWriter<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let begin = leftovers::begin(&self.name);
        let temp = leftovers::name(&begin);
        let failed = |source| Error::Io {
            path: self.into.clone(),
            source,
        };
        leftovers::sweep(&self.parent, &begin);
        self.check_room(bytes)?;
        remove_tree(&self.parent, &temp).map_err(failed)?;
        let filled = fill(&self.parent, (&temp, &self.name), &failed, |folder| {
            let held = leftovers::hold(&self.parent, &temp).map_err(failed)?;
            if let Some(there) = self.there {
                let mode = std::fs::Permissions::from_mode(there.mode);
                held.set_permissions(mode).map_err(failed)?;
            }
            write(folder).map(|()| held)
        });
        // The lock is held until the folder has its name; the first error is the one to report.
        filled
            .map(drop)
            .inspect_err(|_| drop(remove_tree(&self.parent, &temp)))
    }
}

/// Refuses an empty folder that cannot be replaced: a mount, or this process's current folder.
fn refuse_fixed(into: &Path, stat: &Stat, above: Option<u64>) -> Result<(), Error> {
    let fixed = |why| Error::Fixed {
        path: into.to_path_buf(),
        why,
    };
    if above.is_some_and(|dev| dev != stat.dev) {
        return Err(fixed("it is a mount of its own"));
    }
    let is_here =
        std::fs::metadata(".").is_ok_and(|here| (here.dev(), here.ino()) == (stat.dev, stat.ino));
    if is_here {
        return Err(fixed("you are in it"));
    }
    Ok(())
}

/// Makes a folder under a temporary name, has it filled, syncs everything, and gives it its name,
/// which replaces an empty folder only.
///
/// # Errors
/// When any of this fails; what was written is left under the temporary name.
pub fn fill<T, E: Into<Failure>>(
    fs: &dyn Fs,
    (temp, name): (&RelPath, &RelPath),
    failed: &dyn Fn(io::Error) -> E,
    write: impl FnOnce(&FolderWriter<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let failed = |error| failed(error).into();
    fs.create_dir(temp, 0o777).map_err(failed)?;
    let filled = write(&FolderWriter::new(fs, temp.clone()))?;
    sync(fs, temp).map_err(failed)?;
    fs.rename(temp, name).map_err(failed)?;
    fs.sync_dir(&name.parent(), output::DIR).map_err(failed)?;
    Ok(filled)
}

/// Forces a folder to the disk, with one call where the system can.
fn sync(fs: &dyn Fs, folder: &RelPath) -> io::Result<()> {
    match fs.sync_all(output::FILE) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => sync_each(fs, folder),
        synced => synced,
    }
}

/// Forces every file below a folder to the disk, and the folders.
fn sync_each(fs: &dyn Fs, folder: &RelPath) -> io::Result<()> {
    for (name, stat) in fs.scan(folder)? {
        let path = folder.join(name);
        match stat.kind {
            Type::Dir => sync_each(fs, &path)?,
            Type::File => fs.append(&path)?.sync(output::FILE)?,
            Type::Symlink | Type::Other => {}
        }
    }
    fs.sync_dir(folder, output::DIR)
}
