//! Row 4, the opened ports of one repository, and the bytes that can be read through them.

pub mod bytes;

use std::sync::Arc;

use crate::{
    base::{Clock, Fs},
    git::Repo,
    model::{Event, Settings, Sink},
    store::Store,
};

pub use bytes::{Bytes, copy_checked};

/// What engines and steps act on.
#[derive(Clone)]
pub struct Ground {
    /// The work tree.
    pub tree: Arc<dyn Fs>,
    /// The state folder, `<git common dir>/snapback`.
    pub state: Arc<dyn Fs>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The repository.
    pub git: Arc<Repo>,
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// What time it is.
    pub clock: Clock,
    /// The name of this host.
    pub host: String,
    /// The permission bits that new files do not get.
    pub umask: u32,
}

impl Ground {
    /// Emits a line about a finished step.
    pub fn say(&self, step: &'static str, text: impl Into<String>) {
        self.sink.take(Event::StepDone { step, text: text.into() });
    }

    /// Emits a warning.
    pub fn warn(&self, text: impl Into<String>) {
        self.sink.take(Event::Warning(text.into()));
    }

    /// Runs long work between a begin and an end event.
    pub fn work<T>(&self, what: &'static str, total: u64, bytes: bool, run: impl FnOnce() -> T) -> T {
        self.sink.take(Event::WorkBegan { what, total, bytes });
        let result = run();
        self.sink.take(Event::WorkEnded);
        result
    }

    /// Says that some of the long work is done.
    pub fn progress(&self, more: u64) {
        self.sink.take(Event::WorkDone { more });
    }
}
