//! Takes a change to its report: described, shown, made durable, begun, run.
//!
//! Everything before [`Runner::begin`](crate::journal::Runner::begin) makes no visible change; from
//! there on the journal records the progress.

use std::time::Instant;

use super::{Change, Direction, Error, Operator, action, action_on, prune};
use crate::{
    base::{Failure, RelPath, cancel, fs::create_dir_all, text},
    deps::facts,
    draft::{self, Draft, write::WrittenDraft},
    journal::{self, history},
    model::{Event, OpId, Operation, Plan, Report, audit::AuditedAction},
    site::RepoSite,
    steps::files,
    verdict::{self, refs},
};

impl Operator<'_> {
    /// Executes a change. The plan is made once, under the lock, and passed to `see` before
    /// execution; an error from `see` stops everything.
    ///
    /// # Errors
    /// Errors before the operation's intent is written change nothing. An operation that fails
    /// later is reversed, and the report says so; if that fails too, it is stuck.
    pub fn execute(
        &self,
        change: &dyn Change,
        see: impl FnOnce(&Plan) -> Result<(), Failure>,
    ) -> Result<Report, Failure> {
        let begun = Instant::now();
        let _lock = self.site.lock()?;
        self.refuse_unfinished()?;
        let site = self.site.taking_in();
        let done = Operator::new(&site).execute_locked(change, begun, see);
        site.drop_intake();
        done
    }

    /// Executes a change under the lock.
    fn execute_locked(
        &self,
        change: &dyn Change,
        begun: Instant,
        see: impl FnOnce(&Plan) -> Result<(), Failure>,
    ) -> Result<Report, Failure> {
        let mut draft = self.draft(change)?;
        see(&draft.plan)?;
        self.check_doable(&draft)?;
        if change.runs_pre_commit() && !draft.plan.nothing_to_do {
            draft = self.run_pre_commit(change, draft)?;
        }
        if draft.plan.nothing_to_do {
            return self.nothing_done(change, &draft, begun);
        }
        let (what, why) = (action_of(&draft.plan), draft.message.clone());
        change.before(self.site, &draft)?;
        let not_begun = |failure: &Failure| {
            change.not_begun(self.site);
            self.note_failed(what.clone(), &why, failure);
        };
        let (written, tag) = self.write(change, draft).inspect_err(not_begun)?;
        let mut report = self.run(&not_begun, &written, tag, begun)?;
        if let Some(note) = change.ended(self.site, &report)? {
            report.notes.push(note);
            self.keep_report(&report);
        }
        Ok(report)
    }

    /// Makes durable what the operation needs.
    fn write(
        &self,
        change: &dyn Change,
        draft: Draft,
    ) -> Result<(WrittenDraft, Option<String>), Failure> {
        cancel::check()?;
        let id = history::next_id(&*self.site.state)?;
        // From here on the journal records every change.
        self.site.sink.take(Event::Began { op: id.clone() });
        let mut written = draft::write::write(self.site, id, draft, |operation| {
            self.add_proof(operation)?;
            verdict::join_publication(self.site, operation)
        })?;
        written.operation.on_verify_fail = change.on_verify_fail(&self.site.settings);
        // The written plan must be one that can be resumed, reversed and undone.
        debug_assert_eq!(
            self.check_planned(&written.operation, Direction::Forward)
                .map_err(|failure| failure.to_string()),
            Ok(())
        );
        cancel::check()?;
        let tag = written.operation.tag();
        Ok((written, tag))
    }

    /// Drafts a change and checks that it can be made.
    pub(super) fn draft(&self, change: &dyn Change) -> Result<Draft, Failure> {
        let mut draft = change.draft(self.site)?;
        self.check_draft(&mut draft, change.on_verify_fail(&self.site.settings))?;
        Ok(draft)
    }

    /// Runs the user's `pre-commit` hook on what will be committed. The hook may change files, so
    /// the draft is made again afterwards.
    fn run_pre_commit(&self, change: &dyn Change, draft: Draft) -> Result<Draft, Failure> {
        if !self.site.git.has_hook("pre-commit") {
            return Ok(draft);
        }
        draft::write::write_blobs(self.site, &draft)?;
        self.site.git.run_pre_commit(&draft.index)?;
        self.draft(change)
    }

    /// Refuses while an operation is unfinished; removes leftovers of one that never began.
    pub(super) fn refuse_unfinished(&self) -> Result<(), Failure> {
        let state = &self.site.state;
        create_dir_all(&**state, &RelPath::own("ops"), 0o700)
            .map_err(|source| self.site.state_error(source))?;
        self.sweep()?;
        match history::unfinished(state)? {
            Some(found) if found.lost_only_its_end() => self.write_end_again(found)?,
            Some(found) => {
                return Err(journal::Error::Unfinished(found.operation.about.id).into());
            }
            None => {}
        }
        self.write_missing_line()?;
        self.site.git.release_packs()?;
        self.refuse_foreign_stage()
    }

    /// Removes leftovers of killed commands. Call only under the lock.
    ///
    /// # Errors
    /// Fails when one cannot be removed.
    pub fn sweep(&self) -> Result<(), Failure> {
        facts::sweep(&*self.site.state);
        refs::sweep(&self.site.git);
        // Even if the sweep fails, report an unfinished operation.
        self.sweep_begun().inspect_err(|_| {
            if let Ok(Some(found)) = history::unfinished(&self.site.state) {
                self.site.sink.take(Event::Began {
                    op: found.operation.about.id,
                });
            }
        })
    }

    /// Removes leftovers of operations that never began.
    fn sweep_begun(&self) -> Result<(), Failure> {
        for (op, plan) in history::unbegun(&*self.site.state)? {
            self.set_aside(&op, plan.as_ref())?;
        }
        history::sweep(&*self.site.state)?;
        // Leftovers of a pruning are in nobody's way.
        let _ = prune::finish(self.site);
        // Where that cannot be read, everything stays.
        let Ok(open) = history::unfinished(&self.site.state) else {
            return Ok(());
        };
        let open = open.map(|found| found.operation.about.id);
        let name = open.as_ref().map(ToString::to_string);
        self.site.git.sweep_packs(name.as_deref())?;
        files::sweep(&*self.site.tree, |op| open.as_ref() == Some(op))
    }

    /// Saves what a journal that was cut short may hide.
    fn set_aside(&self, op: &OpId, plan: Option<&Operation>) -> Result<(), Failure> {
        let (tree, state) = (&*self.site.tree, &*self.site.state);
        let moved = files::set_aside((tree, state), op, plan)?;
        if moved > 0 {
            let folder = self.site.state_path.join(files::ASIDE);
            self.site.warn(format!(
                "the journal of operation {} is cut short: {} that it had in {} may be the only \
                 copy of somebody's work, and was moved to {}",
                op.short(),
                text::count(moved, "file"),
                files::STAGE,
                folder.display()
            ));
        }
        Ok(())
    }

    /// No operation is unfinished, so a file with the staging folder's name is the user's, and
    /// changing files would empty it.
    fn refuse_foreign_stage(&self) -> Result<(), Failure> {
        if files::is_taken(&*self.site.tree, &RelPath::root())? {
            Err(Error::StageTaken(RelPath::own(files::STAGE)).into())
        } else {
            Ok(())
        }
    }
}

/// Refuses a plan that differs from the one shown.
///
/// # Errors
/// Fails when they differ.
pub fn same(plan: &Plan, shown: Option<&Plan>) -> Result<(), Failure> {
    if shown.is_some_and(|shown| shown != plan) {
        Err(Error::PlanOutOfDate.into())
    } else {
        Ok(())
    }
}

/// Refuses an operation of another work tree, whose files are not here.
///
/// # Errors
/// Fails when it belongs to another one.
pub fn refuse_other_work_tree(site: &RepoSite, operation: &Operation) -> Result<(), Error> {
    if operation.about.worktree == site.git.work_tree().to_string_lossy() {
        Ok(())
    } else {
        Err(Error::OtherWorkTree(operation.about.worktree.clone()))
    }
}

/// Returns the action that a plan describes.
fn action_of(plan: &Plan) -> AuditedAction {
    let kind = plan.kind.word();
    if plan.kind.is_of_no_task() {
        action(kind)
    } else {
        action_on(kind, &plan.task, plan.from.as_ref(), plan.to.as_ref())
    }
}
