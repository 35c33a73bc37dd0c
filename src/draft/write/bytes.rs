//! Makes bytes durable: blobs in git, states of files and large files in the store. What was read
//! must be what was planned.

use std::collections::BTreeMap;

use super::super::{Draft, Keep, Kept, NewBlob, tree};
use super::Error;
use crate::{
    base::{Failure, RelPath, cancel::Stoppable},
    catalog::capture,
    git::{self, Attributes, Converter},
    model::{FileState, ObjectId, PathChange, Source},
    site::RepoSite,
    store::PutSession,
};

/// Writes the blobs that git does not have yet.
pub fn write_blobs(site: &RepoSite, draft: &Draft) -> Result<(), Failure> {
    use rayon::prelude::*;
    if draft.blobs.is_empty() {
        return Ok(());
    }
    let gone = git::rules_gone(
        draft
            .index
            .iter()
            .map(|change| (&change.path, change.after.as_ref())),
    );
    let converter = site.git.converter(Attributes::After(&gone))?;
    draft
        .blobs
        .par_iter()
        .try_for_each(|blob| write_blob(site, &converter, blob))
}

/// Writes one blob, which must be the one that was planned.
fn write_blob(site: &RepoSite, converter: &Converter, blob: &NewBlob) -> Result<(), Failure> {
    let (path, expected, bytes) = match blob {
        NewBlob::Bytes(bytes) => {
            return site.git.write_blob(bytes).map(drop).map_err(Failure::from);
        }
        NewBlob::Lfs(path, id) => {
            let read = |source| crate::catalog::Error::Read {
                path: path.clone(),
                source,
            };
            let (oid, length) = site
                .git
                .store_lfs(&mut site.tree.open(path).map_err(read)?)?;
            (path, id, git::Repo::lfs_pointer(&oid, length))
        }
        NewBlob::FromTree(path, id) => {
            let now =
                capture::read(&*site.tree, path)?.ok_or_else(|| Error::Changed(path.clone()))?;
            let is_link = now.is_link();
            let bytes = tree::all_bytes(&*site.tree, path, now)?;
            (
                path,
                id,
                if is_link {
                    bytes
                } else {
                    converter.to_git(path, bytes)?
                },
            )
        }
    };
    if site.git.write_blob(&bytes)? == *expected {
        Ok(())
    } else {
        Err(Error::Changed(path.clone()).into())
    }
}

/// Puts the large files of a release into the store.
pub(super) fn put_large(
    site: &RepoSite,
    session: &PutSession<'_>,
    draft: &Draft,
    saved: &mut u64,
) -> Result<BTreeMap<RelPath, ObjectId>, Failure> {
    let mut objects = BTreeMap::new();
    for (path, digest) in &draft.large {
        let read = |source| crate::catalog::Error::Read {
            path: path.clone(),
            source,
        };
        let stored = session.put(&mut Stoppable(site.tree.open(path).map_err(read)?))?;
        if stored.digest != *digest {
            return Err(Error::Changed(path.clone()).into());
        }
        *saved += stored.grown;
        objects.insert(path.clone(), stored.id);
    }
    Ok(objects)
}

/// Saves the bytes that the change of files needs, and fills in where they are.
pub(super) fn put_files(
    site: &RepoSite,
    session: &PutSession<'_>,
    draft: &Draft,
    saved: &mut u64,
) -> Result<Vec<PathChange>, Failure> {
    let mut changes = Vec::with_capacity(draft.files.len());
    for file in &draft.files {
        let mut put = |kept: Option<&Kept>| {
            kept.map(|kept| put_state(site, session, &file.path, kept, saved))
                .transpose()
        };
        let before = file.before.clone().map(|kept| match kept.state.source {
            // Without a commit no safety reference keeps a blob that only the index or a moving
            // branch names.
            Source::Blob(_) if draft.commit.is_none() => Kept {
                keep: Keep::FromTree,
                ..kept
            },
            _ => kept,
        });
        let (before, after) = (put(before.as_ref())?, put(file.after.as_ref())?);
        changes.push(PathChange {
            path: file.path.clone(),
            before,
            after,
        });
    }
    Ok(changes)
}

/// Saves the bytes of one state.
pub(super) fn put_state(
    site: &RepoSite,
    session: &PutSession<'_>,
    path: &RelPath,
    kept: &Kept,
    saved: &mut u64,
) -> Result<FileState, Failure> {
    let state = &kept.state;
    let stored = match &kept.keep {
        Keep::Already => return Ok(state.clone()),
        Keep::Bytes(bytes) => {
            let blob = site
                .git
                .recall_id(bytes)
                .unwrap_or_else(|| site.git.blob_id(bytes));
            // What goes into the commit too need not be kept a second time.
            if site.git.sees_object(&blob) {
                return Ok(FileState {
                    source: Source::Blob(blob),
                    ..state.clone()
                });
            }
            session.put(&mut &bytes[..])?
        }
        Keep::FromTree => {
            let read = |source| crate::catalog::Error::Read {
                path: path.clone(),
                source,
            };
            if state.link {
                session.put(&mut &site.tree.read_link(path).map_err(read)?[..])?
            } else {
                session.put(&mut Stoppable(site.tree.open(path).map_err(read)?))?
            }
        }
    };
    if stored.digest != state.digest {
        return Err(Error::Changed(path.clone()).into());
    }
    *saved += stored.grown;
    site.progress(state.size);
    Ok(FileState {
        source: Source::Object(stored.id),
        ..state.clone()
    })
}
