//! Row 6, verification of a version: what a check is, the list of checks, and what runs them.
//!
//! A [`Check`] proves one property of a [`CheckSubject`]: of a stored release, of the work tree, of
//! the scratch folder of a drill, of an opened capsule. [`CHECKS`] lists each once, by level; a new
//! check needs a file and an entry there, and every verifying command runs it. [`Verifier`] proves
//! one version of a task, [`arrival`] the result of an operation; drills and capsules run the list
//! on their own subjects. A check that could not run is inconclusive, never passed. Nothing here
//! repairs or decides: engines read the verdict from the
//! [`Verification`](crate::model::Verification).

pub mod arrival;
mod capsule;
mod check_run;
pub mod commands;
mod configuration;
mod error;
pub mod evidence;
pub mod findings;
mod integrity;
mod kept_release;
mod look_again;
mod probes;
mod readiness;
mod scratch_tree;
mod smoke;
mod subject;
mod task_tree;
mod verifier;

use std::ops::RangeInclusive;

use crate::{base::Failure, model::CheckResult};

pub use capsule::{Documents, ExpectedCapsule, OpenedCapsule};
pub use check_run::CheckRun;
pub use commands::Commands;
pub use error::Error;
pub use integrity::{
    Checkout, OTHER_VERSION, has_signature, is_other, refuse_other_commit, signature,
};
pub use kept_release::{Depth, KeptRelease};
pub use readiness::Readiness;
pub use scratch_tree::ScratchTree;
pub use subject::CheckSubject;
pub use task_tree::{Levels, RegistryEntry, TaskTree};
pub use verifier::Verifier;

/// One property that verification proves.
pub trait Check: Sync {
    /// Returns its stable name, `<level word>.<what>`. A check with one result per command or probe
    /// numbers them below it.
    fn id(&self) -> &'static str;

    /// Returns 1 for integrity, 2 configuration, 3 smoke, 4 production readiness.
    fn level(&self) -> u8;

    /// Proves the property of a subject. Returns no result where it does not apply, or where a
    /// prerequisite could not be read.
    ///
    /// # Errors
    /// Fails when nothing can be proved now: a signal, a time limit, a bug in the program, or an
    /// inaccessible place.
    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure>;

    /// Begins a timed run.
    fn begin(&self) -> CheckRun {
        CheckRun::begin(self.level(), self.id())
    }
}

/// Checks in execution order.
pub type Checks<'a> = &'a [&'a dyn Check];

/// Every check, by level. A check follows those it depends on.
pub static CHECKS: Checks<'static> = &[
    &integrity::SignatureCheck,
    &integrity::SumsCheck,
    &integrity::ManifestCheck,
    &integrity::TagCheck,
    &integrity::CopyCheck,
    &integrity::CommitCheck,
    &integrity::KeptBytesCheck,
    &integrity::FilesCheck,
    &integrity::ExtraFilesCheck,
    &integrity::DatabasesCheck,
    &integrity::LineEndsCheck,
    &integrity::MeanwhileCheck,
    &integrity::TextsCheck,
    &configuration::VersionsCheck,
    &configuration::LockFilesCheck,
    &smoke::SmokeCheck,
    &readiness::DependenciesCheck,
    &readiness::VariablesCheck,
    &readiness::ProbesCheck,
    &readiness::HoldCheck,
];

/// All levels.
pub const ALL_LEVELS: RangeInclusive<u8> = 1..=4;

/// Runs the checks of some levels on a subject, in order.
///
/// # Errors
/// Returns the first failure that prevented a proof; see [`Check::run`].
pub fn prove(
    checks: Checks<'_>,
    subject: &CheckSubject<'_>,
    levels: RangeInclusive<u8>,
) -> Result<Vec<CheckResult>, Failure> {
    let mut results = Vec::new();
    for check in checks
        .iter()
        .filter(|check| levels.contains(&check.level()))
    {
        results.extend(check.run(subject)?);
    }
    Ok(results)
}

/// Returns the result of a check that does not apply to a subject.
#[allow(
    clippy::unnecessary_wraps,
    reason = "it is what the checks return, and stands at their ends"
)]
fn nothing() -> Result<Vec<CheckResult>, Failure> {
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::verification::LEVEL_WORDS;

    #[test]
    fn the_list_goes_by_level_and_has_each_check_once() {
        assert!(CHECKS.is_sorted_by_key(|check| check.level()));
        let ids: HashSet<&str> = CHECKS.iter().map(|check| check.id()).collect();
        assert_eq!(ids.len(), CHECKS.len());
        for check in CHECKS {
            let word = LEVEL_WORDS[usize::from(check.level()) - 1];
            assert_eq!(check.id().split('.').next(), Some(word));
        }
    }
}
