//! Where a byte stream is cut into chunks, so that two versions of a file share what is the same.
//!
//! Content-defined: a Gear hash rolls over the last 64 bytes (Xia and others, "Ddelta", 2014), and
//! the stream may be cut where the hash is small: rarely before the average size, often after it
//! (normalised chunking: Xia and others, "FastCDC", 2016). Whether an end is a candidate depends
//! on those 64 bytes alone, so after an edit the cuts meet the old ones again. SQLite databases
//! are cut at fixed multiples of their pages, which never move.
//!
//! Cuts are part of the on-disk contract: what decides one may only change together with
//! [`VERSION`], or every file already stored would be stored again. Read [`Cutter`] next.

#[cfg(test)]
mod tests;

/// The version of everything here that decides where a cut falls.
pub const VERSION: u8 = 1;

/// How many bytes decide whether a position is a candidate: the hash has 64 bits and moves by one a
/// byte.
const WINDOW: usize = 64;

/// A file of more bytes than this is cut with [`Sizes::LARGE`].
const LARGE_FROM: u64 = 8 << 20;

/// A file of at most this many bytes is one chunk.
const ONE_CHUNK: usize = 64 << 10;

/// The smallest chunk of a database, in bytes.
const PAGES: usize = 32 << 10;

/// By how many bits a cut is rarer before the average size, and more frequent after it.
const NORMALISATION: u32 = 2;

/// One random word for each byte: what makes a rolling sum a hash. Frozen with [`VERSION`].
///
/// `SplitMix64` (Steele and others, 2014) whose state begins as the text "snapback", little-endian.
static GEAR: [u64; 256] = {
    let mut table = [0; 256];
    let mut state = u64::from_le_bytes(*b"snapback");
    let mut byte = 0;
    while byte < table.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[byte] = word ^ (word >> 31);
        byte += 1;
    }
    table
};

/// The sizes of content-defined chunks, in bytes: `64 <= min <= avg <= max`, `avg` a power of two.
///
/// Only the last chunk of a file may be smaller than `min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    min: usize,
    avg: usize,
    max: usize,
}

impl Sizes {
    /// For files of up to 8 MiB, where finer chunks are worth their entries in the index.
    pub const SMALL: Self = Self {
        min: 32 << 10,
        avg: 64 << 10,
        max: 256 << 10,
    };
    /// For files of more than 8 MiB.
    pub const LARGE: Self = Self {
        min: 64 << 10,
        avg: 256 << 10,
        max: 1 << 20,
    };

    /// Below which the hash makes a candidate, for ends before the average size and for later ones.
    ///
    /// A small hash is one whose highest bits are zero: the only bits that all 64 bytes decide.
    /// What is small enough early is so late as well, so cuts of one size class are nested.
    fn limits(self) -> (u64, u64) {
        let bits = self.avg.ilog2();
        (
            1 << (64 - bits - NORMALISATION),
            1 << (64 - bits + NORMALISATION),
        )
    }

    /// The length of the first chunk of `data`, `None` when the data ends before it does.
    fn first(self, data: &[u8]) -> Option<usize> {
        // No end before `min` is looked at; the hash only has to be warm when the first one is.
        let warm_up = data.get(self.min - WINDOW..self.min - 1)?;
        let mut hash = warm_up.iter().fold(0, |hash, byte| roll(hash, *byte));
        let (strict, loose) = self.limits();
        // The end `e` is decided by the byte before it.
        let (early, late) = (self.min - 1, (self.avg - 1).min(data.len()));
        if let Some(at) = find_below(&mut hash, &data[early..late], strict) {
            return Some(early + at + 1);
        }
        let stop = self.max.min(data.len());
        if let Some(at) = find_below(&mut hash, &data[late..stop], loose) {
            return Some(late + at + 1);
        }
        (stop == self.max).then_some(self.max)
    }
}

/// The hash after one more byte; bytes more than 64 back have left it.
fn roll(hash: u64, byte: u8) -> u64 {
    (hash << 1).wrapping_add(GEAR[usize::from(byte)])
}

/// Rolls on until the hash is below the limit; the index of the byte that made it so.
///
/// Four bytes a step: the table words of a pair are added first, which halves the chain of
/// dependent additions that bounds the speed, and one branch asks for all four.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "one branch that is almost never taken instead of four"
)]
fn find_below(hash: &mut u64, bytes: &[u8], limit: u64) -> Option<usize> {
    let (groups, rest) = bytes.as_chunks::<4>();
    for (nth, group) in groups.iter().enumerate() {
        let words = group.map(|byte| GEAR[usize::from(byte)]);
        let first = (*hash << 1).wrapping_add(words[0]);
        let second = (*hash << 2).wrapping_add((words[0] << 1).wrapping_add(words[1]));
        let third = (second << 1).wrapping_add(words[2]);
        let fourth = (second << 2).wrapping_add((words[2] << 1).wrapping_add(words[3]));
        if (first < limit) | (second < limit) | (third < limit) | (fourth < limit) {
            return Some(
                nth * 4
                    + find_one_by_one(hash, group, limit)
                        .expect("because one of the four is below the limit"),
            );
        }
        *hash = fourth;
    }
    find_one_by_one(hash, rest, limit).map(|at| groups.len() * 4 + at)
}

