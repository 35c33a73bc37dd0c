//! Adds or removes one entry of a JSON map or list, in the style of its neighbours.
//!
//! Pure text: takes a container, the spans of its items and a recipe for a new one, and returns one
//! byte replacement. Removing an added entry restores the previous bytes whenever all items are
//! separated alike.

use std::ops::Range;

use super::tree::{Value, ValueNode};

/// A replacement of one span of the text.
pub(super) struct TextEdit {
    /// The span to replace.
    pub span: Range<usize>,
    /// The replacement text.
    pub text: String,
}

/// A new item: an optional key with either fields (a map) or one text.
pub(super) struct Item<'a> {
    /// The key, `None` in a list.
    pub key: Option<&'a str>,
    /// The value.
    pub body: NewValue<'a>,
}

/// The value of a new item.
pub(super) enum NewValue<'a> {
    /// One text.
    Text(&'a str),
    /// A map of texts.
    Fields(Vec<(&'a str, &'a str)>),
    /// Any value, already rendered.
    Written(&'a str),
}

/// A JSON text in its original form and as strict JSON of the same length. In the strict form, only
/// the comma and blanks stand between two items.
pub(super) struct JsonText<'a> {
    /// The original text.
    pub text: &'a str,
    /// The same text with comments and trailing commas blanked.
    pub strict: &'a str,
}

impl JsonText<'_> {
    /// Returns true when nothing was blanked in the span.
    fn is_plain(&self, span: Range<usize>) -> bool {
        self.text[span.clone()] == self.strict[span]
    }
}

/// Returns the spans of a container's items; a property runs from its key to the end of its value.
pub(super) fn item_spans(container: &ValueNode) -> Vec<Range<usize>> {
    match &container.value {
        Value::Map(entries) => entries
            .iter()
            .map(|entry| entry.key_span.start..entry.node.span.end)
            .collect(),
        Value::List(items) => items.iter().map(|item| item.span.clone()).collect(),
        _ => Vec::new(),
    }
}

/// Adds an item before item `at`, or after the last one.
pub(super) fn insert(
    texts: &JsonText<'_>,
    root: &ValueNode,
    container: &ValueNode,
    at: usize,
    item: &Item<'_>,
) -> TextEdit {
    let text = texts.strict;
    let spans = item_spans(container);
    let style = ItemLayout::of(texts, root, container, &spans);
    let new = style.render(text, container, item);
    let Some(last) = spans.last() else {
        return into_empty(texts, &style, container, &new);
    };
    // A comment before the next item belongs to that item.
    let before = |next: &Range<usize>| {
        at.checked_sub(1)
            .map_or(container.span.start, |before| spans[before].end)..next.start
    };
    if let Some(next) = spans.get(at).filter(|next| texts.is_plain(before(next))) {
        return TextEdit {
            span: next.start..next.start,
            text: format!("{new}{}", style.separator),
        };
    }
    after_last(texts, &style, last.end..container.span.end - 1, &new)
}

/// Adds the first item. Comments between the brackets stay in front of it.
fn into_empty(
    texts: &JsonText<'_>,
    style: &ItemLayout,
    container: &ValueNode,
    new: &str,
) -> TextEdit {
    let (open, close) = brackets(texts.strict, container);
    let inside = texts.text[container.span.start + 1..container.span.end - 1].trim_end();
    let open = if inside.trim().is_empty() {
        open.to_string()
    } else {
        format!("{open}{inside}")
    };
    let text = style.lines.as_ref().map_or_else(
        || format!("{open}{new}{close}"),
        |lines| {
            format!(
                "{open}{nl}{inner}{new}{nl}{outer}{close}",
                nl = lines.newline,
                inner = lines.inner,
                outer = lines.outer
            )
        },
    );
    TextEdit {
        span: container.span.clone(),
        text,
    }
}

