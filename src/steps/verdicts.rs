//! The step that writes verdicts down, after the commit point of its operation.

use serde_json::Value;

use crate::{
    base::{Due, Failure, Fs},
    journal::JournalStep,
    model::VerdictRecord,
    site::RepoSite,
    verdict::{append, is_said, refs, write},
};

/// The step that writes verdicts.
pub struct Verdicts<'a> {
    state: &'a dyn Fs,
    records: &'a [VerdictRecord],
    site: Option<&'a RepoSite>,
}

impl<'a> Verdicts<'a> {
    /// Creates the step that writes these records.
    pub fn new(state: &'a dyn Fs, records: &'a [VerdictRecord]) -> Self {
        Self {
            state,
            records,
            site: None,
        }
    }

    /// Also shares the verdicts with other clones, by references.
    pub fn shared_in(self, site: &'a RepoSite) -> Self {
        Self {
            site: Some(site),
            ..self
        }
    }
}

impl JournalStep for Verdicts<'_> {
    fn name(&self) -> &'static str {
        "verdicts"
    }

    fn prepare(&mut self, _due: &Due) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn apply(&mut self, _prepared: &Value, due: &Due) -> Result<(), Failure> {
        let is_shared = |site: &RepoSite| {
            let is_there = |record: &VerdictRecord| refs::is_there(&site.git, record);
            let mut records = self.records.iter();
            records.all(|record| record.seq.is_some() && is_there(record))
        };
        match self.site {
            // The publication did it.
            Some(site) if !is_shared(site) => write(site, self.records),
            _ => Ok(append(self.state, self.records, &[], Some(due))?),
        }
    }

    /// Does nothing: verdicts come after the commit point, so nothing can be taken back.
    fn undo(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Ok(())
    }

    fn is_undone_by_record(&self) -> bool {
        false
    }

    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(is_said(self.state, self.records)?)
    }
}
