//! The time machine: a release's files read or exported without touching the work tree.

use std::{io::Write, path::Path};

use super::Error;
use crate::{
    base::{Digest, Failure, RelPath, cancel, process::Exit},
    catalog::{manifests, tasks},
    draft,
    git::{Attributes, Converter, Worktree, child},
    materialise::{
        self,
        fresh::Fresh,
        write::{FileOptions, Permissions},
    },
    model::{
        FileKind, FileRecord, Location, Manifest, TaskId, Version,
        manifest::{FileRole, ManifestFile},
    },
    site::RepoSite,
};

/// The manifest of a release.
pub(super) fn manifest(
    site: &RepoSite,
    task: &TaskId,
    version: &Version,
) -> Result<Manifest, Failure> {
    let releases = tasks::releases_of(site, task)?;
    Ok(manifests::load(site, releases.find(task, version)?)?
        .manifest
        .clone())
}

/// Writes one file of a release, as git or the store keeps it.
pub fn cat(
    site: &RepoSite,
    task: &TaskId,
    version: &Version,
    path: &RelPath,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let manifest = manifest(site, task, version)?;
    let missing = || Error::NoSuchFile {
        task: task.clone(),
        version: version.to_string(),
        path: path.clone(),
    };
    let file = manifest.file(path).ok_or_else(missing)?;
    copy(site, file, out)
}

/// Writes the kept bytes of a file.
pub(super) fn copy(
    site: &RepoSite,
    file: &ManifestFile,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match (file.blob(), file.object()) {
        (Some(blob), _) => {
            let bytes = site.git.read_blob(blob)?;
            let (found, path) = (Digest::of(&bytes), file.path().clone());
            if let Some(expected) = file.digest().filter(|expected| *expected != found) {
                return Err(draft::tree::Error::Differs {
                    path,
                    expected,
                    found,
                }
                .into());
            }
            let written = out.write_all(&bytes);
            written.map_err(|source| {
                Error::Outside(std::path::PathBuf::from("the output"), source).into()
            })
        }
        (None, Some(object)) => Ok(site.store.read(object, out).map(drop)?),
        (None, None) => Ok(()),
    }
}

/// Exports a release's files into an empty or new folder, all or none; returns how many there are.
/// A dry run only counts them.
pub fn export(
    site: &RepoSite,
    task: &TaskId,
    version: &Version,
    into: &Path,
    dry_run: bool,
) -> Result<usize, Failure> {
    let manifest = manifest(site, task, version)?;
    let files: Vec<&ManifestFile> = manifest
        .files
        .iter()
        .filter(|file| file.role != FileRole::Registry)
        .collect();
    if dry_run {
        Fresh::check(into)?;
        return Ok(files.len());
    }
    let fresh = Fresh::new(into, true)?;
    let releases = tasks::tagged_releases(site, task)?;
    let tag = site.git.peel_tag(&releases.find(task, version)?.tag_id)?;
    let converter = site.git.converter(Attributes::Commit(&tag.commit))?;
    let bytes = files.iter().filter_map(|file| file.size());
    fresh.fill(bytes.fold(0, u64::saturating_add), |folder| {
        for file in &files {
            cancel::check()?;
            let record = record(site, &converter, file)?;
            let how = FileOptions::new(Permissions::of_kind(record.kind));
            let written = folder.record(&record.path, &how, (&record, site));
            let failed = |source| materialise::Error::Io {
                path: into.to_path_buf(),
                source,
            };
            written.map_err(|error| error.or(failed))?;
        }
        Ok(())
    })?;
    Ok(files.len())
}

/// What a file of a release is in a work tree.
fn record(
    site: &RepoSite,
    converter: &Converter,
    file: &ManifestFile,
) -> Result<FileRecord, Failure> {
    let kind = file.kind().unwrap_or(FileKind::File);
    let whole = |bytes| FileRecord {
        kind,
        ..FileRecord::with_bytes(file.path().clone(), kind.mode(), bytes)
    };
    let elsewhere = |digest, size, location| FileRecord {
        digest,
        size,
        location,
        ..whole(Vec::new())
    };
    if let (FileRole::Large, None, Some(object)) = (file.role, file.blob(), file.object()) {
        let digest = file.digest().unwrap_or(object.0);
        let length = file.size().unwrap_or_default();
        return Ok(elsewhere(digest, length, Location::Object(*object)));
    }
    let mut bytes = Vec::new();
    copy(site, file, &mut bytes)?;
    if file.is_link() || file.role == FileRole::Large {
        return Ok(whole(bytes));
    }
    Ok(match converter.to_worktree(file.path(), bytes)? {
        Worktree::Same(bytes) | Worktree::Changed(bytes) => whole(bytes),
        Worktree::Lfs { oid, size } => elsewhere(oid, size, Location::Lfs(oid)),
    })
}

/// Exports a release into a scratch folder, runs a command in the task's folder there, and
/// removes the scratch folder. Returns the command's exit code; its output goes to the sink.
pub fn run_in_preview(
    site: &RepoSite,
    task: &TaskId,
    version: &Version,
    command: &str,
) -> Result<i32, Failure> {
    let outside = |source| Error::Outside(std::env::temp_dir(), source);
    let scratch = tempfile::Builder::new()
        .prefix("snapback-preview-")
        .tempdir()
        .map_err(outside)?;
    let into = scratch.path().join("tree");
    export(site, task, version, &into, false)?;
    let dir = into.join(tasks::spec(site, task)?.dir.as_os());
    let dir = if dir.is_dir() { dir } else { into };
    let ended = child::shell(command, &dir).merged().run()?;
    site.say("preview", String::from_utf8_lossy(&ended.stdout).trim_end());
    Ok(match ended.status {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
        Exit::TimedOut => 124,
    })
}
