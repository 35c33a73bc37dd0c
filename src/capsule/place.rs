//! The folder that a capsule is restored into: a staging folder beside it, one rename, nothing
//! halved.

use std::{
    fs::File,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{Error, leftovers};
use crate::base::{Failure, Fs, RelPath, Root, Type, fs::remove_tree, output, text::size};

/// What stays free on the disk.
const RESERVE: u64 = 64 << 20;

/// The folder to restore into, and where its bytes are staged.
pub(super) struct Place {
    /// The folder.
    pub path: PathBuf,
    parent: Root,
    name: RelPath,
    stage: RelPath,
    /// How the names of all staging folders for it begin.
    begin: Vec<u8>,
}

impl Place {
    /// The folder must be new or empty, and no link.
    pub fn new(into: &Path) -> Result<Self, Failure> {
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
        let parent = output::folder(path.parent().unwrap_or(Path::new("/")), false)?;
        match parent.stat(&name).map_err(failed)? {
            None => {}
            Some(stat)
                if stat.kind == Type::Dir && parent.list(&name).map_err(failed)?.is_empty() => {}
            Some(_) => return Err(Error::NotEmpty(path).into()),
        }
        let begin = [b".", name.as_bytes(), b".snapback-"].concat();
        Ok(Self {
            path,
            parent,
            name,
            stage: leftovers::name(&begin),
            begin,
        })
    }

    /// Makes the staging folder and holds it, after those that killed runs left are removed; there
    /// must be room for this many bytes.
    pub fn stage(&self, bytes: u64) -> Result<(Root, File), Error> {
        let failed = |source| Error::Io {
            path: self.path.clone(),
            source,
        };
        leftovers::sweep(&self.parent, &self.begin);
        self.check_room(bytes)?;
        remove_tree(&self.parent, &self.stage).map_err(failed)?;
        self.parent.create_dir(&self.stage, 0o777).map_err(failed)?;
        let held = leftovers::hold(&self.parent, &self.stage).map_err(failed)?;
        Ok((self.parent.enter(&self.stage).map_err(failed)?, held))
    }

    /// Refuses when there is no room for this many bytes.
    pub fn check_room(&self, bytes: u64) -> Result<(), Error> {
        let folder = self.parent.path();
        let Ok(stat) = rustix::fs::statvfs(folder) else {
            return Ok(());
        };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < bytes.saturating_add(RESERVE) {
            return Err(Error::NoRoom {
                path: folder.to_path_buf(),
                needed: size(bytes),
                free: size(free),
            });
        }
        Ok(())
    }

    /// Removes the staging folder of a run that failed.
    pub fn clear(&self) {
        let _ = remove_tree(&self.parent, &self.stage);
    }

    /// Syncs everything and gives the staging folder its name, which replaces an empty folder only.
    pub fn publish(&self, root: &Root) -> Result<(), Error> {
        let failed = |source| Error::Io {
            path: self.path.clone(),
            source,
        };
        match root.sync_all(output::FILE) {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(failed(error)),
            _ => {}
        }
        self.parent
            .rename(&self.stage, &self.name)
            .map_err(failed)?;
        self.parent
            .sync_dir(&RelPath::root(), output::DIR)
            .map_err(failed)
    }
}
