//! Reads files of the work tree into the store while an operation is drafted, so that they are read
//! only once. They are invisible until the operation is written.

use std::sync::{Arc, Mutex, PoisonError};

use super::RepoSite;
use crate::store::PutSession;

/// The store session that receives the files; dropped unused, it leaves nothing behind.
#[derive(Clone, Default)]
pub struct Intake {
    session: Arc<Mutex<Option<PutSession>>>,
    /// False when nothing is to be written.
    is_open: bool,
}

impl RepoSite {
    /// Returns a copy for an operation that is to be written: files for the store are read directly
    /// into it.
    #[must_use]
    pub fn taking_in(&self) -> Self {
        let mut site = self.clone();
        site.intake.is_open = true;
        site
    }

    /// True when this copy is for an operation that is to be written.
    pub fn is_taking_in(&self) -> bool {
        self.intake.is_open
    }

    /// Runs a function on the session that receives files; `None` when nothing is to be written.
    pub fn with_intake<T>(&self, run: impl FnOnce(&PutSession) -> T) -> Option<T> {
        if !self.intake.is_open {
            return None;
        }
        let session = self.intake.session.lock();
        let mut session = session.unwrap_or_else(PoisonError::into_inner);
        Some(run(session.get_or_insert_with(|| self.store.begin())))
    }

    /// Lets an operation that replaces files rely on no copy in the store that it has not read:
    /// what is replaced may have no other one.
    pub fn replaces_files(&self) {
        self.with_intake(PutSession::read_all_known);
    }

    /// Returns the session that received files, or a fresh one.
    pub fn put_session(&self) -> PutSession {
        self.take_session().unwrap_or_else(|| self.store.begin())
    }

    /// Drops what was read for an operation that was not written after all.
    pub fn drop_intake(&self) {
        drop(self.take_session());
    }

    /// Takes the session that received files.
    fn take_session(&self) -> Option<PutSession> {
        let session = self.intake.session.lock();
        session.unwrap_or_else(PoisonError::into_inner).take()
    }
}
