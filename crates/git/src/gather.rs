//! Merges small packs into the next one, so that their number does not grow with the operations.
//!
//! Only packs like those written by `pending.rs` are taken: a pack and its index without other
//! files (git 2.41 and later adds a `.rev` to its own; a `.keep` marks a pack in use), small, of
//! whole objects and deltas that name a base in the same pack. Entries are copied unchanged after
//! their checksums are verified. The old packs are removed once the new one is durable; git and
//! gix look again if a pack disappears. None are taken while git collects, or has an index over
//! many packs, which would name a pack that is gone.
//!
//! A pack is closed: it has the base of each of its deltas, and no delta is its own base. Merging
//! keeps that, because of an object that two packs have the first entry stays, and each pack is
//! added whole.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use gix::{ObjectId, hash::hasher, objs::Kind, odb::pack::index};

use super::pack::{self, HEADER, PackOffset};

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
    /// Returns the bytes of an entry.
    pub fn entry(&self, place: &PackOffset) -> &[u8] {
        let begin = usize::try_from(place.offset).expect("because its bytes are in memory");
        let len = usize::try_from(place.len).expect("because its bytes are in memory");
        &self.bytes[begin..begin + len]
    }

    /// Returns its files in the order in which they may be removed: the index first, as git does,
    /// so that no process looks for objects in a missing pack.
    pub fn files(&self) -> [PathBuf; 2] {
        [self.path.with_extension("idx"), self.path.clone()]
    }
}

/// Returns the small packs of a folder if there are many, read and checked; unusable ones are left
/// out.
pub(super) fn small_packs(objects: &Path, hash: gix::hash::Kind) -> Vec<ReadPack> {
    let found = candidates(objects, SMALL);
    if found.len() < MANY {
        return Vec::new();
    }
    let read = |path: PathBuf| {
        let index = path.with_extension("idx");
        read(path, &index, hash)
    };
    found.into_iter().filter_map(read).collect()
}

/// Returns the packs of at most this many bytes that have an object and may be merged, read and
/// checked. There are two of them after a crash between the name of the new one and the removal of
/// the old one.
pub(super) fn packs_with(
    objects: &Path,
    id: &ObjectId,
    most: u64,
    hash: gix::hash::Kind,
) -> Vec<ReadPack> {
    let read = |path: PathBuf| {
        let index = path.with_extension("idx");
        let listed = index::File::at(&index, hash).ok()?;
        listed.lookup(id)?;
        read(path, &index, hash)
    };
    let found = candidates(objects, most.min(LARGEST));
    found.into_iter().filter_map(read).collect()
}

/// True while git collects garbage here or has an index over many packs, which may name each of
/// them.
pub(super) fn packs_are_gits(folder: &Path) -> bool {
    let git = folder.parent().and_then(Path::parent);
    git.is_some_and(|git| git.join("gc.pid").exists())
        || folder.join("multi-pack-index").exists()
        || folder.join("multi-pack-index.d").exists()
}

/// Returns the packs of at most this many bytes that have an index beside them and nothing else.
fn candidates(objects: &Path, most: u64) -> Vec<PathBuf> {
    let folder = objects.join("pack");
    if packs_are_gits(&folder) {
        return Vec::new();
    }
    let Ok(listing) = std::fs::read_dir(&folder) else {
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
    let fits = |(path, kinds): &(PathBuf, Vec<(String, u64)>)| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("pack-"))
            && kinds.len() == 2
            && kinds
                .iter()
                .all(|(kind, len)| matches!(kind.as_str(), "pack" | "idx") && *len <= most)
    };
    kinds
        .into_iter()
        .filter(fits)
        .map(|(path, _)| path.with_extension("pack"))
        .collect()
}

