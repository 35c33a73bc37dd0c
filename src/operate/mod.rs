//! Row 8, the one way in which anything changes: draft, plan shown, bytes kept, operation written
//! down, steps, verification, report, line of the audit log.
//!
//! Engines describe a [`Change`]; only the [`Operator`] carries one out. No other room begins a
//! journal, keeps a report or writes a line of the audit log by itself. So what is said of an
//! operation after a failure has one source, its journal: see [`left`]. What changes something and
//! has no journal, such as a verdict, is done by [`Operator::witnessed`].
//!
//! The way from a change to its report is in [`execute`]. Then read [`run`], which runs the steps,
//! and [`recover`], which brings an interrupted operation to its end.

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

pub use audit::{deed, deed_about, deed_on};
pub use error::Error;
pub use names::Direction;
pub use verdicts::{NewVerdict, own_failure};

/// Something that somebody may ask to be changed. It says what would be done; the [`Operator`]
/// does it.
pub trait Change {
    /// Describes what would be done; reads only. It is asked again whenever files may have changed
    /// since.
    ///
    /// # Errors
    /// When it cannot be done, or may not.
    fn draft(&self, site: &RepoSite) -> Result<Draft, Failure>;

    /// What happens when the last two levels of its verification fail.
    fn on_verify_fail(&self, _settings: &Settings) -> OnVerifyFail {
        OnVerifyFail::Undo
    }

    /// True when the user's own `pre-commit` hook is to look at what will be committed.
    fn runs_pre_commit(&self) -> bool {
        false
    }

    /// True when the version that is active is verified although there is nothing to do.
    fn verifies_active(&self) -> bool {
        false
    }

    /// Makes durable what must be, before the operation is.
    ///
    /// # Errors
    /// When it cannot be: then nothing is begun.
    fn before(&self, _site: &RepoSite, _draft: &Draft) -> Result<(), Failure> {
        Ok(())
    }

    /// The operation was not begun after all.
    fn not_begun(&self, _site: &RepoSite) {}

    /// The operation has ended. Returns what its report is to say of that.
    ///
    /// # Errors
    /// When what follows from the end cannot be made durable.
    fn ended(&self, _site: &RepoSite, _report: &Report) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}

/// The one who carries changes out at a site.
pub struct Operator<'a> {
    site: &'a RepoSite,
}

impl<'a> Operator<'a> {
    /// The one at this site.
    pub fn new(site: &'a RepoSite) -> Self {
        Self { site }
    }

    /// What a change would do. Reads only.
    ///
    /// # Errors
    /// When it cannot be done, or may not.
    pub fn plan(&self, change: &dyn Change) -> Result<Plan, Failure> {
        self.draft(change).map(|draft| draft.plan)
    }

    /// The same of a change that is likely to be executed: files that the store is to keep are
    /// read into it, where nobody sees them before the operation is written.
    ///
    /// # Errors
    /// When it cannot be done, or may not.
    pub fn plan_to_execute(&self, change: &dyn Change) -> Result<Plan, Failure> {
        Operator::new(&self.site.taking_in()).plan(change)
    }
}
