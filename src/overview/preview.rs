//! The time machine: a release's files read or exported without touching the work tree.

use std::{io::Write, path::Path};

use super::Error;
use crate::{
    base::{Digest, Failure, Fs, RelPath, cancel, fs::create_dir_all, output, process::Exit},
    catalog::{manifests, tasks},
    draft,
    git::{Attributes, Worktree, child},
    model::{
        FileKind, Manifest, TaskId, Version,
        manifest::{ManifestFile, Role},
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

/// Exports a release's files below an empty or new folder; returns how many there are. A dry
/// run only counts them.
pub fn export(
    site: &RepoSite,
    task: &TaskId,
    version: &Version,
    into: &Path,
    dry_run: bool,
) -> Result<usize, Failure> {
    let manifest = manifest(site, task, version)?;
    let outside = |source| Error::Outside(into.to_path_buf(), source);
    if into.is_dir() && into.read_dir().map_err(outside)?.next().is_some() {
        return Err(Error::NotEmpty(into.to_path_buf()).into());
    }
    let files: Vec<&ManifestFile> = manifest
        .files
        .iter()
        .filter(|file| file.role != Role::Registry)
        .collect();
    if dry_run {
        return Ok(files.len());
    }
    let root = output::folder(into, true)?;
    let commit = site
        .git
        .peel_tag(
            &tasks::tagged_releases(site, task)?
                .find(task, version)?
                .tag_id,
        )?
        .commit;
    let converter = site.git.converter(Attributes::Commit(&commit))?;
    for file in &files {
        cancel::check()?;
        create_dir_all(&root, &file.path().parent(), 0o777).map_err(outside)?;
        let mut bytes = Vec::new();
        if file.is_link() {
            copy(site, file, &mut bytes)?;
            root.symlink(&bytes, file.path()).map_err(outside)?;
            continue;
        }
        let mode = if file.kind() == Some(FileKind::Executable) {
            0o777
        } else {
            0o666
        };
        let mut out = root.create(file.path(), mode).map_err(outside)?;
        if file.role == Role::Large {
            copy(site, file, &mut out)?;
        } else {
            copy(site, file, &mut bytes)?;
            match converter.to_worktree(file.path(), bytes)? {
                Worktree::Same(bytes) | Worktree::Changed(bytes) => {
                    out.write_all(&bytes).map_err(outside)?;
                }
                Worktree::Lfs { oid, .. } => {
                    site.copy_lfs(&oid, &mut out)?;
                }
            }
        }
        out.sync(output::FILE).map_err(outside)?;
    }
    Ok(files.len())
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
