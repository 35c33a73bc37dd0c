//! A file that only reserves space; it is released when a recovery meets a full disk.
//!
//! Undoing an operation moves existing files, so it needs space for little more than records and
//! folders: the reserve covers that. It is created before an intent is written, while there is
//! nothing to lose. It helps only if the work tree is on the same file system as the state folder.

use std::io;

use super::log::{JOURNAL_DIR, JOURNAL_FILE};
use crate::base::{Fs, RelPath};

/// Size in bytes: 64 blocks, for journal, staging folder and recreated folders.
const SIZE: u64 = 256 << 10;

/// Returns its path in the state folder.
fn path() -> RelPath {
    RelPath::own("reserve")
}

/// Creates the reserve unless it exists in full size.
pub fn fill(state: &dyn Fs) -> io::Result<()> {
    if state.stat(&path())?.is_some_and(|stat| stat.size == SIZE) {
        return Ok(());
    }
    // Nothing reads it, so a crash may leave it incomplete under its own name.
    if state.stat(&path())?.is_some() {
        state.remove_file(&path())?;
    }
    let write = || -> io::Result<()> {
        let mut file = state.create(&path(), 0o600)?;
        file.write_all(&vec![
            0;
            usize::try_from(SIZE).expect("because it is small")
        ])?;
        file.sync(JOURNAL_FILE)?;
        state.sync_dir(&RelPath::root(), JOURNAL_DIR)
    };
    write().inspect_err(|_| drop(state.remove_file(&path())))
}

/// Releases the space; returns false when there was none.
pub fn free(state: &dyn Fs) -> bool {
    // Many file systems free a removed file's space only once the removal is on disk.
    state
        .remove_file(&path())
        .and_then(|()| state.sync_dir(&RelPath::root(), JOURNAL_DIR))
        .is_ok()
}
