//! Opening a repository: its location, its owner and its settings.
//!
//! A [`Repo`] is cheap to clone and can be used from many threads: each call borrows a gix handle
//! from a pool. Opening never changes anything, and refuses repositories that the rest of the room
//! cannot handle (reftable, repositories of another owner). Whether a *changing* command may run is
//! checked separately, in `ready.rs`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gix::{
    ObjectId,
    bstr::{BString, ByteSlice},
    sec::trust::DefaultForLevel,
};

use super::{
    Error, error::During, extensions, index_file::CachedIndex, lookup::Second, parameters,
    pending::PendingObjects, recall::RecalledBlobs, sync::AwaitedObjects, tree::once::ReadTrees,
};
use base::RelPath;
use model::GitId;

/// A git repository, with a work tree unless it is bare.
#[derive(Clone)]
pub struct Repo {
    inner: Arc<Inner>,
}

/// The state shared by all clones of a [`Repo`].
struct Inner {
    shared: gix::ThreadSafeRepository,
    idle: Mutex<Vec<gix::Repository>>,
    second: Mutex<Option<Second>>,
    work_tree: PathBuf,
    is_bare: bool,
    git_dir: PathBuf,
    common_dir: PathBuf,
    index_path: PathBuf,
    prefix: RelPath,
    hash: gix::hash::Kind,
    pending: PendingObjects,
    unsynced: Mutex<HashSet<ObjectId>>,
    synced_packs: Mutex<HashSet<PathBuf>>,
    awaited_objects: Mutex<AwaitedObjects>,
    seen_index: Mutex<Option<CachedIndex>>,
    recalled_blobs: Mutex<RecalledBlobs>,
    read_trees: ReadTrees,
}

/// The branch that HEAD is on, and its newest commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The branch's full name, `refs/heads/…`.
    pub branch: String,
    /// The commit.
    pub commit: GitId,
}

/// Objects with a larger stated size are not unpacked: a few bytes can claim any size.
const ALLOC_LIMIT: &str = "gitoxide.objects.allocLimit=1g";

/// Packs that appear while this process runs, its own and others', need room in the table of packs:
/// without it gix reports an existing object as absent.
const SLOTS: gix::odb::store::init::Slots = gix::odb::store::init::Slots::AsNeededByDiskState {
    multiplier: 2.0,
    minimum: 2048,
};

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Repo").field(&self.inner.work_tree).finish()
    }
}

impl Repo {
    /// Finds the repository that a directory belongs to, as git does (`GIT_DIR` is honoured).
    pub fn discover(dir: &Path) -> Result<Self, Error> {
        let options = || gix::discover::upwards::Options {
            match_ceiling_dir_or_error: false,
            ..Default::default()
        };
        let settings: Vec<BString> = parameters::of_environment()?
            .into_iter()
            .map(BString::from)
            .collect();
        let open = |trust| options_for(trust).cli_overrides(settings.clone());
        let open = gix::sec::trust::Mapping {
            full: open(gix::sec::Trust::Full),
            reduced: open(gix::sec::Trust::Reduced),
        };
        // gix asserts that a path which it shortens ends in `.git`; it shortens relative ones, bare
        // or not.
        let absolute = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
        let found = gix::ThreadSafeRepository::discover_with_environment_overrides_opts(
            &absolute,
            options(),
            open,
        );
        let mut shared = match found {
            Ok(shared) => shared,
            Err(_) if gix::discover::upwards_opts(&absolute, options()).is_err() => {
                return Err(Error::NoRepository {
                    dir: absolute,
                    named: false,
                });
            }
            Err(error) => match std::env::var_os("GIT_DIR")
                .map(PathBuf::from)
                .filter(|dir| gix::discover::is_git(dir).is_err())
            {
                Some(dir) => return Err(Error::NoRepository { dir, named: true }),
                None => return Err(error).during("opening the repository"),
            },
        };
        // Namespaces are for serving a repository; git itself reads all references here.
        shared.refs.namespace = None;
        Self::check_supported(&shared, dir)?;
        Self::assemble(shared, dir)
    }

    /// Refuses repositories that the rest of the room cannot handle.
    fn check_supported(shared: &gix::ThreadSafeRepository, dir: &Path) -> Result<(), Error> {
        let repo = shared.to_thread_local();
        extensions::check(&repo)?;
        if let Some(format) = repo.config_snapshot().string("extensions.refStorage")
            && format != "files"
        {
            return Err(Error::RefStorage(format.to_string()));
        }
        if repo.git_dir_trust() != gix::sec::Trust::Full {
            return Err(Error::Owner {
                dir: repo.workdir().unwrap_or(dir).to_path_buf(),
            });
        }
        Ok(())
    }

