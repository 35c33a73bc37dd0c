//! The port below the store: where its files lie, and who is at work on them.
//!
//! A backend keeps *files*: byte strings that are written once, named whole, and read, listed and
//! removed by name. Above it nobody renames, appends or syncs a folder, so that a folder
//! ([`LocalBackend`]), memory ([`MemoryBackend`]) and an object store can all be one. It knows no
//! format: what the bytes mean is `format/`, and when which file is named is `commit.rs`.
//!
//! Three promises carry the store. A file has its name only once all of its bytes are durable.
//! A name that must be new is given once, whoever asks at the same time. A name is durable once
//! the barrier of its area returned. `tests/conformance/` holds every backend and every wrapper
//! (`wrap/`) to them. Read `local.rs` next.

mod lease;
mod local;
mod memory;
mod name;

use std::io::{self, Write};

pub use base::Input;
pub use lease::{Lease, LeaseOn};
pub use local::LocalBackend;
pub use memory::MemoryBackend;
pub use name::{Area, FileName};

/// Where the files of one store lie. Threads and processes may share it.
pub trait Backend: Send + Sync {
    /// Where a file lies, for people.
    fn location(&self, name: &FileName) -> String;

    /// Makes what files are kept in, durably; cheap when it is there.
    fn prepare(&self) -> io::Result<()>;

    /// Number of bytes of a file; `None` when it is not there.
    fn size(&self, name: &FileName) -> io::Result<Option<u64>>;

    /// Opens a file for reading at any place; an error of the kind `NotFound` when it is not there.
    fn open(&self, name: &FileName) -> io::Result<Box<dyn Input>>;

    /// Reads a whole file; an error of the kind `FileTooLarge` when it has more bytes than `limit`.
    fn read(&self, name: &FileName, limit: u64) -> io::Result<Vec<u8>> {
        let size = self.size(name)?.ok_or(io::ErrorKind::NotFound)?;
        if size > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        let read = self.open(name)?.read_at(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The names in an area, sorted. What others add or remove meanwhile may be among them or not.
    fn list(&self, area: Area) -> io::Result<Vec<String>>;

    /// Begins a file that will be named in `area`. Until then it is listed in [`Area::Staging`],
    /// under a name that begins with `owner` and a hyphen: what a dead owner leaves is found there.
    fn stage(&self, area: Area, owner: &str) -> io::Result<Box<dyn Upload>>;

    /// Removes a file; one that is not there is no error.
    fn remove(&self, name: &FileName) -> io::Result<()>;

    /// Moves a file to a free name in [`Area::Quarantine`]; `None` when it is not there. Wherever
    /// that is interrupted, one of the two names has the bytes.
    fn set_aside(&self, name: &FileName) -> io::Result<Option<FileName>>;

    /// Returns once every name that was given in an area before is durable, whoever gave it. The
    /// barrier of [`Area::Quarantine`] covers what was set aside. A removal is covered by none: the
    /// file may come back. Notes may be lost.
    fn barrier(&self, area: Area) -> io::Result<()>;

    /// Takes a lease; `None` when another holds one that excludes it, and `wait` is false.
    fn lease(&self, on: &LeaseOn, wait: bool) -> io::Result<Option<Lease>>;

    /// Sets room aside that a collection can give up when the disk is full, or gives it up. A
    /// backend that cannot be full has none.
    fn set_room_aside(&self, _aside: bool) -> io::Result<()> {
        Ok(())
    }
}

/// A file being written, which has no name yet. Dropped, it leaves nothing behind.
pub trait Upload: Write + Send {
    /// Ends the writing; returns once every byte is durable.
    fn finish(self: Box<Self>) -> io::Result<Box<dyn StagedFile>>;
}

/// A file that is complete and durable, and has no name yet. Dropped, it leaves nothing behind.
pub trait StagedFile: Send {
    /// Names it; a file that has the name is replaced, in one step.
    fn put(self: Box<Self>, name: &FileName) -> io::Result<()>;

    /// Names it when no file has the name; otherwise an error of the kind `AlreadyExists`.
    fn put_new(self: Box<Self>, name: &FileName) -> io::Result<()>;
}

/// Writes a small file that has no name yet.
pub fn stage_bytes(
    backend: &dyn Backend,
    area: Area,
    owner: &str,
    bytes: &[u8],
) -> io::Result<Box<dyn StagedFile>> {
    let mut file = backend.stage(area, owner)?;
    file.write_all(bytes)?;
    file.finish()
}
