//! Objects, made durable: gix never syncs, and git's default leaves loose objects unsynced too.
//!
//! Everything that is about to be named by a reference goes through [`Repo::sync_objects`]
//! first. Objects that existed before count as well: git may have written them a moment ago.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::PoisonError,
};

use gix::ObjectId;
use rayon::prelude::*;

use super::{Error, Repo, disk};
use crate::base::GitId;

/// Syncs in flight at once: disks merge flushes, so more threads than cores pay.
const THREADS: usize = 16;

impl Repo {
    /// Forces to the disk what was written through this `Repo` since the last call, and `also`.
    ///
    /// Loose objects: the file, its folder, and `objects/`. Objects in packs: every pack of the
    /// repository, once a process. A failed sync is an error and is not tried again.
    pub fn sync_objects(&self, also: &[GitId]) -> Result<(), Error> {
        let mut ids: HashSet<ObjectId> = std::mem::take(&mut *self.unsynced().lock().unwrap_or_else(PoisonError::into_inner));
        for id in also {
            ids.insert(self.oid(id)?);
        }
        if ids.is_empty() {
            return Ok(());
        }
        let objects = self.common_dir().join("objects");
        let (mut files, mut packed) = (Vec::new(), false);
        for id in &ids {
            let file = loose_path(&objects, id);
            if file.exists() {
                files.push(file);
            } else if self.with(|repo| repo.has_object(id)) {
                packed = true;
            } else {
                return Err(Error::MissingObject { id: super::repo::git_id(id) });
            }
        }
        let mut dirs: BTreeSet<PathBuf> = files.iter().filter_map(|file| file.parent().map(Path::to_path_buf)).collect();
        if !files.is_empty() {
            dirs.insert(objects.clone());
        }
        if packed {
            self.add_packs(&objects.join("pack"), &mut files, &mut dirs)?;
        }
        sync_all(&files)?;
        sync_all(&dirs.into_iter().collect::<Vec<_>>())
    }

    /// Adds the pack files that this process has not synced yet.
    fn add_packs(&self, dir: &Path, files: &mut Vec<PathBuf>, dirs: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
        let failed = |source| Error::File { doing: "listing", path: dir.to_path_buf(), source };
        // Without a folder of packs here, the objects lie in an alternate, which is not ours.
        let Ok(listing) = fs::read_dir(dir) else { return Ok(()) };
        let mut synced = self.synced_packs().lock().unwrap_or_else(PoisonError::into_inner);
        for entry in listing {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|kind| kind == "pack" || kind == "idx") && synced.insert(path.clone()) {
                files.push(path);
                dirs.insert(dir.to_path_buf());
            }
        }
        Ok(())
    }
}

/// Where a loose object lies.
pub(super) fn loose_path(objects: &Path, id: &ObjectId) -> PathBuf {
    let hex = id.to_hex().to_string();
    objects.join(&hex[..2]).join(&hex[2..])
}

/// Syncs files or folders on several threads.
fn sync_all(paths: &[PathBuf]) -> Result<(), Error> {
    if paths.len() < 4 {
        return paths.iter().try_for_each(|path| disk::sync(path));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS.min(paths.len())).build();
    match pool {
        Ok(pool) => pool.install(|| paths.par_iter().try_for_each(|path| disk::sync(path))),
        Err(_) => paths.iter().try_for_each(|path| disk::sync(path)),
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
        let ids: Vec<_> = (0..20).map(|n: u32| repo.write_blob(&n.to_le_bytes()).unwrap()).collect();
        repo.sync_objects(&[packed, ids[0].clone()]).expect("all are there");
        assert!(repo.unsynced().lock().unwrap().is_empty());
        let missing = repo.blob_id(b"never written");
        assert!(matches!(repo.sync_objects(&[missing]), Err(Error::MissingObject { .. })));
    }
}
