//! A blob of a pack: its header, its checksum, its stored bytes, and what they decode to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    base::Digest,
    store::{
        format::{BlobCodec, BlobId, BlobKind, blob},
        fuzz,
    },
};

/// Decodes as what the header says that it is.
fn decode(bytes: &[u8]) {
    let Ok(header) = blob::read_header(bytes) else {
        return;
    };
    assert!(header.stored <= header.plain && header.plain as usize <= blob::MAX_PLAIN);
    if let Ok((_, stored)) = blob::split(bytes) {
        assert_eq!(stored.len(), header.stored as usize);
    }
    if let Ok(plain) = fuzz::blob(bytes, header.blob) {
        assert_eq!(plain.len(), header.plain as usize);
        if header.blob.kind == BlobKind::Data {
            assert_eq!(Digest::of(&plain), header.blob.id, "never wrong bytes");
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    decode(bytes);
    // The same with a checksum that fits, which no mutation finds.
    if bytes.len() >= blob::HEADER
        && let Ok(header) = blob::read_header(bytes)
        && let Some(stored) = bytes[blob::HEADER..].get(..header.stored as usize)
    {
        let crc = crc32fast::hash(&[&bytes[..48], stored].concat());
        let mut whole = bytes.to_vec();
        whole[48..blob::HEADER].copy_from_slice(&crc.to_le_bytes());
        decode(&whole);
    }
    // What is written comes back.
    let name = BlobId {
        id: Digest::of(bytes),
        kind: BlobKind::Data,
    };
    let (header, _) = blob::header(name, BlobCodec::Raw, bytes.len(), bytes);
    assert_eq!(
        fuzz::blob(&[&header[..], bytes].concat(), name).as_deref(),
        Ok(bytes)
    );
});
