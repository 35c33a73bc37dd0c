//! What operations put aside, listed and brought back: what somebody wrote while one was at work,
//! and what it overwrote or deleted.

use std::{collections::BTreeSet, path::Path};

use super::{App, Error};
use crate::{
    base::{Failure, Fs, OpId, RelPath, Root, SyncPoint, fs::create_dir_all},
    catalog::registry,
    draft::{self, Draft, FileDraft, StepDraft, tree},
    ground::copy_checked,
    journal::{self, history, log::folder, status::Phase},
    model::{
        FileState, Operation, Plan, Source,
        kept::{Fate, Kept, KeptFile, Why},
        operation::OpKind,
        plan::{FileLine, Letter},
        request::RestoreKept,
    },
    steps::files::{holds, notes},
};

/// So many of the newest operations are looked at when none is named.
const NEWEST: usize = 50;
/// So many of them `status` speaks of.
const RECENT: usize = 10;
/// Says that what somebody wrote was brought back, in the operation's folder.
const RESTORED: &str = "restored";

impl App {
    /// What became of files that somebody changed while an operation was at work.
    pub fn kept_notes(&self, op: &OpId) -> Vec<Kept> {
        notes(&*self.ground.state, op).unwrap_or_default()
    }

    /// The recent operations that left something of somebody's which nobody has brought back yet.
    ///
    /// # Errors
    /// When the operations cannot be listed.
    pub fn kept_open(&self) -> Result<Vec<(OpId, Vec<Kept>)>, Failure> {
        if self.is_closed() {
            return Ok(Vec::new());
        }
        let ids = history::ids(&*self.ground.state)?;
        let open = |op: &&OpId| self.ground.state.stat(&folder(op).join(RESTORED)).is_ok_and(|stat| stat.is_none());
        let recent = ids.iter().rev().take(RECENT).filter(open).map(|op| (op.clone(), self.kept_notes(op)));
        Ok(recent.filter(|(_, notes)| !notes.is_empty()).collect())
    }

    /// The files that can be brought back of one operation, or of the newest ones.
    ///
    /// # Errors
    /// When there is no such operation, or its plan cannot be read.
    pub fn kept(&self, op: Option<&str>) -> Result<Vec<(OpId, Vec<KeptFile>)>, Failure> {
        let state = &*self.ground.state;
        let ids = match op {
            Some(text) => vec![history::find(state, text)?],
            None => history::ids(state)?.into_iter().rev().take(NEWEST).collect(),
        };
        let mut all = Vec::new();
        for id in ids {
            let Some(found) = history::open(&self.ground.state, &id)? else { continue };
            let files = self.kept_of(&found.operation, &found.phase)?;
            if !files.is_empty() || op.is_some() {
                all.push((id, files));
            }
        }
        Ok(all)
    }

    /// The files of one operation, what somebody wrote first.
    fn kept_of(&self, operation: &Operation, phase: &Phase) -> Result<Vec<KeptFile>, Failure> {
        let notes = self.kept_notes(&operation.about.id);
        let mut files = Vec::new();
        for note in notes.iter().filter(|note| note.what == Fate::Aside) {
            let Some(object) = note.object else { continue };
            let size = self.ground.store.verify(&object)?;
            let mode = if note.link { 0o777 } else { note.mode };
            let state = FileState { link: note.link, mode, size, digest: object.0, mtime: None, source: Source::Object(object) };
            files.push(KeptFile { path: note.path.clone(), why: Why::Aside, state });
        }
        let stays = |path: &RelPath| notes.iter().any(|note| note.what == Fate::Stays && note.path == *path);
        for change in operation.path_changes() {
            let Some(before) = &change.before else { continue };
            let why = match &change.after {
                _ if stays(&change.path) => Why::Stays,
                _ if *phase == (Phase::Finished { done: false }) => continue,
                Some(after) if after.same(before) => continue,
                Some(_) => Why::Overwritten,
                None => Why::Deleted,
            };
            files.push(KeptFile { path: change.path.clone(), why, state: before.clone() });
        }
        Ok(files)
    }

    /// The files that are asked for: all that somebody wrote, or, when there is nothing of the
    /// kind, all that the operation changed; or those at or below the paths.
    fn chosen(&self, wanted: &RestoreKept) -> Result<(Operation, Vec<KeptFile>), Failure> {
        let found = history::open(&self.ground.state, &wanted.op)?;
        let found = found.ok_or_else(|| journal::Error::NotFound(wanted.op.short()))?;
        let mut files = self.kept_of(&found.operation, &found.phase)?;
        if wanted.paths.is_empty() {
            let somebodys = files.iter().any(|file| file.why == Why::Aside);
            files.retain(|file| !somebodys || file.why == Why::Aside);
        }
        for path in &wanted.paths {
            if !files.iter().any(|file| file.path == *path || file.path.is_in(path)) {
                return Err(Error::NotKept { op: wanted.op.short(), path: path.clone() }.into());
            }
        }
        files.retain(|file| wanted.paths.is_empty() || wanted.paths.iter().any(|path| file.path == *path || file.path.is_in(path)));
        if files.is_empty() {
            return Err(Error::NothingKept(wanted.op.short()).into());
        }
        Ok((found.operation, files))
    }

