//! The stored bytes of a release: in git, in the Git LFS folder, in the store. Bytes that may
//! legitimately be elsewhere are never reported as lost.

use std::{
    collections::HashSet,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rayon::prelude::*;

use crate::{
    base::{Digest, Failure, Fault, Hint, Kind, RelPath, text},
    catalog::{
        absent::Absent,
        manifests::{self, Found},
    },
    git::{self, Attributes, Converter, Repo, Worktree},
    model::{Advice, CheckResult, GitId, Manifest, ObjectId, manifest::ManifestFile},
    store::{self, ChunkStore, PresenceLook},
    verify::{Check, CheckRun, CheckSubject, Depth, KeptRelease, check_run::Trouble, nothing},
};

/// Checks that every byte of a release is stored: blobs in git, Git LFS files in its folder, large
/// files in the store. Not checked when the commit cannot be read.
pub struct KeptBytesCheck;

impl Check for KeptBytesCheck {
    fn id(&self) -> &'static str {
        "integrity.kept"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let CheckSubject::Release(of) = subject else {
            return nothing();
        };
        let found = of.found().filter(|_| of.depth >= Depth::Present);
        match found.filter(|found| of.entries(found).is_ok()) {
            Some(found) => Ok(vec![self.of_release(of, found)?]),
            None => nothing(),
        }
    }
}

impl KeptBytesCheck {
    /// Checks that all of them exist, or reads them when requested.
    fn of_release(&self, of: &KeptRelease<'_>, found: &Found) -> Result<CheckResult, Failure> {
        let (site, manifest) = (of.site, &found.manifest);
        let converter = site.git.converter(Attributes::Commit(&found.tag.commit))?;
        let absent = manifests::absent(&site.git, of.release);
        let total = manifest.files.len() as u64;
        Ok(site.work("verifying", total, false, || {
            let run = self.begin();
            let deep = of.depth == Depth::Deep;
            let blobs = manifest.files.iter().filter(|_| !deep);
            let missing = site.git.missing(blobs.filter_map(|file| file.blob()));
            let kept = KeptBytes {
                git: &site.git,
                store: &site.store,
                look: OnceLock::new(),
                deep,
                missing: &missing,
                absent,
                is_store_unsound: AtomicBool::new(false),
            };
            kept.judge(run, manifest, &converter, &|| site.progress(1))
        }))
    }
}

/// Where the bytes of a release are stored, and how much of them to read.
struct KeptBytes<'a> {
    git: &'a Repo,
    store: &'a ChunkStore,
    /// The store as the disk has it, opened for the first large file.
    look: OnceLock<PresenceLook<'a>>,
    deep: bool,
    missing: &'a HashSet<&'a GitId>,
    absent: Absent,
    /// Set once bytes of the store are missing or damaged.
    is_store_unsound: AtomicBool,
}

