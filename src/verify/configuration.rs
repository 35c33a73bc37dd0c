//! Level 2, configuration: tag, manifest, registry and configuration name the same version, and
//! lock files and environment variable names are as recorded.

use super::Checking;
use crate::{
    base::{Digest, Fs},
    git::Converter,
    model::{CheckResult, Manifest, Status, Version},
};

/// What the work tree says of the version.
pub struct Said {
    /// The registry's entry; an error's text when it cannot be read.
    pub registry: Result<Option<Version>, String>,
    /// The configuration's field; an error's text when it cannot be read.
    pub config: Result<Option<Version>, String>,
    /// True when the registry stays as it is because it cannot be edited: what it says is told and
    /// does not count.
    pub is_registry_left: bool,
}

/// The versions agree. A registry or configuration that is silent is inconclusive for releases
/// made by snapback, and skipped for adopted ones, whose tags are older than both. All tasks share
/// the registry, so what cannot be read there is no fault of the version.
pub fn versions(expected: &Version, said: &Said, adopted: bool) -> Vec<CheckResult> {
    let mut checks: Vec<CheckResult> = said
        .is_registry_left
        .then(|| registry_left(said))
        .into_iter()
        .collect();
    let checking = Checking::begin(2, "configuration.versions");
    let mut worst = Status::Pass;
    let mut evidence = Vec::new();
    let all = [("registry", &said.registry), ("config", &said.config)];
    for (who, what) in all.into_iter().skip(checks.len()) {
        let status = match what {
            Ok(Some(version)) if version == expected => Status::Pass,
            Ok(Some(version)) => {
                evidence.push(format!("the {who} says {version}, expected {expected}"));
                if adopted && who == "config" {
                    Status::Skipped
                } else {
                    Status::Fail
                }
            }
            Ok(None) => {
                evidence.push(format!("the {who} names no version"));
                if adopted {
                    Status::Skipped
                } else {
                    Status::Inconclusive
                }
            }
            Err(why) => {
                evidence.push(format!("the {who} cannot be read: {why}"));
                if who == "registry" {
                    Status::Inconclusive
                } else {
                    Status::Fail
                }
            }
        };
        worst = worst.max(status);
    }
    if worst == Status::Pass {
        let registry = if said.is_registry_left {
            ""
        } else {
            "registry = "
        };
        evidence.push(format!("{registry}config = manifest = tag = {expected}"));
    }
    checks.push(checking.end(worst, evidence));
    checks
}

/// What commands made worse, or others while they ran, of what was looked at before.
pub fn worse(before: &[CheckResult], now: Vec<CheckResult>) -> Option<CheckResult> {
    let was = |id: &str| {
        before
            .iter()
            .filter(|check| check.id == id)
            .map(|check| check.status)
            .max()
    };
    let worse: Vec<CheckResult> = now
        .into_iter()
        .filter(|check| {
            check.status > Status::Skipped && was(&check.id).is_none_or(|was| check.status > was)
        })
        .collect();
    let status = worse.iter().map(|check| check.status).max()?;
    let said = worse
        .into_iter()
        .flat_map(|check| check.evidence)
        .map(|line| format!("while the commands ran: {line}"));
    Some(Checking::begin(2, "configuration.after").end(status, said.collect()))
}

/// What a registry says that stays as it is.
fn registry_left(said: &Said) -> CheckResult {
    let says = match &said.registry {
        Ok(Some(version)) => format!("it says {version}"),
        Ok(None) => "it names no version".into(),
        Err(why) => format!("it cannot be read: {why}"),
    };
    Checking::begin(2, "configuration.registry").end(
        Status::Skipped,
        vec![format!("the registry stays as it is: {says}")],
    )
}

/// The lock files are those that were recorded.
pub fn lockfiles(tree: &dyn Fs, manifest: &Manifest, converter: &Converter) -> CheckResult {
    let checking = Checking::begin(2, "configuration.lockfiles");
    let files = &manifest.dependencies.lockfiles;
    if files.is_empty() {
        return checking.end(
            Status::Skipped,
            vec!["the release has no lock files".into()],
        );
    }
    // What lies outside the task no rollback brings back, so a difference is told and is no
    // failure.
    let mut outside = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        let problems = if manifest.file(&file.path).is_some() {
            &mut problems
        } else {
            &mut outside
        };
        let mut bytes = Vec::new();
        let read = tree
            .open(&file.path)
            .and_then(|mut reader| std::io::Read::read_to_end(&mut reader, &mut bytes));
        match read {
            Err(error) => problems.push(format!("{}: {error}", file.path)),
            Ok(_) if Digest::of(&bytes) == file.checksum => {}
            Ok(_) => match converter.to_git(&file.path, bytes) {
                Ok(bytes) if Digest::of(&bytes) == file.checksum => {}
                _ => problems.push(format!("{} is not the recorded one", file.path)),
            },
        }
    }
    if problems.is_empty() && !outside.is_empty() {
        let said = outside
            .into_iter()
            .map(|problem| format!("{problem}; it is not part of the task"));
        return checking.end(Status::Skipped, said.collect());
    }
    problems.extend(outside);
    checking.judge(problems, format!("{} lock files as recorded", files.len()))
}
