//! Makes objects durable: by default, git leaves loose objects unsynced.
//!
//! Objects that a reference is about to name go through [`Repo::sync_objects`] first. New objects
//! become a pack. Objects that existed before are synced too: git may have written them a moment
//! ago.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::PoisonError,
};

use gix::{ObjectId, odb::pack::index};

use super::{Error, Repo, disk, pending::Syncable};
use base::{Due, at_once};
use model::GitId;

/// How often to look again for objects that git has moved to a pack meanwhile.
const ATTEMPTS: usize = 3;
/// Above this many loose objects, one sync of the whole file system costs less than one each.
const MANY: usize = 512;

impl Repo {
    /// Forces to disk the objects written through this `Repo` since the last call, and `also`. From
    /// then on they are visible to others.
    ///
    /// New objects: their pack. Loose ones: the file, its folder and `objects/`. Packed ones: every
    /// pack that has one, once per process. A failed sync is an error and is not retried.
    pub fn sync_objects(&self, also: &[GitId]) -> Result<(), Error> {
        self.require_synced(also)?;
        let (syncs, awaited) = self.stage_now(&format!("now{}", std::process::id()))?;
        if let Err(error) = at_once(&syncs, Syncable::sync) {
            // The state on the disk is unknown: the pack is given up.
            self.pending().drop_staged();
            return Err(error);
        }
        if !self.name_now(awaited)?.is_empty() {
            disk::sync(&self.common_dir().join("objects/pack"))?;
        }
        self.pending().remove_replaced()
    }

    /// Adds objects that are there to those of the next [`Repo::sync_objects`] or
    /// [`Repo::stage_objects`].
    pub fn require_synced(&self, ids: &[GitId]) -> Result<(), Error> {
        let ids: Vec<ObjectId> = ids
            .iter()
            .map(|id| self.oid(id))
            .collect::<Result<_, _>>()?;
        self.unsynced()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(ids);
        Ok(())
    }

    /// Does the first half of [`Repo::sync_objects`] for an operation: new objects are staged under
    /// its name, and reach the disk at the barrier, like those that are there.
    pub fn stage_objects(&self, op: &str, due: &Due) -> Result<(), Error> {
        let (syncs, awaited) = self.stage_now(op)?;
        for sync in syncs {
            match sync {
                Syncable::Open(..) => due.file(move || Ok(sync.sync()?)),
                Syncable::Present(path) => disk::sync_due(path, due),
            }
        }
        *self.awaited_objects() = awaited;
        Ok(())
    }

    /// Does the second half, after the barrier: the pack gets its name, which is durable after the
    /// next one. Then [`Repo::remove_replaced`] may be called.
    pub fn name_objects(&self, due: &Due) -> Result<(), Error> {
        let awaited = std::mem::take(&mut *self.awaited_objects());
        if !self.name_now(awaited)?.is_empty() {
            disk::sync_due(self.common_dir().join("objects/pack"), due);
        }
        Ok(())
    }

    /// Removes the torn objects and small packs that a named pack replaces.
    pub fn remove_replaced(&self) -> Result<(), Error> {
        self.pending().remove_replaced()
    }

    /// Makes the objects visible here that a killed process staged for an operation.
    pub fn load_objects(&self, op: &str) {
        let folder = self.common_dir().join("objects/pack");
        self.pending().load(&folder, op, self.hash());
    }

    /// Removes what was staged for an operation that is not begun, or was taken back.
    pub fn drop_objects(&self) {
        *self.awaited_objects() = AwaitedObjects::default();
        self.pending().drop_staged();
    }

