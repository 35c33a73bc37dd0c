//! Buffers aligned for direct I/O, which bypasses the page cache.
//!
//! Allocated once and reused: fresh pages cost more than hashing the data read into them.

use std::ops::{Deref, DerefMut};

/// Alignment in bytes of the address, offset and length in direct I/O: the largest that common
/// disks and file systems require.
pub const ALIGN: usize = 4096;

/// Rounds down to a multiple of [`ALIGN`].
pub const fn floor(value: u64) -> u64 {
    value / ALIGN as u64 * ALIGN as u64
}

/// Rounds up to a multiple of [`ALIGN`].
pub const fn ceil(value: u64) -> u64 {
    value.next_multiple_of(ALIGN as u64)
}

/// A fixed-size byte buffer that starts at a multiple of [`ALIGN`].
pub struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// Returns a zeroed buffer of `len` bytes.
    pub fn new(len: usize) -> Self {
        let bytes = vec![0; len + ALIGN];
        let start = bytes.as_ptr().align_offset(ALIGN);
        Self { bytes, start, len }
    }
}

impl Deref for Aligned {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_a_multiple() {
        for len in [0, 1, ALIGN, 3 * ALIGN + 1] {
            let buffer = Aligned::new(len);
            assert_eq!((buffer.as_ptr().addr() % ALIGN, buffer.len()), (0, len));
        }
        assert_eq!((floor(4097), ceil(4097), ceil(8192)), (4096, 8192, 8192));
    }
}
