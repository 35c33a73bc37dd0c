//! The operations of a [`Root`]: lookup, reading, writing, locking, renaming and syncing.
//!
//! Each operation is a system call on an open folder and one name in it; none of them walks a path
//! itself, and none follows a link.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read, Seek, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
};

use rustix::{
    fs::{Access, AtFlags, FileType, Mode, OFlags, RenameFlags},
    io::Errno,
};

use super::super::{
    RelPath,
    bulk::{BulkFile, BulkInput},
    fs::{FileLock, Fs, Hold, Input, LinkOnTheWay, Output, Stat, SyncPoint, Type},
    mounts,
    owner::{self, Owner},
    times, user,
    witness::{LeasedFile, Witness},
};
use super::{Root, permissions, set_mode, set_mtime, unseen::UnseenFile};

impl Fs for Root {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        self.stat_near(path, &mut Neighbour::default())
    }

    fn stats(&self, paths: &[&RelPath]) -> Vec<io::Result<Option<Stat>>> {
        let mut last = Neighbour::default();
        let stats = paths.iter().map(|path| self.stat_near(path, &mut last));
        stats.collect()
    }

    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.open_file(path)?))
    }

    fn open_with_stat(&self, path: &RelPath) -> io::Result<(Stat, Box<dyn Read + Send>)> {
        let file = self.open_file(path)?;
        Ok((super::stat_of(&file)?, Box::new(file)))
    }

    fn open_at(&self, path: &RelPath, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = self.open_file(path)?;
        file.seek(io::SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }

    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        let (dir, name) = self.parent(path)?;
        Ok(rustix::fs::readlinkat(&dir, name, Vec::new())?.into_bytes())
    }

    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        let handle = self.open_beneath(dir, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(handle)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn scan(&self, dir: &RelPath) -> io::Result<Vec<(Vec<u8>, Stat)>> {
        let handle = self.open_beneath(dir, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&handle)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match rustix::fs::statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => found.push((name.to_bytes().to_vec(), to_stat(&stat))),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    fn read_into(&self, path: &RelPath, size: u64, into: &mut Vec<u8>) -> io::Result<Stat> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut file = File::from(self.open_beneath(path, flags, 0)?);
        let mut filled = into.len();
        let begin = filled as u64;
        into.resize(
            filled + usize::try_from(size).map_err(io::Error::other)? + 1,
            0,
        );
        let stat = loop {
            // A FIFO that replaced the file has no data to read; the type is checked below.
            let read = file.read(&mut into[filled..]);
            let stat = to_stat(&rustix::fs::fstat(&file)?);
            if stat.kind != Type::File {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{path} is not a regular file"),
                ));
            }
            match read {
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            // The size tells the end without another reading.
            let is_end = matches!(read, Ok(0)) || filled as u64 >= begin + stat.size;
            if is_end || filled == into.len() {
                break stat;
            }
        };
        into.truncate(filled);
        Ok(stat)
    }

    fn create(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        let (dir, name) = self.parent(path)?;
        Ok(Box::new(RootFile(create_new(&dir, name, mode)?)))
    }

    fn create_bulk(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        let (dir, name) = self.parent(path)?;
        Ok(Box::new(BulkFile::new(create_new(&dir, name, mode)?)))
    }

    fn create_unseen(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        let (dir, name) = self.parent(path)?;
        Ok(Box::new(UnseenFile::create(dir, name, mode)?))
    }

    fn witness(&self, path: &RelPath) -> io::Result<Option<Box<dyn Witness>>> {
        let leased = LeasedFile::of(self.open_file(path)?);
        Ok(leased
            .ok()
            .map(|leased| Box::new(leased) as Box<dyn Witness>))
    }

    fn open_input(&self, path: &RelPath) -> io::Result<Box<dyn Input>> {
        let direct = self.open_beneath(
            path,
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::DIRECT,
            0,
        );
        Ok(Box::new(BulkInput::new(
            self.open_file(path)?,
            direct.ok().map(File::from),
        )))
    }

    fn lock(&self, path: &RelPath, hold: Hold, wait: bool) -> io::Result<Option<FileLock>> {
        let (dir, name) = self.parent(path)?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (handle, made) = owner::open_or_create(flags, |flags| {
            rustix::fs::openat(&dir, name, flags, permissions(0o600))
        })?;
        if made {
            owner::give(&handle, &dir)?;
        }
        let file = File::from(handle);
        let tried = match (hold, wait) {
            (Hold::Shared, true) => {
                return file
                    .lock_shared()
                    .map(|()| Some(Box::new(file) as FileLock));
            }
            (Hold::Exclusive, true) => {
                return file.lock().map(|()| Some(Box::new(file) as FileLock));
            }
            (Hold::Shared, false) => file.try_lock_shared(),
            (Hold::Exclusive, false) => file.try_lock(),
        };
        match tried {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn shows_maps(&self) -> bool {
        *self
            .shows_maps
            .get_or_init(|| times::show_maps(self.handle()))
    }

    fn append(&self, path: &RelPath) -> io::Result<Box<dyn Output>> {
        let handle =
            self.open_beneath(path, OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW, 0)?;
        Ok(Box::new(RootFile(File::from(handle))))
    }

    fn symlink(&self, target: &[u8], path: &RelPath) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        rustix::fs::symlinkat(target, &dir, name)?;
        give_made(&dir, name, OFlags::empty())
    }

    fn create_dir(&self, path: &RelPath, mode: u32) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        rustix::fs::mkdirat(&dir, name, permissions(mode))?;
        give_made(&dir, name, OFlags::DIRECTORY)
    }

    fn rename(&self, from: &RelPath, to: &RelPath) -> io::Result<()> {
        let ((from_dir, from), (to_dir, to)) = (self.parent(from)?, self.parent(to)?);
        Ok(rustix::fs::renameat(&from_dir, from, &to_dir, to)?)
    }

    fn rename_new(&self, from: &RelPath, to: &RelPath) -> io::Result<()> {
        let ((from_dir, from_name), (to_dir, to_name)) = (self.parent(from)?, self.parent(to)?);
        match rustix::fs::renameat_with(
            &from_dir,
            from_name,
            &to_dir,
            to_name,
            RenameFlags::NOREPLACE,
        ) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if self.stat(to)?.is_none() => {
                self.rename(from, to)
            }
            other => Ok(other?),
        }
    }

    fn exchange(&self, a: &RelPath, b: &RelPath) -> io::Result<()> {
        let ((a_dir, a), (b_dir, b)) = (self.parent(a)?, self.parent(b)?);
        match rustix::fs::renameat_with(&a_dir, a, &b_dir, b, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            other => Ok(other?),
        }
    }

    fn remove_file(&self, path: &RelPath) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&dir, name, AtFlags::empty())?)
    }

    fn remove_dir(&self, path: &RelPath) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR)?)
    }

    fn mounts(&self) -> io::Result<Vec<RelPath>> {
        Ok(mounts::below(&self.handle))
    }

    fn check_writable(&self, dir: &RelPath) -> io::Result<()> {
        let handle = self.open_beneath(dir, OFlags::PATH | OFlags::DIRECTORY, 0)?;
        Ok(rustix::fs::accessat(
            &handle,
            ".",
            Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        )?)
    }

    fn are_fixed(&self, paths: &[&RelPath]) -> Vec<io::Result<bool>> {
        let mut last = Neighbour::default();
        let fixed = paths.iter().map(|path| self.is_fixed_near(path, &mut last));
        fixed.collect()
    }

    fn clone_file(&self, from: &RelPath, to: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        let source = self.open_file(from)?;
        let (dir, name) = self.parent(to)?;
        let file = create_new(&dir, name, mode)?;
        match rustix::fs::ioctl_ficlone(&file, &source) {
            Ok(()) => Ok(Box::new(RootFile(file))),
            Err(error) => {
                let _ = rustix::fs::unlinkat(&dir, name, AtFlags::empty());
                match error {
                    Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::NOSYS => {
                        Err(io::ErrorKind::Unsupported.into())
                    }
                    error => Err(error.into()),
                }
            }
        }
    }

    fn sync_all(&self, _point: SyncPoint) -> io::Result<()> {
        // Before Linux 5.8 a failed write went unnoticed here (syncfs(2)). All of this needs
        // openat2, which came with 5.6, so only two releases are affected.
        if !syncfs_tells() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let handle = self.open_beneath(&RelPath::root(), OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        Ok(rustix::fs::syncfs(&handle)?)
    }

    fn sync_dir(&self, dir: &RelPath, _point: SyncPoint) -> io::Result<()> {
        let handle = self.open_beneath(dir, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        Ok(rustix::fs::fsync(&handle)?)
    }
}

/// The folder of the path that was last looked at, held open for its neighbours.
#[derive(Default)]
struct Neighbour(Option<(RelPath, OwnedFd)>);

impl Neighbour {
    /// Returns the handle of the folder that contains `path`, and the last name.
    fn parent<'p>(&mut self, root: &Root, path: &'p RelPath) -> io::Result<(&OwnedFd, &'p Path)> {
        let (dir, name) = path.split();
        if self.0.as_ref().is_none_or(|(open, _)| *open != dir) {
            self.0 = None;
            let handle = root.open_beneath(&dir, OFlags::PATH | OFlags::DIRECTORY, 0)?;
            self.0 = Some((dir, handle));
        }
        let (_, handle) = self.0.as_ref().expect("because it was opened just now");
        Ok((handle, Path::new(OsStr::from_bytes(name))))
    }
}

