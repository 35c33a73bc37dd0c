//! The disks that a power cut can leave, given the durable disk and the pending effects.
//!
//! The kernel may write pending effects in any order, so every subset is possible; writes may also
//! reach the disk in part. The structured cases come first, random subsets fill the rest.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hasher},
    sync::Arc,
};

use super::{
    Pending,
    disk::{Disk, Effect, ROOT},
};

/// A small generator (SplitMix64, Steele et al. 2014): the same seed gives the same states.
pub struct Random(pub u64);

impl Random {
    /// Returns the next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("because it is below a usize")
    }
}

/// How unsynced bytes reach the disk.
#[derive(Clone, Copy, PartialEq)]
enum Tear {
    /// In full.
    No,
    /// The first half of each write.
    Half,
    /// Zeros, at the full length.
    Zeros,
}

/// One possible crash: which pending effects survive.
#[derive(Clone, Copy)]
enum Case {
    None,
    All,
    /// Names, but neither bytes nor attributes.
    Names,
    /// Bytes and attributes, but no names.
    Files,
    AllBut(usize),
    Only(usize),
    /// The first effects, this many.
    First(usize),
    /// Everything, with the writes of one file (`None` = of all files) torn.
    Torn(Tear, Option<u64>),
    /// A random subset from this seed.
    Random(u64),
}

impl Case {
    /// Selects the effects that survive.
    fn keep(self, pending: &[Pending]) -> Vec<bool> {
        let mut random = Random(if let Self::Random(seed) = self {
            seed
        } else {
            0
        });
        let survives = |(at, pending): (usize, &Pending)| match self {
            Self::None => false,
            Self::All | Self::Torn(..) => true,
            Self::Names => pending.effect.file().is_none(),
            Self::Files => pending.effect.file().is_some(),
            Self::AllBut(one) => at != one,
            Self::Only(one) => at == one,
            Self::First(end) => at < end,
            Self::Random(_) => random.below(2) == 1,
        };
        pending.iter().enumerate().map(survives).collect()
    }
}

/// Returns at most `limit` different disks that a power cut can leave.
pub fn states(durable: &Disk, pending: &[Pending], limit: usize, seed: u64) -> Vec<Disk> {
    let mut random = Random(seed);
    let mut cases = structured(pending);
    // When not all fit, each crash point takes different ones; the first four always stay.
    for at in (5..cases.len()).rev() {
        let other = 4 + random.below(at - 3);
        cases.swap(at, other);
    }
    let mut known = HashSet::new();
    let mut disks = Vec::new();
    let mut add = |case: Case| {
        let disk = apply(durable, pending, case);
        let mut hasher = DefaultHasher::new();
        disk.hash_tree(ROOT, &mut hasher);
        if disks.len() < limit && known.insert(hasher.finish()) {
            disks.push(disk);
        }
        disks.len() < limit
    };
    let more = cases.into_iter().all(&mut add);
    // Random subsets repeat once nearly all were seen, so the number of tries is limited too.
    if more && pending.len() > 2 {
        let tries = (limit * 2).min(1 << pending.len().min(20));
        for _ in 0..tries {
            if !add(Case::Random(random.next())) {
                break;
            }
        }
    }
    disks
}

/// Returns the cases that are always worth trying, the four most revealing first.
fn structured(pending: &[Pending]) -> Vec<Case> {
    let all = pending.len();
    let mut cases = vec![Case::None, Case::All, Case::Names, Case::Files];
    cases.extend((0..all).map(Case::AllBut));
    cases.extend((0..all).map(Case::Only));
    cases.extend((1..all).map(Case::First));
    let files: HashSet<u64> = pending
        .iter()
        .filter(|p| matches!(p.effect, Effect::Write { .. }))
        .filter_map(|p| p.effect.file())
        .collect();
    let mut files: Vec<Option<u64>> = files.into_iter().map(Some).collect();
    files.sort_unstable();
    files.push(None);
    for tear in [Tear::Half, Tear::Zeros] {
        cases.extend(files.iter().map(|torn| Case::Torn(tear, *torn)));
    }
    cases
}

/// Returns the disk that one crash leaves.
fn apply(durable: &Disk, pending: &[Pending], case: Case) -> Disk {
    let keep = case.keep(pending);
    let (tear, torn) = if let Case::Torn(tear, torn) = case {
        (tear, torn)
    } else {
        (Tear::No, None)
    };
    let mut disk = durable.clone();
    let lost: HashSet<u64> = pending
        .iter()
        .zip(&keep)
        .filter(|(_, keep)| !**keep)
        .map(|(p, _)| p.id)
        .collect();
    for (pending, _) in pending.iter().zip(&keep).filter(|(_, keep)| **keep) {
        match &pending.effect {
            Effect::Unlink {
                after: Some(id), ..
            } if lost.contains(id) => {}
            Effect::Write { ino, at, bytes }
                if tear != Tear::No && torn.is_none_or(|torn| torn == *ino) =>
            {
                let bytes = match tear {
                    Tear::Half => Arc::from(&bytes[..bytes.len() / 2]),
                    _ => Arc::from(vec![0; bytes.len()]),
                };
                disk.apply(&Effect::Write {
                    ino: *ino,
                    at: *at,
                    bytes,
                });
            }
            effect => disk.apply(effect),
        }
    }
    disk
}
