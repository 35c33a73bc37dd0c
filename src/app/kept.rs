//! Files that operations put aside: listing and restoring them.

use std::path::Path;

use super::App;
use crate::{
    base::{Failure, RelPath},
    model::{
        OpId,
        kept::{KeptFile, SavedEdit},
        request::RestoreKept,
    },
    rollback::kept,
    steps::files::notes,
};

impl App {
    /// Returns what happened to files that were edited while an operation was running.
    pub fn kept_notes(&self, op: &OpId) -> Vec<SavedEdit> {
        notes(&*self.site.state, op).unwrap_or_default()
    }

    /// Returns the recent operations that put foreign edits aside which are not restored yet.
    ///
    /// # Errors
    /// Fails when the operations cannot be listed.
    pub fn kept_open(&self) -> Result<Vec<(OpId, Vec<SavedEdit>)>, Failure> {
        kept::open_notes(&self.site)
    }

    /// Returns the restorable files of one operation, or of the newest ones.
    ///
    /// # Errors
    /// Fails when the operation does not exist, or its plan cannot be read.
    pub fn kept(&self, op: Option<&str>) -> Result<Vec<(OpId, Vec<KeptFile>)>, Failure> {
        kept::files(&self.site, op)
    }

    /// Returns true for a file that a person wrote: it differs from the version that was left, and
    /// neither snapback nor Python generates it.
    pub fn is_somebodys(&self, file: &KeptFile) -> bool {
        kept::is_somebodys(&self.site, file)
    }

    /// Writes files that an operation put aside below a new or empty folder; returns their paths
    /// there. If several files have the same name, all are written.
    ///
    /// # Errors
    /// Fails when the folder is not empty, or a file cannot be read or written.
    pub fn restore_kept_into(
        &self,
        wanted: &RestoreKept,
        into: &Path,
        dry_run: bool,
    ) -> Result<Vec<RelPath>, Failure> {
        kept::restore_into(&self.site, wanted, into, dry_run)
    }

    /// Records that `status` need not mention the operation any more; a failure is ignored.
    pub fn note_restored(&self, op: &OpId) {
        kept::note_restored(&self.site, op);
    }
}
