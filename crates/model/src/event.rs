//! Events that engines emit while they work: one stream, many sinks. Engines never print.

use crate::OpId;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An operation is about to begin or to be resumed.
    Began {
        /// Its id.
        op: OpId,
    },
    /// A long task has begun; `total` is in the given unit, 0 when unknown.
    WorkBegan {
        /// The activity, for display: "hashing", "saving", "restoring".
        what: &'static str,
        /// Total amount of work.
        total: u64,
        /// True when the unit is bytes, false for items.
        bytes: bool,
    },
    /// A part of it is done.
    WorkDone {
        /// Amount of additional work done, in the unit of `WorkBegan`.
        more: u64,
    },
    /// The long task has ended.
    WorkEnded {
        /// The activity, as in `WorkBegan`.
        what: &'static str,
    },
    /// A step is finished; a line for display.
    StepDone {
        /// The step: "saved", "files", "committed", "verified".
        step: &'static str,
        /// Description of what it did.
        text: String,
    },
    /// A warning that does not stop anything.
    Warning(String),
}

/// A receiver of events; must be cheap and must not fail.
pub trait Sink: Send + Sync {
    /// Receives one event.
    fn take(&self, event: Event);
}

/// A sink that discards everything.
pub struct Quiet;

impl Sink for Quiet {
    fn take(&self, _event: Event) {}
}
