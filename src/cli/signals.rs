//! Ctrl-C, TERM and `--timeout`, as far as the command line has to do with them.
//!
//! Work is stopped by the engines, which ask between two steps whether they should; what is
//! here installs that, and turns a time limit into the same request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{error::Error, reply::Reply};
use crate::base::{Failure, Kind, cancel};

/// Makes Ctrl-C and TERM requests that the engines honour. Where that fails, a signal ends the
/// process at once, and the journal brings the next run back on its feet.
pub fn install() {
    let _ = cancel::install();
}

/// How long a command that only reads may go on after its time limit.
const GRACE: Duration = Duration::from_secs(2);

/// A time limit for the whole command.
pub struct Deadline {
    limit: Duration,
    passed: Arc<AtomicBool>,
}

impl Deadline {
    /// Starts the clock; when it runs out, this process gets a TERM, as if a person had sent it.
    /// A command that `changes` something then comes to its own safe end; any other one is ended
    /// if it does not within two seconds.
    pub fn start(limit: Duration, changes: bool) -> Self {
        let passed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&passed);
        std::thread::spawn(move || {
            std::thread::sleep(limit);
            flag.store(true, Ordering::SeqCst);
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
            if !changes {
                std::thread::sleep(GRACE);
                std::process::exit(Kind::TimeLimit.exit_code());
            }
        });
        Self { limit, passed }
    }

    /// A cancellation that came from the clock is a time limit.
    pub fn explain(&self, failure: Failure) -> Failure {
        let cancelled = matches!(failure.kind(), Kind::Cancelled(_));
        if cancelled && self.passed() { Error::TimeLimit(self.limit).into() } else { failure }
    }

    fn passed(&self) -> bool {
        self.passed.load(Ordering::SeqCst)
    }
}

/// The same reply; when the operation was put back because of a signal, its exit code says so.
pub fn explain_reply(reply: Reply, limit: Option<&Deadline>) -> Reply {
    match cancel::requested() {
        None => reply,
        Some(_) if limit.is_some_and(Deadline::passed) => reply.stopped_by(Kind::TimeLimit),
        Some(signal) => reply.stopped_by(Kind::Cancelled(signal)),
    }
}
