//! The way to a folder that is written to on request, one name at a time.
//!
//! Whoever may make a name somewhere on the way can lay a link there, and lead what another user
//! writes to files of their choice. So a link is followed when it is this user's or root's, or
//! leads to what belongs to whoever laid it, who could write there without us. Each folder is
//! opened from the one above it, so a name that is swapped meanwhile leads nowhere else.

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

/// How many links are followed.
const LINKS: usize = 40;

/// Why a folder is not reached.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// A link that is not followed.
    #[error("{0}")]
    Link(String),
    /// What the system said.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for Stop {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl Stop {
    /// A link that leads to nothing.
    pub fn nowhere() -> Self {
        Self::Link("it is a link that leads nowhere".into())
    }

    /// A link that leads to itself.
    pub fn circle() -> Self {
        Self::Link("it is a link that leads in a circle".into())
    }
}

/// Opens a folder; with `make`, what is missing of it is made, for the owner of the folder above.
///
/// # Errors
/// When it is not there, or a link on the way is not to be followed.
pub fn folder(path: &Path, make: bool) -> Result<Root, Stop> {
    let begin = if path.is_absolute() {
        PathBuf::from("/")
    } else {
        std::env::current_dir()?
    };
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
            FileType::Directory => at = Root::of(found, at.path().join(&name)),
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    Ok(at)
}

/// The names of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let is_step = |name: &&OsStr| *name != ".";
    path.iter()
        .filter(is_step)
        .rev()
        .map(OsStr::to_os_string)
        .collect()
}

/// What a link names, when it is to be followed.
///
/// # Errors
/// When it leads nowhere, or where whoever laid it may not write.
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
            return Err(Stop::Link(format!(
                "{link} is a link of {who}, which leads to what is not theirs"
            )));
        }
    }
    let target = rustix::fs::readlinkat(folder.handle(), name, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}
