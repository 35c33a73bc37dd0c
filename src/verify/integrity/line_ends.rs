//! Reports what cannot be checked of files whose line ends git normalizes.

use crate::{
    base::{Failure, RelPath},
    model::{CheckResult, Manifest, Status},
    verify::{Check, CheckSubject, nothing},
};

/// Reports the files that were released with other line ends; no result when there are none.
pub struct LineEndsCheck;

impl Check for LineEndsCheck {
    fn id(&self) -> &'static str {
        "integrity.line_ends"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject {
            CheckSubject::WorkTree(tree) => Ok(self.of(tree.manifest).into_iter().collect()),
            CheckSubject::Scratch(of) => Ok(self.of(of.manifest).into_iter().collect()),
            _ => nothing(),
        }
    }
}

impl LineEndsCheck {
    fn of(&self, manifest: &Manifest) -> Option<CheckResult> {
        let told = |path: &RelPath| {
            format!("{path} had other line ends when it was released; git keeps one form of them")
        };
        let evidence: Vec<String> = manifest.subject.line_ends.iter().map(told).collect();
        (!evidence.is_empty()).then(|| self.begin().end(Status::Skipped, evidence))
    }
}
