//! Requests carried out; operations listed, shown, finished and taken back.

use super::App;
use crate::{
    base::Failure,
    model::{
        Operation, Plan, Report, Request,
        audit::{AuditCheck, Entry},
        overview::OperationLine,
    },
    operate::{self, Operator, audit_check, operations},
    requests,
};

impl App {
    /// What a request would do. Reads only.
    pub fn plan(&self, request: &Request) -> Result<Plan, Failure> {
        requests::plan(&self.site, request)
    }

    /// The same of a request that is likely to be carried out: what has to be read of large files
    /// is kept, where nobody sees it before it is.
    ///
    /// # Errors
    /// When it cannot be done, or may not.
    pub fn plan_to_apply(&self, request: &Request) -> Result<Plan, Failure> {
        requests::plan_to_carry_out(&self.site, request)
    }

    /// Does what is asked for. With the plan that was shown, it is done only if it is still what
    /// would be done.
    ///
    /// # Errors
    /// Those of [`Operator::execute`].
    pub fn apply(&self, request: &Request, shown: Option<&Plan>) -> Result<Report, Failure> {
        self.apply_seen(request, |plan| operate::execute::same(plan, shown))
    }

    /// Does what is asked for, with a plan that is made once, under the lock, and shown to `see`
    /// just before; an error from it stops everything. For callers that need not wait for a person.
    ///
    /// # Errors
    /// Those of [`Operator::execute`].
    pub fn apply_seen(
        &self,
        request: &Request,
        see: impl FnOnce(&Plan) -> Result<(), Failure>,
    ) -> Result<Report, Failure> {
        requests::carry_out(&self.site, request, see)
    }

    /// All operations, newest first.
    pub fn operations(&self) -> Result<Vec<OperationLine>, Failure> {
        operations::all(&self.site)
    }

    /// One operation by its id, short id or a prefix: its line, plan and report.
    pub fn operation(
        &self,
        text: &str,
    ) -> Result<(OperationLine, Operation, Option<Report>), Failure> {
        operations::one(&self.site, text)
    }

    /// What is wrong with the reports that were kept, one line each.
    ///
    /// # Errors
    /// When the operations cannot be listed.
    pub fn damaged_reports(&self) -> Result<Vec<String>, Failure> {
        operations::damaged_reports(&self.site)
    }

    /// The operation that did not finish, if there is one.
    pub fn unfinished(&self) -> Result<Option<OperationLine>, Failure> {
        operations::unfinished(&self.site)
    }

    /// Finishes the unfinished operation.
    pub fn resume(&self) -> Result<Report, Failure> {
        requests::resume(&self.site)
    }

    /// Takes the unfinished operation back. One that was published already is finished instead,
    /// and that is an error which says so.
    pub fn abort(&self) -> Result<Report, Failure> {
        requests::abort(&self.site)
    }

    /// The unfinished operation and whether finishing it, or taking it back, would end with it
    /// done. Reads only.
    ///
    /// # Errors
    /// When there is none, or it may not be brought to an end.
    pub fn end_of_unfinished(&self, forward: bool) -> Result<(OperationLine, bool), Failure> {
        Operator::new(&self.site).end_of_unfinished(forward)
    }

    /// The lines of the audit log, oldest first, and how many cannot be read.
    pub fn audit_entries(&self) -> Result<(Vec<Entry>, u64), Failure> {
        Ok(self.site.audit().entries()?)
    }

    /// Checks the audit log against itself, the tags and the journals.
    pub fn check_audit(&self) -> Result<AuditCheck, Failure> {
        audit_check::check(&self.site)
    }
}
