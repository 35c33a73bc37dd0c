//! Row 8, the only way in which anything changes: draft, plan shown, bytes stored, operation
//! recorded, steps, verification, report, line of the audit log.
//!
//! Engines describe a [`Change`]; only the [`Operator`] executes one. No other room begins a
//! journal, saves a report or writes an audit line. So everything reported about an operation after
//! a failure has one source, its journal: see [`left`]. Changes without a journal, such as a
//! verdict, go through [`Operator::audited`].
//!
//! [`execute`] leads from a change to its report. Then read [`run`], which runs the steps, and
//! [`recover`], which completes an interrupted operation.

mod after;
mod audit;
pub mod audit_check;
mod commands;
mod doable;
mod error;
pub mod execute;
pub mod left;
mod names;
pub mod operations;
mod paths;
pub mod prune;
pub mod recover;
mod reports;
pub mod run;
pub mod share;
mod space;
mod step_times;
mod verdicts;

use crate::{
    base::Failure,
    draft::Draft,
    model::{Plan, Report, Settings, settings::OnVerifyFail},
    site::RepoSite,
};

pub use audit::{action, action_about, action_on};
pub use error::Error;
pub use names::Direction;
pub use verdicts::NewVerdict;

/// A change that can be requested. It describes what would be done; the [`Operator`] does it.
pub trait Change {
    /// Describes what would be done; reads only. Called again whenever files may have changed
    /// since.
    ///
    /// # Errors
    /// Fails when it is impossible or not allowed.
    fn draft(&self, site: &RepoSite) -> Result<Draft, Failure>;

    /// Returns what happens when the last two levels of its verification fail.
    fn on_verify_fail(&self, _settings: &Settings) -> OnVerifyFail {
        OnVerifyFail::Undo
    }

    /// Returns true when the user's own `pre-commit` hook should check what will be committed.
    fn runs_pre_commit(&self) -> bool {
        false
    }

    /// Returns true when the active version is verified even if there is nothing to do.
    fn verifies_active(&self) -> bool {
        false
    }

    /// Makes durable what must be durable before the operation begins.
    ///
    /// # Errors
    /// Fails when that is impossible; then nothing is begun.
    fn before(&self, _site: &RepoSite, _draft: &Draft) -> Result<(), Failure> {
        Ok(())
    }

    /// Called when the operation was not begun after all.
    fn not_begun(&self, _site: &RepoSite) {}

    /// Called when the operation has ended. Returns a remark for its report.
    ///
    /// # Errors
    /// Fails when its consequences cannot be made durable.
    fn ended(&self, _site: &RepoSite, _report: &Report) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}

/// Executes changes at a site.
pub struct Operator<'a> {
    site: &'a RepoSite,
}

impl<'a> Operator<'a> {
    /// Returns the operator of this site.
    pub fn new(site: &'a RepoSite) -> Self {
        Self { site }
    }

    /// Plans a change. Reads only.
    ///
    /// # Errors
    /// Fails when it is impossible or not allowed.
    pub fn plan(&self, change: &dyn Change) -> Result<Plan, Failure> {
        self.draft(change).map(|draft| draft.plan)
    }

    /// Like [`Self::plan`], for a change that will probably be executed: files for the store are
    /// read into it already, invisible until the operation is written.
    ///
    /// # Errors
    /// Fails when it is impossible or not allowed.
    pub fn plan_to_execute(&self, change: &dyn Change) -> Result<Plan, Failure> {
        // Whoever may not execute it must not write into the store either.
        self.site.check_owner()?;
        Operator::new(&self.site.taking_in()).plan(change)
    }
}
