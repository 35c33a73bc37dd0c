//! Cancelling by signal: SIGINT, SIGTERM and SIGHUP only set a flag.
//!
//! No signal ends the process by itself, not even the second one: what is under way either
//! finishes or is put back, and then the exit code says `128 + signal`. Long loops call
//! [`check`] where stopping is safe; child processes are ended by [`super::process`].

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{Fault, Hint, Kind};

/// The signal that asked to stop; 0 when none did.
static FLAG: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// A signal asked the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled by {}", name(*.signal))]
pub struct Cancelled {
    /// The signal's number.
    pub signal: i32,
}

impl Fault for Cancelled {
    fn kind(&self) -> Kind {
        Kind::Cancelled(self.signal)
    }

    fn hints(&self) -> Vec<Hint> {
        vec![Hint::run("see where things stand", &["snapback", "status"])]
    }
}

/// Makes SIGINT, SIGTERM and SIGHUP set the flag, once a process. A signal that the parent
/// process had set to "ignore" (`nohup`) stays ignored.
pub fn install() -> io::Result<()> {
    let flag = FLAG.get_or_init(Arc::default);
    let ignored = ignored_signals();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if ignored >> (signal - 1) & 1 == 0 {
            let value = usize::try_from(signal).expect("because signal numbers are positive");
            signal_hook::flag::register_usize(signal, Arc::clone(flag), value)?;
        }
    }
    Ok(())
}

/// The signal that asked to stop, if one did.
pub fn requested() -> Option<i32> {
    let signal = FLAG.get()?.load(Ordering::Relaxed);
    i32::try_from(signal).ok().filter(|signal| *signal != 0)
}

/// An error when a signal asked to stop.
pub fn check() -> Result<(), Cancelled> {
    requested().map_or(Ok(()), |signal| Err(Cancelled { signal }))
}

/// Bytes that are read or written only as long as no signal asked to stop: for what takes long
/// before anything is changed. Never for what puts things back. A [`super::Failure`] made
/// of the error is the signal again.
pub struct Stoppable<T>(pub T);

impl<T: io::Read> io::Read for Stoppable<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        check().map_err(io::Error::other)?;
        self.0.read(into)
    }
}

impl<T: io::Write> io::Write for Stoppable<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        check().map_err(io::Error::other)?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The mask of ignored signals; 0 where the system does not tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// The name of a signal for people.
fn name(signal: i32) -> String {
    signal_hook::low_level::signal_name(signal)
        .map_or_else(|| format!("signal {signal}"), str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_carries_the_signal() {
        let fault = Cancelled { signal: SIGTERM };
        assert_eq!(fault.kind().exit_code(), 143);
        assert_eq!(fault.to_string(), "cancelled by SIGTERM");
    }

    #[test]
    fn a_second_signal_only_sets_the_flag_again() {
        use super::super::process::Command;
        // In a process of its own: the flag of this one must not stop the other tests.
        if std::env::var_os("SNAPBACK_TEST_INNER").is_some() {
            install().expect("handlers can be set");
            assert_eq!(check(), Ok(()));
            for _ in 0..2 {
                signal_hook::low_level::raise(SIGTERM).expect("it can be raised");
            }
            assert_eq!(check(), Err(Cancelled { signal: SIGTERM }));
            return;
        }
        let this = std::env::current_exe().expect("because a test has a program");
        let name = "cancel::tests::a_second_signal_only_sets_the_flag_again";
        #[expect(clippy::disallowed_methods, reason = "a process of the test")]
        let command = Command::new(this, std::path::Path::new("/"))
            .args(["--exact", name])
            .env("SNAPBACK_TEST_INNER", "1");
        let ended = command.run().expect("it starts");
        assert!(
            ended.succeeded() && String::from_utf8_lossy(&ended.stdout).contains("1 passed"),
            "{:?}",
            ended.status
        );
    }
}
