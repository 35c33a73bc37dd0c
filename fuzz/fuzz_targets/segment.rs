//! An index segment: its head, its buckets, and the search in one of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    base::Digest,
    store::format::{BlobId, BlobKind, PackRef, segment},
};

/// Opens a segment as the index does and looks for the blobs that it names, and for one it does
/// not.
fn open(bytes: &[u8]) {
    let _ = segment::SegmentHeader::decode(bytes);
    let Some(first) = bytes.get(..segment::HEAD) else {
        return;
    };
    let Ok(len) = segment::head_len(first, bytes.len() as u64) else {
        return;
    };
    assert!(len <= bytes.len(), "the head is inside");
    let Ok(head) = segment::SegmentHeader::decode(&bytes[..len]) else {
        return;
    };
    let rows = &bytes[len..bytes.len() - 32];
    assert_eq!(rows.len(), head.entries * segment::ENTRY);
    let ids = rows
        .chunks_exact(segment::ENTRY)
        .map(|row| [&row[..16], &row[..16]].concat());
    for id in ids.chain([vec![0; 32], vec![255; 32]]) {
        let id = Digest::from_bytes(id.try_into().expect("twice a half"));
        let range = head.bucket(&segment::prefix(&id));
        let bucket = &rows[range.start * segment::ENTRY..range.end * segment::ENTRY];
        for kind in [BlobKind::Data, BlobKind::File] {
            for entry in head
                .matching(bucket, BlobId { id, kind })
                .unwrap_or_default()
            {
                assert!(
                    (entry.pack as usize) < head.packs.len()
                        && entry.kind == kind
                        && entry.stored <= entry.plain
                );
            }
        }
    }
}

/// Every entry that is written is found.
fn written(bytes: &[u8]) {
    let packs = [PackRef {
        id: Digest::of(bytes),
        size: 9,
    }];
    let entry = |row: &[u8]| segment::SegmentEntry {
        prefix: row[..16].try_into().expect("as many were taken"),
        kind: if row[16] & 1 == 0 {
            BlobKind::Data
        } else {
            BlobKind::File
        },
        pack: 0,
        offset: u32::from(row[16]),
        stored: 3,
        plain: 4,
    };
    let mut entries: Vec<segment::SegmentEntry> = bytes.chunks_exact(17).map(entry).collect();
    let bytes = segment::encode(&packs, &mut entries);
    let len = segment::head_len(&bytes[..segment::HEAD], bytes.len() as u64)
        .expect("it was just written");
    let head = segment::SegmentHeader::decode(&bytes[..len]).expect("it was just written");
    for entry in &entries {
        let id = Digest::from_bytes(
            [entry.prefix, entry.prefix]
                .concat()
                .try_into()
                .expect("twice a half"),
        );
        let range = head.bucket(&entry.prefix);
        let bucket = &bytes[len + range.start * segment::ENTRY..len + range.end * segment::ENTRY];
        assert!(
            head.matching(
                bucket,
                BlobId {
                    id,
                    kind: entry.kind
                }
            )
            .expect("it makes sense")
            .contains(entry)
        );
    }
}

fuzz_target!(|bytes: &[u8]| {
    open(bytes);
    written(bytes);
    // The same with counts that fit the size.
    if let Some((first, rest)) = bytes.split_at_checked(4) {
        let (bits, packs) = (first[0] % 17, u32::from(first[1]));
        let before = packs as usize * 40 + (4 << bits) + 4 + 32;
        let Some(rows) = rest.len().checked_sub(before) else {
            return;
        };
        let entries = (rows / segment::ENTRY) as u64;
        let head = [
            &b"SNBINDEX\x01\0"[..],
            &[bits, 0],
            &packs.to_le_bytes(),
            &entries.to_le_bytes(),
        ]
        .concat();
        open(&[&head, &rest[rows % segment::ENTRY..]].concat());
    }
});
