//! The file-system port: all file access of snapback goes through this trait.
//!
//! One implementation is real ([`Root`](super::Root), confined below a directory handle). The tests
//! have a simulated one that loses unsynced writes in a crash, and that skips one [`SyncPoint`] at
//! a time to prove that the tests would notice. Paths are relative to the port's root. No method
//! follows a symbolic link, in any component.
//!
//! A failed sync is never retried: after it the kernel may have dropped the dirty pages (Rebello et
//! al., ATC 2020), so the operation must abort.

use std::io::{self, Read, Write};

use super::{RelPath, owner::Owner, witness::Witness};

/// A named place where bytes are forced to disk. Each room declares its sync points beside the code
/// that uses them and lists them for the tests, which skip one at a time: for each, some test fails
/// without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SyncPoint(&'static str);

impl SyncPoint {
    /// Returns the sync point with this name, `room.what`.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// The type of a directory entry.
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

/// The part of `lstat` that snapback uses.
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
    /// Group id.
    pub gid: u32,
    /// Number of hard links.
    pub links: u64,
}

/// A file being written.
pub trait Output: Write + Send {
    /// Hands everything that was written to the system, and gives up the memory that it took. Only
    /// a sync may follow, which may come much later.
    fn complete(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Completes a file of [`Fs::create_unseen`] and gives it its name. Returns a witness from
    /// before that, if nobody else can have written to it; any other file has its name already.
    fn appear(&mut self) -> io::Result<Option<Box<dyn Witness>>> {
        Ok(None)
    }
    /// Forces the bytes written so far to disk.
    fn sync(&mut self, point: SyncPoint) -> io::Result<()>;
    /// Sets the permission bits (`0o7777` masked), regardless of the umask.
    fn set_mode(&mut self, mode: u32) -> io::Result<()>;
    /// Sets the modification time: seconds and nanoseconds since 1970.
    fn set_mtime(&mut self, mtime: (i64, u32)) -> io::Result<()>;
    /// Sets owner and group to those of the file to be replaced, as far as this user may.
    fn set_owner(&mut self, _owner: Owner) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is read at any offset, by several threads at once.
pub trait Input: Send + Sync {
    /// Fills the buffer from an offset; returns the number of bytes before the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Like [`Input::read_at`], for large ranges that will not be read again soon: `offset`, the
    /// buffer's address and its length are multiples of [`super::aligned::ALIGN`], and the page
    /// cache is bypassed where the file system allows it.
    fn read_once_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.read_at(offset, into)
    }
}

/// The mode of a file lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Shared with other holders.
    Shared,
    /// Exclusive.
    Exclusive,
}

/// A kernel lock on a file; released when dropped or when the process dies.
pub type FileLock = Box<dyn std::any::Any + Send + Sync>;

