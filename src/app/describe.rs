//! What each kind of request would do, as a draft; reads only.

use std::cell::RefCell;

use super::App;
use crate::{
    base::Failure,
    config,
    draft::Draft,
    model::{
        Report, Request, Settings,
        confirm::Pending,
        operation::OpKind,
        request::{Adopt, Undo},
        settings::OnVerifyFail,
    },
    operate::Change,
    release::adopt::AdoptTags,
    rollback::Reversal,
    setup::FirstFiles,
    site::RepoSite,
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
            Request::Rollback(wanted) => Change::on_verify_fail(wanted, settings),
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
        match request {
            Request::CreateSnapshot(wanted) => wanted.draft(&self.site),
            Request::Rollback(wanted) => wanted.draft(&self.site),
            Request::Undo(wanted) => reversal(wanted, OpKind::Undo).draft(&self.site),
            Request::Redo(wanted) => reversal(wanted, OpKind::Redo).draft(&self.site),
            Request::Adopt(wanted) => adoption(wanted).draft(&self.site),
            Request::SyncRegistry(wanted) => wanted.draft(&self.site),
            Request::Init(files) => FirstFiles(files).draft(&self.site),
            Request::RestoreKept(wanted) => wanted.draft(&self.site),
        }
    }
}

/// An adoption, as a change.
pub(super) fn adoption(wanted: &Adopt) -> AdoptTags<'_> {
    AdoptTags {
        wanted,
        settings_of: config::settings_of,
    }
}

/// The inverse of an operation, as a change.
fn reversal(wanted: &Undo, kind: OpKind) -> Reversal<'_> {
    Reversal { wanted, kind }
}
