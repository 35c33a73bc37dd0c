//! Active sessions: each holds a lease of its own, which ends with it.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::{
    ChunkStore, Error,
    backend::{Area, FileName, LeaseOn},
};
use base::{Failure, cancel};

/// Interval between checks whether sessions have ended.
const LOOK: Duration = Duration::from_millis(20);

/// An active session.
pub struct LiveSession {
    /// Sequence number of the commit that it began with.
    pub sequence: u64,
    /// Its name.
    pub name: String,
}

/// Returns the active sessions and removes the names of dead ones. The caller holds the commit
/// lease, so none begins meanwhile.
pub fn live(store: &ChunkStore) -> io::Result<Vec<LiveSession>> {
    let mut live = Vec::new();
    for name in store.backend.list(Area::Sessions)? {
        let on = LeaseOn::Session(name.clone());
        if let Some(held) = store.backend.lease(&on, false)? {
            held.release()?;
        } else {
            // An unparsable name counts as that of the oldest session.
            let sequence = name
                .split('-')
                .next()
                .and_then(|text| u64::from_str_radix(text, 16).ok())
                .unwrap_or(0);
            live.push(LiveSession { sequence, name });
        }
    }
    Ok(live)
}

/// Removes staged files that no active session writes; returns their number. The caller holds the
/// commit lease, so no commit is being made.
pub fn sweep(store: &ChunkStore) -> io::Result<usize> {
    let names = store.backend.list(Area::Staging)?;
    if names.is_empty() {
        return Ok(0);
    }
    let live = live(store)?;
    let session = |name: &str| {
        name.rsplit_once('-')
            .map_or(String::new(), |(session, _)| session.into())
    };
    let is_dead = |name: &String| !live.iter().any(|live| live.name == session(name));
    let dead: Vec<String> = names.into_iter().filter(is_dead).collect();
    let count = dead.len();
    for name in dead {
        store.backend.remove(&FileName::new(Area::Staging, name))?;
    }
    Ok(count)
}

/// Waits until no session that began before a commit is left; returns how many are left when the
/// patience runs out.
pub fn wait(store: &ChunkStore, sequence: u64, patience: Duration) -> Result<usize, Failure> {
    let begun = Instant::now();
    loop {
        let at_work = {
            let _alone = store.alone()?;
            live(store)
                .map_err(Error::Io)?
                .iter()
                .filter(|live| live.sequence < sequence)
                .count()
        };
        if at_work == 0 || begun.elapsed() >= patience {
            return Ok(at_work);
        }
        cancel::check()?;
        thread::sleep(LOOK);
    }
}
