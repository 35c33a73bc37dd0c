//! The copies of a manifest in HEAD and the work tree: no authority, so what is wrong with one is
//! its own fault. The release has the manifest that its tag names.

use crate::{
    base::{Failure, Fault, Kind},
    catalog::manifests,
    model::{CheckResult, Status},
    verify::{Check, CheckRun, Depth, Subject, nothing},
};

/// No copy of the manifest is another one.
pub struct CopyCheck;

impl Check for CopyCheck {
    fn id(&self) -> &'static str {
        CheckResult::COPY
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &Subject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let Subject::Release(of) = subject else {
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
