//! Handles foreign edits: what stands at a path and was not there when the plan was made. It is
//! kept, and noted beside the journal, so that it can be named and brought back.

use std::collections::BTreeSet;

use super::{Files, failed};
use crate::{
    base::{Digest, Failure, Fs, RelPath, Type},
    model::{
        OpId, PathChange,
        kept::{Fate, SavedEdit},
    },
    records::{JsonRecord, RecordFiles, Records},
};

/// The beginning of the key of a note.
const NOTE: &str = "kept-";

/// A change that is not yet in its final state, with its number.
pub(super) type PendingChange<'c> = (usize, &'c PathChange);

/// The changes of an operation that is taken back, split by what happens to them.
pub(super) struct SplitChanges<'c> {
    /// Changes that go back.
    pub own: Vec<PendingChange<'c>>,
    /// Paths of foreign edits, which stay.
    pub stay: BTreeSet<RelPath>,
}

impl JsonRecord for SavedEdit {
    const LIMIT: u64 = 1 << 20;
    const IS_PRETTY: bool = false;

    fn is_key(key: &str) -> bool {
        key.starts_with(NOTE)
    }
}

/// Returns the notes of an operation, in the folder that its journal made.
fn notes_of<'f>(state: &'f dyn Fs, op: &OpId) -> Records<'f, SavedEdit> {
    Records::new(RecordFiles::within(state), format!("ops/{op}"))
}

/// Returns the notes of an operation, sorted by path. A note that cannot be read is skipped: `store
/// check` and `store gc` report it.
///
/// # Errors
/// When the operation's folder cannot be listed.
pub fn notes(state: &dyn Fs, op: &OpId) -> std::io::Result<Vec<SavedEdit>> {
    let all = notes_of(state, op).all()?.whole;
    let mut notes: Vec<SavedEdit> = all.into_iter().map(|(_, note)| note).collect();
    notes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(notes)
}

impl Files<'_> {
    /// Puts what stands at `path` into the store unless it is a change's known old or new content.
    pub(super) fn keep_foreign_edit(
        &self,
        path: &RelPath,
        change: &PathChange,
    ) -> Result<(), Failure> {
        if self.is_known(path, change)? {
            Ok(())
        } else {
            self.put_aside(path, &change.path)
        }
    }

    /// Puts what stands at `path` into the store, and notes it as the foreign edit of file `of`.
    pub(super) fn put_aside(&self, path: &RelPath, of: &RelPath) -> Result<(), Failure> {
        let Some(stat) = self.tree.stat(path).map_err(failed("look at", path))? else {
            return Ok(());
        };
        let session = self.store.begin();
        let link = stat.kind == Type::Symlink;
        let stored = if link {
            session.put(&mut &self.tree.read_link(path).map_err(failed("read", path))?[..])?
        } else {
            session.put(&mut self.tree.open(path).map_err(failed("read", path))?)?
        };
        let _lease = session.commit()?;
        self.note(&SavedEdit {
            root: self.root.clone(),
            path: of.clone(),
            what: Fate::Aside,
            object: Some(stored.id),
            mode: stat.mode,
            link,
        })
    }

    /// Going forward: notes a file that was deleted meanwhile and that comes back. One that was not
    /// there before is no foreign edit.
    pub(super) fn note_deleted(&self, change: &PathChange) -> Result<(), Failure> {
        if change.before.is_none() {
            return Ok(());
        }
        self.note(&SavedEdit {
            root: self.root.clone(),
            path: change.path.clone(),
            what: Fate::Rewritten,
            object: None,
            mode: 0,
            link: false,
        })
    }

    /// Going back: leaves a foreign file, link, folder or deletion where it is. Returns the changes
    /// that are to be taken back.
    pub(super) fn leave_foreign_edits<'c>(
        &self,
        open: Vec<PendingChange<'c>>,
    ) -> Result<Vec<PendingChange<'c>>, Failure> {
        let SplitChanges { own, stay } = self.part(open)?;
        self.forget_earlier_notes(&stay)?;
        for path in stay {
            self.note(&SavedEdit {
                root: self.root.clone(),
                path,
                what: Fate::Stays,
                object: None,
                mode: 0,
                link: false,
            })?;
        }
        Ok(own)
    }

    /// Splits changes into those that go back and those that stay because they are foreign edits.
    pub(super) fn part<'c>(
        &self,
        open: Vec<PendingChange<'c>>,
    ) -> Result<SplitChanges<'c>, Failure> {
        let mut parted = SplitChanges {
            own: Vec::new(),
            stay: BTreeSet::new(),
        };
        for (at, change) in open {
            if self.is_foreign(change)? {
                parted.stay.insert(change.path.clone());
            } else {
                parted.own.push((at, change));
            }
        }
        self.leave_written(parted)
    }

    /// Returns true when a path is neither as before nor as this operation left it.
    fn is_foreign(&self, change: &PathChange) -> Result<bool, Failure> {
        let path = &change.path;
        let there = self.tree.stat(path).map_err(failed("look at", path))?;
        Ok(match there.map(|stat| stat.kind) {
            // This operation swaps files, so it leaves no gap where there was one and is to be one.
            None => {
                change.before.is_some() && change.after.is_some() || self.is_below_a_file(path)?
            }
            Some(Type::Dir) => !self.is_emptied(path, &|change| change.before.is_none())?,
            Some(Type::Other) => true,
            Some(_) => !self.is_known(path, change)?,
        })
    }

    /// Returns true when a file, which no change of this operation explains, stands where a folder
    /// of the path was.
    fn is_below_a_file(&self, path: &RelPath) -> Result<bool, Failure> {
        for dir in path.ancestors() {
            let stat = self.tree.stat(&dir).map_err(failed("look at", &dir))?;
            if stat.is_some_and(|stat| stat.kind != Type::Dir)
                && !self.changes.iter().any(|change| change.path == dir)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns true when a path holds the old or the new content of a change.
    fn is_known(&self, path: &RelPath, change: &PathChange) -> Result<bool, Failure> {
        for state in [change.before.as_ref(), change.after.as_ref()]
            .into_iter()
            .flatten()
        {
            if self.is(path, Some(state))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes a note, durable when this returns. Writing the same note twice leaves one.
    fn note(&self, note: &SavedEdit) -> Result<(), Failure> {
        let key = format!("{NOTE}{}", Digest::of(&note.encode()).hex());
        let file = RelPath::own(format!("ops/{}/{key}.json", self.op));
        Ok(notes_of(self.state, &self.op)
            .save(&key, note)
            .map_err(failed("write", &file))?)
    }

    /// Removes an earlier try's notes about what stays, because that is examined again, and about
    /// what was to come back where now something stays.
    fn forget_earlier_notes(&self, stay: &BTreeSet<RelPath>) -> Result<(), Failure> {
        let dir = RelPath::own(format!("ops/{}", self.op));
        let notes = notes_of(self.state, &self.op);
        let all = notes.all().map_err(failed("list", &dir))?.whole;
        let is_over = |note: &SavedEdit| match note.what {
            Fate::Stays => true,
            Fate::Rewritten => stay.contains(&note.path),
            Fate::Aside => false,
        };
        let over = all.iter().filter(|(_, note)| is_over(note));
        let keys: BTreeSet<&str> = over.map(|(key, _)| &key[..]).collect();
        Ok(notes
            .prune(0, |key| keys.contains(key))
            .map_err(failed("remove", &dir))?)
    }
}
