//! The file-system port: everything snapback does to files goes through this trait.
//!
//! One implementation is real ([`Root`](super::Root), confined below a directory handle); the
//! tests have a simulated one that loses unsynced writes at a crash, and that skips one
//! [`SyncPoint`] at a time to prove that the tests would notice. Paths are relative to the
//! port's root. No method follows a symbolic link, in any component.
//!
//! A failed sync is never retried: after it the kernel may have dropped the dirty pages
//! (Rebello et al., ATC 2020), so the operation must abort.

use std::io::{self, Read, Write};

use super::{RelPath, owner::Owner};

/// A named place where bytes are forced to the disk. Each room declares its own beside the code
/// that uses them, and lists them for the tests, which skip one at a time: each has a test that
/// fails without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SyncPoint(&'static str);

impl SyncPoint {
    /// The point with this name, `room.what`.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Dir,
    /// A device, FIFO or socket: never read, never replaced.
    Other,
}

/// What `lstat` says, as far as snapback uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The type of the entry.
    pub kind: Type,
    /// Permission bits, `0o7777` masked.
    pub mode: u32,
    /// Size in bytes.
    pub size: u64,
    /// Modification time: seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// Change time: seconds and nanoseconds since 1970.
    pub ctime: (i64, u32),
    /// Inode number.
    pub ino: u64,
    /// Device number: two entries on different devices cannot be renamed onto each other.
    pub dev: u64,
    /// User id of the owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Number of hard links.
    pub links: u64,
}

/// A file being written.
pub trait Output: Write + Send {
    /// Forces the bytes written so far to the disk.
    fn sync(&mut self, point: SyncPoint) -> io::Result<()>;
    /// Sets the permission bits (`0o7777` masked), whatever the umask.
    fn set_mode(&mut self, mode: u32) -> io::Result<()>;
    /// Sets the modification time: seconds and nanoseconds since 1970.
    fn set_mtime(&mut self, mtime: (i64, u32)) -> io::Result<()>;
    /// Gives the file to the owner and group of what it is to replace, as far as this user may.
    fn set_owner(&mut self, _owner: Owner) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is read at any place, by several threads at once.
pub trait Input: Send + Sync {
    /// Fills the buffer from an offset; returns how many bytes there were before the end.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// As [`Input::read_at`], for large ranges that will not be read again soon: `offset`, the
    /// buffer's address and its length are multiples of [`super::aligned::ALIGN`], and the page
    /// cache is not filled where the file system can do without.
    fn read_once_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.read_at(offset, into)
    }
}

/// How a file is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Beside others that share it.
    Shared,
    /// Alone.
    Exclusive,
}

/// A kernel lock on a file; dropping it frees it, and so does the death of the process.
pub type FileLock = Box<dyn std::any::Any + Send + Sync>;

