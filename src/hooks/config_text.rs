//! Edits git's configuration as text, so that removing an edit restores the exact bytes.
//!
//! Additions stand between two comments; a replaced line is kept in a comment above its
//! replacement. git and users may edit everything around and between: lines that differ from what
//! was written stay. Nothing here touches a file.

use bstr::ByteSlice;

/// Above an added block; the second form records that the file lacked a final line end.
const BEGIN: &str = "# snapback hooks: begin (`snapback hooks uninstall` takes these lines away)";
const BEGIN_UNENDED: &str = "# snapback hooks: begin, after a line without an end (`snapback hooks uninstall` takes these lines away)";
/// Below an added block.
const END: &str = "# snapback hooks: end";
/// Above a replacement; the replaced line follows on the same line.
const INSTEAD: &str = "# snapback hooks: instead of |";

/// The reason why a text cannot be edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditRefusal {
    /// The value spans several lines, is on its section's line, or is not where it is expected.
    Form,
    /// The path has characters that git's configuration cannot hold in one line.
    Path,
}

/// Splits a text into lines with their ends.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Quotes a value for git.
pub fn quoted(value: &[u8]) -> Result<Vec<u8>, EditRefusal> {
    if value.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        return Err(EditRefusal::Path);
    }
    Ok([
        b"\"".as_slice(),
        &value.replace(b"\\", b"\\\\").replace(b"\"", b"\\\""),
        b"\"",
    ]
    .concat())
}

/// Returns the line that sets the hook folder.
fn path_line(folder: &[u8]) -> Result<Vec<u8>, EditRefusal> {
    Ok([b"\thooksPath = ", quoted(folder)?.as_slice(), b"\n"].concat())
}

/// Returns the number of the last line that sets `core.hooksPath`.
fn find_path_line(lines: &[&[u8]]) -> Result<Option<usize>, EditRefusal> {
    let (mut in_core, mut found) = (false, None);
    for (nth, line) in lines.iter().enumerate() {
        let line = line.trim();
        if line.starts_with(b"[") {
            let header = line.to_ascii_lowercase();
            in_core = header.starts_with(b"[core]");
            if in_core && header.contains_str("hookspath") {
                return Err(EditRefusal::Form);
            }
        } else if in_core && line.to_ascii_lowercase().starts_with(b"hookspath") {
            let is_whole =
                !line.ends_with(b"\\") && line["hookspath".len()..].trim_start().starts_with(b"=");
            found = Some(if is_whole {
                nth
            } else {
                return Err(EditRefusal::Form);
            });
        }
    }
    Ok(found)
}

/// Returns true when a text sets `core.hooksPath`, in whatever form.
pub fn sets_path(text: &[u8]) -> bool {
    !matches!(find_path_line(&lines(text)), Ok(None))
}

/// Sets `core.hooksPath` to this folder. `is_set` tells that the text sets it already.
pub fn with_path(text: &[u8], folder: &[u8], is_set: bool) -> Result<Vec<u8>, EditRefusal> {
    let ours = path_line(folder)?;
    if !is_set {
        return Ok(with_block(text, &[b"[core]\n".as_slice(), &ours].concat()));
    }
    let lines = lines(text);
    let at = find_path_line(&lines)?.ok_or(EditRefusal::Form)?;
    if lines[at].trim_end_with(|c| c == '\n') == ours.trim_end_with(|c| c == '\n') {
        return Ok(text.to_vec());
    }
    // A line without an end is the last one, and gets its end from its replacement.
    let kept = [
        INSTEAD.as_bytes(),
        lines[at].trim_end_with(|c| c == '\n'),
        b"\n",
    ]
    .concat();
    let ours = if lines[at].ends_with(b"\n") {
        &ours[..]
    } else {
        &ours[..ours.len() - 1]
    };
    Ok([&lines[..at], &[kept.as_slice(), ours], &lines[at + 1..]]
        .concat()
        .concat())
}

/// Appends a block of lines to a text.
pub fn with_block(text: &[u8], block: &[u8]) -> Vec<u8> {
    let is_ended = text.is_empty() || text.ends_with(b"\n");
    let (gap, begin) = if is_ended {
        ("", BEGIN)
    } else {
        ("\n", BEGIN_UNENDED)
    };
    [
        text,
        gap.as_bytes(),
        begin.as_bytes(),
        b"\n",
        block,
        END.as_bytes(),
        b"\n",
    ]
    .concat()
}

