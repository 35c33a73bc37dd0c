//! YAML with spans, parsed event by event, so that nothing is resolved implicitly.
//!
//! A loader would expand aliases, merge maps and turn 1.10 into 1.1 before they could be inspected.
//! Here anchors, aliases, tags and block scalars are marked (`Node::odd`): a node that holds one
//! cannot be edited exactly. Plain scalars (`.inf`, `61e9540`, a 256-bit number) are not
//! interpreted; they keep their literal text. Size, depth and the size of expanded aliases are
//! limited.

use std::{collections::HashSet, ops::Range};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::{
    Error,
    tree::{MapEntry, Value, ValueNode, conflict_in, not_of_format, text_of},
};
use crate::base::yaml::{self, YamlLimits};

/// Maximum number of documents in one text.
const DOCUMENTS: usize = 1_000;

/// The contents of a YAML text.
pub(super) struct YamlContent {
    /// Its documents, at least one.
    pub documents: Vec<ValueNode>,
    /// Anchors that an alias refers to: document and number.
    pub used: HashSet<(usize, usize)>,
}

/// Parses every document, within the limits for hand-written files.
pub(super) fn parse(bytes: &[u8], file: &str) -> Result<YamlContent, Error> {
    let limits = YamlLimits::human().with_documents(DOCUMENTS);
    let text = text_of(bytes, file, limits.bytes)?;
    // Between brackets, markers would be read as a multi-line text.
    if let Some(line) = conflict_in(text) {
        return Err(Error::Conflict {
            file: file.to_string(),
            line,
        });
    }
    let mut events = Events {
        text,
        parser: Parser::new_from_str_with_options(text, limits.options()),
        aliases: Vec::new(),
    };
    let mut stream = YamlContent {
        documents: Vec::new(),
        used: HashSet::new(),
    };
    let broken = |error: ScanError| {
        not_of_format(
            file,
            text,
            error.marker().line(),
            format!("it is not valid YAML: {error}"),
        )
    };
    while let Some((event, _)) = events.next().map_err(broken)? {
        if matches!(event, Event::DocumentStart(..)) {
            let (event, span) = events.expect().map_err(broken)?;
            let node = events.node(&event, span).map_err(broken)?;
            node.refuse_duplicates(file, text)?;
            let at = stream.documents.len();
            stream
                .used
                .extend(events.aliases.drain(..).map(|anchor| (at, anchor)));
            stream.documents.push(node);
        }
    }
    // Refuses excessive alias expansion, which the tree only records.
    yaml::check(text.as_bytes(), limits).map_err(|error| match error {
        yaml::Error::Syntax { line, why, .. } => not_of_format(file, text, line, why),
        other => not_of_format(file, text, 0, other.to_string()),
    })?;
    if stream.documents.is_empty() {
        stream.documents.push(ValueNode {
            span: 0..0,
            value: Value::Null,
            odd: None,
            anchor: 0,
        });
    }
    Ok(stream)
}

/// The parser and its text.
struct Events<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    /// Anchors referred to by aliases of the document so far.
    aliases: Vec<usize>,
}

impl<'a> Events<'a> {
    /// Returns the next event that is not a comment.
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, ScanError> {
        self.parser.next().transpose()
    }

    /// Returns the next event where the grammar guarantees one.
    fn expect(&mut self) -> Result<(Event<'a>, Span), ScanError> {
        Ok(self
            .next()?
            .expect("because the parser closes what it opens before it ends"))
    }

    /// Builds the node that an event begins.
    fn node(&mut self, event: &Event<'a>, span: Span) -> Result<ValueNode, ScanError> {
        let start = bytes_of(span).start;
        match event {
            Event::MappingStart(_, anchor, tag) => {
                let (value, end) = self.map()?;
                Ok(ValueNode {
                    span: start..end,
                    value,
                    odd: odd(tag.is_some()),
                    anchor: *anchor,
                })
            }
            Event::SequenceStart(_, anchor, tag) => {
                let (value, end) = self.list()?;
                Ok(ValueNode {
                    span: start..end,
                    value,
                    odd: odd(tag.is_some()),
                    anchor: *anchor,
                })
            }
            Event::Scalar(text, style, anchor, tag) => {
                let odd = odd(tag.is_some()).or_else(|| odd_style(*style));
                let null = *style == ScalarStyle::Plain
                    && matches!(&**text, "" | "~" | "null" | "Null" | "NULL");
                let value = if null {
                    Value::Null
                } else {
                    Value::Text(text.to_string())
                };
                Ok(ValueNode {
                    span: bytes_of(span),
                    value,
                    odd,
                    anchor: *anchor,
                })
            }
            other => {
                if let Event::Alias(anchor) = other {
                    self.aliases.push(*anchor);
                }
                let span = bytes_of(span);
                let value = Value::Other(self.text[span.clone()].to_string());
                Ok(ValueNode {
                    span,
                    value,
                    odd: Some("it is an alias of another value"),
                    anchor: 0,
                })
            }
        }
    }

    /// Parses the rest of a map and returns where it ends.
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
            // A key that is a map or an alias keeps its source text, which no dotted key matches.
            let text = match (&key.value, key.odd) {
                (Value::Text(text), None) if key.anchor == 0 => text.clone(),
                _ => format!("? {}", &self.text[key.span.clone()]),
            };
            entries.push(MapEntry {
                key: text,
                key_span: key.span,
                node,
            });
        }
    }

    /// Parses the rest of a list and returns where it ends.
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

/// Returns the byte range of a span.
fn bytes_of(span: Span) -> Range<usize> {
    span.byte_range()
        .expect("because a parser of a string knows its bytes")
}

/// Returns why a node with these properties cannot be edited.
fn odd(tagged: bool) -> Option<&'static str> {
    tagged.then_some("it has a tag")
}

/// Returns why a scalar in this notation cannot be edited.
fn odd_style(style: ScalarStyle) -> Option<&'static str> {
    matches!(style, ScalarStyle::Literal | ScalarStyle::Folded).then_some("it is a block scalar")
}
