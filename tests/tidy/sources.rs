//! The sources as text: which files exist, and which parts are code, comments or literals.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Returns the top of the repository.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the names of the crates below `crates`.
pub fn crates() -> Vec<String> {
    let folder = fs::read_dir(top().join("crates")).expect("it lists");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("it is UTF-8");
    let mut names: Vec<String> = folder.map(|entry| name(entry.expect("it lists"))).collect();
    names.sort();
    names
}

/// Returns every Rust file below these folders: path from the top, text.
pub fn sources(folders: &[&str]) -> BTreeMap<String, String> {
    let mut todo: Vec<PathBuf> = folders.iter().map(|folder| top().join(folder)).collect();
    let mut found = BTreeMap::new();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(
                fs::read_dir(&path)
                    .expect("it lists")
                    .map(|entry| entry.expect("it lists").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(top())
                .expect("it is below the top")
                .to_str()
                .expect("sources have plain names");
            found.insert(
                name.to_string(),
                fs::read_to_string(&path).expect("sources are UTF-8"),
            );
        }
    }
    assert!(!found.is_empty(), "there are sources in {folders:?}");
    found
}

/// The kind of a piece of source.
#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Code,
    Comment,
    /// A string or a character literal.
    Literal,
}

/// Splits a source into pieces, in order, each with its end.
fn pieces(text: &str) -> Vec<(Piece, usize)> {
    let bytes = text.as_bytes();
    let mut found: Vec<(Piece, usize)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (piece, end) = match &bytes[at..] {
            [b'/', b'/', ..] => {
                let end = text[at..].find('\n').map_or(bytes.len(), |len| at + len);
                (Piece::Comment, end)
            }
            [b'/', b'*', ..] => {
                let end = text[at..].find("*/");
                (Piece::Comment, end.map_or(bytes.len(), |len| at + len + 2))
            }
            _ => (Piece::Literal, literal_end(text, at)),
        };
        if end > at {
            found.push((piece, end));
            at = end;
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            match found.last_mut() {
                Some((Piece::Code, end)) => *end = at,
                _ => found.push((Piece::Code, at)),
            }
        }
    }
    found
}

/// Returns the end of a literal that begins at `at`, or `at` itself when none does.
fn literal_end(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    match &bytes[at..] {
        [b'r', b'"' | b'#', ..]
            if !text[..at].ends_with(|c: char| c.is_alphanumeric() && c != 'b') =>
        {
            raw_string_end(text, at)
        }
        [b'"', ..] => string_end(bytes, at),
        [b'\'', b'\\', ..] => at + 4 + text[at + 3..].find('\'').unwrap_or(0),
        [b'\'', rest @ ..] if text[at + 1..].chars().nth(1) == Some('\'') => {
            at + 2
                + std::str::from_utf8(rest)
                    .map_or(1, |rest| rest.chars().next().map_or(1, char::len_utf8))
        }
        _ => at,
    }
}

/// Blanks everything but these pieces; newlines stay.
fn only(text: &str, wanted: &[Piece]) -> String {
    let mut from = 0;
    let mut kept = String::new();
    for (piece, end) in pieces(text) {
        let part = &text[from..end];
        let blank = |c: char| if c == '\n' { c } else { ' ' };
        if wanted.contains(&piece) {
            kept.push_str(part);
        } else {
            kept.extend(part.chars().map(blank));
        }
        from = end;
    }
    kept
}

/// Blanks comments, strings and character literals; newlines stay.
pub fn code_only(text: &str) -> String {
    only(text, &[Piece::Code])
}

/// Blanks everything but comments; newlines stay.
pub fn comments_only(text: &str) -> String {
    only(text, &[Piece::Comment])
}

/// Blanks comments; newlines stay.
pub fn without_comments(text: &str) -> String {
    only(text, &[Piece::Code, Piece::Literal])
}

/// Returns the end of a string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// Returns the end of a raw string that begins at `at`, or `at` itself for a raw identifier.
fn raw_string_end(text: &str, at: usize) -> usize {
    let hashes = text[at + 1..]
        .bytes()
        .take_while(|byte| *byte == b'#')
        .count();
    if text.as_bytes().get(at + 1 + hashes) != Some(&b'"') {
        return at;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let begin = at + 2 + hashes;
    text[begin..]
        .find(&close)
        .map_or(text.len(), |len| begin + len + close.len())
}

/// Returns the words of code, each with its offset and line.
pub fn words(code: &str) -> Vec<(usize, usize, &str)> {
    let mut found = Vec::new();
    let (mut begin, mut line) = (None, 1);
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        if c.is_alphanumeric() || c == '_' {
            begin.get_or_insert(at);
        } else if let Some(from) = begin.take() {
            found.push((from, line, &code[from..at]));
        }
        line += usize::from(c == '\n');
    }
    found
}

#[test]
fn comments_and_strings_are_no_code() {
    let text = "a // gix::x\n/* zstd */ b \"crate::cli\" c r#\"duct \" x\"# d 'x' '\\'' e<'a> f \"\\\" g\" h '\"' i";
    let code = code_only(text);
    assert_eq!(
        code.split_whitespace().collect::<Vec<_>>(),
        ["a", "b", "c", "d", "e<'a>", "f", "h", "i"]
    );
    assert_eq!(code.lines().count(), 2);
}

#[test]
fn only_comments_are_comments() {
    let text = "let a = \"// no\"; // yes\n/* b\nc */ d '/' // e";
    let lines = comments_only(text);
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    assert_eq!(lines, ["// yes", "/* b", "c */       // e"]);
}
