//! The staging folders of this step: what is put there, and which part is removed when. Files in
//! them under another name are foreign, and stay.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
};

use super::{
    Files, STAGED_FILE, TREE_DIR,
    error::{failed, unwritten},
    places::stage_in,
};
use crate::{
    base::{Due, Failure, Fs, RelPath, Stat, Type, at_once, few_at_once, owner::Owner},
    materialise::{
        journaled::Staging,
        write::{FileOptions, UnsyncedFile},
    },
    model::{FileRecord, OpId, PathChange},
    stat_cache::WORTH_WATCHING,
};

/// Size, in bytes, of a file that takes longer to write than a person who wants to stop waits.
const HUGE: u64 = 256 << 20;

/// Number of bytes that takes long to stage, whatever the disk.
const MANY_BYTES: u64 = 8 << 20;

/// Size, in bytes, of a file that the store reads with several threads and many buffers.
const BY_THREADS: u64 = 16 << 20;

/// The part of the staging folder that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clear {
    /// Files that are not whole.
    Unfinished,
    /// Nothing.
    Nothing,
    /// Everything, and the folder.
    All,
}

impl<'a> Files<'a> {
    /// Returns the staging folders of these changes.
    pub(super) fn stages_of(&self, open: &[(usize, &PathChange)]) -> BTreeSet<RelPath> {
        open.iter()
            .map(|(_, change)| self.places.stage_of(&change.path))
            .collect()
    }

    /// Returns where the n-th change's new content is staged and its displaced content lands.
    pub(super) fn staged(&self, at: usize) -> RelPath {
        self.staging(self.places.stage_of(&self.changes[at].path))
            .nth(at)
    }

