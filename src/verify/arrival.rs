//! Verifies the state that an operation arrived at; a failure reverses the operation.

use jiff::Timestamp;

use super::{
    CHECKS, CheckSubject, Commands, Error, Levels, RegistryEntry, Verifier, findings::own_failure,
    prove,
};
use crate::{
    base::{Failure, Fs},
    catalog::{Release, releases::Releases, tasks},
    model::{
        CheckResult, Operation, Status, TagName, TaskSpec, Verification, Version, operation::Step,
        settings::OnVerifyFail,
    },
    site::RepoSite,
    stat_cache::KnownFiles,
};

/// What is proved about the state that an operation arrived at.
#[derive(Debug, Clone, Copy)]
pub enum Arrival<'a> {
    /// Integrity, configuration and smoke test of a version.
    Version(&'a Version),
    /// The same of a new version that has no tag yet, where it is stored and in the work tree; its
    /// files were taken in at that time.
    Released(&'a Version, Timestamp),
    /// Every path holds exactly what the operation recorded.
    Recorded,
    /// Production readiness of a version.
    Ready(&'a Version),
}

impl<'a> Arrival<'a> {
    /// Returns the arrival at a version, or otherwise at exactly the recorded state. `since` is
    /// when the files of a new version were taken in.
    pub fn of(version: Option<&'a Version>, since: Option<Timestamp>) -> Self {
        match (version, since) {
            (None, _) => Self::Recorded,
            (Some(version), None) => Self::Version(version),
            (Some(version), Some(since)) => Self::Released(version, since),
        }
    }
}

/// The paths that an operation changes, with the required state of each.
pub struct RecordedPaths<'a> {
    /// The work tree.
    pub tree: &'a dyn Fs,
    /// What is known of its large files.
    pub known: &'a KnownFiles,
    /// The operation.
    pub operation: &'a Operation,
}

/// Verifies the state that an operation on a task arrived at, and adds it to earlier results.
///
/// # Errors
/// Returns [`Error::NotVerified`], [`Error::NotReleased`] and [`Error::NotRestored`] when a failed
/// check reverses the operation.
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
        Arrival::Released(version, since) => {
            let found = released(site, operation, (task, version), since)?;
            let failed = own_failure(&found, true);
            *verified = Some(found);
            return refuse(operation, (task, version), failed);
        }
        Arrival::Ready(version) => (readiness(site, operation, task, version)?, Some(version)),
    };
    let failed = failures_that_turn_back(operation, &checks);
    let problems = failed.join(" | ");
    let Some(version) = version else {
        // The task had no version then, so there is no report to fill; a failure reverses all the
        // same.
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

/// Checks that every path holds exactly what the operation recorded.
fn recorded(site: &RepoSite, operation: &Operation) -> Result<Vec<CheckResult>, Failure> {
    let paths = RecordedPaths {
        tree: &*site.tree,
        known: &site.known,
        operation,
    };
    prove(CHECKS, &CheckSubject::Recorded(&paths), 1..=1)
}

/// Checks integrity, configuration and smoke test of the version that an operation arrived at.
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

/// Checks a new version, where it is stored and in the work tree, whether it has its tag or not.
///
/// # Errors
/// Fails when something cannot be read.
pub fn released(
    site: &RepoSite,
    operation: &Operation,
    (task, version): (&TaskSpec, &Version),
    since: Timestamp,
) -> Result<Verification, Failure> {
    let kept = TagName::keep_reference(&task.id, version);
    let publication = operation.publication();
    let refs = publication.map_or(&[][..], |publication| &publication.refs);
    let tag = refs.iter().find(|change| change.name == kept);
    let releases = match tag.zip(refs.last()) {
        Some((tag, branch)) => Releases::default().with(Release {
            pending: Some(branch.after.clone()),
            ..Release::of(
                (&task.id, version),
                site.settings.release_tag(&task.id, version),
                tag.after.clone(),
            )
        }),
        None => tasks::release_of(site, &task.id, version)?,
    };
    let levels = Levels {
        last: 3,
        commands: Commands::of(site, operation),
        since: Some(since),
        ..Levels::ALL
    };
    Verifier::new(site, task, &releases, version).released(levels)
}

/// Refuses a release of which a check failed, unless it is wanted all the same.
fn refuse(
    operation: &Operation,
    (task, version): (&TaskSpec, &Version),
    failed: Option<String>,
) -> Result<(), Failure> {
    let counts = |_: &String| operation.on_verify_fail != OnVerifyFail::Keep;
    match failed.filter(counts) {
        None => Ok(()),
        Some(problem) => Err(Error::NotReleased {
            task: task.id.clone(),
            version: version.clone(),
            problem,
        }
        .into()),
    }
}

/// Checks production readiness of the version that an operation arrived at.
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

/// Returns the failed checks that reverse an operation, as text.
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

/// Keeps an operation that does not change packages from failing because they differ.
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
