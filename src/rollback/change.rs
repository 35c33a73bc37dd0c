//! Rollbacks and their inverses as changes for the operator.

use super::{Error, undo};
use crate::{
    base::Failure,
    catalog::tasks,
    draft::Draft,
    model::{Settings, operation::OpKind, request, settings::OnVerifyFail},
    operate::{Change, Direction, Operator, execute::refuse_other_work_tree},
    site::RepoSite,
    verdict,
};

impl Change for request::RollbackRequest {
    /// Describes the rollback, and notes who judged its target in another clone.
    fn draft(&self, site: &RepoSite) -> Result<Draft, Failure> {
        let spec = tasks::spec(site, &self.task)?;
        let releases = tasks::releases_of(site, &self.task)?;
        let said = verdict::summary(site, Some(&self.task))?;
        let mut draft = super::draft(site, spec, &releases, &said.standings, self)?;
        let to = draft.plan.to.as_ref();
        if let Some((to, who)) = to.and_then(|to| Some((to, said.by(&self.task, to)?))) {
            let word = verdict::standing_of(&said.standings, &self.task, to).word();
            draft.plan.notes.push(format!(
                "{to} is {word} by the word of {who}, from another clone"
            ));
        }
        Ok(draft)
    }

    fn on_verify_fail(&self, settings: &Settings) -> OnVerifyFail {
        self.on_verify_fail
            .unwrap_or(settings.rollback.on_verify_fail)
    }

    fn verifies_active(&self) -> bool {
        true
    }
}

/// A requested inverse of an operation.
pub struct Reversal<'a> {
    /// The request.
    pub wanted: &'a request::Undo,
    /// An undo, or the redo of one.
    pub kind: OpKind,
}

impl Change for Reversal<'_> {
    /// Describes the inverse of an operation that was done in this work tree.
    fn draft(&self, site: &RepoSite) -> Result<Draft, Failure> {
        let operation = undo::find(site, self.wanted, self.kind)?;
        let (place, op) = (operation.about.worktree.clone(), operation.about.id.short());
        refuse_other_work_tree(site, &operation).map_err(|_| Error::DoneElsewhere {
            place,
            op,
            kind: self.kind,
        })?;
        Operator::new(site).check_planned(&operation, Direction::Over)?;
        let task = tasks::spec(site, undo::task_of(&operation)?)?;
        let mut draft = undo::draft(site, task, &operation, self.kind)?;
        draft.sign_as(&self.wanted.signing);
        Ok(draft)
    }
}
