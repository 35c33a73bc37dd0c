//! A file that has no name while it is written: `O_TMPFILE` of open(2), and `linkat` of its
//! descriptor below `/proc`, as that page has it. No path leads to it, so its bytes are what was
//! written: only a program with the rights of a debugger reaches it, through `/proc/<id>/fd`.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, OFlags},
    io::Errno,
};

use super::{super::bulk::BulkFile, permissions};
use crate::{
    fs::{Output, SyncPoint},
    owner::{self, Owner},
    witness::{LeasedFile, Witness},
};

/// A file that is being written, and the name that it gets.
pub(super) struct UnseenFile {
    /// Until it has its name.
    writer: Option<BulkFile>,
    /// The same file, open for reading only, until it is watched.
    reader: Option<File>,
    leased: Option<Arc<LeasedFile>>,
    dir: OwnedFd,
    name: OsString,
}

impl UnseenFile {
    /// Creates it on the file system of an open folder, owned by the folder's owner.
    ///
    /// # Errors
    /// `Unsupported` where files cannot do without a name, or cannot get one later.
    pub fn create(dir: OwnedFd, name: &Path, mode: u32) -> io::Result<Self> {
        let unsupported = || io::Error::from(io::ErrorKind::Unsupported);
        if !LeasedFile::has_room() {
            return Err(unsupported());
        }
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&dir, ".", flags, permissions(mode)) {
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL | Errno::NOSYS) => {
                return Err(unsupported());
            }
            opened => File::from(opened?),
        };
        let reader = File::open(below_proc(&file)).map_err(|_| unsupported())?;
        owner::give(&file, &dir)?;
        Ok(Self {
            writer: Some(BulkFile::new(file)),
            reader: Some(reader),
            leased: None,
            dir,
            name: name.as_os_str().to_os_string(),
        })
    }

    /// Returns the file while it is written.
    fn writer(&mut self) -> io::Result<&mut BulkFile> {
        let named = || io::Error::other("a file that has its name is whole");
        self.writer.as_mut().ok_or_else(named)
    }
}

/// Returns the path under which the kernel shows an open file of this process.
fn below_proc(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

impl Write for UnseenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for UnseenFile {
    fn complete(&mut self) -> io::Result<()> {
        Output::complete(self.writer()?)
    }

    fn appear(&mut self) -> io::Result<Option<Box<dyn Witness>>> {
        self.complete()?;
        // A lease is granted only when nobody can write any more.
        self.writer = None;
        let Some(reader) = self.reader.take() else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        let place = below_proc(&reader);
        match LeasedFile::of(reader) {
            Ok(leased) => self.leased = Some(leased),
            Err(reader) => self.reader = Some(reader),
        }
        rustix::fs::linkat(
            rustix::fs::CWD,
            place,
            &self.dir,
            &self.name,
            AtFlags::SYMLINK_FOLLOW,
        )?;
        let witness = self.leased.clone();
        Ok(witness.map(|leased| Box::new(leased) as Box<dyn Witness>))
    }

    fn sync(&mut self, point: SyncPoint) -> io::Result<()> {
        match (&mut self.writer, &self.reader, &self.leased) {
            (Some(writer), ..) => writer.sync(point),
            (None, Some(reader), _) => reader.sync_all(),
            (None, None, leased) => leased.as_ref().map_or(Ok(()), |leased| leased.sync()),
        }
    }

    fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        self.writer()?.set_mode(mode)
    }

    fn set_owner(&mut self, owner: Owner) -> io::Result<()> {
        self.writer()?.set_owner(owner)
    }

    fn set_mtime(&mut self, mtime: (i64, u32)) -> io::Result<()> {
        self.writer()?.set_mtime(mtime)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::PoisonError;

    use super::*;
    use crate::{Fs, RelPath, Root, witness::TESTING};

    #[test]
    fn a_file_is_seen_when_it_is_whole_and_every_write_after_that_is_known() {
        let _alone = TESTING.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let root = Root::open(dir.path()).expect("it opens");
        let path = RelPath::own("new");
        let Ok(mut file) = root.create_unseen(&path, 0o600) else {
            return println!("skipped: files of {dir:?} cannot be without a name");
        };
        file.write_all(b"whole").expect("it writes");
        assert_eq!(root.list(&RelPath::root()).expect("it lists").len(), 0);
        let witness = file.appear().expect("it is free");
        let Some(witness) = witness else {
            return println!("skipped: no lease on this file system");
        };
        let there = root.stat(&path).expect("it is there").expect("it is");
        assert!(witness.is_unwritten() && witness.stat().expect("it is open") == there);
        assert_eq!((there.size, there.links), (5, 1));
        file.sync(SyncPoint::new("test")).expect("it syncs");
        assert!(file.write_all(b"more").is_err() && file.appear().is_err());
        drop(file);
        assert!(witness.is_unwritten());
        let mut other = root.append(&path).expect("it opens");
        assert!(!witness.is_unwritten());
        other.write_all(b"!").expect("it writes");
    }

    #[test]
    fn a_name_that_is_taken_is_not_taken_away() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let root = Root::open(dir.path()).expect("it opens");
        let path = RelPath::own("new");
        if let Ok(mut file) = root.create_unseen(&path, 0o600) {
            file.write_all(b"late").expect("it writes");
            root.create(&path, 0o600).expect("it is free");
            assert!(file.appear().is_err());
            assert_eq!(root.stat(&path).expect("it is").map(|s| s.size), Some(0));
        }
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
