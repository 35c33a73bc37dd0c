//! Checks that the packages recorded by a release are installed, if the task has an environment.

use super::Readiness;
use crate::{
    base::{Failure, RelPath, text},
    deps::{self, environment::check_installed},
    model::{CheckResult, Status},
    verify::{Check, CheckSubject, evidence::bounded, nothing},
};

/// Checks that the environment of the task has the recorded packages.
pub struct DependenciesCheck;

impl Check for DependenciesCheck {
    fn id(&self) -> &'static str {
        "readiness.dependencies"
    }

    fn level(&self) -> u8 {
        4
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject.readiness() {
            Some(of) => Ok(vec![self.of(&of)]),
            None => nothing(),
        }
    }
}

impl DependenciesCheck {
    fn of(&self, of: &Readiness<'_>) -> CheckResult {
        let run = self.begin();
        let (status, evidence) = compare(of);
        run.end(status, bounded(evidence))
    }
}

/// Compares the environment with the record.
fn compare(of: &Readiness<'_>) -> (Status, Vec<String>) {
    let source = of.expected.python_source.as_ref();
    let from_lock = source.is_some_and(|source| is_lock_file(of, source));
    let recorded = source.filter(|_| !from_lock);
    let Some(venv) = of.task.venv.as_ref().or(recorded) else {
        let why = "the task has no environment of its own";
        return (Status::Skipped, vec![why.into()]);
    };
    if source.is_none() {
        let why = "the release records no Python packages";
        return (Status::Skipped, vec![why.into()]);
    }
    let packages = &of.expected.python_packages;
    match check_installed(of.fs, venv, packages) {
        Ok(None) => {
            let why = format!("the environment {venv} is missing");
            (Status::Fail, vec![why])
        }
        Ok(Some(difference)) => {
            let (status, mut lines) = judge(&difference, from_lock);
            if lines.is_empty() {
                let count = text::count(packages.len(), "package");
                lines.push(format!("{count} in {venv} as recorded"));
            }
            let lines = lines.iter().map(|line| of.variables.line(line));
            (status, lines.collect())
        }
        Err(error) => {
            let why = of.variables.line(&error.to_string());
            (Status::Inconclusive, vec![why])
        }
    }
}

/// Returns true for a recorded lock file.
fn is_lock_file(of: &Readiness<'_>, path: &RelPath) -> bool {
    let mut files = of.expected.lockfiles.iter();
    files.any(|file| file.path == *path)
}

/// Returns the status for a difference. A lock file may list packages for other systems and extras,
/// so then only a different version counts.
fn judge(difference: &deps::PackageDifference, from_lock: bool) -> (Status, Vec<String>) {
    let counts = if from_lock {
        !difference.different.is_empty()
    } else {
        !difference.is_empty()
    };
    let status = if counts { Status::Fail } else { Status::Pass };
    (status, difference.lines())
}
