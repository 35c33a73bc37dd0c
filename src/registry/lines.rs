//! Files of lines that hold a version: `VERSION` (nothing else in it), Python modules
//! (`__version__ = "1.2.0"`) and `setup.cfg` (`[metadata]`, `version = 1.2.0`).
//!
//! Only what an edit of the version needs is read; every other line is passed over.

use std::ops::Range;

use super::{
    Error,
    tree::{MapEntry, Value, ValueNode, text_of},
};

/// Parses a file that holds a version and nothing else; its key is `version`.
pub(super) fn plain(bytes: &[u8], file: &str, limit: usize) -> Result<ValueNode, Error> {
    let text = text_of(bytes, file, limit)?;
    let begin = text.len() - text.trim_start().len();
    let version = text.trim();
    let has_one = !version.is_empty() && !version.contains(char::is_whitespace);
    let entry = has_one.then(|| entry("version", 0..0, version, begin..begin + version.len()));
    Ok(map(text, entry.into_iter().collect()))
}

/// Parses a Python module: names of texts that are set at the left margin.
pub(super) fn python(bytes: &[u8], file: &str, limit: usize) -> Result<ValueNode, Error> {
    let text = text_of(bytes, file, limit)?;
    let of_line = |(begin, line): (usize, &str)| {
        let (left, right) = line.split_once('=')?;
        let name = left.split(':').next().unwrap_or(left).trim_end();
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return None;
        }
        let value = right.trim_start();
        let at = begin + line.len() - value.len();
        let quote = value.chars().next().filter(|c| "\"'".contains(*c))?;
        let end = value[1..].find(quote)? + 2;
        let rest = value[end..].trim();
        let is_all = rest.is_empty() || rest.starts_with('#');
        let is_plain = !value[..end].contains('\\') && !value[end..].starts_with(quote);
        (is_all && is_plain).then(|| {
            entry(
                name,
                begin..begin + name.len(),
                &value[1..end - 1],
                at..at + end,
            )
        })
    };
    Ok(map(text, lines(text).filter_map(of_line).collect()))
}

/// Parses a file of sections and `key = value` lines.
pub(super) fn ini(bytes: &[u8], file: &str, limit: usize) -> Result<ValueNode, Error> {
    let text = text_of(bytes, file, limit)?;
    let mut sections: Vec<MapEntry> = Vec::new();
    for (begin, line) in lines(text) {
        let head = line.trim_end().strip_prefix('[');
        if let Some(name) = head.and_then(|rest| rest.strip_suffix(']')) {
            sections.push(MapEntry {
                key: name.trim().into(),
                key_span: begin..begin + line.trim_end().len(),
                node: node(Value::Map(Vec::new()), begin..begin),
            });
            continue;
        }
        let found = line.split_once(['=', ':']);
        let Some((key, value)) = found.filter(|_| !line.starts_with([' ', '\t', '#', ';'])) else {
            continue;
        };
        let at = begin + line.len() - value.trim_start().len();
        let (key, value) = (key.trim(), value.trim());
        if let Some(MapEntry { node, .. }) = sections.last_mut()
            && let Value::Map(entries) = &mut node.value
            && !value.is_empty()
        {
            entries.push(entry(
                key,
                begin..begin + key.len(),
                value,
                at..at + value.len(),
            ));
        }
    }
    let root = map(text, sections);
    root.refuse_duplicates(file, text)?;
    Ok(root)
}

/// Returns each line without its end, with where it begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let begin = at;
        at += line.len();
        (begin, line.trim_end_matches(['\n', '\r']))
    })
}

/// Builds a node.
fn node(value: Value, span: Range<usize>) -> ValueNode {
    ValueNode {
        span,
        value,
        odd: None,
        anchor: 0,
    }
}

/// Builds the root.
fn map(text: &str, entries: Vec<MapEntry>) -> ValueNode {
    node(Value::Map(entries), 0..text.len())
}

/// Builds an entry of a text.
fn entry(key: &str, key_span: Range<usize>, value: &str, span: Range<usize>) -> MapEntry {
    MapEntry {
        key: key.into(),
        key_span,
        node: node(Value::Text(value.into()), span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(root: &ValueNode, key: &str) -> Option<(String, Range<usize>)> {
        let node = root.walk(key)?.pop()?;
        Some((node.scalar()?.to_string(), node.span.clone()))
    }

    #[test]
    fn versions_are_found_where_they_are() {
        let file = "file";
        let root = plain(b"\n1.2.0\n", file, 100).expect("it reads");
        assert_eq!(at(&root, "version"), Some(("1.2.0".into(), 1..6)));
        for bytes in [&b""[..], b"1.2.0 of today\n", b"\n\n"] {
            let root = plain(bytes, file, 100).expect("it reads");
            assert_eq!(at(&root, "version"), None);
        }
        let text =
            b"# x\n__version__: str = '1.2.0'  # here\nVERSION = __version__\nother = \"a\\\"b\"\n";
        let root = python(text, file, 100).expect("it reads");
        assert_eq!(at(&root, "__version__"), Some(("1.2.0".into(), 23..30)));
        assert_eq!(at(&root, "VERSION"), None);
        assert_eq!(at(&root, "other"), None);
        let text = b"[metadata]\r\nname = x\r\nversion = 1.2.0\r\n[options]\r\nversion: 3\r\n  version = 4\r\n";
        let root = ini(text, file, 100).expect("it reads");
        assert_eq!(
            at(&root, "metadata.version"),
            Some(("1.2.0".into(), 32..37))
        );
        assert_eq!(at(&root, "options.version"), Some(("3".into(), 59..60)));
        assert!(ini(b"[a]\nx = 1\nx = 2\n", file, 100).is_err());
    }
}
