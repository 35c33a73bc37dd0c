//! The only writer of a file. It creates the file, copies its bytes, sets owner, mode and time, and
//! syncs it, in this order. It never follows a link and never writes over anything.

use std::io::{self, Read, Write};

use crate::{
    base::{
        Failure, Fs, Output, RelPath, SyncPoint, Witness, cancel::Stoppable, fs::create_dir_all,
        owner::Owner,
    },
    model::{FileKind, FileRecord},
    site::{Bytes, copy_checked},
};

/// The reason why a file was not written.
#[derive(Debug)]
pub enum WriteError {
    /// The system refused.
    File {
        /// The attempted action.
        doing: &'static str,
        /// The file.
        path: RelPath,
        /// The system's error.
        source: io::Error,
    },
    /// Its bytes are not available, or do not match its record.
    Bytes(Failure),
}

impl WriteError {
    /// Converts this into a failure of the caller's module.
    pub fn or<E: Into<Failure>>(self, failed: impl FnOnce(io::Error) -> E) -> Failure {
        match self {
            Self::File { source, .. } => failed(source).into(),
            Self::Bytes(failure) => failure,
        }
    }
}

/// Makes a [`WriteError::File`] from a system error.
pub(super) fn failed<'p>(
    doing: &'static str,
    path: &'p RelPath,
) -> impl Fn(io::Error) -> WriteError + 'p {
    move |source| WriteError::File {
        doing,
        path: path.clone(),
        source,
    }
}

/// The permission bits of a written file.
#[derive(Debug, Clone, Copy)]
pub enum Permissions {
    /// Exactly these; no other user can read the file before it is whole.
    Exact(u32),
    /// These bits less the umask.
    Umask(u32),
}

impl Permissions {
    /// Returns what the umask leaves to a file of this kind.
    pub fn of_kind(kind: FileKind) -> Self {
        Self::Umask(if kind == FileKind::Executable {
            0o777
        } else {
            0o666
        })
    }
}

/// How a file is written, and its attributes besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct FileOptions {
    /// Its permission bits.
    pub permissions: Permissions,
    /// Its owner, when it is not this user.
    pub owner: Option<Owner>,
    /// Its modification time, when it is not now.
    pub mtime: Option<(i64, u32)>,
    /// True when its bytes are many and will not be read soon.
    pub is_bulk: bool,
    /// True when it gets its name only when it is whole, where the file system can.
    pub is_unseen: bool,
    /// True when a signal ends the writing in the middle.
    pub stops: bool,
    /// The point where it is forced to the disk, unless that is done for many files at once.
    pub sync: Option<SyncPoint>,
}

impl FileOptions {
    /// Returns options with these permission bits and nothing else.
    pub fn new(permissions: Permissions) -> Self {
        Self {
            permissions,
            owner: None,
            mtime: None,
            is_bulk: false,
            is_unseen: false,
            stops: false,
            sync: None,
        }
    }

    /// Returns options with the mode and time of a record.
    pub fn of(record: &FileRecord) -> Self {
        Self {
            mtime: record.mtime,
            ..Self::new(Permissions::Exact(record.mode))
        }
    }

    /// Gives a file everything except its bytes, and syncs it.
    pub(super) fn finish(&self, file: &mut dyn Output) -> io::Result<()> {
        if let Some(owner) = self.owner {
            file.set_owner(owner)?;
        }
        if let Permissions::Exact(mode) = self.permissions {
            file.set_mode(mode)?;
        }
        if let Some(mtime) = self.mtime {
            file.set_mtime(mtime)?;
        }
        self.sync.map_or(Ok(()), |point| file.sync(point))
    }
}

/// Writes a new file; `copy` writes its bytes. After an error a part of it is left.
pub fn create<T>(
    fs: &dyn Fs,
    at: &RelPath,
    how: &FileOptions,
    copy: impl FnOnce(&mut dyn Output) -> Result<T, Failure>,
) -> Result<T, WriteError> {
    create_open(fs, at, how, copy).map(|(copied, _)| copied)
}

