//! A running process group: watched, drained, and ended as a whole.
//!
//! The leader is polled with `waitid(WNOWAIT)` and reaped only after the group was killed, so its
//! process id cannot have been reused by another process when the signal is sent.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    process::ExitStatus,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{
        Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
    },
};

use super::stream::OutputStream;

/// How often time limits and the cancel flag are checked.
const TICK: Duration = Duration::from_millis(50);
/// How long to keep reading after the end, while a process outside the group holds the pipes.
const DRAIN: Duration = Duration::from_millis(200);
/// How long a killed process may take to disappear.
const KILL_WAIT: Duration = Duration::from_secs(10);

/// The reason why the watch over a child ended.
pub(super) enum WatchEnd {
    /// Its leader exited.
    Exited,
    /// The time limit expired.
    TimedOut,
    /// This signal requested a stop.
    Cancelled(i32),
}

/// The number of children that are started or watched right now.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// True while this process watches a child, which it ends before it ends itself.
pub fn is_any_running() -> bool {
    RUNNING.load(Ordering::SeqCst) > 0
}

/// The unreaped leader of a process group; its process id cannot be reused until it is reaped.
pub(super) struct Child {
    leader: std::process::Child,
    group: Pid,
    watch: Option<OwnedFd>,
}

/// Counts a child from before it starts until it has been dealt with.
pub(super) struct Counted;

impl Counted {
    pub(super) fn new() -> Self {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Child {
    /// Takes over a child that has just been started.
    pub(super) fn of(leader: std::process::Child) -> io::Result<Self> {
        let id = i32::try_from(leader.id()).ok().and_then(Pid::from_raw);
        let group = id.ok_or_else(|| io::Error::other("the child has no process id"))?;
        // Without a pidfd (old kernels, seccomp) the end is noticed at the next tick.
        Ok(Self {
            leader,
            group,
            watch: pidfd_open(group, PidfdFlags::empty()).ok(),
        })
    }

    /// Reaps the leader and returns its exit status; its process id is free from then on.
    pub(super) fn reap(&mut self) -> io::Result<ExitStatus> {
        self.leader.wait()
    }

    /// Drains the streams until the child exits, the time is up or a signal requests a stop.
    pub(super) fn watch(
        &mut self,
        streams: &mut [OutputStream; 2],
        until: Instant,
        cancelled: &dyn Fn() -> Option<i32>,
    ) -> io::Result<WatchEnd> {
        loop {
            if self.has_exited()? {
                return Ok(WatchEnd::Exited);
            }
            if let Some(signal) = cancelled() {
                return Ok(WatchEnd::Cancelled(signal));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(WatchEnd::TimedOut);
            }
            self.wait_for_output(streams, left.min(TICK))?;
        }
    }

    /// Ends the whole group: TERM, a grace period, KILL.
    pub(super) fn end(
        &mut self,
        streams: &mut [OutputStream; 2],
        grace: Duration,
    ) -> io::Result<()> {
        self.signal(Signal::TERM)?;
        // A stopped process handles TERM only after it continues.
        self.signal(Signal::CONT)?;
        let until = Instant::now() + grace;
        self.watch(streams, until, &|| None)?;
        self.drain(streams, until)?;
        self.kill_rest(streams)
    }

    /// Kills the rest of the group, waits for its leader and reads the last output.
    pub(super) fn kill_rest(&mut self, streams: &mut [OutputStream; 2]) -> io::Result<()> {
        self.signal(Signal::KILL)?;
        if !matches!(
            self.watch(streams, Instant::now() + KILL_WAIT, &|| None)?,
            WatchEnd::Exited
        ) {
            return Err(io::Error::other("a killed process does not go away"));
        }
        self.drain(streams, Instant::now() + DRAIN)
    }

    /// Reads until the pipes are closed or the time is up.
    fn drain(&mut self, streams: &mut [OutputStream; 2], until: Instant) -> io::Result<()> {
        self.watch = None;
        while streams.iter().any(OutputStream::is_open) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.wait_for_output(streams, left)?;
        }
        Ok(())
    }

    /// Waits for output or the child's end, at most `time`, and reads the available output.
    fn wait_for_output(&self, streams: &mut [OutputStream; 2], time: Duration) -> io::Result<()> {
        let ready: Vec<bool> = {
            let watched = streams
                .iter()
                .filter_map(OutputStream::pipe)
                .chain(self.watch.as_ref().map(AsFd::as_fd));
            let mut fds: Vec<PollFd<'_>> = watched
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                .collect();
            let time = Timespec::try_from(time).map_err(|_| io::ErrorKind::InvalidInput)?;
            match poll(&mut fds, Some(&time)) {
                Err(rustix::io::Errno::INTR) => return Ok(()),
                other => other?,
            };
            fds.iter().map(|fd| !fd.revents().is_empty()).collect()
        };
        for (stream, ready) in streams
            .iter_mut()
            .filter(|stream| stream.is_open())
            .zip(ready)
        {
            if ready {
                stream.take()?;
            }
        }
        Ok(())
    }

    /// True when the leader has ended. Does not reap it.
    fn has_exited(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.group), options)?.is_some())
    }

    /// Sends a signal to the whole group.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        match kill_process_group(self.group, signal) {
            // EPERM: only processes of another user (setuid programs) are left in the group.
            Ok(()) | Err(rustix::io::Errno::SRCH | rustix::io::Errno::PERM) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
