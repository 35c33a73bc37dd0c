//! Reads files of the work tree as they are now. A file that changes meanwhile is read again; after
//! three attempts it is an error.

use std::io::{self, Read};

use super::Error;
use crate::{
    base::{Digest, Failure, Fs, RelPath, Stat, Type, cancel::Stoppable},
    model::{FileRecord, Location, ObjectId},
    site::RepoSite,
    stat_cache::FileToRead,
    store::PutSession,
};

/// Maximum size of files that are read into memory; larger ones are streamed.
pub const SMALL: u64 = 32 << 20;
/// Maximum size of files that are read at once where nothing needs their bytes: longer ones are
/// hashed while they are read.
const AT_ONCE: u64 = 1 << 20;
/// Number of attempts to read a file that changes meanwhile.
const ATTEMPTS: usize = 3;

/// The current state of a file or link in the work tree.
#[derive(Debug, Clone)]
pub struct FileNow {
    /// Its record; the bytes are stored only in the work tree.
    pub record: FileRecord,
    /// The bytes, for links and for files up to [`SMALL`].
    pub bytes: Option<Vec<u8>>,
}

impl FileNow {
    /// Builds the value from the path, `lstat` and the bytes read.
    fn new(path: &RelPath, stat: Stat, read: (Digest, u64), bytes: Option<Vec<u8>>) -> Self {
        let mut record = FileRecord::of_stat(path.clone(), &stat, read, Location::Here);
        if record.is_link() {
            (record.mode, record.mtime) = (record.kind.mode(), None);
        }
        Self { record, bytes }
    }

    /// Builds the value from complete bytes.
    fn read_whole(path: &RelPath, stat: Stat, bytes: Vec<u8>) -> Self {
        let read = (Digest::of(&bytes), bytes.len() as u64);
        Self::new(path, stat, read, Some(bytes))
    }
}

/// Reads a path; `None` when nothing or a folder is there. Devices, FIFOs and sockets are errors.
pub fn read(tree: &dyn Fs, path: &RelPath) -> Result<Option<FileNow>, Error> {
    steadily(tree, path, |stat| {
        read_once(tree, path, stat).map_err(unread(path))
    })
}

/// Returns the bytes that [`read`] would return, without hashing; `None` also for files larger than
/// [`SMALL`].
pub fn bytes(tree: &dyn Fs, path: &RelPath) -> Result<Option<Vec<u8>>, Error> {
    let once = |stat: Stat| match stat.kind {
        _ if stat.size > SMALL => Ok(ReadAttempt::of(None, stat.size)),
        _ => small_bytes(tree, path, stat).map(|read| read.map(Some)),
    };
    let once = |stat| once(stat).map_err(unread(path));
    Ok(steadily(tree, path, once)?.flatten())
}

/// Reads a regular file that should have `size` bytes, with one opening, if that is little; returns
/// its state with its bytes. `None` for anything else, and whatever cannot be read.
pub fn whole_file(tree: &dyn Fs, path: &RelPath, size: u64) -> Option<(Stat, Vec<u8>)> {
    let mut bytes = Vec::new();
    let stat = (size <= AT_ONCE)
        .then(|| tree.read_into(path, size, &mut bytes).ok())
        .flatten()?;
    (stat.size == bytes.len() as u64).then_some((stat, bytes))
}

/// Returns true when a path is a file with exactly these bytes, compared without a copy.
pub fn is_now(tree: &dyn Fs, path: &RelPath, bytes: &[u8]) -> bool {
    let Ok(mut file) = tree.open(path) else {
        return false;
    };
    let (mut buffer, mut rest) = (vec![0; 128 << 10], bytes);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return rest.is_empty(),
            Ok(n) if rest.starts_with(&buffer[..n]) => rest = &rest[n..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return false,
        }
    }
}

/// Builds the error for an unreadable path.
fn unread(path: &RelPath) -> impl FnOnce(io::Error) -> Error + '_ {
    |source| Error::Read {
        path: path.clone(),
        source,
    }
}