    /// Collects the absolute paths of a repository.
    fn assemble(shared: gix::ThreadSafeRepository, dir: &Path) -> Result<Self, Error> {
        let repo = shared.to_thread_local();
        let real = |path: &Path| {
            path.canonicalize().map_err(|source| Error::File {
                doing: "finding",
                path: path.to_path_buf(),
                source,
            })
        };
        // A bare repository has no files; this folder serves only to run programs in, and as a
        // name.
        let is_bare = repo.workdir().is_none();
        let work_tree = real(repo.workdir().unwrap_or(repo.git_dir()))?;
        let (git_dir, common_dir) = (real(repo.git_dir())?, real(repo.common_dir())?);
        let index_path = repo.index_path();
        let index_path = match (
            index_path.parent().map(Path::canonicalize),
            index_path.file_name(),
        ) {
            (Some(Ok(folder)), Some(name)) => folder.join(name),
            _ => index_path,
        };
        let below = dir
            .canonicalize()
            .ok()
            .and_then(|dir| dir.strip_prefix(&work_tree).map(Path::to_path_buf).ok());
        let prefix = below
            .filter(|_| !is_bare)
            .and_then(|below| RelPath::parse(below.as_os_str().as_encoded_bytes()).ok())
            .unwrap_or_default();
        let hash = repo.object_hash();
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                idle: Mutex::new(vec![repo]),
                second: Mutex::default(),
                work_tree,
                is_bare,
                git_dir,
                common_dir,
                index_path,
                prefix,
                hash,
                pending: PendingObjects::default(),
                unsynced: Mutex::default(),
                synced_packs: Mutex::default(),
                awaited_objects: Mutex::default(),
                seen_index: Mutex::default(),
                recalled_blobs: Mutex::default(),
                read_trees: ReadTrees::default(),
            }),
        })
    }

    /// Lends a gix handle to one call.
    pub(super) fn with<T>(&self, call: impl FnOnce(&gix::Repository) -> T) -> T {
        let idle = self
            .inner
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        // Handles have no object cache: checking an object must read the disk.
        let repo = idle.unwrap_or_else(|| self.inner.shared.to_thread_local());
        let result = call(&repo);
        self.inner
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(repo);
        result
    }

    /// Returns the top of the work tree, absolute, links resolved; its own folder if it is bare.
    pub fn work_tree(&self) -> &Path {
        &self.inner.work_tree
    }

    /// True when there is no work tree.
    pub fn is_bare(&self) -> bool {
        self.inner.is_bare
    }

    /// Refuses a repository without a work tree.
    pub fn require_work_tree(&self) -> Result<(), Error> {
        if self.is_bare() {
            Err(Error::Bare {
                dir: self.git_dir().to_path_buf(),
            })
        } else {
            Ok(())
        }
    }

    /// Returns the private git directory: for a linked work tree, the one below `worktrees/`.
    pub fn git_dir(&self) -> &Path {
        &self.inner.git_dir
    }

    /// Returns the git directory that all work trees share: objects, references, configuration.
    pub fn common_dir(&self) -> &Path {
        &self.inner.common_dir
    }

    /// Returns the index file of this work tree.
    pub(super) fn index_path(&self) -> &Path {
        &self.inner.index_path
    }

    /// Returns the path within the work tree of the directory given to [`Repo::discover`].
    pub fn prefix(&self) -> RelPath {
        self.inner.prefix.clone()
    }

    /// True when the executable bit of work-tree files is meaningful (`core.fileMode`).
    pub fn trusts_file_mode(&self) -> bool {
        self.with(|repo| {
            repo.config_snapshot()
                .boolean("core.fileMode")
                .unwrap_or(true)
        })
    }

    /// True unless git is configured to ignore the change times of files.
    pub fn trusts_ctime(&self) -> bool {
        self.with(|repo| {
            repo.config_snapshot()
                .boolean("core.trustctime")
                .unwrap_or(true)
        })
    }

    /// True when the work tree's file system ignores case in names.
    pub fn folds_case(&self) -> bool {
        self.with(|repo| {
            repo.config_snapshot()
                .boolean("core.ignoreCase")
                .unwrap_or(false)
        })
    }

    /// True when reachable objects may legitimately be absent: in a shallow or partial clone.
    pub fn may_lack_objects(&self) -> bool {
        let is_partial = |repo: &gix::Repository| {
            let config = repo.config_snapshot();
            let promises = |name: &gix::bstr::BStr| {
                config
                    .boolean(&*format!("remote.{name}.promisor"))
                    .unwrap_or(false)
            };
            config.string("extensions.partialClone").is_some()
                || repo
                    .remote_names()
                    .iter()
                    .any(|name| promises(name.as_ref()))
        };
        self.is_shallow() || self.with(is_partial)
    }

    /// True when object ids are SHA-256.
    pub fn is_sha256(&self) -> bool {
        self.inner.hash.len_in_hex() == 64
    }

    /// Returns the hash algorithm of object ids.
    pub(super) fn hash(&self) -> gix::hash::Kind {
        self.inner.hash
    }

    /// Returns the second instance of the repository, for `lookup.rs`.
    pub(super) fn second(&self) -> &Mutex<Option<Second>> {
        &self.inner.second
    }

    /// Returns the objects that this process wrote and that are not visible to others yet.
    pub(super) fn pending(&self) -> &PendingObjects {
        &self.inner.pending
    }

    /// Returns the objects that existed already when they were to be written, and are unsynced.
    pub(super) fn unsynced(&self) -> &Mutex<HashSet<ObjectId>> {
        &self.inner.unsynced
    }

    /// Returns the pack files that this process has synced.
    pub(super) fn synced_packs(&self) -> &Mutex<HashSet<PathBuf>> {
        &self.inner.synced_packs
    }

    /// Returns the most recently read index file.
    pub(super) fn seen_index(&self) -> &Mutex<Option<CachedIndex>> {
        &self.inner.seen_index
    }

    /// Returns the trees that were read and checked, for `tree.rs`.
    pub(super) fn read_trees(&self) -> &ReadTrees {
        &self.inner.read_trees
    }

    /// Returns the objects that were to reach the disk at a barrier.
    pub(super) fn awaited_objects(&self) -> MutexGuard<'_, AwaitedObjects> {
        let awaited = self.inner.awaited_objects.lock();
        awaited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the blobs whose bytes are kept in memory, for `recall.rs`.
    pub(super) fn recalled_blobs(&self) -> MutexGuard<'_, RecalledBlobs> {
        let blobs = self.inner.recalled_blobs.lock();
        blobs.unwrap_or_else(PoisonError::into_inner)
    }

    /// Converts an id to gix's form; an id of another hash algorithm counts as missing.
    pub(super) fn oid(&self, id: &GitId) -> Result<ObjectId, Error> {
        ObjectId::from_hex(id.as_str().as_bytes())
            .ok()
            .filter(|oid| oid.kind() == self.inner.hash)
            .ok_or_else(|| Error::MissingObject { id: id.clone() })
    }

    /// Returns the branch that HEAD is on; an unborn or detached HEAD is an error, as is one that
    /// is a link or names a symbolic branch.
    pub fn head(&self) -> Result<Head, Error> {
        if let Ok(target) = std::fs::read_link(self.git_dir().join("HEAD")) {
            return Err(Error::LinkedHead {
                target: target.to_string_lossy().into_owned(),
            });
        }
        self.with(|repo| {
            let head = repo.head().during("reading HEAD")?;
            match head.kind {
                gix::head::Kind::Symbolic(branch) => {
                    let name = branch.name.as_bstr().to_str().map(str::to_string);
                    let name = name.map_err(|_| Error::RefName {
                        name: branch.name.as_bstr().to_string(),
                        why: "the branch's name is not UTF-8",
                    })?;
                    let mut reference = repo
                        .find_reference(&branch.name)
                        .during("reading the branch")?;
                    if let gix::refs::TargetRef::Symbolic(target) = reference.target() {
                        return Err(Error::SymbolicBranch {
                            branch: name,
                            target: target.as_bstr().to_string(),
                        });
                    }
                    let commit = reference.follow_to_object().during("reading the branch")?;
                    Ok(Head {
                        branch: name,
                        commit: git_id(&commit),
                    })
                }
                gix::head::Kind::Unborn(branch) => Err(Error::Unborn {
                    branch: branch.as_bstr().to_string(),
                }),
                gix::head::Kind::Detached { .. } => Err(Error::Detached),
            }
        })
    }

    /// Returns the commit that HEAD points to, on a branch or not; `None` only on an unborn branch.
    pub fn head_commit(&self) -> Result<Option<GitId>, Error> {
        self.with(|repo| {
            let mut head = repo.head().during("reading HEAD")?;
            if head.is_unborn() {
                return Ok(None);
            }
            head.try_peel_to_id()
                .during("reading HEAD")
                .map(|id| id.map(|id| git_id(&id)))
        })
    }
}

/// Returns the options for opening a repository. Replace references are ignored, because a replaced
/// object does not have the bytes that its id, and so a tag, vouches for.
pub(super) fn options_for(trust: gix::sec::Trust) -> gix::open::Options {
    gix::open::Options::default_for_level(trust)
        .config_overrides(["core.useReplaceRefs=false", ALLOC_LIMIT])
        .object_store_slots(SLOTS)
}

/// Converts a gix id to ours.
pub(super) fn git_id(id: &gix::oid) -> GitId {
    let mut hex = [0; 64];
    let len = id.hex_to_buf(&mut hex).len();
    let digits = std::str::from_utf8(&hex[..len]).expect("because hex digits are ASCII");
    digits
        .parse()
        .expect("because gix ids are 40 or 64 lower-case hex digits")
}

#[cfg(test)]
mod tests;
