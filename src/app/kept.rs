//! What operations put aside, listed and brought back: what somebody wrote while one was at work,
//! and what it overwrote or deleted.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use super::{App, Error};
use crate::{
    base::{Failure, Fs, OpId, RelPath, SyncPoint, fs::create_dir_all, output, sqlite},
    catalog::{Scope, manifests, registry},
    draft::{self, Draft, FileDraft, StepDraft, tree},
    git::{Attributes, Converter, Scan},
    ground::{Ground, ReadRelease, copy_checked},
    journal::{self, history, log::folder, status::Phase},
    model::{
        FileState, Operation, Plan, Source, TaskSpec,
        kept::{Fate, Kept, KeptFile, Why},
        operation::OpKind,
        plan::{FileLine, Letter},
        request::RestoreKept,
    },
    registry::task_config,
    rollback::{
        databases::{Sides, is_same, refuse_open},
        room::{self, Room},
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
        let open = |op: &&OpId| {
            self.ground
                .state
                .stat(&folder(op).join(RESTORED))
                .is_ok_and(|stat| stat.is_none())
        };
        let recent = ids
            .iter()
            .rev()
            .take(RECENT)
            .filter(open)
            .map(|op| (op.clone(), self.kept_notes(op)));
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
            None => history::ids(state)?
                .into_iter()
                .rev()
                .take(NEWEST)
                .collect(),
        };
        let mut all = Vec::new();
        for id in ids {
            let Some(found) = history::open(&self.ground.state, &id)? else {
                continue;
            };
            let files = self.kept_of(&found.operation, &found.phase)?;
            if !files.is_empty() || op.is_some() {
                all.push((id, files));
            }
        }
        Ok(all)
    }

    /// The files of one operation, what somebody wrote meanwhile first.
    fn kept_of(&self, operation: &Operation, phase: &Phase) -> Result<Vec<KeptFile>, Failure> {
        let left = Left::of(self, operation);
        let notes = self.kept_notes(&operation.about.id);
        let mut files = Vec::new();
        for note in notes.iter().filter(|note| note.what == Fate::Aside) {
            let Some(object) = note.object else { continue };
            let size = self.ground.store.verify(&object)?;
            let mode = if note.link { 0o777 } else { note.mode };
            let state = FileState {
                link: note.link,
                mode,
                size,
                digest: object.0,
                mtime: None,
                source: Source::Object(object),
            };
            files.push(KeptFile {
                path: note.path.clone(),
                why: Why::Aside,
                state,
                as_released: false,
            });
        }
        let stays = |path: &RelPath| {
            notes
                .iter()
                .any(|note| note.what == Fate::Stays && note.path == *path)
        };
        for change in operation.path_changes() {
            let Some(before) = &change.before else {
                continue;
            };
            let why = match &change.after {
                _ if stays(&change.path) => Why::Stays,
                _ if *phase == (Phase::Finished { done: false }) => continue,
                Some(after) if after.same(before) => continue,
                Some(_) => Why::Overwritten,
                None => Why::Deleted,
            };
            let as_released = left
                .as_ref()
                .is_some_and(|left| left.has(&change.path, before));
            files.push(KeptFile {
                path: change.path.clone(),
                why,
                state: before.clone(),
                as_released,
            });
        }
        Ok(files)
    }

    /// The files that are asked for: those at or below the paths, or all that somebody wrote. A
    /// database and what lay beside it come together: neither says anything without the other.
    fn chosen(&self, wanted: &RestoreKept) -> Result<(Operation, Vec<KeptFile>), Failure> {
        let found = history::open(&self.ground.state, &wanted.op)?;
        let found = found.ok_or_else(|| journal::Error::NotFound(wanted.op.short()))?;
        let mut files = self.kept_of(&found.operation, &found.phase)?;
        if files.is_empty() {
            return Err(Error::NothingKept(wanted.op.short()).into());
        }
        for path in &wanted.paths {
            if !files.iter().any(|file| file.path.is_in(path)) {
                return Err(Error::NotKept {
                    op: wanted.op.short(),
                    path: path.clone(),
                }
                .into());
            }
        }
        let is_named = |file: &KeptFile| wanted.paths.iter().any(|path| file.path.is_in(path));
        let is_meant = |file: &&KeptFile| {
            if wanted.paths.is_empty() {
                self.is_somebodys(file)
            } else {
                is_named(file)
            }
        };
        let meant: BTreeSet<RelPath> = files
            .iter()
            .filter(is_meant)
            .map(|file| file.path.clone())
            .collect();
        let lay_together = |file: &KeptFile| {
            let database = sqlite::database_of(&file.path);
            let logs = || {
                sqlite::ENDS
                    .into_iter()
                    .map(|end| sqlite::side(&file.path, end))
            };
            file.why != Why::Aside
                && (database.is_some_and(|path| meant.contains(&path))
                    || logs().any(|path| meant.contains(&path)))
        };
        files.retain(|file| is_meant(&file) || lay_together(file));
        if files.is_empty() {
            return Err(Error::NothingWritten(wanted.op.short()).into());
        }
        Ok((found.operation, files))
    }

    /// True for what somebody wrote: not as the version that was left has it, and none of what
    /// snapback or Python writes themselves.
    pub fn is_somebodys(&self, file: &KeptFile) -> bool {
        let settings = &self.ground.settings;
        let is_ours = file.path == settings.registry
            || file.path.is_in(&settings.snapshots)
            || file.path.name().ends_with(b".pyc");
        file.why == Why::Aside || !file.as_released && !is_ours
    }

    /// Writes files that an operation put aside below a new or empty folder; returns their paths
    /// there. Of several of one name all are written.
    ///
    /// # Errors
    /// When there is something in the folder, or a file cannot be read or written.
    pub fn restore_kept_into(
        &self,
        wanted: &RestoreKept,
        into: &Path,
        dry_run: bool,
    ) -> Result<Vec<RelPath>, Failure> {
        let (_, files) = self.chosen(wanted)?;
        let outside = |source| Error::Outside(into.to_path_buf(), source);
        if into.is_dir() && into.read_dir().map_err(outside)?.next().is_some()
            || into.is_symlink()
            || into.is_file()
        {
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
        let root = output::folder(into, true)?;
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
            out.set_mode(file.state.mode)
                .and_then(|()| out.sync(SyncPoint::StageFile))
                .map_err(outside)?;
        }
        self.note_restored(&wanted.op);
        Ok(paths)
    }

    /// Describes how files that an operation put aside come back to where they were.
    pub(super) fn draft_of_restore(&self, wanted: &RestoreKept) -> Result<Draft, Failure> {
        let (operation, files) = self.chosen(wanted)?;
        operation
            .about
            .task
            .as_ref()
            .map_or(Ok(()), |task| self.refuse_flawed(task))?;
        let Some(task) = operation
            .about
            .task
            .as_ref()
            .and_then(|id| self.ground.settings.task(id))
        else {
            return Err(Error::OnlyInto(wanted.op.short()).into());
        };
        self.refuse_other_work_tree(&operation)?;
        let tree = &*self.ground.tree;
        let active = registry::in_tree(tree, &self.ground.settings)?;
        let active = registry::active_by(active.as_ref(), tree, task)?;
        let about = format!(
            "kept by {} {}",
            operation.about.kind.word(),
            wanted.op.short()
        );
        let plan = Plan {
            title: task.title.clone(),
            from: active.clone(),
            to: active,
            about,
            ..Plan::new(OpKind::Restore, &task.id)
        };
        let mut draft = Draft::new(
            plan,
            &format!("what operation {} had kept", wanted.op.short()),
        );
        let scope = Scope::new(&self.ground.settings, task)?;
        let sides = Sides::of(
            &self.ground,
            &scope,
            files
                .iter()
                .rev()
                .map(|file| (&file.path, Some(&file.state))),
        )?;
        for file in files {
            // The registry belongs to all tasks, and going back changes one entry of it only.
            if file.path == self.ground.settings.registry {
                draft.plan.notes.push(format!(
                    "{} is left as it is; --into writes it into a folder",
                    file.path
                ));
                continue;
            }
            let named = draft
                .files
                .iter()
                .any(|other: &FileDraft| other.path == file.path);
            let failed = |source| crate::catalog::Error::Read {
                path: file.path.clone(),
                source,
            };
            let is_there = holds(tree, &file.path, Some(&file.state)).map_err(failed)?;
            if named || is_there && !sides.databases.contains(&file.path) {
                continue;
            }
            let before = tree::existing(tree, &self.ground.git, &file.path, None)?;
            if !is_there {
                let letter = if before.is_some() {
                    Letter::M
                } else {
                    Letter::A
                };
                draft
                    .plan
                    .files
                    .push(line(&file.path, letter, file.state.size, file.why.word()));
            }
            let state = FileState {
                mtime: None,
                ..file.state
            };
            draft.files.push(FileDraft {
                path: file.path,
                before,
                after: Some(draft::Kept::already(state)),
            });
        }
        for log in sides.go {
            let before = tree::existing(tree, &self.ground.git, &log, None)?;
            draft.files.push(FileDraft {
                path: log,
                before,
                after: None,
            });
        }
        self.make_room(&scope, &wanted.op, &mut draft)?;
        let gone = draft.files.iter().filter(|file| file.after.is_none());
        let why = |path: &RelPath| {
            if sqlite::database_of(path).is_some() {
                "SQLite would read it"
            } else {
                "in the way"
            }
        };
        let size = |file: &FileDraft| file.before.as_ref().map_or(0, |kept| kept.state.size);
        draft
            .plan
            .files
            .extend(gone.map(|file| line(&file.path, Letter::D, size(file), why(&file.path))));
        draft.plan.files.sort_by(|a, b| a.path.cmp(&b.path));
        draft.plan.nothing_to_do = draft.files.iter().all(is_same);
        draft.files.sort_by(|a, b| a.path.cmp(&b.path));
        draft.steps = vec![StepDraft::Files, StepDraft::Verify(None)];
        refuse_open(&self.ground, &mut draft)?;
        self.note_other_version(task, &mut draft)?;
        Ok(draft)
    }

    /// What lies where the files must go is saved and goes.
    fn make_room(&self, scope: &Scope, op: &OpId, draft: &mut Draft) -> Result<(), Failure> {
        let paths = room::with_obstacles(
            &*self.ground.tree,
            draft.files.iter().map(|file| file.path.clone()).collect(),
        )?;
        let scan = if paths.is_empty() {
            Scan::default()
        } else {
            self.ground.git.scan(&paths)?
        };
        let needed = format!("operation {}", op.short());
        let (made, _) = Room {
            ground: &self.ground,
            scope,
            needed: &needed,
        }
        .make_all(&scan, &mut draft.files)?;
        draft.plan.notes.extend(room::note(made.len(), "undo"));
        Ok(())
    }

    /// Says when the configuration that comes back names another version than the one that is
    /// active.
    fn note_other_version(&self, task: &TaskSpec, draft: &mut Draft) -> Result<(), Failure> {
        let Some(file) = draft
            .files
            .iter()
            .find(|file| task.config.as_ref() == Some(&file.path))
        else {
            return Ok(());
        };
        let Some(state) = file
            .after
            .as_ref()
            .map(|kept| &kept.state)
            .filter(|state| state.size <= registry::LIMIT)
        else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        copy_checked(&self.ground, state, &mut bytes)?;
        let says = task_config::version(&bytes, &file.path, &task.version_key)
            .ok()
            .flatten();
        if let (Some(says), Some(active)) = (says, &draft.plan.to)
            && says != *active
        {
            draft.plan.notes.push(format!(
                "{} says {says} then, and the registry {active}",
                file.path
            ));
        }
        Ok(())
    }

    /// From now on `status` need not speak of it. Not worth a failure.
    pub fn note_restored(&self, op: &OpId) {
        let _ = self.ground.state.create(&folder(op).join(RESTORED), 0o600);
    }
}