/// What was read of a path in one attempt.
struct ReadAttempt<T> {
    value: T,
    /// The number of bytes.
    size: u64,
    /// The state of what was read, taken afterwards, if that is known.
    after: Option<Stat>,
}

impl<T> ReadAttempt<T> {
    /// Of a path that must be looked at again.
    fn of(value: T, size: u64) -> Self {
        Self {
            value,
            size,
            after: None,
        }
    }

    /// Of a path that led to another file when it was opened.
    fn of_another(opened: Stat) -> ReadAttempt<Option<T>> {
        ReadAttempt {
            value: None,
            size: 0,
            after: Some(opened),
        }
    }

    /// Makes another value of what was read.
    fn map<U>(self, make: impl FnOnce(T) -> U) -> ReadAttempt<U> {
        ReadAttempt {
            value: make(self.value),
            size: self.size,
            after: self.after,
        }
    }
}

/// Reads a path until it does not change meanwhile.
fn steadily<T, E: From<Error>>(
    tree: &dyn Fs,
    path: &RelPath,
    read: impl Fn(Stat) -> Result<ReadAttempt<T>, E>,
) -> Result<Option<T>, E> {
    for _ in 0..ATTEMPTS {
        let Some(before) = stat(tree, path)? else {
            return Ok(None);
        };
        match before.kind {
            Type::Dir => return Ok(None),
            Type::Other => {
                return Err(Error::NotAFile {
                    path: path.clone(),
                    what: "a device, FIFO or socket",
                }
                .into());
            }
            Type::File | Type::Symlink => {}
        }
        let ReadAttempt { value, size, after } = read(before)?;
        let after = match after {
            None => stat(tree, path)?,
            known => known,
        };
        if after == Some(before) && size == before.size {
            return Ok(Some(value));
        }
    }
    Err(Error::Unsteady(path.clone()).into())
}

/// Returns the current record of a file kept in the store, if its metadata proves its digest.
pub fn known_record(site: &RepoSite, path: &RelPath) -> Result<Option<FileRecord>, Error> {
    let now = stat(&*site.tree, path)?;
    let known = now.and_then(|now| Some((now, site.known.digest(path, &now)?)));
    Ok(known.map(|(now, digest)| FileNow::new(path, now, (digest, now.size), None).record))
}

/// Returns the current record of a file kept in the store; it is read only if its metadata does not
/// prove its digest.
pub fn kept_record(site: &RepoSite, path: &RelPath) -> Result<Option<FileRecord>, Failure> {
    match known_record(site, path)? {
        Some(known) => Ok(Some(known)),
        None => fresh_record(site, path),
    }
}

/// Returns the current record of a file kept in the store that is to be replaced, so its very bytes
/// must be kept: it is read into the store unless they are known to be there, undamaged. What it
/// has in common with `target`, which replaces it, is found damaged while that is staged. From now
/// on nobody writes to it unnoticed.
pub fn replaced_record(
    site: &RepoSite,
    path: &RelPath,
    target: Option<&ObjectId>,
) -> Result<Option<FileRecord>, Failure> {
    if let Some((now, digest)) = site.known.digest_from_now(path) {
        let record = FileNow::new(path, now, (digest, now.size), None).record;
        let object = ObjectId(digest);
        let held = site.with_intake(|session| session.holds_beside(&object, target));
        match held.transpose()? {
            None => return Ok(Some(record)),
            Some(true) => return Ok(Some(record.kept_at(Location::Object(object)))),
            Some(false) => {}
        }
    }
    read_record(site, path, |watched, digest| {
        site.known.learn_and_watch(path, watched, digest)
    })
}

/// Reads the record of a file kept in the store, whatever is known of it.
fn fresh_record(site: &RepoSite, path: &RelPath) -> Result<Option<FileRecord>, Failure> {
    read_record(site, path, |watched, digest| {
        site.known.learn(path, &watched, digest)
    })
}

