//! What stands where the plan did not see it: somebody's edit made since. It is kept.

use super::{Files, failed};
use crate::{
    base::{Failure, RelPath, SyncPoint, Type, fs::write_durably},
    model::{FileState, PathChange},
};

/// How old a modification time must be, in seconds, to prove together with the size that a file
/// was not written since: far above the clock tick of any file system.
const SETTLED_SECS: i64 = 10;

impl Files<'_> {
    /// Puts what stands at `path` into the store unless it is a change's known old or new content.
    pub(super) fn keep_stranger(&self, path: &RelPath, change: &PathChange) -> Result<(), Failure> {
        let known = [change.before.as_ref(), change.after.as_ref()];
        for state in known.iter().flatten() {
            if self.is_settled(path, state)? || self.is(path, Some(state))? {
                return Ok(());
            }
        }
        let Some(stat) = self.tree.stat(path).map_err(failed("look at", path))? else { return Ok(()) };
        let session = self.store.begin()?;
        let stored = if stat.kind == Type::Symlink {
            session.put(&mut &self.tree.read_link(path).map_err(failed("read", path))?[..])?
        } else {
            session.put(&mut self.tree.open(path).map_err(failed("read", path))?)?
        };
        let _lease = session.commit()?;
        let note = serde_json::json!({ "path": change.path, "object": stored.id, "mode": stat.mode, "link": stat.kind == Type::Symlink });
        let file = RelPath::own(format!("ops/{}/kept-{}.json", self.op, stored.digest.hex()));
        let points = (SyncPoint::PlanFile, SyncPoint::JournalDir);
        write_durably(self.state, &file, note.to_string().as_bytes(), 0o600, points).map_err(failed("write", &file))?;
        Ok(())
    }

    /// True when size and an old enough modification time prove that it is the recorded file.
    fn is_settled(&self, path: &RelPath, state: &FileState) -> Result<bool, Failure> {
        let stat = self.tree.stat(path).map_err(failed("look at", path))?;
        Ok(stat.is_some_and(|stat| {
            stat.kind == Type::File
                && !state.link
                && (stat.size, stat.mode) == (state.size, state.mode)
                && Some(stat.mtime) == state.mtime
                && stat.mtime.0 + SETTLED_SECS < self.at.as_second()
        }))
    }
}
