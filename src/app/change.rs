//! Plan and apply: everything that changes the world goes through [`App::apply`].
//!
//! [`describe`] says what a request would do, [`execute`] runs what is written down,
//! [`verification`] checks it on the way, and [`reports`] says how it ended.

mod describe;
mod execute;
mod reports;
mod verification;

use std::time::Instant;

use super::{App, Error, audit, planned_names::Goes};
use crate::{
    base::{Failure, RelPath, fs::create_dir_all},
    deps::facts,
    draft::{self, Draft, write::Written},
    journal::{self, Log, history},
    model::{Event, Operation, Plan, Report, Request, audit::Deed, settings::OnVerifyFail},
    steps::files,
    verdict::{self, refs},
};

pub(super) use execute::Execution;
pub(super) use verification::leave_packages;

impl App {
    /// What a request would do. Reads only.
    pub fn plan(&self, request: &Request) -> Result<Plan, Failure> {
        self.draft(request).map(|draft| draft.plan)
    }

    /// Does what is asked for. With the plan that was shown, it is done only if it is still what
    /// would be done.
    ///
    /// # Errors
    /// Every error before the operation's intent is written changes nothing. An operation that
    /// fails afterwards is taken back, and the report says so; when that fails too, it is stuck.
    pub fn apply(&self, request: &Request, shown: Option<&Plan>) -> Result<Report, Failure> {
        let same = |plan: &Plan| {
            if shown.is_some_and(|shown| shown != plan) {
                Err(Error::PlanOutOfDate.into())
            } else {
                Ok(())
            }
        };
        self.apply_seen(request, same)
    }

    /// Does what is asked for, with a plan that is made once, under the lock, and shown to `see`
    /// just before; an error from it stops everything. For callers that need not wait for a person.
    ///
    /// # Errors
    /// Those of [`App::apply`].
    pub fn apply_seen(
        &self,
        request: &Request,
        see: impl FnOnce(&Plan) -> Result<(), Failure>,
    ) -> Result<Report, Failure> {
        self.calling(self.apply_quietly(request, see))
    }

    /// The same for those who call people themselves.
    pub(super) fn apply_quietly(
        &self,
        request: &Request,
        see: impl FnOnce(&Plan) -> Result<(), Failure>,
    ) -> Result<Report, Failure> {
        let begun = Instant::now();
        let _lock = self.lock()?;
        self.refuse_unfinished()?;
        let mut draft = self.draft(request)?;
        see(&draft.plan)?;
        self.check_doable(&draft)?;
        if let Request::CreateSnapshot(wanted) = request
            && wanted.run_hooks
            && !draft.plan.nothing_to_do
        {
            draft = self.run_hook(request, draft)?;
        }
        if draft.plan.nothing_to_do {
            return self.nothing_done(request, &draft, begun);
        }
        let what = deed_of(&draft.plan);
        let why = draft.message.clone();
        let waits = self.arm(request, &draft)?;
        let (log, written, tag) = self.begin(request, draft).inspect_err(|failure| {
            self.disarm(waits.as_ref());
            self.note_failed(what, &why, failure);
        })?;
        let mut report = self.run(log, &written, tag, begun)?;
        self.run_out(waits, &mut report)?;
        Ok(report)
    }

    /// Makes durable what the operation needs, and writes its intent down.
    fn begin(
        &self,
        request: &Request,
        draft: Draft,
    ) -> Result<(Log, Written, Option<String>), Failure> {
        crate::base::cancel::check()?;
        let id = history::next_id(&*self.site.state)?;
        // From here on what was changed is known from the journal, however far it comes.
        self.site.sink.take(Event::Began { op: id.clone() });
        let tag = draft
            .commit
            .as_ref()
            .and_then(|commit| commit.tag.as_ref())
            .map(|(name, _)| name.to_string());
        let mut written = draft::write::write(&self.site, id, draft, |operation| {
            verdict::join_publication(&self.site, operation)
        })?;
        written.operation.on_verify_fail = self.on_verify_fail(request);
        // What is written down must be what can be carried on, taken back and undone.
        debug_assert_eq!(
            self.check_planned(&written.operation, Goes::Forward)
                .map_err(|failure| failure.to_string()),
            Ok(())
        );
        crate::base::cancel::check()?;
        Ok((
            Log::begin(self.site.state.clone(), &written.operation)?,
            written,
            tag,
        ))
    }

