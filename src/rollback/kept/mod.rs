//! Lists and restores files that operations saved: foreign edits made while one was running, and
//! what it overwrote or deleted.
//!
//! `restore` describes how files return to the work tree; nothing here changes the work tree
//! itself. Files can also be written into a separate folder, which no journal records.

mod error;
mod left_version;
mod restore;

use std::{collections::BTreeSet, path::Path};

use crate::{
    base::{Failure, RelPath, cancel, sqlite},
    journal::{self, history, log::folder, status::OperationPhase},
    materialise::{
        self,
        fresh::Fresh,
        write::{FileOptions, Permissions},
    },
    model::{
        FileKind, FileRecord, Location, OpId, Operation,
        kept::{Fate, KeptFile, SaveReason, SavedEdit},
        request::RestoreKept,
    },
    site::RepoSite,
    steps::files::notes,
};
use left_version::LeftVersion;

pub use error::Error;

/// Number of newest operations examined when none is named.
const NEWEST: usize = 50;
/// Number of newest operations that `status` reports on.
const RECENT: usize = 10;
/// Name of the marker, in the operation's folder, that foreign edits were restored.
const RESTORED: &str = "restored";

/// Returns the recent operations with saved foreign edits that were not restored yet.
///
/// # Errors
/// Fails when the operations cannot be listed.
pub fn open_notes(site: &RepoSite) -> Result<Vec<(OpId, Vec<SavedEdit>)>, Failure> {
    if site.is_closed() {
        return Ok(Vec::new());
    }
    let ids = history::ids(&*site.state)?;
    let open = |op: &&OpId| {
        site.state
            .stat(&folder(op).join(RESTORED))
            .is_ok_and(|stat| stat.is_none())
    };
    let recent = ids
        .iter()
        .rev()
        .take(RECENT)
        .filter(open)
        .map(|op| (op.clone(), notes(&*site.state, op).unwrap_or_default()));
    Ok(recent.filter(|(_, notes)| !notes.is_empty()).collect())
}

/// Returns the restorable files of one operation, or of the newest ones.
///
/// # Errors
/// Fails when there is no such operation, or its plan cannot be read.
pub fn files(site: &RepoSite, op: Option<&str>) -> Result<Vec<(OpId, Vec<KeptFile>)>, Failure> {
    let state = &*site.state;
    let ids = match op {
        Some(text) => vec![history::find(&site.state, text)?],
        None => history::ids(state)?
            .into_iter()
            .rev()
            .take(NEWEST)
            .collect(),
    };
    let mut all = Vec::new();
    for id in ids {
        let Some(found) = history::open(&site.state, &id)? else {
            continue;
        };
        let files = kept_of(site, &found.operation, &found.phase)?;
        if !files.is_empty() || op.is_some() {
            all.push((id, files));
        }
    }
    Ok(all)
}

/// Returns the files of one operation, foreign edits first.
fn kept_of(
    site: &RepoSite,
    operation: &Operation,
    phase: &OperationPhase,
) -> Result<Vec<KeptFile>, Failure> {
    let left = LeftVersion::of(site, operation);
    let notes = notes(&*site.state, &operation.about.id).unwrap_or_default();
    let mut files = Vec::new();
    for note in notes.iter().filter(|note| note.what == Fate::Aside) {
        files.extend(put_aside(site, note)?);
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
            _ if stays(&change.path) => SaveReason::Stays,
            _ if *phase == (OperationPhase::Finished { done: false }) => continue,
            Some(after) if after.same(before) => continue,
            Some(_) => SaveReason::Overwritten,
            None => SaveReason::Deleted,
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

/// Returns a file that was moved aside; `None` when its bytes were not saved.
fn put_aside(site: &RepoSite, note: &SavedEdit) -> Result<Option<KeptFile>, Failure> {
    let Some(object) = note.object else {
        return Ok(None);
    };
    let kind = if note.link {
        FileKind::Link
    } else {
        FileKind::of_mode(note.mode)
    };
    let state = FileRecord {
        path: note.path.clone(),
        kind,
        mode: if note.link { kind.mode() } else { note.mode },
        size: site.store.verify(&object)?,
        digest: object.0,
        mtime: None,
        location: Location::Object(object),
    };
    Ok(Some(KeptFile {
        path: note.path.clone(),
        why: SaveReason::Aside,
        state,
        as_released: false,
    }))
}

/// Returns the requested files: those at or below the paths, or all foreign edits. A database and
/// its companions are restored together, because neither is meaningful alone.
fn chosen(site: &RepoSite, wanted: &RestoreKept) -> Result<(Operation, Vec<KeptFile>), Failure> {
    let found = history::open(&site.state, &wanted.op)?;
    let found = found.ok_or_else(|| journal::Error::NotFound(wanted.op.short()))?;
    let mut files = kept_of(site, &found.operation, &found.phase)?;
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
            is_somebodys(site, file)
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
        file.why != SaveReason::Aside
            && (database.is_some_and(|path| meant.contains(&path))
                || logs().any(|path| meant.contains(&path)))
    };
    files.retain(|file| is_meant(&file) || lay_together(file));
    if files.is_empty() {
        return Err(Error::NothingWritten(wanted.op.short()).into());
    }
    Ok((found.operation, files))
}

/// Returns true for a foreign edit: the file differs from the version that was left, and is not one
/// that snapback or Python writes.
pub fn is_somebodys(site: &RepoSite, file: &KeptFile) -> bool {
    let settings = &site.settings;
    let is_ours = file.path == settings.registry
        || file.path.is_in(&settings.snapshots)
        || file.path.name().ends_with(b".pyc");
    file.why == SaveReason::Aside || !file.as_released && !is_ours
}

/// Writes saved files into a new or empty folder, all or none; returns their paths there. If
/// several have one name, all are written.
///
/// # Errors
/// Fails when the folder is not empty, or a file cannot be read or written.
pub fn restore_into(
    site: &RepoSite,
    wanted: &RestoreKept,
    into: &Path,
    dry_run: bool,
) -> Result<Vec<RelPath>, Failure> {
    let (_, files) = chosen(site, wanted)?;
    let (mut paths, mut taken) = (Vec::with_capacity(files.len()), BTreeSet::new());
    for file in &files {
        let mut path = file.path.clone();
        while !taken.insert(path.clone()) {
            path = RelPath::own([path.as_bytes(), b"~"].concat());
        }
        paths.push(path);
    }
    if dry_run {
        Fresh::check(into)?;
        return Ok(paths);
    }
    let bytes = files.iter().map(|file| file.state.size);
    let failed = |source| materialise::Error::Io {
        path: into.to_path_buf(),
        source,
    };
    Fresh::new(into, true)?.fill(bytes.sum(), |folder| {
        for (file, path) in files.iter().zip(&paths) {
            cancel::check()?;
            let how = FileOptions::new(Permissions::Exact(file.state.mode));
            let written = folder.record(path, &how, (&file.state, site));
            written.map_err(|error| error.or(failed))?;
        }
        Ok(())
    })?;
    note_restored(site, &wanted.op);
    Ok(paths)
}

/// Marks the files as restored, so that `status` stops reporting them. Failure is ignored.
pub fn note_restored(site: &RepoSite, op: &OpId) {
    let _ = site.state.create(&folder(op).join(RESTORED), 0o600);
}
