//! YAML from untrusted sources: its size is measured, event by event, before anything is built.
//!
//! A reader that expands aliases turns a few lines into gigabytes, so the limit applies to the size
//! with every alias expanded, however many aliases there are. In files that snapback writes itself,
//! anchors and aliases are refused altogether ([`YamlLimits::machine`]). Numbers are not examined:
//! the meaning of `.inf`, `61e9540` or a 256-bit number is up to the reader that wants it.
//!
//! Two parsers are needed: `granit-parser` yields events with positions but no values; `yaml_serde`
//! (libyaml) yields values and writes the bytes of every manifest, and [`documents`] relies on its
//! being an independent implementation for a second opinion.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle};
use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

/// The merge key, which may occur several times in a map.
pub const MERGE: &str = "<<";

/// The limits of a text.
#[derive(Debug, Clone, Copy)]
pub struct YamlLimits {
    /// Size in bytes.
    pub bytes: usize,
    /// Nesting depth of maps and lists, with aliases expanded.
    pub depth: usize,
    /// Bytes of scalars plus `NODE` per node, with aliases expanded.
    pub expanded: usize,
    /// Whether anchors and aliases are allowed.
    pub aliases: bool,
    /// Number of documents.
    pub documents: usize,
}

/// The size that a node counts for besides its text, in bytes.
const NODE: usize = 16;

impl YamlLimits {
    /// Returns the limits for human-written files: 1 MiB, depth 64, 32 MiB with aliases expanded.
    pub fn human() -> Self {
        Self {
            bytes: 1 << 20,
            depth: 64,
            expanded: 32 << 20,
            aliases: true,
            documents: 1,
        }
    }

    /// Returns the limits for files that snapback writes: 64 MiB, depth 16, no anchors.
    pub const fn machine() -> Self {
        Self {
            bytes: 64 << 20,
            depth: 16,
            expanded: usize::MAX,
            aliases: false,
            documents: 1,
        }
    }

    /// Changes the number of documents allowed in one text.
    pub fn with_documents(self, documents: usize) -> Self {
        Self { documents, ..self }
    }

    /// Returns parser options whose own depth limits match.
    pub fn options(self) -> Options {
        let mut options = Options::default();
        options.set_emit_comments(false);
        options.flow_nesting_limit = self.depth;
        options.block_nesting_limit = self.depth;
        options
    }
}

/// The reason why a text is not acceptable YAML.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is larger than the limit.
    #[error("it has {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// The size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The text is not UTF-8, not YAML, or exceeds a limit.
    #[error("not acceptable YAML: {}{why}", if *.line == 0 { String::new() } else { format!("line {line} column {column}: ") })]
    Syntax {
        /// The line, counted from 1; 0 if unknown.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// The reason.
        why: String,
    },
    /// The YAML has another structure than expected.
    #[error("{0}")]
    Shape(String),
}

/// Checks the limits, then deserializes a value.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], limits: YamlLimits) -> Result<T, Error> {
    check(bytes, limits)?;
    yaml_serde::from_slice(bytes).map_err(|error| Error::Shape(error.to_string()))
}

/// Like [`parse`], for a value whose deserialization needs a seed.
pub fn parse_with<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
    limits: YamlLimits,
) -> Result<S::Value, Error> {
    check(bytes, limits)?;
    seed.deserialize(yaml_serde::Deserializer::from_slice(bytes))
        .map_err(|error| Error::Shape(error.to_string()))
}

/// Deserializes every document of a checked text with libyaml alone; `None` if it cannot read one
/// of them.
pub fn documents<T: DeserializeOwned>(text: &str) -> Option<Vec<T>> {
    yaml_serde::Deserializer::from_str(text)
        .map(|document| T::deserialize(document).ok())
        .collect()
}

/// Returns the line of a key, counted from 1, by its dotted path, and whether the whole path was
/// found (true) or only the beginning of it (false).
pub fn line_of(bytes: &[u8], path: &str) -> Option<(usize, bool)> {
    /// An open map or list: the rest of the path inside it, and inside the value that comes next.
    struct OpenLevel<'p> {
        left: Option<&'p str>,
        next: Option<&'p str>,
        is_map: bool,
        at_key: bool,
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let (mut levels, mut found): (Vec<OpenLevel<'_>>, _) = (Vec::new(), None);
    for event in Parser::new_from_str_with_options(text, YamlLimits::human().options()) {
        let (event, span) = event.ok()?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                let left = levels
                    .last_mut()
                    .map_or(Some(path), |level| level.next.take());
                levels.push(OpenLevel {
                    left,
                    next: None,
                    is_map: matches!(event, Event::MappingStart(..)),
                    at_key: true,
                });
                continue;
            }
            Event::Scalar(ref key, ..) => {
                if let Some(level) = levels
                    .last_mut()
                    .filter(|level| level.is_map && level.at_key)
                    && let Some(rest) = level.left.and_then(|left| left.strip_prefix(key.as_ref()))
                    && (rest.is_empty() || rest.starts_with('.'))
                {
                    level.next = Some(rest.trim_start_matches('.'));
                    found = Some((span.start.line(), rest.is_empty()));
                }
            }
            Event::MappingEnd | Event::SequenceEnd => drop(levels.pop()),
            Event::Alias(..) => {}
            _ => continue,
        }
        if let Some(level) = levels.last_mut() {
            level.at_key = !level.at_key;
        }
        if found.is_some_and(|(_, is_whole)| is_whole) {
            break;
        }
    }
    found
}

