//! Deltas between two texts of records, in the form in which git's packs keep them.
//!
//! A delta is the sizes of base and result, then instructions: copy a range of the base, or insert
//! bytes (`gitformat-pack`, "Deltified representation"). [`encode`] compares line by line; where
//! the lines no longer match, it goes on at the record of the base with the same first line. What
//! it returns is right for any two texts, and short for those whose records keep their first lines.
//! Whoever stores a delta applies it first; see `pending/similar.rs`.

use std::{collections::HashMap, io};

use bstr::ByteSlice;

/// Most bytes of the two sizes at the beginning.
pub(super) const HEAD: usize = 20;
/// Largest result that is made, in bytes.
const LARGEST: u64 = 1 << 30;
/// Shorter ranges are inserted: an instruction takes up to seven bytes.
const SHORT: usize = 12;
/// Most bytes of one copy instruction.
const MOST_COPIED: usize = 0xff_ffff;
/// Most bytes of one insert instruction.
const MOST_INSERTED: usize = 0x7f;

/// Returns a delta that makes `target` of `base`; `record` begins the first line of each record.
/// `None` when a text is too large for one.
pub(super) fn encode(base: &[u8], target: &[u8], record: &[u8]) -> Option<Vec<u8>> {
    if base.len().max(target.len()) as u64 > LARGEST {
        return None;
    }
    let mut writer = DeltaWriter {
        out: Vec::new(),
        target,
        inserted: 0,
    };
    put_size(&mut writer.out, base.len());
    put_size(&mut writer.out, target.len());
    let mut texts = TextPair {
        base,
        target,
        record,
        first_lines: None,
    };
    let (mut in_base, mut at) = (0, 0);
    while at < target.len() {
        let same = common_prefix(&base[in_base..], &target[at..]);
        if same >= SHORT {
            writer.copy(in_base, at, same);
        }
        (in_base, at) = texts.next_match(in_base + same, at + same);
    }
    writer.insert_until(target.len());
    Some(writer.out)
}

/// A delta that is being written.
struct DeltaWriter<'a> {
    out: Vec<u8>,
    target: &'a [u8],
    /// The bytes of the target that are in the delta.
    inserted: usize,
}

impl DeltaWriter<'_> {
    /// Copies bytes of the base to `at`.
    fn copy(&mut self, mut from: usize, at: usize, len: usize) {
        self.insert_until(at);
        self.inserted = at + len;
        let mut left = len;
        while left > 0 {
            let take = left.min(MOST_COPIED);
            let head = self.out.len();
            self.out.push(0x80);
            for (bit, byte) in from.to_le_bytes().into_iter().take(4).enumerate() {
                self.argument(head, bit, byte);
            }
            for (bit, byte) in take.to_le_bytes().into_iter().take(3).enumerate() {
                self.argument(head, 4 + bit, byte);
            }
            (from, left) = (from + take, left - take);
        }
    }

    /// Adds one byte of an instruction's arguments, unless it is 0.
    fn argument(&mut self, head: usize, bit: usize, byte: u8) {
        if byte != 0 {
            self.out[head] |= 1 << bit;
            self.out.push(byte);
        }
    }

    /// Inserts what is missing of the target's first bytes.
    fn insert_until(&mut self, end: usize) {
        for part in self.target[self.inserted..end].chunks(MOST_INSERTED) {
            self.out
                .push(u8::try_from(part.len()).expect("because it is at most 127"));
            self.out.extend_from_slice(part);
        }
        self.inserted = end;
    }
}

/// The two texts that are compared.
struct TextPair<'a> {
    base: &'a [u8],
    target: &'a [u8],
    record: &'a [u8],
    /// Where the records of the base begin, by their first lines; made when lines do not match.
    first_lines: Option<HashMap<&'a [u8], usize>>,
}

impl TextPair<'_> {
    /// Returns where the texts may be alike again, behind a place where they are not.
    fn next_match(&mut self, in_base: usize, at: usize) -> (usize, usize) {
        let begin = line_begin(self.target, at);
        if at == self.target.len() {
            return (in_base, at);
        }
        if self.is_first(line(self.target, begin)) {
            return self.next_record(begin, at);
        }
        let (in_base, at) = (next_line(self.base, in_base), next_line(self.target, at));
        let (old, new) = (line(self.base, in_base), line(self.target, at));
        if (self.is_first(old) || self.is_first(new)) && old != new {
            return self.next_record(at, at);
        }
        (in_base, at)
    }

    /// Returns the next record of the target that is in the base, too, at or behind the one that
    /// begins at `begin`.
    fn next_record(&mut self, mut begin: usize, at: usize) -> (usize, usize) {
        while begin < self.target.len() {
            let line = line(self.target, begin);
            if self.is_first(line)
                && let Some(found) = self.find(line)
            {
                let skipped = at.saturating_sub(begin);
                return (found + skipped, begin + skipped);
            }
            begin = next_line(self.target, begin);
        }
        (self.base.len(), self.target.len())
    }

    /// Returns where the base has a first line.
    fn find(&mut self, wanted: &[u8]) -> Option<usize> {
        if self.first_lines.is_none() {
            let (mut found, mut at) = (HashMap::new(), 0);
            while at < self.base.len() {
                let line = line(self.base, at);
                if self.is_first(line) {
                    found.insert(line, at);
                }
                at += line.len();
            }
            self.first_lines = Some(found);
        }
        self.first_lines.as_ref()?.get(wanted).copied()
    }

    /// True for the first line of a record, and for one that is not indented.
    fn is_first(&self, line: &[u8]) -> bool {
        line.first().is_some_and(|first| *first != b' ') || line.starts_with(self.record)
    }
}