/// Files below one root. See the module's documentation for the rules all methods keep.
pub trait Fs: Send + Sync {
    /// The entry itself, links not followed; `None` when it is missing, or a folder above it is
    /// missing or no folder.
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>>;
    /// Opens a regular file for reading; anything else is an error.
    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>>;
    /// Opens a regular file for reading from an offset.
    fn open_at(&self, path: &RelPath, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = self.open(path)?;
        io::copy(&mut (&mut file).take(offset), &mut io::sink())?;
        Ok(file)
    }
    /// The target of a symbolic link.
    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>>;
    /// The names in a folder, unsorted; an error when it is not one.
    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>>;
    /// As [`Fs::list`], each name with what [`Fs::stat`] says of it, quicker than one by one.
    /// What is removed meanwhile is left out.
    fn scan(&self, dir: &RelPath) -> io::Result<Vec<(Vec<u8>, Stat)>> {
        let mut found = Vec::new();
        for name in self.list(dir)? {
            if let Some(stat) = self.stat(&dir.join(&name))? {
                found.push((name, stat));
            }
        }
        Ok(found)
    }
    /// Appends the bytes of a regular file to a buffer, `size` of them when it is as it was seen.
    /// Returns what the very file that was read says of itself afterwards.
    fn read_into(&self, path: &RelPath, size: u64, into: &mut Vec<u8>) -> io::Result<Stat> {
        into.reserve(usize::try_from(size).map_err(io::Error::other)? + 1);
        self.open(path)?.read_to_end(into)?;
        self.stat(path)?
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    /// Creates a new file (never an existing one) with these permission bits less the umask.
    fn create(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>>;
    /// As [`Fs::create`], for many bytes in a row that will not be read again soon: written
    /// around the page cache where the file system can, and complete only after a sync.
    fn create_bulk(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        self.create(path, mode)
    }
    /// Opens a regular file for reading at any place.
    fn open_input(&self, path: &RelPath) -> io::Result<Box<dyn Input>>;
    /// Locks a file, which is created when it is missing (no name is synced). `None`: another
    /// holds it and `wait` is false.
    fn lock(&self, path: &RelPath, hold: Hold, wait: bool) -> io::Result<Option<FileLock>>;
    /// Opens an existing file for appending.
    fn append(&self, path: &RelPath) -> io::Result<Box<dyn Output>>;
    /// Creates a symbolic link (never over an existing entry).
    fn symlink(&self, target: &[u8], path: &RelPath) -> io::Result<()>;
    /// Creates one folder with these permission bits less the umask; an error when it exists.
    fn create_dir(&self, path: &RelPath, mode: u32) -> io::Result<()>;
    /// Renames over whatever file is there, atomically.
    fn rename(&self, from: &RelPath, to: &RelPath) -> io::Result<()>;
    /// Renames to a name that must be free.
    fn rename_new(&self, from: &RelPath, to: &RelPath) -> io::Result<()> {
        if self.stat(to)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }
    /// Swaps two existing entries atomically; `Unsupported` where the file system cannot.
    fn exchange(&self, a: &RelPath, b: &RelPath) -> io::Result<()>;
    /// Removes a file or symbolic link.
    fn remove_file(&self, path: &RelPath) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &RelPath) -> io::Result<()>;
    /// Makes a new file that shares the blocks of another one; `Unsupported` where the file
    /// system cannot. Later writes to either do not show in the other.
    fn clone_file(
        &self,
        _from: &RelPath,
        _to: &RelPath,
        _mode: u32,
    ) -> io::Result<Box<dyn Output>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Forces everything that was written to the root's file system to the disk, bytes and names.
    /// `Unsupported` where it cannot be had, or a failed write would go unnoticed.
    fn sync_all(&self, _point: SyncPoint) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Forces the names in a folder to the disk.
    fn sync_dir(&self, dir: &RelPath, point: SyncPoint) -> io::Result<()>;
    /// The places below the root where another file system, or another part of one, is mounted; no
    /// rename goes across their border. Sorted.
    fn mounts(&self) -> io::Result<Vec<RelPath>> {
        Ok(Vec::new())
    }
    /// True for what nobody may replace or remove, or a folder in which nobody may, while it has
    /// that attribute (`chattr +i`, `+a`).
    fn is_fixed(&self, _path: &RelPath) -> io::Result<bool> {
        Ok(false)
    }
    /// Fails early when names in a folder cannot be changed by this user; a good answer promises
    /// nothing.
    fn check_writable(&self, _dir: &RelPath) -> io::Result<()> {
        Ok(())
    }
}

/// The source of an [`io::Error`] for a symbolic link where a folder was expected.
#[derive(Debug, thiserror::Error)]
#[error("there is a symbolic link on the way to {0}")]
pub struct LinkOnTheWay(pub RelPath);

/// Bytes that nearly every source and configuration file fits in.
const USUAL_SIZE: usize = 16 << 10;

/// Reads a whole file of at most `limit` bytes.
pub fn read_limited(fs: &dyn Fs, path: &RelPath, limit: u64) -> io::Result<Vec<u8>> {
    // Room for most sources and configurations: one call reads them, a second one finds the end.
    let mut bytes = Vec::with_capacity(USUAL_SIZE);
    fs.open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{path} is larger than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// Reads to the end of a file that should have `size` bytes, with few system calls.
pub fn read_sized(file: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    // One byte more than expected shows the end, or that there is more.
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)? + 1];
    let mut filled = 0;
    loop {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled == bytes.len() {
            file.read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Creates a folder and the missing ones above it; returns those it created, topmost first.
pub fn create_dir_all(fs: &dyn Fs, dir: &RelPath, mode: u32) -> io::Result<Vec<RelPath>> {
    let mut missing = Vec::new();
    let mut at = dir.clone();
    while !at.is_root() && fs.stat(&at)?.is_none() {
        missing.push(at.clone());
        at = at.parent();
    }
    missing.reverse();
    let mut created = Vec::new();
    for dir in missing {
        match fs.create_dir(&dir, mode) {
            Ok(()) => created.push(dir),
            // Another process made it a moment earlier.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_dir(fs, &dir)? => {}
            Err(error) => return Err(error),
        }
    }
    Ok(created)
}

/// True when a path is a folder.
fn is_dir(fs: &dyn Fs, path: &RelPath) -> io::Result<bool> {
    Ok(fs.stat(path)?.is_some_and(|stat| stat.kind == Type::Dir))
}

/// Removes a folder and all below it, or a file; links are removed, not followed.
pub fn remove_tree(fs: &dyn Fs, path: &RelPath) -> io::Result<()> {
    match fs.stat(path)?.map(|stat| stat.kind) {
        None => Ok(()),
        Some(Type::Dir) => {
            for name in fs.list(path)? {
                remove_tree(fs, &path.join(name))?;
            }
            fs.remove_dir(path)
        }
        Some(_) => fs.remove_file(path),
    }
}

/// Writes a new file whole: temp name, bytes, sync, rename, sync of the folder. A file that could
/// not be written leaves nothing behind.
pub fn write_durably(
    fs: &dyn Fs,
    path: &RelPath,
    bytes: &[u8],
    mode: u32,
    points: (SyncPoint, SyncPoint),
) -> io::Result<()> {
    write_aside(fs, path, bytes, mode, Some(points.0))?;
    publish(fs, path)?;
    fs.sync_dir(&path.parent(), points.1)
}

/// The first half of [`write_durably`]: the file is whole and has its temp name. What may be lost
/// in a power cut needs no sync.
pub fn write_aside(
    fs: &dyn Fs,
    path: &RelPath,
    bytes: &[u8],
    mode: u32,
    point: Option<SyncPoint>,
) -> io::Result<()> {
    let temp = temp_name(path);
    if fs.stat(&temp)?.is_some() {
        fs.remove_file(&temp)?;
    }
    let write = || -> io::Result<()> {
        let mut file = fs.create(&temp, mode)?;
        file.write_all(bytes)?;
        point.map_or(Ok(()), |point| file.sync(point))
    };
    write().inspect_err(|_| drop(fs.remove_file(&temp)))
}

/// Gives what [`write_aside`] wrote its name; the folder is not synced.
pub fn publish(fs: &dyn Fs, path: &RelPath) -> io::Result<()> {
    let temp = temp_name(path);
    fs.rename(&temp, path)
        .inspect_err(|_| drop(fs.remove_file(&temp)))
}

/// The name of a file that is not whole yet, beside it.
fn temp_name(path: &RelPath) -> RelPath {
    let (dir, name) = path.split();
    dir.join([TEMP, name].concat())
}

/// True for the name of a file that [`write_aside`] wrote, or was killed while it wrote it.
pub fn is_temp(name: &[u8]) -> bool {
    name.starts_with(TEMP)
}

/// How the name of a file begins that is not whole yet.
const TEMP: &[u8] = b".tmp-";