/// Reads a file kept in the store, watched if that is possible; `learn` gets what was watched and
/// the digest, and returns false when it is not as it was.
fn read_record(
    site: &RepoSite,
    path: &RelPath,
    learn: impl FnOnce(FileToRead, Digest) -> bool,
) -> Result<Option<FileRecord>, Failure> {
    if let Some(watched) = site.known.watch(path) {
        let stat = watched.stat().map_err(unread(path))?;
        let read = read_to_keep(site, path, stat, watched.open())?;
        let record = read.value.record;
        if read.size == stat.size && learn(watched, record.digest) {
            return Ok(Some(record));
        }
    }
    let once = |stat: Stat| -> Result<ReadAttempt<Option<FileNow>>, Failure> {
        if stat.kind == Type::Symlink {
            let read = read_once(&*site.tree, path, stat).map_err(unread(path))?;
            return Ok(read.map(Some));
        }
        let (opened, file) = site.tree.open_with_stat(path).map_err(unread(path))?;
        if opened != stat {
            return Ok(ReadAttempt::of_another(opened));
        }
        Ok(read_to_keep(site, path, stat, file)?.map(Some))
    };
    let now = steadily(&*site.tree, path, once)?.flatten();
    Ok(now.map(|now| now.record))
}

/// Reads a file once, into the store if an operation to be written needs it.
fn read_to_keep(
    site: &RepoSite,
    path: &RelPath,
    stat: Stat,
    mut file: Box<dyn Read + Send>,
) -> Result<ReadAttempt<FileNow>, Failure> {
    let put = |session: &PutSession| {
        let stored = session.put(&mut Stoppable(&mut file))?;
        Ok::<_, Failure>((stored.digest, stored.size))
    };
    let read = match site.with_intake(put) {
        Some(stored) => stored?,
        None => Digest::of_reader(&mut Stoppable(&mut file)).map_err(unread(path))?,
    };
    Ok(ReadAttempt::of(
        FileNow::new(path, stat, read, None),
        read.1,
    ))
}

/// Returns true when a file's metadata proves that it still has this digest.
pub fn looks_like(site: &RepoSite, path: &RelPath, digest: &Digest) -> bool {
    let now = site.tree.stat(path).ok().flatten();
    now.is_some_and(|now| site.known.digest(path, &now).as_ref() == Some(digest))
}

/// Returns the current record of a path.
pub fn record(tree: &dyn Fs, path: &RelPath) -> Result<Option<FileRecord>, Error> {
    Ok(read(tree, path)?.map(|now| now.record))
}

/// Returns the result of `lstat`.
pub fn stat(tree: &dyn Fs, path: &RelPath) -> Result<Option<Stat>, Error> {
    tree.stat(path).map_err(unread(path))
}

/// Reads a path once.
fn read_once(tree: &dyn Fs, path: &RelPath, stat: Stat) -> io::Result<ReadAttempt<FileNow>> {
    if stat.kind == Type::File && stat.size > SMALL {
        let read = Digest::of_reader(&mut Stoppable(&mut tree.open(path)?))?;
        let now = FileNow::new(path, stat, read, None);
        return Ok(ReadAttempt::of(now, read.1));
    }
    let read = small_bytes(tree, path, stat)?;
    Ok(read.map(|bytes| FileNow::read_whole(path, stat, bytes)))
}

/// Reads the target of a link, or a small file, once.
fn small_bytes(tree: &dyn Fs, path: &RelPath, stat: Stat) -> io::Result<ReadAttempt<Vec<u8>>> {
    if stat.kind == Type::Symlink {
        let target = tree.read_link(path)?;
        let size = target.len() as u64;
        return Ok(ReadAttempt::of(target, size));
    }
    let mut bytes = Vec::new();
    let after = tree.read_into(path, stat.size, &mut bytes)?;
    Ok(ReadAttempt {
        size: bytes.len() as u64,
        value: bytes,
        after: Some(after),
    })
}
