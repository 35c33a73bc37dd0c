//! Checks that a task has no extra tracked files.

use crate::{
    base::Failure,
    git::Tracked,
    model::CheckResult,
    verify::{Check, CheckSubject, nothing},
};

/// Checks that the work tree has no tracked file of the task that the version does not list.
pub struct ExtraFilesCheck;

impl Check for ExtraFilesCheck {
    fn id(&self) -> &'static str {
        "integrity.extra"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let CheckSubject::WorkTree(tree) = subject else {
            return nothing();
        };
        let run = self.begin();
        let (is_pending, again) = (tree.release.release.pending.is_some(), tree.levels.again);
        let counts = |tracked: &Tracked| {
            // The commit of a version that is being made replaces HEAD's.
            let goes = is_pending && tracked.index.is_none();
            // What others committed while commands ran is found when the commit is made.
            let is_of_others = again && tracked.head.is_some();
            !goes && !is_of_others
        };
        let problems = tree
            .paths
            .extras(tree.scan, counts)
            .iter()
            .map(|path| format!("{path} is not in the release"))
            .collect();
        let proof = "nothing extra among the task's tracked files".into();
        Ok(vec![run.judge(problems, proof)])
    }
}
