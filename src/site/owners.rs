//! Ownership of the repository and the state folder, and its limits on this user.
//!
//! The state folder is private to the repository's owner. Other users may read the repository if
//! git lets them, and change nothing; root may do everything, and files it creates are given to the
//! owner. Files left behind by an earlier run as another user are reported, with the command that
//! fixes them.

use std::path::PathBuf;

use super::RepoSite;
use crate::base::{
    Failure, Fault, Hint, Kind,
    owner::{self, Owner},
    user,
};

/// Files that this user may not use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user's own repository holds files of another user.
    #[error("{} belongs to {}, and you are {}: a run as {} left it in your repository", path.display(), theirs.name(), me(), theirs.name())]
    LeftBehind {
        /// The first such file.
        path: PathBuf,
        /// Its owner.
        theirs: Owner,
        /// The path whose ownership is to be restored.
        all: PathBuf,
    },
    /// The state folder belongs to another user.
    #[error("{} belongs to {}, who alone may read it, and you are {}: what it holds cannot be checked", path.display(), theirs.name(), me())]
    Private {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        theirs: Owner,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Denied
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::LeftBehind { all, .. } => {
                let uid = user::effective();
                let to = format!("{}:", user::name(uid).unwrap_or_else(|| uid.to_string()));
                vec![Hint::run(
                    "take it back",
                    &["sudo", "chown", "-R", &to, &all.to_string_lossy()],
                )]
            }
            Self::Private { theirs, .. } => vec![owner::as_owner(*theirs)],
        }
    }
}

/// Returns the user of this process, for a message.
fn me() -> String {
    user::called(user::effective())
}

impl RepoSite {
    /// Refuses to change another user's repository or state folder.
    ///
    /// # Errors
    /// Fails when either belongs to another user.
    pub fn check_owner(&self) -> Result<(), Failure> {
        let common = self.git.common_dir();
        owner::check(common)?;
        match (Owner::at(&self.state_path), owner::check(&self.state_path)) {
            (Ok(theirs), Err(_)) => Err(self.left_behind(self.state_path.clone(), theirs).into()),
            _ => Ok(()),
        }
    }

    /// Returns the error for a state folder that this user may not read.
    pub fn closed_state(&self) -> Option<Error> {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        let open = accessat(
            CWD,
            &self.state_path,
            Access::READ_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        )
        .is_ok();
        let theirs = Owner::at(&self.state_path).ok()?;
        (!open && theirs.uid != user::effective())
            .then(|| self.not_mine(self.state_path.clone(), theirs))
    }

    /// Returns the error for files in the state folder that this user may not use.
    pub fn foreign(&self) -> Option<Error> {
        let found = (user::effective() != 0)
            .then(|| owner::first_of_others(&self.state_path))
            .flatten();
        found.map(|(path, theirs)| self.not_mine(path, theirs))
    }

    /// Warns, once, that the state folder is unreadable; returns true if it is.
    pub fn is_closed(&self) -> bool {
        let Some(error) = self.closed_state() else {
            return false;
        };
        self.warn_once(error.to_string());
        true
    }

    /// Adds to a permission failure who owns the files concerned.
    pub fn explain_permissions(&self, failure: Failure) -> Failure {
        if user::effective() == 0 || !failure.is_permission_denied() {
            return failure;
        }
        let found = owner::first_of_others(&self.state_path)
            .or_else(|| owner::first_of_others(self.git.common_dir()));
        match found {
            Some((path, theirs)) => self.not_mine(path, theirs).into(),
            None => failure,
        }
    }

    /// Builds the error for another user's files.
    fn not_mine(&self, path: PathBuf, theirs: Owner) -> Error {
        let is_mine =
            Owner::at(self.git.common_dir()).is_ok_and(|owner| owner.uid == user::effective());
        if is_mine {
            self.left_behind(path, theirs)
        } else {
            Error::Private { path, theirs }
        }
    }

    fn left_behind(&self, path: PathBuf, theirs: Owner) -> Error {
        Error::LeftBehind {
            path,
            theirs,
            all: self.git.common_dir().to_path_buf(),
        }
    }
}
