//! A file that only takes up room: it is given back when a recovery meets a full disk.
//!
//! Taking an operation back moves files that are there already, so it needs room for little more
//! than records and folders: that is what the reserve holds. It is made before an intent is
//! written, while there is nothing to lose. It helps only where the work tree lies on the same
//! file system as the state folder.

use std::io;

use super::log::{JOURNAL_DIR, PLAN_FILE};
use crate::base::{Fs, RelPath};

/// Bytes: 64 blocks, for journal, staging folder and folders that are made again.
const SIZE: u64 = 256 << 10;

/// Where it lies in the state folder.
fn path() -> RelPath {
    RelPath::own("reserve")
}

/// Makes the reserve when it is not there in full.
pub fn fill(state: &dyn Fs) -> io::Result<()> {
    if state.stat(&path())?.is_some_and(|stat| stat.size == SIZE) {
        return Ok(());
    }
    // Nobody reads it, so a crash may leave it in part under its own name.
    if state.stat(&path())?.is_some() {
        state.remove_file(&path())?;
    }
    let write = || -> io::Result<()> {
        let mut file = state.create(&path(), 0o600)?;
        file.write_all(&vec![
            0;
            usize::try_from(SIZE).expect("because it is small")
        ])?;
        file.sync(PLAN_FILE)?;
        state.sync_dir(&RelPath::root(), JOURNAL_DIR)
    };
    write().inspect_err(|_| drop(state.remove_file(&path())))
}

/// Gives the room back; false when there was none to give.
pub fn free(state: &dyn Fs) -> bool {
    // Many file systems give the room of a removed file back only once the removal is on the disk.
    state
        .remove_file(&path())
        .and_then(|()| state.sync_dir(&RelPath::root(), JOURNAL_DIR))
        .is_ok()
}
