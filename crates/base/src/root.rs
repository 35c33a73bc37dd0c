//! The real file system below one directory handle, which no path can leave.
//!
//! Every operation opens the parent folder with `openat2(RESOLVE_BENEATH | NO_SYMLINKS |
//! NO_MAGICLINKS)` and acts on the last name relative to that handle, so a folder that is
//! swapped for a link in the meantime is an error, never an escape. Here is the handle and how
//! something below it is opened; read `root/operations.rs` for what is then done there.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps},
    io::Errno,
};

use super::{RelPath, fs::LinkOnTheWay};

mod operations;

/// A directory handle; the real implementation of [`Fs`](super::Fs).
pub struct Root {
    handle: OwnedFd,
    path: PathBuf,
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

    /// A root of a directory that is open already.
    pub(super) fn of(handle: OwnedFd, path: PathBuf) -> Self {
        Self { handle, path }
    }

    /// The directory.
    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// The root of a folder below, opened from this one: no link is followed.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn enter(&self, dir: &RelPath) -> io::Result<Self> {
        Ok(Self::of(
            self.open_beneath(dir, OFlags::PATH | OFlags::DIRECTORY, 0)?,
            self.path.join(dir.as_os()),
        ))
    }

    /// Opens a file or a folder to be locked: never what a link leads to, and never waiting for a
    /// pipe.
    ///
    /// # Errors
    /// When it is not there, or a link.
    pub fn open_to_lock(&self, path: &RelPath) -> io::Result<File> {
        Ok(File::from(self.open_beneath(
            path,
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK,
            0,
        )?))
    }

    /// Where the root is, for messages and for child processes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens something below the root, following no link.
    fn open_beneath(&self, path: &RelPath, flags: OFlags, mode: u32) -> io::Result<OwnedFd> {
        let name = if path.is_root() {
            Path::new(".")
        } else {
            Path::new(path.as_os())
        };
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // EAGAIN: something was renamed during the walk; the kernel asks to try again.
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

    /// The handle of the folder that holds `path`, and the last name.
    fn parent<'a>(&self, path: &'a RelPath) -> io::Result<(OwnedFd, &'a Path)> {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let (dir, name) = path.split();
        let handle = self.open_beneath(&dir, OFlags::PATH | OFlags::DIRECTORY, 0)?;
        Ok((handle, Path::new(OsStr::from_bytes(name))))
    }
}

/// The error for a symbolic link where a folder was expected.
fn unexpected_symlink(path: &RelPath) -> io::Error {
    io::Error::other(LinkOnTheWay(path.clone()))
}

/// The permission bits of a mode.
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
