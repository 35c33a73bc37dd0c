//! Tests of deltas: right for any two texts, short for those that changed a little.

use super::*;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// Returns the text of records.
fn text(records: &[(usize, usize)]) -> Vec<u8> {
    let record = |(name, value): &(usize, usize)| {
        format!("  - path: \"folder/{name:06}\"\n    checksum: {value:064}\n    mode: \"100644\"\n")
    };
    let all: String = records.iter().map(record).collect();
    format!("schema: 1\nfiles:\n{all}dependencies: []\n").into_bytes()
}

fn check(base: &[u8], target: &[u8]) -> usize {
    let delta = encode(base, target, b"  - path: ").unwrap();
    assert_eq!(apply(base, &delta).unwrap(), target);
    assert!(makes(base, &delta, target).unwrap());
    for other in [
        &target[..target.len().saturating_sub(1)],
        &[target, b"x"].concat(),
    ] {
        assert_eq!(makes(base, &delta, other).unwrap(), other == target);
    }
    let chain = [encode(target, base, b"  - path: ").unwrap(), delta.clone()];
    assert_eq!(apply_all(base.to_vec(), &chain).unwrap(), base);
    delta.len()
}

#[test]
fn edited_records_take_few_bytes() {
    let mut numbers = Numbers(88_172_645_463_325_252);
    for _ in 0..60 {
        let mut records: Vec<_> = (0..400).map(|name| (name * 10, name)).collect();
        let base = text(&records);
        let edits = numbers.below(9);
        for _ in 0..edits {
            let (at, value) = (numbers.below(records.len()), numbers.below(1 << 40));
            match numbers.below(3) {
                0 => records[at].1 = value,
                1 => drop(records.remove(at)),
                _ => records.insert(at, (at * 10 + 5, value)),
            }
        }
        let len = check(&base, &text(&records));
        assert!(len <= 60 + edits * 170, "{len} bytes for {edits} edits");
    }
    let base = text(&[(1, 1)]);
    let (doubled, none) = (text(&[(1, 1), (1, 2), (1, 1)]), text(&[]));
    for (base, target) in [(&base, &doubled), (&doubled, &base), (&base, &none)] {
        check(base, target);
    }
}

#[test]
fn any_two_texts_have_a_delta() {
    let mut numbers = Numbers(362_436_069);
    let parts: [&[u8]; 6] = [
        b"  - path: ",
        b"\n",
        b"a",
        b" ",
        b"    same line\n",
        &vec![b'x'; 70_000],
    ];
    let mut text = || {
        let count = numbers.below(24);
        let parts: Vec<_> = (0..count)
            .map(|_| parts[numbers.below(parts.len())])
            .collect();
        parts.concat()
    };
    for _ in 0..300 {
        check(&text(), &text());
    }
    let large = vec![7; MOST_COPIED + 70_000];
    assert!(check(&large, &large) < 40);
    check(&large, &large[1..]);
}

#[test]
fn hostile_deltas_are_refused_without_taking_memory() {
    let base = b"0123456789";
    let whole = encode(base, b"0123456789abcdefghijkl", b"-").unwrap();
    assert!(apply(base, &whole).is_ok());
    for len in 0..whole.len() {
        assert!(apply(base, &whole[..len]).is_err(), "{len} bytes");
    }
    assert!(apply(b"012345678", &whole).is_err(), "another base");
    let hostile: [&[u8]; 7] = [
        &[10, 1, 0],
        &[10, 1, 0x91, 9, 2],
        &[10, 1, 0x80],
        &[10, 2, 0x90, 1],
        &[10, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x90, 1],
        &[10, 0xff, 0xff, 0xff, 0xff, 3, 0x90, 1],
        &[0xff; 30],
    ];
    for delta in hostile {
        assert!(apply(base, delta).is_err(), "{delta:?}");
    }
}
