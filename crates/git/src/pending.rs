//! New objects, before anybody can see them: one pack that grows until it is installed.
//!
//! Writing a pack has what loose objects lack. It is forced to the disk by two syncs however many
//! objects there are, and it gets its name after that: when the power goes, no object is there
//! torn. Until then the objects are read back from here. A pack that is never installed leaves
//! nothing; one of a killed process leaves a file that the next change removes. git's own
//! collection does not know its name: it would remove a `tmp_…` of a process that lives, too.
//! Whoever writes one has it locked, so that a living one is never taken.
//!
//! No reference names the objects yet when their pack is there, and `git repack -ad` drops such
//! packs. A file `.keep` beside the pack forbids it, as it does for what git fetches, until
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
    pack::{self, HEADER, Place},
};
use base::{at_once, owner};

/// Bytes that wait in memory before they are written.
const TAIL: usize = 1 << 20;
/// What a file `.keep` of ours says.
const KEEP: &[u8] = b"snapback: an operation is under way\n";
/// How the names of files begin that are not installed yet.
const TEMP: &str = "snapback_tmp_";
/// Packs are only ever read, by everybody whom the umask lets.
const MODE: u32 = 0o444;

/// The objects that this process wrote and nobody else can see.
#[derive(Default)]
pub(super) struct Pending {
    state: Mutex<State>,
}

/// A pack that grows: what is in its file, then its tail.
#[derive(Default)]
struct State {
    file: Option<NamedTempFile>,
    written: u64,
    tail: Vec<u8>,
    places: BTreeMap<ObjectId, Place>,
    torn: Vec<PathBuf>,
}

impl Pending {
    /// True when an object waits here.
    pub fn has(&self, id: &ObjectId) -> bool {
        self.state().places.contains_key(id)
    }

    /// The kind and size of an object that waits here.
    pub fn header(&self, id: &ObjectId) -> Option<(Kind, u64)> {
        self.state()
            .places
            .get(id)
            .map(|place| (place.kind, place.size))
    }

    /// Reads an object that waits here; `None` when it does not.
    pub fn read(&self, id: &ObjectId) -> io::Result<Option<(Kind, Vec<u8>)>> {
        let state = self.state();
        let Some(place) = state.places.get(id).copied() else {
            return Ok(None);
        };
        let entry = state.bytes(place.offset, place.len)?;
        drop(state);
        Ok(Some((place.kind, pack::object(&entry, &place, id.kind())?)))
    }

    /// Adds an object; below `objects` the pack will be. `torn` is a loose file of that object that
    /// has other bytes, and goes when the pack is there.
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

    /// Forces what waits to the disk and gives it its name; returns the files. Without objects
    /// nothing happens. After an error before the first sync, such as a full disk, everything still
    /// waits; after one of the sync or later it is lost, and every further call fails.
    pub fn install(&self, objects: &Path, hash: gix::hash::Kind) -> Result<Vec<PathBuf>, Error> {
        let mut state = self.state();
        if state.places.is_empty() {
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
        let installed = state.install(objects, hash)?;
        *state = State::default();
        for pack in gathered.iter().filter(|pack| !pack.is(&installed)) {
            pack.remove()?;
        }
        Ok(installed)
    }

    /// The pack, locked. A panic while it grew left at most bytes that no place names.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds the entry of an object, unless it is there.
    fn add(
        &mut self,
        objects: &Path,
        id: ObjectId,
        entry: &[u8],
        place: Place,
    ) -> Result<(), Error> {
        if self.places.contains_key(&id) {
            return Ok(());
        }
        let offset = self.len();
        self.tail.extend_from_slice(entry);
        self.places.insert(id, Place { offset, ..place });
        if self.tail.len() >= TAIL {
            self.write_out(objects)
        } else {
            Ok(())
        }
    }

    /// Where the next entry begins.
    fn len(&self) -> u64 {
        HEADER as u64 + self.written + self.tail.len() as u64
    }

    /// A part of the pack, out of the file or the tail: an entry lies in one of them.
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

    /// Writes the tail into the file, which is made when it is not there.
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
    fn install(&mut self, objects: &Path, hash: gix::hash::Kind) -> Result<Vec<PathBuf>, Error> {
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
        let entries: Vec<(ObjectId, Place)> = self
            .places
            .iter()
            .map(|(id, place)| (*id, *place))
            .collect();
        let index = filled(&folder, "idx_", &pack::index(&entries, &trailer))?;
        let keep = filled(&folder, "keep_", KEEP)?;
        // After a failed sync nobody knows what the disk has: the pack is given up, not tried
        // again.
        let file = self.file.take().expect("because it is there");
        at_once(&[&file, &index, &keep], |file| {
            file.as_file().sync_all().map_err(|source| Error::Sync {
                path: file.path().to_path_buf(),
                source,
            })
        })?;
        // The index last: the pack counts from the moment that it is there.
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

impl Repo {
    /// Removes unfinished packs of processes that were killed, and no others: git's have other
    /// names. Only under the lock.
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

    /// Gives up the protection of installed packs: references name their objects, or nobody will.
    /// Only while no operation is under way.
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

/// True when nobody has a file of ours locked: whoever wrote it is gone.
fn is_abandoned(path: &Path) -> bool {
    let open = || {
        File::open(path)
            .ok()
            .filter(|file| file.metadata().is_ok_and(|found| found.is_file()))
    };
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
        && open().is_some_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}

/// A new file in the folder of packs, locked; it vanishes unless it is given a name.
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

/// A new file in the folder of packs with these bytes, not synced yet.
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

/// Gives a temporary file its name; one that is there has the same bytes.
fn persist(file: NamedTempFile, to: &Path) -> Result<(), Error> {
    // Open, and so locked, until it has its name.
    file.persist(to).map(drop).map_err(|error| Error::File {
        doing: "renaming to",
        path: to.to_path_buf(),
        source: error.error,
    })
}

/// The hash of a file's first bytes.
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
