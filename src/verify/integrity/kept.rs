//! The kept bytes of a release: in git, in the folder of Git LFS, in the store. What may rightly be
//! elsewhere is never taken for lost.

use std::collections::HashSet;

use rayon::prelude::*;

use crate::{
    base::{Digest, Fault, Hint, Kind, RelPath, text},
    catalog::absent::{self, Absent},
    git::{self, Converter, Repo, Worktree},
    model::{Check, GitId, Manifest, manifest::FileEntry},
    store::{self, Store},
    verify::{Checking, Trouble},
};

/// How much of a release's kept bytes is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Objects must exist; their bytes are not read.
    Present,
    /// Every byte is read and hashed.
    Deep,
}

/// Every byte of the release is kept: blobs in git, those of Git LFS in its folder, large files in
/// the store. `converter` is that of the release's own commit.
pub fn kept(
    (git, store, absent): (&Repo, &dyn Store, Absent),
    converter: &Converter,
    manifest: &Manifest,
    depth: Depth,
    progress: &(dyn Fn(u64) + Sync),
) -> Check {
    let checking = Checking::begin(1, "integrity.kept");
    let blobs = manifest
        .files
        .iter()
        .filter(|_| depth == Depth::Present)
        .filter_map(|file| file.blob.as_ref());
    let missing = git.missing(blobs);
    let kept = KeptBytes {
        git,
        store,
        depth,
        missing: &missing,
        absent,
    };
    let troubles: Vec<Trouble> = manifest
        .files
        .par_iter()
        .filter_map(|file| {
            let trouble = kept
                .trouble(file)
                .or_else(|| kept.lfs_trouble(converter, file));
            progress(1);
            trouble
        })
        .collect();
    let how = if depth == Depth::Deep {
        "read and hashed"
    } else {
        "present"
    };
    let hints = if troubles.is_empty() {
        Vec::new()
    } else {
        kept.hints(manifest)
    };
    Check {
        hints,
        ..checking.weigh(
            troubles,
            format!("{} {how}", text::count(manifest.files.len(), "file")),
        )
    }
}

/// Where the bytes of a release are kept, and how much of them is read.
struct KeptBytes<'a> {
    git: &'a Repo,
    store: &'a dyn Store,
    depth: Depth,
    missing: &'a HashSet<&'a GitId>,
    absent: Absent,
}

