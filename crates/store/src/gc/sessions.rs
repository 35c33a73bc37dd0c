//! Who is at work: a session holds a kernel lock on a file of its own, which dies with it.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::{ChunkStore, Error, layout::Layout};
use base::{Failure, cancel, fs::Hold};

/// How often it is looked whether sessions have ended.
const LOOK: Duration = Duration::from_millis(20);

/// A session at work.
pub struct Live {
    /// The commit that it began with.
    pub sequence: u64,
    /// The name of its file.
    pub name: String,
}

/// The sessions at work; files of those that died are removed. The store's lock is held alone,
/// so none begins meanwhile.
pub fn live(store: &ChunkStore) -> io::Result<Vec<Live>> {
    let (fs, dir) = (&*store.fs, store.layout.sessions());
    let mut live = Vec::new();
    for name in Layout::names(fs, &dir)? {
        let path = dir.join(&name);
        if let Some(held) = fs.lock(&path, Hold::Exclusive, false)? {
            remove(store, &path)?;
            drop(held);
        } else {
            // A name that says nothing is taken for that of the oldest session.
            let sequence = name
                .split('-')
                .next()
                .and_then(|text| u64::from_str_radix(text, 16).ok())
                .unwrap_or(0);
            live.push(Live { sequence, name });
        }
    }
    Ok(live)
}

/// Removes temporary files that no session at work writes, and says how many. The store's lock
/// is held alone, so no commit is being made.
pub fn sweep(store: &ChunkStore) -> io::Result<usize> {
    let dir = store.layout.tmp();
    let names = Layout::names(&*store.fs, &dir)?;
    if names.is_empty() {
        return Ok(0);
    }
    let live = live(store)?;
    let session = |name: &str| {
        name.rsplit_once('-')
            .map_or(String::new(), |(session, _)| session.into())
    };
    let dead: Vec<_> = names
        .iter()
        .filter(|name| !live.iter().any(|live| live.name == session(name)))
        .collect();
    dead.iter()
        .try_for_each(|name| remove(store, &dir.join(name)))?;
    Ok(dead.len())
}

/// Removes a file that another may have removed.
pub fn remove(store: &ChunkStore, path: &base::RelPath) -> io::Result<()> {
    match store.fs.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits until no session that began before a commit is left; the number of those that are
/// when the patience ends.
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
