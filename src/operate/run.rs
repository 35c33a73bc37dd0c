//! Runs the steps of a recorded operation, and reports how it ended.
//!
//! Nothing is planned here: the operation's plan is durable before its first step begins.

use std::time::Instant;

use super::{Operator, share, step_times::StepTimes};
use crate::{
    audit::AppendMode,
    base::{Due, Failure, Kind, clock::millis},
    draft::write::WrittenDraft,
    journal::{Ending, Log, RunEnd, Runner},
    model::{Operation, Report, TaskSpec, Version, operation::OpKind, report::Outcome},
    steps::{self, files::notes, verify::ProvenSoFar},
};

/// An operation whose steps are to be run.
pub(super) struct Execution<'a> {
    /// Its journal; `None` for one that is to begin.
    pub(super) log: Option<Log>,
    /// When the command began.
    pub(super) begun: Instant,
    /// The operation.
    pub(super) operation: &'a Operation,
    /// The command that ends an interrupted operation; `None` for a new one.
    pub(super) by: Option<&'a str>,
}

impl Operator<'_> {
    /// Begins and runs a new operation, and returns its report. `not_begun` is told why it was not
    /// begun after all.
    pub(super) fn run(
        &self,
        not_begun: &dyn Fn(&Failure),
        written: &WrittenDraft,
        tag: Option<String>,
        begun: Instant,
    ) -> Result<Report, Failure> {
        let operation = &written.operation;
        let mut report = self.empty_report(operation, begun);
        (report.commit, report.tag, report.saved_bytes) =
            (written.commit.clone(), tag, written.saved);
        let execution = Execution {
            log: None,
            begun,
            operation,
            by: None,
        };
        self.run_steps(execution, &mut report, not_begun, |runner| runner.run())?;
        report.duration_ms = millis(begun.elapsed());
        self.keep_report(&report);
        Ok(report)
    }

    /// Runs the steps of an operation in a direction, and records how it ended.
    pub(super) fn run_steps(
        &self,
        execution: Execution<'_>,
        report: &mut Report,
        not_begun: &dyn Fn(&Failure),
        direction: impl FnOnce(Runner<'_>) -> Result<RunEnd, Failure>,
    ) -> Result<(), Failure> {
        let Execution {
            log,
            begun,
            operation,
            by,
        } = execution;
        let task = self.site.task_of(operation);
        let verified = ProvenSoFar::default();
        let once = if log.is_some() {
            AppendMode::PerhapsThere
        } else {
            AppendMode::New
        };
        let witness = Box::new(|ending: Ending<'_>, due: &Due| {
            if matches!(ending, Ending::Done) {
                self.note_failure(operation, verified.borrow().as_ref(), due);
            }
            self.write_end(operation, by, (once, due), ending)
        });
        let times = StepTimes::since(begun);
        let steps = steps::build(self.site, operation, task, &verified)?;
        let steps = steps.into_iter().map(|step| times.around(step)).collect();
        let runner = match log {
            Some(log) => Runner::new(log, steps),
            None => Runner::begin(&self.site.state, operation, steps)
                .inspect_err(|failure| not_begun(failure))?,
        };
        let ended = direction(runner.recorded_by(witness))?;
        if !matches!(ended, RunEnd::Stuck(_)) {
            steps::publish::clear_staged(self.site, &operation.about.id);
            self.site.git.drop_objects();
        }
        report.timeline = times.take();
        report.kept = notes(&*self.site.state, &operation.about.id).unwrap_or_default();
        report.verification = verified.take();
        match ended {
            RunEnd::Done => self.report_done(operation, task, begun, report)?,
            RunEnd::Undone(failure) => report_undone(&failure, by.is_none(), report),
            RunEnd::Stuck(error) => return Err(error.into()),
        }
        self.note_operation(operation, report);
        if let Err(error) = self.site.known.save() {
            self.site.warn(format!(
                "what was read could not be written down, the next command will read it again: {error}"
            ));
        }
        if let Err(error) = self.site.git.release_packs() {
            self.site
                .warn(format!("git keeps a pack longer than it need: {error}"));
        }
        Ok(())
    }

    /// Completes the report of an operation that is done, and runs what follows.
    fn report_done(
        &self,
        operation: &Operation,
        task: Option<&TaskSpec>,
        begun: Instant,
        report: &mut Report,
    ) -> Result<(), Failure> {
        report.notes.extend(left_registry(operation));
        self.note_on_top(operation, report);
        report.outcome = Outcome::Done;
        report.share = if report.commit.is_some() {
            share::words(self.site, report.tag.as_deref(), None)
        } else {
            Vec::new()
        };
        self.after(operation, task, begun, report)
    }

    /// Notes that others committed meanwhile, so the commit differs from the planned one.
    fn note_on_top(&self, operation: &Operation, report: &mut Report) {
        match steps::publish::put_on_top(self.site, &operation.about.id) {
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
            Err(failure) => self.site.warn(failure.to_string()),
        }
    }
}

/// Completes the report of an operation reversed after a failure; `is_new` unless it was found half
/// done.
fn report_undone(failure: &Failure, is_new: bool, report: &mut Report) {
    (report.outcome, report.changed) = (Outcome::Undone, false);
    // "Refused" means that nothing changed: no half-done state was found, and no foreign edit
    // remains.
    let is_as_found = is_new && report.kept.is_empty();
    let kind = if failure.kind() == Kind::Refused && !is_as_found {
        Kind::Conflict
    } else {
        failure.kind()
    };
    report.exit_code = Some(kind.exit_code());
    (report.commit, report.tag) = (None, None);
    report.notes.extend(failure.chain());
}

/// Returns what to do when the registry could not be edited.
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
