//! The simplest durable store: one compressed, checksummed file an object, named by its digest.
//!
//! `objects/<2 hex digits>/<62 hex digits>` below the store's folder, `tmp/` for objects being
//! written. A put is: temp file, and at the commit sync of all temp files, renames, sync of the
//! folders. The format of a file is in `format.rs`. A failed sync ends the session.

use std::{
    collections::BTreeSet,
    io::{BufReader, BufWriter, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rayon::prelude::*;

use super::{
    Error, Session, Store, Stored,
    format::{self, Broken, Stop},
};
use crate::base::{Fs, ObjectId, Output, RelPath, SyncPoint, fs::create_dir_all};

/// A dedup hit on an object up to this size is proved by reading it whole.
const READ_WHOLE: u64 = 8 << 20;
/// How many temp files are open at once before they are synced.
const BATCH: usize = 64;

/// A store below a folder of a file system.
pub struct ObjectStore {
    fs: Arc<dyn Fs>,
    dir: RelPath,
    counter: AtomicU64,
}

impl ObjectStore {
    /// A store below `dir`, which is created at the first put.
    pub fn new(fs: Arc<dyn Fs>, dir: RelPath) -> Self {
        Self { fs, dir, counter: AtomicU64::new(0) }
    }

    /// Where an object lies.
    fn path(&self, id: &ObjectId) -> RelPath {
        let hex = id.0.hex();
        self.dir.join("objects").join(&hex[..2]).join(&hex[2..])
    }

    /// Removes what killed runs left: sessions are begun under the operation lock, so whatever
    /// another process wrote here is garbage.
    fn sweep(&self, tmp: &RelPath) -> std::io::Result<()> {
        let ours = format!("{}-", std::process::id());
        let names = self.fs.list(tmp)?;
        names.iter().filter(|name| !name.starts_with(ours.as_bytes())).try_for_each(|name| self.fs.remove_file(&tmp.join(name)))
    }

    /// True when the store has the object for sure: small ones are read whole.
    fn proves(&self, id: &ObjectId) -> Result<bool, Error> {
        let Some(stat) = self.fs.stat(&self.path(id)).map_err(Error::Io)? else { return Ok(false) };
        if stat.size <= READ_WHOLE {
            return Ok(self.verify(id).is_ok());
        }
        Ok(self.size(id).is_ok())
    }
}

impl Store for ObjectStore {
    fn begin(&self) -> Result<Box<dyn Session + '_>, Error> {
        let tmp = self.dir.join("tmp");
        let begin = || -> std::io::Result<()> {
            create_dir_all(&*self.fs, &tmp, 0o700)?;
            create_dir_all(&*self.fs, &self.dir.join("objects"), 0o700)?;
            self.fs.sync_dir(&self.dir, SyncPoint::ObjectDir)?;
            self.fs.sync_dir(&self.dir.parent(), SyncPoint::ObjectDir)?;
            self.sweep(&tmp)
        };
        begin().map_err(Error::Write)?;
        Ok(Box::new(Puts { store: self, tmp, unsynced: Vec::new(), named: Vec::new(), relied_on: BTreeSet::new(), committed: false }))
    }

    fn size(&self, id: &ObjectId) -> Result<Option<u64>, Error> {
        let path = self.path(id);
        let Some(stat) = self.fs.stat(&path).map_err(Error::Io)? else { return Ok(None) };
        let at = stat.size.checked_sub(format::TAIL).ok_or_else(|| Error::Damaged { id: *id, why: "it is too short".into() })?;
        let mut tail = [0; 8];
        self.fs.open_at(&path, at).and_then(|mut file| file.read_exact(&mut tail)).map_err(Error::Io)?;
        Ok(Some(u64::from_le_bytes(tail)))
    }

    fn read(&self, id: &ObjectId, into: &mut dyn Write) -> Result<u64, Error> {
        let path = self.path(id);
        let Some(stat) = self.fs.stat(&path).map_err(Error::Io)? else { return Err(Error::Missing(*id)) };
        let mut file = BufReader::with_capacity(256 << 10, self.fs.open(&path).map_err(Error::Io)?);
        format::decode(&mut file, stat.size, &id.0, into).map_err(|broken| match broken {
            Broken::Object(why) => Error::Damaged { id: *id, why },
            Broken::Read(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Error::Damaged { id: *id, why: "it is cut short".into() }
            }
            Broken::Read(error) => Error::Io(error),
            Broken::Write(error) => Error::Write(error),
        })
    }
}

/// A session: objects that are written but have no name yet.
struct Puts<'a> {
    store: &'a ObjectStore,
    tmp: RelPath,
    unsynced: Vec<Box<dyn Output>>,
    named: Vec<(RelPath, ObjectId)>,
    /// Folders of objects that were there already: a run that was killed may not have synced them.
    relied_on: BTreeSet<RelPath>,
    committed: bool,
}

