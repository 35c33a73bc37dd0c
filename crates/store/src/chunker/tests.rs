//! Checks cuts against a slow reference definition; golden vectors freeze them.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use base::{Digest, Hasher};

/// Sizes so small that a few kilobytes hold many chunks with every kind of end.
const TINY: Sizes = Sizes {
    min: 64,
    avg: 256,
    max: 1024,
};

/// A fixed pseudo-random generator (xorshift64*, Vigna 2016): golden inputs must never change.
struct Dice(u64);

impl Dice {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a number below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(((self.word() >> 32) * end as u64) >> 32)
            .expect("because it is below `end`")
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| self.word().to_le_bytes())
            .take(len.div_ceil(8))
            .flatten()
            .collect();
        bytes.truncate(len);
        bytes
    }

    fn text(&mut self, len: usize) -> Vec<u8> {
        let words: Vec<String> = (0..500)
            .map(|_| format!("\"w{}\": {}, ", self.below(9_000), self.below(100_000)))
            .collect();
        let mut text = Vec::with_capacity(len + 32);
        while text.len() < len {
            text.extend(words[self.below(words.len())].as_bytes());
        }
        text.truncate(len);
        text
    }

    fn database(&mut self, len: usize, page: u16) -> Vec<u8> {
        let mut bytes = self.text(len);
        bytes[..16].copy_from_slice(b"SQLite format 3\0");
        bytes[16..18].copy_from_slice(&page.to_be_bytes());
        bytes
    }
}

/// Computes the cuts by definition: finds candidates separately in every stretch of `step` ends,
/// then makes one pass over them.
fn by_definition(sizes: Sizes, data: &[u8], step: usize) -> Vec<usize> {
    let (strict, loose) = sizes.limits();
    let hash = |end: usize| {
        let window = &data[end - WINDOW..end];
        window
            .iter()
            .zip((0..64).rev())
            .fold(0_u64, |sum, (byte, by)| {
                sum.wrapping_add(GEAR[usize::from(*byte)] << by)
            })
    };
    let ends: Vec<usize> = (WINDOW..=data.len()).collect();
    let candidates: Vec<(usize, u64)> = ends
        .chunks(step)
        .flat_map(|ends| {
            ends.iter()
                .map(|end| (*end, hash(*end)))
                .filter(|(_, hash)| *hash < loose)
        })
        .collect();
    let mut cuts = vec![0];
    while cuts[cuts.len() - 1] < data.len() {
        let begin = cuts[cuts.len() - 1];
        let fits = |(end, hash): &&(usize, u64)| {
            let len = end.wrapping_sub(begin);
            *end > begin && len >= sizes.min && (*hash < strict || len >= sizes.avg)
        };
        let found = candidates
            .iter()
            .find(fits)
            .map_or(usize::MAX, |(end, _)| *end);
        cuts.push(found.min(begin + sizes.max).min(data.len()));
    }
    cuts.split_off(1)
}

