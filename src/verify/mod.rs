//! Row 6, proving a version: what a check is, the list of them, and what runs it.
//!
//! A [`Check`] proves one thing of a [`Subject`]: of a release where it is kept, of the work tree,
//! of the scratch place of a drill, of an opened capsule. [`CHECKS`] has each once, by level; a new
//! one is a file and a line there, and every command that verifies runs it. [`Verifier`] proves one
//! version of a task, [`arrival`] what an operation arrived at; drills and capsules run the list
//! over their own subjects. What could not be run is inconclusive, never a pass. Nothing here
//! repairs or decides: engines read the verdict from the
//! [`Verification`](crate::model::Verification).

pub mod arrival;
mod capsule;
mod check_run;
pub mod commands;
mod configuration;
mod error;
pub mod evidence;
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

pub use capsule::{Documents, Expected, OpenedCapsule};
pub use check_run::CheckRun;
pub use commands::Commands;
pub use error::Error;
pub use integrity::{
    Checkout, OTHER_VERSION, has_signature, is_other, refuse_other_commit, signature,
};
pub use kept_release::{Depth, KeptRelease};
pub use readiness::Readiness;
pub use scratch_tree::ScratchTree;
pub use subject::Subject;
pub use task_tree::{Levels, RegistryEntry, TaskTree};
pub use verifier::Verifier;

/// One thing that verification proves.
pub trait Check: Sync {
    /// Its stable name, `<level word>.<what>`. A check with several results, one a command or
    /// probe, numbers them below it.
    fn id(&self) -> &'static str;

    /// 1 integrity, 2 configuration, 3 smoke, 4 production readiness.
    fn level(&self) -> u8;

    /// Proves it of a subject. No result where it does not apply, and where nothing can be told
    /// because what it builds on could not be read.
    ///
    /// # Errors
    /// When nothing at all can be proved now: a signal, a time limit, a fault of the program, or
    /// a place that cannot be looked at.
    fn run(&self, subject: &Subject<'_>) -> Result<Vec<CheckResult>, Failure>;

    /// Begins a run of it, which is timed.
    fn begin(&self) -> CheckRun {
        CheckRun::begin(self.level(), self.id())
    }
}

/// Checks in the order in which they run.
pub type Checks<'a> = &'a [&'a dyn Check];

/// Every check, by level. What one builds on stands before it.
pub static CHECKS: [&dyn Check; 20] = [
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

/// Runs the checks of some levels on a subject, in their order.
///
/// # Errors
/// The first failure that kept the subject from being proved; see [`Check::run`].
pub fn prove(
    checks: Checks<'_>,
    subject: &Subject<'_>,
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

/// What a check says of a subject that it does not apply to.
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
