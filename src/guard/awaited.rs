//! A change that rolls back, and is taken back by itself unless a person confirms it.
//!
//! The waiting is recorded durably before the rollback begins. The record is removed when the
//! rollback does not begin after all, or is put back. Otherwise the time runs from its end.

use std::{cell::RefCell, time::Duration};

use super::{Error, confirm::Confirmations};
use crate::{
    base::{Failure, clock::millis},
    draft::Draft,
    journal::history,
    model::{
        Advice, OpId, Plan, Report, Settings,
        confirm::{AwaitingConfirmation, CONFIRM_SCHEMA},
        report::Outcome,
        request::RollbackRequest,
        settings::OnVerifyFail,
    },
    operate::Change,
    site::RepoSite,
};

/// A rollback that is to be confirmed.
pub struct AwaitedRollback<'a> {
    wanted: &'a RollbackRequest,
    within: Duration,
    pending: RefCell<Option<AwaitingConfirmation>>,
}

impl<'a> AwaitedRollback<'a> {
    /// Returns a rollback that is taken back by itself after the given time.
    pub fn new(wanted: &'a RollbackRequest, within: Duration) -> Self {
        Self {
            wanted,
            within,
            pending: RefCell::default(),
        }
    }

    /// Returns the record of the waiting, as it is before the rollback begins.
    fn pending(&self, site: &RepoSite, plan: &Plan) -> Result<AwaitingConfirmation, Failure> {
        Ok(AwaitingConfirmation {
            schema: CONFIRM_SCHEMA.into(),
            task: self.wanted.task.clone(),
            from: plan.from.clone(),
            to: plan.to.clone(),
            within_ms: millis(self.within),
            since: site.clock.moment(),
            after: history::ids(&*site.state)?.last().map_or(0, OpId::counter),
            op: None,
            worktree: site.git.work_tree().to_string_lossy().into_owned(),
            attempts: 0,
            failed: None,
        })
    }
}

impl Change for AwaitedRollback<'_> {
    fn draft(&self, site: &RepoSite) -> Result<Draft, Failure> {
        self.wanted.draft(site)
    }

    fn on_verify_fail(&self, settings: &Settings) -> OnVerifyFail {
        Change::on_verify_fail(self.wanted, settings)
    }

    fn verifies_active(&self) -> bool {
        self.wanted.verifies_active()
    }

    fn before(&self, site: &RepoSite, draft: &Draft) -> Result<(), Failure> {
        let records = Confirmations::new(site.state.clone());
        if records.load(&self.wanted.task)?.is_some() {
            return Err(Error::Waits(self.wanted.task.clone()).into());
        }
        let pending = self.pending(site, &draft.plan)?;
        records.save(&pending)?;
        self.pending.replace(Some(pending));
        Ok(())
    }

    fn not_begun(&self, site: &RepoSite) {
        let records = Confirmations::new(site.state.clone());
        if self.pending.take().is_some()
            && let Err(error) = records.remove(&self.wanted.task)
        {
            site.warn(Failure::from(error).to_string());
        }
    }

    fn ended(&self, site: &RepoSite, report: &Report) -> Result<Option<String>, Failure> {
        if report.outcome == Outcome::Undone {
            self.not_begun(site);
            return Ok(None);
        }
        let Some(pending) = self.pending.take() else {
            return Ok(None);
        };
        let pending = AwaitingConfirmation {
            op: report.op.clone(),
            since: site.clock.moment(),
            ..pending
        };
        Confirmations::new(site.state.clone()).save(&pending)?;
        Ok(Some(format!(
            "goes back by itself in {:?} unless somebody runs: {}",
            pending.within(),
            site.spelled(&Advice::Confirm { task: pending.task })
        )))
    }
}
