//! Notes when each step of an operation began and how it ended, for the time line of its report.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    base::Failure,
    journal::JournalStep,
    model::report::{Moment, MomentEnd},
};

/// The notes, with when the operation was asked for.
#[derive(Clone)]
pub(super) struct Watch {
    begun: Instant,
    moments: Rc<RefCell<Vec<Moment>>>,
}

impl Watch {
    /// Everything since `begun` went into planning and saving.
    pub(super) fn new(begun: Instant) -> Self {
        let watch = Self {
            begun,
            moments: Rc::default(),
        };
        watch.note("plan and save", begun, MomentEnd::Done);
        watch
    }

    fn note(&self, what: &str, since: Instant, end: MomentEnd) {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let at_ms = ms(since.saturating_duration_since(self.begun));
        self.moments.borrow_mut().push(Moment {
            what: what.into(),
            at_ms,
            took_ms: ms(since.elapsed()),
            end,
        });
    }

    /// A step that is watched.
    pub(super) fn around<'a>(&self, step: Box<dyn JournalStep + 'a>) -> Box<dyn JournalStep + 'a> {
        Box::new(Timed {
            step,
            watch: self.clone(),
        })
    }

    /// What was noted.
    pub(super) fn take(&self) -> Vec<Moment> {
        self.moments.take()
    }
}

/// The step.
struct Timed<'a> {
    step: Box<dyn JournalStep + 'a>,
    watch: Watch,
}

impl JournalStep for Timed<'_> {
    fn name(&self) -> &str {
        self.step.name()
    }

    fn prepare(&mut self) -> Result<Value, Failure> {
        self.step.prepare()
    }

    fn apply(&mut self, prepared: &Value) -> Result<(), Failure> {
        let since = Instant::now();
        let done = self.step.apply(prepared);
        self.watch.note(
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

    fn undo(&mut self, prepared: &Value) -> Result<(), Failure> {
        let since = Instant::now();
        let done = self.step.undo(prepared);
        self.watch.note(
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

    fn finish(&mut self, prepared: &Value) -> Result<(), Failure> {
        self.step.finish(prepared)
    }

    fn is_commit_point(&self) -> bool {
        self.step.is_commit_point()
    }

    fn is_passed(&self) -> Result<bool, Failure> {
        self.step.is_passed()
    }
}
