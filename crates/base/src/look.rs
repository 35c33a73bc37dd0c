//! Trees that are not read through the file system, and trees that cannot be written.
//!
//! A [`Layered`] reads through a [`ReadFs`] and writes to another [`Fs`]. A [`RefusedFs`] is empty
//! and refuses every write with a reason. A [`ReadOnly`] wraps a tree and refuses every write to
//! it.

use std::io::{self, Read};

use super::{
    RelPath,
    fs::{FileLock, Fs, Hold, Input, Output, Stat, SyncPoint},
    witness::Witness,
};

/// The reading half of a tree; each method follows the rules of its namesake in [`Fs`].
pub trait ReadFs: Send + Sync {
    /// See [`Fs::stat`].
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>>;
    /// See [`Fs::open`].
    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>>;
    /// See [`Fs::read_link`].
    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>>;
    /// See [`Fs::list`].
    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>>;
}

/// A tree that reads through a look and writes to another file system.
pub struct Layered<L, F> {
    /// The source of reads.
    pub look: L,
    /// The destination of writes.
    pub below: F,
}

/// An empty tree that refuses every write.
pub struct RefusedFs {
    kind: io::ErrorKind,
    why: String,
}

impl RefusedFs {
    /// Makes a tree whose writes fail with an error of this kind and reason.
    pub fn new(kind: io::ErrorKind, why: impl Into<String>) -> Self {
        Self {
            kind,
            why: why.into(),
        }
    }

    fn refuse<T>(&self) -> io::Result<T> {
        Err(io::Error::new(self.kind, self.why.clone()))
    }
}

/// The bytes of a small file, read at any offset.
struct SmallFile(Vec<u8>);

impl Input for SmallFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.0.len());
        (&self.0[start..]).read(into)
    }
}

/// Forwards the methods that only write.
macro_rules! writes {
    ($self:ident => $to:expr) => {
        fn create(&$self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> { let to = $to; to.create(path, mode) }
        fn create_bulk(&$self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> { let to = $to; to.create_bulk(path, mode) }
        fn append(&$self, path: &RelPath) -> io::Result<Box<dyn Output>> { let to = $to; to.append(path) }
        fn symlink(&$self, target: &[u8], path: &RelPath) -> io::Result<()> { let to = $to; to.symlink(target, path) }
        fn create_dir(&$self, path: &RelPath, mode: u32) -> io::Result<()> { let to = $to; to.create_dir(path, mode) }
        fn rename(&$self, from: &RelPath, into: &RelPath) -> io::Result<()> { let to = $to; to.rename(from, into) }
        fn rename_new(&$self, from: &RelPath, into: &RelPath) -> io::Result<()> { let to = $to; to.rename_new(from, into) }
        fn exchange(&$self, a: &RelPath, b: &RelPath) -> io::Result<()> { let to = $to; to.exchange(a, b) }
        fn remove_file(&$self, path: &RelPath) -> io::Result<()> { let to = $to; to.remove_file(path) }
        fn remove_dir(&$self, path: &RelPath) -> io::Result<()> { let to = $to; to.remove_dir(path) }
        fn clone_file(&$self, from: &RelPath, into: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> { let to = $to; to.clone_file(from, into, mode) }
        fn sync_all(&$self, point: SyncPoint) -> io::Result<()> { let to = $to; to.sync_all(point) }
        fn sync_dir(&$self, dir: &RelPath, point: SyncPoint) -> io::Result<()> { let to = $to; to.sync_dir(dir, point) }
    };
}

impl<L: ReadFs, F: Fs> Fs for Layered<L, F> {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        self.look.stat(path)
    }

    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        self.look.open(path)
    }

    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        self.look.read_link(path)
    }

    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        self.look.list(dir)
    }

    fn open_input(&self, path: &RelPath) -> io::Result<Box<dyn Input>> {
        let mut bytes = Vec::new();
        self.look.open(path)?.read_to_end(&mut bytes)?;
        Ok(Box::new(SmallFile(bytes)))
    }

    fn lock(&self, path: &RelPath, hold: Hold, wait: bool) -> io::Result<Option<FileLock>> {
        self.below.lock(path, hold, wait)
    }

    fn are_fixed(&self, paths: &[&RelPath]) -> Vec<io::Result<bool>> {
        self.below.are_fixed(paths)
    }

    fn check_writable(&self, dir: &RelPath) -> io::Result<()> {
        self.below.check_writable(dir)
    }

    writes!(self => &self.below);
}

