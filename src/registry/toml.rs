//! TOML with spans.

use toml::de::{DeTable, DeValue};

use super::{
    Error,
    tree::{MapEntry, Value, ValueNode, line_at, not_of_format, text_of},
};

/// Parses a text of at most `limit` bytes.
pub(super) fn parse(bytes: &[u8], file: &str, limit: usize) -> Result<ValueNode, Error> {
    let text = text_of(bytes, file, limit)?;
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_at(text, span.start));
        not_of_format(
            file,
            text,
            line,
            format!("it is not valid TOML: {}", error.message()),
        )
    })?;
    let span = table.span();
    Ok(ValueNode {
        span,
        value: to_map(table.into_inner()),
        odd: None,
        anchor: 0,
    })
}

/// Converts a table.
fn to_map(table: DeTable<'_>) -> Value {
    let entry = |(key, value): (toml::Spanned<_>, toml::Spanned<DeValue<'_>>)| {
        let key_span = key.span();
        let key: std::borrow::Cow<'_, str> = key.into_inner();
        MapEntry {
            key: key.into_owned(),
            key_span,
            node: to_node(value),
        }
    };
    Value::Map(table.into_iter().map(entry).collect())
}

/// Converts a value.
fn to_node(value: toml::Spanned<DeValue<'_>>) -> ValueNode {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => Value::Other(number.to_string()),
        DeValue::Float(number) => Value::Other(number.to_string()),
        DeValue::Boolean(boolean) => Value::Other(boolean.to_string()),
        DeValue::Datetime(date) => Value::Other(date.to_string()),
        DeValue::Array(items) => Value::List(items.into_iter().map(to_node).collect()),
        DeValue::Table(table) => to_map(table),
    };
    ValueNode {
        span,
        value,
        odd: None,
        anchor: 0,
    }
}
