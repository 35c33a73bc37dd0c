//! XML with spans, as far as `pom.xml` needs it: elements with a text and nothing else.

use super::{
    Error,
    tree::{MapEntry, Value, ValueNode, line_at, not_of_format, text_of},
};

/// Maximum nesting depth.
const DEPTH: usize = 64;

/// Parses a text of at most `limit` bytes. Of elements with one name only the first counts.
pub(super) fn parse(bytes: &[u8], file: &str, limit: usize) -> Result<ValueNode, Error> {
    let text = text_of(bytes, file, limit)?;
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: 1 << 20,
        ..roxmltree::ParsingOptions::default()
    };
    let document = roxmltree::Document::parse_with_options(text, options).map_err(|error| {
        let line = error.pos().row as usize;
        not_of_format(file, text, line, format!("it is not valid XML: {error}"))
    })?;
    let root = document.root_element();
    let inside = to_node(root, text, 0).ok_or_else(|| {
        let line = line_at(text, root.range().start);
        not_of_format(file, text, line, "it is nested deeper than is read".into())
    })?;
    let entry = MapEntry {
        key: root.tag_name().name().into(),
        key_span: root.range().start..root.range().start,
        node: inside,
    };
    Ok(ValueNode {
        span: 0..text.len(),
        value: Value::Map(vec![entry]),
        odd: None,
        anchor: 0,
    })
}

/// Converts an element; `None` when it is nested too deep.
fn to_node(element: roxmltree::Node<'_, '_>, text: &str, depth: usize) -> Option<ValueNode> {
    let node = |value, span| ValueNode {
        span,
        value,
        odd: None,
        anchor: 0,
    };
    if depth > DEPTH {
        return None;
    }
    let mut entries: Vec<MapEntry> = Vec::new();
    for child in element.children().filter(roxmltree::Node::is_element) {
        let key = child.tag_name().name();
        if entries.iter().all(|entry| entry.key != key) {
            let start = child.range().start;
            entries.push(MapEntry {
                key: key.into(),
                key_span: start..start + key.len() + 1,
                node: to_node(child, text, depth + 1)?,
            });
        }
    }
    let mut inside = element.children();
    let only = inside.next().filter(|_| inside.next().is_none());
    let Some(only) = only.filter(|_| entries.is_empty()) else {
        return Some(node(Value::Map(entries), element.range()));
    };
    let range = only.range();
    let written = &text[range.clone()];
    let begin = range.start + written.len() - written.trim_start().len();
    let trimmed = written.trim();
    let span = begin..begin + trimmed.len();
    // Entities and such make another text than is written.
    let is_plain = only.is_text() && only.text() == Some(written);
    Some(if is_plain && !trimmed.is_empty() {
        node(Value::Text(trimmed.into()), span)
    } else {
        node(Value::Other(written.into()), range)
    })
}
