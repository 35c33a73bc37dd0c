//! A file that has no name while it is written: `O_TMPFILE` of open(2), and `linkat` of its
//! descriptor below `/proc`, as that page has it. Nobody can open what has no name, so its bytes
//! are what was written.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, OFlags},
    io::Errno,
};

use super::{super::bulk::BulkFile, operations::to_stat, permissions};
use crate::{
    fs::{Output, Stat, SyncPoint},
    owner::{self, Owner},
};

/// A file that is being written, and the name that it gets.
pub(super) struct UnseenFile {
    file: BulkFile,
    dir: OwnedFd,
    name: OsString,
}

impl UnseenFile {
    /// Creates it on the file system of an open folder, owned by the folder's owner.
    ///
    /// # Errors
    /// `Unsupported` where files cannot do without a name, or cannot get one later.
    pub fn create(dir: OwnedFd, name: &Path, mode: u32) -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&dir, ".", flags, permissions(mode)) {
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL | Errno::NOSYS) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
            opened => File::from(opened?),
        };
        if rustix::fs::stat(below_proc(&file)).is_err() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        owner::give(&file, &dir)?;
        Ok(Self {
            file: BulkFile::new(file),
            dir,
            name: name.as_os_str().to_os_string(),
        })
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(to_stat(&rustix::fs::fstat(self.file.file())?))
    }
}

/// Returns the path under which the kernel shows an open file of this process.
fn below_proc(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

impl Write for UnseenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Output for UnseenFile {
    fn complete(&mut self) -> io::Result<()> {
        Output::complete(&mut self.file)
    }

    fn appear(&mut self) -> io::Result<Option<Stat>> {
        self.complete()?;
        let before = self.stat()?;
        rustix::fs::linkat(
            rustix::fs::CWD,
            below_proc(self.file.file()),
            &self.dir,
            &self.name,
            AtFlags::SYMLINK_FOLLOW,
        )?;
        let after = self.stat()?;
        let named = Stat {
            ctime: after.ctime,
            links: after.links,
            ..before
        };
        Ok(Some(after).filter(|after| *after == named))
    }

    fn sync(&mut self, point: SyncPoint) -> io::Result<()> {
        self.file.sync(point)
    }

    fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        self.file.set_mode(mode)
    }

    fn set_owner(&mut self, owner: Owner) -> io::Result<()> {
        self.file.set_owner(owner)
    }

    fn set_mtime(&mut self, mtime: (i64, u32)) -> io::Result<()> {
        self.file.set_mtime(mtime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fs, RelPath, Root, clock, times};

    #[test]
    fn a_file_is_seen_when_it_is_whole_and_every_write_after_that_shows() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let root = Root::open(dir.path()).expect("it opens");
        let path = RelPath::own("new");
        let Ok(mut file) = root.create_unseen(&path, 0o600) else {
            return println!("skipped: files of {dir:?} cannot be without a name");
        };
        file.write_all(b"whole").expect("it writes");
        let old = times::before_any_write(clock::of_files());
        file.set_mtime(old).expect("it is ours");
        assert_eq!(root.list(&RelPath::root()).expect("it lists").len(), 0);
        let seen = file.appear().expect("it is free");
        let seen = seen.expect("nobody wrote to it");
        assert_eq!((seen.size, seen.mtime, seen.links), (5, old, 1));
        assert_eq!(root.stat(&path).expect("it is there"), Some(seen));
        assert!(
            file.appear().is_err(),
            "it never takes a name that is taken"
        );
        let mut other = root.append(&path).expect("it opens");
        other.write_all(b"!").expect("it writes");
        other.set_mtime(old).expect("it is ours");
        let found = root.stat(&path).expect("it is there").expect("it is");
        assert_ne!(found.ctime, seen.ctime, "which nobody can set back");
        other.write_all(b"!").expect("it writes");
        let found = root.stat(&path).expect("it is there").expect("it is");
        assert!(!times::shows_writes(found.mtime, found.ctime), "{found:?}");
        assert!(times::shows_writes(old, found.ctime));
    }

    #[test]
    fn what_is_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let root = Root::open(dir.path()).expect("it opens");
        if let Ok(mut file) = root.create_unseen(&RelPath::own("new"), 0o600) {
            file.write_all(b"half").expect("it writes");
        }
        assert_eq!(root.list(&RelPath::root()).expect("it lists").len(), 0);
    }
}