    /// Writes files that an operation put aside below a new or empty folder; returns their paths
    /// there. Of several of one name all are written.
    ///
    /// # Errors
    /// When there is something in the folder, or a file cannot be read or written.
    pub fn restore_kept_into(&self, wanted: &RestoreKept, into: &Path, dry_run: bool) -> Result<Vec<RelPath>, Failure> {
        let (_, files) = self.chosen(wanted)?;
        let outside = |source| Error::Outside(into.to_path_buf(), source);
        if into.is_dir() && into.read_dir().map_err(outside)?.next().is_some() || into.is_symlink() || into.is_file() {
            return Err(Error::NotEmpty(into.to_path_buf()).into());
        }
        let (mut paths, mut taken) = (Vec::with_capacity(files.len()), BTreeSet::new());
        for file in &files {
            let mut path = file.path.clone();
            while !taken.insert(path.clone()) {
                path = RelPath::own([path.as_bytes(), b"~"].concat());
            }
            paths.push(path);
        }
        if dry_run {
            return Ok(paths);
        }
        std::fs::create_dir_all(into).map_err(outside)?;
        let root = Root::open(into).map_err(outside)?;
        for (file, path) in files.iter().zip(&paths) {
            crate::base::cancel::check()?;
            create_dir_all(&root, &path.parent(), 0o777).map_err(outside)?;
            if file.state.link {
                let mut target = Vec::new();
                copy_checked(&self.ground, &file.state, &mut target)?;
                root.symlink(&target, path).map_err(outside)?;
                continue;
            }
            let mut out = root.create(path, 0o600).map_err(outside)?;
            copy_checked(&self.ground, &file.state, &mut out)?;
            out.set_mode(file.state.mode).and_then(|()| out.sync(SyncPoint::StageFile)).map_err(outside)?;
        }
        self.note_restored(&wanted.op);
        Ok(paths)
    }

    /// Describes how files that an operation put aside come back to where they were.
    pub(super) fn draft_of_restore(&self, wanted: &RestoreKept) -> Result<Draft, Failure> {
        let (operation, files) = self.chosen(wanted)?;
        operation.about.task.as_ref().map_or(Ok(()), |task| self.refuse_flawed(task))?;
        let Some(task) = operation.about.task.as_ref().and_then(|id| self.ground.settings.task(id)) else {
            return Err(Error::OnlyInto(wanted.op.short()).into());
        };
        self.refuse_other_work_tree(&operation)?;
        let tree = &*self.ground.tree;
        let active = registry::in_tree(tree, &self.ground.settings)?;
        let active = registry::active_by(active.as_ref(), tree, task)?;
        let about = format!("kept by {} {}", operation.about.kind.word(), wanted.op.short());
        let plan = Plan { title: task.title.clone(), from: active.clone(), to: active, about, ..Plan::new(OpKind::Restore, &task.id) };
        let mut draft = Draft::new(plan, &format!("what operation {} had kept", wanted.op.short()));
        for file in files {
            // The registry belongs to all tasks, and going back changes one entry of it only.
            if file.path == self.ground.settings.registry {
                draft.plan.notes.push(format!("{} is left as it is; --into writes it into a folder", file.path));
                continue;
            }
            let named = draft.files.iter().any(|other: &FileDraft| other.path == file.path);
            let failed = |source| crate::catalog::Error::Read { path: file.path.clone(), source };
            if named || holds(tree, &file.path, Some(&file.state)).map_err(failed)? {
                continue;
            }
            let before = tree::existing(tree, &self.ground.git, &file.path, None)?;
            draft.plan.files.push(FileLine {
                path: file.path.clone(),
                letter: if before.is_some() { Letter::M } else { Letter::A },
                added: None,
                removed: None,
                size: file.state.size,
                large: false,
                note: file.why.word().into(),
            });
            let state = FileState { mtime: None, ..file.state };
            draft.files.push(FileDraft { path: file.path, before, after: Some(draft::Kept::already(state)) });
        }
        draft.plan.nothing_to_do = draft.files.is_empty();
        draft.files.sort_by(|a, b| a.path.cmp(&b.path));
        draft.steps = vec![StepDraft::Files, StepDraft::Verify(None)];
        Ok(draft)
    }

    /// From now on `status` need not speak of it. Not worth a failure.
    pub fn note_restored(&self, op: &OpId) {
        let _ = self.ground.state.create(&folder(op).join(RESTORED), 0o600);
    }
}
