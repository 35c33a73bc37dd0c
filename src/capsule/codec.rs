//! Compression of a capsule: chosen by its name when it is made, by its first bytes when read.

use std::{
    io::{self, BufRead, Read, Write},
    path::Path,
};

use crate::store::stream::{self, Finish};

/// The compression of a capsule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapsuleCodec {
    /// No compression.
    Plain,
    /// `gzip`.
    Gzip,
    /// `zstd`.
    Zstd,
}

impl CapsuleCodec {
    /// Returns the compression by the end of a name.
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|end| end.to_str()) {
            Some("gz" | "tgz") => Self::Gzip,
            Some("zst" | "tzst") => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// Returns the compression by the first bytes.
    pub fn of_bytes(begin: &[u8]) -> Self {
        match begin {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0x1f, 0x8b, ..] => Self::Gzip,
            _ => Self::Plain,
        }
    }

    /// Returns the command that shows the plain tar, without the file's name.
    pub fn command(self) -> &'static str {
        match self {
            Self::Plain => "cat",
            Self::Gzip => "gzip -dc",
            Self::Zstd => "zstd -dc",
        }
    }

    /// Returns a writer that compresses what is written.
    pub fn writer<'a>(self, into: impl Write + 'a) -> io::Result<Box<dyn Finish + 'a>> {
        Ok(match self {
            Self::Plain => Box::new(Whole(into)),
            // Neither a time nor a name: the same bytes always become the same stream.
            Self::Gzip => Box::new(Gzip(
                flate2::GzBuilder::new()
                    .mtime(0)
                    .write(into, flate2::Compression::new(9)),
            )),
            Self::Zstd => stream::compress(into)?,
        })
    }

    /// Returns a reader that decompresses what is read.
    pub fn reader<'a>(self, from: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Plain => Box::new(from),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
            Self::Zstd => stream::decompress(from)?,
        })
    }
}

/// A writer that has no end of its own.
struct Whole<W>(W);

impl<W: Write> Write for Whole<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Finish for Whole<W> {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

/// A gzip stream.
struct Gzip<W: Write>(flate2::write::GzEncoder<W>);

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Finish for Gzip<W> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.finish()?.flush()
    }
}
