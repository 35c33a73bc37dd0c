//! Puts a version into the empty place: every byte from where a rollback takes it, each checked.
//!
//! What a rollback would leave as it is, shared files and the registry's other entries, comes from
//! the work tree as it is now; nothing else does.

use rayon::prelude::*;

use super::{Drill, Error, scratch::Scratch};
use crate::{
    base::{Failure, Fs, RelPath, Type, cancel, output, text::size},
    catalog::{self, databases::Database, manifests::Found, registry},
    draft::tree,
    git::Converter,
    materialise::{
        RESERVE, too_little,
        write::{FileOptions, Permissions},
    },
    model::manifest::{FileRole, ManifestFile},
    registry::{Registry, task_config},
};

/// The result of putting a version there.
#[derive(Debug, Default)]
pub struct DrillRestore {
    /// Number of files.
    pub files: usize,
    /// Number of their bytes.
    pub bytes: u64,
    /// Notes for the reader of the report.
    pub notes: Vec<String>,
    /// True when the registry is as it is in the work tree, because it cannot be edited.
    pub is_registry_left: bool,
}

/// Puts the version, the shared files and the registry there, and forces them to the disk.
pub fn restore(
    drill: &Drill<'_>,
    found: &Found,
    converter: &Converter,
    scratch: &Scratch,
) -> Result<DrillRestore, Failure> {
    let files: Vec<&ManifestFile> = found
        .manifest
        .files
        .iter()
        .filter(|file| drill.is_of_version(file))
        .collect();
    check_room(drill, &files, scratch)?;
    let one = |file: &&ManifestFile| -> Result<u64, Failure> {
        cancel::check()?;
        let written = put(drill, converter, file, scratch);
        drill.site.progress(1);
        written
    };
    let work = || {
        files
            .par_iter()
            .map(one)
            .collect::<Result<Vec<u64>, Failure>>()
    };
    let sizes = drill
        .site
        .work("restoring", files.len() as u64, false, work)?;
    let mut restored = DrillRestore {
        files: files.len(),
        bytes: sizes.iter().sum(),
        ..DrillRestore::default()
    };
    shared(drill, found, scratch, &mut restored)?;
    registry_entry(drill, scratch, &mut restored)?;
    loose_config(drill, found, scratch)?;
    // As a rollback does: what is not on the disk is not recovered.
    match scratch.root().sync_all(output::FILE) {
        Err(error) if error.kind() != std::io::ErrorKind::Unsupported => {
            Err(scratch.failed(&RelPath::root())(error).into())
        }
        _ => Ok(restored),
    }
}

/// Puts one file of the version; returns its size.
fn put(
    drill: &Drill<'_>,
    converter: &Converter,
    file: &ManifestFile,
    scratch: &Scratch,
) -> Result<u64, Failure> {
    let record = tree::restored(drill.site, converter, file)?;
    let how = FileOptions::of(&record);
    let written = scratch
        .folder()
        .record(file.path(), &how, (&record, drill.site));
    written.map_err(|error| error.or(scratch.failed(file.path())))?;
    Ok(record.size)
}

/// Checks that there is room for the version.
fn check_room(
    drill: &Drill<'_>,
    files: &[&ManifestFile],
    scratch: &Scratch,
) -> Result<(), Failure> {
    let needed = files.iter().filter_map(|file| file.size()).sum::<u64>();
    let Some(free) = too_little(scratch.tree(), needed) else {
        return Ok(());
    };
    let path = scratch.tree().to_path_buf();
    // A full disk is of this moment, not of the version.
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    drill.site.warn(
        Error::NoRoom {
            path: path.clone(),
            version: drill.version.clone(),
            free: size(free),
            needed: size(needed.saturating_add(RESERVE)),
        }
        .to_string(),
    );
    Err(Error::Scratch { path, source: full }.into())
}

/// Puts shared files as they are now, because a rollback leaves them so.
fn shared(
    drill: &Drill<'_>,
    found: &Found,
    scratch: &Scratch,
    restored: &mut DrillRestore,
) -> Result<(), Failure> {
    let files = found
        .manifest
        .files
        .iter()
        .filter(|file| file.role == FileRole::Shared && !drill.how.with_shared);
    for file in files {
        match drill
            .site
            .tree
            .stat(file.path())
            .map_err(|source| catalog::Error::Read {
                path: file.path().clone(),
                source,
            })? {
            Some(stat) if stat.kind == Type::File || stat.kind == Type::Symlink => {
                copy(drill, file.path(), stat.kind, stat.mode, scratch)?;
                copy_logs(drill, file.path(), scratch, restored)?;
            }
            _ => restored.notes.push(format!(
                "the shared file {} is not in the work tree",
                file.path()
            )),
        }
    }
    Ok(())
}

