//! New objects before they become visible: one pack that grows until it is staged, and named.
//!
//! A pack has advantages over loose objects: two syncs force it to disk however many objects there
//! are, and it is named only after that, so a power failure leaves no torn object. Until then the
//! objects are read back from here. A pack that is never named leaves nothing behind; a killed
//! process leaves files that the next change removes, unless an operation that began needs them.
//! Their names are such that git's own collection does not recognise them: it would remove even a
//! live process's `tmp_…` file. The writer holds a lock on its files, so that those of a live
//! process are never removed.
//!
//! When the pack is named, no reference names its objects yet, and `git repack -ad` drops such
//! packs. A file `.keep` beside the pack prevents this, as it does for git's fetches, until
//! [`Repo::release_packs`].

use std::{
    collections::BTreeMap,
    fs::{File, Permissions},
    io,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gix::{ObjectId, hash::hasher, objs::Kind};
use rustix::fs::{FlockOperation, flock};
use tempfile::NamedTempFile;

use super::{
    Error, Repo, delta, disk, gather,
    pack::{self, HEADER, PackOffset},
};
use base::owner;

mod similar;
mod staged;
use staged::StagedPack;
pub(super) use staged::Syncable;

/// Bytes buffered in memory before they are written.
const TAIL: usize = 1 << 20;
/// The contents of our `.keep` files.
const KEEP: &[u8] = b"snapback: an operation is under way\n";
/// The name prefix of files that are not installed yet.
const TEMP: &str = "snapback_tmp_";
/// Packs are read-only, for everyone whom the umask allows.
const MODE: u32 = 0o444;

/// The objects that this process wrote and that are not visible to others yet.
#[derive(Default)]
pub(super) struct PendingObjects {
    /// False while there was none yet: then nobody waits for the locks in vain.
    are_any: AtomicBool,
    state: Mutex<GrowingPack>,
    staged: Mutex<Vec<StagedPack>>,
    /// Files that go once the names of the packs that replace them are durable.
    replaced: Mutex<Vec<PathBuf>>,
}

/// A growing pack: the part in its file, then its tail.
#[derive(Default)]
struct GrowingPack {
    file: Option<NamedTempFile>,
    written: u64,
    tail: Vec<u8>,
    places: BTreeMap<ObjectId, PackOffset>,
    /// Files that it replaces: torn loose objects, and packs that it contains.
    replaced: Vec<PathBuf>,
}

impl PendingObjects {
    /// True when an object is pending.
    pub fn has(&self, id: &ObjectId) -> bool {
        self.header(id).is_some()
    }

    /// Returns the kind and size of a pending object.
    pub fn header(&self, id: &ObjectId) -> Option<(Kind, u64)> {
        if !self.are_any.load(Ordering::Acquire) {
            return None;
        }
        let growing = self.state().places.get(id).copied();
        let staged = || {
            let staged = self.staged();
            staged.iter().find_map(|pack| pack.places.get(id).copied())
        };
        growing
            .or_else(staged)
            .map(|place| (place.kind, place.size))
    }

    /// Reads a pending object; returns `None` if it is not pending.
    pub fn read(&self, id: &ObjectId) -> io::Result<Option<(Kind, Vec<u8>)>> {
        if !self.are_any.load(Ordering::Acquire) {
            return Ok(None);
        }
        let (mut deltas, mut at) = (Vec::new(), *id);
        while let Some((place, entry)) = self.entry(&at)? {
            let Some(base) = place.base else {
                let whole = pack::unpack(&entry, place.size, id.kind())?;
                return Ok(Some((place.kind, delta::apply_all(whole, &deltas)?)));
            };
            deltas.push(pack::unpack_delta(&entry, id.kind())?);
            at = base;
        }
        // Its pack is closed, so nothing but a fault of this program can have lost a base.
        match deltas.len() {
            0 => Ok(None),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Returns the entry of a pending object.
    fn entry(&self, id: &ObjectId) -> io::Result<Option<(PackOffset, Vec<u8>)>> {
        let state = self.state();
        if let Some(place) = state.places.get(id).copied() {
            return Ok(Some((place, state.bytes(place.offset, place.len)?)));
        }
        drop(state);
        let staged = self.staged();
        let mut found = staged
            .iter()
            .filter_map(|pack| Some((pack, pack.places.get(id).copied()?)));
        let Some((pack, place)) = found.next() else {
            return Ok(None);
        };
        let len =
            usize::try_from(place.len).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let mut entry = vec![0; len];
        pack.pack.read_exact_at(&mut entry, place.offset)?;
        Ok(Some((place, entry)))
    }

    /// Adds an object to the pack, which will be below `objects`. `torn` is a loose file of that
    /// object with other bytes, which is removed once the pack is installed.
    pub fn add(
        &self,
        objects: &Path,
        id: ObjectId,
        kind: Kind,
        bytes: &[u8],
        torn: Option<PathBuf>,
    ) -> Result<(), Error> {
        if self.has(&id) {
            return Ok(());
        }
        let (entry, place) = pack::entry(kind, bytes, 0);
        let mut state = self.state();
        state.replaced.extend(torn);
        state.add(objects, id, &entry, place)
    }

    /// Completes the pack of the pending objects, without giving it its name; returns what must
    /// reach the disk before it may have it. After an error before it is complete, such as a full
    /// disk, everything is still pending; after a later one, or a failed sync, it is lost.
    pub fn stage(
        &self,
        objects: &Path,
        hash: gix::hash::Kind,
        op: &str,
    ) -> Result<Vec<Syncable>, Error> {
        let mut state = self.state();
        if state.places.is_empty() {
            return Ok(Vec::new());
        }
        let gathered = gather::small_packs(objects, hash);
        for pack in &gathered {
            state.add_pack(objects, pack)?;
        }
        let mut staged = state.stage(objects, hash, op)?;
        staged.replaced = std::mem::take(&mut state.replaced);
        let syncs = staged.syncs();
        // Under both locks: an object is in one of them at every moment.
        self.staged().push(staged);
        *state = GrowingPack::default();
        Ok(syncs)
    }

    /// Gives the staged packs their names, which reach the disk later; returns their files. What
    /// was staged must be durable.
    pub fn name(&self) -> Result<Vec<PathBuf>, Error> {
        let mut staged = self.staged();
        let mut named = Vec::new();
        for pack in &mut *staged {
            named.extend(pack.name()?);
        }
        let replaced = staged.drain(..).flat_map(|pack| pack.replaced);
        let replaced = replaced.filter(|path| !named.contains(path));
        let mut all = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(replaced);
        Ok(named)
    }

    /// Removes what the named packs replace. Their names must be durable.
    pub fn remove_replaced(&self) -> Result<(), Error> {
        let mut all = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        // git may have begun to use them since they were chosen; then they stay, and harm nobody.
        let is_gits = |path: &PathBuf| {
            let folder = path.parent().filter(|folder| folder.ends_with("pack"));
            folder.is_some_and(gather::packs_are_gits)
        };
        all.drain(..)
            .filter(|path| !is_gits(path))
            .try_for_each(|path| disk::remove(&path).map(drop))
    }

    /// Removes the staged packs: nothing needs them.
    pub fn drop_staged(&self) {
        for pack in self.staged().drain(..) {
            pack.remove();
        }
    }

    /// Loads the pack that a killed process staged for an operation, if it is whole.
    pub fn load(&self, folder: &Path, op: &str, hash: gix::hash::Kind) {
        let mut staged = self.staged();
        if staged.is_empty() {
            staged.extend(StagedPack::load(folder, op, hash));
        }
    }

    /// Locks the staged packs, for whoever may add one.
    fn staged(&self) -> MutexGuard<'_, Vec<StagedPack>> {
        self.are_any.store(true, Ordering::Release);
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the pack. A panic during a change leaves at most bytes that no place refers to.
    fn state(&self) -> MutexGuard<'_, GrowingPack> {
        self.are_any.store(true, Ordering::Release);
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GrowingPack {
    /// Adds the entry of an object, unless the object is pending already.
    fn add(
        &mut self,
        objects: &Path,
        id: ObjectId,
        entry: &[u8],
        place: PackOffset,
    ) -> Result<(), Error> {
        if self.places.contains_key(&id) {
            return Ok(());
        }
        let offset = self.len();
        self.tail.extend_from_slice(entry);
        self.places.insert(id, PackOffset { offset, ..place });
        if self.tail.len() >= TAIL {
            self.write_out(objects)
        } else {
            Ok(())
        }
    }

    /// Adds all entries of a pack, which this one replaces.
    fn add_pack(&mut self, objects: &Path, pack: &gather::ReadPack) -> Result<(), Error> {
        for (id, place) in &pack.places {
            self.add(objects, *id, pack.entry(place), *place)?;
        }
        self.replaced.extend(pack.files());
        Ok(())
    }

    /// Returns the offset of the next entry.
    fn len(&self) -> u64 {
        HEADER as u64 + self.written + self.tail.len() as u64
    }

    /// Reads a part of the pack from the file or the tail; no entry is split between them.
    fn bytes(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let too_long = |_| io::Error::from(io::ErrorKind::InvalidData);
        let len = usize::try_from(len).map_err(too_long)?;
        match (offset.checked_sub(HEADER as u64 + self.written), &self.file) {
            (Some(begin), _) => {
                let begin = usize::try_from(begin).map_err(too_long)?;
                Ok(self.tail[begin..begin + len].to_vec())
            }
            (None, Some(file)) => {
                let mut bytes = vec![0; len];
                file.as_file().read_exact_at(&mut bytes, offset)?;
                Ok(bytes)
            }
            (None, None) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Writes the tail to the file, which is created on first use.
    fn write_out(&mut self, objects: &Path) -> Result<(), Error> {
        let folder = objects.join("pack");
        if self.file.is_none() && self.written > 0 {
            return Err(Error::File {
                doing: "writing",
                path: folder,
                source: io::ErrorKind::NotFound.into(),
            });
        }
        if self.file.is_none() {
            self.file = Some(temporary(&folder, "pack_")?);
        }
        let file = self.file.as_ref().expect("because it was just made");
        let written = file
            .as_file()
            .write_all_at(&self.tail, HEADER as u64 + self.written);
        written.map_err(|source| Error::File {
            doing: "writing",
            path: file.path().to_path_buf(),
            source,
        })?;
        self.written += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    /// Completes the pack, under names that carry those of an operation.
    fn stage(
        &mut self,
        objects: &Path,
        hash: gix::hash::Kind,
        op: &str,
    ) -> Result<StagedPack, Error> {
        let folder = objects.join("pack");
        self.write_out(objects)?;
        let file = self
            .file
            .as_ref()
            .expect("because the tail was written out");
        let path = file.path().to_path_buf();
        let failed = |source| Error::File {
            doing: "writing",
            path: path.clone(),
            source,
        };
        file.as_file()
            .write_all_at(&pack::header(self.places.len()), 0)
            .map_err(failed)?;
        let end = HEADER as u64 + self.written;
        let trailer = hash_of(file.as_file(), end, hash).map_err(failed)?;
        file.as_file()
            .write_all_at(trailer.as_slice(), end)
            .map_err(failed)?;
        let entries: Vec<(ObjectId, PackOffset)> = self
            .places
            .iter()
            .map(|(id, place)| (*id, *place))
            .collect();
        let index = filled(&folder, "idx_", &pack::index(&entries, &trailer))?;
        let keep = filled(&folder, "keep_", KEEP)?;
        let file = self.file.take().expect("because it is there");
        let named = |file: NamedTempFile, kind: &str| {
            persist(file, &StagedPack::staged(&folder, op, &trailer, kind))
        };
        // The index comes last: a pack with one is complete.
        let files = [
            named(keep, "keep")?,
            named(file, "pack")?,
            named(index, "idx")?,
        ];
        let places = std::mem::take(&mut self.places);
        Ok(StagedPack::new((folder, op, trailer), files, places))
    }
}

impl Repo {
    /// Removes unfinished packs of killed processes, but none of git's, which have other names, and
    /// none that the operation `open` needs. Only while holding the operations' lock.
    pub fn sweep_packs(&self, open: Option<&str>) -> Result<(), Error> {
        let folder = self.common_dir().join("objects/pack");
        let Ok(listing) = std::fs::read_dir(&folder) else {
            return Ok(());
        };
        let needed = open.map(|op| format!("{TEMP}{op}_"));
        for entry in listing.flatten() {
            let name = entry.file_name();
            let begins = |with: &str| name.as_encoded_bytes().starts_with(with.as_bytes());
            if begins(TEMP) && !needed.as_deref().is_some_and(begins) && is_abandoned(&entry.path())
            {
                disk::remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes the protection of installed packs: references name their objects, or never will.
    /// Only while no operation is running.
    pub fn release_packs(&self) -> Result<(), Error> {
        let folder = self.common_dir().join("objects/pack");
        let Ok(listing) = std::fs::read_dir(&folder) else {
            return Ok(());
        };
        for path in listing
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "keep"))
        {
            let fits = std::fs::symlink_metadata(&path)
                .is_ok_and(|found| found.is_file() && found.len() == KEEP.len() as u64);
            if fits && std::fs::read(&path).is_ok_and(|bytes| bytes == KEEP) {
                disk::remove(&path)?;
            }
        }
        Ok(())
    }
}

/// True when one of our files is not locked: its writer is gone.
fn is_abandoned(path: &Path) -> bool {
    let open = || {
        File::open(path)
            .ok()
            .filter(|file| file.metadata().is_ok_and(|found| found.is_file()))
    };
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
        && open().is_some_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}

/// Creates a locked file in the pack folder; it is deleted unless it is named.
fn temporary(folder: &Path, kind: &str) -> Result<NamedTempFile, Error> {
    let prefix = format!("{TEMP}{kind}");
    let make = || -> io::Result<NamedTempFile> {
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(folder)?;
        // Where files cannot be locked, only the operations' own lock protects it.
        let _ = flock(file.as_file(), FlockOperation::NonBlockingLockExclusive);
        Ok(file)
    };
    let file = make().or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => disk::create_dirs(folder)
            .map_err(io::Error::other)
            .and_then(|_| make()),
        _ => Err(error),
    });
    let file = file.and_then(|file| owner::give_at(file.as_file(), file.path()).map(|()| file));
    file.map_err(|source| Error::File {
        doing: "writing into",
        path: folder.to_path_buf(),
        source,
    })
}

/// Creates a file with these bytes in the pack folder, not synced yet.
fn filled(folder: &Path, kind: &str, bytes: &[u8]) -> Result<NamedTempFile, Error> {
    let file = temporary(folder, kind)?;
    match file.as_file().write_all_at(bytes, 0) {
        Ok(()) => Ok(file),
        Err(source) => Err(Error::File {
            doing: "writing",
            path: file.path().to_path_buf(),
            source,
        }),
    }
}

/// Renames a temporary file, which stays open and so locked; an existing file has the same bytes.
fn persist(file: NamedTempFile, to: &Path) -> Result<File, Error> {
    file.persist(to).map_err(|error| Error::File {
        doing: "renaming to",
        path: to.to_path_buf(),
        source: error.error,
    })
}

/// Returns the hash of a file's first bytes.
fn hash_of(file: &File, len: u64, hash: gix::hash::Kind) -> io::Result<ObjectId> {
    let (mut sum, mut at, mut block) = (hasher(hash), 0, vec![0; TAIL]);
    while at < len {
        let take = usize::try_from(len - at).unwrap_or(usize::MAX).min(TAIL);
        file.read_exact_at(&mut block[..take], at)?;
        sum.update(&block[..take]);
        at += take as u64;
    }
    sum.try_finalize().map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
