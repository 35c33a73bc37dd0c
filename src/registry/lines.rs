//! Files of lines that hold a version: `VERSION` (nothing else in it), Python modules
//! (`__version__ = "1.2.0"`) and `setup.cfg` (`[metadata]`, `version = 1.2.0`).
//!
//! Only what an edit of the version needs is read; every other line is passed over.

use std::ops::Range;

use super::{
    Error,
    tree::{MapEntry, Value, ValueNode, text_of},
};

/// Parses a file that holds a version and nothing else; its key is `version`. A version with more
/// behind it is read whole, so that it is none.
pub(super) fn plain(bytes: &[u8], file: &str, limit: usize) -> Result<ValueNode, Error> {
    let text = text_of(bytes, file, limit)?;
    let begin = text.len() - text.trim_start().len();
    let whole = text.trim();
    let mut words = whole.split_whitespace();
    let first = words.next().unwrap_or_default();
    let number = first.strip_prefix('v').unwrap_or(first);
    let is_version = number.starts_with(|c: char| c.is_ascii_digit()) && number.contains('.');
    let is_there = !whole.is_empty() && (words.next().is_none() || is_version);
    let entry = is_there.then(|| entry("version", 0..0, whole, begin..begin + whole.len()));
    Ok(map(text, entry.into_iter().collect()))
}

/// Parses a Python module: names that are set at the left margin. What is no plain text is kept as
/// written.
pub(super) fn python(bytes: &[u8], file: &str, limit: usize) -> Result<ValueNode, Error> {
    let text = text_of(bytes, file, limit)?;
    let in_texts = long_texts(text);
    let is_code = |(begin, _): &(usize, &str)| in_texts.iter().all(|found| !found.contains(begin));
    let entries = lines(text).filter(is_code).filter_map(assignment);
    Ok(map(text, entries.collect()))
}

/// Returns the entry of a line that sets a name.
fn assignment((begin, line): (usize, &str)) -> Option<MapEntry> {
    let (left, right) = line.split_once('=')?;
    let name = left.split(':').next().unwrap_or(left).trim_end();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) || right.starts_with('=') {
        return None;
    }
    let value = right.trim_start();
    let at = begin + line.len() - value.len();
    let key_span = begin..begin + name.len();
    Some(match plain_text(value) {
        Some(end) => entry(name, key_span, &value[1..end - 1], at..at + end),
        None => MapEntry {
            key: name.into(),
            key_span,
            node: node(Value::Other(value.trim_end().into()), at..at + value.len()),
        },
    })
}

/// Returns where a plain text ends that is the whole value.
fn plain_text(value: &str) -> Option<usize> {
    let quote = value.chars().next().filter(|c| "\"'".contains(*c))?;
    let end = value[1..].find(quote)? + 2;
    let rest = value[end..].trim();
    let is_all = rest.is_empty() || rest.starts_with('#');
    let is_plain = !value[..end].contains('\\') && !value[end..].starts_with(quote);
    (is_all && is_plain).then_some(end)
}

/// Returns the texts in three quotes of a Python module, which may go over several lines. Each
/// range begins behind the quotes.
fn long_texts(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'#' => at += bytes[at..].iter().take_while(|c| **c != b'\n').count(),
            b'"' | b'\'' => {
                let long = [*byte; 3];
                let is_long = bytes[at..].starts_with(&long);
                let quotes = if is_long { &long[..] } else { &long[..1] };
                let begin = at + quotes.len();
                at = begin;
                while at < bytes.len()
                    && !bytes[at..].starts_with(quotes)
                    && (is_long || bytes[at] != b'\n')
                {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
                found.extend(is_long.then_some(begin..at));
                at += quotes.len();
            }
            _ => at += 1,
        }
    }
    found
}

/// Parses a file of sections and `key = value` lines.
pub(super) fn ini(bytes: &[u8], file: &str, limit: usize) -> Result<ValueNode, Error> {
    let text = text_of(bytes, file, limit)?;
    let mut sections: Vec<MapEntry> = Vec::new();
    // A key whose value is in the next line.
    let mut open: Option<(String, Range<usize>)> = None;
    for (begin, line) in lines(text) {
        let inner = line.trim_start();
        if let Some((key, span)) = open.take()
            && inner.len() < line.len()
            && let Some(entries) = last_entries(&mut sections)
        {
            let (at, value) = (begin + line.len() - inner.len(), inner.trim_end());
            entries.push(entry(&key, span, value, at..at + value.len()));
            continue;
        }
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
        let span = begin..begin + key.len();
        if value.is_empty() {
            open = Some((key.to_string(), span));
        } else if let Some(entries) = last_entries(&mut sections) {
            entries.push(entry(key, span, value, at..at + value.len()));
        }
    }
    let root = map(text, sections);
    root.refuse_duplicates(file, text)?;
    Ok(root)
}

/// Returns the entries of the last section.
fn last_entries(sections: &mut [MapEntry]) -> Option<&mut Vec<MapEntry>> {
    match &mut sections.last_mut()?.node.value {
        Value::Map(entries) => Some(entries),
        _ => None,
    }
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
        for bytes in [&b""[..], b"of today 1.2.0\n", b"\n\n"] {
            let root = plain(bytes, file, 100).expect("it reads");
            assert_eq!(at(&root, "version"), None);
        }
        let root = plain(b"1.2.0 # c\n", file, 100).expect("it reads");
        assert_eq!(at(&root, "version"), Some(("1.2.0 # c".into(), 0..9)));
        let text =
            b"# x\n__version__: str = '1.2.0'  # here\nVERSION = __version__\nother = \"a\\\"b\"\n";
        let root = python(text, file, 100).expect("it reads");
        assert_eq!(at(&root, "__version__"), Some(("1.2.0".into(), 23..30)));
        for (key, written) in [("VERSION", "__version__"), ("other", "\"a\\\"b\"")] {
            let node = root.get(key).expect("it is there");
            assert!(matches!(&node.value, Value::Other(text) if text == written));
        }
        let text = b"[metadata]\r\nname = x\r\nversion = 1.2.0\r\n[options]\r\nversion: 3\r\n  version = 4\r\n";
        let root = ini(text, file, 100).expect("it reads");
        assert_eq!(
            at(&root, "metadata.version"),
            Some(("1.2.0".into(), 32..37))
        );
        assert_eq!(at(&root, "options.version"), Some(("3".into(), 59..60)));
        assert!(ini(b"[a]\nx = 1\nx = 2\n", file, 100).is_err());
        let root = ini(b"[a]\nx =\n\t1.2.0\ny =\nz = 3\n", file, 100).expect("it reads");
        assert_eq!(at(&root, "a.x"), Some(("1.2.0".into(), 9..14)));
        assert_eq!(at(&root, "a.y"), None);
        assert_eq!(at(&root, "a.z"), Some(("3".into(), 23..24)));
    }

    #[test]
    fn what_is_in_a_long_text_of_python_is_none() {
        let text = "\"\"\"doc 'x\n__version__ = \"0.0.9\"\n\"\"\"\n# don't\na = 'it\\'s'\nb = r'''\nc = 1\n'''\n__version__: str = \"1.0.0\"\n";
        let root = python(text.as_bytes(), "x.py", 1000).expect("it reads");
        let begin = text.rfind("\"1.0.0").expect("it is there");
        assert_eq!(
            at(&root, "__version__"),
            Some(("1.0.0".into(), begin..begin + 7))
        );
        assert!(root.get("c").is_none() && root.get("b").is_some());
    }
}
