//! Lines of a journal: the chain is checked, the records are read, the standing is derived.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    base::Digest,
    journal::{JournalRecord, chain, plan, status_of},
};

/// Reads a journal; what is accepted is written the same way, or at least means the same.
fn read(bytes: &[u8]) {
    let Ok(chain) = chain::parse::<JournalRecord>(bytes) else {
        return;
    };
    assert!(chain.whole <= bytes.len());
    let (mut last, mut lines) = (String::new(), String::new());
    for record in &chain.records {
        let (line, digits) = chain::render(&last, record);
        lines += &line;
        last = digits;
    }
    assert_eq!(
        chain::parse::<JournalRecord>(lines.as_bytes())
            .expect("it was just written")
            .records,
        chain.records
    );
    let _ = status_of(&chain.records);
    for record in &chain.records {
        let JournalRecord::Plan { packed } = record else {
            continue;
        };
        // What is unpacked is packed and unpacked to the same bytes.
        if let Ok(plan) = plan::unpack(packed) {
            let again = plan::unpack(&plan::pack(&plan));
            assert_eq!(again.expect("it was just packed"), plan);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // The same records with checksums that fit.
    let (mut last, mut lines) = (String::new(), String::new());
    for line in String::from_utf8_lossy(bytes).lines() {
        let json = line
            .split_once(' ')
            .filter(|(digits, _)| digits.len() == 64)
            .map_or(line, |(_, json)| json);
        last = Digest::of(format!("{last} {json}").as_bytes()).hex();
        lines += &format!("{last} {json}\n");
    }
    read(lines.as_bytes());
});