    /// Returns the staging folder at this path.
    pub(super) fn staging(&self, folder: RelPath) -> Staging<'_> {
        let op = self.places.names_operation().then_some(&self.op);
        Staging::at(&*self.tree, folder, op)
    }

    /// Makes the staging folders and writes every new file into them.
    pub(super) fn stage_all(
        &self,
        open: &[(usize, &'a PathChange)],
        goal: &(dyn Fn(&'a PathChange) -> Option<&'a FileRecord> + Sync),
        forward: bool,
    ) -> Result<(), Failure> {
        let staged = self.staged.as_ref().filter(|_| forward);
        let is_staged = |at: &usize| staged.is_some_and(|staged| staged.contains(at));
        let left: Vec<(usize, &'a PathChange)> = open
            .iter()
            .filter(|(at, _)| !is_staged(at))
            .copied()
            .collect();
        if staged.is_some() && left.iter().all(|(_, change)| goal(change).is_none()) {
            return Ok(());
        }
        for stage in self.stages_of(&left) {
            self.staging(stage).make(TREE_DIR).map_err(unwritten)?;
        }
        let stage = |(at, change): &(usize, &'a PathChange)| {
            self.stage_file(*at, change, goal(change), forward)
        };
        if are_many_bytes(&left, goal) {
            stage_many_bytes(left, goal, stage)
        } else {
            at_once(&left, stage)
        }
    }

    /// Makes the staging folders and writes every new file into them, before the operation begins.
    /// `there` is what stands at the path of each change.
    pub(super) fn stage_early(&mut self, there: &[Option<Stat>], due: &Due) -> Result<(), Failure> {
        let changes: Vec<(usize, &'a PathChange)> = self
            .changes
            .iter()
            .enumerate()
            .filter(|(_, change)| change.before != change.after)
            .collect();
        for stage in self.stages_of(&changes) {
            self.staging(stage.clone())
                .make_unsynced()
                .map_err(unwritten)?;
            self.sync_later(&stage, due);
            self.sync_later(&stage.parent(), due);
        }
        let goal = |change: &'a PathChange| change.after.as_ref();
        let stage = |(at, change): &(usize, &'a PathChange)| match goal(change) {
            Some(state) => self.stage_new(*at, (change, there[*at]), state, due),
            None => Ok(()),
        };
        // Nothing is waited for, and files are made in one folder one after the other.
        if are_many_bytes(&changes, &goal) {
            stage_many_bytes(changes, &goal, stage)?;
        } else {
            changes.iter().try_for_each(stage)?;
        }
        let all = self.changes.iter().enumerate();
        let staged =
            all.filter(|(_, change)| change.before != change.after && change.after.is_some());
        self.staged = Some(staged.map(|(at, _)| at).collect());
        Ok(())
    }

    /// Writes one new file or link into the staging folder, to be synced at the barrier.
    fn stage_new(
        &self,
        at: usize,
        (change, there): (&PathChange, Option<Stat>),
        state: &FileRecord,
        due: &Due,
    ) -> Result<(), Failure> {
        let path = &change.path;
        let how = FileOptions {
            sync: None,
            is_unseen: self.known.is_some() && state.size >= WORTH_WATCHING,
            ..how(there, state, true)
        };
        let staging = self.staging(self.places.stage_of(path));
        let open = staging.write_open(at, &how, (state, &*self.bytes));
        let Some(UnsyncedFile { mut file, witness }) = open.map_err(unwritten)? else {
            return Ok(());
        };
        if let Some((known, witness)) = self.known.zip(witness) {
            known.watched.add(Some(path.clone()), witness, state.digest);
        }
        let path = path.clone();
        due.file(move || Ok(file.sync(STAGED_FILE).map_err(failed("write", &path))?));
        Ok(())
    }

    /// Writes one new file or link into the staging folder and syncs it. Going back, what was
    /// displaced is there already. Going forward, what an earlier run staged is written anew: its
    /// bytes may be in memory only, and after a failed sync they stay there. A huge file is given
    /// up when a signal asks to stop: then all is put back.
    fn stage_file(
        &self,
        at: usize,
        change: &PathChange,
        goal: Option<&FileRecord>,
        forward: bool,
    ) -> Result<(), Failure> {
        let staged = self.staged(at);
        if self.is_staged(&staged, change, goal)? {
            if !forward {
                return Ok(());
            }
            self.tree
                .remove_file(&staged)
                .map_err(failed("remove", &staged))?;
        }
        let Some(state) = goal else { return Ok(()) };
        let path = &change.path;
        let there = self.tree.stat(path).map_err(failed("look at", path))?;
        let how = how(there, state, forward);
        let staging = self.staging(self.places.stage_of(path));
        let staged = staging.write(at, &how, (state, &*self.bytes));
        staged.map_err(unwritten)
    }

    /// Returns true when the wanted content is staged already. Any other content there is kept in
    /// the store when it is foreign, and removed.
    fn is_staged(
        &self,
        staged: &RelPath,
        change: &PathChange,
        goal: Option<&FileRecord>,
    ) -> Result<bool, Failure> {
        if self
            .tree
            .stat(staged)
            .map_err(failed("look at", staged))?
            .is_none()
        {
            return Ok(false);
        }
        if goal.is_some() && self.is(staged, goal)? {
            return Ok(true);
        }
        if !self.is_torn(staged, goal)? {
            self.keep_foreign_edit(staged, change)?;
        }
        self.tree
            .remove_file(staged)
            .map_err(failed("remove", staged))?;
        Ok(false)
    }

    /// Returns true for what a crash leaves of a staged file: parts of its bytes and nothing else,
    /// with zeros where they are missing.
    fn is_torn(&self, staged: &RelPath, goal: Option<&FileRecord>) -> Result<bool, Failure> {
        let stat = self.tree.stat(staged).map_err(failed("look at", staged))?;
        let Some((goal, stat)) = goal.zip(stat) else {
            return Ok(false);
        };
        if stat.kind != Type::File || goal.is_link() || stat.size > goal.size {
            return Ok(false);
        }
        let file = self.tree.open(staged).map_err(failed("read", staged))?;
        let mut torn = TornCopy {
            file,
            buffer: Vec::new(),
            is_torn: true,
        };
        self.bytes.copy(goal, &mut torn)?;
        Ok(torn.is_torn)
    }

    /// Keeps foreign content in the staging folder in the store, and removes what is to be cleared.
    pub(super) fn clear_stage(&self, clear: Clear) -> Result<(), Failure> {
        self.places
            .stages()
            .try_for_each(|stage| self.clear_one(&self.staging(stage), clear))
    }

    /// Does [`Files::clear_stage`] for one staging folder. Anything that is not the operation's is
    /// foreign, and stays.
    fn clear_one(&self, staging: &Staging<'_>, clear: Clear) -> Result<(), Failure> {
        let files = staging.files().map_err(unwritten)?;
        for (path, number) in &files {
            let change = number.and_then(|at| self.changes.get(at));
            if change.is_none() && number.is_some() {
                continue;
            }
            if let Some(change) = change.filter(|_| clear != Clear::Unfinished) {
                self.keep_foreign_edit(path, change)?;
            }
            if clear == Clear::All || (clear == Clear::Unfinished && change.is_none()) {
                self.tree
                    .remove_file(path)
                    .map_err(failed("remove", path))?;
            }
        }
        if clear != Clear::All {
            return Ok(());
        }
        staging.remove().map_err(unwritten)
    }

    /// Drops what was displaced.
    pub(super) fn drop_stage(&self, due: &Due) -> Result<(), Failure> {
        self.clear_stage(Clear::All)?;
        for folder in self.places.folders() {
            self.sync_later(folder, due);
        }
        Ok(())
    }
}

/// Returns how the new file of a path is written, in place of what is there.
fn how(there: Option<Stat>, state: &FileRecord, forward: bool) -> FileOptions {
    FileOptions {
        owner: there.map(|stat| Owner {
            uid: stat.uid,
            gid: stat.gid,
        }),
        is_bulk: true,
        stops: forward && state.size > HUGE,
        sync: Some(STAGED_FILE),
        ..FileOptions::of(state)
    }
}

/// Compares a file with the bytes that are written here.
struct TornCopy {
    file: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// False once the file has a byte that is neither zero nor what was written at its place.
    is_torn: bool,
}

impl Write for TornCopy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.clear();
        (&mut self.file)
            .take(bytes.len() as u64)
            .read_to_end(&mut self.buffer)?;
        let mut pairs = self.buffer.iter().zip(bytes);
        self.is_torn &= pairs.all(|(there, wanted)| *there == 0 || there == wanted);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns true when the new files of changes are many bytes.
fn are_many_bytes<'a>(
    changes: &[(usize, &'a PathChange)],
    goal: &dyn Fn(&'a PathChange) -> Option<&'a FileRecord>,
) -> bool {
    let states = changes.iter().filter_map(|(_, change)| goal(change));
    states.map(|state| state.size).sum::<u64>() > MANY_BYTES
}

/// Stages the new files of changes that are many bytes: large ones one after the other, so that
/// their buffers are in memory once.
fn stage_many_bytes<'a>(
    changes: Vec<(usize, &'a PathChange)>,
    goal: &dyn Fn(&'a PathChange) -> Option<&'a FileRecord>,
    stage: impl Fn(&(usize, &'a PathChange)) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let is_large = |(_, change): &(usize, &'a PathChange)| {
        goal(change).is_some_and(|state| state.size > BY_THREADS)
    };
    let (large, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(is_large);
    few_at_once(&others, &stage)?;
    large.iter().try_for_each(stage)
}

/// Removes what was staged for operations that never began, which had changed nothing: everything
/// but the files of one that `is_open`.
///
/// # Errors
/// Fails when a folder cannot be listed or a file cannot be removed.
pub fn sweep(tree: &dyn Fs, is_open: impl Fn(&OpId) -> bool) -> Result<(), Failure> {
    for stage in all_stages(tree)? {
        let staging = Staging::at(tree, stage.clone(), None);
        for (path, op) in staging.of_operations().map_err(unwritten)? {
            if !is_open(&op) {
                tree.remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        let is_dir = |stat: Stat| stat.kind == Type::Dir;
        let there = tree.stat(&stage).map_err(failed("look at", &stage))?;
        if there.is_some_and(is_dir)
            && tree
                .list(&stage)
                .map_err(failed("list", &stage))?
                .is_empty()
        {
            staging.remove().map_err(unwritten)?;
        }
    }
    Ok(())
}

/// Returns true when something that no operation staged stands where a staging folder must go.
///
/// # Errors
/// Fails when it cannot be looked at.
pub fn is_taken(tree: &dyn Fs, place: &RelPath) -> Result<bool, Failure> {
    let stage = stage_in(place);
    match tree.stat(&stage).map_err(failed("look at", &stage))? {
        None => Ok(false),
        Some(stat) if stat.kind != Type::Dir => Ok(true),
        Some(_) => {
            let all = tree.list(&stage).map_err(failed("list", &stage))?;
            let ours = Staging::at(tree, stage, None).of_operations();
            Ok(all.len() > ours.map_err(unwritten)?.len())
        }
    }
}

/// Returns true when files are staged for an operation.
///
/// # Errors
/// Fails when a staging folder cannot be listed.
pub fn is_staged(tree: &dyn Fs, op: &OpId) -> Result<bool, Failure> {
    is_any_staged(tree, |of| of == op)
}

/// Returns true when files are staged. A killed command left them where no operation is unfinished.
///
/// # Errors
/// Fails when a staging folder cannot be listed.
pub fn has_leftovers(tree: &dyn Fs) -> Result<bool, Failure> {
    is_any_staged(tree, |_| true)
}

/// Returns true when a file is staged for such an operation.
fn is_any_staged(tree: &dyn Fs, is_such: impl Fn(&OpId) -> bool) -> Result<bool, Failure> {
    for stage in all_stages(tree)? {
        let files = Staging::at(tree, stage, None).of_operations();
        if files.map_err(unwritten)?.iter().any(|(_, of)| is_such(of)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns where staging folders may be: at the top, and in each mount.
pub(super) fn all_stages(tree: &dyn Fs) -> Result<Vec<RelPath>, Failure> {
    let root = RelPath::root();
    let mounts = tree
        .mounts()
        .map_err(failed("see what is mounted below", &root))?;
    let places = std::iter::once(root).chain(mounts);
    Ok(places.map(|place| stage_in(&place)).collect())
}
