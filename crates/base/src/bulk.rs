//! Reads and writes large files with direct I/O, which bypasses the page cache.
//!
//! The first touch of fresh cache pages costs more than everything the store does with the bytes.
//! Where the file system has no direct I/O, the same calls go through the cache. Written data is
//! complete only after [`Output::sync`]. A page is never accessed both ways at the same time: the
//! switch to buffered writing, for the tail, happens once and is final.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
};

use rustix::{
    fs::{FallocateFlags, OFlags},
    io::Errno,
};

use super::{
    aligned::{ALIGN, Aligned},
    fs::{Input, Output, SyncPoint},
    owner::Owner,
    root::{set_mode, set_mtime},
};

/// Bytes per write. Files that never fill a quarter of this are written through the cache.
const BLOCK: usize = 4 << 20;
/// Bytes of disk space requested at a time, to keep a file contiguous.
const EXTENT: u64 = 32 << 20;

/// A file written sequentially, from its beginning.
pub struct BulkFile {
    file: File,
    /// Bytes not written yet; allocated on first use.
    buffer: Option<Aligned>,
    small: Vec<u8>,
    filled: usize,
    written: u64,
    allocated: u64,
    /// True when the last block was skipped because it is all zeros.
    hole: bool,
    direct: bool,
    /// Set by a sync, after which nothing may follow: the tail does not end on a block boundary.
    complete: bool,
}

impl BulkFile {
    /// Wraps a new, empty file.
    pub fn new(file: File) -> Self {
        Self {
            file,
            buffer: None,
            small: Vec::new(),
            filled: 0,
            written: 0,
            allocated: 0,
            hole: false,
            direct: false,
            complete: false,
        }
    }

    /// Turns direct I/O on or off; returns `false` where it is not available.
    fn set_direct(&mut self, on: bool) -> io::Result<bool> {
        let flags = rustix::fs::fcntl_getfl(&self.file)?;
        let wanted = if on {
            flags | OFlags::DIRECT
        } else {
            flags - OFlags::DIRECT
        };
        match rustix::fs::fcntl_setfl(&self.file, wanted) {
            Ok(()) => self.direct = on,
            Err(Errno::INVAL | Errno::OPNOTSUPP) if on => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Preallocates disk space; a file system without preallocation is not an error.
    fn allocate(&mut self, until: u64) -> io::Result<()> {
        while self.allocated < until {
            match rustix::fs::fallocate(
                &self.file,
                FallocateFlags::KEEP_SIZE,
                self.allocated,
                EXTENT,
            ) {
                Ok(()) => self.allocated += EXTENT,
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.allocated = u64::MAX,
                // An almost full disk may still hold the data without the whole extent.
                Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Leaves a hole for a block that is all zeros, so that sparse files stay sparse.
    fn skip(&mut self) -> io::Result<()> {
        // Preallocated space is released: it would fill the hole.
        if self.allocated > self.written && self.allocated != u64::MAX {
            self.file.set_len(self.written)?;
        }
        self.written += BLOCK as u64;
        if self.allocated != u64::MAX {
            self.allocated = self.written;
        }
        self.filled = 0;
        self.hole = true;
        Ok(())
    }

    /// Writes the first `len` bytes of the buffer.
    fn write_out(&mut self, len: usize) -> io::Result<()> {
        self.hole = false;
        if len == BLOCK && self.buffer.as_ref().is_some_and(|buffer| is_zero(buffer)) {
            return self.skip();
        }
        self.allocate(self.written + len as u64)?;
        let mut done = 0;
        while done < len {
            let buffer = self
                .buffer
                .as_ref()
                .expect("because only a filled buffer is written out");
            match self
                .file
                .write_at(&buffer[done..len], self.written + done as u64)
            {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Some file systems report this only on the first write.
                Err(error)
                    if self.direct && error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) =>
                {
                    self.set_direct(false)?;
                }
                Err(error) => return Err(error),
            }
            // A short write may end anywhere; the rest goes through the cache.
            if self.direct && done < len && done % ALIGN != 0 {
                self.set_direct(false)?;
            }
        }
        self.written += len as u64;
        self.filled -= len;
        Ok(())
    }

    /// Switches from the small buffer to the large one.
    fn grow(&mut self) -> io::Result<()> {
        let mut buffer = Aligned::new(BLOCK);
        buffer[..self.filled].copy_from_slice(&self.small);
        (self.buffer, self.small) = (Some(buffer), Vec::new());
        self.set_direct(true)?;
        Ok(())
    }

    /// Writes the remaining bytes and releases the excess preallocated space.
    fn complete(&mut self) -> io::Result<()> {
        if self.complete {
            return Ok(());
        }
        self.complete = true;
        self.write_rest()?;
        (self.buffer, self.small) = (None, Vec::new());
        Ok(())
    }

    /// Writes what the buffers hold.
    fn write_rest(&mut self) -> io::Result<()> {
        if self.buffer.is_none() {
            self.file.write_all_at(&self.small, 0)?;
            self.written = self.small.len() as u64;
            return Ok(());
        }
        let whole = self.filled / ALIGN * ALIGN;
        let tail = self.filled - whole;
        if whole > 0 {
            self.write_out(whole)?;
        }
        if tail > 0 {
            if self.direct {
                self.set_direct(false)?;
            }
            let buffer = self
                .buffer
                .as_ref()
                .expect("because a file without one was written above");
            self.file
                .write_all_at(&buffer[whole..whole + tail], self.written)?;
            self.written += tail as u64;
        }
        if self.allocated > self.written || self.hole {
            self.file.set_len(self.written)?;
        }
        Ok(())
    }
}

/// True when all bytes are zeros.
fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(256)
        .all(|part| part.iter().fold(0, |all, byte| all | byte) == 0)
}

impl Write for BulkFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.complete {
            return Err(io::Error::other("a bulk file is complete after its sync"));
        }
        if self.buffer.is_none() {
            if self.filled + bytes.len() < BLOCK / 4 {
                self.small.extend_from_slice(bytes);
                self.filled += bytes.len();
                return Ok(bytes.len());
            }
            self.grow()?;
        }
        if self.filled == BLOCK {
            self.write_out(BLOCK)?;
        }
        let n = bytes.len().min(BLOCK - self.filled);
        let buffer = self.buffer.as_mut().expect("because it was grown above");
        buffer[self.filled..self.filled + n].copy_from_slice(&bytes[..n]);
        self.filled += n;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for BulkFile {
    fn complete(&mut self) -> io::Result<()> {
        Self::complete(self)
    }

    fn sync(&mut self, _point: SyncPoint) -> io::Result<()> {
        self.complete()?;
        self.file.sync_all()
    }

    fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        set_mode(&self.file, mode)
    }

    fn set_owner(&mut self, owner: Owner) -> io::Result<()> {
        super::owner::keep(&self.file, owner)
    }

    fn set_mtime(&mut self, mtime: (i64, u32)) -> io::Result<()> {
        // Later writes would change the time again.
        self.complete()?;
        set_mtime(&self.file, mtime)
    }
}

/// A file read at any offset, optionally bypassing the page cache.
pub struct BulkInput {
    cached: File,
    direct: Option<File>,
}

impl BulkInput {
    /// Wraps an open file; `direct` is the same file opened for direct I/O.
    pub fn new(cached: File, direct: Option<File>) -> Self {
        Self { cached, direct }
    }
}

/// Fills a buffer from a file, stopping at the end of the file.
fn fill_at(file: &File, offset: u64, into: &mut [u8], step: usize) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(&mut into[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        // For a direct read, an unaligned count means the end of the file.
        if done % step != 0 {
            break;
        }
    }
    Ok(done)
}

impl Input for BulkInput {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        fill_at(&self.cached, offset, into, 1)
    }

    fn read_once_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let Some(direct) = &self.direct else {
            return self.read_at(offset, into);
        };
        match fill_at(direct, offset, into, ALIGN) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                self.read_at(offset, into)
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::{Fs, RelPath, Root};

    #[test]
    fn files_of_every_size_come_back() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let root = Root::open(dir.path()).expect("it opens");
        for len in [
            0,
            1,
            4096,
            BLOCK / 4 - 1,
            BLOCK / 4,
            BLOCK,
            BLOCK + 1,
            2 * BLOCK + 4096,
            3 * BLOCK + 12345,
        ] {
            let path = RelPath::own(format!("f{len}"));
            let bytes: Vec<u8> = (0..len)
                .map(|at| u8::try_from(at / 7 % 251).expect("because it is below 251"))
                .collect();
            let mut file = root.create_bulk(&path, 0o600).expect("it creates");
            for part in bytes.chunks(100_003) {
                file.write_all(part).expect("it writes");
            }
            file.sync(SyncPoint::new("test")).expect("it syncs");
            assert!(file.write_all(b"more").is_err(), "complete after its sync");
            drop(file);
            let mut found = Vec::new();
            root.open(&path)
                .expect("it opens")
                .read_to_end(&mut found)
                .expect("it reads");
            assert!(found == bytes, "{len} bytes");
            let input = root.open_input(&path).expect("it opens");
            let mut buffer = Aligned::new(len.next_multiple_of(ALIGN) + ALIGN);
            assert_eq!(input.read_once_at(0, &mut buffer).expect("it reads"), len);
            assert!(buffer[..len] == bytes);
            let mut some = [0; 10];
            let n = input.read_at(len as u64 / 2, &mut some).expect("it reads");
            assert_eq!(some[..n], bytes[len / 2..(len / 2 + 10).min(len)]);
        }
    }

