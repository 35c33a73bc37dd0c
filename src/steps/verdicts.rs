//! The step that writes verdicts down, after the commit point of its operation.

use serde_json::Value;

use crate::{
    base::{Failure, Fs},
    journal::JournalStep,
    model::VerdictRecord,
    site::RepoSite,
    verdict::{append, refs, write},
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

    fn prepare(&mut self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn apply(&mut self, _prepared: &Value) -> Result<(), Failure> {
        let is_shared = |site: &RepoSite| {
            let there = |record: &VerdictRecord| {
                site.git
                    .find_ref(&refs::reference(&site.git, record))
                    .is_ok_and(|found| found.is_some())
            };
            self.records
                .iter()
                .all(|record| record.seq.is_some() && there(record))
        };
        match self.site {
            // The publication did it.
            Some(site) if is_shared(site) => Ok(append(self.state, self.records, &[])?),
            Some(site) => write(site, self.records),
            None => Ok(append(self.state, self.records, &[])?),
        }
    }

    /// Does nothing: verdicts come after the commit point, so nothing can be taken back.
    fn undo(&mut self, _prepared: &Value) -> Result<(), Failure> {
        Ok(())
    }
}
