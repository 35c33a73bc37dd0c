//! The real file system below one directory handle, which no path can leave.
//!
//! Every operation opens the parent folder with `openat2(RESOLVE_BENEATH | NO_SYMLINKS |
//! NO_MAGICLINKS)` and acts on the last name relative to that handle, so a folder that is swapped
//! for a link in the meantime causes an error, never an escape. This file has the handle and how
//! entries are opened; `root/operations.rs` has the operations.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps},
    io::Errno,
};

use super::{RelPath, fs::LinkOnTheWay};

mod operations;
mod unseen;

/// A directory handle; the real implementation of [`Fs`](super::Fs).
pub struct Root {
    handle: OwnedFd,
    path: PathBuf,
    /// The answer of [`Fs::shows_maps`](super::Fs::shows_maps).
    shows_maps: OnceLock<bool>,
}

impl Root {
    /// Opens an existing directory as a root.
    pub fn open(path: &Path) -> io::Result<Self> {
        let handle = rustix::fs::open(
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self::of(handle, path.to_path_buf()))
    }

    /// Makes a root of an open directory.
    pub(super) fn of(handle: OwnedFd, path: PathBuf) -> Self {
        Self {
            handle,
            path,
            shows_maps: OnceLock::new(),
        }
    }

    /// Returns the directory handle.
    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Opens a folder below as a root of its own; no link is followed.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn enter(&self, dir: &RelPath) -> io::Result<Self> {
        Ok(Self::of(
            self.open_beneath(dir, OFlags::PATH | OFlags::DIRECTORY, 0)?,
            self.path.join(dir.as_os()),
        ))
    }

    /// Opens a file or folder to be locked; never follows a link or waits for the other end of a
    /// pipe.
    ///
    /// # Errors
    /// If it is missing, or a link.
    pub fn open_to_lock(&self, path: &RelPath) -> io::Result<File> {
        Ok(File::from(self.open_beneath(
            path,
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK,
            0,
        )?))
    }

    /// Returns the location of the root, for messages and child processes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens an entry below the root, following no link.
    fn open_beneath(&self, path: &RelPath, flags: OFlags, mode: u32) -> io::Result<OwnedFd> {
        let name = if path.is_root() {
            Path::new(".")
        } else {
            Path::new(path.as_os())
        };
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // EAGAIN: something was renamed during the walk; the kernel asks for a retry.
        for _ in 0..128 {
            match rustix::fs::openat2(
                &self.handle,
                name,
                flags | OFlags::CLOEXEC,
                Mode::from_raw_mode(mode),
                resolve,
            ) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::XDEV | Errno::LOOP) => return Err(unexpected_symlink(path)),
                other => return Ok(other?),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Opens a regular file, and nothing else, for reading.
    fn open_file(&self, path: &RelPath) -> io::Result<File> {
        // NONBLOCK: opening a FIFO must not wait for its writer; the type check below refuses it.
        let handle = self.open_beneath(
            path,
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK,
            0,
        )?;
        if FileType::from_raw_mode(rustix::fs::fstat(&handle)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{path} is not a regular file"),
            ));
        }
        Ok(File::from(handle))
    }

    /// Returns the handle of the folder that contains `path`, and the last name.
    fn parent<'a>(&self, path: &'a RelPath) -> io::Result<(OwnedFd, &'a Path)> {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let (dir, name) = path.split();
        let handle = self.open_beneath(&dir, OFlags::PATH | OFlags::DIRECTORY, 0)?;
        Ok((handle, Path::new(OsStr::from_bytes(name))))
    }
}

/// Makes the error for a symbolic link where a folder was expected.
fn unexpected_symlink(path: &RelPath) -> io::Error {
    io::Error::other(LinkOnTheWay(path.clone()))
}

/// Returns the state of an open file.
pub(super) fn stat_of(file: &File) -> io::Result<super::Stat> {
    Ok(operations::to_stat(&rustix::fs::fstat(file)?))
}

/// Returns the permission bits of a mode.
fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777)
}

/// Sets the permission bits of an open file.
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(file, permissions(mode))?)
}

/// Sets the modification time of an open file.
pub(super) fn set_mtime(file: &File, mtime: (i64, u32)) -> io::Result<()> {
    let time = Timespec {
        tv_sec: mtime.0,
        tv_nsec: mtime.1.into(),
    };
    let omit = Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_OMIT,
    };
    Ok(rustix::fs::futimens(
        file,
        &Timestamps {
            last_access: omit,
            last_modification: time,
        },
    )?)
}

#[cfg(test)]
mod tests;