    #[test]
    fn zeros_become_holes() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let root = Root::open(dir.path()).expect("it opens");
        // Zeros at the beginning, in the middle and at the end, with and without a tail.
        for (name, blocks, tail) in [
            ("a", "0100", 7),
            ("b", "00", 0),
            ("c", "110011", 4096),
            ("d", "0", 1),
        ] {
            let mut bytes: Vec<u8> = blocks
                .bytes()
                .flat_map(|block| vec![block - b'0'; BLOCK])
                .collect();
            bytes.extend(vec![9; tail]);
            let path = RelPath::own(name);
            let mut file = root.create_bulk(&path, 0o600).expect("it creates");
            file.write_all(&bytes).expect("it writes");
            file.sync(SyncPoint::new("test")).expect("it syncs");
            let mut found = Vec::new();
            root.open(&path)
                .expect("it opens")
                .read_to_end(&mut found)
                .expect("it reads");
            assert!(found == bytes, "{blocks}");
            let real = std::fs::metadata(dir.path().join(name))
                .expect("it is there")
                .blocks()
                * 512;
            let written = blocks.matches('1').count() * BLOCK + tail;
            assert!(
                real <= written as u64 + (1 << 20),
                "{blocks}: {real} bytes on disk for {written}"
            );
        }
    }

    #[test]
    fn locks_exclude_each_other_and_end_with_their_holder() {
        use crate::fs::Hold;
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let root = Root::open(dir.path()).expect("it opens");
        let path = RelPath::own("lock");
        let take = |hold| root.lock(&path, hold, false).expect("it locks");
        let (one, two) = (take(Hold::Shared), take(Hold::Shared));
        assert!(one.is_some() && two.is_some() && take(Hold::Exclusive).is_none());
        drop((one, two));
        let alone = take(Hold::Exclusive);
        assert!(alone.is_some() && take(Hold::Shared).is_none());
    }
}
