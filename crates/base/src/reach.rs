//! Opens the folder of a file to be written on request, one path component at a time.
//!
//! A user who may create names somewhere on the way can place a link there, and so redirect another
//! user's writes to files of their choice. So a link is followed only if it belongs to this user or
//! root, or if its target belongs to the link's owner, who could write there anyway. Each folder is
//! opened relative to its parent, so a name that is swapped meanwhile cannot redirect.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};

use super::{Fs, RelPath, Root, text, user};

/// The folder in which git keeps a repository: a file that git does not know may break it.
const GIT: &str = ".git";

/// Most links that are followed.
const LINKS: usize = 40;

/// The reason why a folder is not reached.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// A link that is not followed, or a folder that is not written to.
    #[error("{0}")]
    Refused(String),
    /// The system's error.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for Stop {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl Stop {
    /// A link whose target is missing.
    pub fn nowhere() -> Self {
        Self::Refused("it is a link that leads nowhere".into())
    }

    /// A folder below which git keeps its own files.
    fn of_git() -> Self {
        Self::Refused("git keeps its own files there".into())
    }

    /// A link that leads to itself.
    pub fn circle() -> Self {
        Self::Refused("it is a link that leads in a circle".into())
    }
}

/// Opens a folder; with `make`, creates its missing parts, each for the owner of its parent.
///
/// # Errors
/// If it is missing, or a link on the way must not be followed.
pub fn folder(path: &Path, make: bool) -> Result<Root, Stop> {
    let begin = if path.is_absolute() {
        PathBuf::from("/")
    } else {
        std::env::current_dir()?
    };
    if begin.iter().any(|name| name == GIT) {
        return Err(Stop::of_git());
    }
    let mut at = Root::open(&begin)?;
    let (mut todo, mut links) = (names(path), 0);
    while let Some(name) = todo.pop() {
        if name == "/" {
            at = Root::open(Path::new("/"))?;
            continue;
        }
        let open = |flags| {
            rustix::fs::openat(
                at.handle(),
                &name,
                flags | OFlags::PATH | OFlags::CLOEXEC,
                Mode::empty(),
            )
        };
        if name == ".." {
            at = Root::of(
                open(OFlags::DIRECTORY)?,
                at.path().parent().unwrap_or(Path::new("/")).to_path_buf(),
            );
            continue;
        }
        let found = match open(OFlags::NOFOLLOW) {
            Err(Errno::NOENT) if make => {
                at.create_dir(&RelPath::own(name.as_encoded_bytes()), 0o777)?;
                open(OFlags::NOFOLLOW)?
            }
            found => found?,
        };
        match FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) {
            FileType::Symlink if links == LINKS => return Err(Stop::circle()),
            FileType::Symlink => {
                links += 1;
                todo.extend(names(&target(&at, &name)?));
            }
            FileType::Directory if name == GIT => return Err(Stop::of_git()),
            FileType::Directory => at = Root::of(found, at.path().join(&name)),
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    Ok(at)
}

/// Returns the components of a path, last one first.
fn names(path: &Path) -> Vec<OsString> {
    let is_step = |name: &&OsStr| *name != ".";
    path.iter()
        .filter(is_step)
        .rev()
        .map(OsStr::to_os_string)
        .collect()
}

/// Returns the target of a link that may be followed.
///
/// # Errors
/// If the target is missing, or if the link is another user's and its target is not theirs.
pub fn target(folder: &Root, name: &OsStr) -> Result<PathBuf, Stop> {
    let owner = rustix::fs::statat(folder.handle(), name, AtFlags::SYMLINK_NOFOLLOW)?.st_uid;
    let is_ours = owner == 0 || owner == user::effective();
    match rustix::fs::statat(folder.handle(), name, AtFlags::empty()) {
        Err(Errno::NOENT) => return Err(Stop::nowhere()),
        Err(Errno::LOOP) => return Err(Stop::circle()),
        Ok(found) if is_ours || found.st_uid == owner => {}
        Err(error) if is_ours => return Err(error.into()),
        _ => {
            let link = text::escape(folder.path().join(name).as_os_str().as_encoded_bytes());
            let who = user::called(owner);
            return Err(Stop::Refused(format!(
                "{link} is a link of {who}, which leads to what is not theirs"
            )));
        }
    }
    let target = rustix::fs::readlinkat(folder.handle(), name, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}
