//! Commits of releases that git rewrote since, and what each became. A rebase leaves the tag where
//! it is, so the release holds, but it is not in the branch any more: `--follow-tags` leaves it
//! out, and "since the release" would count everything anew. The hook `post-rewrite` notes it here.
//!
//! It is a hint, never a proof: a line that cannot be read is passed over, and who uses it asks git
//! whether the commit is there.
//!
//! Its lines are older than JSON records and stay as they are, so the file is kept through the port
//! of records itself.

use std::{collections::BTreeMap, fmt::Write, io};

use crate::{
    base::Fs,
    model::GitId,
    records::{RecordFiles, RecordPort},
};

/// The file in the state folder: a line `old new` each.
const FILE: &str = "rewritten";
/// Largest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;
/// So many are kept; a repository with more has other troubles.
const MOST: usize = 5_000;

/// What each commit became.
pub type Rewritten = BTreeMap<GitId, GitId>;

/// Those that are noted; none when the file cannot be read.
pub fn read(state: &dyn Fs) -> Rewritten {
    let bytes = RecordFiles::within(state).read("", FILE, LIMIT);
    let bytes = bytes.ok().flatten().unwrap_or_default();
    parse(&String::from_utf8_lossy(&bytes))
}

/// Pairs of commits, as git hands them to `post-rewrite` too: `old new`, and perhaps more.
pub fn parse(text: &str) -> Rewritten {
    let pair = |line: &str| {
        let mut words = line.split(' ');
        let mut id = || words.next()?.parse::<GitId>().ok();
        Some((id()?, id()?))
    };
    text.lines().filter_map(pair).collect()
}

/// Notes them, durably.
///
/// # Errors
/// When the file cannot be written.
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
