//! Records as files: written aside, synced and renamed, followed by a sync of the folder.
//!
//! Files are private to their owner, and so are folders created for them. Temporary files left by a
//! killed process are never taken for records.

use std::{io, ops::Deref, time::Duration};

use super::port::{LockWait, RecordLock, RecordPort};
use crate::base::{
    Fs, RelPath, SyncPoint,
    fs::{Hold, create_dir_all, is_temp, publish, read_limited, write_aside, write_durably},
};

/// The bytes of a record, before it gets its name.
pub const FILE: SyncPoint = SyncPoint::new("records.file");
/// The folders of records, and their parent folders.
pub const DIR: SyncPoint = SyncPoint::new("records.dir");
/// The points at which records are synced to disk; tests skip one at a time.
pub const SYNC_POINTS: [SyncPoint; 2] = [FILE, DIR];

/// Number of attempts to take a lock.
const TRIES: u32 = 50;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// Records below a root of the file system.
pub struct RecordFiles<F> {
    fs: F,
    makes_folders: bool,
    is_derived: bool,
}

impl<F> RecordFiles<F> {
    /// Returns records in folders that are created on demand.
    pub fn new(fs: F) -> Self {
        Self {
            fs,
            makes_folders: true,
            is_derived: false,
        }
    }

    /// Returns records in folders that the caller created and made durable.
    pub fn within(fs: F) -> Self {
        Self {
            fs,
            makes_folders: false,
            is_derived: false,
        }
    }

    /// Returns records that can be made again: a power cut may take a new one, or a part of it,
    /// which then counts as none.
    pub fn derived(self) -> Self {
        Self {
            is_derived: true,
            ..self
        }
    }
}

impl<'f, F> RecordPort for RecordFiles<F>
where
    F: Deref<Target = dyn Fs + 'f> + Send + Sync,
{
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let folder = RelPath::own(folder);
        if self.fs.stat(&folder)?.is_none() {
            return Ok(Vec::new());
        }
        let names = self.fs.list(&folder)?;
        let mut names: Vec<String> = names
            .into_iter()
            .filter(|name| !is_temp(name))
            .filter_map(|name| String::from_utf8(name).ok())
            .collect();
        names.sort();
        Ok(names)
    }

    fn read(&self, folder: &str, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match read_limited(&*self.fs, &at(folder, name), limit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(bytes) if self.is_derived && is_torn(&bytes) => Ok(None),
            read => read.map(Some),
        }
    }

    fn write(&self, folder: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = at(folder, name);
        if self.makes_folders && self.fs.stat(&path)?.is_none() {
            create_dir_all(&*self.fs, &path.parent(), 0o700)?;
            // For each new record: a folder's creator may have been killed before its sync.
            for folder in path.ancestors() {
                self.fs.sync_dir(&folder.parent(), DIR)?;
            }
        }
        if self.is_derived {
            write_aside(&*self.fs, &path, bytes, 0o600, None)?;
            return publish(&*self.fs, &path);
        }
        write_durably(&*self.fs, &path, bytes, 0o600, (FILE, DIR))
    }

    fn remove(&self, folder: &str, names: &[String]) -> io::Result<usize> {
        let (mut removed, mut failed) = (0, None);
        for name in names {
            match self.fs.remove_file(&at(folder, name)) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if removed > 0 {
            self.fs.sync_dir(&RelPath::own(folder), DIR)?;
        }
        failed.map_or(Ok(removed), Err)
    }

    fn lock(&self, folder: &str, name: &str, wait: LockWait) -> io::Result<Option<RecordLock>> {
        let path = at(folder, name);
        if self.makes_folders {
            create_dir_all(&*self.fs, &path.parent(), 0o700)?;
        }
        let take = |wait| self.fs.lock(&path, Hold::Exclusive, wait);
        for _ in 0..if wait == LockWait::Moment { TRIES } else { 0 } {
            if let Some(lock) = take(false)? {
                return Ok(Some(lock));
            }
            std::thread::sleep(PAUSE);
        }
        take(wait == LockWait::Forever)
    }
}

/// Returns true for what a power cut leaves of a JSON object that was not synced: its beginning,
/// perhaps with zeros behind it. Its lines begin with a space, and the last one is a brace: another
/// byte alone behind a line end is damage.
fn is_torn(bytes: &[u8]) -> bool {
    match bytes {
        [.., b'\n', last] => matches!(last, b' ' | 0),
        _ => !bytes.trim_ascii_end().ends_with(b"}"),
    }
}

/// Returns the path of a name.
fn at(folder: &str, name: &str) -> RelPath {
    RelPath::own(folder).join(name)
}

#[cfg(test)]
mod tests {
    use super::is_torn;

    #[test]
    fn a_beginning_is_torn_and_a_changed_end_is_damage() {
        let whole = b"{\n  \"a\": [\n    1\n  ],\n  \"b\": \"}\"\n}";
        for len in (0..whole.len()).filter(|len| whole[..*len].last() != Some(&b'}')) {
            assert!(is_torn(&whole[..len]), "{len} bytes");
            assert!(is_torn(&[&whole[..len], &[0, 0][..]].concat()), "zeros");
        }
        assert!(!is_torn(whole));
        for bit in 0..8 {
            let mut damaged = *whole;
            damaged[whole.len() - 1] ^= 1 << bit;
            assert!(!is_torn(&damaged), "bit {bit}");
        }
    }
}