/// Files below one root. See the module's documentation for the rules common to all methods.
pub trait Fs: Send + Sync {
    /// Returns the entry itself, without following links; `None` when it is missing, or a folder
    /// above it is missing or not a folder.
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>>;
    /// Opens a regular file for reading; anything else is an error.
    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>>;
    /// Does [`Fs::open`], and returns the state of the very file that is read, whatever the path
    /// leads to before and after.
    fn open_with_stat(&self, path: &RelPath) -> io::Result<(Stat, Box<dyn Read + Send>)> {
        let stat = self.stat(path)?.ok_or(io::ErrorKind::NotFound)?;
        Ok((stat, self.open(path)?))
    }
    /// Opens a regular file for reading from an offset.
    fn open_at(&self, path: &RelPath, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = self.open(path)?;
        io::copy(&mut (&mut file).take(offset), &mut io::sink())?;
        Ok(file)
    }
    /// Returns the target of a symbolic link.
    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>>;
    /// Lists the names in a folder, unsorted; an error if it is not a folder.
    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>>;
    /// Like [`Fs::list`], with the [`Fs::stat`] of each name, faster than one by one. Entries
    /// removed meanwhile are left out.
    fn scan(&self, dir: &RelPath) -> io::Result<Vec<(Vec<u8>, Stat)>> {
        let mut found = Vec::new();
        for name in self.list(dir)? {
            if let Some(stat) = self.stat(&dir.join(&name))? {
                found.push((name, stat));
            }
        }
        Ok(found)
    }
    /// Appends the contents of a regular file to a buffer; `size` is the expected number of bytes.
    /// Returns the stat of the very file that was read, taken afterwards.
    fn read_into(&self, path: &RelPath, size: u64, into: &mut Vec<u8>) -> io::Result<Stat> {
        into.reserve(usize::try_from(size).map_err(io::Error::other)? + 1);
        self.open(path)?.read_to_end(into)?;
        self.stat(path)?
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    /// Creates a new file (never an existing one) with these permission bits minus the umask.
    fn create(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>>;
    /// Like [`Fs::create`], for a large file written sequentially that will not be read again soon:
    /// bypasses the page cache where the file system can, and is complete only after a sync.
    fn create_bulk(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        self.create(path, mode)
    }
    /// Like [`Fs::create_bulk`], for a file that gets its name when it is whole
    /// ([`Output::appear`]): until then no path leads to it.
    ///
    /// # Errors
    /// `Unsupported` where the file system cannot do this.
    fn create_unseen(&self, _path: &RelPath, _mode: u32) -> io::Result<Box<dyn Output>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Returns a witness of what is written to a regular file from now on; `None` where there can
    /// be none, or somebody has the file open for writing.
    fn witness(&self, _path: &RelPath) -> io::Result<Option<Box<dyn Witness>>> {
        Ok(None)
    }
    /// Opens a regular file for reading at any offset.
    fn open_input(&self, path: &RelPath) -> io::Result<Box<dyn Input>>;
    /// Locks a file, creating it if it is missing (its name is not synced). `None` if it is held
    /// elsewhere and `wait` is false.
    fn lock(&self, path: &RelPath, hold: Hold, wait: bool) -> io::Result<Option<FileLock>>;
    /// True when whatever a program writes to a file after it opened it shows in the file's times,
    /// also the first write to each page through a memory map.
    fn shows_maps(&self) -> bool {
        false
    }
    /// Opens an existing file for appending.
    fn append(&self, path: &RelPath) -> io::Result<Box<dyn Output>>;
    /// Creates a symbolic link (never over an existing entry).
    fn symlink(&self, target: &[u8], path: &RelPath) -> io::Result<()>;
    /// Creates one folder with these permission bits minus the umask; an error if it exists.
    fn create_dir(&self, path: &RelPath, mode: u32) -> io::Result<()>;
    /// Renames atomically, replacing any file at the new name.
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
    /// Creates a file that shares the blocks of another one (copy-on-write); `Unsupported` where
    /// the file system cannot. Later writes to either do not affect the other.
    fn clone_file(
        &self,
        _from: &RelPath,
        _to: &RelPath,
        _mode: u32,
    ) -> io::Result<Box<dyn Output>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Forces everything written to the root's file system to disk, contents and names.
    /// `Unsupported` where this is not available or a failed write would go unnoticed.
    fn sync_all(&self, _point: SyncPoint) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Forces the names in a folder to disk.
    fn sync_dir(&self, dir: &RelPath, point: SyncPoint) -> io::Result<()>;
    /// Returns the mount points below the root, of other file systems or of other parts of one; no
    /// rename crosses a mount. Sorted.
    fn mounts(&self) -> io::Result<Vec<RelPath>> {
        Ok(Vec::new())
    }
    /// True for each entry that cannot be replaced or removed, and for each folder whose entries
    /// cannot, because of an attribute (`chattr +i`, `+a`).
    fn are_fixed(&self, paths: &[&RelPath]) -> Vec<io::Result<bool>> {
        paths.iter().map(|_| Ok(false)).collect()
    }
    /// Returns the [`Fs::stat`] of each path, faster than one by one where neighbours lie in one
    /// folder.
    fn stats(&self, paths: &[&RelPath]) -> Vec<io::Result<Option<Stat>>> {
        paths.iter().map(|path| self.stat(path)).collect()
    }
    /// Fails early if this user cannot change names in a folder; success guarantees nothing.
    fn check_writable(&self, _dir: &RelPath) -> io::Result<()> {
        Ok(())
    }
}

/// The source of an [`io::Error`] for a symbolic link where a folder was expected.
#[derive(Debug, thiserror::Error)]
#[error("there is a symbolic link on the way to {0}")]
pub struct LinkOnTheWay(pub RelPath);

/// A size in bytes that nearly every source and configuration file fits into.
const USUAL_SIZE: usize = 16 << 10;

/// Reads a whole file of at most `limit` bytes.
pub fn read_limited(fs: &dyn Fs, path: &RelPath, limit: u64) -> io::Result<Vec<u8>> {
    // The usual file needs one call for its contents and a second one to detect the end.
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

/// Reads a file that should have `size` bytes to its end, with few system calls.
pub fn read_sized(file: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    // One byte more than expected reveals the end, or that there is more.
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

/// Creates a folder and its missing parents; returns those it created, topmost first.
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
            // Another process created it a moment earlier.
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

/// Removes a file, or a folder with its contents; links are removed, not followed.
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

/// Writes a whole new file: temporary name, contents, sync, rename, sync of the folder. On failure
/// nothing is left behind.
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

/// Writes a whole file under its temporary name: the first half of [`write_durably`]. A file that
/// may be lost in a power cut needs no sync point.
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

/// Renames a file written by [`write_aside`] to its final name; the folder is not synced.
pub fn publish(fs: &dyn Fs, path: &RelPath) -> io::Result<()> {
    let temp = temp_name(path);
    fs.rename(&temp, path)
        .inspect_err(|_| drop(fs.remove_file(&temp)))
}

/// Removes what killed [`write_durably`]s left in a folder. Only while nobody writes there.
pub fn remove_all_unfinished(fs: &dyn Fs, dir: &RelPath) -> io::Result<()> {
    for name in fs.list(dir)?.iter().filter(|name| is_temp(name)) {
        fs.remove_file(&dir.join(name))?;
    }
    Ok(())
}

/// Removes what a killed [`write_durably`] of a file left. Only while nobody writes it.
pub fn remove_unfinished(fs: &dyn Fs, path: &RelPath) -> io::Result<()> {
    let temp = temp_name(path);
    match fs.stat(&temp)? {
        Some(_) => fs.remove_file(&temp),
        None => Ok(()),
    }
}

/// Returns the temporary name of an incomplete file, in the same folder.
fn temp_name(path: &RelPath) -> RelPath {
    let (dir, name) = path.split();
    dir.join([TEMP, name].concat())
}

/// True for the temporary name of a file that [`write_aside`] wrote or did not finish.
pub fn is_temp(name: &[u8]) -> bool {
    name.starts_with(TEMP)
}

/// The prefix of the name of an incomplete file.
const TEMP: &[u8] = b".tmp-";