/// Removes everything added or replaced; lines that differ from what was written stay.
pub fn without(text: &[u8], folder: &[u8]) -> Vec<u8> {
    let ours = path_line(folder).unwrap_or_default();
    let lines = lines(text);
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim_end_with(|c| c == '\n');
        if let Some(old) = line.strip_prefix(INSTEAD.as_bytes()) {
            let next = lines.get(at + 1).copied().unwrap_or_default();
            let is_same = !ours.is_empty()
                && next.trim_end_with(|c| c == '\n') == ours.trim_end_with(|c| c == '\n');
            if is_same {
                kept.push(
                    [
                        old,
                        if next.ends_with(b"\n") {
                            b"\n".as_slice()
                        } else {
                            b""
                        },
                    ]
                    .concat(),
                );
            }
            at += 1 + usize::from(is_same);
            continue;
        }
        let is_begin = line == BEGIN.as_bytes() || line == BEGIN_UNENDED.as_bytes();
        let end = lines[at..]
            .iter()
            .position(|line| line.trim_end_with(|c| c == '\n') == END.as_bytes());
        if let (true, Some(end)) = (is_begin, end) {
            let inside = foreign_lines(&lines[at + 1..at + end], &ours);
            if inside.is_empty()
                && line == BEGIN_UNENDED.as_bytes()
                && at + end + 1 == lines.len()
                && let Some(last) = kept.last_mut()
            {
                last.pop();
            }
            kept.extend(inside);
            at += end + 1;
            continue;
        }
        kept.push(lines[at].to_vec());
        at += 1;
    }
    kept.concat()
}

/// Returns foreign lines inside our block, each with its section header.
fn foreign_lines(block: &[&[u8]], ours: &[u8]) -> Vec<Vec<u8>> {
    let mut kept = Vec::new();
    let mut header: Option<&[u8]> = None;
    let mut in_hook = false;
    for line in block {
        let text = line.trim();
        if text.starts_with(b"[") {
            in_hook = text.starts_with(b"[hook \"snapback-");
            header = Some(line);
        } else if *line == ours
            || (in_hook && (text.starts_with(b"event =") || text.starts_with(b"command =")))
        {
        } else {
            kept.extend(header.take().map(<[u8]>::to_vec));
            kept.push(line.to_vec());
        }
    }
    kept
}

/// Returns true when a text contains anything of ours.
pub fn has_ours(text: &[u8]) -> bool {
    text.contains_str("# snapback hooks: ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OURS: &[u8] = b"/r/.git/snapback/hooks";

    fn set(text: &str) -> bool {
        text.to_ascii_lowercase().contains("hookspath")
    }

    fn round(text: &str) -> String {
        let with = with_path(text.as_bytes(), OURS, set(text)).expect("it can be edited");
        assert!(with.contains_str("hooksPath = \"/r/.git/snapback/hooks\"") && has_ours(&with));
        assert_eq!(
            with_path(&with, OURS, true).expect("again"),
            with,
            "twice is once"
        );
        String::from_utf8(without(&with, OURS)).expect("it is text")
    }

    #[test]
    fn what_is_taken_back_is_byte_for_byte_what_was_there() {
        for text in [
            "",
            "[core]\n\tbare = false\n",
            "[core]\n\tbare = false",
            "[core]\n\thooksPath = .husky/_\n[a]\n\tb = c\n",
            "[core]\n\t HooksPath=\"my hooks\"   ; why\r\n",
            "[CORE]\nhookspath = x",
            "[core]\n\thooksPath = a\n[core]\n\thooksPath = b\n",
        ] {
            assert_eq!(round(text), text);
        }
        for text in [
            "[core] hooksPath = x\n",
            "[core]\n\thooksPath = a\\\nb\n",
            "[core]\n\thooksPath\n",
        ] {
            assert_eq!(
                with_path(text.as_bytes(), OURS, true),
                Err(EditRefusal::Form),
                "{text}"
            );
        }
    }

    #[test]
    fn what_others_wrote_since_stays() {
        let with = with_path(b"[core]\n\thooksPath = .husky/_\n", OURS, true)
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        let again = with.replace("\"/r/.git/snapback/hooks\"", ".husky/_");
        assert_eq!(
            without(again.as_bytes(), OURS).to_str().unwrap(),
            "[core]\n\thooksPath = .husky/_\n"
        );
        let block = with_path(b"[a]\n", OURS, false)
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        let more = block.replace("/hooks\"\n", "/hooks\"\n\tabbrev = 9\n")
            + "[branch \"main\"]\n\tremote = origin\n";
        assert_eq!(
            without(more.as_bytes(), OURS).to_str().unwrap(),
            "[a]\n[core]\n\tabbrev = 9\n[branch \"main\"]\n\tremote = origin\n"
        );
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "(\\[core\\]\n|\\[a \"b\"\\]\n|\thooksPath = [a-z/.]{1,5}\n|\tx = y\n|# z\n|\n){0,8}(\tk = v)?") {
            let is_set = find_path_line(&lines(text.as_bytes())).is_ok_and(|found| found.is_some());
            let with = with_path(text.as_bytes(), OURS, is_set).expect("it can be edited");
            let back = without(&with, OURS);
            prop_assert_eq!(back.to_str().unwrap(), text.as_str());
        }
    }
}