/// Returns the line that begins here, with its end.
fn line(text: &[u8], begin: usize) -> &[u8] {
    &text[begin..next_line(text, begin)]
}

/// Returns where the line of this place begins.
fn line_begin(text: &[u8], at: usize) -> usize {
    text[..at].rfind_byte(b'\n').map_or(0, |end| end + 1)
}

/// Returns where the next line begins.
fn next_line(text: &[u8], at: usize) -> usize {
    let end = text[at..].find_byte(b'\n');
    end.map_or(text.len(), |end| at + end + 1)
}

/// Returns how many bytes are the same at the beginning.
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let blocks = one.chunks_exact(BLOCK).zip(other.chunks_exact(BLOCK));
    let same = blocks.take_while(|(a, b)| a == b).count() * BLOCK;
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(a, b)| a == b).count()
}

/// Writes a size.
fn put_size(out: &mut Vec<u8>, mut size: usize) {
    while size >= 0x80 {
        out.push(size.to_le_bytes()[0] | 0x80);
        size >>= 7;
    }
    out.push(size.to_le_bytes()[0]);
}

/// Returns the sizes of base and result, and where the instructions begin.
pub(super) fn sizes(delta: &[u8]) -> io::Result<(u64, u64, usize)> {
    let mut at = 0;
    let mut next = || {
        let mut size = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = *delta.get(at)?;
            at += 1;
            size |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(size);
            }
        }
        None
    };
    let sizes = next().zip(next());
    let (base, result) = sizes.ok_or_else(|| bad("its sizes cannot be read"))?;
    Ok((base, result, at))
}

/// Makes the result of a delta. Takes no more memory than the result, which has a limit.
#[cfg(any(test, feature = "fuzz"))]
pub(super) fn apply(base: &[u8], delta: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    apply_to(base, delta, &mut out)?;
    Ok(out)
}

/// Makes the result of a chain of deltas, the last of which is made for `base`.
pub(super) fn apply_all(mut base: Vec<u8>, deltas: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    for delta in deltas.iter().rev() {
        apply_to(&base, delta, &mut out)?;
        std::mem::swap(&mut base, &mut out);
    }
    Ok(base)
}

/// True when the result of a delta is these bytes; makes no copy of them.
pub(super) fn makes(base: &[u8], delta: &[u8], bytes: &[u8]) -> io::Result<bool> {
    let mut rest = Some(bytes);
    let size = for_each_part(base, delta, &mut |part| {
        rest = rest.and_then(|rest| rest.strip_prefix(part));
    })?;
    Ok(rest == Some(&[]) && size == bytes.len())
}

/// Writes the result of a delta over a buffer.
fn apply_to(base: &[u8], delta: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let (_, size, _) = sizes(delta)?;
    out.clear();
    out.reserve_exact(usize::try_from(size).map_or(0, |len| len.min(base.len() + delta.len())));
    for_each_part(base, delta, &mut |part| out.extend_from_slice(part)).map(drop)
}

/// Calls `each` with the parts of a delta's result, in order and never with more bytes than it
/// says; returns its size.
fn for_each_part(base: &[u8], delta: &[u8], each: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
    let (base_size, size, mut at) = sizes(delta)?;
    if base_size != base.len() as u64 {
        return Err(bad("it is of another base"));
    }
    let len = usize::try_from(size).map_err(|_| bad("its result is too large"))?;
    if size > LARGEST {
        return Err(bad("its result is too large"));
    }
    let mut left = len;
    while at < delta.len() {
        let head = delta[at];
        at += 1;
        let part = if head & 0x80 == 0 {
            let part = delta.get(at..at + usize::from(head));
            at += usize::from(head);
            part.filter(|part| !part.is_empty())
        } else {
            let (from, take) = copied(delta, head, &mut at)?;
            base.get(from..from + take)
        };
        let part = part.ok_or_else(|| bad("it names bytes that are not there"))?;
        left = left
            .checked_sub(part.len())
            .ok_or_else(|| bad("its result is longer than it says"))?;
        each(part);
    }
    if left == 0 {
        Ok(len)
    } else {
        Err(bad("its result is shorter than it says"))
    }
}

/// Reads the arguments of a copy instruction: where in the base, and how many bytes.
fn copied(delta: &[u8], head: u8, at: &mut usize) -> io::Result<(usize, usize)> {
    let mut arguments = [0; 7];
    for (bit, argument) in arguments.iter_mut().enumerate() {
        if head & (1 << bit) != 0 {
            *argument = *delta.get(*at).ok_or_else(|| bad("it is cut off"))?;
            *at += 1;
        }
    }
    let number = |bytes: &[u8]| {
        let digits = bytes.iter().rev();
        digits.fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let take = match number(&arguments[4..]) {
        0 => 0x1_0000,
        take => take,
    };
    Ok((number(&arguments[..4]), take))
}

/// Returns the error for a delta that cannot be used.
fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the delta: {why}"))
}

#[cfg(test)]
mod tests;
