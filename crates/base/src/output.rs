//! Writes files that the user asked for: reports, metrics, manual pages, capsules.
//!
//! A regular or missing file is replaced atomically: a reader sees the old or the new contents, and
//! mode and owner are kept. Devices, pipes and open file descriptors are written to and never
//! replaced. A link is followed only to a regular file of the same user; [`reach`] defines which
//! links on the way are followed. A world-writable folder is not trusted: another user could create
//! the name first.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};

use super::{
    Fault, Fs, Hint, Kind, RelPath, Root, SyncPoint, cancel,
    owner::Owner,
    path::folder_of,
    reach::{self, Stop},
    text, user,
};

/// The sync point of the file's contents, before it gets its name.
pub const FILE: SyncPoint = SyncPoint::new("output.file");
/// The sync point of the folder that holds the name.
pub const DIR: SyncPoint = SyncPoint::new("output.dir");
/// The sync points of an output; the tests skip one at a time.
pub const SYNC_POINTS: [SyncPoint; 2] = [FILE, DIR];

/// Most links that are followed.
const LINKS: usize = 40;
/// How long to wait for a reader of a pipe.
const READER: Duration = Duration::from_secs(5);

/// A location that is refused or could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The location is not one that files are written to.
    #[error("{} is not written to: {why}", text::escape(path.as_os_str().as_bytes()))]
    Refused {
        /// The location.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The location could not be written.
    #[error("{} cannot be written", text::escape(path.as_os_str().as_bytes()))]
    Write {
        /// The location.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Converts the reason why a location was not reached.
    fn of(path: &Path, stop: Stop) -> Self {
        let path = path.to_path_buf();
        match stop {
            Stop::Refused(why) => Self::Refused { path, why },
            Stop::Io(source) => Self::Write { path, source },
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused { .. } => Kind::Denied,
            Self::Write { .. } => Kind::Missing,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Refused { .. } => vec![Hint::say(
                "name a plain file in a folder that only you may write to, or a device or pipe",
            )],
            Self::Write { .. } => vec![Hint::say(
                "check that the disk is not full and the place is writable",
            )],
        }
    }
}

/// How a path is to be written.
pub enum Target {
    /// Bytes go directly into it: a device, a pipe, an open file.
    Stream(File),
    /// This file of a folder, created or replaced as a whole.
    Plain(Root, RelPath),
}

/// The kind of entry that a path leads to.
enum PathKind {
    /// A device, a pipe, an open file.
    Stream,
    /// A regular file, existing or new.
    Plain,
}

/// True for a character device or a pipe.
pub fn is_stream(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata()
        .is_ok_and(|found| found.file_type().is_char_device() || found.file_type().is_fifo())
}

/// Determines how a path is to be written; creates nothing.
///
/// # Errors
/// If the location is refused.
pub fn target(path: &Path) -> Result<Target, Error> {
    let (folder, name, place) = find(path)?;
    Ok(match place {
        PathKind::Stream => {
            Target::Stream(stream(&folder, &name).map_err(|source| Error::Write {
                path: path.to_path_buf(),
                source,
            })?)
        }
        PathKind::Plain => Target::Plain(folder, RelPath::own(name.as_bytes())),
    })
}

/// Checks that a path may be written to; opens nothing for writing.
///
/// # Errors
/// If it may not.
pub fn check(path: &Path) -> Result<(), Error> {
    find(path).map(drop)
}

/// Opens a folder for files that are written on request; with `make`, creates its missing parts.
///
/// # Errors
/// If it is missing, or a link on the way must not be followed.
pub fn folder(path: &Path, make: bool) -> Result<Root, Error> {
    reach::folder(path, make).map_err(|stop| Error::of(path, stop))
}

/// Resolves a path to the folder and name that it leads to.
fn find(path: &Path) -> Result<(Root, OsString, PathKind), Error> {
    let refused = |why: &str| Error::Refused {
        path: path.to_path_buf(),
        why: why.into(),
    };
    let stopped = |stop| Error::of(path, stop);
    let mut at = path.to_path_buf();
    for _ in 0..LINKS {
        let folder = match reach::folder(folder_of(&at), false) {
            Err(Stop::Io(error))
                if error.kind() == io::ErrorKind::NotFound && path.is_symlink() =>
            {
                return Err(stopped(Stop::nowhere()));
            }
            found => found.map_err(stopped)?,
        };
        let name = at
            .file_name()
            .ok_or_else(|| refused("it names no file"))?
            .to_os_string();
        // An open file descriptor is trusted: the process that opened it chose the destination.
        if folder.path().starts_with("/proc") || folder.path().starts_with("/dev/fd") {
            return Ok((folder, name, PathKind::Stream));
        }
        let stat = match rustix::fs::statat(folder.handle(), &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) if !path.is_symlink() => {
                believe(path, &folder, None)?;
                return Ok((folder, name, PathKind::Plain));
            }
            Err(Errno::NOENT) => return Err(stopped(Stop::nowhere())),
            Err(error) => return Err(stopped(error.into())),
        };
        let place = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                at = folder
                    .path()
                    .join(reach::target(&folder, &name).map_err(stopped)?);
                continue;
            }
            FileType::Directory => return Err(refused("it is a folder")),
            FileType::Socket => return Err(refused("it is a socket")),
            FileType::RegularFile | FileType::Fifo => {
                believe(path, &folder, Some(stat.st_uid))?;
                if FileType::from_raw_mode(stat.st_mode).is_file() {
                    PathKind::Plain
                } else {
                    PathKind::Stream
                }
            }
            _ => PathKind::Stream,
        };
        return Ok((folder, name, place));
    }
    Err(stopped(Stop::circle()))
}

