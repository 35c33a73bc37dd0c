//! SHA-256 compression of several messages at once, for x86-64 processors that support it.
//!
//! The only file of snapback with unsafe code. There are two kinds of it, each with its proof
//! beside it: loads and stores, which take a reference to exactly the bytes that are accessed, and
//! calls of functions that need a processor feature, behind a value that exists only if the feature
//! was detected. Everything else, lanes and lengths, is safe code in `lanes`.
//!
//! Rounds and message schedule are those of FIPS 180-4, 6.2.2; the four-round form of the SHA
//! instructions is Intel's ("Intel SHA Extensions", 2013).
#![expect(
    unsafe_code,
    reason = "processor instructions have no safe interface; see the proofs in this file"
)]

use std::arch::x86_64::{
    __m128i, __m512i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_loadu_si128,
    _mm_set_epi8, _mm_set_epi32, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32, _mm512_add_epi32, _mm512_broadcast_i32x4,
    _mm512_loadu_si512, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_shuffle_epi8,
    _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::{HashBlock, HashState};

/// The round constants (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
static K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// A kernel for two messages at once with the SHA instructions: a single one waits for its own
/// results half of the time.
#[derive(Clone, Copy)]
pub(super) struct Pair(());

impl Pair {
    /// Returns `None` if the processor has no SHA instructions.
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3"))
        .then_some(Self(()))
    }

    /// Compresses as many blocks of each message as the shortest has.
    pub(super) fn compress(self, states: &mut [HashState; 2], blocks: &[&[HashBlock]; 2]) {
        // SAFETY: only `detect` makes a `Pair`, after it has seen all features that the function
        // needs.
        unsafe { two(states, blocks) }
    }
}

/// A kernel for sixteen messages at once, each in a lane of AVX-512.
#[derive(Clone, Copy)]
pub(super) struct Sixteen(());

impl Sixteen {
    /// Returns `None` if the processor lacks AVX-512 for bytes and words.
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw"))
            .then_some(Self(()))
    }

    /// Compresses as many blocks of each message as the shortest has.
    pub(super) fn compress(self, states: &mut [HashState; 16], blocks: &[&[HashBlock]; 16]) {
        // SAFETY: only `detect` makes a `Sixteen`, after it has seen all features that the function
        // needs.
        unsafe { sixteen(states, blocks) }
    }

    /// Like [`Sixteen::compress`], plus sixteen blocks of another message for each block of the
    /// lanes: the SHA instructions wait for one another, and the lanes fill the time.
    ///
    /// `along` must have at least as many groups as the shortest lane has blocks; returns that
    /// number of blocks.
    pub(super) fn compress_along(
        self,
        _sha: Pair,
        states: &mut [HashState; 16],
        blocks: &[&[HashBlock]; 16],
        one: &mut HashState,
        along: &[[HashBlock; 16]],
    ) -> usize {
        // SAFETY: only `detect` makes a `Sixteen` and a `Pair`; together they have seen all
        // features.
        unsafe { sixteen_along(states, blocks, one, along) }
    }
}

/// Arranges the state as the SHA instructions need it: words a, b, e, f and c, d, g, h.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn load_state(state: &HashState) -> [__m128i; 2] {
    let word = state.map(u32::cast_signed);
    [
        _mm_set_epi32(word[0], word[1], word[4], word[5]),
        _mm_set_epi32(word[2], word[3], word[6], word[7]),
    ]
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn store_state([abef, cdgh]: [__m128i; 2], state: &mut HashState) {
    let words = [
        [
            _mm_extract_epi32::<3>(abef),
            _mm_extract_epi32::<2>(abef),
            _mm_extract_epi32::<3>(cdgh),
            _mm_extract_epi32::<2>(cdgh),
        ],
        [
            _mm_extract_epi32::<1>(abef),
            _mm_extract_epi32::<0>(abef),
            _mm_extract_epi32::<1>(cdgh),
            _mm_extract_epi32::<0>(cdgh),
        ],
    ];
    for (word, value) in state.iter_mut().zip(words.as_flattened()) {
        *word = value.cast_unsigned();
    }
}

/// Returns the shuffle that converts big-endian words in memory to native words.
#[inline]
#[target_feature(enable = "sse2")]
fn swap_order() -> __m128i {
    _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3)
}

