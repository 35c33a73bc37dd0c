//! Verifies the result of an operation, so that a bad result turns the operation back.

use std::cell::RefCell;

use serde_json::Value;

use crate::{
    base::{Due, Failure},
    journal::JournalStep,
    model::{Operation, TaskSpec, Verification},
    site::RepoSite,
    verify::arrival::{self, Arrival},
};

/// The proof that the steps of an operation gave so far; `None` before the first of them.
pub type ProvenSoFar = RefCell<Option<Verification>>;

/// The step that verifies.
pub struct VerifyStep<'a> {
    site: &'a RepoSite,
    operation: &'a Operation,
    task: Option<&'a TaskSpec>,
    arrival: Arrival<'a>,
    verified: &'a ProvenSoFar,
}

impl<'a> VerifyStep<'a> {
    /// Creates the step for one thing to prove; it does nothing when the task is gone.
    pub fn new(
        site: &'a RepoSite,
        operation: &'a Operation,
        task: Option<&'a TaskSpec>,
        arrival: Arrival<'a>,
        verified: &'a ProvenSoFar,
    ) -> Self {
        Self {
            site,
            operation,
            task,
            arrival,
            verified,
        }
    }
}

impl JournalStep for VerifyStep<'_> {
    fn name(&self) -> &'static str {
        if matches!(self.arrival, Arrival::Ready(_)) {
            "ready"
        } else {
            "verify"
        }
    }

    fn prepare(&mut self, _due: &Due) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn apply(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        let Some(task) = self.task else { return Ok(()) };
        let mut verified = self.verified.borrow_mut();
        arrival::verify(self.site, self.operation, task, self.arrival, &mut verified)
    }

    fn undo(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Ok(())
    }

    fn is_undone_by_record(&self) -> bool {
        false
    }
}
