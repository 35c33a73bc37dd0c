//! What each kind of request would do, as a draft; reads only.

use crate::operate::Change;

use crate::model::confirm::Pending;

use crate::operate::execute::refuse_other_work_tree;

use crate::model::Report;

use crate::operate::Operator;

use crate::operate::Direction;

use crate::model::Settings;

use crate::model::settings::OnVerifyFail;

use crate::site::RepoSite;

use std::cell::RefCell;

use super::{App, Error};
use crate::{
    base::Failure,
    catalog::tasks,
    draft::Draft,
    model::{
        Request,
        operation::OpKind,
        request::{CreateSnapshot, Rollback, Undo},
    },
    release, rollback, verdict,
};

/// A request, as a change that can be carried out.
pub(super) struct Asked<'a> {
    app: &'a App,
    request: &'a Request,
    waits: RefCell<Option<Pending>>,
}

impl Change for Asked<'_> {
    fn draft(&self, _site: &RepoSite) -> Result<Draft, Failure> {
        self.app.describe(self.request)
    }

    fn on_verify_fail(&self, settings: &Settings) -> OnVerifyFail {
        match self.request {
            Request::Rollback(wanted) => wanted.on_verify_fail.unwrap_or(settings.on_verify_fail),
            _ => OnVerifyFail::Undo,
        }
    }

    fn runs_pre_commit(&self) -> bool {
        matches!(self.request, Request::CreateSnapshot(wanted) if wanted.run_hooks)
    }

    fn verifies_active(&self) -> bool {
        matches!(self.request, Request::Rollback(_))
    }

    fn before(&self, _site: &RepoSite, draft: &Draft) -> Result<(), Failure> {
        *self.waits.borrow_mut() = self.app.arm(self.request, draft)?;
        Ok(())
    }

    fn not_begun(&self, _site: &RepoSite) {
        self.app.disarm(self.waits.borrow().as_ref());
    }

    fn ended(&self, _site: &RepoSite, report: &Report) -> Result<Option<String>, Failure> {
        self.app.run_out(self.waits.take(), report)
    }
}

impl App {
    /// A request as a change.
    pub(super) fn change<'a>(&'a self, request: &'a Request) -> Asked<'a> {
        Asked {
            app: self,
            request,
            waits: RefCell::default(),
        }
    }

    /// Describes what a request would do.
    fn describe(&self, request: &Request) -> Result<Draft, Failure> {
        if matches!(
            request,
            Request::CreateSnapshot(_)
                | Request::Adopt(_)
                | Request::SyncRegistry(_)
                | Request::Init(_)
        ) {
            self.refuse_flaws()?;
        }
        match request {
            Request::CreateSnapshot(wanted) => self.draft_of_release(wanted),
            Request::Rollback(wanted) => self.draft_of_rollback(wanted),
            Request::Undo(wanted) => self.draft_of_undo(wanted, OpKind::Undo),
            Request::Redo(wanted) => self.draft_of_undo(wanted, OpKind::Redo),
            Request::Adopt(wanted) => self.draft_of_adoption(wanted),
            Request::SyncRegistry(wanted) => self.draft_of_sync(wanted),
            Request::Init(files) => self.draft_of_init(files),
            Request::RestoreKept(wanted) => self.draft_of_restore(wanted),
        }
    }

    /// Describes a release, and notes a way back that the task has and that is broken.
    fn draft_of_release(&self, wanted: &CreateSnapshot) -> Result<Draft, Failure> {
        let spec = tasks::spec(&self.site, &wanted.task)?;
        let mut draft = release::draft(
            &self.site,
            spec,
            &tasks::releases_of(&self.site, &wanted.task)?,
            &verdict::standings_of(&self.site, &wanted.task)?,
            wanted,
        )?;
        if let Some(version) = draft.plan.to.clone().filter(|_| !draft.plan.nothing_to_do) {
            draft
                .plan
                .notes
                .extend(self.broken_way_back(spec, &version)?);
        }
        Ok(draft)
    }

    /// Describes a rollback, and notes who judged its target in another clone.
    fn draft_of_rollback(&self, wanted: &Rollback) -> Result<Draft, Failure> {
        let (releases, judged) = (
            tasks::releases_of(&self.site, &wanted.task)?,
            verdict::summary(&self.site, Some(&wanted.task))?,
        );
        let mut draft = rollback::draft(
            &self.site,
            tasks::spec(&self.site, &wanted.task)?,
            &releases,
            &judged.standings,
            wanted,
        )?;
        let to = draft.plan.to.as_ref();
        if let Some((to, who)) = to.and_then(|to| Some((to, judged.by(&wanted.task, to)?))) {
            let word = rollback::standing_of(&judged.standings, &wanted.task, to).word();
            draft.plan.notes.push(format!(
                "{to} is {word} by the word of {who}, from another clone"
            ));
        }
        Ok(draft)
    }

    /// Describes an undo or a redo of an operation that was done in this work tree.
    fn draft_of_undo(&self, wanted: &Undo, kind: OpKind) -> Result<Draft, Failure> {
        let operation = rollback::undo::find(&self.site, wanted, kind)?;
        let (place, op) = (operation.about.worktree.clone(), operation.about.id.short());
        refuse_other_work_tree(&self.site, &operation).map_err(|_| Error::DoneElsewhere {
            place,
            op,
            word: kind.word(),
        })?;
        Operator::new(&self.site).check_planned(&operation, Direction::Over)?;
        let task = tasks::spec(&self.site, rollback::undo::task_of(&operation)?)?;
        let mut draft = rollback::undo::draft(&self.site, task, &operation, kind)?;
        draft.sign_as(&wanted.signing);
        Ok(draft)
    }
}