/// Bytes of low and high variety, so that chunks end by either limit and by size.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12_000),
        prop::collection::vec(0_u8..3, 0..12_000),
        (any::<u8>(), 0_usize..9_000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn cutter() -> impl Strategy<Value = Cutter> {
    prop_oneof![3 => Just(Cutter::Gear(TINY)), 1 => (1_usize..2_000).prop_map(|chunk| Cutter::Pages { chunk })]
}

proptest! {
    #[test]
    fn cuts_are_those_of_the_definition_however_candidates_are_found(data in bytes(), step in 1_usize..5_000) {
        prop_assert_eq!(Cutter::Gear(TINY).cut(&data, true), by_definition(TINY, &data, step));
    }

    #[test]
    fn chunks_are_the_data_and_within_their_bounds(data in bytes(), cutter in cutter()) {
        let ends = cutter.cut(&data, true);
        prop_assert_eq!(ends.last().copied().unwrap_or(0), data.len());
        let min = if let Cutter::Gear(sizes) = cutter { sizes.min } else { cutter.max() };
        let mut begin = 0;
        for end in &ends {
            prop_assert!(*end > begin && end - begin <= cutter.max());
            prop_assert!(end - begin >= min || *end == data.len());
            begin = *end;
        }
    }

    #[test]
    fn cuts_do_not_depend_on_the_buffers(data in bytes(), cutter in cutter(), sizes in prop::collection::vec(1_usize..3_000, 1..20)) {
        let (mut ends, mut found) = (Vec::new(), vec![usize::MAX]);
        let (mut begin, mut end) = (0, 0);
        for size in sizes.iter().cycle() {
            end = (end + size).min(data.len());
            cutter.cut_into(&data[begin..end], end == data.len(), &mut found);
            ends.extend(found.iter().map(|cut| begin + cut));
            begin += found.last().copied().unwrap_or(0);
            prop_assert!(end - begin < cutter.max(), "a chunk that is over was not cut");
            if end == data.len() {
                break;
            }
        }
        prop_assert_eq!(ends, cutter.cut(&data, true));
    }

    #[test]
    fn cuts_meet_again_after_an_insertion(seed in 1_u64.., at in 0_usize..4_000, new in prop::collection::vec(any::<u8>(), 1..300)) {
        let old = Dice(seed).bytes(40_000);
        let mut edited = old.clone();
        edited.splice(at..at, new.iter().copied());
        let cutter = Cutter::Gear(TINY);
        let after: HashSet<usize> = cutter.cut(&edited, true).into_iter().map(|end| end.wrapping_sub(new.len())).collect();
        let first = cutter.cut(&old, true).into_iter().position(|end| end >= at + WINDOW && after.contains(&end));
        let ends = cutter.cut(&old, true);
        let met = first.map(|first| ends[first]).expect("the end of the data is in both");
        prop_assert!(met < at + 24 * TINY.max, "they met only at {}", met);
        prop_assert!(ends.iter().filter(|end| **end >= met).all(|end| after.contains(end)), "they part again");
    }
}

/// Returns the percentage of bytes that must be stored again after `count` insertions of up to 40
/// bytes.
fn stored_again(cutter: Cutter, data: &[u8], count: usize, dice: &mut Dice) -> usize {
    let chunks = |data: &[u8]| {
        let mut begin = 0;
        let pieces = cutter
            .cut(data, true)
            .into_iter()
            .map(|end| data[std::mem::replace(&mut begin, end)..end].to_vec());
        pieces.collect::<Vec<_>>()
    };
    let mut places: Vec<usize> = (0..count).map(|_| dice.below(data.len())).collect();
    places.sort_unstable();
    let (mut edited, mut from) = (Vec::with_capacity(data.len() + count * 40), 0);
    for place in places {
        edited.extend_from_slice(&data[from..place]);
        let len = 1 + dice.below(40);
        edited.extend(dice.bytes(len));
        from = place;
    }
    edited.extend_from_slice(&data[from..]);
    let old: HashSet<Vec<u8>> = chunks(data).into_iter().collect();
    let new: usize = chunks(&edited)
        .iter()
        .filter(|chunk| !old.contains(*chunk))
        .map(Vec::len)
        .sum();
    new * 100 / edited.len()
}

#[test]
fn insertions_cost_little_more_than_the_chunks_they_hit() {
    let mut dice = Dice(7);
    for (what, data) in [
        ("random", dice.bytes(16 << 20)),
        ("text", dice.text(16 << 20)),
    ] {
        // 200 insertions are one every 84 KB, more than one per chunk of this mean size: two chunks
        // in three are hit.
        for (sizes, count, most) in [
            (Sizes::SMALL, 20, 14),
            (Sizes::SMALL, 200, 72),
            (Sizes::LARGE, 20, 40),
        ] {
            let share = stored_again(Cutter::Gear(sizes), &data, count, &mut dice);
            assert!(
                (1..=most).contains(&share),
                "{what}: {count} insertions with {sizes:?} store {share} % again"
            );
        }
    }
}

#[test]
fn the_table_is_frozen() {
    let bytes: Vec<u8> = GEAR.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(
        Digest::of(&bytes).hex(),
        "2a638268f2a0273c6afe635eab22756fb46721a5b36323dd7915e258d6e18fa5"
    );
    assert_eq!(GEAR.iter().collect::<HashSet<_>>().len(), 256);
}

/// Returns the number of cuts, and a digest of the cutter's code and the little-endian cuts.
fn of_cuts(data: &[u8], whole: bool) -> (usize, String) {
    let cutter = Cutter::choose(data, whole.then_some(data.len() as u64));
    let ends = cutter.cut(data, true);
    let mut hasher = Hasher::default();
    hasher.update(&[cutter.code()]);
    for end in &ends {
        hasher.update(&(*end as u64).to_le_bytes());
    }
    (ends.len(), hasher.finish().hex()[..16].to_string())
}

#[test]
fn cuts_are_frozen() {
    let mut dice = Dice(2_026);
    let golden = [
        ("random 12 MiB", dice.bytes(12 << 20), "4942d41b38bb24cd"),
        ("random 5 MB", dice.bytes(5_000_001), "008c323c45d00e0c"),
        ("text 10 MiB", dice.text(10 << 20), "e332235b76fa63d2"),
        ("text 300 kB", dice.text(300_000), "9a46b468dc6967cd"),
        ("zeros 3 MiB", vec![0; 3 << 20], "b2c213229cf8f5b7"),
        (
            "database, pages of 4 KiB",
            dice.database(1_000_000, 4096),
            "c98fac0530e12680",
        ),
        (
            "database, pages of 64 KiB",
            dice.database(9 << 20, 1),
            "21d47e51b0182a07",
        ),
        ("short", dice.text(64 << 10), "ee50455e184d02ba"),
    ];
    let found: Vec<_> = golden
        .iter()
        .map(|(what, data, _)| (*what, of_cuts(data, true)))
        .collect();
    let frozen: Vec<_> = golden
        .iter()
        .zip(&found)
        .map(|((what, _, cuts), (_, (count, _)))| (*what, (*count, (*cuts).to_string())))
        .collect();
    assert_eq!(
        found, frozen,
        "a file that is stored already would be cut elsewhere and stored again"
    );
}

#[test]
fn cutters_follow_size_and_kind() {
    let mut dice = Dice(1);
    let choose = |data: &[u8]| Cutter::choose(data, Some(data.len() as u64));
    assert_eq!(choose(b""), Cutter::Pages { chunk: 64 << 10 });
    assert_eq!(
        choose(&dice.bytes(64 << 10)).cut(&vec![1; 64 << 10], true),
        [64 << 10]
    );
    assert_eq!(
        choose(&dice.bytes((64 << 10) + 1)),
        Cutter::Gear(Sizes::SMALL)
    );
    assert_eq!(choose(&vec![0; 8 << 20]), Cutter::Gear(Sizes::SMALL));
    assert_eq!(choose(&vec![0; (8 << 20) + 1]), Cutter::Gear(Sizes::LARGE));
    assert_eq!(
        Cutter::choose(&vec![0; (8 << 20) + 1], None),
        Cutter::Gear(Sizes::LARGE)
    );
    for (page, chunk) in [
        (512, 32 << 10),
        (4096, 32 << 10),
        (32 << 10, 32 << 10),
        (1, 64 << 10),
    ] {
        assert_eq!(
            choose(&dice.database(200_000, page)),
            Cutter::Pages { chunk }
        );
    }
    for page in [0, 2, 256, 4097, 65_535] {
        assert_eq!(
            choose(&dice.database(200_000, page)),
            Cutter::Gear(Sizes::SMALL),
            "{page} is no page size"
        );
    }
    assert_eq!(
        choose(b"SQLite format 3\0\x10"),
        Cutter::Pages { chunk: 64 << 10 },
        "cut off in the page size"
    );
}

#[test]
fn codes_are_frozen_and_come_back() {
    let cutters = [
        (
            0x11,
            Cutter::Gear(Sizes {
                min: 32_768,
                avg: 65_536,
                max: 262_144,
            }),
        ),
        (
            0x12,
            Cutter::Gear(Sizes {
                min: 65_536,
                avg: 262_144,
                max: 1_048_576,
            }),
        ),
        (0x13, Cutter::Pages { chunk: 32_768 }),
        (0x14, Cutter::Pages { chunk: 65_536 }),
    ];
    for (code, cutter) in cutters {
        assert_eq!(
            (cutter.code(), Cutter::from_code(code)),
            (code, Some(cutter))
        );
    }
    let known: Vec<u8> = (0..=255)
        .filter(|code| Cutter::from_code(*code).is_some())
        .collect();
    assert_eq!(known, [0x11, 0x12, 0x13, 0x14]);
    assert_eq!(
        Cutter::Gear(TINY).code(),
        0x10,
        "no file is cut so, and the byte means nothing"
    );
}