impl Root {
    /// Does [`Fs::stat`] with the folder of the last path, if it is the same.
    fn stat_near(&self, path: &RelPath, last: &mut Neighbour) -> io::Result<Option<Stat>> {
        let found = if path.is_root() {
            rustix::fs::fstat(self.handle())
        } else {
            match last.parent(self, path) {
                Ok((dir, name)) => rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW),
                // A link where a folder should be: its target is not below this root, so nothing is
                // hidden.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) || is_link_on_the_way(&error) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        };
        match found {
            Ok(stat) => Ok(Some(to_stat(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Does [`Fs::are_fixed`] for one path.
    fn is_fixed_near(&self, path: &RelPath, last: &mut Neighbour) -> io::Result<bool> {
        use rustix::fs::{StatxAttributes, StatxFlags};
        let (dir, name) = match last.parent(self, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            found => found?,
        };
        match rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
            Ok(found) => Ok(found
                .stx_attributes
                .intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND)),
            // The entry is missing, or the kernel cannot tell.
            Err(Errno::NOENT | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// True when the kernel's syncfs reports failed writes: Linux 5.8 and later.
fn syncfs_tells() -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 8)
}

/// Converts the kernel's stat.
#[expect(clippy::cast_possible_truncation, reason = "nanoseconds are below 1e9")]
#[allow(
    clippy::unnecessary_cast,
    reason = "the field types differ between platforms"
)]
pub(super) fn to_stat(stat: &rustix::fs::Stat) -> Stat {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Type::File,
        FileType::Symlink => Type::Symlink,
        FileType::Directory => Type::Dir,
        _ => Type::Other,
    };
    Stat {
        kind,
        mode: stat.st_mode & 0o7777,
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        ino: stat.st_ino,
        dev: stat.st_dev,
        uid: stat.st_uid,
        gid: stat.st_gid,
        links: stat.st_nlink as u64,
    }
}

/// Creates a file owned by the owner of its folder.
fn create_new(dir: &OwnedFd, name: &Path, mode: u32) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(dir, name, flags, permissions(mode))?;
    owner::give(&handle, dir)?;
    Ok(File::from(handle))
}

/// Gives a folder or link that was just created to the owner of its folder. A swapped name cannot
/// give away anything else of value: folders have no hard links, and a hard link of a symbolic link
/// is worthless.
fn give_made(dir: &OwnedFd, name: &Path, flags: OFlags) -> io::Result<()> {
    if user::effective() != 0 {
        return Ok(());
    }
    let made = rustix::fs::openat(
        dir,
        name,
        flags | OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    match FileType::from_raw_mode(rustix::fs::fstat(&made)?.st_mode) {
        FileType::Directory | FileType::Symlink => owner::give(&made, dir),
        _ => Ok(()),
    }
}

/// True when a link was found where a folder was expected.
fn is_link_on_the_way(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<LinkOnTheWay>())
}

/// A file of a [`Root`] that is being written.
struct RootFile(File);

impl Write for RootFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output for RootFile {
    fn sync(&mut self, _point: SyncPoint) -> io::Result<()> {
        self.0.sync_all()
    }

    fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        set_mode(&self.0, mode)
    }

    fn set_mtime(&mut self, mtime: (i64, u32)) -> io::Result<()> {
        set_mtime(&self.0, mtime)
    }

    fn set_owner(&mut self, owner: Owner) -> io::Result<()> {
        owner::keep(&self.0, owner)
    }
}