/// The same, a byte a step.
fn find_one_by_one(hash: &mut u64, bytes: &[u8], limit: u64) -> Option<usize> {
    bytes.iter().position(|byte| {
        *hash = roll(*hash, *byte);
        *hash < limit
    })
}

/// How one file is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cutter {
    /// Where its content says so.
    Gear(Sizes),
    /// After every so many bytes: databases, which change in place, and what is one chunk anyway.
    Pages {
        /// Bytes of each chunk but the last.
        chunk: usize,
    },
}

impl Cutter {
    /// Chooses by the beginning of a file: at least its first 8 MiB and a byte, unless it is
    /// shorter.
    ///
    /// `whole` is the file's length in bytes when `head` is all of it.
    pub fn choose(head: &[u8], whole: Option<u64>) -> Self {
        let len = whole.unwrap_or(u64::MAX);
        if let Some(page) = sqlite_page(head) {
            Self::Pages {
                chunk: page.max(PAGES),
            }
        } else if len <= ONE_CHUNK as u64 {
            Self::Pages { chunk: ONE_CHUNK }
        } else if len <= LARGE_FROM {
            Self::Gear(Sizes::SMALL)
        } else {
            Self::Gear(Sizes::LARGE)
        }
    }

    /// The byte that a file object keeps: [`VERSION`] in the upper four bits, the kind in the
    /// lower.
    pub fn code(&self) -> u8 {
        let kind = CODED
            .iter()
            .find(|(_, cutter)| cutter == self)
            .map_or(0, |(kind, _)| *kind);
        VERSION << 4 | kind
    }

    /// The cutter of a byte, `None` when this version of the chunker does not know it.
    #[cfg(any(test, fuzzing))]
    pub fn from_code(code: u8) -> Option<Self> {
        CODED
            .iter()
            .find(|(kind, _)| VERSION << 4 | kind == code)
            .map(|(_, cutter)| *cutter)
    }

    /// The longest chunk, in bytes. A buffer of this many always holds the end of one.
    pub fn max(&self) -> usize {
        match self {
            Self::Gear(sizes) => sizes.max,
            Self::Pages { chunk } => *chunk,
        }
    }

    /// The ends of the complete chunks in `data`, which begins where a chunk does.
    ///
    /// What lies behind the last end belongs to a chunk that is not over: hand it in again with
    /// more behind it. With `last`, nothing follows and all of `data` is cut. The ends do not
    /// depend on how a file is dealt out to calls. No bytes, no chunk.
    pub fn cut(&self, data: &[u8], last: bool) -> Vec<usize> {
        let mut ends = Vec::with_capacity(data.len() / self.max() + 1);
        self.cut_into(data, last, &mut ends);
        ends
    }

    /// As [`Self::cut`], into a list whose former content is dropped.
    pub fn cut_into(&self, data: &[u8], last: bool, ends: &mut Vec<usize>) {
        ends.clear();
        let mut begin = 0;
        while begin < data.len() {
            let rest = &data[begin..];
            let complete = match self {
                Self::Gear(sizes) => sizes.first(rest),
                Self::Pages { chunk } => (rest.len() >= *chunk).then_some(*chunk),
            };
            let Some(len) = complete.or(last.then_some(rest.len())) else {
                break;
            };
            begin += len;
            ends.push(begin);
        }
    }
}

/// The cutters that files are cut with, and the numbers that stand for them on disk.
const CODED: [(u8, Cutter); 4] = [
    (1, Cutter::Gear(Sizes::SMALL)),
    (2, Cutter::Gear(Sizes::LARGE)),
    (3, Cutter::Pages { chunk: PAGES }),
    (4, Cutter::Pages { chunk: 64 << 10 }),
];

/// The page size of a SQLite database in bytes (its file format, section 1.3), `None` when it is
/// not one.
fn sqlite_page(head: &[u8]) -> Option<usize> {
    let size = head.strip_prefix(b"SQLite format 3\0")?.first_chunk()?;
    match u16::from_be_bytes(*size) {
        1 => Some(1 << 16),
        size if size >= 512 && size.is_power_of_two() => Some(usize::from(size)),
        _ => None,
    }
}
