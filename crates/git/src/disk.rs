//! The few durable file operations in the git directory that the publish protocol needs.
//!
//! `base::fs` has no hard links and does not know the git directory, so this file is the only place
//! of the room that links, renames, removes and syncs. It never touches the work tree. A failed
//! sync is returned and never retried.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::Error;
use base::{Clock, Due, owner};

/// How many pauses of [`NAP`] to wait for a lock that git has just taken.
const NAPS: u32 = 60;
/// How many pauses to wait for changing locks in total.
const NAPS_IN_ALL: u32 = 400;
/// One pause.
pub(super) const NAP: Duration = Duration::from_millis(25);
/// A git lock older than this is left over from a killed process, in seconds.
pub(super) const YOUNG_SECS: u64 = 5;

/// Returns the lock file that git uses for a file: its name with `.lock`.
pub(super) fn lock_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Returns an error if a lock file exists.
pub(super) fn check_absent(lock: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::File {
            doing: "looking at",
            path: lock.to_path_buf(),
            source,
        }),
        Ok(_) => Err(locked(lock)),
    }
}

/// Like [`check_absent`], after giving a running git time to finish.
pub(super) fn check_absent_soon(lock: &Path) -> Result<(), Error> {
    let mut patience = Patience::default();
    loop {
        match check_absent(lock) {
            Err(Error::GitLocked {
                age_secs: Some(0..=YOUNG_SECS),
                ..
            }) if patience.waits_for(lock) => {}
            other => return other,
        }
    }
}

/// The limits of the wait for git's locks: [`NAPS`] for the same lock, and [`NAPS_IN_ALL`] where
/// one git after another takes its own.
#[derive(Default)]
pub(super) struct Patience {
    lock: Option<(u64, i64)>,
    naps: u32,
    naps_in_all: u32,
}

impl Patience {
    /// Sleeps for one pause; returns false when the limit is reached.
    pub fn waits_for(&mut self, lock: &Path) -> bool {
        let now = fs::symlink_metadata(lock)
            .ok()
            .map(|found| (found.ino(), found.mtime_nsec()));
        if now != self.lock {
            (self.lock, self.naps) = (now, 0);
        }
        (self.naps, self.naps_in_all) = (self.naps + 1, self.naps_in_all + 1);
        let waits = self.naps <= NAPS && self.naps_in_all <= NAPS_IN_ALL;
        if waits {
            std::thread::sleep(NAP);
        }
        waits
    }
}

/// Returns an error if this user cannot change names in a folder; a missing folder passes.
pub(super) fn check_writable(folder: &Path) -> Result<(), Error> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    match accessat(
        CWD,
        folder,
        Access::WRITE_OK | Access::EXEC_OK,
        AtFlags::EACCESS,
    ) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::File {
            doing: "writing into",
            path: folder.to_path_buf(),
            source: errno.into(),
        }),
    }
}

/// Makes the error for a lock held by another process.
pub(super) fn locked(lock: &Path) -> Error {
    let written = fs::symlink_metadata(lock).map(|found| found.mtime()).ok();
    let age_secs =
        written.and_then(|mtime| u64::try_from(Clock::System.now().as_second() - mtime).ok());
    Error::GitLocked {
        file: lock.to_path_buf(),
        age_secs,
    }
}

/// Reads a whole file; returns `None` if it does not exist.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(Error::File {
            doing: "reading",
            path: path.to_path_buf(),
            source,
        }),
    }
}

/// Writes a new file and forces its contents to disk; an existing file is replaced.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    sync_file(&write(path, bytes)?, path)
}

/// Like [`write_synced`], but its contents reach the disk at the barrier.
pub(super) fn write_due(path: &Path, bytes: &[u8], due: &Due) -> Result<(), Error> {
    let (file, path) = (write(path, bytes)?, path.to_path_buf());
    due.file(move || Ok(sync_file(&file, &path)?));
    Ok(())
}

/// Forces the names in a folder, or the contents of a file, to disk at the barrier, if git has not
/// removed it by then.
pub(super) fn sync_due(path: PathBuf, due: &Due) {
    let key = path.as_os_str().as_encoded_bytes().to_vec();
    due.folder(key, move || Ok(sync_if_there(&path)?));
}

/// Forces the contents of a file to disk.
fn sync_file(file: &File, path: &Path) -> Result<(), Error> {
    file.sync_all().map_err(|source| Error::Sync {
        path: path.to_path_buf(),
        source,
    })
}

/// Writes a new file; an existing file is replaced.
fn write(path: &Path, bytes: &[u8]) -> Result<File, Error> {
    remove(path)?;
    let failed = |source| Error::File {
        doing: "writing",
        path: path.to_path_buf(),
        source,
    };
    let mut file = create_new(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    Ok(file)
}

/// Creates a file that must not exist, owned by the owner of its folder.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    owner::give_at(&file, path)?;
    Ok(file)
}

/// Forces a file's contents, or a folder's names, to disk.
pub(super) fn sync(path: &Path) -> Result<(), Error> {
    let sync = |path: &Path| File::open(path)?.sync_all();
    sync(path).map_err(|source| Error::Sync {
        path: path.to_path_buf(),
        source,
    })
}

/// Like [`sync`], for files that git may remove concurrently: loose objects and references, and
/// their folders, once they are packed.
pub(super) fn sync_if_there(path: &Path) -> Result<(), Error> {
    match sync(path) {
        Err(Error::Sync { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Forces everything on the file system of a folder to disk. Linux reports writes that failed since
/// the folder was opened.
pub(super) fn sync_file_system(dir: &Path) -> Result<(), Error> {
    let sync = |dir: &Path| -> io::Result<()> { Ok(rustix::fs::syncfs(File::open(dir)?)?) };
    sync(dir).map_err(|source| Error::Sync {
        path: dir.to_path_buf(),
        source,
    })
}

/// Renames, replacing any file at the new name.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    rustix::fs::rename(from, to).map_err(|error| Error::File {
        doing: "renaming to",
        path: to.to_path_buf(),
        source: error.into(),
    })
}

/// Removes a file; a missing one is not an error. Returns whether it existed.
pub(super) fn remove(path: &Path) -> Result<bool, Error> {
    match rustix::fs::unlink(path) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(false),
        Err(error) => Err(Error::File {
            doing: "removing",
            path: path.to_path_buf(),
            source: error.into(),
        }),
    }
}

/// Creates a folder and its missing parents; returns every folder whose names changed.
pub(super) fn create_dirs(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut missing = Vec::new();
    let mut at = dir;
    while !at.exists() {
        missing.push(at.to_path_buf());
        let Some(parent) = at.parent() else { break };
        at = parent;
    }
    let mut changed = Vec::new();
    for dir in missing.iter().rev() {
        match owner::create_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(Error::File {
                    doing: "creating",
                    path: dir.clone(),
                    source,
                });
            }
            Ok(()) => {}
        }
        changed.extend(dir.parent().map(Path::to_path_buf));
    }
    Ok(changed)
}

/// Removes empty folders where a file must go; returns false if one is not empty.
pub(super) fn clear_empty_dirs(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || !clear_empty_dirs(&entry.path())? {
            return Ok(false);
        }
    }
    fs::remove_dir(dir).map(|()| true)
}

/// Returns every file below a folder; unreadable parts are skipped.
pub(super) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

/// True when both names refer to the same file.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::symlink_metadata(a), fs::symlink_metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}
