//! JSON with spans, including the extensions found in practice: comments, trailing commas, `NaN`,
//! `Infinity` and `-Infinity` (Python writes them), and numbers of any size.
//!
//! [`strict`] replaces these with blanks and numbers of the same length, so that every byte keeps
//! its offset. The result must be JSON that serde_json accepts, and supplies the spans; the words
//! themselves are taken from the original text. No other deviation is accepted.

use jsonc_parser::{
    ast,
    common::Ranged,
    {CollectOptions, CommentCollectionStrategy, ParseOptions},
};
use serde::de::IgnoredAny;

use super::{
    Error,
    tree::{MapEntry, Value, ValueNode, line_at, not_of_format, text_of},
};

/// Maximum nesting depth.
const DEPTH: usize = 128;

/// Parses a text of at most `limit` bytes; also returns it as strict JSON of the same length.
pub(super) fn parse(bytes: &[u8], file: &str, limit: usize) -> Result<(ValueNode, String), Error> {
    let text = text_of(bytes, file, limit)?;
    let failed = |line: usize, why: String| not_of_format(file, text, line, why);
    let strict = strict(text).map_err(|at| {
        failed(
            line_at(text, at),
            "it is nested deeper than is read".to_string(),
        )
    })?;
    serde_json::from_str::<IgnoredAny>(&strict)
        .map_err(|error| failed(error.line(), format!("it is not valid JSON: {error}")))?;
    let collect = CollectOptions {
        comments: CommentCollectionStrategy::Off,
        tokens: false,
    };
    let parsed = jsonc_parser::parse_to_ast(&strict, &collect, &ParseOptions::default())
        .map_err(|error| failed(0, error.to_string()))?;
    let node = to_node(
        parsed
            .value
            .ok_or_else(|| failed(0, "it is empty".to_string()))?,
        text,
    );
    node.refuse_duplicates(file, text)?;
    Ok((node, strict))
}

/// Blanks comments and trailing commas, and replaces each `NaN` and `Infinity` with a number. The
/// error is the offset at which the nesting becomes too deep.
pub(super) fn strict(text: &str) -> Result<String, usize> {
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    let mut depth = 0_usize;
    // The last significant byte, and a comma that nothing has followed yet.
    let (mut last, mut comma) = (b' ', None);
    while at < out.len() {
        let rest = &text.as_bytes()[at..];
        let len = match rest {
            [b' ' | b'\t' | b'\r' | b'\n', ..] => 1,
            [b'/', b'/' | b'*', ..] => blank_comment(&mut out[at..]),
            _ => {
                let len = token(rest);
                match rest[0] {
                    b'[' | b'{' => depth += 1,
                    b']' | b'}' => {
                        depth = depth.saturating_sub(1);
                        if let Some(comma) = comma {
                            out[comma] = b' ';
                        }
                    }
                    _ => {}
                }
                if depth > DEPTH {
                    return Err(at);
                }
                if matches!(&rest[..len], b"NaN" | b"Infinity" | b"-Infinity") {
                    let from = at + usize::from(rest[0] == b'-');
                    out[from..at + len].fill(b'1');
                }
                // A comma that follows no value is not a trailing comma: `[,]` stays invalid.
                comma = (rest[0] == b',' && !matches!(last, b'[' | b'{' | b',' | b':' | b' '))
                    .then_some(at);
                last = rest[0];
                len
            }
        };
        at += len;
    }
    Ok(String::from_utf8(out).expect("because only ASCII is put in the place of whole tokens"))
}

/// Blanks a comment at the start, except its line ends, and returns its length.
fn blank_comment(text: &mut [u8]) -> usize {
    let len = if text[1] == b'/' {
        text.iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(text.len())
    } else {
        match text[2..].windows(2).position(|part| part == b"*/") {
            Some(end) => end + 4,
            // An unterminated comment is not a comment.
            None => return 2,
        }
    };
    for byte in text[..len]
        .iter_mut()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
    {
        *byte = b' ';
    }
    len
}

