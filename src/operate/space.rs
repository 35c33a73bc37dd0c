//! Checks free space before any change: how much an operation writes, and how much is available.
//!
//! Files for the work tree are staged beside the existing ones, so their size is certainly needed.
//! Saved files are stored in pieces that may exist already, and packed, so their size is an upper
//! bound. An operation is refused only for what is certain; for the rest its plan shows both
//! numbers, and a disk that fills up after all changes nothing.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt, path::PathBuf};

use super::{Error, Operator};
use crate::{
    base::{Failure, RelPath, text::size},
    draft::Draft,
    materialise::free_bytes,
    model::{FileRecord, Location, ObjectId, PathChange, plan::Space},
    steps::files::Places,
};

/// A file system, and what is written to it.
struct DiskNeed {
    place: PathBuf,
    space: Space,
}

impl Operator<'_> {
    /// Checks that there is space for a draft, and notes the numbers in its plan.
    ///
    /// # Errors
    /// Fails when there is not enough for what is certainly written.
    pub(super) fn check_space(&self, draft: &mut Draft) -> Result<(), Failure> {
        let disks = self.disks(draft)?;
        if let Some(disk) = disks
            .iter()
            .find(|disk| disk.space.needed > disk.space.free)
        {
            let Space { needed, free, .. } = disk.space;
            return Err(Error::NoSpace {
                place: disk.place.clone(),
                needed: size(needed),
                free: size(free),
            }
            .into());
        }
        // Report the fullest one.
        let left = |disk: &&DiskNeed| disk.space.free.saturating_sub(disk.space.at_most);
        draft.plan.space = disks
            .iter()
            .filter(|disk| disk.space.at_most > 0)
            .min_by_key(left)
            .map(|disk| disk.space);
        Ok(())
    }

    /// Returns the file systems that a draft writes to.
    fn disks(&self, draft: &Draft) -> Result<Vec<DiskNeed>, Failure> {
        let mut disks: BTreeMap<u64, DiskNeed> = BTreeMap::new();
        let top = self.site.git.work_tree().to_path_buf();
        if !draft.files.is_empty() {
            let places = Places::of(&*self.site.tree, draft.files.iter().map(|file| &file.path))?;
            let mut staged: BTreeMap<&RelPath, u64> = BTreeMap::new();
            let root = RelPath::root();
            for file in &draft.files {
                let place = places
                    .folders()
                    .iter()
                    .rev()
                    .find(|place| file.path.is_in(place))
                    .unwrap_or(&root);
                let after = file.after.as_ref().filter(|after| !after.is_link());
                *staged.entry(place).or_default() += after.map_or(0, |after| after.size);
            }
            for (place, bytes) in staged {
                add(
                    &mut disks,
                    if place.is_root() {
                        top.clone()
                    } else {
                        top.join(place.as_os())
                    },
                    (bytes, bytes),
                );
            }
        }
        let saved =
            draft.files.iter().map(|file| self.saved(file)).sum::<u64>() + self.stored(draft)?;
        add(
            &mut disks,
            self.site.git.common_dir().to_path_buf(),
            (0, saved),
        );
        Ok(disks.into_values().collect())
    }

    /// Returns an upper bound for saving one file, in bytes.
    fn saved(&self, file: &PathChange) -> u64 {
        let one = |record: &FileRecord| match &record.location {
            Location::Inline(bytes) => bytes.len() as u64,
            Location::Here => self.unless_stored(&ObjectId(record.digest), record.size),
            Location::Blob(_) | Location::Object(_) | Location::Database(_) | Location::Lfs(_) => 0,
        };
        file.before.as_ref().map_or(0, one) + file.after.as_ref().map_or(0, one)
    }

    /// Returns an upper bound for the large files of a release, in bytes.
    fn stored(&self, draft: &Draft) -> Result<u64, Failure> {
        let mut bytes = 0;
        for (path, digest) in &draft.large {
            let read = |source| crate::catalog::Error::Read {
                path: path.clone(),
                source,
            };
            let there = self
                .site
                .tree
                .stat(path)
                .map_err(read)?
                .map_or(0, |stat| stat.size);
            bytes += self.unless_stored(&ObjectId(*digest), there);
        }
        Ok(bytes)
    }

    /// Returns 0 if the store has the object, otherwise `bytes`.
    fn unless_stored(&self, id: &ObjectId, bytes: u64) -> u64 {
        if matches!(self.site.store.size(id), Ok(Some(_))) {
            0
        } else {
            bytes
        }
    }
}

/// Adds what is written to a place, certainly and at most. A place that cannot be inspected is
/// ignored.
fn add(disks: &mut BTreeMap<u64, DiskNeed>, place: PathBuf, (needed, at_most): (u64, u64)) {
    let Ok(found) = std::fs::metadata(&place) else {
        return;
    };
    let Some(free) = free_bytes(&place) else {
        return;
    };
    let disk = disks.entry(found.dev()).or_insert_with(|| DiskNeed {
        place,
        space: Space {
            needed: 0,
            at_most: 0,
            free,
        },
    });
    disk.space.needed = disk.space.needed.saturating_add(needed);
    disk.space.at_most = disk.space.at_most.saturating_add(at_most);
}
