//! The verifications inside an operation: what fails turns it back.

use std::cell::RefCell;

use super::{Error, Operator, commands::commands_in};
use crate::{
    base::Failure,
    catalog::tasks,
    model::{
        Check, Operation, Status, TaskSpec, Verification, Version, operation::Step,
        settings::OnVerifyFail, verdict::Standing,
    },
    site::RepoSite,
    steps::{files, verify::What},
    verify::{Checking, proof},
};

impl Operator<'_> {
    /// One verification inside an operation.
    pub(super) fn verify_step(
        &self,
        operation: &Operation,
        task: Option<&TaskSpec>,
        what: What<'_>,
        result: &RefCell<Option<Verification>>,
    ) -> Result<(), Failure> {
        let Some(task) = task else { return Ok(()) };
        let (checks, version) = match what {
            What::Recorded => (vec![self.recorded(operation)], operation.about.to.clone()),
            What::Version(version) => {
                let checks = self.check_version(operation, task, version)?;
                (checks, Some(version.clone()))
            }
            What::Ready(version) => {
                let checks = self.check_readiness(operation, task, version)?;
                (checks, Some(version.clone()))
            }
        };
        let failed = failures_that_turn_back(operation, &checks);
        let Some(version) = version else {
            // The task had no version then, so there is no report to fill; what fails still turns
            // back.
            return if failed.is_empty() {
                Ok(())
            } else {
                Err(Error::NotRestored(failed.join(" | ")).into())
            };
        };
        let mut slot = result.borrow_mut();
        let all = slot.get_or_insert_with(|| Verification {
            task: task.id.clone(),
            version: version.clone(),
            checks: Vec::new(),
        });
        all.checks.extend(checks);
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Error::NotVerified {
                version,
                problems: failed.join(" | "),
            }
            .into())
        }
    }

    /// Integrity, configuration and smoke test of the version that an operation arrived at.
    fn check_version(
        &self,
        operation: &Operation,
        task: &TaskSpec,
        version: &Version,
    ) -> Result<Vec<Check>, Failure> {
        let registry = if operation.leaves_registry() {
            proof::Entry::Told
        } else {
            proof::Entry::Counts
        };
        let levels = proof::Levels {
            readiness: false,
            commands: commands_in(self.site, operation),
            registry,
            tag: false,
            ..proof::Levels::ALL
        };
        let releases = tasks::release_of(self.site, &task.id, version)?;
        let standing = Standing::default();
        let verified = proof::tree(self.site, task, &releases, standing, version, levels)?;
        Ok(verified.checks)
    }

    /// Production readiness of the version that an operation arrived at.
    fn check_readiness(
        &self,
        operation: &Operation,
        task: &TaskSpec,
        version: &Version,
    ) -> Result<Vec<Check>, Failure> {
        let commands = commands_in(self.site, operation);
        let releases = tasks::release_of(self.site, &task.id, version)?;
        let mut checks = proof::readiness(self.site, task, &releases, version, commands)?;
        leave_packages(self.site, operation, &mut checks);
        Ok(checks)
    }

    /// Every path holds exactly what the operation recorded.
    fn recorded(&self, operation: &Operation) -> Check {
        let checking = Checking::begin(1, "integrity.files");
        let wrong = |change: &&crate::model::PathChange| {
            !files::holds(&*self.site.tree, &change.path, change.after.as_ref()).unwrap_or(false)
        };
        let problems = operation
            .path_changes()
            .filter(wrong)
            .map(|change| format!("{} is not what it was", change.path))
            .collect();
        checking.judge(
            problems,
            format!(
                "{} paths exactly as recorded",
                operation.path_changes().count()
            ),
        )
    }
}

/// What of the checks turns an operation back, in words.
fn failures_that_turn_back(operation: &Operation, checks: &[Check]) -> Vec<String> {
    let turns_back = |check: &&Check| {
        check.status == Status::Fail
            && (check.level <= 2 || operation.on_verify_fail != OnVerifyFail::Keep)
    };
    checks
        .iter()
        .filter(turns_back)
        .map(|check| format!("{}: {}", check.id, check.evidence.join("; ")))
        .collect()
}

/// An operation that was not asked to change packages does not fail because they differ.
pub(super) fn leave_packages(site: &RepoSite, operation: &Operation, checks: &mut [Check]) {
    if operation
        .steps
        .iter()
        .any(|step| matches!(step, Step::Environment(_)))
    {
        return;
    }
    for check in checks
        .iter_mut()
        .filter(|check| check.id == "readiness.dependencies" && check.status == Status::Fail)
    {
        check.status = Status::Skipped;
        site.warn(format!(
            "packages were left as they are (`--env sync` changes them): {}",
            check.evidence.join("; ")
        ));
    }
}
