//! Leases: who may commit, who collects, which sessions are at work.

use std::io;

/// What a lease is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseOn {
    /// Beginning a session: beside others who do, but not beside a commit.
    Beginning,
    /// Committing, or looking at who is at work: alone, and no session begins meanwhile.
    Commit,
    /// Collections and repairs: one at a time.
    Collection,
    /// A session at work, by its name, which is listed in [`Area::Sessions`](super::Area::Sessions)
    /// for as long as the lease is held, and for as long as nobody noticed that its holder died.
    Session(String),
}

/// Ends a lease.
type EndLease = Box<dyn FnOnce() -> io::Result<()> + Send + Sync>;

/// A lock that its holder can lose: it ends when it is dropped, and when its holder dies. The lease
/// of a session keeps what it committed from being collected.
#[must_use = "what was put can be collected as soon as the lease is dropped"]
pub struct Lease(Option<EndLease>);

impl Lease {
    /// Holds nothing: of a session that put nothing.
    pub fn none() -> Self {
        Self(None)
    }

    /// Is held until `end` was run.
    pub fn new(end: impl FnOnce() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(end)))
    }

    /// Ends it, and says when what is left of it could not be removed.
    pub fn release(mut self) -> io::Result<()> {
        self.0.take().map_or(Ok(()), |end| end())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            // What cannot be removed is swept by the next collection.
            let _ = end();
        }
    }
}