/// Returns the length of the token at the start.
fn token(text: &[u8]) -> usize {
    if text[0] == b'"' {
        let mut at = 1;
        while at < text.len() && text[at] != b'"' {
            at += if text[at] == b'\\' { 2 } else { 1 };
        }
        return (at + 1).min(text.len());
    }
    let is_word = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'+' | b'.' | b'_')
            || !byte.is_ascii()
    };
    text.iter().take_while(|byte| is_word(byte)).count().max(1)
}

/// Converts the parser's tree; scalars are copied from `text`.
fn to_node(value: ast::Value<'_>, text: &str) -> ValueNode {
    let range = value.range();
    let span = range.start..range.end;
    let value = match value {
        ast::Value::StringLit(text) => Value::Text(text.value.into_owned()),
        ast::Value::NumberLit(_) | ast::Value::BooleanLit(_) => {
            Value::Other(text[span.clone()].to_string())
        }
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => Value::List(
            array
                .elements
                .into_iter()
                .map(|item| to_node(item, text))
                .collect(),
        ),
        ast::Value::Object(object) => Value::Map(
            object
                .properties
                .into_iter()
                .map(|property| to_entry(property, text))
                .collect(),
        ),
    };
    ValueNode {
        span,
        value,
        odd: None,
        anchor: 0,
    }
}

/// Converts one property.
fn to_entry(property: ast::ObjectProp<'_>, text: &str) -> MapEntry {
    let range = property.name.range();
    MapEntry {
        key: property.name.into_string(),
        key_span: range.start..range.end,
        node: to_node(property.value, text),
    }
}

/// Renders a node as canonical JSON: no blanks, keys sorted, numbers as written.
pub(super) fn canonical(node: &ValueNode) -> String {
    canonical_but(node, &|_| false)
}

/// Like [`canonical`], but leaves out the items and properties that `but` selects.
pub(super) fn canonical_but(node: &ValueNode, but: &dyn Fn(&ValueNode) -> bool) -> String {
    let stays = |node: &&ValueNode| !but(node);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match &node.value {
        Value::Null => "null".to_string(),
        Value::Text(text) => quoted(text),
        Value::Other(text) => text.clone(),
        Value::List(items) => {
            format!(
                "[{}]",
                items
                    .iter()
                    .filter(stays)
                    .map(|item| canonical_but(item, but))
                    .collect::<Vec<_>>()
                    .join(",")
            )
        }
        Value::Map(entries) => {
            let mut entries: Vec<&MapEntry> =
                entries.iter().filter(|entry| stays(&&entry.node)).collect();
            entries.sort_by(|a, b| a.key.cmp(&b.key));
            let entry = |entry: &&MapEntry| {
                format!("{}:{}", quoted(&entry.key), canonical_but(&entry.node, but))
            };
            format!(
                "{{{}}}",
                entries.iter().map(entry).collect::<Vec<_>>().join(",")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgiven_keeps_its_place() {
        let text =
            "{ // é \"x\"\n \"a//b\": [1, NaN, -Infinity, Infinity,], /* { */ \"c\": 1e999,\n}\n";
        let strict = strict(text).expect("it is shallow");
        assert_eq!(strict.len(), text.len());
        assert_eq!(
            strict,
            "{          \n \"a//b\": [1, 111, -11111111, 11111111 ],         \"c\": 1e999 \n}\n"
        );
        let (node, _) = parse(text.as_bytes(), "c.json", 1 << 20).expect("it is read");
        assert_eq!(
            canonical(&node),
            r#"{"a//b":[1,NaN,-Infinity,Infinity],"c":1e999}"#
        );
    }

    #[test]
    fn nothing_else_is_forgiven() {
        for text in [
            "[,]", "{,}", "[1,,]", "[1 2]", "{'a': 1}", "{a: 1}", "[nan]", "[+1]", "[0x1]", "[.5]",
            "[1.]", "/* x", "[1] /", "# c\n[]", "[NaN1]",
        ] {
            assert!(parse(text.as_bytes(), "c.json", 1 << 20).is_err(), "{text}");
        }
        assert!(parse("[".repeat(100_000).as_bytes(), "c.json", 1 << 20).is_err());
    }
}