/// Compresses one block of each of `N` messages with the SHA instructions.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn block<const N: usize>(states: &mut [[__m128i; 2]; N], blocks: [&HashBlock; N]) {
    let before = *states;
    let swap = swap_order();
    let mut words = [[swap; 4]; N];
    for (words, block) in words.iter_mut().zip(blocks) {
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<16>().0) {
            // SAFETY: `bytes` is a reference to the 16 bytes that are read; the load needs no
            // alignment.
            *word = _mm_shuffle_epi8(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }, swap);
        }
    }
    let constants = K.as_chunks::<4>().0;
    macro_rules! four_rounds {
        ($($quad:literal)*) => { $(
            // SAFETY: the reference is to four words of the table, the 16 bytes that are read.
            let constant = unsafe { _mm_loadu_si128(constants[$quad].as_ptr().cast()) };
            for (state, words) in states.iter_mut().zip(&mut words) {
                if $quad >= 4 {
                    let sum = _mm_add_epi32(
                        _mm_sha256msg1_epu32(words[$quad & 3], words[($quad + 1) & 3]),
                        _mm_alignr_epi8::<4>(words[($quad + 3) & 3], words[($quad + 2) & 3]),
                    );
                    words[$quad & 3] = _mm_sha256msg2_epu32(sum, words[($quad + 3) & 3]);
                }
                let sum = _mm_add_epi32(words[$quad & 3], constant);
                state[1] = _mm_sha256rnds2_epu32(state[1], state[0], sum);
                state[0] = _mm_sha256rnds2_epu32(state[0], state[1], _mm_shuffle_epi32::<0x0e>(sum));
            }
        )* };
    }
    four_rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    for (state, before) in states.iter_mut().zip(before) {
        *state = [
            _mm_add_epi32(state[0], before[0]),
            _mm_add_epi32(state[1], before[1]),
        ];
    }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn two(states: &mut [HashState; 2], [left, right]: &[&[HashBlock]; 2]) {
    let mut inner = [load_state(&states[0]), load_state(&states[1])];
    for (left, right) in left.iter().zip(*right) {
        block(&mut inner, [left, right]);
    }
    store_state(inner[0], &mut states[0]);
    store_state(inner[1], &mut states[1]);
}

/// Transposes sixteen rows of sixteen words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(mut rows: [__m512i; 16]) -> [__m512i; 16] {
    let mut half = rows;
    for pair in 0..8 {
        let (even, odd) = (rows[2 * pair], rows[2 * pair + 1]);
        half[2 * pair] = _mm512_unpacklo_epi32(even, odd);
        half[2 * pair + 1] = _mm512_unpackhi_epi32(even, odd);
    }
    // Now rows[4 q + c] has, in its part p of four words, column 4 p + c of rows 4 q to 4 q + 3.
    for quad in 0..4 {
        let [a, b, c, d] = [
            half[4 * quad],
            half[4 * quad + 1],
            half[4 * quad + 2],
            half[4 * quad + 3],
        ];
        rows[4 * quad] = _mm512_unpacklo_epi64(a, c);
        rows[4 * quad + 1] = _mm512_unpackhi_epi64(a, c);
        rows[4 * quad + 2] = _mm512_unpacklo_epi64(b, d);
        rows[4 * quad + 3] = _mm512_unpackhi_epi64(b, d);
    }
    let mut columns = rows;
    for column in 0..4 {
        let [a, b, c, d] = [
            rows[column],
            rows[4 + column],
            rows[8 + column],
            rows[12 + column],
        ];
        let (top_even, top_odd) = (
            _mm512_shuffle_i32x4::<0x88>(a, b),
            _mm512_shuffle_i32x4::<0xdd>(a, b),
        );
        let (low_even, low_odd) = (
            _mm512_shuffle_i32x4::<0x88>(c, d),
            _mm512_shuffle_i32x4::<0xdd>(c, d),
        );
        columns[column] = _mm512_shuffle_i32x4::<0x88>(top_even, low_even);
        columns[4 + column] = _mm512_shuffle_i32x4::<0x88>(top_odd, low_odd);
        columns[8 + column] = _mm512_shuffle_i32x4::<0xdd>(top_even, low_even);
        columns[12 + column] = _mm512_shuffle_i32x4::<0xdd>(top_odd, low_odd);
    }
    columns
}

/// Loads the sixteen words of one block of every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_words(lanes: &[&[HashBlock]; 16], nth: usize) -> [__m512i; 16] {
    let swap = _mm512_broadcast_i32x4(swap_order());
    let mut rows = [swap; 16];
    for (row, lane) in rows.iter_mut().zip(lanes) {
        let block: &HashBlock = &lane[nth];
        // SAFETY: `block` is a reference to the 64 bytes that are read; the load needs no
        // alignment.
        *row = _mm512_shuffle_epi8(unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }, swap);
    }
    transpose(rows)
}

/// Loads the states of sixteen lanes as eight rows, one per word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_states(states: &[HashState; 16]) -> [__m512i; 8] {
    std::array::from_fn(|word| {
        let row: [u32; 16] = std::array::from_fn(|lane| states[lane][word]);
        // SAFETY: `row` has the 64 bytes that are read; the load needs no alignment.
        unsafe { _mm512_loadu_si512(row.as_ptr().cast()) }
    })
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_states(rows: &[__m512i; 8], states: &mut [HashState; 16]) {
    for (word, row) in rows.iter().enumerate() {
        let mut words = [0_u32; 16];
        // SAFETY: `words` has the 64 bytes that are written; the store needs no alignment.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), *row) };
        for (state, value) in states.iter_mut().zip(words) {
            state[word] = value;
        }
    }
}

