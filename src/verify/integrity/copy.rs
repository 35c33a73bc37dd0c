//! The copies of a manifest in HEAD and the work tree. They have no authority: a bad copy is no
//! fault of the release, whose manifest is the one named by its tag.

use crate::{
    base::{Failure, Fault, Kind},
    catalog::manifests,
    model::{CheckResult, Status},
    verify::{Check, CheckRun, CheckSubject, Depth, nothing},
};

/// Checks that no copy of the manifest differs.
pub struct CopyCheck;

impl Check for CopyCheck {
    fn id(&self) -> &'static str {
        CheckResult::COPY
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let CheckSubject::Release(of) = subject else {
            return nothing();
        };
        let found = of.found().filter(|_| of.depth >= Depth::Present);
        let Some(copy) = found.and_then(|found| found.copy.as_ref()) else {
            return nothing();
        };
        let run = self.begin();
        let Some(error) = manifests::copy_trouble(of.release, copy) else {
            let said = vec![manifests::line_ends(of.release)];
            return Ok(vec![run.end(Status::Skipped, said)]);
        };
        let run = if error.kind() == Kind::Conflict {
            CheckRun::begin(1, CheckResult::NUMBER)
        } else {
            run
        };
        Ok(vec![CheckResult {
            hints: error.hints(),
            ..run.end(Status::Fail, vec![error.to_string()])
        }])
    }
}
