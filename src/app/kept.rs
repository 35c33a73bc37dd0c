//! What operations put aside, listed and brought back.

use std::path::Path;

use super::App;
use crate::{
    base::{Failure, RelPath},
    model::{
        OpId,
        kept::{Kept, KeptFile},
        request::RestoreKept,
    },
    rollback::kept,
    steps::files::notes,
};

impl App {
    /// What became of files that somebody changed while an operation was at work.
    pub fn kept_notes(&self, op: &OpId) -> Vec<Kept> {
        notes(&*self.site.state, op).unwrap_or_default()
    }

    /// The recent operations that left something of somebody's which nobody has brought back yet.
    ///
    /// # Errors
    /// When the operations cannot be listed.
    pub fn kept_open(&self) -> Result<Vec<(OpId, Vec<Kept>)>, Failure> {
        kept::open_notes(&self.site)
    }

    /// The files that can be brought back of one operation, or of the newest ones.
    ///
    /// # Errors
    /// When there is no such operation, or its plan cannot be read.
    pub fn kept(&self, op: Option<&str>) -> Result<Vec<(OpId, Vec<KeptFile>)>, Failure> {
        kept::files(&self.site, op)
    }

    /// True for what somebody wrote: not as the version that was left has it, and none of what
    /// snapback or Python writes themselves.
    pub fn is_somebodys(&self, file: &KeptFile) -> bool {
        kept::is_somebodys(&self.site, file)
    }

    /// Writes files that an operation put aside below a new or empty folder; returns their paths
    /// there. Of several of one name all are written.
    ///
    /// # Errors
    /// When there is something in the folder, or a file cannot be read or written.
    pub fn restore_kept_into(
        &self,
        wanted: &RestoreKept,
        into: &Path,
        dry_run: bool,
    ) -> Result<Vec<RelPath>, Failure> {
        kept::restore_into(&self.site, wanted, into, dry_run)
    }

    /// From now on `status` need not speak of it. Not worth a failure.
    pub fn note_restored(&self, op: &OpId) {
        kept::note_restored(&self.site, op);
    }
}
