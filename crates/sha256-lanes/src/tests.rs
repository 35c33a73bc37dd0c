//! Tests every code path for digests against `sha2`, message by message.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// Returns the digest according to the `sha2` crate.
fn of(bytes: &[u8]) -> RawDigest {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// Formats a digest as hex digits.
fn hex_of(digest: &RawDigest) -> String {
    digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("because a text takes everything");
        hex
    })
}

/// Returns bytes that messages are cut from, at any alignment.
fn pool() -> Vec<u8> {
    (0..40_000_u32)
        .map(|nth| nth.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect()
}

/// Generates lengths where padding changes its form, around multiples of a block, and any others.
fn len() -> impl Strategy<Value = usize> {
    prop_oneof![
        prop::sample::select(vec![
            0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 511, 512, 513
        ]),
        (1_usize..40, 0_usize..3).prop_map(|(blocks, by)| blocks * 64 + by - 1),
        0_usize..3_000,
    ]
}

/// Generates the positions and lengths of messages.
fn places() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0_usize..30_000, len()), 0..60)
}

fn one_by_one(messages: &[&[u8]]) -> Vec<RawDigest> {
    messages.iter().map(|message| of(message)).collect()
}

/// Runs lanes without a kernel, which works on every processor.
fn in_slow_lanes<const N: usize>(work: &mut LaneQueue<'_>, least: usize) {
    work.run(least, |states: &mut [HashState; N], blocks| {
        assert!(
            blocks
                .iter()
                .all(|lane| lane.len() == blocks[0].len() && !lane.is_empty())
        );
        for (state, blocks) in states.iter_mut().zip(blocks) {
            compress256(state, blocks);
        }
    });
}

proptest! {
    #[test]
    fn many_messages_have_the_digests_of_each(places in places()) {
        let pool = pool();
        let messages: Vec<&[u8]> = places.iter().map(|(begin, len)| &pool[*begin..][..*len]).collect();
        prop_assert_eq!(digests_by(&messages, LaneUse::Apart), one_by_one(&messages));
        prop_assert_eq!(digests_by(&messages, LaneUse::OneByOne), one_by_one(&messages));
    }

    #[test]
    fn lanes_mix_nothing_up(places in places(), least in 1_usize..17) {
        let pool = pool();
        let messages: Vec<&[u8]> = places.iter().map(|(begin, len)| &pool[*begin..][..*len]).collect();
        let mut work = LaneQueue::new(&messages);
        in_slow_lanes::<16>(&mut work, least);
        prop_assert!(work.left() < least);
        in_slow_lanes::<2>(&mut work, 2);
        prop_assert_eq!(finish(work), one_by_one(&messages));
    }

    #[test]
    fn a_stream_has_its_own_digest_and_those_of_its_pieces(buffers in prop::collection::vec((prop::collection::vec(len(), 0..40), len()), 0..5)) {
        let pool = pool();
        let mut streams = [LaneUse::Beside, LaneUse::Apart, LaneUse::OneByOne].map(|lanes| (StreamHasher::default(), lanes));
        let mut whole = Vec::new();
        for (pieces, rest) in buffers {
            let ends: Vec<usize> = pieces.iter().scan(0, |end, len| { *end += len; Some(*end) }).take_while(|end| *end < 35_000).collect();
            let data = &pool[whole.len() % 999..][..ends.last().copied().unwrap_or(0) + rest];
            let mut begin = 0;
            let pieces: Vec<&[u8]> = ends.iter().map(|end| &data[std::mem::replace(&mut begin, *end)..*end]).collect();
            for (stream, lanes) in &mut streams {
                prop_assert_eq!(stream.update_by(data, &ends, *lanes), one_by_one(&pieces));
            }
            whole.extend_from_slice(data);
        }
        prop_assert_eq!(streams.map(|(stream, _)| stream.finish()), [of(&whole); 3]);
    }
}

