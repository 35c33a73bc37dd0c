//! Records of files for drafts: the current ones, and those a release will put there.

use std::io::Read;

use crate::{
    base::{Digest, Failure, Fault, Fs, Hint, Kind, RelPath, Type},
    catalog::{
        self,
        capture::{self, FileNow},
    },
    git::{Converter, Repo, Worktree},
    model::{
        Advice, FileKind, FileRecord, GitId, Location, ObjectId,
        manifest::{FileRole, ManifestFile},
    },
    site::{RepoSite, bytes},
    store,
};

/// Reads all bytes of a file, however large.
pub fn all_bytes(tree: &dyn Fs, now: FileNow) -> Result<Vec<u8>, catalog::Error> {
    if let Some(bytes) = now.bytes {
        return Ok(bytes);
    }
    let path = now.record.path;
    let mut bytes = Vec::new();
    let read = tree
        .open(&path)
        .and_then(|mut file| file.read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(source) => Err(catalog::Error::Read { path, source }),
    }
}

/// Records what is at a path now, so that it can be restored. Bytes that git has as `blob` are not
/// stored again.
pub fn existing(
    tree: &dyn Fs,
    git: &Repo,
    path: &RelPath,
    blob: Option<&GitId>,
) -> Result<Option<FileRecord>, catalog::Error> {
    let Some(FileNow {
        mut record, bytes, ..
    }) = capture::read(tree, path)?
    else {
        return Ok(None);
    };
    let in_git = blob.filter(|id| {
        bytes
            .as_ref()
            .is_some_and(|bytes| git.blob_id(bytes) == **id)
            && git.sees_object(id)
    });
    if let Some(id) = in_git {
        record.location = Location::Blob(id.clone());
        git.keep_blob(id, bytes.as_deref().unwrap_or_default());
    }
    Ok(Some(record))
}

/// Does [`existing`] for what is to be replaced: its very bytes must be kept. One that is `kept` in
/// the store is read into it unless it is known to be there; `kept` is the object that replaces it.
pub fn replaced(
    site: &RepoSite,
    path: &RelPath,
    blob: Option<&GitId>,
    kept: Option<Option<&ObjectId>>,
) -> Result<Option<FileRecord>, Failure> {
    match kept.filter(|_| blob.is_none()) {
        Some(target) => capture::replaced_record(site, path, target),
        None => Ok(existing(&*site.tree, &site.git, path, blob)?),
    }
}

/// Returns the permission bits for a file that git tracks as executable or not: those of the
/// existing file, `there`, with adjusted executable bits, otherwise the default under the umask.
fn permissions(site: &RepoSite, there: Option<u32>, executable: bool) -> u32 {
    let mode = there.map_or(0o666 & !site.umask, |mode| mode & 0o777);
    if there.is_some() && !site.git.trusts_file_mode() {
        return mode;
    }
    let plain = mode & !0o111;
    if executable {
        plain | (plain & 0o444) >> 2
    } else {
        plain
    }
}

/// Returns the permission bits of the file at a path.
fn mode_there(site: &RepoSite, path: &RelPath) -> Result<Option<u32>, catalog::Error> {
    let there = capture::stat(&*site.tree, path)?;
    Ok(there
        .filter(|stat| stat.kind == Type::File)
        .map(|stat| stat.mode))
}

/// Builds the record of a new or rewritten file, from the bytes that git stores.
pub fn new_file(
    site: &RepoSite,
    converter: &Converter,
    path: &RelPath,
    in_git: Vec<u8>,
) -> Result<FileRecord, Failure> {
    let bytes = match converter.to_worktree(path, in_git)? {
        Worktree::Same(bytes) | Worktree::Changed(bytes) => bytes,
        Worktree::Lfs { .. } => unreachable!("because snapback's own files are no LFS pointers"),
    };
    let mode = permissions(site, mode_there(site, path)?, false);
    Ok(FileRecord::with_bytes(path.clone(), mode, bytes))
}

/// Returns the digest of a release's file.
fn digest_of(file: &ManifestFile) -> Result<Digest, Error> {
    file.digest()
        .ok_or_else(|| Error::NoChecksum(file.path().clone()))
}

/// Returns the permission bits that a release's file gets in place of a file with those of `there`.
fn mode_of(site: &RepoSite, file: &ManifestFile, there: Option<u32>) -> u32 {
    if file.is_link() {
        return FileKind::Link.mode();
    }
    permissions(site, there, file.kind() == Some(FileKind::Executable))
}

