//! Builds a new index for the publish protocol; `index_file.rs` reads the current one.
//!
//! The new index is the current one with some entries changed. Two rules keep git's later
//! comparison correct: an entry gets stat data only if the file was read and matches the blob, and
//! "racily clean" entries are read again or lose their stat data, because the new index's time
//! would make git trust them (git's `ce_smudge_racily_clean_entry`; `stat.rs` has the rule).

use std::{collections::BTreeMap, path::Path};

use gix::index::{
    File,
    entry::{Flags, Mode, Stat},
};
use rayon::prelude::*;
use rustix::fs::{AtFlags, CWD, FileType};

use super::{
    Attributes, Converter, Error, Repo,
    error::During,
    rules_gone,
    scan::index_entry,
    stat::{self, StatRules},
    tree::entry_kind,
    walk::to_index_stat,
};
use base::{Digest, RelPath};
use model::{
    GitMode,
    operation::{TreeChange, TreeEntry},
};

/// The new entry of each changed path; `None` removes it.
type NewEntries<'a> = BTreeMap<&'a [u8], (&'a RelPath, Option<&'a TreeEntry>)>;

impl Repo {
    /// Returns the bytes of the index with these changes; it is a conflict if a `before` differs.
    ///
    /// With `with_stat`, work-tree files are read to spare git the comparison.
    pub(super) fn changed_index(
        &self,
        changes: &[TreeChange],
        with_stat: bool,
    ) -> Result<Vec<u8>, Error> {
        let mut index = File::clone(&*self.read_index(false)?);
        check_before(&index, changes)?;
        let after: NewEntries<'_> = changes
            .iter()
            .map(|change| {
                (
                    change.path.as_bytes(),
                    (&change.path, change.after.as_ref()),
                )
            })
            .collect();
        let kept = kept_flags(&index, &after);
        index.remove_entries(|_, path, _| after.contains_key(path.as_ref() as &[u8]));
        let gone = rules_gone(after.values().copied());
        let converter = self.converter(Attributes::After(&gone))?;
        self.refresh_doubtful(&mut index, with_stat.then_some(&converter));
        let stats = if with_stat {
            self.stats_of(&converter, &after)
        } else {
            BTreeMap::new()
        };
        for (bytes, (path, entry)) in &after {
            let Some(entry) = entry else { continue };
            let mode =
                entry_kind(entry).map(|kind| Mode::from(gix::objs::tree::EntryMode::from(kind)));
            let mode = mode.ok_or_else(|| changed(path))?;
            let stat = stats.get(bytes).copied().unwrap_or_default();
            let flags = kept.get(bytes).copied().unwrap_or(Flags::empty());
            index.dangerously_push_entry(stat, self.oid(&entry.id)?, flags, mode, path.as_bstr());
        }
        index.sort_entries();
        check_no_clash(&index, &after)?;
        // Both would describe the old entries; git rebuilds them.
        index.remove_tree();
        index.remove_resolve_undo();
        let mut bytes = Vec::new();
        index
            .write_to(&mut bytes, gix::index::write::Options::default())
            .during("writing the index")?;
        Ok(bytes)
    }

