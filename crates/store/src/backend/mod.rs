//! The port below the store: where its files lie, and who is working on them.
//!
//! A backend keeps *files*: byte strings that are written once, named when complete, and read,
//! listed and removed by name. Code above it never renames, appends or syncs folders, so a folder
//! ([`LocalBackend`]), memory ([`MemoryBackend`]) and an object store can all be backends. It knows
//! no format: `format/` defines what the bytes mean, and `commit.rs` when each file is named.
//!
//! The store relies on three promises. A file gets its name only once all of its bytes are durable.
//! A name that must be new is assigned only once, even when requested concurrently. A name is
//! durable once the barrier of its area has returned. `tests/conformance/` holds every backend and
//! every wrapper (`wrap/`) to them. Read `local.rs` next.

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

/// The place where the files of one store lie. Threads and processes may share it.
pub trait Backend: Send + Sync {
    /// Returns where a file lies, for display.
    fn location(&self, name: &FileName) -> String;

    /// Creates the containers for files durably; cheap when they exist.
    fn prepare(&self) -> io::Result<()>;

    /// Returns the number of bytes of a file; `None` when it does not exist.
    fn size(&self, name: &FileName) -> io::Result<Option<u64>>;

    /// Opens a file for random-access reading; a `NotFound` error when it does not exist.
    fn open(&self, name: &FileName) -> io::Result<Box<dyn Input>>;

    /// Reads a whole file; a `FileTooLarge` error when it has more than `limit` bytes.
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

    /// Returns the names in an area, sorted. Concurrent additions and removals may or may not show.
    fn list(&self, area: Area) -> io::Result<Vec<String>>;

    /// Begins a file that will be named in `area`. Until then it is listed in [`Area::Staging`],
    /// under a name starting with `owner` and a hyphen, so that files of dead owners can be found.
    fn stage(&self, area: Area, owner: &str) -> io::Result<Box<dyn Upload>>;

    /// Removes a file; not an error when it does not exist.
    fn remove(&self, name: &FileName) -> io::Result<()>;

    /// Moves a file to a free name in [`Area::Quarantine`]; `None` when it does not exist. If this
    /// is interrupted at any point, one of the two names holds the bytes.
    fn set_aside(&self, name: &FileName) -> io::Result<Option<FileName>>;

    /// Returns once every name assigned in an area before is durable, whoever assigned it. The
    /// barrier of [`Area::Quarantine`] covers files that were set aside. No barrier covers a
    /// removal: the file may reappear. Notes may be lost.
    fn barrier(&self, area: Area) -> io::Result<()>;

    /// Takes a lease; `None` when another lease excludes it and `wait` is false.
    fn lease(&self, on: &LeaseOn, wait: bool) -> io::Result<Option<Lease>>;

    /// Reserves space that a collection can release when the disk is full, or releases it. Does
    /// nothing in a backend that cannot be full.
    fn set_room_aside(&self, _aside: bool) -> io::Result<()> {
        Ok(())
    }
}

/// A file being written, without a name yet. When dropped, it leaves nothing behind.
pub trait Upload: Write + Send {
    /// Completes the file; returns once every byte is durable.
    fn finish(self: Box<Self>) -> io::Result<Box<dyn StagedFile>>;
}

/// A complete and durable file without a name yet. When dropped, it leaves nothing behind.
pub trait StagedFile: Send {
    /// Names the file; atomically replaces a file that has the name.
    fn put(self: Box<Self>, name: &FileName) -> io::Result<()>;

    /// Names the file if no file has the name; otherwise an `AlreadyExists` error.
    fn put_new(self: Box<Self>, name: &FileName) -> io::Result<()>;
}

/// Writes a small file without a name yet.
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
