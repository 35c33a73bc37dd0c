//! The step that writes verdicts down: after the commit point of its operation, or as it.

use serde_json::Value;

use crate::{
    base::{Due, Failure, Fs},
    journal::JournalStep,
    model::VerdictRecord,
    site::RepoSite,
    verdict::{append, is_said, refs, write},
};

/// How the step shares verdicts with other clones, by references.
enum Sharing<'a> {
    /// Not at all.
    None,
    /// The publication moved their references, or the step does.
    All(&'a RepoSite),
    /// The publication moved their references if they were earned; otherwise there are none.
    IfProven(&'a RepoSite),
}

/// The step that writes verdicts.
pub struct Verdicts<'a> {
    state: &'a dyn Fs,
    records: &'a [VerdictRecord],
    sharing: Sharing<'a>,
    /// True when nothing else of its operation is published.
    is_commit_point: bool,
}

impl<'a> Verdicts<'a> {
    /// Creates the step that writes these records.
    pub fn new(state: &'a dyn Fs, records: &'a [VerdictRecord]) -> Self {
        Self {
            state,
            records,
            sharing: Sharing::None,
            is_commit_point: false,
        }
    }

    /// Makes it the commit point of its operation, which publishes nothing else: once others can
    /// see what is said of a version, the operation can only go forward.
    pub fn as_commit_point(self, is_commit_point: bool) -> Self {
        Self {
            is_commit_point,
            ..self
        }
    }

    /// Also shares the verdicts with other clones.
    pub fn shared_in(self, site: &'a RepoSite) -> Self {
        Self {
            sharing: Sharing::All(site),
            ..self
        }
    }

    /// Creates the step that writes a verdict if it was earned, which was decided when its
    /// reference moved, or did not.
    pub fn if_proven(site: &'a RepoSite, record: &'a VerdictRecord) -> Self {
        Self {
            state: &*site.state,
            records: std::slice::from_ref(record),
            sharing: Sharing::IfProven(site),
            is_commit_point: false,
        }
    }

    /// True when the publication moved the references of all of them.
    fn are_shared(&self, site: &RepoSite) -> bool {
        let is_there = |record: &VerdictRecord| refs::is_there(&site.git, record);
        let mut records = self.records.iter();
        records.all(|record| record.seq.is_some() && is_there(record))
    }
}

impl JournalStep for Verdicts<'_> {
    fn name(&self) -> &'static str {
        if matches!(self.sharing, Sharing::IfProven(_)) {
            "proven"
        } else {
            "verdicts"
        }
    }

    fn prepare(&mut self, _due: &Due) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn apply(&mut self, _prepared: &Value, due: &Due) -> Result<(), Failure> {
        match self.sharing {
            Sharing::All(site) if !self.are_shared(site) => write(site, self.records),
            Sharing::IfProven(site) if !self.are_shared(site) => Ok(()),
            _ => Ok(append(self.state, self.records, &[], Some(due))?),
        }
    }

    /// Does nothing: it comes after the commit point or is it, so nothing can be taken back.
    fn undo(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Ok(())
    }

    fn is_undone_by_record(&self) -> bool {
        false
    }

    fn is_commit_point(&self) -> bool {
        self.is_commit_point
    }

    fn shows_unstarted(&self) -> Result<bool, Failure> {
        self.is_passed()
    }

    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(is_said(self.state, self.records)?)
    }
}
