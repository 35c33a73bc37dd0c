//! Files of the work tree that go into the store while an operation is described, so that they are
//! read once. Nobody sees them before the operation is written.

use std::sync::{Arc, Mutex, PoisonError};

use super::RepoSite;
use crate::store::PutSession;

/// The session of the store into which files are read; dropped unused, it leaves nothing behind.
#[derive(Clone, Default)]
pub struct Intake {
    session: Arc<Mutex<Option<PutSession>>>,
    /// False where nothing is to be written.
    is_open: bool,
}

impl RepoSite {
    /// The same for an operation that is to be written: a file of the store that has to be read is
    /// read into the store.
    #[must_use]
    pub fn taking_in(&self) -> Self {
        let mut site = self.clone();
        site.intake.is_open = true;
        site
    }

    /// Runs something on the session into which files are read; `None` when nothing is to be
    /// written.
    pub fn with_intake<T>(&self, run: impl FnOnce(&PutSession) -> T) -> Option<T> {
        if !self.intake.is_open {
            return None;
        }
        let session = self.intake.session.lock();
        let mut session = session.unwrap_or_else(PoisonError::into_inner);
        Some(run(session.get_or_insert_with(|| self.store.begin())))
    }

    /// The session into which files were read, or one that has touched nothing yet.
    pub fn put_session(&self) -> PutSession {
        let session = self.intake.session.lock();
        let taken = session.unwrap_or_else(PoisonError::into_inner).take();
        taken.unwrap_or_else(|| self.store.begin())
    }
}
