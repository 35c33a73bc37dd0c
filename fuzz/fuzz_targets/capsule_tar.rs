//! The tar of a capsule: what is read is written by our writer and read again, the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::capsule::tar::{TarReader, TarWriter};

type Members = Vec<(Vec<u8>, bool, Vec<u8>)>;

/// All members; `None` when something is wrong.
fn read(bytes: &[u8]) -> Option<Members> {
    let mut reader = TarReader::new(bytes);
    let mut all = Members::new();
    while let Some(member) = reader.next_member().ok()? {
        let mut content = Vec::new();
        reader
            .read_to(&mut |more| content.extend_from_slice(more))
            .ok()?;
        assert_eq!(content.len() as u64, member.size);
        all.push((member.name, member.executable, content));
    }
    Some(all)
}

fuzz_target!(|bytes: &[u8]| {
    let Some(members) = read(bytes) else { return };
    let mut writer = TarWriter::new(Vec::new(), 7);
    for (name, executable, content) in &members {
        let size = content.len() as u64;
        writer
            .file(name, *executable, size, &mut |into| into.write_all(content))
            .expect("memory has room");
    }
    let again = writer.finish().expect("memory has room");
    assert_eq!(read(&again), Some(members));
});
