//! Leases: they control who may commit, who may collect, and which sessions are active.

use std::io;

/// The subject of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseOn {
    /// Beginning a session: shared with other beginning sessions, exclusive with a commit.
    Beginning,
    /// Committing, or listing active sessions: exclusive, and no session can begin meanwhile.
    Commit,
    /// Collections and repairs: one at a time.
    Collection,
    /// An active session, by its name, which is listed in [`Area::Sessions`](super::Area::Sessions)
    /// until the lease ends, or until someone notices that its holder died.
    Session(String),
}

/// The action that ends a lease.
type EndLease = Box<dyn FnOnce() -> io::Result<()> + Send + Sync>;

/// A lock that ends when it is dropped, and when its holder dies. The lease of a session keeps what
/// it committed from being collected.
#[must_use = "what was put can be collected as soon as the lease is dropped"]
pub struct Lease(Option<EndLease>);

impl Lease {
    /// Returns a lease that holds nothing, for a session that put nothing.
    pub fn none() -> Self {
        Self(None)
    }

    /// Creates a lease that is held until `end` has run.
    pub fn new(end: impl FnOnce() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(end)))
    }

    /// Ends the lease; an error when its remains could not be removed.
    pub fn release(mut self) -> io::Result<()> {
        self.0.take().map_or(Ok(()), |end| end())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            // Remains are swept by the next collection.
            let _ = end();
        }
    }
}
