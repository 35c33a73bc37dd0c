//! What each kind of request would do, as a draft; reads only.

use std::cell::RefCell;

use super::App;
use crate::{
    base::Failure,
    catalog::tasks,
    draft::Draft,
    model::{
        Report, Request, Settings,
        confirm::Pending,
        operation::OpKind,
        request::{CreateSnapshot, Undo},
        settings::OnVerifyFail,
    },
    operate::Change,
    release,
    rollback::Reversal,
    site::RepoSite,
    verdict,
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
            Request::Rollback(wanted) => Change::draft(wanted, &self.site),
            Request::Undo(wanted) => reversal(wanted, OpKind::Undo).draft(&self.site),
            Request::Redo(wanted) => reversal(wanted, OpKind::Redo).draft(&self.site),
            Request::Adopt(wanted) => self.draft_of_adoption(wanted),
            Request::SyncRegistry(wanted) => self.draft_of_sync(wanted),
            Request::Init(files) => self.draft_of_init(files),
            Request::RestoreKept(wanted) => wanted.draft(&self.site),
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
}

/// The inverse of an operation, as a change.
fn reversal(wanted: &Undo, kind: OpKind) -> Reversal<'_> {
    Reversal { wanted, kind }
}