    /// Stages the new objects; returns what must be synced, and what is to be looked for again.
    fn stage_now(&self, op: &str) -> Result<(Vec<Syncable>, AwaitedObjects), Error> {
        let mut ids: HashSet<ObjectId> = std::mem::take(
            &mut *self
                .unsynced()
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        ids.retain(|id| !self.pending().has(id));
        let objects = self.common_dir().join("objects");
        let present = self.find_present(&objects, &ids)?;
        let mut syncs = self.pending().stage(&objects, self.hash(), op)?;
        syncs.extend(present.paths.iter().cloned().map(Syncable::Present));
        Ok((syncs, AwaitedObjects { ids, present }))
    }

    /// Names what was staged; returns the files of the packs.
    fn name_now(&self, awaited: AwaitedObjects) -> Result<Vec<PathBuf>, Error> {
        let AwaitedObjects {
            mut ids,
            mut present,
        } = awaited;
        let named = self.pending().name()?;
        self.synced_packs()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(named.iter().cloned());
        // git packs in the background and removes loose objects: look again for the missing ones.
        for _ in 0..ATTEMPTS {
            ids = present.gone(&ids);
            if ids.is_empty() {
                return Ok(named);
            }
            present = self.find_present(&self.common_dir().join("objects"), &ids)?;
            at_once(&present.paths, |path| disk::sync_if_there(path))?;
        }
        Err(Error::MissingObject {
            id: super::repo::git_id(ids.iter().next().expect("because some are left")),
        })
    }

    /// Finds what must be synced for objects that are there, loose or packed.
    fn find_present(
        &self,
        objects: &Path,
        ids: &HashSet<ObjectId>,
    ) -> Result<PresentObjects, Error> {
        let (mut packs, mut loose, mut packed) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            let file = loose_path(objects, id);
            if file.exists() {
                loose.push((*id, file));
            } else if self.holds(id) {
                packed.push(*id);
            } else {
                return Err(Error::MissingObject {
                    id: super::repo::git_id(id),
                });
            }
        }
        let mut dirs: BTreeSet<PathBuf> = loose
            .iter()
            .filter_map(|(_, file)| file.parent().map(Path::to_path_buf))
            .collect();
        if !loose.is_empty() {
            dirs.insert(objects.to_path_buf());
        }
        if !packed.is_empty() {
            self.add_packs(&objects.join("pack"), &packed, &mut packs, &mut dirs)?;
        }
        let paths = if loose.len() > MANY {
            disk::sync_file_system(objects)?;
            Vec::new()
        } else {
            let files = packs
                .iter()
                .cloned()
                .chain(loose.iter().map(|(_, file)| file.clone()));
            files.chain(dirs).collect()
        };
        Ok(PresentObjects {
            paths,
            packs,
            loose,
        })
    }

    /// Adds the packs that hold one of these objects and that this process has not synced yet.
    fn add_packs(
        &self,
        dir: &Path,
        ids: &[ObjectId],
        files: &mut Vec<PathBuf>,
        dirs: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Error> {
        let failed = |source| Error::File {
            doing: "listing",
            path: dir.to_path_buf(),
            source,
        };
        // Without a pack folder here, the objects lie in an alternate, which is not ours.
        let Ok(listing) = fs::read_dir(dir) else {
            return Ok(());
        };
        let mut synced = self
            .synced_packs()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for entry in listing {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|kind| kind != "idx") || synced.contains(&path) {
                continue;
            }
            // An unreadable index may contain them.
            let has = |index: index::File| ids.iter().any(|id| index.lookup(id).is_some());
            if index::File::at(&path, self.hash()).map_or(true, has) {
                dirs.insert(dir.to_path_buf());
                for file in [path.with_extension("pack"), path] {
                    synced.insert(file.clone());
                    files.push(file);
                }
            }
        }
        Ok(())
    }
}

/// Returns the path of a loose object.
pub(super) fn loose_path(objects: &Path, id: &ObjectId) -> PathBuf {
    let hex = id.to_hex().to_string();
    objects.join(&hex[..2]).join(&hex[2..])
}

/// Objects that are there and were to reach the disk at a barrier.
#[derive(Default)]
pub(super) struct AwaitedObjects {
    ids: HashSet<ObjectId>,
    present: PresentObjects,
}

/// The files and folders of objects that are there.
#[derive(Default)]
struct PresentObjects {
    /// What is to be synced.
    paths: Vec<PathBuf>,
    /// The packs and their indexes.
    packs: Vec<PathBuf>,
    /// The loose objects.
    loose: Vec<(ObjectId, PathBuf)>,
}

