//! Makes bytes durable: blobs in git, files and large files in the store. The bytes read must be
//! the planned ones.

use std::collections::BTreeMap;

use super::super::{Draft, NewBlob, tree};
use super::Error;
use crate::{
    base::{Digest, Failure, RelPath, cancel::Stoppable},
    catalog::capture,
    git::{self, Attributes, Converter},
    model::{FileRecord, Location, ObjectId, PathChange},
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

/// Writes one blob, which must be the planned one.
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
            let is_link = now.record.is_link();
            let bytes = tree::all_bytes(&*site.tree, now)?;
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
    session: &PutSession,
    draft: &Draft,
) -> Result<BTreeMap<RelPath, ObjectId>, Failure> {
    let mut objects = BTreeMap::new();
    for (path, digest) in &draft.large {
        let read = |source| crate::catalog::Error::Read {
            path: path.clone(),
            source,
        };
        if is_held(site, session, path, digest)? {
            objects.insert(path.clone(), ObjectId(*digest));
            continue;
        }
        let stored = session.put(&mut Stoppable(site.tree.open(path).map_err(read)?))?;
        if stored.digest != *digest {
            return Err(Error::Changed(path.clone()).into());
        }
        objects.insert(path.clone(), stored.id);
    }
    Ok(objects)
}

/// Returns true when the store has the bytes of a file whose metadata is unchanged since the read.
fn is_held(
    site: &RepoSite,
    session: &PutSession,
    path: &RelPath,
    digest: &Digest,
) -> Result<bool, Failure> {
    Ok(capture::looks_like(site, path, digest) && session.holds(&[ObjectId(*digest)])?[0])
}

/// Saves the bytes needed by the file changes, and fills in their locations.
pub(super) fn put_files(
    site: &RepoSite,
    session: &PutSession,
    draft: &Draft,
) -> Result<Vec<PathChange>, Failure> {
    let mut changes = Vec::with_capacity(draft.files.len());
    for file in &draft.files {
        let put = |record: Option<&FileRecord>| {
            record
                .map(|record| put_file(site, session, record))
                .transpose()
        };
        let before = file.before.clone().map(|record| match record.location {
            // Without a commit, no safety reference keeps a blob that only the index or a moving
            // branch names.
            Location::Blob(_) if draft.commit.is_none() => FileRecord {
                location: Location::Here,
                ..record
            },
            _ => record,
        });
        changes.push(PathChange {
            path: file.path.clone(),
            before: put(before.as_ref())?,
            after: put(file.after.as_ref())?,
        });
    }
    Ok(changes)
}

/// Saves the bytes of one file, unless stored already; returns its record with their location.
pub(super) fn put_file(
    site: &RepoSite,
    session: &PutSession,
    record: &FileRecord,
) -> Result<FileRecord, Failure> {
    let path = &record.path;
    let stored = match &record.location {
        Location::Blob(_) | Location::Object(_) | Location::Database(_) | Location::Lfs(_) => {
            return Ok(record.clone());
        }
        Location::Inline(bytes) => {
            let blob = site
                .git
                .recall_id(bytes)
                .unwrap_or_else(|| site.git.blob_id(bytes));
            // Bytes that also go into the commit need not be stored twice.
            if site.git.sees_object(&blob) {
                return Ok(record.kept_at(Location::Blob(blob)));
            }
            session.put(&mut &bytes[..])?
        }
        Location::Here => {
            let read = |source| crate::catalog::Error::Read {
                path: path.clone(),
                source,
            };
            if record.is_link() {
                session.put(&mut &site.tree.read_link(path).map_err(read)?[..])?
            } else if is_held(site, session, path, &record.digest)? {
                site.progress(record.size);
                return Ok(record.kept_at(Location::Object(ObjectId(record.digest))));
            } else {
                session.put(&mut Stoppable(site.tree.open(path).map_err(read)?))?
            }
        }
    };
    if stored.digest != record.digest {
        return Err(Error::Changed(path.clone()).into());
    }
    site.progress(record.size);
    Ok(record.kept_at(Location::Object(stored.id)))
}
