//! An output stream of a child: drained without blocking, kept up to a cap.
//!
//! Of longer output the first and the last half of the cap are kept, because errors appear at
//! either end. A child that may leave a service behind writes to an unnamed file instead of a pipe:
//! a pipe without a reader would kill that service at its next line.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Bytes per read.
const CHUNK: usize = 64 << 10;
/// Most chunks read before time limits are checked again.
const CHUNKS: usize = 16;

/// The reading end and the output kept so far.
pub(super) struct OutputStream {
    source: OutputSource,
    kept: BoundedOutput,
}

/// The source of the output.
enum OutputSource {
    /// A pipe that may still be written to.
    Pipe(File),
    /// A file that is read at the end.
    File(File),
    /// The pipe is closed.
    Closed,
}

impl OutputStream {
    /// Makes a stream that keeps `cap` bytes, and the writing end for the child.
    pub(super) fn new(cap: usize, file: bool) -> io::Result<(Self, File)> {
        let (source, end) = if file {
            let file = tempfile::tempfile()?;
            let end = file.try_clone()?;
            // Both streams may be merged into one file, so every write must append.
            fcntl_setfl(&end, fcntl_getfl(&end)? | OFlags::APPEND)?;
            (OutputSource::File(file), end)
        } else {
            let (reader, writer) = io::pipe()?;
            fcntl_setfl(&reader, fcntl_getfl(&reader)? | OFlags::NONBLOCK)?;
            (
                OutputSource::Pipe(File::from(OwnedFd::from(reader))),
                File::from(OwnedFd::from(writer)),
            )
        };
        Ok((
            Self {
                source,
                kept: BoundedOutput::new(cap),
            },
            end,
        ))
    }

    /// Returns the pipe to wait on, while it is open.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        match &self.source {
            OutputSource::Pipe(pipe) => Some(pipe.as_fd()),
            OutputSource::File(_) | OutputSource::Closed => None,
        }
    }

    /// True while the pipe may still be written to.
    pub(super) fn is_open(&self) -> bool {
        self.pipe().is_some()
    }

    /// Reads the available output, without waiting.
    pub(super) fn take(&mut self) -> io::Result<()> {
        let OutputSource::Pipe(pipe) = &mut self.source else {
            return Ok(());
        };
        let mut chunk = vec![0; CHUNK];
        for _ in 0..CHUNKS {
            match pipe.read(&mut chunk) {
                Ok(0) => {
                    self.source = OutputSource::Closed;
                    return Ok(());
                }
                Ok(count) => self.kept.push(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns the kept output, and whether some was left out.
    pub(super) fn finish(mut self) -> io::Result<(Vec<u8>, bool)> {
        if let OutputSource::File(file) = &mut self.source {
            file.rewind()?;
            // A service may go on writing: only what is there now is read.
            let size = file.metadata()?.len();
            let mut chunk = vec![0; CHUNK];
            let mut file = file.take(size);
            loop {
                match file.read(&mut chunk)? {
                    0 => break,
                    count => self.kept.push(&chunk[..count]),
                }
            }
        }
        Ok(self.kept.finish())
    }
}

/// The first and the last bytes of an output.
struct BoundedOutput {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    half: usize,
    dropped: u64,
}

impl BoundedOutput {
    fn new(cap: usize) -> Self {
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            half: cap / 2,
            dropped: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(self.half - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..over);
        self.dropped += over as u64;
    }

    fn finish(self) -> (Vec<u8>, bool) {
        let mut bytes = self.head;
        if self.dropped > 0 {
            bytes.extend_from_slice(format!("\n[{} bytes left out]\n", self.dropped).as_bytes());
        }
        bytes.extend(self.tail);
        (bytes, self.dropped > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_long_output_are_kept() {
        let mut kept = BoundedOutput::new(8);
        for byte in b'a'..=b'z' {
            kept.push(&[byte]);
        }
        assert_eq!(
            kept.finish(),
            (b"abcd\n[18 bytes left out]\nwxyz".to_vec(), true)
        );
        let mut short = BoundedOutput::new(8);
        short.push(b"abcdefgh");
        assert_eq!(short.finish(), (b"abcdefgh".to_vec(), false));
    }
}