/// Serializes a value.
pub fn render<T: Serialize>(value: &T) -> String {
    yaml_serde::to_string(value).expect("because plain data always renders")
}

/// Checks the limits, and that no map has a duplicate key, without building anything.
pub fn check(bytes: &[u8], limits: YamlLimits) -> Result<(), Error> {
    if bytes.len() > limits.bytes {
        return Err(Error::TooLarge {
            size: bytes.len(),
            limit: limits.bytes,
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| syntax(None, &error.to_string()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut measure = Measure {
        limits,
        open: Vec::new(),
        anchors: HashMap::new(),
        documents: 0,
        total: 0,
    };
    for event in Parser::new_from_str_with_options(text, limits.options()) {
        let (event, span) =
            event.map_err(|error| syntax(Some(error.marker()), &error.to_string()))?;
        measure.take(&event, &span.start)?;
    }
    Ok(())
}

/// Makes the error for a position.
fn syntax(place: Option<&Marker>, why: &str) -> Error {
    let (line, column) = place.map_or((0, 0), |place| (place.line(), place.col() + 1));
    Error::Syntax {
        line,
        column,
        why: super::text::escape(why.lines().next().unwrap_or_default().as_bytes()),
    }
}

/// The size of a node with its aliases expanded.
#[derive(Debug, Clone, Copy, Default)]
struct NodeSize {
    bytes: usize,
    depth: usize,
}

/// A map or list that is still open.
struct OpenNode<'a> {
    anchor: usize,
    size: NodeSize,
    /// The keys of a map so far; `None` in a list.
    keys: Option<HashSet<Cow<'a, str>>>,
    /// True when the next node of a map is a key.
    at_key: bool,
}

/// The running sizes of a text's nodes.
struct Measure<'a> {
    limits: YamlLimits,
    open: Vec<OpenNode<'a>>,
    anchors: HashMap<usize, NodeSize>,
    documents: usize,
    total: usize,
}

impl<'a> Measure<'a> {
    /// Processes one event.
    fn take(&mut self, event: &Event<'a>, at: &Marker) -> Result<(), Error> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > self.limits.documents {
                    return Err(syntax(Some(at), "it has several documents"));
                }
                self.anchors.clear();
            }
            Event::Alias(anchor) => {
                let Some(size) = self.anchors.get(anchor).copied() else {
                    return Err(syntax(
                        Some(at),
                        "an alias (`*`) stands inside what it names",
                    ));
                };
                return self.node(size, 0, true, at);
            }
            Event::Scalar(text, style, anchor, _) => {
                self.key(text.clone(), *style, at)?;
                return self.node(
                    NodeSize {
                        bytes: NODE + text.len(),
                        depth: 0,
                    },
                    *anchor,
                    false,
                    at,
                );
            }
            Event::SequenceStart(_, anchor, _) => self.open(*anchor, false, at)?,
            Event::MappingStart(_, anchor, _) => self.open(*anchor, true, at)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(closed) = self.open.pop() else {
                    return Ok(());
                };
                let size = NodeSize {
                    bytes: closed.size.bytes + NODE,
                    depth: closed.size.depth + 1,
                };
                return self.node(size, closed.anchor, false, at);
            }
            _ => {}
        }
        Ok(())
    }

    /// Begins a map or list.
    fn open(&mut self, anchor: usize, is_map: bool, at: &Marker) -> Result<(), Error> {
        if self.open.len() >= self.limits.depth {
            return Err(syntax(Some(at), "it is nested deeper than is read"));
        }
        self.open.push(OpenNode {
            anchor,
            size: NodeSize::default(),
            keys: is_map.then(HashSet::new),
            at_key: true,
        });
        Ok(())
    }

    /// Refuses a key that the map already has.
    fn key(&mut self, text: Cow<'a, str>, style: ScalarStyle, at: &Marker) -> Result<(), Error> {
        let Some(OpenNode {
            keys: Some(keys),
            at_key: true,
            ..
        }) = self.open.last_mut()
        else {
            return Ok(());
        };
        if style == ScalarStyle::Plain && text == MERGE {
            return Ok(());
        }
        if keys.contains(&text) {
            return Err(syntax(Some(at), &format!("duplicate mapping key: {text}")));
        }
        keys.insert(text);
        Ok(())
    }

    /// Adds a complete node to its parent.
    fn node(
        &mut self,
        size: NodeSize,
        anchor: usize,
        is_alias: bool,
        at: &Marker,
    ) -> Result<(), Error> {
        if (is_alias || anchor != 0) && !self.limits.aliases {
            return Err(syntax(
                Some(at),
                "it has anchors or aliases (`&`, `*`), which are not read here",
            ));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, size);
        }
        if is_alias && size.depth + self.open.len() > self.limits.depth {
            return Err(syntax(
                Some(at),
                "it is nested deeper than is read, with its aliases (`*`) written out",
            ));
        }
        if is_alias || size.depth == 0 {
            self.total = self.total.saturating_add(size.bytes);
        }
        if self.total > self.limits.expanded {
            return Err(syntax(
                Some(at),
                "it is larger than is read, with its aliases (`*`) written out",
            ));
        }
        if let Some(above) = self.open.last_mut() {
            above.at_key = !above.at_key;
            above.size = NodeSize {
                bytes: above.size.bytes.saturating_add(size.bytes),
                depth: above.size.depth.max(size.depth),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
