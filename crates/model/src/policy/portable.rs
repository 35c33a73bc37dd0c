//! Names that some systems cannot write, or confuse with others.
//!
//! Linux accepts nearly every name, so a release may hold files that Windows or macOS users cannot
//! check out, or that collapse into one. The rules are those of Win32 ("Naming Files, Paths, and
//! Namespaces") and of file systems that fold case and Unicode forms (NTFS, APFS, HFS+).

use std::collections::HashMap;

use base::RelPath;

use crate::fold;

/// A path, and why it is not portable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortabilityTrouble {
    /// The path.
    pub path: RelPath,
    /// The reason, for display.
    pub why: String,
}

/// Returns those of the sorted paths that cannot be written side by side on every system.
pub fn troubles<'a>(paths: impl IntoIterator<Item = &'a RelPath>) -> Vec<PortabilityTrouble> {
    let mut found = Vec::new();
    let mut seen: HashMap<Vec<u8>, &[u8]> = HashMap::new();
    let mut before: &[u8] = b"";
    for path in paths {
        let bytes = path.as_bytes();
        let why = trouble_of(bytes, before, &mut seen);
        found.extend(why.map(|why| PortabilityTrouble {
            path: path.clone(),
            why,
        }));
        before = bytes;
    }
    found
}

/// Returns the first problem of a path; `before` is the previous path, whose folders were checked.
fn trouble_of<'a>(
    path: &'a [u8],
    before: &[u8],
    seen: &mut HashMap<Vec<u8>, &'a [u8]>,
) -> Option<String> {
    let mut trouble = None;
    let mut begin = 0;
    while begin < path.len() {
        let end = path[begin..]
            .iter()
            .position(|byte| *byte == b'/')
            .map_or(path.len(), |len| begin + len);
        let whole = &path[..end];
        let is_known = end < path.len() && before.get(..=end) == path.get(..=end);
        let wrong = wrong_with(&path[begin..end]).map(str::to_string);
        let twin = if is_known {
            None
        } else {
            seen.insert(folded(whole), whole)
                .filter(|other| *other != whole)
        };
        let twin = twin.map(|other| {
            format!(
                "it is {} where case or Unicode forms do not count",
                base::text::escape(other)
            )
        });
        trouble = trouble.or(wrong).or(twin);
        begin = end + 1;
    }
    trouble
}

/// Returns a path as seen by file systems that fold case and Unicode forms.
fn folded(path: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(path) {
        Ok(text) => fold::folded(text).into_bytes(),
        Err(_) => path.to_vec(),
    }
}

/// Returns why Windows rejects a name.
fn wrong_with(name: &[u8]) -> Option<&'static str> {
    let Ok(text) = std::str::from_utf8(name) else {
        return Some("it is not UTF-8");
    };
    if text
        .contains(|c: char| c < ' ' || matches!(c, '<' | '>' | ':' | '"' | '\\' | '|' | '?' | '*'))
    {
        return Some("it holds a character that Windows has for something else");
    }
    if text.ends_with(['.', ' ']) {
        return Some("Windows drops the dot or space at its end");
    }
    is_device(text).then_some("it is the name of a device on Windows")
}

/// True for `CON`, `nul.txt`, `COM1 .log` and the like.
fn is_device(name: &str) -> bool {
    let base = name
        .split('.')
        .next()
        .unwrap_or(name)
        .trim_end_matches(' ')
        .to_ascii_uppercase();
    match base.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        other => {
            let number = other
                .strip_prefix("COM")
                .or_else(|| other.strip_prefix("LPT"))
                .unwrap_or_default();
            let mut digits = number.chars();
            digits
                .next()
                .is_some_and(|c| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³'))
                && digits.next().is_none()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&[u8]]) -> Vec<String> {
        let mut paths: Vec<RelPath> = paths
            .iter()
            .map(|path| RelPath::parse(path).expect("it is legal here"))
            .collect();
        paths.sort();
        troubles(&paths)
            .into_iter()
            .map(|found| found.path.to_text())
            .collect()
    }

    #[test]
    fn names_that_windows_cannot_write() {
        let refused = [
            "CON",
            "con",
            "Con.txt",
            "PRN",
            "aux.tar.gz",
            "NUL",
            "nul .txt",
            "NUL.",
            "COM1",
            "com9.log",
            "COM0",
            "LPT1",
            "lpt³.x",
            "COM¹",
            "CONIN$",
            "conout$.x",
            "a.",
            "a..",
            "a ",
            " ",
            ". ",
            "a. ",
            "...",
            "a:b",
            "a::$DATA",
            "C:",
            "a<b",
            "a>b",
            "a\"b",
            "a|b",
            "a?b",
            "a*b",
            "a\\b",
            "a\nb",
            "a\tb",
            "\u{1}",
        ];
        for name in refused {
            for path in [
                name.to_string(),
                format!("dir/{name}"),
                format!("{name}/file"),
            ] {
                assert_eq!(of(&[path.as_bytes()]).len(), 1, "{path:?}");
            }
        }
        assert_eq!(of(&[b"\xff"]), ["bytes:ff"]);
    }

    #[test]
    fn names_that_only_look_like_them_pass() {
        let fine = [
            "CONSOLE",
            "con1",
            "xCON",
            "CON_",
            "COM",
            "COM10",
            "COMA",
            "LPT",
            "LPT12",
            "nulx.txt",
            "NUL-1",
            "auxiliary.py",
            "x.CON",
            ".con",
            "a.b",
            ".a",
            " a",
            "a b",
            "ä",
            "日本.csv",
            "café",
            "a-b_c+d=e@f,g;h!i#j$k%l&m'n(o)p[q]r{s}t~u`v",
            "com4x",
        ];
        for name in fine {
            assert_eq!(of(&[name.as_bytes()]), Vec::<String>::new(), "{name:?}");
        }
        assert_eq!(
            of(&fine.map(str::as_bytes)),
            Vec::<String>::new(),
            "nor are they each other's twins"
        );
    }

    #[test]
    fn twins_by_case_and_unicode_form_also_of_folders() {
        let twins: [(&str, &str); 8] = [
            ("A", "a"),
            ("d/File.py", "d/file.py"),
            ("D/x", "d/y"),
            ("caf\u{e9}", "cafe\u{301}"),
            ("CAF\u{c9}", "cafe\u{301}"),
            ("σ", "ς"),
            ("ß", "SS"),
            ("a/B/c/d", "a/b/c/e"),
        ];
        for (one, other) in twins {
            assert_eq!(
                of(&[one.as_bytes(), other.as_bytes()]).len(),
                1,
                "{one} {other}"
            );
        }
        let apart: [&[u8]; 6] = [b"a/x", b"a/y", b"b/x", b"ab/x", b"a-/x", b"A b"];
        assert_eq!(of(&apart), Vec::<String>::new());
        // A folder that occurs again after another one does not collide with itself.
        assert_eq!(
            of(&[b"a/b/1", b"a/b-/1", b"a/b/2", b"a/c/1"]),
            Vec::<String>::new()
        );
    }
}
