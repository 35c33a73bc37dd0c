//! What somebody changed in the work tree after a release took its files in: it is theirs, so it
//! is told and fails nothing.

use crate::{
    base::Failure,
    model::{CheckResult, verification::MEANWHILE},
    verify::{Check, Subject, nothing},
};

/// The files that somebody changed meanwhile.
pub struct MeanwhileCheck;

impl Check for MeanwhileCheck {
    fn id(&self) -> &'static str {
        MEANWHILE
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &Subject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject {
            Subject::WorkTree(tree) => Ok(tree.files()?.meanwhile.iter().cloned().collect()),
            _ => nothing(),
        }
    }
}
