//! Proves that nobody writes to a file, by a read lease of the kernel ([`file_lease`]).
//!
//! Metadata cannot prove this: a write that is under way has stamped the file already, a mapped
//! page is written without a stamp, and times can be set. Whoever wants to write to a leased file
//! waits; a thread of this process gives the lease up at once, so nobody waits longer than that
//! takes, and from then on the witness knows of the writer.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{consts::SIGIO, iterator::Signals};

use super::{fs::Stat, times};

/// Number of files that are watched at the same time: each is an open file.
const MOST: usize = 256;
/// Number of open files that are left to everything else.
const FOR_OTHERS: u64 = 64;

/// Returns the number of files that may be watched at the same time: a quarter of what may be open.
fn most() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(FOR_OTHERS) / 4);
    usize::try_from(room).map_or(MOST, |room| room.min(MOST))
}

/// A file to which nobody has written since the witness was called, as long as it says so. The file
/// may get other names, or none, in the meantime.
pub trait Witness: Send + Sync {
    /// Returns the state of the file, whatever its name is now.
    fn stat(&self) -> io::Result<Stat>;
    /// True when nobody can have written to the file since. Once false, it stays so.
    fn is_unwritten(&self) -> bool;
    /// Reads the very file, from its beginning, whatever its path leads to now.
    fn open(&self) -> Box<dyn Read + Send>;
}

/// Reads a leased file without moving the position that others share.
struct LeasedReader {
    leased: Arc<LeasedFile>,
    offset: u64,
}

impl Read for LeasedReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.leased.file.read_at(into, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// A file with a lease.
pub(super) struct LeasedFile {
    file: File,
    /// Set before the lease is given up to somebody who wants to write.
    is_given_up: AtomicBool,
}

/// The files with a lease.
static LEASED: Mutex<Vec<Weak<LeasedFile>>> = Mutex::new(Vec::new());
/// Whether the thread that gives leases up runs: without it, no lease is taken.
static IS_READY: OnceLock<bool> = OnceLock::new();

impl LeasedFile {
    /// True while one more file may be watched.
    pub fn has_room() -> bool {
        let mut leased = LEASED.lock().unwrap_or_else(PoisonError::into_inner);
        leased.retain(|leased| leased.strong_count() > 0);
        leased.len() < most()
    }

    /// Takes a lease on a file that is open for reading only; gives it back where none is granted.
    ///
    /// A lease means something only on file systems that are known to see every writer. Below an
    /// overlay a map outlives the open file that it was made of, and of a file of FUSE or a network
    /// the other side knows nothing.
    pub fn of(file: File) -> Result<Arc<Self>, File> {
        if !times::show_maps(&file) || !*IS_READY.get_or_init(|| start().is_ok()) {
            return Err(file);
        }
        // Held while the lease is taken: the thread must find it when it is asked to give it up.
        let mut leased = LEASED.lock().unwrap_or_else(PoisonError::into_inner);
        leased.retain(|leased| leased.strong_count() > 0);
        if leased.len() >= most() || file_lease::take(&file).is_err() {
            return Err(file);
        }
        let made = Arc::new(Self {
            file,
            is_given_up: AtomicBool::new(false),
        });
        leased.push(Arc::downgrade(&made));
        Ok(made)
    }

    /// Forces the file to the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Drop for LeasedFile {
    fn drop(&mut self) {
        // The file may be open elsewhere in this process, which would keep the lease.
        let _ = file_lease::give_up(&self.file);
    }
}

impl Witness for Arc<LeasedFile> {
    fn stat(&self) -> io::Result<Stat> {
        super::root::stat_of(&self.file)
    }

    fn is_unwritten(&self) -> bool {
        // The kernel ends a lease itself when this process was stopped for long.
        file_lease::is_held(&self.file) && !self.is_given_up.load(Ordering::Acquire)
    }

    fn open(&self) -> Box<dyn Read + Send> {
        Box::new(LeasedReader {
            leased: self.clone(),
            offset: 0,
        })
    }
}

/// Starts the thread that gives leases up. Until it runs, the signal would end the process.
fn start() -> io::Result<()> {
    // Blocked by the parent process, it would never arrive.
    let blocked = super::cancel::signals_of("SigBlk:");
    if blocked.is_none_or(|blocked| blocked >> (SIGIO - 1) & 1 != 0) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut signals = Signals::new([SIGIO])?;
    let run = move || {
        for _ in signals.forever() {
            give_up_wanted();
        }
    };
    std::thread::Builder::new()
        .name("leases".into())
        .spawn(run)?;
    Ok(())
}

/// Gives up every lease whose end somebody waits for.
fn give_up_wanted() {
    let leased = LEASED.lock().unwrap_or_else(PoisonError::into_inner);
    for leased in leased.iter().filter_map(Weak::upgrade) {
        if !file_lease::is_held(&leased.file) {
            leased.is_given_up.store(true, Ordering::Release);
            // It may have ended already.
            let _ = file_lease::give_up(&leased.file);
        }
    }
}

/// Held by each test that counts on a lease: one of them takes all that there are.
#[cfg(test)]
pub(super) static TESTING: Mutex<()> = Mutex::new(());

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        sync::{MutexGuard, PoisonError},
        time::{Duration, Instant},
    };

    use tempfile::TempDir;

    use crate::{Fs, RelPath, Root};

    /// Returns a folder and the path of a file in it, for a test that alone takes leases.
    fn alone() -> (MutexGuard<'static, ()>, TempDir, RelPath) {
        let alone = super::TESTING.lock();
        let alone = alone.unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().expect("because tests can make folders");
        (alone, dir, RelPath::own("file"))
    }

    #[test]
    fn a_writer_is_seen_and_waits_for_nobody() {
        let (_alone, dir, path) = alone();
        let root = Root::open(dir.path()).expect("it opens");
        root.create(&path, 0o600)
            .and_then(|mut file| file.write_all(b"old"))
            .expect("it is written");
        let Some(witness) = root.witness(&path).expect("it opens") else {
            return println!("skipped: no lease on this file system");
        };
        assert!(witness.is_unwritten());
        let moved = RelPath::own("moved");
        root.rename(&path, &moved).expect("a lease forbids nothing");
        root.open(&moved).expect("reading goes on");
        assert!(witness.is_unwritten(), "only writing counts");
        let began = Instant::now();
        let mut writer = root.append(&moved).expect("it opens");
        assert!(began.elapsed() < Duration::from_secs(5), "it need not wait");
        assert!(!witness.is_unwritten(), "before the first byte is written");
        assert!(
            root.witness(&moved).expect("it opens").is_none(),
            "while somebody writes"
        );
        writer.write_all(b"new").expect("it writes");
        drop(writer);
        assert!(!witness.is_unwritten(), "for ever");
        let again = root.witness(&moved).expect("it opens").expect("it is free");
        assert!(again.is_unwritten() && again.stat().expect("it is open").size == 6);
    }

    #[test]
    fn there_is_a_limit_to_the_files_that_are_watched() {
        let (_alone, dir, path) = alone();
        let root = Root::open(dir.path()).expect("it opens");
        root.create(&path, 0o600).expect("it is made");
        let all: Vec<_> = (0..super::MOST + 3)
            .map(|_| root.witness(&path).expect("it opens"))
            .collect();
        assert!(all.iter().flatten().count() <= super::MOST);
        assert!(all.last().is_some_and(Option::is_none));
    }
}
