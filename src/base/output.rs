//! Files that are written where a person asked for one: reports, metrics, manual pages, capsules.
//!
//! A plain file, or one that is not there, is replaced whole: a reader sees the old one or the new one,
//! and its mode and owner stay. A device, a pipe and what an open file descriptor leads to are written
//! into and never replaced. A link is followed to a plain file of the same user, and nowhere else. A
//! folder that everybody may write to is not believed: somebody else could put a name there first.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags},
    io::Errno,
};

use super::{Fault, Fs, Hint, Kind, RelPath, Root, SyncPoint, cancel, owner::Owner, path::folder_of, text, user};

/// How many links are followed.
const LINKS: usize = 40;
/// What is said of a link to what is not there.
const NOWHERE: &str = "it is a link that leads nowhere";
/// How long a pipe may be without a reader.
const READER: Duration = Duration::from_secs(5);

/// A place that is not written to, or could not be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not one that a file is written to.
    #[error("{} is not written to: {why}", text::escape(path.as_os_str().as_bytes()))]
    Refused {
        /// The place.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// It could not be written.
    #[error("{} cannot be written", text::escape(path.as_os_str().as_bytes()))]
    Write {
        /// The place.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
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
            Self::Refused { .. } => vec![Hint::say("name a plain file in a folder that only you may write to, or a device or pipe")],
            Self::Write { .. } => vec![Hint::say("check that the disk is not full and the place is writable")],
        }
    }
}

/// What a path is to be written as.
pub enum Target {
    /// Bytes go into it as they come: a device, a pipe, an open file.
    Stream(File),
    /// This file, replaced whole or new.
    Plain(PathBuf),
}

/// True for a device or pipe: what bytes go into.
pub fn is_stream(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|found| found.file_type().is_char_device() || found.file_type().is_fifo())
}

/// Finds out what a path is to be written as; nothing is made.
///
/// # Errors
/// When it is a place that is not written to.
pub fn target(path: &Path) -> Result<Target, Error> {
    let refused = |why: &str| Error::Refused { path: path.to_path_buf(), why: why.into() };
    let failed = |source: io::Error| Error::Write { path: path.to_path_buf(), source };
    let mut at = path.to_path_buf();
    for _ in 0..LINKS {
        let folder = match folder_of(&at).canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => return Err(refused(NOWHERE)),
            found => found.map_err(failed)?,
        };
        let name = at.file_name().ok_or_else(|| refused("it names no file"))?;
        at = folder.join(name);
        // What a descriptor leads to is open already: whoever opened it said where bytes go.
        if folder.starts_with("/proc") || folder.starts_with("/dev/fd") {
            return Ok(Target::Stream(stream(&at).map_err(failed)?));
        }
        let stat = match rustix::fs::statat(CWD, &at, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) if !path.is_symlink() => return plain(path, at, None),
            Err(Errno::NOENT) => return Err(refused(NOWHERE)),
            Err(error) => return Err(failed(error.into())),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => at = folder.join(std::fs::read_link(&at).map_err(failed)?),
            FileType::RegularFile => return plain(path, at, Some(stat.st_uid)),
            FileType::Directory => return Err(refused("it is a folder")),
            FileType::Socket => return Err(refused("it is a socket")),
            _ => return Ok(Target::Stream(stream(&at).map_err(failed)?)),
        }
    }
    Err(refused("it is a link that leads in a circle"))
}

/// A plain file, or a new one, in a folder that can be believed.
fn plain(asked: &Path, real: PathBuf, owner: Option<u32>) -> Result<Target, Error> {
    let refused = |why: String| Error::Refused { path: asked.to_path_buf(), why };
    let folder = folder_of(&real);
    let stat = rustix::fs::statat(CWD, folder, AtFlags::empty())
        .map_err(|error| Error::Write { path: asked.to_path_buf(), source: error.into() })?;
    let (all_write, sticky) = (stat.st_mode & 0o002 != 0, stat.st_mode & 0o1000 != 0);
    if all_write && !sticky {
        return Err(refused(format!("everybody may write to the folder {}", folder.display())));
    }
    let me = user::effective();
    let Some(uid) = owner else { return Ok(Target::Plain(real)) };
    if all_write && uid != me {
        return Err(refused(format!("it is a file of {} in a folder that everybody may write to", user::called(uid))));
    }
    if asked.is_symlink() && uid != me {
        return Err(refused(format!("it is a link to a file of {}", user::called(uid))));
    }
    Ok(Target::Plain(real))
}

/// Opens a device or pipe for writing; a pipe must find its reader soon.
fn stream(path: &Path) -> io::Result<File> {
    let begun = Instant::now();
    loop {
        match rustix::fs::open(path, OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()) {
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

/// Writes a file, whole; a new one gets these permission bits less the umask.
///
/// # Errors
/// When the place is not written to, or writing failed; a file that was there is then as it was.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.to_path_buf(), source };
    match target(path)? {
        Target::Stream(mut file) => file.write_all(bytes).and_then(|()| file.flush()).map_err(failed),
        Target::Plain(real) => replace(&real, bytes, mode).map_err(failed),
    }
}

/// Puts a whole file in its place; mode and owner of the old one stay.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let root = Root::open(folder_of(path))?;
    let name = RelPath::own(path.file_name().unwrap_or_default().as_bytes());
    let old = root.stat(&name)?;
    let temp = RelPath::own([b".tmp-", name.as_bytes()].concat());
    if root.stat(&temp)?.is_some() {
        root.remove_file(&temp)?;
    }
    let write = || -> io::Result<()> {
        let mut file = root.create(&temp, mode)?;
        if let Some(old) = old {
            file.set_owner(Owner { uid: old.uid, gid: old.gid })?;
            file.set_mode(old.mode & 0o777)?;
        }
        file.write_all(bytes)?;
        file.sync(SyncPoint::StageFile)?;
        root.rename(&temp, &name)
    };
    write().inspect_err(|_| drop(root.remove_file(&temp)))?;
    root.sync_dir(&RelPath::root(), SyncPoint::TreeDir)
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
        std::fs::set_permissions(at("new"), std::fs::Permissions::from_mode(0o640)).expect("it is ours");
        let inode = at("new").metadata().expect("it is there").ino();
        write(&at("new"), b"two", 0o600).expect("it is plain");
        let found = at("new").metadata().expect("it is there");
        assert_eq!((found.mode() & 0o777, found.ino() == inode), (0o640, false), "a new file with the old one's mode");
        symlink("new", at("link")).expect("it links");
        write(&at("link"), b"three", 0o600).expect("it leads to a file of ours");
        assert!(at("link").is_symlink() && std::fs::read(at("new")).expect("it reads") == b"three");
        symlink("nowhere", at("dangling")).expect("it links");
        symlink("circle", at("circle")).expect("it links");
        std::fs::create_dir(at("open")).expect("it is made");
        std::fs::set_permissions(at("open"), std::fs::Permissions::from_mode(0o777)).expect("it is ours");
        for refused in ["dangling", "circle", "open", "open/file"] {
            let error = write(&at(refused), b"x", 0o600).expect_err(refused);
            assert_eq!(error.kind(), Kind::Denied, "{error}");
        }
        assert!(!at("nowhere").exists() && !at("open/file").exists());
        assert_eq!(write(Path::new("/dev/full"), b"x", 0o600).expect_err("it is full").kind(), Kind::Missing);
        write(Path::new("/dev/null"), b"x", 0o600).expect("it takes all");
        let device = Path::new("/dev/full").metadata().expect("it is there");
        assert!(!device.is_file(), "a device stays one");
    }
}