/// Adds an item after the last one; `rest` runs from there to the closing bracket. Keeps a trailing
/// comma, and keeps a comment on the same line with its item.
fn after_last(texts: &JsonText<'_>, style: &ItemLayout, rest: Range<usize>, new: &str) -> TextEdit {
    let end = rest.start;
    let line = texts.text[rest].split('\n').next().unwrap_or_default();
    let line = line.trim_end();
    let is_open = line.contains("/*") && !line.contains("*/");
    if style.lines.is_none() || is_open || line.trim_start_matches(',').trim().is_empty() {
        return TextEdit {
            span: end..end,
            text: format!("{}{new}", style.separator),
        };
    }
    let comment = line.strip_prefix(',').unwrap_or(line);
    let last = if line.starts_with(',') { "," } else { "" };
    let separator = style
        .separator
        .strip_prefix(',')
        .unwrap_or(&style.separator);
    TextEdit {
        span: end..end + line.len(),
        text: format!(",{comment}{separator}{new}{last}"),
    }
}

/// Spreads every single-line map item over several lines, so that git's line-based merge keeps two
/// of them apart. Returns `None` when there is no such item, or when items share a line.
pub(super) fn in_blocks(text: &str, root: &ValueNode, container: &ValueNode) -> Option<String> {
    let spans = item_spans(container);
    let indents: Option<Vec<&str>> = spans
        .iter()
        .map(|span| indent_at(text, span.start))
        .collect();
    let (indents, unit) = (indents?, unit_of(text, root));
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let nodes: Vec<&ValueNode> = match &container.value {
        Value::Map(entries) => entries.iter().map(|entry| &entry.node).collect(),
        Value::List(items) => items.iter().collect(),
        _ => return None,
    };
    let mut out = text.to_string();
    for (node, indent) in nodes.into_iter().zip(indents).rev() {
        if node.entries().is_empty() || text[node.span.clone()].contains('\n') {
            continue;
        }
        let field = |entry: &super::tree::MapEntry| {
            format!(
                "{newline}{indent}{unit}{}",
                &text[entry.key_span.start..entry.node.span.end]
            )
        };
        let fields: Vec<String> = node.entries().iter().map(field).collect();
        out.replace_range(
            node.span.clone(),
            &format!("{{{}{newline}{indent}}}", fields.join(",")),
        );
    }
    (out != text).then_some(out)
}

/// Removes item `at` together with its separator.
pub(super) fn remove(text: &str, container: &ValueNode, at: usize) -> TextEdit {
    let spans = item_spans(container);
    let span = match (spans.len(), spans.get(at + 1)) {
        (1, _) => {
            let (open, close) = brackets(text, container);
            return TextEdit {
                span: container.span.clone(),
                text: format!("{open}{close}"),
            };
        }
        (_, Some(next)) => spans[at].start..next.start,
        (_, None) => spans[at - 1].end..spans[at].end,
    };
    TextEdit {
        span,
        text: String::new(),
    }
}

/// Returns the brackets of a container.
fn brackets<'a>(text: &'a str, container: &ValueNode) -> (&'a str, &'a str) {
    let span = &container.span;
    (
        &text[span.start..=span.start],
        &text[span.end - 1..span.end],
    )
}

/// Layout of the items of a container.
struct ItemLayout {
    /// Text between two items, including the comma.
    separator: String,
    /// Text between a key and its value.
    colon: String,
    /// Line layout; `None` when everything is on one line.
    lines: Option<Lines>,
}

/// Indentation of items that stand on lines of their own.
struct Lines {
    newline: &'static str,
    /// Indentation of the container's closing bracket.
    outer: String,
    /// Indentation of each item.
    inner: String,
    /// One level of indentation.
    unit: String,
}

