//! What an operation arrived at: what fails turns it back.

use super::{CHECKS, Commands, Error, Levels, RegistryEntry, Subject, Verifier, prove};
use crate::{
    base::{Failure, Fs},
    catalog::tasks,
    model::{
        CheckResult, Operation, Status, TaskSpec, Verification, Version, operation::Step,
        settings::OnVerifyFail,
    },
    site::RepoSite,
};

/// What is proved of the place that an operation arrived at.
#[derive(Debug, Clone, Copy)]
pub enum Arrival<'a> {
    /// Integrity, configuration and smoke test of a version.
    Version(&'a Version),
    /// That every path holds exactly what the operation recorded.
    Recorded,
    /// Production readiness of a version.
    Ready(&'a Version),
}

impl<'a> Arrival<'a> {
    /// At a version, or else at exactly what the operation recorded.
    pub fn of(version: Option<&'a Version>) -> Self {
        version.map_or(Self::Recorded, Self::Version)
    }
}

/// The paths that an operation changes, with the state that each must have.
pub struct RecordedPaths<'a> {
    /// The work tree.
    pub tree: &'a dyn Fs,
    /// The operation.
    pub operation: &'a Operation,
}

/// Proves what an operation on a task arrived at, and adds it to what was proved before.
///
/// # Errors
/// [`Error::NotVerified`] and [`Error::NotRestored`] when something failed that turns the
/// operation back.
pub fn verify(
    site: &RepoSite,
    operation: &Operation,
    task: &TaskSpec,
    arrival: Arrival<'_>,
    verified: &mut Option<Verification>,
) -> Result<(), Failure> {
    let (checks, version) = match arrival {
        Arrival::Recorded => (recorded(site, operation)?, operation.about.to.as_ref()),
        Arrival::Version(version) => (of_version(site, operation, task, version)?, Some(version)),
        Arrival::Ready(version) => (readiness(site, operation, task, version)?, Some(version)),
    };
    let failed = failures_that_turn_back(operation, &checks);
    let problems = failed.join(" | ");
    let Some(version) = version else {
        // The task had no version then, so there is no report to fill; what fails still turns
        // back.
        return if failed.is_empty() {
            Ok(())
        } else {
            Err(Error::NotRestored(problems).into())
        };
    };
    let all = verified.get_or_insert_with(|| Verification {
        task: task.id.clone(),
        version: version.clone(),
        checks: Vec::new(),
    });
    all.checks.extend(checks);
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::NotVerified {
            version: version.clone(),
            problems,
        }
        .into())
    }
}

/// Every path holds exactly what the operation recorded.
fn recorded(site: &RepoSite, operation: &Operation) -> Result<Vec<CheckResult>, Failure> {
    let paths = RecordedPaths {
        tree: &*site.tree,
        operation,
    };
    prove(&CHECKS, &Subject::Recorded(&paths), 1..=1)
}

/// Integrity, configuration and smoke test of the version that an operation arrived at.
fn of_version(
    site: &RepoSite,
    operation: &Operation,
    task: &TaskSpec,
    version: &Version,
) -> Result<Vec<CheckResult>, Failure> {
    let levels = Levels {
        last: 3,
        commands: Commands::of(site, operation),
        registry: RegistryEntry::of(operation),
        tag: false,
        ..Levels::ALL
    };
    let releases = tasks::release_of(site, &task.id, version)?;
    let verifier = Verifier::new(site, task, &releases, version);
    Ok(verifier.work_tree(levels)?.checks)
}

/// Production readiness of the version that an operation arrived at.
fn readiness(
    site: &RepoSite,
    operation: &Operation,
    task: &TaskSpec,
    version: &Version,
) -> Result<Vec<CheckResult>, Failure> {
    let releases = tasks::release_of(site, &task.id, version)?;
    let verifier = Verifier::new(site, task, &releases, version);
    let mut checks = verifier.readiness(Commands::of(site, operation))?;
    leave_packages(site, operation, &mut checks);
    Ok(checks)
}

/// What of the checks turns an operation back, in words.
fn failures_that_turn_back(operation: &Operation, checks: &[CheckResult]) -> Vec<String> {
    let turns_back = |check: &&CheckResult| {
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
pub fn leave_packages(site: &RepoSite, operation: &Operation, checks: &mut [CheckResult]) {
    let changes = |step: &Step| matches!(step, Step::Environment(_));
    if operation.steps.iter().any(changes) {
        return;
    }
    let differ = |check: &&mut CheckResult| {
        check.id == "readiness.dependencies" && check.status == Status::Fail
    };
    for check in checks.iter_mut().filter(differ) {
        check.status = Status::Skipped;
        site.warn(format!(
            "packages were left as they are (`--env sync` changes them): {}",
            check.evidence.join("; ")
        ));
    }
}