/// Performs rounds `$round` of the group `$group` of sixteen, in every lane.
///
/// Nothing is moved: the variables a, …, h each lie one place further down after every round.
macro_rules! rounds {
    ($state:ident $words:ident $group:tt : $($round:literal)*) => { $(
        if $group > 0 {
            let (old, new) = ($words[($round + 1) & 15], $words[($round + 14) & 15]);
            let small_0 = _mm512_ternarylogic_epi32::<XOR>(
                _mm512_ror_epi32::<7>(old), _mm512_ror_epi32::<18>(old), _mm512_srli_epi32::<3>(old));
            let small_1 = _mm512_ternarylogic_epi32::<XOR>(
                _mm512_ror_epi32::<17>(new), _mm512_ror_epi32::<19>(new), _mm512_srli_epi32::<10>(new));
            $words[$round] = _mm512_add_epi32(
                _mm512_add_epi32($words[$round], small_0), _mm512_add_epi32($words[($round + 9) & 15], small_1));
        }
        let [a, b, c, e, f, g] = [0, 1, 2, 4, 5, 6].map(|place| $state[(place + 16 - $round) & 7]);
        let (d, h) = ((3 + 16 - $round) & 7, (7 + 16 - $round) & 7);
        let big_1 = _mm512_ternarylogic_epi32::<XOR>(
            _mm512_ror_epi32::<6>(e), _mm512_ror_epi32::<11>(e), _mm512_ror_epi32::<25>(e));
        let constant = _mm512_set1_epi32(K[$group * 16 + $round].cast_signed());
        let first = _mm512_add_epi32(
            _mm512_add_epi32(_mm512_add_epi32($state[h], constant), $words[$round]),
            _mm512_add_epi32(big_1, _mm512_ternarylogic_epi32::<CHOOSE>(e, f, g)));
        let big_0 = _mm512_ternarylogic_epi32::<XOR>(
            _mm512_ror_epi32::<2>(a), _mm512_ror_epi32::<13>(a), _mm512_ror_epi32::<22>(a));
        $state[d] = _mm512_add_epi32($state[d], first);
        $state[h] = _mm512_add_epi32(first, _mm512_add_epi32(big_0, _mm512_ternarylogic_epi32::<MAJORITY>(a, b, c)));
    )* };
}

/// Truth tables of three inputs: exclusive or, "the first chooses between the others", majority.
const XOR: i32 = 0x96;
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

#[target_feature(enable = "avx512f,avx512bw")]
fn sixteen(states: &mut [HashState; 16], lanes: &[&[HashBlock]; 16]) {
    let mut rows = load_states(states);
    let count = lanes.iter().map(|lane| lane.len()).min().unwrap_or(0);
    for nth in 0..count {
        let mut words = load_words(lanes, nth);
        let mut state = rows;
        rounds!(state words 0: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for group in 1..4 {
            rounds!(state words group: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        }
        for (row, state) in rows.iter_mut().zip(state) {
            *row = _mm512_add_epi32(*row, state);
        }
    }
    store_states(&rows, states);
}

#[target_feature(enable = "avx512f,avx512bw,sha,sse4.1,ssse3")]
fn sixteen_along(
    states: &mut [HashState; 16],
    lanes: &[&[HashBlock]; 16],
    one: &mut HashState,
    along: &[[HashBlock; 16]],
) -> usize {
    let mut rows = load_states(states);
    let mut inner = [load_state(one)];
    let count = lanes.iter().map(|lane| lane.len()).min().unwrap_or(0);
    assert!(
        count <= along.len(),
        "the message beside the lanes is too short"
    );
    for (nth, along) in along[..count].iter().enumerate() {
        let mut words = load_words(lanes, nth);
        let mut state = rows;
        // One block per four rounds, so that both dependency chains stay within the processor's
        // out-of-order window.
        macro_rules! sixteen_rounds {
            ($group:tt) => {
                block(&mut inner, [&along[$group * 4]]);
                rounds!(state words $group: 0 1 2 3);
                block(&mut inner, [&along[$group * 4 + 1]]);
                rounds!(state words $group: 4 5 6 7);
                block(&mut inner, [&along[$group * 4 + 2]]);
                rounds!(state words $group: 8 9 10 11);
                block(&mut inner, [&along[$group * 4 + 3]]);
                rounds!(state words $group: 12 13 14 15);
            };
        }
        sixteen_rounds!(0);
        for group in 1..4 {
            sixteen_rounds!(group);
        }
        for (row, state) in rows.iter_mut().zip(state) {
            *row = _mm512_add_epi32(*row, state);
        }
    }
    store_state(inner[0], one);
    store_states(&rows, states);
    count
}