impl ItemLayout {
    /// Derives the style from the container, or from the whole text when the container is empty.
    fn of(
        texts: &JsonText<'_>,
        root: &ValueNode,
        container: &ValueNode,
        spans: &[Range<usize>],
    ) -> Self {
        let text = texts.strict;
        let colon = colon_in(text, container)
            .or_else(|| colon_in(text, root))
            .unwrap_or(": ")
            .to_string();
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let unit = unit_of(text, root);
        let bare = root.span.end - root.span.start <= 2;
        let lines = match spans.first() {
            Some(first) => indent_at(text, first.start).map(|inner| {
                (
                    indent_of_line(text, container.span.start),
                    inner.to_string(),
                )
            }),
            None if bare || text[root.span.clone()].contains('\n') => {
                let outer = indent_of_line(text, container.span.start);
                Some((outer, format!("{outer}{unit}")))
            }
            None => None,
        };
        let lines = lines.map(|(outer, inner)| Lines {
            newline,
            outer: outer.to_string(),
            inner,
            unit,
        });
        let separator = match (spans, &lines) {
            ([.., before, last], _) if texts.is_plain(before.end..last.start) => {
                text[before.end..last.start].to_string()
            }
            (_, Some(lines)) => format!(",{}{}", lines.newline, lines.inner),
            _ => if colon.ends_with(' ') { ", " } else { "," }.to_string(),
        };
        Self {
            separator,
            colon,
            lines,
        }
    }

    /// Renders the new item.
    fn render(&self, text: &str, container: &ValueNode, item: &Item<'_>) -> String {
        let key = item
            .key
            .map_or_else(String::new, |key| format!("{}{}", quoted(key), self.colon));
        match &item.body {
            NewValue::Text(value) => format!("{key}{}", quoted(value)),
            NewValue::Written(value) => format!("{key}{value}"),
            NewValue::Fields(fields) => {
                let field = |(name, value): &(&str, &str)| {
                    format!("{}{}{}", quoted(name), self.colon, quoted(value))
                };
                let fields: Vec<String> = fields.iter().map(field).collect();
                let flat = neighbour(container)
                    .is_some_and(|node| !text[node.span.clone()].contains('\n'));
                match &self.lines {
                    Some(Lines {
                        newline,
                        inner,
                        unit,
                        ..
                    }) if !flat => {
                        let glue = format!(",{newline}{inner}{unit}");
                        format!(
                            "{key}{{{newline}{inner}{unit}{}{newline}{inner}}}",
                            fields.join(&glue)
                        )
                    }
                    _ => {
                        let glue = if self.colon.ends_with(' ') { ", " } else { "," };
                        let pad = neighbour(container).map_or("", |node| padding(text, node));
                        format!("{key}{{{pad}{}{pad}}}", fields.join(glue))
                    }
                }
            }
        }
    }
}

/// Returns the last item that is a map, the model for new ones.
pub(super) fn neighbour(container: &ValueNode) -> Option<&ValueNode> {
    let is_map = |node: &&ValueNode| !node.entries().is_empty();
    match &container.value {
        Value::Map(entries) => entries.iter().rev().map(|entry| &entry.node).find(is_map),
        Value::List(items) => items.iter().rev().find(is_map),
        _ => None,
    }
}

/// Returns the blanks after the opening bracket of a single-line map.
fn padding<'a>(text: &'a str, node: &ValueNode) -> &'a str {
    node.entries()
        .first()
        .map_or("", |first| &text[node.span.start + 1..first.key_span.start])
}

/// Returns the text between the first key and its value, in this node or in the maps it holds.
fn colon_in<'a>(text: &'a str, node: &ValueNode) -> Option<&'a str> {
    match &node.value {
        Value::Map(entries) => entries
            .first()
            .map(|entry| &text[entry.key_span.end..entry.node.span.start]),
        Value::List(items) => items.iter().find_map(|item| colon_in(text, item)),
        _ => None,
    }
}

/// Returns one level of indentation: that of the root's items relative to the root.
fn unit_of(text: &str, root: &ValueNode) -> String {
    let first = item_spans(root)
        .first()
        .and_then(|span| indent_at(text, span.start));
    first
        .filter(|indent| !indent.is_empty())
        .unwrap_or("  ")
        .to_string()
}

/// Returns the blanks before a byte when nothing else precedes it on its line.
fn indent_at(text: &str, at: usize) -> Option<&str> {
    let start = text[..at].rfind('\n')? + 1;
    let before = &text[start..at];
    before
        .bytes()
        .all(|byte| matches!(byte, b' ' | b'\t'))
        .then_some(before)
}

/// Returns the indentation of the line that holds a byte.
fn indent_of_line(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = &text[start..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Renders a text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
