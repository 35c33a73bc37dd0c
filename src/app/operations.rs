//! Operations: listed, shown, and the unfinished one finished or taken back.

use std::time::Instant;

use super::{
    App, Error,
    change::{Execution, millis},
    planned_names::Goes,
};
use crate::{
    base::{Failure, fs::read_limited},
    journal::{
        self, Runner,
        history::{self, Found},
        status::Phase,
    },
    model::{
        OpId, Operation, Report,
        operation::{Step, Summary},
        overview::OperationLine,
        report::Outcome,
    },
    site,
    steps::{self, files},
};

impl App {
    /// All operations, newest first.
    pub fn operations(&self) -> Result<Vec<OperationLine>, Failure> {
        let mut lines: Vec<OperationLine> = Vec::new();
        for id in history::ids(&*self.site.state)? {
            if let Some(found) = history::summary(&self.site.state, &id)? {
                if let Some(undone) = found
                    .summary
                    .about
                    .undoes
                    .as_ref()
                    .filter(|_| found.phase == Phase::Finished { done: true })
                    && let Some(line) = lines.iter_mut().find(|line| line.id == *undone)
                {
                    line.undone_by = Some(id.clone());
                }
                lines.push(line(&found.summary, &found.phase));
            }
        }
        lines.reverse();
        Ok(lines)
    }

    /// One operation by its id, short id or a prefix: its line, plan and report.
    pub fn operation(
        &self,
        text: &str,
    ) -> Result<(OperationLine, Operation, Option<Report>), Failure> {
        let id = history::find(&*self.site.state, text)?;
        let found = history::open(&self.site.state, &id)?
            .ok_or_else(|| journal::Error::NotFound(text.into()))?;
        // What was done says the journal; a report that cannot be read keeps nobody from seeing
        // that.
        let report = self.report_of(&id).unwrap_or_else(|why| {
            self.site
                .warn(format!("the report of {} is left out: {why}", id.short()));
            None
        });
        Ok((
            line(&Summary::from(&found.operation), &found.phase),
            found.operation,
            report,
        ))
    }

