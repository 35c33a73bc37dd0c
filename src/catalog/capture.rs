//! Reads files of the work tree as they are now, steadily: a file that is being written is read
//! again, three times at most, and then it is an error.

use std::io::Read;

use super::Error;
use crate::{
    base::{Digest, Fs, RelPath, Stat, Type, cancel::Stoppable, fs::read_sized},
    model::{FileState, Source},
};

/// Files up to this size are read into memory, larger ones are streamed.
pub const SMALL: u64 = 32 << 20;
/// How often a file may change while it is read.
const ATTEMPTS: usize = 3;

/// A file or link of the work tree as it is now.
#[derive(Debug, Clone)]
pub struct Now {
    /// What `lstat` says.
    pub stat: Stat,
    /// SHA-256 of the bytes or of the link's target.
    pub digest: Digest,
    /// Number of bytes.
    pub size: u64,
    /// The bytes, for files up to [`SMALL`] and links.
    pub bytes: Option<Vec<u8>>,
}

impl Now {
    /// True for a symbolic link.
    pub fn is_link(&self) -> bool {
        self.stat.kind == Type::Symlink
    }

    /// The state to bring back, given where its bytes are kept.
    pub fn state(&self, source: Source) -> FileState {
        FileState {
            link: self.is_link(),
            mode: if self.is_link() {
                0o777
            } else {
                self.stat.mode
            },
            size: self.size,
            digest: self.digest,
            mtime: (!self.is_link()).then_some(self.stat.mtime),
            source,
        }
    }

    /// git's mode for it; `fallback` where the file system keeps no executable bit.
    pub fn git_mode(&self) -> &'static str {
        match (self.is_link(), self.stat.mode & 0o100 != 0) {
            (true, _) => "120000",
            (false, true) => "100755",
            (false, false) => "100644",
        }
    }
}

/// Reads a path; `None` when nothing is there or a folder is. Devices, FIFOs and sockets are
/// errors.
pub fn read(tree: &dyn Fs, path: &RelPath) -> Result<Option<Now>, Error> {
    steadily(tree, path, |stat| {
        read_once(tree, path, stat).map(|now| (now.size, now))
    })
}

/// The bytes of a path as [`read`] would give them, not hashed; `None` also when it is larger than
/// [`SMALL`].
pub fn bytes(tree: &dyn Fs, path: &RelPath) -> Result<Option<Vec<u8>>, Error> {
    let once = |stat: Stat| match stat.kind {
        Type::Symlink => tree
            .read_link(path)
            .map(|target| (target.len() as u64, Some(target))),
        _ if stat.size > SMALL => Ok((stat.size, None)),
        _ => read_sized(&mut tree.open(path)?.take(SMALL + 1), stat.size)
            .map(|bytes| (bytes.len() as u64, Some(bytes))),
    };
    Ok(steadily(tree, path, once)?.flatten())
}

/// True when a path is a file with exactly these bytes, compared without a copy of them.
pub fn is_now(tree: &dyn Fs, path: &RelPath, bytes: &[u8]) -> bool {
    let Ok(mut file) = tree.open(path) else {
        return false;
    };
    let (mut buffer, mut rest) = (vec![0; 128 << 10], bytes);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return rest.is_empty(),
            Ok(n) if rest.starts_with(&buffer[..n]) => rest = &rest[n..],
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => return false,
        }
    }
}

/// Reads a path until it did not change meanwhile; `read` says how many bytes there were.
fn steadily<T>(
    tree: &dyn Fs,
    path: &RelPath,
    read: impl Fn(Stat) -> std::io::Result<(u64, T)>,
) -> Result<Option<T>, Error> {
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
                });
            }
            Type::File | Type::Symlink => {}
        }
        let (size, now) = read(before).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        if stat(tree, path)? == Some(before) && size == before.size {
            return Ok(Some(now));
        }
    }
    Err(Error::Unsteady(path.clone()))
}

/// The type, bytes and permissions of a path now; where its bytes are kept means nothing.
pub fn state(tree: &dyn Fs, path: &RelPath) -> Result<Option<FileState>, Error> {
    Ok(read(tree, path)?.map(|now| now.state(Source::Object(crate::model::ObjectId(now.digest)))))
}

/// What `lstat` says.
pub fn stat(tree: &dyn Fs, path: &RelPath) -> Result<Option<Stat>, Error> {
    tree.stat(path).map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })
}

/// Reads a path once.
fn read_once(tree: &dyn Fs, path: &RelPath, stat: Stat) -> std::io::Result<Now> {
    if stat.kind == Type::Symlink {
        let target = tree.read_link(path)?;
        return Ok(Now {
            stat,
            digest: Digest::of(&target),
            size: target.len() as u64,
            bytes: Some(target),
        });
    }
    let mut file = tree.open(path)?;
    if stat.size > SMALL {
        let (digest, size) = Digest::of_reader(&mut Stoppable(&mut file))?;
        return Ok(Now {
            stat,
            digest,
            size,
            bytes: None,
        });
    }
    let bytes = read_sized(&mut file.take(SMALL + 1), stat.size)?;
    Ok(Now {
        stat,
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
        bytes: Some(bytes),
    })
}
