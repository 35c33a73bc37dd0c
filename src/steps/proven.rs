//! The step that writes down that a version is proven, after the commit point of its operation.
//!
//! Whether the verification proved it was decided before: then the reference of the verdict moved
//! with the others, whoever looks now.

use serde_json::Value;

use crate::{
    base::{Due, Failure},
    journal::JournalStep,
    model::VerdictRecord,
    site::RepoSite,
    verdict::{append, is_said, refs},
};

/// The step that writes a proof.
pub struct Proven<'a> {
    site: &'a RepoSite,
    record: &'a VerdictRecord,
}

impl<'a> Proven<'a> {
    /// Creates the step for one verdict.
    pub fn new(site: &'a RepoSite, record: &'a VerdictRecord) -> Self {
        Self { site, record }
    }

    /// Returns the verdict as a list.
    fn records(&self) -> &'a [VerdictRecord] {
        std::slice::from_ref(self.record)
    }
}

impl JournalStep for Proven<'_> {
    fn name(&self) -> &'static str {
        "proven"
    }

    fn prepare(&mut self, _due: &Due) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn apply(&mut self, _prepared: &Value, due: &Due) -> Result<(), Failure> {
        if refs::is_there(&self.site.git, self.record) {
            append(&*self.site.state, self.records(), &[], Some(due))?;
        }
        Ok(())
    }

    /// Does nothing: it comes after the commit point, so nothing can be taken back.
    fn undo(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Ok(())
    }

    fn is_undone_by_record(&self) -> bool {
        false
    }

    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(is_said(&*self.site.state, self.records())?)
    }
}
