//! Lock files that can be attributed to their operation even after a kill.
//!
//! git takes a lock by creating `<file>.lock`. Here the lock is a hard link to a file that was
//! written and synced in the operation's own folder, so a lock left over after a kill can be told
//! from git's: it is the same file, or has the same bytes. Publishing then renames the lock, as in
//! git.

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{Error, disk};

/// How often to recreate a folder that git removes concurrently.
const ATTEMPTS: usize = 8;

/// A lock to be taken: the bytes to publish, and their target.
pub(super) struct LockPlan {
    /// The file that is replaced when the lock is renamed.
    pub target: PathBuf,
    /// The synced file in the operation's folder.
    pub staged: PathBuf,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl LockPlan {
    /// Returns the lock file.
    pub fn path(&self) -> PathBuf {
        disk::lock_of(&self.target)
    }

    /// Takes the lock, unless this operation already holds it.
    pub fn take(&self) -> Result<(), Error> {
        self.stage()?;
        self.take_staged()
    }

    /// Writes the bytes to the staged file, durably.
    pub fn stage(&self) -> Result<(), Error> {
        if disk::read(&self.staged)?.as_deref() == Some(&self.bytes) {
            // A killed run may have written it without syncing.
            disk::sync(&self.staged)
        } else {
            disk::write_synced(&self.staged, &self.bytes)
        }
    }

    /// Like [`Lock::take`], when the bytes are staged already.
    pub fn take_staged(&self) -> Result<(), Error> {
        let lock = self.path();
        for _ in 0..ATTEMPTS {
            if let Some(dir) = lock.parent() {
                disk::create_dirs(dir)?;
            }
            match rustix::fs::link(&self.staged, &lock) {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) if self.is_held() => return Ok(()),
                Err(Errno::EXIST) => return Err(disk::locked(&lock)),
                Err(Errno::NOENT) => {}
                // Another file system, or one without hard links.
                Err(
                    Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK | Errno::ACCESS,
                ) => return self.create(&lock),
                Err(error) => return Err(failed(&lock, error.into())),
            }
        }
        Err(failed(&lock, Errno::NOENT.into()))
    }

    /// Takes the lock by creating the file; a kill in between leaves a prefix of our bytes.
    fn create(&self, lock: &Path) -> Result<(), Error> {
        let opened = disk::create_new(lock);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                if self.is_held() {
                    return disk::sync(lock);
                }
                let begun = disk::read(lock)?
                    .is_some_and(|bytes| !bytes.is_empty() && self.bytes.starts_with(&bytes));
                if !begun {
                    return Err(disk::locked(lock));
                }
                OpenOptions::new()
                    .write(true)
                    .truncate(true)
                    .open(lock)
                    .map_err(|error| failed(lock, error))?
            }
            Err(error) => return Err(failed(lock, error)),
        };
        file.write_all(&self.bytes)
            .map_err(|error| failed(lock, error))?;
        file.sync_all().map_err(|source| Error::Sync {
            path: lock.to_path_buf(),
            source,
        })
    }

    /// True when the lock file exists and belongs to this operation.
    pub fn is_held(&self) -> bool {
        let lock = self.path();
        disk::same_file(&self.staged, &lock)
            || disk::read(&lock).is_ok_and(|bytes| bytes.as_deref() == Some(&self.bytes))
    }

    /// Removes the lock file if it belongs to this operation.
    pub fn release(&self) -> Result<(), Error> {
        if self.is_held() {
            disk::remove(&self.path())?;
        }
        Ok(())
    }

    /// Makes the bytes visible: renames the lock to the target.
    pub fn publish(&self) -> Result<(), Error> {
        disk::rename(&self.path(), &self.target)?;
        // Renaming one hard link of a file onto another does nothing.
        self.release_after_rename()
    }

    /// Removes a lock that the rename left because the target was the same file already.
    fn release_after_rename(&self) -> Result<(), Error> {
        if disk::same_file(&self.path(), &self.target) {
            disk::remove(&self.path())?;
        }
        Ok(())
    }
}

/// Makes the error for a lock that could not be taken although it does not exist.
fn failed(lock: &Path, source: std::io::Error) -> Error {
    Error::File {
        doing: "creating",
        path: lock.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Fault, Kind};

    #[test]
    fn a_lock_is_ours_or_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let lock = LockPlan {
            target: dir.path().join("deep/ref"),
            staged: dir.path().join("staged"),
            bytes: b"new\n".to_vec(),
        };
        lock.take().expect("nobody holds it");
        lock.take().expect("it is ours");
        lock.publish().unwrap();
        assert_eq!(std::fs::read(&lock.target).unwrap(), b"new\n");
        lock.take().unwrap();
        lock.publish().unwrap();
        assert!(!lock.path().exists(), "renaming onto itself leaves no lock");
        std::fs::File::create(lock.path()).unwrap();
        assert_eq!(lock.take().expect_err("it is git's").kind(), Kind::Locked);
        lock.release().unwrap();
        assert!(lock.path().exists(), "a foreign lock stays");
    }

    #[test]
    fn without_hard_links_a_half_written_lock_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        let lock = LockPlan {
            target: dir.path().join("ref"),
            staged: dir.path().join("staged"),
            bytes: b"new\n".to_vec(),
        };
        std::fs::File::create(lock.path())
            .unwrap()
            .write_all(b"ne")
            .unwrap();
        lock.create(&lock.path())
            .expect("it is a beginning of ours");
        assert!(lock.is_held());
        std::fs::File::create(lock.path()).unwrap();
        assert!(
            lock.create(&lock.path()).is_err(),
            "an empty lock may be git's"
        );
    }
}