/// Refuses a file (or a new one, without an owner) in a folder that cannot be trusted.
fn believe(asked: &Path, folder: &Root, owner: Option<u32>) -> Result<(), Error> {
    let refused = |why: String| Error::Refused {
        path: asked.to_path_buf(),
        why,
    };
    let stat =
        rustix::fs::fstat(folder.handle()).map_err(|error| Error::of(asked, error.into()))?;
    let (all_write, sticky) = (stat.st_mode & 0o002 != 0, stat.st_mode & 0o1000 != 0);
    if all_write && !sticky {
        return Err(refused(format!(
            "everybody may write to the folder {}",
            folder.path().display()
        )));
    }
    let me = user::effective();
    let Some(uid) = owner.filter(|uid| *uid != me) else {
        return Ok(());
    };
    if all_write {
        return Err(refused(format!(
            "it is a file of {} in a folder that everybody may write to",
            user::called(uid)
        )));
    }
    if asked.is_symlink() {
        return Err(refused(format!(
            "it is a link to a file of {}",
            user::called(uid)
        )));
    }
    Ok(())
}

/// Opens a device or pipe for writing; a pipe must get a reader in time.
fn stream(folder: &Root, name: &OsStr) -> io::Result<File> {
    let begun = Instant::now();
    loop {
        match rustix::fs::openat(
            folder.handle(),
            name,
            OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Err(Errno::NXIO) if begun.elapsed() < READER => {
                cancel::check().map_err(io::Error::other)?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(Errno::NXIO) => return Err(io::Error::other("nobody reads from it")),
            opened => {
                let file = opened?;
                let flags = rustix::fs::fcntl_getfl(&file)?;
                rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
                return Ok(file.into());
            }
        }
    }
}

/// Writes a whole file; a new one gets these permission bits minus the umask.
///
/// # Errors
/// If the location is refused or writing failed; an existing file is then unchanged.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: path.to_path_buf(),
        source,
    };
    match target(path)? {
        Target::Stream(mut file) => file
            .write_all(bytes)
            .and_then(|()| file.flush())
            .map_err(failed),
        Target::Plain(folder, name) => replace(&folder, &name, bytes, mode).map_err(failed),
    }
}

/// Replaces a file of a folder as a whole; mode and owner of the old one are kept.
///
/// # Errors
/// If it could not be written; an existing file is then unchanged.
pub fn replace(root: &dyn Fs, name: &RelPath, bytes: &[u8], mode: u32) -> io::Result<()> {
    let old = root.stat(name)?;
    let temp = RelPath::own([b".tmp-", name.as_bytes()].concat());
    if root.stat(&temp)?.is_some() {
        root.remove_file(&temp)?;
    }
    let write = || -> io::Result<()> {
        let mut file = root.create(&temp, mode)?;
        if let Some(old) = old {
            file.set_owner(Owner {
                uid: old.uid,
                gid: old.gid,
            })?;
            file.set_mode(old.mode & 0o777)?;
        }
        file.write_all(bytes)?;
        file.sync(FILE)?;
        root.rename(&temp, name)
    };
    write().inspect_err(|_| drop(root.remove_file(&temp)))?;
    root.sync_dir(&RelPath::root(), DIR)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn plain_files_are_replaced_and_everything_else_is_written_into_or_refused() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let at = |name: &str| dir.path().join(name);
        write(&at("new"), b"one", 0o600).expect("it is new");
        std::fs::set_permissions(at("new"), std::fs::Permissions::from_mode(0o640))
            .expect("it is ours");
        let inode = at("new").metadata().expect("it is there").ino();
        write(&at("new"), b"two", 0o600).expect("it is plain");
        let found = at("new").metadata().expect("it is there");
        assert_eq!(
            (found.mode() & 0o777, found.ino() == inode),
            (0o640, false),
            "a new file with the old one's mode"
        );
        symlink("new", at("link")).expect("it links");
        write(&at("link"), b"three", 0o600).expect("it leads to a file of ours");
        assert!(at("link").is_symlink() && std::fs::read(at("new")).expect("it reads") == b"three");
        symlink("nowhere", at("dangling")).expect("it links");
        symlink("circle", at("circle")).expect("it links");
        std::fs::create_dir(at("open")).expect("it is made");
        std::fs::set_permissions(at("open"), std::fs::Permissions::from_mode(0o777))
            .expect("it is ours");
        for refused in ["dangling", "circle", "open", "open/file"] {
            let error = write(&at(refused), b"x", 0o600).expect_err(refused);
            assert_eq!(error.kind(), Kind::Denied, "{error}");
        }
        assert!(!at("nowhere").exists() && !at("open/file").exists());
        assert_eq!(
            write(Path::new("/dev/full"), b"x", 0o600)
                .expect_err("it is full")
                .kind(),
            Kind::Missing
        );
        write(Path::new("/dev/null"), b"x", 0o600).expect("it takes all");
        let device = Path::new("/dev/full").metadata().expect("it is there");
        assert!(!device.is_file(), "a device stays one");
    }
}