#[test]
fn the_standards_vectors() {
    let texts: [&[u8]; 3] = [
        b"abc",
        b"",
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    ];
    let hex = [
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ];
    assert_eq!(digests(&texts).iter().map(hex_of).collect::<Vec<_>>(), hex);
    // A million letters, as sixteen equal pieces beside their stream, and once more alone.
    let million = vec![b'a'; 1_000_000];
    let ends: Vec<usize> = (1..=16).map(|nth| nth * 62_500).collect();
    let mut stream = StreamHasher::default();
    assert_eq!(
        stream.update_by(&million, &ends, LaneUse::Beside),
        [of(&million[..62_500]); 16]
    );
    let hex = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    assert_eq!(hex_of(&stream.finish()), hex);
    assert_eq!(
        digests_by(&[million.as_slice(); 17], LaneUse::Apart)
            .iter()
            .map(hex_of)
            .collect::<Vec<_>>(),
        [hex; 17]
    );
}

/// A stream costs no more than its pieces and itself one after the other: on a processor that
/// cannot do both at once it took a hundred times longer. Optimised code only.
#[test]
fn a_stream_with_pieces_is_never_slow() {
    let data = vec![7; 1 << 20];
    let ends: Vec<usize> = (1..=64).map(|nth| nth << 14).collect();
    let shortest = |hash: &dyn Fn() -> RawDigest| {
        let times = [(); 5].map(|()| {
            let begun = Instant::now();
            std::hint::black_box(hash());
            begun.elapsed()
        });
        times.into_iter().min().expect("because there are five")
    };
    let alone = shortest(&|| of(&data));
    let together = shortest(&|| {
        let mut stream = StreamHasher::default();
        stream.update(&data, &ends);
        stream.finish()
    });
    assert!(
        together < alone * 3,
        "{together:?}, and {alone:?} for the stream alone"
    );
}

/// Tests of the kernels, where the processor has them: any state, any number of blocks.
#[cfg(target_arch = "x86_64")]
mod kernels {
    use super::{
        super::kernel::{Pair, Sixteen},
        *,
    };

    fn states<const N: usize>() -> impl Strategy<Value = [HashState; N]> {
        any::<[[u32; 8]; N]>()
    }

    fn reference<const N: usize>(
        mut states: [HashState; N],
        blocks: &[&[HashBlock]; N],
    ) -> [HashState; N] {
        let count = blocks.iter().map(|lane| lane.len()).min().unwrap_or(0);
        for (state, blocks) in states.iter_mut().zip(blocks) {
            compress256(state, &blocks[..count]);
        }
        states
    }

    proptest! {
        #[test]
        fn two_at_once(before in states::<2>(), counts in any::<[u8; 2]>()) {
            let pool = pool();
            let blocks: [&[HashBlock]; 2] = std::array::from_fn(|lane| &pool[lane * 77..].as_chunks().0[..usize::from(counts[lane]) % 9]);
            if let Some(pair) = Pair::detect() {
                let mut after = before;
                pair.compress(&mut after, &blocks);
                prop_assert_eq!(after, reference(before, &blocks));
            }
        }

        #[test]
        fn sixteen_at_once_and_one_along(before in states::<16>(), one in any::<HashState>(), counts in any::<[u8; 16]>(), more in 0_usize..3) {
            let pool = pool();
            let blocks: [&[HashBlock]; 16] =
                std::array::from_fn(|lane| &pool[lane * 77..].as_chunks().0[..usize::from(counts[lane]) % 5 + 2 * usize::from(counts[0] % 3)]);
            let count = blocks.iter().map(|lane| lane.len()).min().unwrap_or(0);
            if let Some(sixteen) = Sixteen::detect() {
                let mut after = before;
                sixteen.compress(&mut after, &blocks);
                prop_assert_eq!(after, reference(before, &blocks));
                if let Some(pair) = Pair::detect() {
                    let groups = &pool[5..].as_chunks().0.as_chunks().0[..count + more];
                    let (mut after, mut one_after, mut one_right) = (before, one, one);
                    prop_assert_eq!(sixteen.compress_along(pair, &mut after, &blocks, &mut one_after, groups), count);
                    compress256(&mut one_right, groups[..count].as_flattened());
                    prop_assert_eq!((after, one_after), (reference(before, &blocks), one_right));
                }
            }
        }
    }
}
