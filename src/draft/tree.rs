//! States of files for drafts: what is there now and what a release puts there.

use std::io::Read;

use super::{Keep, Kept, unknown_source};
use crate::{
    base::{Digest, Failure, Fs, RelPath},
    catalog::{
        self,
        capture::{self, Now},
    },
    git::{Converter, Repo, Worktree},
    model::{
        FileState, GitId, Source,
        manifest::{FileEntry, Role},
    },
    site::RepoSite,
};

/// All bytes of a file, however large.
pub fn all_bytes(tree: &dyn Fs, path: &RelPath, now: Now) -> Result<Vec<u8>, catalog::Error> {
    if let Some(bytes) = now.bytes {
        return Ok(bytes);
    }
    let mut bytes = Vec::new();
    let read = tree
        .open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|source| catalog::Error::Read {
        path: path.clone(),
        source,
    })
}

/// What is at a path now, as a state to bring back. Bytes that git keeps already as `blob` are
/// not kept a second time.
pub fn existing(
    tree: &dyn Fs,
    git: &Repo,
    path: &RelPath,
    blob: Option<&GitId>,
) -> Result<Option<Kept>, catalog::Error> {
    let Some(now) = capture::read(tree, path)? else {
        return Ok(None);
    };
    let in_git = blob.filter(|id| {
        now.bytes
            .as_ref()
            .is_some_and(|bytes| git.blob_id(bytes) == **id)
            && git.sees_object(id)
    });
    Ok(Some(match in_git {
        Some(id) => Kept::already(now.state(Source::Blob(id.clone()))),
        None => Kept {
            state: now.state(unknown_source(now.digest)),
            keep: Keep::FromTree,
        },
    }))
}

/// The permission bits of a file that git knows as executable or not: those of the file that is
/// there, with the executable bits set or taken; else what the umask leaves.
fn permissions(site: &RepoSite, path: &RelPath, executable: bool) -> Result<u32, catalog::Error> {
    let there =
        capture::stat(&*site.tree, path)?.filter(|stat| stat.kind == crate::base::Type::File);
    let mode = there.map_or(0o666 & !site.umask, |stat| stat.mode & 0o777);
    if there.is_some() && !site.git.trusts_file_mode() {
        return Ok(mode);
    }
    let plain = mode & !0o111;
    Ok(if executable {
        plain | (plain & 0o444) >> 2
    } else {
        plain
    })
}

/// The state of a new or rewritten file, given the bytes that git stores.
pub fn new_file(
    site: &RepoSite,
    converter: &Converter,
    path: &RelPath,
    in_git: Vec<u8>,
) -> Result<Kept, Failure> {
    let bytes = match converter.to_worktree(path, in_git)? {
        Worktree::Same(bytes) | Worktree::Changed(bytes) => bytes,
        Worktree::Lfs { .. } => unreachable!("because snapback's own files are no LFS pointers"),
    };
    Ok(with_bytes(permissions(site, path, false)?, bytes))
}

/// The state of a file with these very bytes in the work tree.
pub fn with_bytes(mode: u32, bytes: Vec<u8>) -> Kept {
    let digest = Digest::of(&bytes);
    let state = FileState {
        link: false,
        mode,
        size: bytes.len() as u64,
        digest,
        mtime: None,
        source: unknown_source(digest),
    };
    Kept {
        state,
        keep: Keep::Bytes(bytes),
    }
}

/// The state that a restore of a release's file leaves. Proves on the way that the bytes are
/// here and are those of the manifest; `Err` says what is wrong.
pub fn restored(site: &RepoSite, converter: &Converter, file: &FileEntry) -> Result<Kept, Failure> {
    let path = &file.path;
    let digest = file
        .digest()
        .ok_or_else(|| Error::NoChecksum(path.clone()))?;
    let link = file.mode.as_deref() == Some("120000");
    let mode = if link {
        0o777
    } else {
        permissions(site, path, file.mode.as_deref() == Some("100755"))?
    };
    if let (Role::Large, Some(object)) = (file.role, &file.object) {
        let size = site.store.verify(object).map_err(|source| Error::Large {
            path: path.clone(),
            source,
        })?;
        return Ok(Kept::already(FileState {
            link: false,
            mode,
            size,
            digest,
            mtime: None,
            source: Source::Object(*object),
        }));
    }
    let blob = file
        .blob
        .as_ref()
        .ok_or_else(|| Error::NoBytes(path.clone()))?;
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
    let state = |digest, size, source| FileState {
        link,
        mode,
        size,
        digest,
        mtime: None,
        source,
    };
    let same = |bytes: &[u8]| {
        Kept::already(state(
            digest,
            bytes.len() as u64,
            Source::Blob(blob.clone()),
        ))
    };
    if link {
        return Ok(same(&bytes));
    }
    Ok(match converter.to_worktree(path, bytes)? {
        Worktree::Same(bytes) => same(&bytes),
        Worktree::Lfs { oid, size } => Kept::already(state(oid, size, Source::Lfs(oid))),
        Worktree::Changed(bytes) => with_bytes(mode, bytes),
    })
}

/// What is wrong with a release's file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest has no full checksum for it.
    #[error("the manifest has no full checksum of {0}")]
    NoChecksum(RelPath),
    /// The store does not have its bytes, or not whole.
    #[error("the bytes of {path} cannot be restored")]
    Large {
        /// The file.
        path: RelPath,
        /// What the store said.
        source: crate::store::Error,
    },
    /// The manifest does not say where its bytes are.
    #[error("the manifest does not say where the bytes of {0} are")]
    NoBytes(RelPath),
    /// The kept bytes are not those of the manifest.
    #[error("{path}: the kept bytes have {found}, the manifest says {expected}")]
    Differs {
        /// The file.
        path: RelPath,
        /// What the manifest says.
        expected: Digest,
        /// What is kept.
        found: Digest,
    },
}

impl crate::base::Fault for Error {
    fn kind(&self) -> crate::base::Kind {
        match self {
            Self::Large { source, .. } => source.kind(),
            _ => crate::base::Kind::Bad,
        }
    }

    fn hints(&self) -> Vec<crate::base::Hint> {
        let is_missing = matches!(
            self,
            Self::Large {
                source: crate::store::Error::Missing(_),
                ..
            }
        );
        let missing = is_missing.then(crate::catalog::absent::copy_store);
        missing
            .into_iter()
            .chain([crate::base::Hint::run(
                "see everything that is wrong with the releases",
                &["snapback", "verify-snapshot", "--all", "--deep"],
            )])
            .collect()
    }
}
