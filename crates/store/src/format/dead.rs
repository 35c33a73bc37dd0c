//! The list of blobs that a collection has condemned: no new session may rely on them.
//!
//! ```text
//! "SNBDEAD1" version:u16 0:u16 sequence:u64 packs:u32 blobs:u32
//! | per pack, sorted: id:32 | per blob, sorted: id:32 kind:u8 | sha256:32
//! ```
//!
//! `sequence` is the commit that condemned them: only sessions that began before it may still rely
//! on them. `packs` are the packs that existed then. The blobs may be dropped only from those
//! packs, because a newer session may have stored a condemned blob again in a pack of its own.

use super::{BlobId, BlobKind, Cut, MalformedBytes, VERSION, begin, seal};
use base::Digest;

/// A list of condemned blobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dead {
    /// Sequence number of the commit that condemned them.
    pub sequence: u64,
    /// The packs from which they may be dropped, sorted.
    pub packs: Vec<Digest>,
    /// The blobs, sorted.
    pub blobs: Vec<BlobId>,
}

impl Dead {
    /// Encodes the list.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = begin(b"SNBDEAD1", VERSION);
        bytes.reserve(64 + self.packs.len() * 32 + self.blobs.len() * 33);
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&super::len32(self.packs.len()));
        bytes.extend_from_slice(&super::len32(self.blobs.len()));
        for pack in &self.packs {
            bytes.extend_from_slice(pack.bytes());
        }
        for blob in &self.blobs {
            bytes.extend_from_slice(blob.id.bytes());
            bytes.push(blob.kind.code());
        }
        seal(bytes)
    }

    /// Decodes a list.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedBytes> {
        let mut cut = Cut::sealed(bytes, b"SNBDEAD1", VERSION)?;
        cut.zeros(2)?;
        let (sequence, packs, blobs) = (cut.u64()?, cut.u32()?, cut.u32()?);
        if u64::from(packs) * 32 + u64::from(blobs) * 33 != cut.0.len() as u64 {
            return Err(MalformedBytes::because("its counts do not fit its size"));
        }
        let packs: Vec<Digest> = (0..packs)
            .map(|_| cut.digest())
            .collect::<Result<_, MalformedBytes>>()?;
        let blob = |_| {
            Ok(BlobId {
                id: cut.digest()?,
                kind: BlobKind::from_code(cut.u8()?)?,
            })
        };
        let blobs: Vec<BlobId> = (0..blobs)
            .map(blob)
            .collect::<Result<_, MalformedBytes>>()?;
        if !packs.is_sorted() || !blobs.is_sorted() {
            return Err(MalformedBytes::because("it is not sorted"));
        }
        Ok(Self {
            sequence,
            packs,
            blobs,
        })
    }

    /// True when the blob is condemned.
    pub fn has(&self, blob: BlobId) -> bool {
        self.blobs.binary_search(&blob).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let mut blobs: Vec<_> = (0..5_u8)
            .map(|n| BlobId {
                id: Digest::of(&[n]),
                kind: BlobKind::Data,
            })
            .collect();
        blobs.sort();
        let dead = Dead {
            sequence: 7,
            packs: vec![Digest::of(b"p")],
            blobs,
        };
        let bytes = dead.encode();
        assert_eq!(Dead::decode(&bytes), Ok(dead));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(
                Dead::decode(&bad).is_err() && Dead::decode(&bytes[..at]).is_err(),
                "byte {at}"
            );
        }
    }
}
