//! A common tree for JSON, YAML and TOML whose nodes know their bytes in the text.
//!
//! The formats' own value types drop spans, quotes, anchors and duplicate keys, which are exactly
//! what an exact edit needs. A scalar keeps its text, so 1.10 stays 1.10. Nothing here depends on a
//! format; `json`, `yaml` and `toml` build these trees.

use std::{collections::HashSet, ops::Range};

use super::Error;
use crate::{
    base::yaml::MERGE,
    model::{Version, version::NotAVersion},
};

/// The byte-order mark that some editors put before UTF-8 text.
pub(super) const BOM: &str = "\u{feff}";

/// A value and its position.
#[derive(Debug)]
pub(super) struct ValueNode {
    /// Its byte range in the text, without a byte-order mark.
    pub span: Range<usize>,
    /// The value.
    pub value: Value,
    /// Why the node and everything below it cannot be edited exactly.
    pub odd: Option<&'static str>,
    /// Its YAML anchor, 0 for none.
    pub anchor: usize,
}

/// The value of a node.
#[derive(Debug)]
pub(super) enum Value {
    /// Keys and values, in file order.
    Map(Vec<MapEntry>),
    /// Values.
    List(Vec<ValueNode>),
    /// A text; in YAML any plain scalar except null.
    Text(String),
    /// A number, a boolean or a date, as written.
    Other(String),
    /// Nothing, `null` or `~`.
    Null,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct MapEntry {
    /// The key as text.
    pub key: String,
    /// The span of the key, including quotes.
    pub key_span: Range<usize>,
    /// The value.
    pub node: ValueNode,
}

impl ValueNode {
    /// Returns the entries of a map, otherwise none.
    pub fn entries(&self) -> &[MapEntry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&ValueNode> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }

    /// Returns every node on the path from below the root to the dotted key; `None` when absent.
    pub fn walk(&self, dotted: &str) -> Option<Vec<&ValueNode>> {
        let mut at = self;
        dotted
            .split('.')
            .map(|key| {
                at = at.get(key)?;
                Some(at)
            })
            .collect()
    }

    /// Returns why the node and everything below it cannot be edited exactly; `is_used` tells
    /// whether an alias refers to an anchor.
    pub fn oddity(&self, is_used: impl Fn(usize) -> bool) -> Option<&'static str> {
        let shared = self.anchor != 0 && is_used(self.anchor);
        if shared {
            Some("it has an anchor, so aliases elsewhere would change with it")
        } else {
            self.odd
        }
    }

    /// Returns true when this node and a node of another text are written alike except for layout;
    /// the node `but` of this tree may differ.
    pub fn is_like(
        &self,
        text: &str,
        other: &ValueNode,
        other_text: &str,
        but: &ValueNode,
    ) -> bool {
        if std::ptr::eq(self, but) {
            return true;
        }
        let like = |a: &ValueNode, b: &ValueNode| a.is_like(text, b, other_text, but);
        let same_keys =
            |a: &MapEntry, b: &MapEntry| text[a.key_span.clone()] == other_text[b.key_span.clone()];
        let same = match (&self.value, &other.value) {
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b)
                        .all(|(a, b)| same_keys(a, b) && like(&a.node, &b.node))
            }
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| like(a, b))
            }
            (Value::Map(_) | Value::List(_), _) | (_, Value::Map(_) | Value::List(_)) => false,
            _ => text[self.span.clone()] == other_text[other.span.clone()],
        };
        same && self.odd == other.odd && self.anchor == other.anchor
    }

    /// Returns the text of a scalar: unescaped for texts, literal for the rest.
    pub fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Other(text) => Some(text),
            _ => None,
        }
    }

    /// Parses the text of a scalar as a version. A number is none: 1.10 and 1.1 are the same.
    pub fn to_version(&self, text: &str) -> Result<Version, NotAVersion> {
        match self.value {
            Value::Other(_) => Err(NotAVersion {
                text: text.into(),
                why: "it is no text; put it in quotes".into(),
            }),
            _ => text.parse(),
        }
    }

    /// Refuses duplicate keys in a map, at any depth.
    pub fn refuse_duplicates(&self, file: &str, text: &str) -> Result<(), Error> {
        match &self.value {
            Value::List(items) => items
                .iter()
                .try_for_each(|item| item.refuse_duplicates(file, text)),
            Value::Map(entries) => {
                let mut seen = HashSet::new();
                for entry in entries {
                    // YAML's merge key may occur more than once in a map.
                    if !seen.insert(entry.key.as_str()) && entry.key != MERGE {
                        let line = line_at(text, entry.key_span.start);
                        return Err(Error::DuplicateKey {
                            file: file.to_string(),
                            key: entry.key.clone(),
                            line,
                        });
                    }
                    entry.node.refuse_duplicates(file, text)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Returns the line of a byte, counted from 1.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())]
        .split(|byte| *byte == b'\n')
        .count()
}

/// Returns the line of the first git conflict marker, when a complete set is present.
pub(super) fn conflict_in(text: &str) -> Option<usize> {
    let find = |from: usize, mark: &str| {
        text.lines()
            .skip(from)
            .position(|line| line == mark || line.starts_with(&format!("{mark} ")))
    };
    let begin = find(0, "<<<<<<<")?;
    let middle = begin + find(begin, "=======")?;
    find(middle, ">>>>>>>").map(|_| begin + 1)
}

/// Builds the error for invalid syntax; conflict markers are reported as such.
pub(super) fn not_of_format(file: &str, text: &str, line: usize, why: String) -> Error {
    match conflict_in(text) {
        Some(line) => Error::Conflict {
            file: file.to_string(),
            line,
        },
        None => Error::Parse {
            file: file.to_string(),
            line,
            why,
        },
    }
}

/// Checks the size, strips the byte-order mark and checks that the text is UTF-8.
pub(super) fn text_of<'a>(bytes: &'a [u8], file: &str, limit: usize) -> Result<&'a str, Error> {
    if bytes.len() > limit {
        return Err(Error::TooLarge {
            file: file.to_string(),
            size: bytes.len(),
            limit,
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Error::Parse {
        file: file.to_string(),
        line: bytes[..error.valid_up_to()]
            .split(|byte| *byte == b'\n')
            .count(),
        why: "it is not UTF-8".to_string(),
    })?;
    Ok(text.strip_prefix(BOM).unwrap_or(text))
}

/// Replaces one span of the text (counted without the byte-order mark).
pub(super) fn splice(bytes: &[u8], span: &Range<usize>, with: &str) -> Vec<u8> {
    let shift = if bytes.starts_with(BOM.as_bytes()) {
        BOM.len()
    } else {
        0
    };
    let mut out = Vec::with_capacity(bytes.len() + with.len());
    out.extend_from_slice(&bytes[..shift + span.start]);
    out.extend_from_slice(with.as_bytes());
    out.extend_from_slice(&bytes[shift + span.end..]);
    out
}