    /// Describes what a request would do; the folders it would change can be written to.
    fn draft(&self, request: &Request) -> Result<Draft, Failure> {
        let mut draft = self.describe(request)?;
        self.check_draft(&mut draft, self.on_verify_fail(request))?;
        Ok(draft)
    }

    /// Lets the user's `pre-commit` hook look at what will be committed. It may change files, so
    /// the draft is made again after it.
    fn run_hook(&self, request: &Request, draft: Draft) -> Result<Draft, Failure> {
        if !self.site.git.has_hook("pre-commit") {
            return Ok(draft);
        }
        draft::write::write_blobs(&self.site, &draft)?;
        self.site.git.run_pre_commit(&draft.index)?;
        self.draft(request)
    }

    /// An unfinished operation must be dealt with first; leftovers of one that never began go.
    pub(super) fn refuse_unfinished(&self) -> Result<(), Failure> {
        let state = &self.site.state;
        create_dir_all(&**state, &RelPath::own("ops"), 0o700).map_err(|source| Error::State {
            path: self.state_path.clone(),
            source,
        })?;
        self.sweep()?;
        match history::unfinished(state)? {
            Some(found) => Err(journal::Error::Unfinished(found.operation.about.id).into()),
            None => {
                self.pay_owed_line()?;
                self.site.git.release_packs()?;
                self.refuse_strangers_stage()
            }
        }
    }

    /// Removes what commands that were killed left half-made. Only under the lock.
    pub(super) fn sweep(&self) -> Result<(), Failure> {
        facts::sweep(&*self.site.state);
        refs::sweep(&self.site.git);
        self.site.git.sweep_packs()?;
        // When not even that works, one that is open is still to be told of.
        Ok(history::sweep(&*self.site.state).inspect_err(|_| {
            if let Ok(Some(found)) = history::unfinished(&self.site.state) {
                self.site.sink.take(Event::Began {
                    op: found.operation.about.id,
                });
            }
        })?)
    }

    /// No operation is unfinished, so what has the name of the staging folder is the user's: a
    /// change of files would empty it.
    fn refuse_strangers_stage(&self) -> Result<(), Failure> {
        let stage = RelPath::own(files::STAGE);
        match crate::catalog::capture::stat(&*self.site.tree, &stage)? {
            None => Ok(()),
            Some(_) => Err(Error::StageTaken(stage).into()),
        }
    }

    /// Undo of what was done in another work tree would change the wrong files.
    pub(super) fn refuse_other_work_tree(&self, operation: &Operation) -> Result<(), Error> {
        let here = self.work_tree().to_string_lossy();
        if operation.about.worktree == here {
            Ok(())
        } else {
            Err(Error::OtherWorkTree(operation.about.worktree.clone()))
        }
    }

    /// What happens when level 3 or 4 fails: the request's word, else that of the settings.
    fn on_verify_fail(&self, request: &Request) -> OnVerifyFail {
        match request {
            Request::Rollback(wanted) => wanted
                .on_verify_fail
                .unwrap_or(self.site.settings.rollback.on_verify_fail),
            _ => OnVerifyFail::Undo,
        }
    }
}

/// The deed that a plan describes.
fn deed_of(plan: &Plan) -> Deed {
    let kind = plan.kind.word();
    if plan.kind.is_of_no_task() {
        audit::deed(kind)
    } else {
        audit::deed_on(kind, &plan.task, plan.from.as_ref(), plan.to.as_ref())
    }
}

/// Milliseconds since a moment.
pub(super) fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
