//! Foreign edits in the work tree after a release took its files in: reported, but never a failure.

use crate::{
    base::Failure,
    model::{CheckResult, verification::MEANWHILE},
    verify::{Check, CheckSubject, nothing},
};

/// Reports the files that were edited meanwhile.
pub struct MeanwhileCheck;

impl Check for MeanwhileCheck {
    fn id(&self) -> &'static str {
        MEANWHILE
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject {
            CheckSubject::WorkTree(tree) => Ok(tree.files()?.meanwhile.iter().cloned().collect()),
            _ => nothing(),
        }
    }
}
