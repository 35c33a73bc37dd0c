//! JSON with spans: strict JSON only, as serde_json reads it, and no duplicate keys.
//!
//! serde_json decides what is valid (it also limits the depth to 128); jsonc-parser, which is
//! more lenient, says where things stand.

use jsonc_parser::{
    ast,
    common::Ranged,
    {CollectOptions, CommentCollectionStrategy, ParseOptions},
};

use super::{
    Error,
    tree::{Entry, Node, Value, text_of},
};

/// Reads a text of at most `limit` bytes; also gives its plain value, for comparisons.
pub(super) fn parse(bytes: &[u8], file: &str, limit: usize) -> Result<(Node, serde_json::Value), Error> {
    let text = text_of(bytes, file, limit)?;
    let plain = serde_json::from_str(text).map_err(|error| Error::Parse {
        file: file.to_string(),
        line: error.line(),
        why: format!("it is not valid JSON: {error}"),
    })?;
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: false };
    let failed = |why: String| Error::Parse { file: file.to_string(), line: 0, why };
    let parsed = jsonc_parser::parse_to_ast(text, &collect, &ParseOptions::default()).map_err(|error| failed(error.to_string()))?;
    let node = to_node(parsed.value.ok_or_else(|| failed("it is empty".to_string()))?);
    node.refuse_duplicates(file, text)?;
    Ok((node, plain))
}

/// Converts the parser's tree.
fn to_node(value: ast::Value<'_>) -> Node {
    let range = value.range();
    let value = match value {
        ast::Value::StringLit(text) => Value::Text(text.value.into_owned()),
        ast::Value::NumberLit(number) => Value::Other(number.value.to_string()),
        ast::Value::BooleanLit(boolean) => Value::Other(boolean.value.to_string()),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => Value::List(array.elements.into_iter().map(to_node).collect()),
        ast::Value::Object(object) => Value::Map(object.properties.into_iter().map(to_entry).collect()),
    };
    Node { span: range.start..range.end, value, odd: None }
}

/// Converts one property.
fn to_entry(property: ast::ObjectProp<'_>) -> Entry {
    let range = property.name.range();
    Entry { key: property.name.into_string(), key_span: range.start..range.end, node: to_node(property.value) }
}
