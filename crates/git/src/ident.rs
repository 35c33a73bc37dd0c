//! The attribute `ident`: `$Id$` in git is `$Id: <id of the blob> $` in the work tree.
//!
//! Follows git's `convert.c` when storing, and its `ident_filter_fn`, used by checkouts, when
//! writing: there `$$Id$` is not a keyword, and one with an inner space belongs to another system
//! and is kept. (With `text=auto`, git treats such oddities differently. Both yield the same blob.)
//! gix omits a space, and leaves `$Id$` alone.

use model::GitId;

/// Number of bytes that expansion adds to a keyword, besides the id.
const AROUND: usize = 3;

/// The position of a keyword in a text: the bytes between `Id` and the final `$`.
struct Keyword {
    /// Just after `$Id`.
    from: usize,
    /// At the final `$`.
    to: usize,
}

/// Returns the next keyword from a position on: `$Id$`, or `$Id:...$` on one line.
fn next(text: &[u8], mut at: usize) -> Option<Keyword> {
    loop {
        at += text.get(at..)?.iter().position(|byte| *byte == b'$')? + 1;
        let Some(rest) = text.get(at..).and_then(|rest| rest.strip_prefix(b"Id")) else {
            continue;
        };
        let from = at + 2;
        match rest.first() {
            Some(b'$') => return Some(Keyword { from, to: from }),
            Some(b':') => match rest.iter().position(|byte| matches!(byte, b'$' | b'\n')) {
                Some(end) if rest[end] == b'$' => {
                    return Some(Keyword {
                        from,
                        to: from + end,
                    });
                }
                _ => {}
            },
            _ => {}
        }
    }
}

/// Counts the keywords.
pub(super) fn count(text: &[u8]) -> usize {
    let mut at = 0;
    std::iter::from_fn(|| next(text, at).inspect(|found| at = found.to + 1)).count()
}

/// Returns what git stores: keywords are unexpanded.
pub(super) fn to_git(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(found) = next(text, at) {
        out.extend_from_slice(&text[at..found.from]);
        out.push(b'$');
        at = found.to + 1;
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// Returns the work-tree form: keywords contain the blob's id.
pub(super) fn to_worktree(text: &[u8], id: &GitId) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        let matched = rest[at + 1..]
            .iter()
            .zip(b"Id")
            .take_while(|(byte, wanted)| byte == wanted)
            .count();
        // The byte that ended the match is consumed, even if it could begin another keyword.
        let decides = at + 1 + matched;
        let end = match rest.get(decides) {
            Some(b'$') if matched == 2 => Some(decides),
            Some(b':') if matched == 2 => rest[decides..]
                .iter()
                .position(|byte| matches!(byte, b'$' | b'\n'))
                .map(|more| decides + more),
            _ => None,
        };
        match end {
            Some(end) if rest[end] == b'$' && !is_foreign(&rest[decides..=end]) => {
                out.extend_from_slice(&rest[..decides]);
                out.extend_from_slice(format!(": {id} $").as_bytes());
                rest = &rest[end + 1..];
            }
            _ => {
                let taken = (end.unwrap_or(decides) + 1).min(rest.len());
                out.extend_from_slice(&rest[..taken]);
                rest = &rest[taken..];
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

/// True for another system's text after `$Id`: `: ` and white space before the last position.
fn is_foreign(inside: &[u8]) -> bool {
    let Some(words) = inside.strip_prefix(b": ") else {
        return false;
    };
    words
        .windows(2)
        .any(|pair| matches!(pair[0], b' ' | b'\t' | b'\r') && pair[1] != b'$')
}

/// True when a size results from the `written` size with some keywords unexpanded.
pub(super) fn is_size(size: u64, written: usize, keywords: usize, id: &GitId) -> bool {
    let more = (id.as_str().len() + AROUND) as u64;
    (written as u64)
        .checked_sub(size)
        .is_some_and(|less| less % more == 0 && less / more <= keywords as u64)
}
