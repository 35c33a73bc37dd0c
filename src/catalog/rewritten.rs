//! Release commits that git has rewritten, with their successors. A rebase leaves the tag in place,
//! so the release holds, but its commit is no longer in the branch: `--follow-tags` skips it, and
//! "since the release" would count everything again. The hook `post-rewrite` records it here.
//!
//! It is a hint, never a proof: unreadable lines are skipped, and users of it ask git whether the
//! commit exists.
//!
//! The line format is older than JSON records and stays unchanged, so the file goes directly
//! through the record port.

use std::{collections::BTreeMap, fmt::Write, io};

use crate::{
    base::Fs,
    model::GitId,
    records::{RecordFiles, RecordPort},
};

/// The file in the state folder, with lines `old new`.
const FILE: &str = "rewritten";
/// Maximum size of the file, in bytes.
const LIMIT: u64 = 1 << 20;
/// Maximum number of entries; a repository with more has bigger problems.
const MOST: usize = 5_000;

/// Maps each commit to its successor.
pub type Rewritten = BTreeMap<GitId, GitId>;

/// Returns the recorded pairs; none when the file cannot be read.
pub fn read(state: &dyn Fs) -> Rewritten {
    let bytes = RecordFiles::within(state).read("", FILE, LIMIT);
    let bytes = bytes.ok().flatten().unwrap_or_default();
    parse(&String::from_utf8_lossy(&bytes))
}

/// Parses pairs of commits, also as git passes them to `post-rewrite`: `old new`, optionally more.
pub fn parse(text: &str) -> Rewritten {
    let pair = |line: &str| {
        let mut words = line.split(' ');
        let mut id = || words.next()?.parse::<GitId>().ok();
        Some((id()?, id()?))
    };
    text.lines().filter_map(pair).collect()
}

/// Saves the pairs, durably.
///
/// # Errors
/// Fails when the file cannot be written.
pub fn write(state: &dyn Fs, all: &Rewritten) -> io::Result<()> {
    let mut text = String::new();
    for (old, new) in all.iter().take(MOST) {
        let _ = writeln!(text, "{old} {new}");
    }
    RecordFiles::within(state).write("", FILE, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let (old, new) = ("a".repeat(40), "b".repeat(40));
        let found = parse(&format!("{old} {new} more\n{old}\n\nx y\n{new} \n"));
        assert_eq!(found.len(), 1);
        assert_eq!(
            found.iter().next().map(|(old, new)| format!("{old} {new}")),
            Some(format!("{old} {new}"))
        );
    }
}
