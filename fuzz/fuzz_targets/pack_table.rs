//! A pack's header, trailer and table of contents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    base::Digest,
    store::format::{MalformedBytes, blob, pack},
};

/// Reads a pack as the index does: its end first.
fn open(bytes: &[u8]) -> Result<(), MalformedBytes> {
    let size = bytes.len() as u64;
    let _ = pack::read_header(bytes);
    let at = bytes
        .len()
        .checked_sub(pack::TRAILER)
        .ok_or_else(|| MalformedBytes::because("short"))?;
    let trailer = pack::read_trailer(&bytes[at..], size)?;
    let begin = usize::try_from(trailer.offset).expect("it is inside");
    let table = &bytes[begin..at];
    assert_eq!(
        table.len(),
        trailer.count as usize * pack::ENTRY,
        "the trailer fits the size"
    );
    let mut entries = pack::read_table(table, &trailer.id, trailer.offset)?;
    assert_eq!(entries.len(), trailer.count as usize);
    for entry in &entries {
        assert!(entry.end() <= trailer.offset && entry.offset as usize >= pack::HEADER);
        let _ = blob::split(&bytes[entry.offset as usize..][..entry.span()]);
    }
    if entries.is_sorted_by(|a, b| a.blob < b.blob) {
        assert_eq!(pack::table(&mut entries), table, "a table has one form");
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let _ = open(bytes);
    // The same bytes as a pack whose end fits: the table's checksum is no obstacle then.
    let body = bytes.len() % pack::ENTRY + bytes.len() / pack::ENTRY / 2 * pack::ENTRY;
    let (body, table) = bytes.split_at(body);
    let offset = (pack::HEADER + body.len()) as u64;
    let count = u32::try_from(table.len() / pack::ENTRY).expect("inputs are small");
    let end = pack::trailer(pack::Trailer {
        offset,
        count,
        id: Digest::of(table),
    });
    let _ = open(&[&pack::header()[..], body, table, &end].concat());
    // As large as anybody says, the table is: the offset limits what its entries name.
    let _ = pack::read_table(table, &Digest::of(table), u64::MAX);
});