/// Like [`create`]; returns the open file, too.
fn create_open<T>(
    fs: &dyn Fs,
    at: &RelPath,
    how: &FileOptions,
    copy: impl FnOnce(&mut dyn Output) -> Result<T, Failure>,
) -> Result<(T, Box<dyn Output>), WriteError> {
    let unseen = (how.is_unseen).then(|| fs.create_unseen(at, 0o600));
    let is_possible = |made: &io::Result<_>| !matches!(made, Err(error) if error.kind() == io::ErrorKind::Unsupported);
    let created = unseen
        .filter(is_possible)
        .unwrap_or_else(|| match how.permissions {
            Permissions::Exact(_) if how.is_bulk => fs.create_bulk(at, 0o600),
            Permissions::Exact(_) => fs.create(at, 0o600),
            Permissions::Umask(mode) => fs.create(at, mode),
        });
    let mut file = created.map_err(failed("create", at))?;
    let copied = copy(&mut *file).map_err(WriteError::Bytes)?;
    how.finish(&mut *file).map_err(failed("write", at))?;
    Ok((copied, file))
}

/// Makes a symbolic link; its target is the record's bytes.
pub fn link(
    fs: &dyn Fs,
    at: &RelPath,
    (record, bytes): (&FileRecord, &dyn Bytes),
) -> Result<(), WriteError> {
    let mut target = Vec::new();
    copy_checked(bytes, record, &mut target).map_err(WriteError::Bytes)?;
    fs.symlink(&target, at).map_err(failed("create", at))
}

/// Writes the file of a record; its digest is checked on the way.
pub fn file(
    fs: &dyn Fs,
    at: &RelPath,
    how: &FileOptions,
    (record, bytes): (&FileRecord, &dyn Bytes),
) -> Result<(), WriteError> {
    file_open(fs, at, how, (record, bytes)).map(drop)
}

/// A file that is complete but for a sync that comes later.
pub struct UnsyncedFile {
    /// The open file.
    pub file: Box<dyn Output>,
    /// Proves that nobody else has written to it, as [`Output::appear`] returns it.
    pub witness: Option<Box<dyn Witness>>,
}

/// Like [`file()`]; returns the open file.
pub fn file_open(
    fs: &dyn Fs,
    at: &RelPath,
    how: &FileOptions,
    (record, bytes): (&FileRecord, &dyn Bytes),
) -> Result<UnsyncedFile, WriteError> {
    let copy = |mut file: &mut dyn Output| {
        if how.stops {
            copy_checked(bytes, record, &mut Stoppable(file))
        } else {
            copy_checked(bytes, record, &mut file)
        }
    };
    let ((), mut file) = create_open(fs, at, how, copy)?;
    file.complete().map_err(failed("write", at))?;
    let witness = file.appear().map_err(failed("write", at))?;
    Ok(UnsyncedFile { file, witness })
}

/// A still empty folder into which described files are written. Forcing all of it to the disk is
/// left to its owner.
pub struct FolderWriter<'a> {
    fs: &'a dyn Fs,
    top: RelPath,
}

impl<'a> FolderWriter<'a> {
    /// Creates the writer below a folder of a port.
    pub fn new(fs: &'a dyn Fs, top: RelPath) -> Self {
        Self { fs, top }
    }

    /// Returns the place of a path below the port's root, and makes the folders above it.
    fn place(&self, path: &RelPath) -> Result<RelPath, WriteError> {
        let at = self.top.join(path.as_bytes());
        create_dir_all(self.fs, &at.parent(), 0o777)
            .map_err(failed("create the folder of", &at))?;
        Ok(at)
    }

    /// Writes the file or link of a record at a path.
    pub fn record(
        &self,
        path: &RelPath,
        how: &FileOptions,
        (record, bytes): (&FileRecord, &dyn Bytes),
    ) -> Result<(), WriteError> {
        let at = self.place(path)?;
        if record.is_link() {
            link(self.fs, &at, (record, bytes))
        } else {
            file(self.fs, &at, how, (record, bytes))
        }
    }

    /// Writes a file whose bytes `copy` writes.
    pub fn file(
        &self,
        path: &RelPath,
        permissions: Permissions,
        copy: impl FnOnce(&mut dyn Output) -> Result<(), Failure>,
    ) -> Result<(), WriteError> {
        create(
            self.fs,
            &self.place(path)?,
            &FileOptions::new(permissions),
            copy,
        )
    }

    /// Makes a symbolic link.
    pub fn link(&self, path: &RelPath, target: &[u8]) -> Result<(), WriteError> {
        let at = self.place(path)?;
        self.fs.symlink(target, &at).map_err(failed("create", &at))
    }

    /// Opens a file that was written.
    pub fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        self.fs.open(&self.top.join(path.as_bytes()))
    }
}

/// A writer that counts the bytes written.
pub struct Counting<W> {
    /// The destination of the bytes.
    pub into: W,
    /// The number of bytes.
    pub count: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.into.write(bytes)?;
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}
