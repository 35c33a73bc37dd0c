//! New objects before they become visible: one pack that grows until it is installed.
//!
//! A pack has advantages over loose objects: two syncs force it to disk however many objects there
//! are, and it is named only after that, so a power failure leaves no torn object. Until then the
//! objects are read back from here. A pack that is never installed leaves nothing behind; a killed
//! process leaves a file that the next change removes. The name is one that git's own collection
//! does not recognise: it would remove even a live process's `tmp_…` file. The writer holds a lock
//! on its file, so that the file of a live process is never removed.
//!
//! When the pack is installed, no reference names its objects yet, and `git repack -ad` drops such
//! packs. A file `.keep` beside the pack prevents this, as it does for git's fetches, until
//! [`Repo::release_packs`].

use std::{
    collections::BTreeMap,
    fs::{File, Permissions},
    io,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use gix::{ObjectId, hash::hasher, objs::Kind};
use rustix::fs::{FlockOperation, flock};
use tempfile::NamedTempFile;

use super::{
    Error, Repo, disk, gather,
    pack::{self, HEADER, PackOffset},
};
use base::{at_once, owner};

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
    state: Mutex<GrowingPack>,
}

/// A growing pack: the part in its file, then its tail.
#[derive(Default)]
struct GrowingPack {
    file: Option<NamedTempFile>,
    written: u64,
    tail: Vec<u8>,
    places: BTreeMap<ObjectId, PackOffset>,
    torn: Vec<PathBuf>,
}

impl PendingObjects {
    /// True when an object is pending.
    pub fn has(&self, id: &ObjectId) -> bool {
        self.state().places.contains_key(id)
    }

    /// Returns the kind and size of a pending object.
    pub fn header(&self, id: &ObjectId) -> Option<(Kind, u64)> {
        self.state()
            .places
            .get(id)
            .map(|place| (place.kind, place.size))
    }

    /// Reads a pending object; returns `None` if it is not pending.
    pub fn read(&self, id: &ObjectId) -> io::Result<Option<(Kind, Vec<u8>)>> {
        let state = self.state();
        let Some(place) = state.places.get(id).copied() else {
            return Ok(None);
        };
        let entry = state.bytes(place.offset, place.len)?;
        drop(state);
        Ok(Some((place.kind, pack::object(&entry, &place, id.kind())?)))
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
        let (entry, place) = pack::entry(kind, bytes, 0);
        let mut state = self.state();
        state.torn.extend(torn);
        state.add(objects, id, &entry, place)
    }

    /// Forces the pending objects to disk, together with other files and folders (`also`, which may
    /// be gone), and names their pack; returns its files, none without objects. After an error
    /// before the first sync, such as a full disk, everything is still pending; after a failed sync
    /// or later error it is lost, and every further call fails.
    pub fn install(
        &self,
        objects: &Path,
        hash: gix::hash::Kind,
        also: &[PathBuf],
    ) -> Result<Vec<PathBuf>, Error> {
        let mut state = self.state();
        if state.places.is_empty() {
            at_once(also, |path| disk::sync_if_there(path))?;
            return Ok(Vec::new());
        }
        let gathered = gather::small_packs(objects, hash);
        for pack in &gathered {
            for (id, place) in &pack.places {
                let begin = usize::try_from(place.offset).expect("because its bytes are in memory");
                let len = usize::try_from(place.len).expect("because its bytes are in memory");
                state.add(objects, *id, &pack.bytes[begin..begin + len], *place)?;
            }
        }
        let installed = state.install(objects, hash, also)?;
        *state = GrowingPack::default();
        for pack in gathered.iter().filter(|pack| !pack.is(&installed)) {
            pack.remove()?;
        }
        Ok(installed)
    }

    /// Locks the pack. A panic during a change leaves at most bytes that no place refers to.
    fn state(&self) -> MutexGuard<'_, GrowingPack> {
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

    /// See [`Pending::install`].
    fn install(
        &mut self,
        objects: &Path,
        hash: gix::hash::Kind,
        also: &[PathBuf],
    ) -> Result<Vec<PathBuf>, Error> {
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
        // After a failed sync the state on disk is unknown: the pack is given up, not retried.
        let file = self.file.take().expect("because it is there");
        let own = [&file, &index, &keep].map(Syncable::New);
        let syncs: Vec<Syncable<'_>> = own
            .into_iter()
            .chain(also.iter().map(Syncable::Present))
            .collect();
        at_once(&syncs, Syncable::sync)?;
        // The index comes last: the pack is visible from the moment that it exists.
        let name = |kind: &str| folder.join(format!("pack-{trailer}.{kind}"));
        persist(keep, &name("keep"))?;
        persist(file, &name("pack"))?;
        persist(index, &name("idx"))?;
        disk::sync(&folder)?;
        for torn in &self.torn {
            disk::remove(torn)?;
        }
        Ok(vec![name("pack"), name("idx")])
    }
}

/// Something that is forced to disk.
enum Syncable<'a> {
    /// A file without its final name.
    New(&'a NamedTempFile),
    /// A file or folder that git may remove meanwhile.
    Present(&'a PathBuf),
}

impl Syncable<'_> {
    /// Forces it to disk.
    fn sync(&self) -> Result<(), Error> {
        match self {
            Self::New(file) => file.as_file().sync_all().map_err(|source| Error::Sync {
                path: file.path().to_path_buf(),
                source,
            }),
            Self::Present(path) => disk::sync_if_there(path),
        }
    }
}

impl Repo {
    /// Removes unfinished packs of killed processes, but none of git's, which have other names.
    /// Only while holding the operations' lock.
    pub fn sweep_packs(&self) -> Result<(), Error> {
        let folder = self.common_dir().join("objects/pack");
        let Ok(listing) = std::fs::read_dir(&folder) else {
            return Ok(());
        };
        for entry in listing.flatten() {
            if entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(TEMP.as_bytes())
                && is_abandoned(&entry.path())
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

/// Renames a temporary file to its final name; an existing file has the same bytes.
fn persist(file: NamedTempFile, to: &Path) -> Result<(), Error> {
    // It stays open, and so locked, until it has its name.
    file.persist(to).map(drop).map_err(|error| Error::File {
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
