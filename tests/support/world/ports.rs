//! The ports of a world: a disk seen from one folder, stored bytes, and the stand-in for the branch
//! update.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use serde_json::Value;
use snapback::{
    base::{
        Due, Failure, Fs, Input, Output, RelPath, Stat, SyncPoint,
        fs::{FileLock, Hold},
    },
    journal::JournalStep,
    model::{FileRecord, Location},
    site::Bytes,
    store::ChunkStore,
    verdict,
};

use super::Sync;

/// One folder of the simulated disk as its own port, so that all ports crash together.
#[derive(Clone)]
pub struct Below(pub Arc<dyn Fs>, pub &'static str);

impl Below {
    pub(super) fn at(&self, path: &RelPath) -> RelPath {
        if path.is_root() {
            RelPath::own(self.1)
        } else {
            RelPath::own(self.1).join(path.as_bytes())
        }
    }
}

impl Fs for Below {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        self.0.stat(&self.at(path))
    }
    fn shows_maps(&self) -> bool {
        self.0.shows_maps()
    }
    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        self.0.open(&self.at(path))
    }
    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        self.0.read_link(&self.at(path))
    }
    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        self.0.list(&self.at(dir))
    }
    fn create(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        self.0.create(&self.at(path), mode)
    }
    fn append(&self, path: &RelPath) -> io::Result<Box<dyn Output>> {
        self.0.append(&self.at(path))
    }
    fn symlink(&self, target: &[u8], path: &RelPath) -> io::Result<()> {
        self.0.symlink(target, &self.at(path))
    }
    fn create_dir(&self, path: &RelPath, mode: u32) -> io::Result<()> {
        self.0.create_dir(&self.at(path), mode)
    }
    fn rename(&self, from: &RelPath, to: &RelPath) -> io::Result<()> {
        self.0.rename(&self.at(from), &self.at(to))
    }
    fn exchange(&self, a: &RelPath, b: &RelPath) -> io::Result<()> {
        self.0.exchange(&self.at(a), &self.at(b))
    }
    fn remove_file(&self, path: &RelPath) -> io::Result<()> {
        self.0.remove_file(&self.at(path))
    }
    fn remove_dir(&self, path: &RelPath) -> io::Result<()> {
        self.0.remove_dir(&self.at(path))
    }
    fn sync_dir(&self, dir: &RelPath, point: SyncPoint) -> io::Result<()> {
        self.0.sync_dir(&self.at(dir), point)
    }
    fn open_input(&self, path: &RelPath) -> io::Result<Box<dyn Input>> {
        self.0.open_input(&self.at(path))
    }
    fn lock(&self, path: &RelPath, hold: Hold, wait: bool) -> io::Result<Option<FileLock>> {
        self.0.lock(&self.at(path), hold, wait)
    }
}

/// Reads the bytes of stored objects.
pub(super) struct Stored(pub(super) Arc<ChunkStore>);

impl Bytes for Stored {
    fn copy(&self, record: &FileRecord, into: &mut dyn Write) -> Result<(), Failure> {
        let Location::Object(id) = &record.location else {
            unreachable!("the plans of these tests name objects only")
        };
        self.0.read(id, into)?;
        Ok(())
    }
}

/// The stand-in for the branch update: a name in `git/refs`, synced despite skipped points.
pub(super) struct Commit<'a> {
    pub(super) disk: &'a dyn Fs,
    pub(super) sync: &'a Sync,
    pub(super) name: RelPath,
}

impl Commit<'_> {
    pub(super) fn point(&self) -> io::Result<()> {
        if self.disk.stat(&self.name)?.is_none() {
            self.disk.symlink(b"published", &self.name)?;
        }
        (self.sync)(&self.name.parent())
    }

    pub(super) fn take_back(&self) -> io::Result<()> {
        if self.disk.stat(&self.name)?.is_some() {
            self.disk.remove_file(&self.name)?;
        }
        (self.sync)(&self.name.parent())
    }
}

impl JournalStep for Commit<'_> {
    fn name(&self) -> &'static str {
        "publish"
    }
    fn prepare(&mut self, _due: &Due) -> Result<Value, Failure> {
        Ok(Value::Null)
    }
    fn apply(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Ok(self.point().map_err(verdict::Error::Io)?)
    }
    fn undo(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Ok(self.take_back().map_err(verdict::Error::Io)?)
    }
    fn is_commit_point(&self) -> bool {
        true
    }
    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(self
            .disk
            .stat(&self.name)
            .map_err(verdict::Error::Io)?
            .is_some())
    }
}
