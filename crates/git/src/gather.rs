//! Merges small packs into the next one, so that their number does not grow with the operations.
//!
//! Only packs like those written by `pending.rs` are taken: a pack and its index without other
//! files (git adds a `.rev` to its own, and a `.keep` marks a pack in use), at most a few MiB,
//! whole objects only. Entries are copied unchanged after their checksums are verified. The old
//! packs are removed once the new one is durable; git and gix look again if a pack disappears.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use gix::{
    ObjectId,
    hash::hasher,
    odb::pack::{data, index},
};

use super::pack::{HEADER, PackOffset};

/// With fewer small packs than this, none are merged.
const MANY: usize = 24;
/// Largest pack that is merged, in bytes.
const SMALL: u64 = 4 << 20;
/// Largest pack that is read, in bytes. An operation with a larger one can be taken back only, if
/// it was killed before its pack was named.
const LARGEST: u64 = 1 << 30;

/// A pack that was read: its unchanged entries, with their places in its bytes.
pub(super) struct ReadPack {
    path: PathBuf,
    /// The pack's contents.
    pub bytes: Vec<u8>,
    /// Its objects.
    pub places: Vec<(ObjectId, PackOffset)>,
}

impl ReadPack {
    /// Returns its files in the order in which they may be removed: the index first, as git does,
    /// so that no process looks for objects in a missing pack.
    pub fn files(&self) -> [PathBuf; 2] {
        [self.path.with_extension("idx"), self.path.clone()]
    }
}

/// Returns the small packs of a folder if there are many, read and checked; unusable ones are left
/// out. None during a `git gc`.
pub(super) fn small_packs(objects: &Path, hash: gix::hash::Kind) -> Vec<ReadPack> {
    let found = candidates(&objects.join("pack"));
    if found.len() < MANY
        || objects
            .parent()
            .is_some_and(|git| git.join("gc.pid").exists())
    {
        return Vec::new();
    }
    let read = |path: PathBuf| {
        let index = path.with_extension("idx");
        read(path, &index, hash)
    };
    found.into_iter().filter_map(read).collect()
}

/// Returns the small packs that have an index beside them and nothing else.
fn candidates(folder: &Path) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut kinds: BTreeMap<PathBuf, Vec<(String, u64)>> = BTreeMap::new();
    for entry in listing.flatten() {
        let path = entry.path();
        let Some(kind) = path
            .extension()
            .and_then(|kind| kind.to_str())
            .map(str::to_string)
        else {
            continue;
        };
        let len = entry
            .metadata()
            .ok()
            .filter(|found| found.is_file())
            .map_or(u64::MAX, |found| found.len());
        kinds
            .entry(path.with_extension(""))
            .or_default()
            .push((kind, len));
    }
    let fits = |(_, kinds): &(PathBuf, Vec<(String, u64)>)| {
        kinds.len() == 2
            && kinds
                .iter()
                .all(|(kind, len)| matches!(kind.as_str(), "pack" | "idx") && *len <= SMALL)
    };
    kinds
        .into_iter()
        .filter(fits)
        .map(|(path, _)| path.with_extension("pack"))
        .collect()
}

/// Reads a pack; `None` unless it matches its index, holds whole objects only, and has at most
/// [`LARGEST`] bytes.
pub(super) fn read(path: PathBuf, index: &Path, hash: gix::hash::Kind) -> Option<ReadPack> {
    let is_small = |path: &Path| path.metadata().is_ok_and(|found| found.len() <= LARGEST);
    if !is_small(&path) || !is_small(index) {
        return None;
    }
    let bytes = std::fs::read(&path).ok()?;
    let index = index::File::at(index, hash).ok()?;
    let end = bytes
        .len()
        .checked_sub(hash.len_in_bytes())
        .filter(|end| *end >= HEADER)?;
    let mut sum = hasher(hash);
    sum.update(&bytes[..end]);
    let trailer = sum.try_finalize().ok()?;
    if trailer.as_slice() != &bytes[end..] || index.pack_checksum() != trailer {
        return None;
    }
    let mut listed: Vec<(u64, ObjectId, u32)> = index
        .iter()
        .map(|entry| Some((entry.pack_offset, entry.oid, entry.crc32?)))
        .collect::<Option<_>>()?;
    listed.sort_unstable();
    let ends = listed
        .iter()
        .skip(1)
        .map(|(offset, ..)| *offset)
        .chain([end as u64])
        .collect::<Vec<_>>();
    let mut places = Vec::with_capacity(listed.len());
    for ((offset, id, crc), end) in listed.into_iter().zip(ends) {
        let entry = bytes.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)?;
        let head = data::Entry::from_bytes(entry, 0, hash)
            .ok()
            .filter(|_| crc32fast::hash(entry) == crc)?;
        let kind = head.header.as_kind()?;
        places.push((
            id,
            PackOffset {
                offset,
                len: entry.len() as u64,
                crc,
                kind,
                size: head.decompressed_size,
            },
        ));
    }
    Some(ReadPack {
        path,
        bytes,
        places,
    })
}
