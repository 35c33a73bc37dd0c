//! YAML with spans, read event by event, so that nothing is resolved behind our back.
//!
//! A loader would expand aliases, merge maps and turn 1.10 into 1.1 before anyone could look.
//! Anchors, aliases, tags and block scalars are marked instead (`Node::odd`): what holds one
//! cannot be edited exactly. Size, depth and the number of aliases are limited.

use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::{
    Error,
    tree::{Entry, Node, Value, text_of},
};
use crate::base::yaml::{Limits, check};

/// The key that pulls other maps in.
pub(super) const MERGE: &str = "<<";

/// Reads one document within the limits for files that people write.
pub(super) fn parse(bytes: &[u8], file: &str) -> Result<Node, Error> {
    let text = text_of(bytes, file, Limits::human().bytes)?;
    let failed = |line: usize, why: String| Error::Parse { file: file.to_string(), line, why };
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = Limits::human().depth;
    options.block_nesting_limit = Limits::human().depth;
    let mut events = Events { text, parser: Parser::new_from_str_with_options(text, options) };
    let broken = |error: ScanError| failed(error.marker().line(), error.to_string());
    while let Some((event, _)) = events.next().map_err(broken)? {
        if matches!(event, Event::DocumentStart(..)) {
            let (event, span) = events.expect().map_err(broken)?;
            let node = events.node(&event, span).map_err(broken)?;
            node.refuse_duplicates(file, text)?;
            // This also refuses a second document and too many aliases, which the tree only names.
            check(text.as_bytes(), Limits::human()).map_err(|error| failed(0, error.to_string()))?;
            return Ok(node);
        }
    }
    Ok(Node { span: 0..0, value: Value::Null, odd: None })
}

/// The parser and its text.
struct Events<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Events<'a> {
    /// The next event that is no comment.
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, ScanError> {
        self.parser.next().transpose()
    }

    /// The next event, where the grammar promises one.
    fn expect(&mut self) -> Result<(Event<'a>, Span), ScanError> {
        Ok(self.next()?.expect("because the parser closes what it opens before it ends"))
    }

    /// Builds the node that an event begins.
    fn node(&mut self, event: &Event<'a>, span: Span) -> Result<Node, ScanError> {
        let start = bytes_of(span).start;
        match event {
            Event::MappingStart(_, anchor, tag) => {
                let (value, end) = self.map()?;
                Ok(Node { span: start..end, value, odd: odd(*anchor, tag.is_some()) })
            }
            Event::SequenceStart(_, anchor, tag) => {
                let (value, end) = self.list()?;
                Ok(Node { span: start..end, value, odd: odd(*anchor, tag.is_some()) })
            }
            Event::Scalar(text, style, anchor, tag) => {
                let odd = odd(*anchor, tag.is_some()).or_else(|| odd_style(*style));
                let null = *style == ScalarStyle::Plain && matches!(&**text, "" | "~" | "null" | "Null" | "NULL");
                let value = if null { Value::Null } else { Value::Text(text.to_string()) };
                Ok(Node { span: bytes_of(span), value, odd })
            }
            _ => {
                let span = bytes_of(span);
                let value = Value::Other(self.text[span.clone()].to_string());
                Ok(Node { span, value, odd: Some("it is an alias of another value") })
            }
        }
    }

    /// The rest of a map, and where it ends.
    fn map(&mut self) -> Result<(Value, usize), ScanError> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.expect()?;
            if matches!(event, Event::MappingEnd) {
                return Ok((Value::Map(entries), bytes_of(span).end));
            }
            let key = self.node(&event, span)?;
            let (event, span) = self.expect()?;
            let node = self.node(&event, span)?;
            // A key that is a map or an alias keeps its source text, which no dotted key names.
            let text = match (&key.value, key.odd) {
                (Value::Text(text), None) => text.clone(),
                _ => format!("? {}", &self.text[key.span.clone()]),
            };
            entries.push(Entry { key: text, key_span: key.span, node });
        }
    }

    /// The rest of a list, and where it ends.
    fn list(&mut self) -> Result<(Value, usize), ScanError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.expect()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Value::List(items), bytes_of(span).end));
            }
            items.push(self.node(&event, span)?);
        }
    }
}

/// The bytes of a span.
fn bytes_of(span: Span) -> Range<usize> {
    span.byte_range().expect("because a parser of a string knows its bytes")
}

/// Why a node with these properties cannot be edited.
fn odd(anchor: usize, tagged: bool) -> Option<&'static str> {
    match (anchor, tagged) {
        (0, false) => None,
        (0, true) => Some("it has a tag"),
        _ => Some("it has an anchor, so aliases elsewhere would change with it"),
    }
}

/// Why a scalar in this notation cannot be edited.
fn odd_style(style: ScalarStyle) -> Option<&'static str> {
    matches!(style, ScalarStyle::Literal | ScalarStyle::Folded).then_some("it is a block scalar")
}
