//! Completes or reverses the unfinished operation, with the same code that was interrupted.

use std::time::Instant;

use super::{
    Direction, Error, Operator, commands, execute::refuse_other_work_tree, operations::line,
    run::Execution,
};
use crate::{
    base::{Failure, clock::millis},
    journal::{
        self, Runner,
        history::{self, OpenOperation},
        status::OperationPhase,
    },
    model::{
        Event, Report,
        operation::{Step, Summary},
        overview::OperationLine,
        report::Outcome,
    },
    steps::{self, files, verify::ProvenSoFar},
};

impl Operator<'_> {
    /// Completes the unfinished operation.
    ///
    /// # Errors
    /// Fails when there is none, or it may not or cannot be completed.
    pub fn resume(&self) -> Result<Report, Failure> {
        self.recover("op resume", true, |runner| runner.run())
    }

    /// Reverses the unfinished operation. If it was published already, it is completed instead, and
    /// an error says so.
    ///
    /// # Errors
    /// Fails when there is none, or it may not or cannot be reversed.
    pub fn abort(&self) -> Result<Report, Failure> {
        let report = self.recover("op abort", false, |runner| {
            runner.abort("a person asked for it")
        })?;
        match (&report.op, report.outcome) {
            (Some(op), Outcome::Done) => Err(Error::WasPublished(op.short(), report.kind).into()),
            _ => Ok(report),
        }
    }

    /// Returns the unfinished operation and whether completing it (`forward`), or reversing it,
    /// would end with it done. Reads only.
    ///
    /// # Errors
    /// Fails when there is none, or it may not be ended.
    pub fn end_of_unfinished(&self, forward: bool) -> Result<(OperationLine, bool), Failure> {
        let found = history::unfinished(&self.site.state)?.ok_or(Error::NothingUnfinished)?;
        self.check_recovery(&found, forward)?;
        let OpenOperation {
            operation,
            log,
            phase,
            ..
        } = found;
        let task = self.site.task_of(&operation);
        // Nothing is run, so nothing is proved.
        let verified = ProvenSoFar::default();
        let steps = steps::build(self.site, &operation, task, &verified)?;
        let done = Runner::new(log, steps).ends_done(!forward)?;
        Ok((line(&Summary::from(&operation), &phase), done))
    }

    /// Refuses an operation that does not belong here, whose commands may not run, or that would
    /// restore files that a process has open.
    fn check_recovery(&self, found: &OpenOperation, forward: bool) -> Result<(), Failure> {
        let operation = &found.operation;
        refuse_other_work_tree(self.site, operation)?;
        self.site.git.load_objects(&operation.about.id.to_string());
        self.check_planned(
            operation,
            if forward {
                Direction::Forward
            } else {
                Direction::Back
            },
        )?;
        let (task, verified) = (self.site.task_of(operation), ProvenSoFar::default());
        let steps = steps::build(self.site, operation, task, &verified)?;
        journal::refuse_cut_short(&found.log, &steps)?;
        commands::require(self.site, operation, forward)?;
        if self.goes_back(found, forward) {
            files::refuse_open(self.site, operation)
        } else {
            Ok(())
        }
    }

    /// Ends the unfinished operation, for a command; `forward` when by completing it.
    fn recover(
        &self,
        by: &str,
        forward: bool,
        direction: impl FnOnce(Runner<'_>) -> Result<journal::RunEnd, Failure>,
    ) -> Result<Report, Failure> {
        let begun = Instant::now();
        let _lock = self.site.lock()?;
        self.sweep()?;
        let found = history::unfinished(&self.site.state)?.ok_or(Error::NothingUnfinished)?;
        let report = self.end(found, (by, begun), forward, direction)?;
        self.keep_report(&report);
        Ok(report)
    }

    /// Completes an operation that was done and whose end a power cut took: it can only go forward.
    pub(super) fn write_end_again(&self, found: OpenOperation) -> Result<(), Failure> {
        let op = found.operation.about.id.short();
        self.end(found, ("op resume", Instant::now()), true, |runner| {
            runner.run()
        })?;
        self.site.warn(format!(
            "operation {op} was done, but the record of its end was lost, as by a power cut: it is complete now"
        ));
        Ok(())
    }

    /// Ends an operation, for a command that began at a time; `forward` when by completing it. Call
    /// only under the lock.
    fn end(
        &self,
        found: OpenOperation,
        (by, begun): (&str, Instant),
        forward: bool,
        direction: impl FnOnce(Runner<'_>) -> Result<journal::RunEnd, Failure>,
    ) -> Result<Report, Failure> {
        self.check_recovery(&found, forward)?;
        let OpenOperation { operation, log, .. } = found;
        // From here on something may have changed.
        self.site.sink.take(Event::Began {
            op: operation.about.id.clone(),
        });
        let mut report = self.empty_report(&operation, begun);
        report.tag = operation.tag();
        if let Some(publication) = operation.publication() {
            report.commit = publication.refs.last().map(|branch| branch.after.clone());
        }
        let execution = Execution {
            log: Some(log),
            begun,
            operation: &operation,
            by: Some(by),
        };
        self.run_steps(execution, &mut report, &|_| {}, direction)?;
        // It was found half done, so either outcome changes the state this command found.
        report.changed = true;
        report.duration_ms = millis(begun.elapsed());
        Ok(report)
    }

    /// Returns true when the remaining work restores files without first running the task's stop
    /// command.
    fn goes_back(&self, found: &OpenOperation, forward: bool) -> bool {
        let steps = &found.operation.steps;
        let is_stopped = steps
            .iter()
            .any(|step| matches!(step, Step::Command { .. }))
            && !self.site.leaves_commands_out(&found.operation);
        let is_back = match &found.phase {
            // One that may have been published only goes forward.
            OperationPhase::Forward { done, started } => {
                let may_be_published =
                    started.is_some() && matches!(steps.get(*done), Some(Step::Publish(_)));
                !forward && !found.committed && !may_be_published
            }
            OperationPhase::Backward { .. } | OperationPhase::Stuck { .. } => true,
            OperationPhase::Finished { .. } => false,
        };
        is_back && !is_stopped
    }
}
