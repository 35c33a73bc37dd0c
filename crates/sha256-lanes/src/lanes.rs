//! Assigns messages to lanes: longest first, and a lane that is done takes the next one.
//!
//! Safe code that knows nothing of processors. A lane owns its padding, so a message ends in it as
//! in the standard. Idle lanes repeat the blocks of a busy one into a state that is discarded.

use sha2::block_api::compress256;

use super::{HashBlock, HashState, INITIAL, WORTH_A_LANE};

/// A message in progress.
struct Lane<'a> {
    message: usize,
    state: HashState,
    body: &'a [HashBlock],
    tail: [HashBlock; 2],
    /// The range in `tail` of the blocks still to come.
    begin: usize,
    end: usize,
}

impl<'a> Lane<'a> {
    fn new(message: usize, bytes: &'a [u8]) -> Self {
        let (body, rest) = bytes.as_chunks();
        let (tail, end) = padded(rest, bytes.len() as u64);
        Self {
            message,
            state: INITIAL,
            body,
            tail,
            begin: 0,
            end,
        }
    }

    /// Returns the next contiguous blocks; empty when the message is complete.
    fn next(&self) -> &[HashBlock] {
        if self.body.is_empty() {
            &self.tail[self.begin..self.end]
        } else {
            self.body
        }
    }

    fn advance(&mut self, blocks: usize) {
        if self.body.is_empty() {
            self.begin += blocks;
        } else {
            self.body = &self.body[blocks..];
        }
    }

    fn is_done(&self) -> bool {
        self.next().is_empty()
    }
}

/// Returns the last blocks of a message of `len` bytes, and their number (FIPS 180-4, 5.1.1);
/// `rest` are the bytes after the last whole block.
pub(super) fn padded(rest: &[u8], len: u64) -> ([HashBlock; 2], usize) {
    let mut tail = [[0; 64]; 2];
    tail[0][..rest.len()].copy_from_slice(rest);
    tail[0][rest.len()] = 0x80;
    let blocks = if rest.len() < 56 { 1 } else { 2 };
    tail[blocks - 1][56..].copy_from_slice(&(len * 8).to_be_bytes());
    (tail, blocks)
}

/// Returns the final state of a short message.
fn at_once(bytes: &[u8]) -> HashState {
    let mut state = INITIAL;
    let (body, rest) = bytes.as_chunks();
    compress256(&mut state, body);
    let (tail, blocks) = padded(rest, bytes.len() as u64);
    compress256(&mut state, &tail[..blocks]);
    state
}

/// The messages, waiting, in progress and complete.
pub(super) struct LaneQueue<'a> {
    messages: &'a [&'a [u8]],
    /// Messages not begun, the longest last.
    waiting: Vec<usize>,
    /// Messages begun but in no lane.
    begun: Vec<Lane<'a>>,
    states: Vec<HashState>,
}

impl<'a> LaneQueue<'a> {
    pub(super) fn new(messages: &'a [&'a [u8]]) -> Self {
        let mut states = vec![INITIAL; messages.len()];
        let mut waiting = Vec::with_capacity(messages.len());
        for (nth, (bytes, state)) in messages.iter().zip(&mut states).enumerate() {
            if bytes.len() < WORTH_A_LANE {
                *state = at_once(bytes);
            } else {
                waiting.push(nth);
            }
        }
        waiting.sort_by_key(|message| messages[*message].len());
        Self {
            messages,
            waiting,
            begun: Vec::new(),
            states,
        }
    }

    /// Returns the number of incomplete messages.
    pub(super) fn left(&self) -> usize {
        self.waiting.len() + self.begun.len()
    }

    fn next(&mut self) -> Option<Lane<'a>> {
        self.begun.pop().or_else(|| {
            self.waiting
                .pop()
                .map(|message| Lane::new(message, self.messages[message]))
        })
    }

    /// Compresses in `N` lanes until fewer than `least` messages are left, whose progress is kept.
    pub(super) fn run<const N: usize>(
        &mut self,
        least: usize,
        mut compress: impl FnMut(&mut [HashState; N], &[&[HashBlock]; N]),
    ) {
        let mut lanes: [Option<Lane<'a>>; N] = [const { None }; N];
        loop {
            for lane in &mut lanes {
                if lane.is_none() {
                    *lane = self.next();
                }
            }
            let busy = lanes.iter().flatten().count();
            let Some(first) = lanes.iter().flatten().next().filter(|_| busy >= least) else {
                break;
            };
            let count = lanes
                .iter()
                .flatten()
                .map(|lane| lane.next().len())
                .min()
                .unwrap_or(0);
            let blocks: [&[HashBlock]; N] = lanes
                .each_ref()
                .map(|lane| &lane.as_ref().unwrap_or(first).next()[..count]);
            let mut states = lanes
                .each_ref()
                .map(|lane| lane.as_ref().map_or(INITIAL, |lane| lane.state));
            compress(&mut states, &blocks);
            for (slot, state) in lanes.iter_mut().zip(states) {
                let Some(lane) = slot else { continue };
                lane.state = state;
                lane.advance(count);
                if lane.is_done() {
                    self.states[lane.message] = state;
                    *slot = None;
                }
            }
        }
        self.begun.extend(lanes.into_iter().flatten());
    }

    /// Returns the final states, in the order of the messages; all must be complete.
    pub(super) fn finish(self) -> Vec<HashState> {
        assert_eq!(self.left(), 0, "every message was compressed to its end");
        self.states
    }
}
