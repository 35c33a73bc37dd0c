//! Where files are cut: the same however they are dealt out, and never outside the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::store::fuzz::Cutter;

/// Longest file of a run, in bytes.
const LONGEST: usize = 1 << 20;

/// A file of any size out of a few bytes: runs of what was given, of one byte and of noise.
fn file(mut recipe: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let [kind, len, rest @ ..] = recipe {
        let len = (usize::from(*len) + 1) << (kind >> 4);
        let len = len.min(LONGEST.saturating_sub(bytes.len()));
        match kind % 3 {
            0 => {
                let given = &rest[..len.min(rest.len())];
                bytes.extend_from_slice(given);
                recipe = &rest[given.len()..];
                continue;
            }
            1 => bytes.resize(bytes.len() + len, rest.first().copied().unwrap_or(0)),
            _ => {
                let mut state = rest.iter().take(8).fold(u64::from(*kind), |state, byte| {
                    state << 8 ^ u64::from(*byte)
                }) | 1;
                bytes.extend((0..len).map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state as u8
                }));
            }
        }
        recipe = rest;
    }
    bytes
}

/// The ends when a file comes in pieces of these lengths, over and over.
fn in_pieces(cutter: &Cutter, bytes: &[u8], pieces: &[u8]) -> Vec<usize> {
    let (mut ends, mut open, mut read) = (Vec::new(), 0, 0);
    // An open chunk is looked at again with every piece: of a long file a few dozen, then.
    let least = bytes.len() / 64;
    let lengths = pieces
        .iter()
        .map(|piece| least + 1 + (usize::from(*piece) << 9))
        .cycle();
    for len in lengths {
        read = bytes.len().min(read + len);
        let last = read == bytes.len();
        let found = cutter.cut(&bytes[open..read], last);
        ends.extend(found.iter().map(|end| open + end));
        open = ends.last().copied().unwrap_or(0);
        if last {
            return ends;
        }
    }
    unreachable!("there are pieces")
}

fuzz_target!(|input: &[u8]| {
    let Some((pieces, recipe)) = input.split_at_checked(4) else {
        return;
    };
    let bytes = file(recipe);
    for whole in [None, Some(bytes.len() as u64)] {
        let cutter = Cutter::choose(&bytes, whole);
        if let Some(known) = Cutter::from_code(cutter.code()) {
            assert_eq!(known, cutter);
        }
        let ends = cutter.cut(&bytes, true);
        assert_eq!(
            ends.last().copied().unwrap_or(0),
            bytes.len(),
            "everything is in a chunk"
        );
        let lengths = || {
            ends.iter()
                .scan(0, |at, end| Some(end - std::mem::replace(at, *end)))
        };
        assert!(lengths().all(|len| (1..=cutter.max()).contains(&len)));
        assert_eq!(in_pieces(&cutter, &bytes, pieces), ends);
    }
});
