//! Ownership of new files: what root creates in another user's folder belongs to that user.
//!
//! A single run with `sudo` must not leave files that the owner of a repository can no longer use.
//! So whatever root creates gets the owner and group of the folder that it is created in, as if
//! that owner had created it. Only a handle opened by the creating call is given away: a name could
//! have been replaced meanwhile, and the wrong file given away. In root's own folders, and for all
//! other users, nothing is done; [`check`] refuses users who cannot give files away.

use std::{
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid},
    io::Errno,
};

use super::{Fault, Hint, Kind, path::folder_of, user};

/// A user and a group, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
}

impl Owner {
    /// Returns the owner of an open file or folder.
    pub fn of(file: impl AsFd) -> io::Result<Self> {
        let stat = rustix::fs::fstat(file)?;
        Ok(Self {
            uid: stat.st_uid,
            gid: stat.st_gid,
        })
    }

    /// Returns the owner of a path, following links.
    pub fn at(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statat(CWD, path, AtFlags::empty())?;
        Ok(Self {
            uid: stat.st_uid,
            gid: stat.st_gid,
        })
    }

    /// Returns the user's name, or the number where no name is known.
    pub fn name(self) -> String {
        user::called(self.uid)
    }
}

/// A refusal to change a folder of another user.
#[derive(Debug, thiserror::Error)]
#[error("{} belongs to {}, and you are {}: what you changed there would be yours, and {} could not work with it any more",
    path.display(), owner.name(), user::called(user::effective()), owner.name())]
pub struct NotYours {
    /// The folder.
    pub path: PathBuf,
    /// Its owner.
    pub owner: Owner,
}

impl Fault for NotYours {
    fn kind(&self) -> Kind {
        Kind::Denied
    }

    fn hints(&self) -> Vec<Hint> {
        vec![as_owner(self.owner)]
    }
}

/// Returns the hint to run the same command as another user.
pub fn as_owner(owner: Owner) -> Hint {
    let name = user::name(owner.uid).unwrap_or_else(|| format!("'#{}'", owner.uid));
    Hint::say(format!(
        "do it as its owner, with `sudo -u {name}` before the same words"
    ))
}

/// Refuses to change a folder whose owner could not work with the files created there.
///
/// # Errors
/// If it belongs to another user and this user cannot give files away. Exempt are file systems
/// where new files belong to the folder's owner whoever writes them.
pub fn check(place: &Path) -> Result<(), NotYours> {
    let Ok(owner) = Owner::at(place) else {
        return Ok(());
    };
    let me = user::effective();
    if me == 0 || me == owner.uid {
        return Ok(());
    }
    // An unnamed file shows who owns new files here, and leaves no trace.
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let trial = rustix::fs::openat(CWD, place, flags, Mode::from_raw_mode(0o600));
    match trial.map(Owner::of) {
        Ok(Ok(made)) if made.uid == owner.uid => Ok(()),
        _ => Err(NotYours {
            path: place.to_path_buf(),
            owner,
        }),
    }
}

/// Gives a file that root has just created to the owner of its folder.
pub fn give(made: impl AsFd, folder: impl AsFd) -> io::Result<()> {
    if user::effective() != 0 {
        return Ok(());
    }
    give_to(made, Owner::of(folder)?)
}

/// Like [`give`], for a file that was created at a path.
pub fn give_at(made: impl AsFd, path: &Path) -> io::Result<()> {
    if user::effective() != 0 {
        return Ok(());
    }
    give_to(made, Owner::at(folder_of(path))?)
}

fn give_to(made: impl AsFd, owner: Owner) -> io::Result<()> {
    // Some file systems assign all files to one user.
    if owner.uid == 0 || Owner::of(&made)?.uid != 0 {
        return Ok(());
    }
    chown(made, Some(owner.uid), owner.gid)
}

