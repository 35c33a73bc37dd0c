//! SHA-256 of many messages at once, and of a stream together with its pieces.
//!
//! A message is a chain in which every step waits for the previous one; several in parallel keep a
//! processor busy. `kernel` has the x86-64 instructions for that, selected at run time, `lanes`
//! distributes the messages, and the `sha2` crate does everything else and serves all other
//! processors. The digests are the standard's in every case.

#[cfg(target_arch = "x86_64")]
mod kernel;
mod lanes;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sha2::block_api::compress256;

use self::lanes::{LaneQueue, padded};

/// A SHA-256 as raw bytes.
pub type RawDigest = [u8; 32];
/// The unit of compression (FIPS 180-4, 5.2.1).
type HashBlock = [u8; 64];
/// The eight words of an unfinished hash.
type HashState = [u32; 8];

/// The initial words of a hash (FIPS 180-4, 5.3.3).
const INITIAL: HashState = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Messages of fewer bytes are not worth a lane.
const WORTH_A_LANE: usize = 512;

/// With fewer messages than this, sixteen lanes are slower than two.
#[cfg(target_arch = "x86_64")]
const WORTH_SIXTEEN: usize = 10;

/// How much of a processor is used.
#[derive(Clone, Copy, Debug)]
enum LaneUse {
    /// None of its lanes. In an unoptimised build each instruction of the kernels is a call, and
    /// `sha2`, which is optimised in every profile of this project, is a hundred times faster.
    OneByOne,
    /// Messages in lanes, a stream after them.
    Apart,
    /// A stream at the same time as its pieces.
    Beside,
}

impl LaneUse {
    fn of_messages() -> Self {
        if cfg!(debug_assertions) {
            Self::OneByOne
        } else {
            Self::Apart
        }
    }

    /// Asks the processor, once, by trying: where SHA instructions wait for the wide registers that
    /// the lanes use, as in some with AVX-512, both at a time take a hundred times longer.
    fn of_streams() -> Self {
        static FASTEST: OnceLock<LaneUse> = OnceLock::new();
        *FASTEST.get_or_init(|| match Self::of_messages() {
            Self::Apart if Self::Beside.time() < Self::Apart.time() => Self::Beside,
            otherwise => otherwise,
        })
    }

    /// Measures a stream of sixteen pieces: the shorter time of two, as others may interrupt.
    fn time(self) -> Duration {
        let data = [0; 16 * WORTH_A_LANE];
        let ends: [usize; 16] = std::array::from_fn(|nth| (nth + 1) * WORTH_A_LANE);
        let once = || {
            let begun = Instant::now();
            std::hint::black_box(StreamHasher::default().update_by(&data, &ends, self));
            begun.elapsed()
        };
        once().min(once())
    }
}

/// Returns the digests of messages, in order. Fastest for many of similar length.
pub fn digests(messages: &[&[u8]]) -> Vec<RawDigest> {
    digests_by(messages, LaneUse::of_messages())
}

fn digests_by(messages: &[&[u8]], lanes: LaneUse) -> Vec<RawDigest> {
    let mut work = LaneQueue::new(messages);
    in_lanes(&mut work, &mut INITIAL.clone(), &mut [].as_slice(), lanes);
    finish(work)
}

