//! What engines say while they work: one stream, many sinks. Engines never print.

use crate::OpId;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An operation is about to begin, or is taken up again.
    Began {
        /// Its id.
        op: OpId,
    },
    /// Long work has begun; `total` in the given unit, 0 when unknown.
    WorkBegan {
        /// What is done, for people: "hashing", "saving", "restoring".
        what: &'static str,
        /// How much there is.
        total: u64,
        /// True when the unit is bytes, false for items.
        bytes: bool,
    },
    /// Some of it is done.
    WorkDone {
        /// How much more, in the unit of `WorkBegan`.
        more: u64,
    },
    /// The long work is over.
    WorkEnded {
        /// What was done, as in `WorkBegan`.
        what: &'static str,
    },
    /// A step is finished; a line for people.
    StepDone {
        /// The step: "saved", "files", "committed", "verified".
        step: &'static str,
        /// What it did.
        text: String,
    },
    /// Something people should know that stops nothing.
    Warning(String),
}

/// Where events go; must be cheap and must not fail.
pub trait Sink: Send + Sync {
    /// Takes one event.
    fn take(&self, event: Event);
}

/// A sink that drops everything.
pub struct Quiet;

impl Sink for Quiet {
    fn take(&self, _event: Event) {}
}