/// Returns the permission bits of a file's record.
fn mode_in(record: &FileRecord) -> Option<u32> {
    (!record.is_link()).then_some(record.mode)
}

/// Builds the record of a release's file in the work tree.
fn record(
    file: &ManifestFile,
    mode: u32,
    (digest, size): (Digest, u64),
    location: Location,
) -> FileRecord {
    let kind = if file.is_link() {
        FileKind::Link
    } else {
        FileKind::of_mode(mode)
    };
    FileRecord {
        path: file.path().clone(),
        kind,
        size,
        digest,
        mode,
        mtime: None,
        location,
    }
}

/// Returns true when a file kept in the store is there as released, without reading it.
pub fn is_as_released(
    site: &RepoSite,
    file: &ManifestFile,
    now: &FileRecord,
) -> Result<bool, Failure> {
    let mode = mode_of(site, file, mode_in(now));
    let released = record(file, mode, (digest_of(file)?, now.size), Location::Here);
    Ok(now.same(&released))
}

/// Builds the record of a release's file after its restore, as [`restored_over`] does, whatever is
/// there.
pub fn restored(
    site: &RepoSite,
    converter: &Converter,
    file: &ManifestFile,
) -> Result<FileRecord, Failure> {
    let there = mode_there(site, file.path())?;
    restored_to(site, converter, file, mode_of(site, file, there))
}

/// Builds the record of a release's file after its restore in place of what is there now. Proves
/// that the bytes exist and match the manifest; `Err` says what is wrong.
pub fn restored_over(
    site: &RepoSite,
    converter: &Converter,
    file: &ManifestFile,
    now: Option<&FileRecord>,
) -> Result<FileRecord, Failure> {
    let mode = mode_of(site, file, now.and_then(mode_in));
    restored_to(site, converter, file, mode)
}

/// Does [`restored_over`] with these permission bits.
fn restored_to(
    site: &RepoSite,
    converter: &Converter,
    file: &ManifestFile,
    mode: u32,
) -> Result<FileRecord, Failure> {
    let path = file.path();
    let digest = digest_of(file)?;
    let link = file.is_link();
    if let (FileRole::Large, Some(object)) = (file.role, file.object()) {
        let length = size_of(site, object).map_err(|source| bytes::Error::Kept {
            path: path.clone(),
            source,
        })?;
        return Ok(record(
            file,
            mode,
            (digest, length),
            Location::Object(*object),
        ));
    }
    let record = |digest, size, source| record(file, mode, (digest, size), source);
    let blob = file.blob().ok_or_else(|| Error::NoBytes(path.clone()))?;
    let bytes = site.git.read_blob(blob)?;
    let found = Digest::of(&bytes);
    if found != digest {
        return Err(Error::Differs {
            path: path.clone(),
            expected: digest,
            found,
        }
        .into());
    }
    site.git.keep_blob(blob, &bytes);
    let same = |bytes: &[u8]| record(digest, bytes.len() as u64, Location::Blob(blob.clone()));
    if link {
        return Ok(same(&bytes));
    }
    Ok(match converter.to_worktree(path, bytes)? {
        Worktree::Same(bytes) => same(&bytes),
        Worktree::Lfs { oid, size } => record(oid, size, Location::Lfs(oid)),
        Worktree::Changed(bytes) => FileRecord::with_bytes(path.clone(), mode, bytes),
    })
}

/// Returns the size of an object. An operation that is to be written proves the bytes of what it
/// restores while it stages them, before it changes anything; otherwise they are proved here.
fn size_of(site: &RepoSite, object: &ObjectId) -> Result<u64, store::Error> {
    if site.is_taking_in() {
        let found = site.store.size(object)?;
        found.ok_or(store::Error::Missing(*object))
    } else {
        site.store.verify(object)
    }
}

/// Errors about a release's file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest has no full checksum for it.
    #[error("the manifest has no full checksum of {0}")]
    NoChecksum(RelPath),
    /// The manifest does not say where its bytes are.
    #[error("the manifest does not say where the bytes of {0} are")]
    NoBytes(RelPath),
    /// The stored bytes do not match the manifest.
    #[error("{path}: the kept bytes have {found}, the manifest says {expected}")]
    Differs {
        /// The file.
        path: RelPath,
        /// The digest in the manifest.
        expected: Digest,
        /// The digest of the stored bytes.
        found: Digest,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Bad
    }

    fn hints(&self) -> Vec<Hint> {
        vec![Advice::VerifyAll.because("see everything that is wrong with the releases")]
    }
}