impl PresentObjects {
    /// Returns the objects that were moved by git while they were synced.
    fn gone(&self, ids: &HashSet<ObjectId>) -> HashSet<ObjectId> {
        if self.packs.iter().any(|pack| !pack.exists()) {
            return ids.clone();
        }
        let gone = self.loose.iter().filter(|(_, file)| !file.exists());
        gone.map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;
    use super::*;

    #[test]
    fn loose_and_packed_objects_are_found_and_missing_ones_are_an_error() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        let packed = sandbox.commit("first");
        sandbox.git(&["gc", "-q"]);
        let repo = sandbox.repo();
        let ids: Vec<_> = (0..20)
            .map(|n: u32| repo.write_blob(&n.to_le_bytes()).unwrap())
            .collect();
        repo.sync_objects(&[packed, ids[0].clone()])
            .expect("all are there");
        assert!(repo.unsynced().lock().unwrap().is_empty());
        let missing = repo.blob_id(b"never written");
        assert!(matches!(
            repo.sync_objects(&[missing]),
            Err(Error::MissingObject { .. })
        ));
    }
    #[test]
    fn a_loose_object_that_a_power_cut_tore_is_written_anew() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        let bytes = b"bytes of a release\n";
        let ((id, file), (_, other)) = (sandbox.loose(bytes), sandbox.loose(b"other bytes\n"));
        let (whole, other) = (fs::read(&file).unwrap(), fs::read(other).unwrap());
        for torn in [&b""[..], &[0; 27], &whole[..9], &other] {
            for gone in [sandbox.path(".git/objects/pack"), file.clone()]
                .iter()
                .filter(|path| path.exists())
            {
                sandbox.remove(gone);
            }
            sandbox.write(&file, torn);
            let repo = sandbox.repo();
            assert_eq!(repo.write_blob(bytes).unwrap(), id);
            repo.sync_objects(&[]).unwrap();
            assert_eq!(
                sandbox.repo().read_blob(&id).unwrap(),
                bytes,
                "after {torn:?}"
            );
            assert!(!file.exists(), "after {torn:?}");
            sandbox.git(&["fsck", "--strict"]);
        }
    }

    #[test]
    fn many_threads_share_one_repository() {
        use rayon::prelude::*;
        let repo = &Sandbox::new();
        let (sandbox, repo) = (repo, repo.repo());
        let ids: Vec<_> = (0..200_u32)
            .into_par_iter()
            .map(|n| repo.write_blob(&n.to_le_bytes()).unwrap())
            .collect();
        repo.sync_objects(&[]).unwrap();
        repo.release_packs().unwrap();
        sandbox.git(&["repack", "-Adq"]);
        ids.par_iter().enumerate().for_each(|(n, id)| {
            assert_eq!(
                repo.read_blob(id).unwrap(),
                u32::try_from(n).unwrap().to_le_bytes()
            );
        });
    }

    /// Many threads look up newly installed objects at once, each with an outdated view of the
    /// packs, while others add and repack packs.
    #[test]
    fn what_was_just_written_is_found_by_every_thread() {
        const THREADS: usize = 8;
        const ROUNDS: u32 = 40;
        let sandbox = &Sandbox::new();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        let repo = &sandbox.repo();
        let (next, lost) = (
            &std::sync::Mutex::new(Vec::new()),
            &std::sync::Mutex::new(Vec::new()),
        );
        let (begin, end) = (
            &std::sync::Barrier::new(THREADS + 1),
            &std::sync::Barrier::new(THREADS + 1),
        );
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        begin.wait();
                        let ids: Vec<GitId> = next.lock().unwrap().clone();
                        let gone = ids
                            .into_iter()
                            .filter(|id| repo.read_blob(id).is_err() || !repo.has_object(id));
                        lost.lock().unwrap().extend(gone);
                        end.wait();
                    }
                });
            }
            for round in 0..ROUNDS {
                *next.lock().unwrap() = (0..3_u32)
                    .map(|nth| {
                        repo.write_blob(format!("{round} {nth}").as_bytes())
                            .unwrap()
                    })
                    .collect();
                repo.sync_objects(&[]).unwrap();
                if round % 7 == 6 {
                    sandbox.git(&["repack", "-adq"]);
                }
                begin.wait();
                end.wait();
                repo.release_packs().unwrap();
            }
        });
        assert_eq!(*lost.lock().unwrap(), Vec::<GitId>::new());
    }
}
