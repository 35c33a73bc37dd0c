//! Executes requests; lists, shows, completes and reverses operations.

use std::path::PathBuf;

use super::App;
use crate::{
    base::Failure,
    model::{
        Operation, Plan, Report, Request,
        audit::{AuditCheck, AuditEntry},
        overview::OperationLine,
        prune::{PruneReport, PruneRule},
    },
    operate::{self, Operator, audit_check, operations},
    requests,
};

impl App {
    /// Returns what a request would do. Reads only.
    pub fn plan(&self, request: &Request) -> Result<Plan, Failure> {
        requests::plan(&self.site, request)
    }

    /// Like [`App::plan`], for a request that will probably be carried out: large files that have
    /// to be read are stored already, invisible until then.
    ///
    /// # Errors
    /// Fails when the request is impossible or not allowed.
    pub fn plan_to_apply(&self, request: &Request) -> Result<Plan, Failure> {
        requests::plan_to_carry_out(&self.site, request)
    }

    /// Executes a request. If `shown` is given, it is executed only if the current plan is still
    /// the same.
    ///
    /// # Errors
    /// Fails as [`Operator::execute`] does.
    pub fn apply(&self, request: &Request, shown: Option<&Plan>) -> Result<Report, Failure> {
        self.apply_seen(request, |plan| operate::execute::same(plan, shown))
    }

    /// Executes a request with a plan that is made once, under the lock, and passed to `see` before
    /// execution; an error from `see` stops everything. For callers that do not wait for a person.
    ///
    /// # Errors
    /// Fails as [`Operator::execute`] does.
    pub fn apply_seen(
        &self,
        request: &Request,
        see: impl FnOnce(&Plan) -> Result<(), Failure>,
    ) -> Result<Report, Failure> {
        requests::carry_out(&self.site, request, see)
    }

    /// Returns all operations, newest first.
    pub fn operations(&self) -> Result<Vec<OperationLine>, Failure> {
        operations::all(&self.site)
    }

    /// Finds an operation by its id, short id or a prefix; returns its line, plan and report.
    pub fn operation(
        &self,
        text: &str,
    ) -> Result<(OperationLine, Operation, Option<Report>), Failure> {
        operations::one(&self.site, text)
    }

    /// Returns what a rule lets go of old operations, and why the others stay. Reads only.
    ///
    /// # Errors
    /// Fails when the operations cannot be read.
    pub fn plan_prune(&self, rule: &PruneRule) -> Result<PruneReport, Failure> {
        operate::prune::plan(&self.site, rule, &self.pending()?)
    }

    /// Prunes what a rule lets go of old operations, if that is what was shown.
    ///
    /// # Errors
    /// Fails when something else would go, an operation is unfinished, or something cannot be
    /// removed.
    pub fn prune(&self, rule: &PruneRule, shown: &PruneReport) -> Result<PruneReport, Failure> {
        operate::prune::prune(&self.site, rule, &self.pending()?, shown)
    }

    /// Returns where the record of pruned operations is.
    pub fn history_places(&self) -> Vec<PathBuf> {
        self.site.history_places()
    }

    /// Returns the problems of stored reports, one line each.
    ///
    /// # Errors
    /// Fails when the operations cannot be listed.
    pub fn damaged_reports(&self) -> Result<Vec<String>, Failure> {
        operations::damaged_reports(&self.site)
    }

    /// Returns the unfinished operation, if there is one.
    pub fn unfinished(&self) -> Result<Option<OperationLine>, Failure> {
        operations::unfinished(&self.site)
    }

    /// Completes the unfinished operation.
    pub fn resume(&self) -> Result<Report, Failure> {
        requests::resume(&self.site)
    }

    /// Reverses the unfinished operation. If it is already published, it is completed instead, and
    /// the error says so.
    pub fn abort(&self) -> Result<Report, Failure> {
        requests::abort(&self.site)
    }

    /// Returns the unfinished operation and whether completing it (`forward`), or reversing it,
    /// would end with it done. Reads only.
    ///
    /// # Errors
    /// Fails when there is none, or it may not be ended.
    pub fn end_of_unfinished(&self, forward: bool) -> Result<(OperationLine, bool), Failure> {
        Operator::new(&self.site).end_of_unfinished(forward)
    }

    /// Returns the entries of the audit log, oldest first, and the number of unreadable lines.
    pub fn audit_entries(&self) -> Result<(Vec<AuditEntry>, u64), Failure> {
        Ok(self.site.audit().entries()?)
    }

    /// Checks the audit log for consistency with itself, the tags and the journals.
    pub fn check_audit(&self) -> Result<AuditCheck, Failure> {
        audit_check::check(&self.site)
    }
}