/// Compresses messages in the available lanes, and at the same time blocks of `along` into `one`.
///
/// The rest of both is left for `sha2`: a single message, or everything on a processor without
/// lanes.
#[cfg(target_arch = "x86_64")]
fn in_lanes(
    work: &mut LaneQueue<'_>,
    one: &mut HashState,
    along: &mut &[HashBlock],
    lanes: LaneUse,
) {
    if matches!(lanes, LaneUse::OneByOne) {
        return;
    }
    let pair = kernel::Pair::detect();
    let beside = pair.filter(|_| matches!(lanes, LaneUse::Beside));
    if let Some(sixteen) = kernel::Sixteen::detect() {
        let worth = if pair.is_some() { WORTH_SIXTEEN } else { 2 };
        work.run(worth, |states, blocks: &[&[HashBlock]; 16]| {
            let groups = along.as_chunks().0;
            let count = blocks[0].len().min(groups.len());
            let Some(beside) = beside.filter(|_| count > 0) else {
                return sixteen.compress(states, blocks);
            };
            sixteen.compress_along(
                beside,
                states,
                &blocks.map(|blocks| &blocks[..count]),
                one,
                groups,
            );
            sixteen.compress(states, &blocks.map(|blocks| &blocks[count..]));
            *along = &along[16 * count..];
        });
    }
    if let Some(pair) = pair {
        if along.is_empty() {
            work.run(2, |states, blocks| pair.compress(states, blocks));
        } else {
            work.run(1, |[state], [blocks]: &[&[HashBlock]; 1]| {
                let count = blocks.len().min(along.len());
                let mut states = [*state, *one];
                pair.compress(&mut states, &[&blocks[..count], &along[..count]]);
                [*state, *one] = states;
                compress256(state, &blocks[count..]);
                *along = &along[count..];
            });
        }
    }
}

/// No kernel is known to be worthwhile on other processors.
#[cfg(not(target_arch = "x86_64"))]
fn in_lanes(_: &mut LaneQueue<'_>, _: &mut HashState, _: &mut &[HashBlock], _: LaneUse) {}

/// Compresses the rest, one message at a time.
fn finish(mut work: LaneQueue<'_>) -> Vec<RawDigest> {
    work.run(1, |[state], [blocks]: &[&[HashBlock]; 1]| {
        compress256(state, blocks);
    });
    work.finish().into_iter().map(digest).collect()
}

/// Converts a final state to the digest.
fn digest(state: HashState) -> RawDigest {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    bytes
}

/// An incremental SHA-256 of a stream whose pieces are hashed too: a file and its chunks.
#[derive(Clone)]
pub struct StreamHasher {
    state: HashState,
    /// The bytes after the last whole block.
    rest: HashBlock,
    len: u64,
}

impl Default for StreamHasher {
    fn default() -> Self {
        Self {
            state: INITIAL,
            rest: [0; 64],
            len: 0,
        }
    }
}

impl StreamHasher {
    /// Feeds `data` and returns the digests of those of its pieces that end at `ends`.
    ///
    /// The ends ascend and none exceeds the data; bytes after the last end are in no piece. Where
    /// there are lanes for the pieces, they cost little more time than the stream alone.
    pub fn update(&mut self, data: &[u8], ends: &[usize]) -> Vec<RawDigest> {
        self.update_by(data, ends, LaneUse::of_streams())
    }

    fn update_by(&mut self, data: &[u8], ends: &[usize], lanes: LaneUse) -> Vec<RawDigest> {
        let mut begin = 0;
        let pieces: Vec<&[u8]> = ends
            .iter()
            .map(|end| &data[std::mem::replace(&mut begin, *end)..*end])
            .collect();
        let mut work = LaneQueue::new(&pieces);
        let data = self.fill(data);
        let (mut blocks, rest) = data.as_chunks();
        in_lanes(&mut work, &mut self.state, &mut blocks, lanes);
        compress256(&mut self.state, blocks);
        self.rest[..rest.len()].copy_from_slice(rest);
        self.len += data.len() as u64;
        finish(work)
    }

    /// Returns the number of buffered bytes of an incomplete block.
    fn waiting(&self) -> usize {
        usize::try_from(self.len % 64).expect("because it is below 64")
    }

    /// Fills up the incomplete block; returns the remaining data, empty if the block is still
    /// incomplete.
    fn fill<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let waiting = self.waiting();
        if waiting == 0 {
            return data;
        }
        let (head, data) = data.split_at(data.len().min(64 - waiting));
        self.rest[waiting..waiting + head.len()].copy_from_slice(head);
        self.len += head.len() as u64;
        if self.waiting() == 0 && !head.is_empty() {
            compress256(&mut self.state, &[self.rest]);
        }
        data
    }

    /// Returns the digest of the stream.
    pub fn finish(mut self) -> RawDigest {
        let (tail, blocks) = padded(&self.rest[..self.waiting()], self.len);
        compress256(&mut self.state, &tail[..blocks]);
        digest(self.state)
    }
}