/// Reads a pack; `None` unless it matches its index, is closed, and has at most [`LARGEST`] bytes.
pub(super) fn read(path: PathBuf, index: &Path, hash: gix::hash::Kind) -> Option<ReadPack> {
    let is_small = |path: &Path| path.metadata().is_ok_and(|found| found.len() <= LARGEST);
    if !is_small(&path) || !is_small(index) {
        return None;
    }
    let bytes = std::fs::read(&path).ok()?;
    sealed(&std::fs::read(index).ok()?, hash)?;
    let index = index::File::at(index, hash).ok()?;
    let (end, trailer) = sealed(&bytes, hash).filter(|(end, _)| *end >= HEADER)?;
    if index.pack_checksum() != trailer {
        return None;
    }
    let mut listed: Vec<(u64, ObjectId, u32)> = index
        .iter()
        .map(|entry| Some((entry.pack_offset, entry.oid, entry.crc32?)))
        .collect::<Option<_>>()?;
    listed.sort_unstable();
    // Of an object that is there twice nobody could say which of them a delta is made of.
    let ids: HashSet<ObjectId> = listed.iter().map(|(_, id, _)| *id).collect();
    let count = u32::from_be_bytes(bytes[8..HEADER].try_into().ok()?);
    let is_all = listed
        .first()
        .is_none_or(|(offset, ..)| *offset == HEADER as u64);
    if ids.len() != listed.len() || listed.len() != count as usize || !is_all {
        return None;
    }
    let ends = listed
        .iter()
        .skip(1)
        .map(|(offset, ..)| *offset)
        .chain([end as u64])
        .collect::<Vec<_>>();
    let mut found = Vec::with_capacity(listed.len());
    for ((offset, id, crc), end) in listed.into_iter().zip(ends) {
        let entry = bytes.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)?;
        if crc32fast::hash(entry) != crc {
            return None;
        }
        found.push((id, place_of(entry, (offset, crc), hash)?));
    }
    Some(ReadPack {
        places: with_kinds(found)?,
        path,
        bytes,
    })
}

/// Returns where the hash at the end of a file begins, and that hash; `None` if it is another's.
fn sealed(bytes: &[u8], hash: gix::hash::Kind) -> Option<(usize, ObjectId)> {
    let end = bytes.len().checked_sub(hash.len_in_bytes())?;
    let mut sum = hasher(hash);
    sum.update(&bytes[..end]);
    let trailer = sum.try_finalize().ok()?;
    (trailer.as_slice() == &bytes[end..]).then_some((end, trailer))
}

/// Returns the place of an entry; its kind is unknown if it is a delta.
fn place_of(
    entry: &[u8],
    (offset, crc): (u64, u32),
    hash: gix::hash::Kind,
) -> Option<(PackOffset, Option<Kind>)> {
    let head = pack::head_of(entry, hash).ok()?;
    let size = match head.base {
        Some(_) => pack::size_from_delta(entry, hash).ok()?,
        None => head.unpacked,
    };
    let place = PackOffset {
        offset,
        len: entry.len() as u64,
        crc,
        kind: head.kind.unwrap_or(Kind::Blob),
        size,
        base: head.base,
    };
    (head.kind.is_some() || head.base.is_some()).then_some((place, head.kind))
}

/// Fills in the kinds of deltas; `None` if one does not end at a whole object of the same pack.
fn with_kinds(
    found: Vec<(ObjectId, (PackOffset, Option<Kind>))>,
) -> Option<Vec<(ObjectId, PackOffset)>> {
    let mut kinds: HashMap<ObjectId, Kind> = HashMap::new();
    let mut bases: HashMap<ObjectId, ObjectId> = HashMap::new();
    for (id, (place, kind)) in &found {
        match (kind, place.base) {
            (Some(kind), _) => drop(kinds.insert(*id, *kind)),
            (None, Some(base)) => drop(bases.insert(*id, base)),
            (None, None) => return None,
        }
    }
    let deltas: Vec<ObjectId> = bases.keys().copied().collect();
    for id in deltas {
        let (mut chain, mut at) = (Vec::new(), id);
        while !kinds.contains_key(&at) {
            chain.push(at);
            // What was walked before has a kind, so a base that is gone is missing, or a circle.
            at = bases.remove(&at)?;
        }
        let kind = kinds[&at];
        kinds.extend(chain.into_iter().map(|id| (id, kind)));
    }
    let whole = |(id, (place, _)): (ObjectId, (PackOffset, Option<Kind>))| {
        let kind = *kinds.get(&id)?;
        Some((id, PackOffset { kind, ..place }))
    };
    found.into_iter().map(whole).collect()
}
