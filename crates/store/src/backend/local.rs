//! A store in a folder, with durable writes.
//!
//! ```text
//! packs/<id>  index/<id>  log/<sequence>   what the store holds
//! tmp/        sessions/                    of active sessions, removed with them
//! quarantine/                              damaged files, kept for manual inspection
//! objects/                                 of stores from before packs existed
//! lock  gc.lock  reserve  verified
//! ```
//!
//! A file is written below `tmp/`, synced, and renamed to its final name; a barrier syncs the
//! folder of the name. A failed sync is an error and is never retried. Leases are kernel locks,
//! which end with their process. Only this part of the store knows about files and folders.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::sync_points;

use super::{Area, Backend, FileName, Input, Lease, LeaseOn, StagedFile, Upload};
use base::{
    Fs, Output, RelPath, SyncPoint,
    fs::{Hold, read_limited},
};

/// Permission bits of the store's folders: their content is private to the owner.
const DIR_MODE: u32 = 0o700;
/// Permission bits of the store's files.
const FILE_MODE: u32 = 0o600;
/// Folders created with the store.
const DIRS: [Area; 5] = [
    Area::Packs,
    Area::Index,
    Area::Log,
    Area::Staging,
    Area::Sessions,
];
/// Size of the reserve that a collection can release when the disk is full, in bytes.
const RESERVE: usize = 1 << 20;

/// A store below a folder of a file system. It is created at the first put.
pub struct LocalBackend {
    folder: StoreFolder,
    numbers: AtomicU64,
}

/// The folder that holds the files.
#[derive(Clone)]
struct StoreFolder {
    fs: Arc<dyn Fs>,
    dir: RelPath,
}

impl StoreFolder {
    /// Returns the folder of an area. Notes lie next to the other folders.
    fn area(&self, area: Area) -> RelPath {
        match area {
            Area::Notes => self.dir.clone(),
            area => self.dir.join(area.word()),
        }
    }

    /// Returns the path of a file.
    fn path(&self, name: &FileName) -> RelPath {
        let dir = self.area(name.area);
        match (name.area, name.name.split_at_checked(2)) {
            (Area::Legacy, Some((front, back))) => dir.join(front).join(back),
            _ => dir.join(&name.name),
        }
    }

    /// Returns the names in a folder; none when the folder is missing.
    fn names(&self, dir: &RelPath) -> io::Result<Vec<String>> {
        if self.fs.stat(dir)?.is_none() {
            return Ok(Vec::new());
        }
        let names = self.fs.list(dir)?.into_iter();
        Ok(names
            .filter_map(|name| String::from_utf8(name).ok())
            .collect())
    }

    /// Creates the folder of an area that is not created with the store.
    fn make_rare(&self, name: &FileName) -> io::Result<()> {
        if matches!(name.area, Area::Quarantine | Area::Legacy) {
            base::fs::create_dir_all(&*self.fs, &self.path(name).parent(), DIR_MODE)?;
        }
        Ok(())
    }