impl KeptBytes<'_> {
    /// Checks the bytes of every file.
    fn judge(
        &self,
        run: CheckRun,
        manifest: &Manifest,
        converter: &Converter,
        progress: &(dyn Fn() + Sync),
    ) -> CheckResult {
        let of_file = |file: &ManifestFile| {
            let trouble = self.trouble(file);
            let trouble = trouble.or_else(|| self.lfs_trouble(converter, file));
            progress();
            trouble
        };
        let troubles: Vec<Trouble> = manifest.files.par_iter().filter_map(of_file).collect();
        let how = if self.deep {
            "read and hashed"
        } else {
            "present"
        };
        let hints = if troubles.is_empty() {
            Vec::new()
        } else {
            self.hints()
        };
        let files = text::count(manifest.files.len(), "file");
        CheckResult {
            hints,
            ..run.weigh(troubles, format!("{files} {how}"))
        }
    }

    /// Classifies an error: absence in a clone that may lack the object, and unreadable data, do
    /// not prove damage.
    fn of(&self, path: &RelPath, error: &dyn Fault) -> Trouble {
        let line = format!("{path}: {error}");
        match error.kind() {
            Kind::Bad => Trouble::Bad(line),
            _ => Trouble::Unread(line),
        }
    }

    /// Like `of`, for git and Git LFS: an object missing where none may be absent is lost.
    fn of_git(&self, path: &RelPath, error: &git::Error) -> Trouble {
        if self.absent.is_lost_in_git(error) {
            Trouble::Bad(format!("{path}: {error}"))
        } else {
            self.of(path, error)
        }
    }

    /// Like `of`, for the store.
    fn of_store(&self, path: &RelPath, error: &store::Error) -> Trouble {
        self.blame_store();
        if self.absent.is_lost_in_store(error) {
            Trouble::Bad(format!("{path}: {error}"))
        } else {
            self.of(path, error)
        }
    }

    /// Notes that bytes of the store are missing or damaged.
    fn blame_store(&self) {
        self.is_store_unsound.store(true, Ordering::Relaxed);
    }

    /// Returns hints on bringing back what is missing or damaged.
    fn hints(&self) -> Vec<Hint> {
        let of_store = if self.is_store_unsound.load(Ordering::Relaxed) {
            let repair = Advice::RepairStore.because("heal it from the work tree, if it is there");
            vec![repair, crate::site::bytes::copy_store()]
        } else {
            Vec::new()
        };
        let of_git = if self.absent.objects {
            git::Error::lacking()
        } else {
            Vec::new()
        };
        [of_git, of_store].concat()
    }

    /// Returns what is wrong with the stored bytes of a file.
    fn trouble(&self, file: &ManifestFile) -> Option<Trouble> {
        let path = file.path();
        let bad = |line: String| Some(Trouble::Bad(line));
        let Some(digest) = file.digest() else {
            return bad(format!(
                "{path} has no full checksum in the manifest: {:?}",
                file.checksum()
            ));
        };
        match (file.blob(), file.object()) {
            (Some(blob), _) if !self.deep => self.missing_blob(path, blob),
            (Some(blob), _) => match self.git.read_blob(blob) {
                Ok(bytes) => bytes_problem(file, digest, &bytes).map(Trouble::Bad),
                Err(error) => Some(self.of_git(path, &error)),
            },
            (None, Some(object)) if !self.deep => match self.stored_size(object) {
                Ok(Some(size)) if file.size().is_none_or(|expected| expected == size) => None,
                Ok(Some(size)) => {
                    self.blame_store();
                    bad(format!("{path}: the store has {size} bytes of it"))
                }
                Ok(None) => Some(self.of_store(path, &store::Error::Missing(*object))),
                Err(error) => Some(self.of_store(path, &error)),
            },
            (None, Some(object)) => {
                let mut hasher = crate::base::Hasher::default();
                match self.store.read(object, &mut hasher) {
                    Ok(_) if hasher.finish() == digest => None,
                    Ok(_) => {
                        self.blame_store();
                        bad(format!(
                            "{path}: the stored bytes do not have the manifest's checksum"
                        ))
                    }
                    Err(error) => Some(self.of_store(path, &error)),
                }
            }
            (None, None) => None,
        }
    }

    /// Returns the size of an object of which all is there.
    fn stored_size(&self, object: &ObjectId) -> Result<Option<u64>, store::Error> {
        let look = match self.look.get() {
            Some(look) => look,
            None => {
                let opened = self.store.look()?;
                self.look.get_or_init(|| opened)
            }
        };
        look.size(object)
    }

    /// Returns the trouble with a missing blob.
    fn missing_blob(&self, path: &RelPath, blob: &GitId) -> Option<Trouble> {
        self.missing.contains(blob).then(|| {
            if self.absent.objects {
                Trouble::Unread(format!("{path}: the git object {blob} is missing here"))
            } else {
                Trouble::Bad(format!("{path}: its blob {blob} is not in this repository"))
            }
        })
    }

    /// Returns what is wrong with the Git LFS bytes of a file, if it has any.
    fn lfs_trouble(&self, converter: &Converter, file: &ManifestFile) -> Option<Trouble> {
        let (path, blob) = (file.path(), file.blob()?);
        // A path with another filter is an error elsewhere: no rollback writes it.
        if converter.is_trivial() || file.is_link() || !converter.is_lfs(path).is_ok_and(|lfs| lfs)
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
        if !self.deep {
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

/// Returns what is wrong with the bytes of a file.
fn bytes_problem(file: &ManifestFile, digest: Digest, bytes: &[u8]) -> Option<String> {
    let found = Digest::of(bytes);
    if found != digest {
        return Some(format!(
            "{}: its bytes have {found}, the manifest says {digest}",
            file.path()
        ));
    }
    file.size()
        .filter(|size| *size != bytes.len() as u64)
        .map(|size| {
            format!(
                "{}: it has {} bytes, the manifest says {size}",
                file.path(),
                bytes.len()
            )
        })
}
