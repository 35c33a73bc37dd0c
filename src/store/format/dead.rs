//! The blobs that a collection has condemned: no new session may rely on them.
//!
//! ```text
//! "SNBDEAD1" version:u16 0:u16 count:u32 | per blob, sorted: id:32 kind:u8 | sha256:32
//! ```

use super::{BlobId, BlobKind, Broken, Cut, VERSION, seal, sealed};

/// Their bytes; `blobs` is sorted.
pub fn encode(blobs: &[BlobId]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(48 + blobs.len() * 33);
    bytes.extend_from_slice(b"SNBDEAD1");
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&super::len32(blobs.len()));
    for blob in blobs {
        bytes.extend_from_slice(blob.id.bytes());
        bytes.push(blob.kind.code());
    }
    seal(bytes)
}

/// Reads them.
pub fn decode(bytes: &[u8]) -> Result<Vec<BlobId>, Broken> {
    let mut cut = Cut(sealed(bytes)?);
    cut.head(b"SNBDEAD1")?;
    cut.zeros(2)?;
    let count = cut.count(33)?;
    let blob = |_| Ok(BlobId { id: cut.digest()?, kind: BlobKind::from_code(cut.u8()?)? });
    let blobs: Vec<BlobId> = (0..count).map(blob).collect::<Result<_, Broken>>()?;
    cut.end()?;
    if !blobs.is_sorted() {
        return Err(Broken::because("it is not sorted"));
    }
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Digest;

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let mut blobs: Vec<_> = (0..5_u8).map(|n| BlobId { id: Digest::of(&[n]), kind: BlobKind::Data }).collect();
        blobs.sort();
        let bytes = encode(&blobs);
        assert_eq!(decode(&bytes), Ok(blobs));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(decode(&bad).is_err() && decode(&bytes[..at]).is_err(), "byte {at}");
        }
    }
}