    /// Removes a file that another process may have removed already.
    fn remove(&self, path: &RelPath) -> io::Result<()> {
        match self.fs.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl LocalBackend {
    /// Creates a backend for the store below `dir`.
    pub fn new(fs: Arc<dyn Fs>, dir: RelPath) -> Self {
        Self {
            folder: StoreFolder { fs, dir },
            numbers: AtomicU64::new(0),
        }
    }

    /// Returns the objects of the old format, which lie in one folder per first byte of their id.
    fn legacy(&self) -> io::Result<Vec<String>> {
        let dir = self.folder.area(Area::Legacy);
        let mut found = Vec::new();
        for front in self.folder.names(&dir)? {
            let backs = self.folder.names(&dir.join(&front))?;
            found.extend(backs.into_iter().map(|back| format!("{front}{back}")));
        }
        Ok(found)
    }

    /// Returns the file to lock for a lease, and the kind of lock.
    fn lock_file(&self, on: &LeaseOn) -> (RelPath, Hold) {
        let dir = &self.folder.dir;
        match on {
            LeaseOn::Beginning => (dir.join("lock"), Hold::Shared),
            LeaseOn::Commit => (dir.join("lock"), Hold::Exclusive),
            LeaseOn::Collection => (dir.join("gc.lock"), Hold::Exclusive),
            LeaseOn::Session(name) => {
                let sessions = self.folder.area(Area::Sessions);
                (sessions.join(name), Hold::Exclusive)
            }
        }
    }
}

impl Backend for LocalBackend {
    fn location(&self, name: &FileName) -> String {
        self.folder.path(name).to_string()
    }

    fn prepare(&self) -> io::Result<()> {
        let (fs, dir) = (&*self.folder.fs, &self.folder.dir);
        let mut created = base::fs::create_dir_all(fs, dir, DIR_MODE)?;
        for area in DIRS {
            let dir = self.folder.area(area);
            created.append(&mut base::fs::create_dir_all(fs, &dir, DIR_MODE)?);
        }
        // If a commit exists, they are durable. Otherwise their creator may have died too early.
        if created.is_empty() && !self.list(Area::Log)?.is_empty() {
            return Ok(());
        }
        // Two points, so that skipping either is detected: the folder's entries, and its own name.
        fs.sync_dir(dir, sync_points::COMMIT_DIR)?;
        fs.sync_dir(&dir.parent(), sync_points::PACK_DIR)
    }

    fn size(&self, name: &FileName) -> io::Result<Option<u64>> {
        let stat = self.folder.fs.stat(&self.folder.path(name))?;
        Ok(stat.map(|stat| stat.size))
    }

    fn open(&self, name: &FileName) -> io::Result<Box<dyn Input>> {
        self.folder.fs.open_input(&self.folder.path(name))
    }

    fn read(&self, name: &FileName, limit: u64) -> io::Result<Vec<u8>> {
        read_limited(&*self.folder.fs, &self.folder.path(name), limit)
    }

    fn list(&self, area: Area) -> io::Result<Vec<String>> {
        let mut names = match area {
            Area::Legacy => self.legacy()?,
            Area::Notes => {
                let there = self.size(&FileName::verified())?;
                Vec::from_iter(there.map(|_| FileName::verified().name))
            }
            area => self.folder.names(&self.folder.area(area))?,
        };
        names.sort_unstable();
        Ok(names)
    }

    fn stage(&self, area: Area, owner: &str) -> io::Result<Box<dyn Upload>> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let name = FileName::new(Area::Staging, format!("{owner}-{number}"));
        let temp = self.folder.path(&name);
        // A process that died may have left a file under this name. The name belongs to its owner,
        // who holds a lease, but process ids are reused, in containers always.
        if self.folder.fs.stat(&temp)?.is_some() {
            self.folder.fs.remove_file(&temp)?;
        }
        let file = match area {
            Area::Packs => self.folder.fs.create_bulk(&temp, FILE_MODE)?,
            _ => self.folder.fs.create(&temp, FILE_MODE)?,
        };
        Ok(Box::new(LocalUpload {
            file,
            point: file_point(area),
            temp: LocalStaged {
                folder: self.folder.clone(),
                path: temp,
                named: false,
            },
        }))
    }

    fn remove(&self, name: &FileName) -> io::Result<()> {
        let path = self.folder.path(name);
        self.folder.remove(&path)?;
        if name.area == Area::Legacy {
            // The folder remains while it holds other objects.
            let _ = self.folder.fs.remove_dir(&path.parent());
        }
        Ok(())
    }

    fn set_aside(&self, name: &FileName) -> io::Result<Option<FileName>> {
        let path = self.folder.path(name);
        if self.folder.fs.stat(&path)?.is_none() {
            return Ok(None);
        }
        let target = name.aside(&self.list(Area::Quarantine)?);
        self.folder.make_rare(&target)?;
        self.folder
            .fs
            .rename(&path, &self.folder.path(&target))
            .map(|()| Some(target))
    }

    fn barrier(&self, area: Area) -> io::Result<()> {
        let sync = |dir: &RelPath, point| self.folder.fs.sync_dir(dir, point);
        let dir = self.folder.area(area);
        match area {
            Area::Packs => sync(&dir, sync_points::PACK_DIR),
            Area::Index => sync(&dir, sync_points::INDEX_DIR),
            Area::Log => sync(&dir, sync_points::COMMIT_DIR),
            // It was created with its first file, so its own name must be covered too.
            Area::Quarantine if self.folder.fs.stat(&dir)?.is_some() => {
                sync(&dir, sync_points::PACK_DIR)?;
                sync(&dir.parent(), sync_points::PACK_DIR)
            }
            Area::Quarantine | Area::Notes | Area::Sessions | Area::Staging | Area::Legacy => {
                Ok(())
            }
        }
    }

    fn lease(&self, on: &LeaseOn, wait: bool) -> io::Result<Option<Lease>> {
        let (path, hold) = self.lock_file(on);
        let Some(lock) = self.folder.fs.lock(&path, hold, wait)? else {
            return Ok(None);
        };
        let (folder, is_session) = (self.folder.clone(), matches!(on, LeaseOn::Session(_)));
        Ok(Some(Lease::new(move || {
            // While the lock is held, the file cannot be mistaken for that of a dead session.
            let removed = if is_session {
                folder.remove(&path)
            } else {
                Ok(())
            };
            drop(lock);
            removed
        })))
    }

    fn set_room_aside(&self, aside: bool) -> io::Result<()> {
        let (fs, path) = (&*self.folder.fs, self.folder.dir.join("reserve"));
        if !aside {
            return self.folder.remove(&path);
        }
        if fs.stat(&path)?.is_some() {
            return Ok(());
        }
        let written = fs
            .create(&path, FILE_MODE)
            .and_then(|mut file| file.write_all(&vec![0x5a; RESERVE]));
        if written.is_err() {
            let _ = fs.remove_file(&path);
        }
        written
    }
}

/// Returns the sync point for the bytes of a file.
fn file_point(area: Area) -> SyncPoint {
    match area {
        Area::Log => sync_points::COMMIT_FILE,
        Area::Index | Area::Notes => sync_points::INDEX_FILE,
        _ => sync_points::PACK_FILE,
    }
}

/// A file below `tmp/`, removed when dropped before it is named.
struct LocalStaged {
    folder: StoreFolder,
    path: RelPath,
    named: bool,
}

impl Drop for LocalStaged {
    fn drop(&mut self) {
        if !self.named {
            let _ = self.folder.fs.remove_file(&self.path);
        }
    }
}

/// A file being written. It is closed before its temporary name is removed.
struct LocalUpload {
    file: Box<dyn Output>,
    point: SyncPoint,
    temp: LocalStaged,
}

impl Write for LocalUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Upload for LocalUpload {
    fn finish(mut self: Box<Self>) -> io::Result<Box<dyn StagedFile>> {
        self.file.sync(self.point)?;
        Ok(Box::new(self.temp))
    }
}

impl StagedFile for LocalStaged {
    fn put(mut self: Box<Self>, name: &FileName) -> io::Result<()> {
        self.folder.make_rare(name)?;
        self.folder.fs.rename(&self.path, &self.folder.path(name))?;
        self.named = true;
        Ok(())
    }

    fn put_new(mut self: Box<Self>, name: &FileName) -> io::Result<()> {
        self.folder.make_rare(name)?;
        let path = self.folder.path(name);
        self.folder.fs.rename_new(&self.path, &path)?;
        self.named = true;
        Ok(())
    }
}
