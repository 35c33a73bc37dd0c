//! Files of the work tree that go into the store while an operation is described, so that they are
//! read once. Nobody sees them before the operation is written.

use std::sync::{Arc, Mutex, PoisonError};

use super::RepoSite;
use crate::store::PutSession;

/// The session of the store into which files are read; dropped unused, it leaves nothing behind.
#[derive(Clone, Default)]
pub struct Intake(Arc<Mutex<Option<PutSession>>>);

impl RepoSite {
    /// The same for an operation that is to be written: a file of the store that has to be read is
    /// read into the store.
    #[must_use]
    pub fn taking_in(&self) -> Self {
        Self {
            intake: Some(Intake::default()),
            ..self.clone()
        }
    }

    /// Runs something on the session into which files are read; `None` when nothing is to be
    /// written.
    pub fn with_intake<T>(&self, run: impl FnOnce(&PutSession) -> T) -> Option<T> {
        let intake = self.intake.as_ref()?;
        let mut session = intake.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(run(session.get_or_insert_with(|| self.store.begin())))
    }

    /// The session into which files were read, or one that has touched nothing yet.
    pub fn put_session(&self) -> PutSession {
        let taken = self.intake.as_ref().and_then(|intake| {
            let mut session = intake.0.lock().unwrap_or_else(PoisonError::into_inner);
            session.take()
        });
        taken.unwrap_or_else(|| self.store.begin())
    }
}