    /// The report of an operation; `None` when none was kept.
    fn report_of(&self, id: &OpId) -> Result<Option<Report>, String> {
        let path = journal::log::folder(id).join("report.json");
        match read_limited(&*self.site.state, &path, 64 << 20) {
            Ok(bytes) => Report::parse(&bytes)
                .map(Some)
                .map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What is wrong with the reports that were kept, one line each.
    ///
    /// # Errors
    /// When the operations cannot be listed.
    pub fn damaged_reports(&self) -> Result<Vec<String>, Failure> {
        let ids = history::ids(&*self.site.state)?;
        Ok(ids
            .iter()
            .filter_map(|id| {
                self.report_of(id)
                    .err()
                    .map(|why| format!("the report of {}: {why}", id.short()))
            })
            .collect())
    }

    /// The operation that did not finish, if there is one.
    pub fn unfinished(&self) -> Result<Option<OperationLine>, Failure> {
        Ok(history::unfinished(&self.site.state)?
            .map(|found| line(&Summary::from(&found.operation), &found.phase)))
    }

    /// Finishes the unfinished operation.
    pub fn resume(&self) -> Result<Report, Failure> {
        self.calling(self.resume_quietly())
    }

    /// Takes the unfinished operation back. One that was published already is finished instead,
    /// and that is an error which says so.
    pub fn abort(&self) -> Result<Report, Failure> {
        self.calling(self.abort_quietly())
    }

    /// [`App::resume`] for those who call people themselves.
    pub(super) fn resume_quietly(&self) -> Result<Report, Failure> {
        self.recover("op resume", true, |runner| runner.run())
    }

    /// [`App::abort`] for those who call people themselves.
    pub(super) fn abort_quietly(&self) -> Result<Report, Failure> {
        let report = self.recover("op abort", false, |runner| {
            runner.abort("a person asked for it")
        })?;
        match (&report.op, report.outcome) {
            (Some(op), Outcome::Done) => Err(Error::WasPublished(op.short(), report.kind).into()),
            _ => Ok(report),
        }
    }

    /// The unfinished operation and whether finishing it, or taking it back, would end with it
    /// done. Reads only.
    ///
    /// # Errors
    /// When there is none, or it may not be brought to an end.
    pub fn end_of_unfinished(&self, forward: bool) -> Result<(OperationLine, bool), Failure> {
        let found = history::unfinished(&self.site.state)?.ok_or(Error::NothingUnfinished)?;
        self.check_recovery(&found, forward)?;
        let Found {
            operation,
            log,
            phase,
            ..
        } = found;
        let task = operation
            .about
            .task
            .as_ref()
            .and_then(|id| self.site.settings.task(id));
        let steps = steps::build(
            &self.site,
            &operation,
            task,
            Box::new(|_| Err(site::Error::DryRun.into())),
        );
        let done = Runner::new(log, steps).ends_done(!forward)?;
        Ok((line(&Summary::from(&operation), &phase), done))
    }

    /// Refuses to bring an operation to an end that is not its own, may not run its commands, or
    /// would take files back that a process has open.
    fn check_recovery(&self, found: &Found, forward: bool) -> Result<(), Failure> {
        let operation = &found.operation;
        self.refuse_other_work_tree(operation)?;
        self.check_planned(operation, if forward { Goes::Forward } else { Goes::Back })?;
        self.require_commands_of(operation, forward)?;
        if self.goes_back(found, forward) {
            files::refuse_open(&self.site, operation)
        } else {
            Ok(())
        }
    }

    /// Brings the unfinished operation to an end, by a command; `forward` when by finishing it.
    fn recover(
        &self,
        by: &str,
        forward: bool,
        direction: impl FnOnce(Runner<'_>) -> Result<journal::Ended, Failure>,
    ) -> Result<Report, Failure> {
        let begun = Instant::now();
        let _lock = self.site.lock()?;
        self.sweep()?;
        let found = history::unfinished(&self.site.state)?.ok_or(Error::NothingUnfinished)?;
        self.check_recovery(&found, forward)?;
        let Found { operation, log, .. } = found;
        // From here on nobody can say that nothing was changed.
        self.site.sink.take(crate::model::Event::Began {
            op: operation.about.id.clone(),
        });
        let mut report = self.empty_report(&operation, begun);
        if let Some(publication) = operation.publication() {
            report.commit = publication.refs.last().map(|branch| branch.after.clone());
            let tag = |name: &str| name.strip_prefix("refs/tags/").map(String::from);
            report.tag = publication.refs.iter().find_map(|change| tag(&change.name));
        }
        let execution = Execution {
            log,
            begun,
            operation: &operation,
            by: Some(by),
        };
        self.run_steps(execution, &mut report, direction)?;
        // It was found half done: finished or put back, it is not as this command found it.
        report.changed = true;
        report.duration_ms = millis(begun);
        self.keep_report(&report);
        Ok(report)
    }

    /// True when what is left to do takes files back, before which no stop command of the task
    /// runs.
    fn goes_back(&self, found: &Found, forward: bool) -> bool {
        let steps = &found.operation.steps;
        let is_stopped = steps
            .iter()
            .any(|step| matches!(step, Step::Command { .. }))
            && !self.site.leaves_commands_out(&found.operation);
        let is_back = match &found.phase {
            // One that may have been published only goes forward.
            Phase::Forward { done, started } => {
                let may_be_published =
                    started.is_some() && matches!(steps.get(*done), Some(Step::Publish(_)));
                !forward && !found.committed && !may_be_published
            }
            Phase::Backward { .. } | Phase::Stuck { .. } => true,
            Phase::Finished { .. } => false,
        };
        is_back && !is_stopped
    }
}

/// The line of an operation.
fn line(operation: &Summary, phase: &Phase) -> OperationLine {
    let name = |at: usize| {
        operation
            .steps
            .get(at)
            .map_or("end", String::as_str)
            .to_string()
    };
    let (outcome, stands_at) = match phase {
        Phase::Finished { done: true } => (Some(Outcome::Done), None),
        Phase::Finished { done: false } => (Some(Outcome::Undone), None),
        Phase::Stuck { step, .. } => (Some(Outcome::Stuck), Some(name(*step))),
        Phase::Forward { done, .. } => (None, Some(name(*done))),
        Phase::Backward { left, .. } => (None, Some(name(left.saturating_sub(1)))),
    };
    OperationLine {
        id: operation.about.id.clone(),
        kind: operation.about.kind,
        task: operation.about.task.clone(),
        from: operation.about.from.clone(),
        to: operation.about.to.clone(),
        at: operation.about.at,
        who: format!(
            "{} <{}>",
            operation.about.who.name, operation.about.who.email
        ),
        host: operation.about.host.clone(),
        message: operation.about.message.clone(),
        outcome,
        stands_at,
        undone_by: None,
    }
}
