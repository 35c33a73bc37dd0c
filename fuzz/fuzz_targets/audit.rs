//! The audit log: files of lines. No bytes make the check panic; a line that is accepted has one
//! form, and no change of one of its bytes is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    audit::{
        Segment,
        check::{Outside, check},
        line,
    },
    base::Digest,
};

/// The text with the digest that it should have, as the writer appends it.
fn sealed(body: &[u8]) -> Vec<u8> {
    let end = body
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(body.len());
    let body = &body[..end];
    let hash = Digest::of(body);
    [
        body.strip_suffix(b"}").unwrap_or(body),
        format!(",\"hash\":\"{hash}\"}}").as_bytes(),
    ]
    .concat()
}

fuzz_target!(|bytes: &[u8]| {
    for line in [bytes, &sealed(bytes)] {
        let Ok(entry) = line::parse(line) else {
            continue;
        };
        assert_eq!(
            line::render(entry.seq, entry.prev, &entry.said).as_bytes(),
            line
        );
        let mut other = line.to_vec();
        let at = usize::from(bytes[0]) % other.len();
        other[at] ^= 1;
        assert!(
            line::parse(&other).is_err(),
            "a changed byte is not noticed"
        );
    }
    let files: Vec<_> = bytes
        .split(|byte| *byte == 0)
        .zip(1..)
        .map(|(part, number)| Segment {
            number,
            bytes: part.to_vec(),
        })
        .collect();
    let checked = check(&files, &Outside::default());
    let lines: usize = files.iter().map(|file| file.lines().count()).sum();
    assert_eq!(checked.lines, lines as u64);
});
