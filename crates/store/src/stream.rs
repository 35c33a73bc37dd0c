//! Complete zstd streams, for files that other programs read.

use std::io::{self, BufRead, Write};

/// zstd compression level for such files: they are written once and kept.
const LEVEL: i32 = 9;
/// Largest window accepted in a foreign stream, as a power of two: 128 MiB of memory.
const WINDOW: u32 = 27;

/// A writer that must be finished.
pub trait Finish: Write {
    /// Writes the end of the stream.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl<W: Write> Finish for zstd::Encoder<'_, W> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        zstd::Encoder::finish(*self)?.flush()
    }
}

/// Returns a compressing writer; the same bytes always produce the same stream.
pub fn compress<'a, W: Write + 'a>(into: W) -> io::Result<Box<dyn Finish + 'a>> {
    let mut encoder = zstd::Encoder::new(into, LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(Box::new(encoder))
}

/// Returns a reader that decompresses a foreign stream in bounded memory.
pub fn decompress<'a, R: BufRead + 'a>(from: R) -> io::Result<Box<dyn io::Read + 'a>> {
    let mut decoder = zstd::Decoder::with_buffer(from)?;
    decoder.window_log_max(WINDOW)?;
    Ok(Box::new(decoder))
}