impl Puts<'_> {
    /// Syncs and closes the open temp files.
    fn sync_files(&mut self) -> Result<(), Error> {
        let files = std::mem::take(&mut self.unsynced);
        files.into_par_iter().try_for_each(|mut file| file.sync(SyncPoint::ObjectFile)).map_err(Error::Write)
    }

    /// A temp name that no other session uses.
    fn temp(&self) -> RelPath {
        let number = self.store.counter.fetch_add(1, Ordering::Relaxed);
        self.tmp.join(format!("{}-{number}", std::process::id()))
    }

    /// Gives every object its name and syncs the folders.
    fn name(&mut self) -> std::io::Result<()> {
        let fs = &*self.store.fs;
        // Always synced: a run that was killed may have left a folder in it that has no durable name yet.
        let mut dirs = std::mem::take(&mut self.relied_on);
        dirs.insert(self.store.dir.join("objects"));
        for (temp, id) in &self.named {
            let path = self.store.path(id);
            if fs.stat(&path.parent())?.is_none() {
                fs.create_dir(&path.parent(), 0o700)?;
            }
            fs.rename(temp, &path)?;
            dirs.insert(path.parent());
        }
        let dirs: Vec<_> = dirs.into_iter().collect();
        dirs.par_iter().try_for_each(|dir| fs.sync_dir(dir, SyncPoint::ObjectDir))
    }
}

impl Session for Puts<'_> {
    fn put(&mut self, from: &mut dyn Read) -> Result<Stored, Error> {
        let temp = self.temp();
        let fs = &*self.store.fs;
        if fs.stat(&temp).map_err(Error::Write)?.is_some() {
            fs.remove_file(&temp).map_err(Error::Write)?;
        }
        let mut file = BufWriter::with_capacity(256 << 10, fs.create(&temp, 0o600).map_err(Error::Write)?);
        let encoded = format::encode(from, &mut file);
        let written = encoded.and_then(|done| file.into_inner().map_err(|e| Stop::Write(e.into_error())).map(|file| (done, file)));
        let (done, file) = match written {
            Ok(written) => written,
            Err(stop) => {
                let _ = fs.remove_file(&temp);
                return Err(match stop {
                    Stop::Read(error) => Error::Read(error),
                    Stop::Write(error) => Error::Write(error),
                });
            }
        };
        let id = ObjectId(done.digest);
        let mut stored = Stored { id, digest: done.digest, size: done.plain, grown: done.stored };
        if self.named.iter().any(|(_, named)| *named == id) || self.store.proves(&id)? {
            drop(file);
            fs.remove_file(&temp).map_err(Error::Write)?;
            stored.grown = 0;
            self.relied_on.insert(self.store.path(&id).parent());
            return Ok(stored);
        }
        self.unsynced.push(file);
        self.named.push((temp, id));
        if self.unsynced.len() >= BATCH {
            self.sync_files()?;
        }
        Ok(stored)
    }

    fn commit(mut self: Box<Self>) -> Result<(), Error> {
        self.sync_files()?;
        self.name().map_err(Error::Write)?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Puts<'_> {
    fn drop(&mut self) {
        if !self.committed {
            for (temp, _) in &self.named {
                let _ = self.store.fs.remove_file(temp);
            }
        }
    }
}
