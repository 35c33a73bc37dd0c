//! A single-writer lock: a kernel lock on a file that is never removed.
//!
//! The kernel releases it when its holder dies, so there is no stale lock and no `unlock` command.
//! The file's text about the holder is for display only and is never trusted.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::{Fault, Hint, Kind, owner};

/// The holder of a lock, as written into the lock file for display.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// The subcommand that it runs.
    pub command: String,
    /// When it took the lock, as RFC 3339.
    pub since: String,
}

/// A lock that could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds it.
    #[error("another snapback is at work here: {}", describe(.0.as_ref()))]
    Held(Option<Holder>),
    /// The lock file cannot be opened or locked.
    #[error("cannot lock {path}")]
    Io {
        /// The lock file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Held(_) => Kind::Locked,
            Self::Io { .. } => Kind::Missing,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Held(_) => vec![Hint::say(
                "wait for it, or let snapback wait: --lock-wait 60s",
            )],
            Self::Io { .. } => Vec::new(),
        }
    }
}

/// Describes the holder in words.
fn describe(holder: Option<&Holder>) -> String {
    holder.map_or_else(
        || "its name is not known yet".into(),
        |h| {
            let field = |text: &str| super::text::escape(text.as_bytes());
            format!(
                "pid {} on {}, `{}`, since {}",
                h.pid,
                field(&h.host),
                field(&h.command),
                field(&h.since)
            )
        },
    )
}

/// How long to wait for a holder to write its name before it is reported as unknown.
const NAMELESS: Duration = Duration::from_secs(2);

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting at most `wait`.
    pub fn take(path: &Path, holder: &Holder, wait: Duration) -> Result<Self, Error> {
        let io_error = |source| Error::Io {
            path: path.display().to_string(),
            source,
        };
        let mut file = open(path).map_err(io_error)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() >= wait => {
                    let holder = read_holder(&mut file);
                    if holder.is_some() || begun.elapsed() >= wait + NAMELESS {
                        return Err(Error::Held(holder));
                    }
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(io_error(source)),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // For display only: a failure to write it is no reason to stop.
        let text = serde_json::to_vec(holder).unwrap_or_default();
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(&text));
        Ok(Self { _file: file })
    }
}

/// Opens the lock file. It will be overwritten, so it must be a regular file with a single name: a
/// repository that was unpacked or copied may have a link in its place.
fn open(path: &Path) -> io::Result<File> {
    // NONBLOCK: opening a FIFO must not wait for its other end.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let (handle, made) = owner::open_or_create(flags, |flags| {
        rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))
    })?;
    if made {
        owner::give_at(&handle, path)?;
    }
    let file = File::from(handle);
    let found = file.metadata()?;
    if found.is_file() && found.nlink() <= 1 {
        Ok(file)
    } else {
        Err(io::Error::other(
            "it is not a file with one name only: remove it",
        ))
    }
}

/// Reads the holder from the lock file, if possible.
fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_is_told_who_holds_it() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let path = dir.path().join("lock");
        let holder = Holder {
            pid: 7,
            host: "h".into(),
            command: "rollback".into(),
            since: "2026-01-01T00:00:00Z".into(),
        };
        let lock = Lock::take(&path, &holder, Duration::ZERO).expect("it is free");
        let error = Lock::take(&path, &holder, Duration::ZERO).expect_err("it is held");
        assert!(
            error.to_string().contains("pid 7 on h, `rollback`"),
            "{error}"
        );
        assert_eq!(error.kind().exit_code(), 11);
        drop(lock);
        Lock::take(&path, &holder, Duration::ZERO).expect("it is free again");
    }

    #[test]
    fn no_other_file_is_written_over_through_a_link() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let (victim, lock) = (dir.path().join("victim"), dir.path().join("lock"));
        let holder = Holder {
            pid: 7,
            host: "h".into(),
            command: "rollback".into(),
            since: "2026-01-01T00:00:00Z".into(),
        };
        std::fs::File::create(&victim)
            .and_then(|mut file| file.write_all(b"precious"))
            .expect("it writes");
        for link in [
            |from: &Path, to: &Path| std::os::unix::fs::symlink(from, to),
            |from: &Path, to: &Path| std::fs::hard_link(from, to),
        ] {
            link(&victim, &lock).expect("it links");
            let error = Lock::take(&lock, &holder, Duration::ZERO).expect_err("it is a link");
            assert_eq!(
                (error.kind(), std::fs::read(&victim).expect("it reads")),
                (Kind::Missing, b"precious".to_vec())
            );
            rustix::fs::unlink(&lock).expect("it unlinks");
        }
    }

    #[test]
    fn a_holder_that_has_not_written_its_name_yet_is_waited_for() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let path = dir.path().join("lock");
        let holder = Holder {
            pid: 7,
            host: "h".into(),
            command: "rollback".into(),
            since: "2026-01-01T00:00:00Z".into(),
        };
        let file = open(&path).expect("it opens");
        file.lock().expect("it is free");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Lock::take(&path, &holder, Duration::ZERO));
            std::thread::sleep(Duration::from_millis(100));
            (&file)
                .write_all(&serde_json::to_vec(&holder).expect("it renders"))
                .expect("it writes");
            let error = waiting.join().expect("it ends").expect_err("it is held");
            assert!(error.to_string().contains("pid 7 on h"), "{error}");
        });
    }
}
