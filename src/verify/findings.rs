//! What the results of checks mean: damage, a failure of the version's own, a proof.
//!
//! Only a failure that is the version's own fault counts against it: not an obstacle in the work
//! tree, not an edit made meanwhile.

use super::Commands;
use crate::{
    model::{
        CheckResult, Operation, Status, TaskId, Verification, drill::WAY, verification::AS_RELEASED,
    },
    site::RepoSite,
};

/// Returns the damage to a stored release, whoever checked. Ignores signatures and the tag's
/// current target, which [`crate::verdict::summary`] checks every time.
pub fn damage(verification: &Verification) -> Option<String> {
    let is_kept = |check: &&CheckResult| {
        ["integrity.manifest", "integrity.commit", "integrity.kept"].contains(&check.id.as_str())
    };
    verification
        .checks
        .iter()
        .filter(is_kept)
        .find(|check| check.status == Status::Fail)
        .map(reason_of)
}

/// Returns why a version failed its own checks. With `any`, when nothing else can be at fault, a
/// failure in any of the first three levels counts; in a work tree only the smoke test does, and
/// only on the version's own files, not on those an undo restored that were not as released.
pub fn own_failure(verification: &Verification, any: bool) -> Option<String> {
    let failed = |level| verification.level(level) == Status::Fail;
    let is_other = verification
        .checks
        .iter()
        .any(|check| check.id == AS_RELEASED);
    if !any && (is_other || failed(1) || failed(2)) {
        return None;
    }
    // An obstacle in the work tree is no fault of the version.
    let own = |check: &&CheckResult| check.level <= 3 && check.id != WAY;
    verification
        .checks
        .iter()
        .filter(own)
        .find(|check| check.status == Status::Fail)
        .map(reason_of)
}

/// Returns why a release failed its own checks: where it is stored, or, if the work tree still
/// holds it, in any of the first three levels.
pub fn failure_of_release(verification: &Verification) -> Option<String> {
    let of_tree = |check: &&CheckResult| {
        ["integrity.files", "integrity.extra", "integrity.databases"].contains(&check.id.as_str())
    };
    let failed = |check: &&CheckResult| check.status == Status::Fail;
    if !verification
        .checks
        .iter()
        .any(|check| of_tree(&check) && failed(&check))
    {
        return own_failure(verification, true);
    }
    let is_kept =
        |check: &&CheckResult| check.level == 1 && !of_tree(check) && check.id != "integrity.after";
    verification
        .checks
        .iter()
        .filter(is_kept)
        .find(failed)
        .map(reason_of)
}

/// Renders a failed check in one line. Command output stays in the report, because this is shared.
fn reason_of(check: &CheckResult) -> String {
    /// Maximum length of a reason, in characters.
    const MOST: usize = 1000;
    let evidence: Vec<&str> = check
        .evidence
        .iter()
        .map(String::as_str)
        .filter(|line| !line.starts_with("| "))
        .collect();
    format!("{}: {}", check.id, evidence.join("; "))
        .chars()
        .take(MOST)
        .collect()
}

/// Returns true when an operation's verification runs every check that its task configured: skipped
/// checks prove nothing.
pub fn runs_all(site: &RepoSite, operation: &Operation, task: &TaskId) -> bool {
    let spec = site.settings.task(task);
    Commands::of(site, operation) == Commands::Run || spec.is_some_and(|spec| spec.smoke.is_empty())
}

/// Returns true when an operation's verification proved its version: on the version's very files,
/// not on those edited meanwhile.
pub fn is_proof(site: &RepoSite, operation: &Operation, verification: &Verification) -> bool {
    verification.is_good()
        && verification.meanwhile().is_empty()
        && runs_all(site, operation, &verification.task)
}
