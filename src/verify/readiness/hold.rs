//! Checks that the version is not held.

use crate::{
    base::Failure,
    model::{CheckResult, Status},
    verify::{Check, CheckSubject, nothing},
};

/// Checks that the version is not held.
pub struct HoldCheck;

impl Check for HoldCheck {
    fn id(&self) -> &'static str {
        "readiness.not_held"
    }

    fn level(&self) -> u8 {
        4
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let Some(of) = subject.readiness() else {
            return nothing();
        };
        let (status, seen) = if of.is_held {
            let seen = "the version is held: it must not be brought back unnoticed";
            (Status::Fail, seen)
        } else {
            (Status::Pass, "it is not held")
        };
        Ok(vec![self.begin().end(status, vec![seen.into()])])
    }
}