/// Copies what lies beside a shared file, if that is a database: a rollback leaves that too. The
/// index of its log is made again.
fn copy_logs(
    drill: &Drill<'_>,
    path: &RelPath,
    scratch: &Scratch,
    restored: &mut DrillRestore,
) -> Result<(), Failure> {
    let tree = &*drill.site.tree;
    let Some(database) = Database::at(tree, path)? else {
        return Ok(());
    };
    for log in database
        .logs
        .iter()
        .filter(|log| !log.name().ends_with(b"-shm"))
    {
        if let Some(stat) =
            catalog::capture::stat(tree, log)?.filter(|stat| stat.kind == Type::File)
        {
            copy(drill, log, stat.kind, stat.mode, scratch)?;
        }
    }
    if database.changed_by(tree, |_| true)?.is_some()
        && !database.openers(drill.site.git.work_tree()).0.is_empty()
    {
        restored.notes.push(format!(
            "the shared database {path} is open: what was copied of it may be of two moments"
        ));
    }
    Ok(())
}

/// Copies a file or link of the work tree.
fn copy(
    drill: &Drill<'_>,
    path: &RelPath,
    kind: Type,
    mode: u32,
    scratch: &Scratch,
) -> Result<(), Failure> {
    let (tree, folder) = (&*drill.site.tree, scratch.folder());
    let read = |source| catalog::Error::Read {
        path: path.clone(),
        source,
    };
    let failed = scratch.failed(path);
    let written = if kind == Type::Symlink {
        folder.link(path, &tree.read_link(path).map_err(read)?)
    } else {
        folder.file(path, Permissions::Exact(mode & 0o777), |out| {
            let copied = std::io::copy(&mut tree.open(path).map_err(read)?, out);
            Ok(copied.map(drop).map_err(&failed)?)
        })
    };
    written.map_err(|error| error.or(&failed))
}

/// Puts the registry with the version set; where a rollback could not set it, as it is.
fn registry_entry(
    drill: &Drill<'_>,
    scratch: &Scratch,
    restored: &mut DrillRestore,
) -> Result<(), Failure> {
    let path = &drill.site.settings.registry;
    let edited = || -> Result<Vec<u8>, Failure> {
        let bytes =
            registry::read_small(&*drill.site.tree, path)?.unwrap_or_else(|| b"{}\n".to_vec());
        registry::with_version(
            &Registry::parse(&bytes)?,
            &drill.task.id,
            Some(drill.version),
        )
    };
    match edited() {
        Ok(bytes) => write(scratch, path, &bytes),
        Err(failure) => {
            let why = registry::trouble_of(drill.site, &failure);
            restored.notes.push(format!(
                "a rollback would not set the entry in the registry: {why}"
            ));
            restored.is_registry_left = true;
            match registry::read_small(&*drill.site.tree, path) {
                Ok(Some(bytes)) => write(scratch, path, &bytes),
                _ => Ok(()),
            }
        }
    }
}

/// Puts a configuration that the release does not keep, with the version set.
fn loose_config(drill: &Drill<'_>, found: &Found, scratch: &Scratch) -> Result<(), Failure> {
    let tree = &*drill.site.tree;
    let Some(path) = drill
        .task
        .config
        .as_ref()
        .filter(|path| found.manifest.file(path).is_none())
    else {
        return Ok(());
    };
    match registry::read_small(tree, path)? {
        Some(bytes) => write(
            scratch,
            path,
            &task_config::with_version(&bytes, path, &drill.task.version_key, drill.version)?,
        ),
        None => Ok(()),
    }
}

/// Writes a small file.
fn write(scratch: &Scratch, path: &RelPath, bytes: &[u8]) -> Result<(), Failure> {
    let failed = scratch.failed(path);
    let folder = scratch.folder();
    let written = folder.file(path, Permissions::Umask(0o644), |out| {
        Ok(out.write_all(bytes).map_err(&failed)?)
    });
    written.map_err(|error| error.or(&failed))
}
