//! The file list of a plan: the change of each path, with line counts and remarks.

use similar::{ChangeTag, TextDiff};

use crate::{
    base::RelPath,
    model::plan::{FileLine, Letter},
};

/// Maximum size of texts that are compared line by line.
const COUNTED: usize = 4 << 20;

/// One side of a changed path: its size, and its bytes if available.
#[derive(Debug, Clone, Copy)]
pub struct LineSide<'a> {
    /// Number of bytes.
    pub size: u64,
    /// The bytes; `None` for large files.
    pub bytes: Option<&'a [u8]>,
}

/// Builds the line for one path; `None` when it is absent on both sides.
pub fn line(
    path: &RelPath,
    before: Option<LineSide<'_>>,
    after: Option<LineSide<'_>>,
    large: bool,
    note: String,
) -> Option<FileLine> {
    let letter = match (&before, &after) {
        (None, None) => return None,
        (None, Some(_)) => Letter::A,
        (Some(_), None) => Letter::D,
        (Some(_), Some(_)) => Letter::M,
    };
    let size = after.or(before).map_or(0, |side| side.size);
    let text = |side: Option<LineSide<'_>>| {
        side.map_or(Some(String::new()), |side| side.bytes.and_then(as_text))
    };
    let (added, removed) = match (large, text(before), text(after)) {
        (false, Some(before), Some(after)) => {
            let (added, removed) = count(&before, &after);
            (Some(added), Some(removed))
        }
        _ => (None, None),
    };
    Some(FileLine {
        path: path.clone(),
        letter,
        added,
        removed,
        size,
        large,
        note,
    })
}

/// Returns bytes as text if they are text: UTF-8 without NUL and not too large.
pub fn as_text(bytes: &[u8]) -> Option<String> {
    (bytes.len() <= COUNTED && !bytes.contains(&0))
        .then(|| std::str::from_utf8(bytes).ok().map(String::from))
        .flatten()
}

/// Counts added and removed lines (Myers' algorithm).
fn count(before: &str, after: &str) -> (u32, u32) {
    if before == after {
        return (0, 0);
    }
    let lines = |text: &str| u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    if before.is_empty() || after.is_empty() {
        return (lines(after), lines(before));
    }
    let diff = TextDiff::configure()
        .timeout(std::time::Duration::from_millis(200))
        .diff_lines(before, after);
    diff.iter_all_changes()
        .fold((0, 0), |(added, removed), change| match change.tag() {
            ChangeTag::Insert => (added + 1, removed),
            ChangeTag::Delete => (added, removed + 1),
            ChangeTag::Equal => (added, removed),
        })
}

/// Builds the remark about files that return with other line ends.
pub fn other_line_ends(paths: &[RelPath], than_it: &str, than_they: &str) -> Option<String> {
    /// More names would hide the rest of the plan.
    const MOST: usize = 5;
    let names: Vec<String> = paths.iter().take(MOST).map(ToString::to_string).collect();
    let more = paths.len().saturating_sub(MOST);
    match (names.as_slice(), more) {
        ([], _) => None,
        ([name], _) => Some(format!(
            "{name} comes back with other line ends than {than_it}: .gitattributes and git's settings decide"
        )),
        (_, more) => {
            let more = if more == 0 {
                String::new()
            } else {
                format!(" and {more} more")
            };
            let names = names.join(", ");
            Some(format!(
                "{names}{more} come back with other line ends than {than_they}: .gitattributes and git's settings decide"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_for_text_only() {
        let path = RelPath::parse("a.py").expect("safe");
        let side = |bytes: &'static [u8]| LineSide {
            size: bytes.len() as u64,
            bytes: Some(bytes),
        };
        let text = line(
            &path,
            Some(side(b"a\nb\nc\n")),
            Some(side(b"a\nx\nc\nd\n")),
            false,
            String::new(),
        )
        .expect("it changed");
        assert_eq!(
            (text.letter, text.added, text.removed),
            (Letter::M, Some(2), Some(1))
        );
        let binary =
            line(&path, None, Some(side(b"\0\x01")), false, String::new()).expect("it is new");
        assert_eq!(
            (binary.letter, binary.added, binary.size),
            (Letter::A, None, 2)
        );
        assert_eq!(line(&path, None, None, false, String::new()), None);
    }
}