    /// Returns the stat data of those files whose converted contents match their new entry.
    fn stats_of<'a>(
        &self,
        converter: &Converter,
        after: &NewEntries<'a>,
    ) -> BTreeMap<&'a [u8], Stat> {
        let found = after.par_iter().filter_map(|(bytes, (path, entry))| {
            let stat = self.stat_if_same(converter, path, (*entry)?)?;
            Some((*bytes, stat))
        });
        found.collect()
    }

    /// Renews stat data that proves nothing once the new index is younger: that of entries written
    /// in or after the second of the old index. Their files are read; those that match get fresh
    /// stat data, the others (without a converter, all) lose it. Entries without stat data are
    /// treated alike, because otherwise every later comparison would have to read the file.
    fn refresh_doubtful(&self, index: &mut File, converter: Option<&Converter>) {
        let written = stat::written(index);
        let doubtful = |entry: &gix::index::Entry| StatRules::is_doubtful(&entry.stat, written);
        let places: Vec<usize> = index
            .entries()
            .iter()
            .enumerate()
            .filter(|(_, entry)| doubtful(entry))
            .map(|(at, _)| at)
            .collect();
        let fresh: Vec<Stat> = places
            .par_iter()
            .map(|at| {
                let entry = &index.entries()[*at];
                let path = RelPath::parse(entry.path(index))
                    .ok()
                    .filter(|_| entry.stage_raw() == 0);
                let stat = path.zip(converter).and_then(|(path, converter)| {
                    self.stat_if_same(converter, &path, &index_entry(entry))
                });
                stat.unwrap_or_default()
            })
            .collect();
        for (at, stat) in places.into_iter().zip(fresh) {
            index.entries_mut()[at].stat = stat;
        }
    }

    /// Returns the stat data of a file if it matches the entry and did not change meanwhile.
    fn stat_if_same(
        &self,
        converter: &Converter,
        path: &RelPath,
        entry: &TreeEntry,
    ) -> Option<Stat> {
        let file = self.work_tree().join(path.as_os());
        let lstat = || rustix::fs::statat(CWD, &file, AtFlags::SYMLINK_NOFOLLOW).ok();
        let before = lstat()?;
        let bytes = match FileType::from_raw_mode(before.st_mode) {
            FileType::Symlink if entry.mode == GitMode::Link => std::fs::read_link(&file)
                .ok()?
                .into_os_string()
                .into_encoded_bytes(),
            FileType::RegularFile if entry.mode != GitMode::Link => {
                let size = u64::try_from(before.st_size).ok()?;
                in_git(converter, path, (&file, size))?
            }
            _ => return None,
        };
        let after = lstat()?;
        (self.blob_id(&bytes) == entry.id && to_index_stat(&before) == to_index_stat(&after))
            .then(|| to_index_stat(&after))
    }
}

/// Returns the flags that the user set on entries that change: assume-valid and skip-worktree.
fn kept_flags<'a>(index: &File, after: &NewEntries<'a>) -> BTreeMap<&'a [u8], Flags> {
    let told = Flags::ASSUME_VALID | Flags::SKIP_WORKTREE;
    let flags = after.iter().filter_map(|(bytes, (path, _))| {
        let mut flags = index.entry_by_path(path.as_bstr())?.flags & told;
        flags.set(Flags::EXTENDED, flags.contains(Flags::SKIP_WORKTREE));
        Some((*bytes, flags))
    });
    flags.filter(|(_, flags)| !flags.is_empty()).collect()
}

/// Returns git's form of a work-tree file. Git LFS files may be larger than memory; a digest
/// suffices for their pointers.
fn in_git(converter: &Converter, path: &RelPath, (file, size): (&Path, u64)) -> Option<Vec<u8>> {
    if size < 1 << 20 || !converter.is_lfs(path).ok()? {
        return converter.to_git(path, std::fs::read(file).ok()?).ok();
    }
    let (digest, size) = Digest::of_reader(&mut std::fs::File::open(file).ok()?).ok()?;
    Some(Repo::lfs_pointer(&digest, size))
}

/// Returns an error unless every changed path is in the index as the change expects.
fn check_before(index: &File, changes: &[TreeChange]) -> Result<(), Error> {
    for change in changes {
        let now = index
            .entry_range(change.path.as_bstr())
            .map(|range| &index.entries()[range]);
        let same = match (now, &change.before) {
            (None, None) => true,
            (Some([entry]), Some(before)) => {
                entry.stage_raw() == 0 && index_entry(entry) == *before
            }
            _ => false,
        };
        if !same {
            return Err(changed(&change.path));
        }
    }
    Ok(())
}

/// Returns an error if a new entry is a folder of another one, or lies below a file.
fn check_no_clash(index: &File, after: &NewEntries<'_>) -> Result<(), Error> {
    for (path, entry) in after.values() {
        let is_file = |dir: RelPath| index.entry_by_path(dir.as_bstr()).is_some();
        if entry.is_some()
            && (path.ancestors().any(is_file) || index.path_is_directory(path.as_bstr()))
        {
            return Err(changed(path));
        }
    }
    Ok(())
}

/// Makes the error for a path of the index that has changed since planning.
fn changed(path: &RelPath) -> Error {
    Error::PathChanged {
        path: path.clone(),
        place: "the index",
    }
}
