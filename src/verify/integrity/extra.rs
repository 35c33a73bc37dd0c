//! Checks that a task has no extra tracked files.

use crate::{
    base::Failure,
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
        let problems = tree
            .paths
            .extras(tree.scan, tree.release.release.pending.is_some())
            .iter()
            .map(|path| format!("{path} is not in the release"))
            .collect();
        let proof = "nothing extra among the task's tracked files".into();
        Ok(vec![run.judge(problems, proof)])
    }
}