impl KeptBytes<'_> {
    /// A trouble by the kind of its fault: what is missing in a clone that may lack it, and what
    /// cannot be read, is nothing that was seen to be wrong.
    fn of(&self, path: &RelPath, error: &dyn Fault) -> Trouble {
        let line = format!("{path}: {error}");
        match error.kind() {
            Kind::Bad => Trouble::Bad(line),
            _ => Trouble::Unread(line),
        }
    }

    /// The same of what git and Git LFS keep: what is missing where nothing may lack is lost.
    fn of_git(&self, path: &RelPath, error: &git::Error) -> Trouble {
        if self.absent.is_lost_in_git(error) {
            Trouble::Bad(format!("{path}: {error}"))
        } else {
            self.of(path, error)
        }
    }

    /// The same of what the store keeps.
    fn of_store(&self, path: &RelPath, error: &store::Error) -> Trouble {
        if self.absent.is_lost_in_store(error) {
            Trouble::Bad(format!("{path}: {error}"))
        } else {
            self.of(path, error)
        }
    }

    /// How what is elsewhere comes here.
    fn hints(&self, manifest: &Manifest) -> Vec<Hint> {
        let of_store = self.absent.store
            && manifest
                .files
                .iter()
                .any(|file| file.blob.is_none() && file.object.is_some());
        let of_git = if self.absent.objects {
            git::Error::lacking()
        } else {
            Vec::new()
        };
        of_git
            .into_iter()
            .chain(of_store.then(absent::copy_store))
            .collect()
    }

    /// What is wrong with the kept bytes of a file.
    fn trouble(&self, file: &FileEntry) -> Option<Trouble> {
        let path = &file.path;
        let bad = |line: String| Some(Trouble::Bad(line));
        let Some(digest) = file.digest() else {
            return bad(format!(
                "{path} has no full checksum in the manifest: {:?}",
                file.checksum
            ));
        };
        match (&file.blob, &file.object) {
            (Some(blob), _) if self.depth == Depth::Present => self.missing_blob(path, blob),
            (Some(blob), _) => match self.git.read_blob(blob) {
                Ok(bytes) => bytes_problem(file, digest, &bytes).map(Trouble::Bad),
                Err(error) => Some(self.of_git(path, &error)),
            },
            (None, Some(object)) if self.depth == Depth::Present => match self.store.size(object) {
                Ok(Some(size)) if file.size.is_none_or(|expected| expected == size) => None,
                Ok(Some(size)) => bad(format!("{path}: the store has {size} bytes of it")),
                Ok(None) => Some(self.of_store(path, &store::Error::Missing(*object))),
                Err(error) => Some(self.of_store(path, &error)),
            },
            (None, Some(object)) => {
                let mut hasher = crate::base::Hasher::default();
                match self.store.read(object, &mut hasher) {
                    Ok(_) if hasher.finish() == digest => None,
                    Ok(_) => bad(format!(
                        "{path}: the stored bytes do not have the manifest's checksum"
                    )),
                    Err(error) => Some(self.of_store(path, &error)),
                }
            }
            (None, None) => None,
        }
    }

    /// The trouble with a blob that is not here.
    fn missing_blob(&self, path: &RelPath, blob: &GitId) -> Option<Trouble> {
        self.missing.contains(blob).then(|| {
            if self.absent.objects {
                Trouble::Unread(format!("{path}: the git object {blob} is missing here"))
            } else {
                Trouble::Bad(format!("{path}: its blob {blob} is not in this repository"))
            }
        })
    }

    /// What is wrong with the Git LFS bytes of a file, if it has any.
    fn lfs_trouble(&self, converter: &Converter, file: &FileEntry) -> Option<Trouble> {
        let (path, blob) = (&file.path, file.blob.as_ref()?);
        // A path with another filter is an error elsewhere: no rollback writes it.
        if converter.is_trivial()
            || file.mode.as_deref() == Some("120000")
            || !converter.is_lfs(path).is_ok_and(|lfs| lfs)
        {
            return None;
        }
        let oid = match self
            .git
            .read_blob(blob)
            .and_then(|pointer| converter.to_worktree(path, pointer))
        {
            Ok(Worktree::Lfs { oid, .. }) => oid,
            Ok(_) => return None,
            Err(error) => return Some(self.of_git(path, &error)),
        };
        if self.depth == Depth::Present {
            return None;
        }
        let found = std::fs::File::open(self.git.lfs_path(&oid))
            .and_then(|mut bytes| Digest::of_reader(&mut bytes));
        match found {
            Ok((found, _)) if found == oid => None,
            Ok((found, _)) => Some(Trouble::Bad(format!(
                "{path}: its Git LFS bytes have {found}, its pointer says {oid}"
            ))),
            Err(error) => Some(Trouble::Unread(format!(
                "{path}: its Git LFS bytes: {error}"
            ))),
        }
    }
}

/// What is wrong with the bytes of a file.
fn bytes_problem(file: &FileEntry, digest: Digest, bytes: &[u8]) -> Option<String> {
    let found = Digest::of(bytes);
    if found != digest {
        return Some(format!(
            "{}: its bytes have {found}, the manifest says {digest}",
            file.path
        ));
    }
    file.size
        .filter(|size| *size != bytes.len() as u64)
        .map(|size| {
            format!(
                "{}: it has {} bytes, the manifest says {size}",
                file.path,
                bytes.len()
            )
        })
}