/// Gives a new file to the owner of the file that it replaces, as far as this user may.
pub fn keep(made: impl AsFd, owner: Owner) -> io::Result<()> {
    let now = Owner::of(&made)?;
    if now == owner {
        return Ok(());
    }
    let may_not = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let mut done = chown(&made, Some(owner.uid), owner.gid);
    // A user may give a file to another group that they belong to.
    if done.as_ref().is_err_and(may_not) && now.gid != owner.gid {
        done = chown(&made, None, owner.gid);
    }
    if done.as_ref().is_err_and(may_not) {
        Ok(())
    } else {
        done
    }
}

/// Changes the owner and group of an open file or link.
fn chown(file: impl AsFd, uid: Option<u32>, gid: u32) -> io::Result<()> {
    let (uid, gid) = (uid.map(Uid::from_raw), Some(Gid::from_raw(gid)));
    Ok(rustix::fs::chownat(
        file,
        "",
        uid,
        gid,
        AtFlags::EMPTY_PATH,
    )?)
}

/// Creates one folder; an error if it exists.
pub fn create_dir(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)?;
    if user::effective() == 0 {
        give_at(
            rustix::fs::open(
                path,
                OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )?,
            path,
        )?;
    }
    Ok(())
}

/// Returns the owner of a location as whom another program must run there; `None` if it runs as the
/// user of this process.
pub fn other_owner(place: &Path) -> Option<Owner> {
    let owner = Owner::at(place).ok()?;
    (user::effective() == 0 && owner.uid != 0).then_some(owner)
}

/// Returns the first entry at or below a folder that belongs to another user, with its owner; links
/// are not followed. For error messages.
pub fn first_of_others(folder: &Path) -> Option<(PathBuf, Owner)> {
    let stat = rustix::fs::statat(CWD, folder, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let owner = Owner {
        uid: stat.st_uid,
        gid: stat.st_gid,
    };
    if owner.uid != user::effective() {
        return Some((folder.to_path_buf(), owner));
    }
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        return None;
    }
    let mut below: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    below.sort();
    below.iter().find_map(|path| first_of_others(path))
}

/// Opens a file, creating it if it is missing; returns whether it was created. `open` must create
/// files that only their owner can use.
pub fn open_or_create(
    flags: OFlags,
    open: impl Fn(OFlags) -> Result<std::os::fd::OwnedFd, Errno>,
) -> io::Result<(std::os::fd::OwnedFd, bool)> {
    loop {
        match open(flags) {
            Err(Errno::NOENT) => {}
            other => return Ok((other?, false)),
        }
        match open(flags | OFlags::CREATE | OFlags::EXCL) {
            Err(Errno::EXIST) => {}
            other => return Ok((other?, true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_root_makes_in_somebody_elses_folder_is_theirs() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        if std::os::unix::fs::chown(dir.path(), Some(1234), Some(1235)).is_err() {
            println!("skipped: only root can give files away");
            return;
        }
        let path = dir.path().join("file");
        let file = std::fs::File::create(&path).expect("it is made");
        give_at(&file, &path).expect("root may");
        let found = path.metadata().expect("it is there");
        assert_eq!((found.uid(), found.gid()), (1234, 1235));
        keep(&file, Owner { uid: 7, gid: 8 }).expect("root may");
        assert_eq!(
            Owner::of(&file).expect("it is open"),
            Owner { uid: 7, gid: 8 }
        );
        give_at(&file, &path).expect("it is not root's");
        assert_eq!(
            Owner::of(&file).expect("it is open").uid,
            7,
            "only what is root's is given"
        );
        create_dir(&dir.path().join("below")).expect("it is made");
        assert_eq!(
            Owner::at(&dir.path().join("below")).expect("it is there"),
            Owner {
                uid: 1234,
                gid: 1235
            }
        );
        assert_eq!(
            first_of_others(&dir.path().join("below")).map(|(_, owner)| owner.uid),
            Some(1234)
        );
        check(dir.path()).expect("root gives files away");
    }
}