/// A line of the plan.
fn line(path: &RelPath, letter: Letter, size: u64, note: &str) -> FileLine {
    FileLine {
        path: path.clone(),
        letter,
        added: None,
        removed: None,
        size,
        large: false,
        note: note.into(),
    }
}

/// The version that an operation left, as far as it is kept.
struct Left<'a> {
    ground: &'a Ground,
    found: Arc<ReadRelease>,
    places: HashMap<RelPath, usize>,
    converter: Converter,
}

impl<'a> Left<'a> {
    /// That of an operation; `None` when it was none, or cannot be read.
    fn of(app: &'a App, operation: &Operation) -> Option<Self> {
        let (task, version) = (
            operation.about.task.as_ref()?,
            operation.about.from.as_ref()?,
        );
        let releases = app.release_for(task, version).ok()?;
        let found = manifests::load(&app.ground, releases.find(task, version).ok()?).ok()?;
        let converter = app
            .ground
            .git
            .converter(Attributes::Commit(&found.tag.commit))
            .ok()?;
        let places = found
            .manifest
            .files
            .iter()
            .enumerate()
            .map(|(at, file)| (file.path.clone(), at))
            .collect();
        Some(Self {
            ground: &app.ground,
            found,
            places,
            converter,
        })
    }

    /// True when the version has this file just so.
    fn has(&self, path: &RelPath, state: &FileState) -> bool {
        let Some(file) = self
            .places
            .get(path)
            .map(|at| &self.found.manifest.files[*at])
        else {
            return false;
        };
        let mode = file.mode.as_deref();
        let is_executable =
            mode.is_none_or(|mode| state.link || (mode == "100755") == (state.mode & 0o100 != 0));
        if state.link != (mode == Some("120000"))
            || self.ground.git.trusts_file_mode() && !is_executable
        {
            return false;
        }
        let is_blob = matches!(&state.source, Source::Blob(id) if file.blob.as_ref() == Some(id));
        let is_plain = self.converter.is_plain(path).unwrap_or(false);
        is_blob
            || file.digest() == Some(state.digest)
            || !is_plain
                && tree::restored(self.ground, &self.converter, file)
                    .is_ok_and(|kept| kept.state.digest == state.digest)
    }
}
