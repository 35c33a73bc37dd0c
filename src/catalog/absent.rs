//! What may rightly be absent: bytes that are elsewhere say nothing against a release.

use crate::{
    base::{Failure, Hint},
    git::{self, Repo},
    store,
};

/// Which bytes of a release this repository may rightly lack.
#[derive(Debug, Clone, Copy)]
pub struct Absent {
    /// Objects of git: a shallow or partial clone.
    pub objects: bool,
    /// Bytes of Git LFS: there is a place to fetch them from.
    pub lfs: bool,
    /// Objects of the store: the release was made in another clone, whose store does not travel.
    pub store: bool,
}

impl Absent {
    /// Of a release; `is_own` when it was made here.
    pub fn of(git: &Repo, is_own: bool) -> Self {
        Self {
            objects: git.may_lack_objects(),
            lfs: git.may_lack_lfs(),
            store: !is_own,
        }
    }

    /// True for what git said of something that should be here and is not.
    pub fn is_lost_in_git(self, error: &git::Error) -> bool {
        match error {
            git::Error::MissingObject { .. } => !self.objects,
            git::Error::MissingLfs { .. } => !self.lfs,
            _ => false,
        }
    }

    /// The same of the store.
    pub fn is_lost_in_store(self, error: &store::Error) -> bool {
        matches!(error, store::Error::Missing(_)) && !self.store
    }

    /// True for a failure that says only that something is elsewhere.
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

/// How a store's objects come into a clone.
pub fn copy_store() -> Hint {
    Hint::say(
        "in a clone: copy the folder .git/snapback/store from the repository that made the release",
    )
}
