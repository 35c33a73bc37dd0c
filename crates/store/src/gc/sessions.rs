//! Active sessions: each holds a lease of its own, which ends with it.

use std::{
    collections::HashSet,
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

/// Returns the commits that the active sessions began with, by number, and removes the names of
/// dead sessions. The caller holds the commit lease, so none begins meanwhile.
pub fn live(store: &ChunkStore) -> io::Result<Vec<u64>> {
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
            live.push(sequence);
        }
    }
    Ok(live)
}

/// Returns staged files that no active session writes. The caller holds the commit lease, so no
/// session begins and no commit is being made.
pub fn orphans(store: &ChunkStore) -> io::Result<Vec<FileName>> {
    let staged = store.backend.list(Area::Staging)?;
    if staged.is_empty() {
        return Ok(Vec::new());
    }
    let mut live = HashSet::new();
    for name in store.backend.list(Area::Sessions)? {
        if store
            .backend
            .lease(&LeaseOn::Session(name.clone()), false)?
            .is_none()
        {
            live.insert(name);
        }
    }
    let is_orphan = |name: &String| {
        let session = name.rsplit_once('-').map_or("", |(session, _)| session);
        !live.contains(session)
    };
    let orphans = staged.into_iter().filter(is_orphan);
    Ok(orphans
        .map(|name| FileName::new(Area::Staging, name))
        .collect())
}

/// Removes staged files that no active session writes. The caller holds the commit lease.
pub fn sweep(store: &ChunkStore) -> io::Result<()> {
    live(store)?;
    for name in orphans(store)? {
        store.backend.remove(&name)?;
    }
    Ok(())
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
                .filter(|began| **began < sequence)
                .count()
        };
        if at_work == 0 || begun.elapsed() >= patience {
            return Ok(at_work);
        }
        cancel::check()?;
        thread::sleep(LOOK);
    }
}
