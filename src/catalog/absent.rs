//! Legitimate absence: bytes stored elsewhere are no evidence against a release.

use crate::{
    base::Failure,
    git::{self, Repo},
    store,
};

/// Which bytes of a release this repository may legitimately lack.
#[derive(Debug, Clone, Copy)]
pub struct Absent {
    /// Git objects: the clone is shallow or partial.
    pub objects: bool,
    /// Git LFS bytes: there is a place to fetch them from.
    pub lfs: bool,
    /// Store objects: the release was made in another clone, and stores are not transferred.
    pub store: bool,
}

impl Absent {
    /// Returns the value for a release; `is_own` when it was made here.
    pub fn of(git: &Repo, is_own: bool) -> Self {
        Self {
            objects: git.may_lack_objects(),
            lfs: git.may_lack_lfs(),
            store: !is_own,
        }
    }

    /// Returns true for a git error about something that should be here and is not.
    pub fn is_lost_in_git(self, error: &git::Error) -> bool {
        match error {
            git::Error::MissingObject { .. } => !self.objects,
            git::Error::MissingLfs { .. } => !self.lfs,
            _ => false,
        }
    }

    /// Like `is_lost_in_git`, for the store.
    pub fn is_lost_in_store(self, error: &store::Error) -> bool {
        matches!(error, store::Error::Missing(_)) && !self.store
    }

    /// Returns true for a failure that only reports something stored elsewhere.
    pub fn explains(self, failure: &Failure) -> bool {
        let in_git = |error: &git::Error| {
            matches!(
                error,
                git::Error::MissingObject { .. } | git::Error::MissingLfs { .. }
            ) && !self.is_lost_in_git(error)
        };
        failure.find_cause().is_some_and(in_git)
            || failure
                .find_cause()
                .is_some_and(|error| matches!(error, store::Error::Missing(_)) && self.store)
    }
}