/// A tree that can be read but not written.
pub struct ReadOnly<F> {
    there: F,
    refused: RefusedFs,
}

impl<F> ReadOnly<F> {
    /// Wraps a tree; `refused` answers all writes.
    pub fn new(there: F, refused: RefusedFs) -> Self {
        Self { there, refused }
    }
}

impl<F: Fs> Fs for ReadOnly<F> {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        self.there.stat(path)
    }

    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        self.there.open(path)
    }

    fn open_at(&self, path: &RelPath, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        self.there.open_at(path, offset)
    }

    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        self.there.read_link(path)
    }

    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        self.there.list(dir)
    }

    fn scan(&self, dir: &RelPath) -> io::Result<Vec<(Vec<u8>, Stat)>> {
        self.there.scan(dir)
    }

    fn read_into(&self, path: &RelPath, size: u64, into: &mut Vec<u8>) -> io::Result<Stat> {
        self.there.read_into(path, size, into)
    }

    fn open_input(&self, path: &RelPath) -> io::Result<Box<dyn Input>> {
        self.there.open_input(path)
    }

    fn mounts(&self) -> io::Result<Vec<RelPath>> {
        self.there.mounts()
    }

    /// Grants a lock whose file is missing without taking it: nobody holds it, and a process that
    /// changes nothing needs no exclusion.
    fn lock(&self, path: &RelPath, hold: Hold, wait: bool) -> io::Result<Option<FileLock>> {
        if self.there.stat(path)?.is_some() {
            self.there.lock(path, hold, wait)
        } else {
            Ok(Some(Box::new(())))
        }
    }

    fn are_fixed(&self, paths: &[&RelPath]) -> Vec<io::Result<bool>> {
        self.there.are_fixed(paths)
    }

    fn stats(&self, paths: &[&RelPath]) -> Vec<io::Result<Option<Stat>>> {
        self.there.stats(paths)
    }

    fn check_writable(&self, dir: &RelPath) -> io::Result<()> {
        self.there.check_writable(dir)
    }

    fn shows_maps(&self) -> bool {
        self.there.shows_maps()
    }

    fn open_with_stat(&self, path: &RelPath) -> io::Result<(Stat, Box<dyn Read + Send>)> {
        self.there.open_with_stat(path)
    }

    fn witness(&self, path: &RelPath) -> io::Result<Option<Box<dyn Witness>>> {
        self.there.witness(path)
    }

    writes!(self => &self.refused);
}

impl Fs for RefusedFs {
    fn stat(&self, _path: &RelPath) -> io::Result<Option<Stat>> {
        Ok(None)
    }

    fn open(&self, _path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn read_link(&self, _path: &RelPath) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn open_input(&self, _path: &RelPath) -> io::Result<Box<dyn Input>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn create(&self, _path: &RelPath, _mode: u32) -> io::Result<Box<dyn Output>> {
        self.refuse()
    }

    fn lock(&self, _path: &RelPath, _hold: Hold, _wait: bool) -> io::Result<Option<FileLock>> {
        self.refuse()
    }

    fn append(&self, _path: &RelPath) -> io::Result<Box<dyn Output>> {
        self.refuse()
    }

    fn symlink(&self, _target: &[u8], _path: &RelPath) -> io::Result<()> {
        self.refuse()
    }

    fn create_dir(&self, _path: &RelPath, _mode: u32) -> io::Result<()> {
        self.refuse()
    }

    fn rename(&self, _from: &RelPath, _to: &RelPath) -> io::Result<()> {
        self.refuse()
    }

    fn exchange(&self, _a: &RelPath, _b: &RelPath) -> io::Result<()> {
        self.refuse()
    }

    fn remove_file(&self, _path: &RelPath) -> io::Result<()> {
        self.refuse()
    }

    fn remove_dir(&self, _path: &RelPath) -> io::Result<()> {
        self.refuse()
    }

    fn sync_dir(&self, _dir: &RelPath, _point: SyncPoint) -> io::Result<()> {
        self.refuse()
    }

    fn check_writable(&self, _dir: &RelPath) -> io::Result<()> {
        self.refuse()
    }
}
