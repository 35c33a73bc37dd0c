//! When each step of an operation began, how long it took and how it ended: the report's timeline.

use std::{cell::RefCell, rc::Rc, time::Instant};

use serde_json::Value;

use crate::{
    base::{Due, Failure, clock::millis},
    journal::JournalStep,
    model::report::{MomentEnd, StepTime},
};

/// The times of the steps, measured from the operation's request.
#[derive(Clone)]
pub(super) struct StepTimes {
    begun: Instant,
    moments: Rc<RefCell<Vec<StepTime>>>,
}

impl StepTimes {
    /// Begins a timeline; the time since `begun` counts as planning and saving.
    pub(super) fn since(begun: Instant) -> Self {
        let times = Self {
            begun,
            moments: Rc::default(),
        };
        times.note("plan and save", begun, MomentEnd::Done);
        times
    }

    fn note(&self, what: &str, since: Instant, end: MomentEnd) {
        let at_ms = millis(since.saturating_duration_since(self.begun));
        self.moments.borrow_mut().push(StepTime {
            what: what.into(),
            at_ms,
            took_ms: millis(since.elapsed()),
            end,
        });
    }

    /// Wraps a step to measure it.
    pub(super) fn around<'a>(&self, step: Box<dyn JournalStep + 'a>) -> Box<dyn JournalStep + 'a> {
        Box::new(Timed {
            step,
            times: self.clone(),
        })
    }

    /// Returns the recorded moments.
    pub(super) fn take(&self) -> Vec<StepTime> {
        self.moments.take()
    }
}

/// A measured step.
struct Timed<'a> {
    step: Box<dyn JournalStep + 'a>,
    times: StepTimes,
}

impl JournalStep for Timed<'_> {
    fn name(&self) -> &str {
        self.step.name()
    }

    fn stage(&mut self, due: &Due) -> Result<(), Failure> {
        self.step.stage(due)
    }

    fn prepare(&mut self, due: &Due) -> Result<Value, Failure> {
        self.step.prepare(due)
    }

    fn apply(&mut self, prepared: &Value, due: &Due) -> Result<(), Failure> {
        let since = Instant::now();
        let done = self.step.apply(prepared, due);
        self.times.note(
            self.step.name(),
            since,
            if done.is_ok() {
                MomentEnd::Done
            } else {
                MomentEnd::Failed
            },
        );
        done
    }

    fn undo(&mut self, prepared: &Value, due: &Due) -> Result<(), Failure> {
        let since = Instant::now();
        let done = self.step.undo(prepared, due);
        self.times.note(
            self.step.name(),
            since,
            if done.is_ok() {
                MomentEnd::TakenBack
            } else {
                MomentEnd::Failed
            },
        );
        done
    }

    fn finish(&mut self, prepared: &Value, due: &Due) -> Result<(), Failure> {
        self.step.finish(prepared, due)
    }

    fn is_prepared_early(&self) -> bool {
        self.step.is_prepared_early()
    }

    fn is_still_prepared(&self, prepared: &Value) -> Result<bool, Failure> {
        self.step.is_still_prepared(prepared)
    }

    fn abandon(&mut self) {
        self.step.abandon();
    }

    fn is_undone_by_record(&self) -> bool {
        self.step.is_undone_by_record()
    }

    fn is_commit_point(&self) -> bool {
        self.step.is_commit_point()
    }

    fn shows_unstarted(&self) -> Result<bool, Failure> {
        self.step.shows_unstarted()
    }

    fn is_passed(&self) -> Result<bool, Failure> {
        self.step.is_passed()
    }
}
