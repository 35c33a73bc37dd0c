//! Plan and apply: everything that changes the world goes through [`App::apply`].

use std::{cell::RefCell, time::Instant};

use super::{App, Error, audit, planned_names::Goes, timed::Watch};
use crate::{
    audit::Once,
    base::{
        Failure, Kind, RelPath, SyncPoint,
        fs::{create_dir_all, write_durably},
    },
    deps::facts,
    draft::{self, Draft, write::Written},
    ground::Ground,
    journal::{self, Ended, Ending, Log, Runner, history},
    model::{
        Check, Event, Operation, Plan, Report, Request, Status, TaskSpec, Verification, Version,
        audit::Deed,
        operation::{OpKind, Step},
        report::Outcome,
        settings::OnVerifyFail,
    },
    release,
    rollback::{self, check},
    steps::{self, files, shared, verdicts, verify::What},
    verify::Checking,
};

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
        let id = history::next_id(&*self.ground.state)?;
        // From here on what was changed is known from the journal, however far it comes.
        self.ground.sink.take(Event::Began { op: id.clone() });
        let tag = draft
            .commit
            .as_ref()
            .and_then(|commit| commit.tag.as_ref())
            .map(|(name, _)| name.to_string());
        let mut written = draft::write::write(&self.ground, id, draft, |operation| {
            verdicts::join_publication(&self.ground, operation)
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
            Log::begin(self.ground.state.clone(), &written.operation)?,
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

    /// Describes what a request would do.
    fn describe(&self, request: &Request) -> Result<Draft, Failure> {
        let ground = &self.ground;
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
            Request::CreateSnapshot(wanted) => {
                let spec = self.spec(&wanted.task)?;
                let mut draft = release::draft(
                    ground,
                    spec,
                    &self.releases_for(&wanted.task)?,
                    &self.standings_of(&wanted.task)?,
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
            Request::Rollback(wanted) => {
                let (releases, judged) = (
                    self.releases_for(&wanted.task)?,
                    self.judged(Some(&wanted.task))?,
                );
                let mut draft = rollback::draft(
                    ground,
                    self.spec(&wanted.task)?,
                    &releases,
                    &judged.standings,
                    wanted,
                )?;
                let to = draft.plan.to.as_ref();
                if let Some((to, who)) = to.and_then(|to| Some((to, judged.by(&wanted.task, to)?)))
                {
                    let word = rollback::standing_of(&judged.standings, &wanted.task, to).word();
                    draft.plan.notes.push(format!(
                        "{to} is {word} by the word of {who}, from another clone"
                    ));
                }
                Ok(draft)
            }
            Request::Undo(wanted) | Request::Redo(wanted) => {
                let kind = if matches!(request, Request::Undo(_)) {
                    OpKind::Undo
                } else {
                    OpKind::Redo
                };
                let operation = rollback::undo::find(ground, wanted, kind)?;
                let (place, op) = (operation.about.worktree.clone(), operation.about.id.short());
                self.refuse_other_work_tree(&operation)
                    .map_err(|_| Error::DoneElsewhere {
                        place,
                        op,
                        word: kind.word(),
                    })?;
                self.check_planned(&operation, Goes::Over)?;
                let task = self.spec(rollback::undo::task_of(&operation)?)?;
                let mut draft = rollback::undo::draft(ground, task, &operation, kind)?;
                draft.sign_as(&wanted.signing);
                Ok(draft)
            }
            Request::Adopt(wanted) => self.draft_of_adoption(wanted),
            Request::SyncRegistry(wanted) => self.draft_of_sync(wanted),
            Request::Init(files) => self.draft_of_init(files),
            Request::RestoreKept(wanted) => self.draft_of_restore(wanted),
        }
    }

    /// Lets the user's `pre-commit` hook look at what will be committed. It may change files, so
    /// the draft is made again after it.
    fn run_hook(&self, request: &Request, draft: Draft) -> Result<Draft, Failure> {
        if !self.ground.git.has_hook("pre-commit") {
            return Ok(draft);
        }
        draft::write::write_blobs(&self.ground, &draft)?;
        self.ground.git.run_pre_commit(&draft.index)?;
        self.draft(request)
    }

    /// An unfinished operation must be dealt with first; leftovers of one that never began go.
    pub(super) fn refuse_unfinished(&self) -> Result<(), Failure> {
        let state = &self.ground.state;
        create_dir_all(&**state, &RelPath::own("ops"), 0o700).map_err(|source| Error::State {
            path: self.state_path.clone(),
            source,
        })?;
        self.sweep()?;
        match history::unfinished(state)? {
            Some(found) => Err(journal::Error::Unfinished(found.operation.about.id).into()),
            None => {
                self.pay_owed_line()?;
                self.ground.git.release_packs()?;
                self.refuse_strangers_stage()
            }
        }
    }

    /// Removes what commands that were killed left half-made. Only under the lock.
    pub(super) fn sweep(&self) -> Result<(), Failure> {
        facts::sweep(&*self.ground.state);
        shared::sweep(&self.ground.git);
        self.ground.git.sweep_packs()?;
        // When not even that works, one that is open is still to be told of.
        Ok(history::sweep(&*self.ground.state).inspect_err(|_| {
            if let Ok(Some(found)) = history::unfinished(&self.ground.state) {
                self.ground.sink.take(Event::Began {
                    op: found.operation.about.id,
                });
            }
        })?)
    }

    /// No operation is unfinished, so what has the name of the staging folder is the user's: a
    /// change of files would empty it.
    fn refuse_strangers_stage(&self) -> Result<(), Failure> {
        let stage = RelPath::own(files::STAGE);
        match crate::catalog::capture::stat(&*self.ground.tree, &stage)? {
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

    /// Runs a new operation and reports.
    fn run(
        &self,
        log: Log,
        written: &Written,
        tag: Option<String>,
        begun: Instant,
    ) -> Result<Report, Failure> {
        let operation = &written.operation;
        let mut report = self.empty_report(operation, begun);
        (report.commit, report.tag, report.saved_bytes) =
            (written.commit.clone(), tag, written.saved);
        self.run_steps((log, begun), operation, &mut report, None, |runner| {
            runner.run()
        })?;
        report.duration_ms = millis(begun);
        self.keep_report(&report);
        Ok(report)
    }

    /// Runs the steps of an operation in a direction, and fills in how it ended.
    pub(super) fn run_steps(
        &self,
        (log, begun): (Log, Instant),
        operation: &Operation,
        report: &mut Report,
        by: Option<&str>,
        direction: impl FnOnce(Runner<'_>) -> Result<Ended, Failure>,
    ) -> Result<(), Failure> {
        let task = operation
            .about
            .task
            .as_ref()
            .and_then(|id| self.ground.settings.task(id));
        let verification: RefCell<Option<Verification>> = RefCell::default();
        let verify = |what: What<'_>| self.verify_step(operation, task, what, &verification);
        let once = if log.records().len() > 1 {
            Once::PerhapsThere
        } else {
            Once::New
        };
        let witness = Box::new(|ending: Ending<'_>| self.witness(operation, by, once, ending));
        let watch = Watch::new(begun);
        let steps = steps::build(&self.ground, operation, task, Box::new(verify));
        let steps = steps.into_iter().map(|step| watch.around(step)).collect();
        let ended = direction(Runner::new(log, steps).witnessed(witness))?;
        if !matches!(ended, Ended::Stuck(_)) {
            steps::publish::clear_staged(&self.ground, &operation.about.id);
        }
        report.timeline = watch.take();
        report.kept = self.kept_notes(&operation.about.id);
        report.verification = verification.take();
        match ended {
            Ended::Done => {
                report.notes.extend(left_registry(operation));
                self.note_on_top(operation, report);
                report.outcome = Outcome::Done;
                report.share = if report.commit.is_some() {
                    self.share(report.tag.as_deref(), None)
                } else {
                    Vec::new()
                };
                self.after(operation, task, begun, report)?;
            }
            Ended::Undone(failure) => {
                (report.outcome, report.changed) = (Outcome::Undone, false);
                // Refused is what changed nothing: not what was found half done, or left what
                // somebody wrote.
                let is_as_found = by.is_none() && report.kept.is_empty();
                let kind = if failure.kind() == Kind::Refused && !is_as_found {
                    Kind::Conflict
                } else {
                    failure.kind()
                };
                report.exit_code = Some(kind.exit_code());
                (report.commit, report.tag) = (None, None);
                report.notes.extend(failure.chain());
            }
            Ended::Stuck(error) => return Err(error.into()),
        }
        self.note_operation(report, self.commands_in(operation));
        if let Err(error) = self.ground.git.release_packs() {
            self.ground
                .warn(format!("git keeps a pack longer than it need: {error}"));
        }
        Ok(())
    }

    /// Others may have committed meanwhile: then the commit is another than was planned.
    fn note_on_top(&self, operation: &Operation, report: &mut Report) {
        match steps::publish::put_on_top(&self.ground, &operation.about.id) {
            Ok(None) => {}
            Ok(Some((commit, under))) => {
                report.notes.push(format!(
                    "{} was committed meanwhile; {} is on top of it",
                    under.short(),
                    commit.short()
                ));
                if report.kind != OpKind::CreateSnapshot {
                    report.commit = report.commit.is_some().then_some(commit);
                }
            }
            Err(failure) => self.ground.warn(failure.to_string()),
        }
    }

    /// What happens when level 3 or 4 fails: the request's word, else that of the settings.
    fn on_verify_fail(&self, request: &Request) -> OnVerifyFail {
        match request {
            Request::Rollback(wanted) => wanted
                .on_verify_fail
                .unwrap_or(self.ground.settings.on_verify_fail),
            _ => OnVerifyFail::Undo,
        }
    }

    /// One verification inside an operation.
    fn verify_step(
        &self,
        operation: &Operation,
        task: Option<&TaskSpec>,
        what: What<'_>,
        result: &RefCell<Option<Verification>>,
    ) -> Result<(), Failure> {
        let Some(task) = task else { return Ok(()) };
        let (checks, version) = match what {
            What::Recorded => (vec![self.recorded(operation)], operation.about.to.clone()),
            What::Version(version) => {
                let commands = self.commands_in(operation);
                let registry = if operation.leaves_registry() {
                    check::Entry::Told
                } else {
                    check::Entry::Counts
                };
                let levels = check::Levels {
                    readiness: false,
                    commands,
                    registry,
                    tag: false,
                    ..check::Levels::ALL
                };
                let verified = check::tree(
                    &self.ground,
                    task,
                    &self.release_for(&task.id, version)?,
                    crate::model::verdict::Standing::default(),
                    version,
                    levels,
                )?;
                (verified.checks, Some(version.clone()))
            }
            What::Ready(version) => {
                let commands = self.commands_in(operation);
                let mut checks = check::readiness(
                    &self.ground,
                    task,
                    &self.release_for(&task.id, version)?,
                    version,
                    commands,
                )?;
                leave_packages(&self.ground, operation, &mut checks);
                (checks, Some(version.clone()))
            }
        };
        let turns_back = |check: &&Check| {
            check.status == Status::Fail
                && (check.level <= 2 || operation.on_verify_fail != OnVerifyFail::Keep)
        };
        let failed: Vec<String> = checks
            .iter()
            .filter(turns_back)
            .map(|check| format!("{}: {}", check.id, check.evidence.join("; ")))
            .collect();
        let Some(version) = version else {
            // The task had no version then, so there is no report to fill; what fails still turns
            // back.
            return if failed.is_empty() {
                Ok(())
            } else {
                Err(rollback::Error::NotRestored(failed.join(" | ")).into())
            };
        };
        let mut slot = result.borrow_mut();
        let all = slot.get_or_insert_with(|| Verification {
            task: task.id.clone(),
            version: version.clone(),
            checks: Vec::new(),
        });
        all.checks.extend(checks);
        if failed.is_empty() {
            Ok(())
        } else {
            Err(rollback::Error::NotVerified {
                version,
                problems: failed.join(" | "),
            }
            .into())
        }
    }

    /// Every path holds exactly what the operation recorded.
    fn recorded(&self, operation: &Operation) -> Check {
        let checking = Checking::begin(1, "integrity.files");
        let wrong = |change: &&crate::model::PathChange| {
            !files::holds(&*self.ground.tree, &change.path, change.after.as_ref()).unwrap_or(false)
        };
        let problems = operation
            .path_changes()
            .filter(wrong)
            .map(|change| format!("{} is not what it was", change.path))
            .collect();
        checking.judge(
            problems,
            format!(
                "{} paths exactly as recorded",
                operation.path_changes().count()
            ),
        )
    }

    /// The report of a request that found nothing to do.
    fn nothing_done(
        &self,
        request: &Request,
        draft: &Draft,
        begun: Instant,
    ) -> Result<Report, Failure> {
        let plan = &draft.plan;
        let mut report = Report {
            op: None,
            kind: plan.kind,
            task: (!plan.kind.is_of_no_task()).then(|| plan.task.clone()),
            from: plan.from.clone(),
            to: plan.to.clone(),
            outcome: Outcome::Done,
            changed: false,
            message: draft.message.clone(),
            who: String::new(),
            at: self.ground.clock.now(),
            duration_ms: millis(begun),
            commit: None,
            tag: None,
            files_changed: 0,
            saved_bytes: 0,
            verification: None,
            exit_code: None,
            notes: plan.notes.clone(),
            timeline: Vec::new(),
            share: Vec::new(),
            kept: Vec::new(),
            of_release: false,
        };
        if let Request::Rollback(wanted) = request {
            self.verify_active(self.spec(&wanted.task)?, &mut report)?;
        }
        report.duration_ms = millis(begun);
        Ok(report)
    }

    /// The report of an operation that has not ended yet.
    pub(super) fn empty_report(&self, operation: &Operation, begun: Instant) -> Report {
        Report {
            op: Some(operation.about.id.clone()),
            kind: operation.about.kind,
            task: operation.about.task.clone(),
            from: operation.about.from.clone(),
            to: operation.about.to.clone(),
            outcome: Outcome::Done,
            changed: true,
            message: operation.about.message.clone(),
            who: format!(
                "{} <{}>",
                operation.about.who.name, operation.about.who.email
            ),
            at: operation.about.at,
            duration_ms: millis(begun),
            commit: None,
            tag: None,
            files_changed: operation
                .path_changes()
                .filter(|change| change.changes())
                .count(),
            saved_bytes: 0,
            verification: None,
            exit_code: None,
            notes: operation.about.unsigned.iter().cloned().collect(),
            timeline: Vec::new(),
            share: Vec::new(),
            kept: Vec::new(),
            of_release: operation
                .steps
                .iter()
                .any(|step| matches!(step, Step::RemoveRefs(_))),
        }
    }

    /// Keeps the report beside the journal. It is derived, so failing to write it stops nothing.
    pub(super) fn keep_report(&self, report: &Report) {
        let Some(op) = &report.op else { return };
        let path = journal::log::folder(op).join("report.json");
        let points = (SyncPoint::PlanFile, SyncPoint::JournalDir);
        if let Err(error) = write_durably(
            &*self.ground.state,
            &path,
            report.render().as_bytes(),
            0o600,
            points,
        ) {
            self.ground.warn(format!(
                "the report of {} was not kept: {error}",
                op.short()
            ));
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

/// An operation that was not asked to change packages does not fail because they differ.
pub(super) fn leave_packages(ground: &Ground, operation: &Operation, checks: &mut [Check]) {
    if operation
        .steps
        .iter()
        .any(|step| matches!(step, Step::Environment(_)))
    {
        return;
    }
    for check in checks
        .iter_mut()
        .filter(|check| check.id == "readiness.dependencies" && check.status == Status::Fail)
    {
        check.status = Status::Skipped;
        ground.warn(format!(
            "packages were left as they are (`--env sync` changes them): {}",
            check.evidence.join("; ")
        ));
    }
}

/// What there is to do when the registry could not be edited.
fn left_registry(operation: &Operation) -> Option<String> {
    let change = operation
        .about
        .registry
        .as_ref()
        .filter(|_| operation.leaves_registry())?;
    let (path, after) = (&change.path, Version::or_none(change.after.as_ref()));
    let task = operation
        .about
        .task
        .as_ref()
        .map_or("", |task| task.as_str());
    Some(format!(
        "{path} could not be edited and stays as it was: its entry of {task} is not set to {after}. Mend the file, then: \
         snapback registry sync --from config --task {task}"
    ))
}

/// Milliseconds since a moment.
pub(super) fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
