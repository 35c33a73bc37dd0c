//! The unfinished operation, finished or taken back by the very code that was interrupted.

use std::time::Instant;

use super::{
    Direction, Error, Operator, commands, execute::refuse_other_work_tree, operations::line,
    run::Execution,
};
use crate::{
    base::{Failure, clock::millis},
    journal::{
        self, Runner,
        history::{self, Found},
        status::Phase,
    },
    model::{
        Event, Report,
        operation::{Step, Summary},
        overview::OperationLine,
        report::Outcome,
    },
    steps::{self, files, verify::Verified},
};

impl Operator<'_> {
    /// Finishes the unfinished operation.
    ///
    /// # Errors
    /// When there is none, or it may not or cannot be finished.
    pub fn resume(&self) -> Result<Report, Failure> {
        self.recover("op resume", true, |runner| runner.run())
    }

    /// Takes the unfinished operation back. One that was published already is finished instead,
    /// and that is an error which says so.
    ///
    /// # Errors
    /// When there is none, or it may not or cannot be taken back.
    pub fn abort(&self) -> Result<Report, Failure> {
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
        // Nothing is run, so nothing is proved.
        let verified = Verified::default();
        let steps = steps::build(self.site, &operation, task, &verified)?;
        let done = Runner::new(log, steps).ends_done(!forward)?;
        Ok((line(&Summary::from(&operation), &phase), done))
    }

    /// Refuses to bring an operation to an end that is not its own, may not run its commands, or
    /// would take files back that a process has open.
    fn check_recovery(&self, found: &Found, forward: bool) -> Result<(), Failure> {
        let operation = &found.operation;
        refuse_other_work_tree(self.site, operation)?;
        self.check_planned(
            operation,
            if forward {
                Direction::Forward
            } else {
                Direction::Back
            },
        )?;
        commands::require(self.site, operation, forward)?;
        if self.goes_back(found, forward) {
            files::refuse_open(self.site, operation)
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
        self.site.sink.take(Event::Began {
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
        report.duration_ms = millis(begun.elapsed());
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
