//! The version in a task's own configuration file: YAML, JSON or TOML, by the file's extension.
//!
//! The key is dotted: `version`, `task.version`, `project.version`. A version is read as the
//! text that stands there, so `1.10` never becomes 1.1. An edit replaces that text and nothing
//! else; it is refused where the format would let it mean more than one place (anchors,
//! aliases, merge keys, tags, several lines), or where two parsers disagree about the result.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{
    Error, json, toml,
    tree::{BOM, Node, Value, splice},
    yaml,
};
use crate::{
    base::{RelPath, secret},
    model::Version,
};

/// The largest configuration that is read: 1 MiB.
const LIMIT: usize = 1 << 20;

/// The formats, by extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Yaml,
    Json,
    Toml,
}

/// The version at a key; `None` when the key is absent or holds nothing.
pub fn version(bytes: &[u8], file_name: &RelPath, key: &str) -> Result<Option<Version>, Error> {
    let (_, root) = read(bytes, file_name)?;
    let Some(node) = find(&root, file_name, key)? else { return Ok(None) };
    match (&node.value, node.scalar()) {
        (Value::Null, _) => Ok(None),
        (_, Some(text)) => {
            let wrong = |source| Error::ReadVersion { file: file_name.to_string(), key: key.to_string(), source };
            text.parse().map(Some).map_err(wrong)
        }
        _ => Err(Error::Shape { file: file_name.to_string(), why: format!("{key:?} is a map or a list, not a version") }),
    }
}

/// The bytes with another version at the key; every other byte stays.
///
/// A configuration without the key is [`Error::NoVersion`].
pub fn with_version(bytes: &[u8], file_name: &RelPath, key: &str, version: &Version) -> Result<Vec<u8>, Error> {
    let (format, root) = read(bytes, file_name)?;
    let refused = |why: &str| Error::Edit { file: file_name.to_string(), key: key.to_string(), why: why.to_string() };
    let missing = || Error::NoVersion { file: file_name.to_string(), key: key.to_string() };
    let node = find(&root, file_name, key)?.ok_or_else(missing)?;
    let on_the_way = root.walk(key).unwrap_or_default();
    if let Some(why) = std::iter::once(&root).chain(on_the_way).find_map(|node| node.odd) {
        return Err(refused(why));
    }
    let text = text(bytes);
    let raw = &text[node.span.clone()];
    let Value::Text(old) = &node.value else {
        return Err(if matches!(node.value, Value::Null) { missing() } else { refused("it is not a text") });
    };
    let new = version.to_string();
    let quote = ["\"", "'", ""].into_iter().find(|quote| *raw == format!("{quote}{old}{quote}"));
    let quote = quote.filter(|quote| !raw.contains('\n') && (format == Format::Yaml || !quote.is_empty()));
    let quote = quote.ok_or_else(|| refused("it is not written as one plain text on one line"))?;
    let after = splice(bytes, &node.span, &format!("{quote}{new}{quote}"));
    let same = read(&after, file_name).is_ok_and(|(_, root)| find(&root, file_name, key).is_ok_and(|node| holds(node, &new)));
    if !same || !only_this_differs(format, text, self::text(&after), key, &new) {
        return Err(refused("two parsers do not agree about the result"));
    }
    Ok(after)
}

/// Every scalar as dotted key (lists: `key[0]`) and text, in the order of the file, for people.
///
/// Values whose key or text looks like a secret are `***`.
pub fn values(bytes: &[u8], file_name: &RelPath) -> Result<Vec<(String, String)>, Error> {
    let (_, root) = read(bytes, file_name)?;
    let mut out = Vec::new();
    flatten(&root, String::new(), false, &mut out);
    Ok(out)
}

/// Reads a file by its extension.
fn read(bytes: &[u8], file_name: &RelPath) -> Result<(Format, Node), Error> {
    let file = file_name.to_string();
    let lower = file_name.name().to_ascii_lowercase();
    let extension = lower.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    match extension {
        b"yaml" | b"yml" => Ok((Format::Yaml, yaml::parse(bytes, &file)?)),
        b"json" => Ok((Format::Json, json::parse(bytes, &file, LIMIT)?.0)),
        b"toml" => Ok((Format::Toml, toml::parse(bytes, &file, LIMIT)?)),
        _ => Err(Error::Format { file }),
    }
}

/// The node at a dotted key. A merge key on the way could hide it: that is an error, not absence.
fn find<'a>(root: &'a Node, file_name: &RelPath, key: &str) -> Result<Option<&'a Node>, Error> {
    let mut at = root;
    for name in key.split('.') {
        match at.get(name) {
            Some(node) => at = node,
            None if at.get(yaml::MERGE).is_some() || (at.odd.is_some() && at.entries().is_empty() && at.scalar().is_some()) => {
                let why = format!("{key:?} may come from a merge key or an alias; write it out");
                return Err(Error::Shape { file: file_name.to_string(), why });
            }
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// True when a node holds exactly this text.
fn holds(node: Option<&Node>, text: &str) -> bool {
    node.is_some_and(|node| matches!(&node.value, Value::Text(found) if found == text))
}

/// The text without a byte-order mark; empty when it is none, which no edit survives.
fn text(bytes: &[u8]) -> &str {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    text.strip_prefix(BOM).unwrap_or(text)
}

/// Reads both texts with parsers of other make, and compares everything but the version.
fn only_this_differs(format: Format, before: &str, after: &str, key: &str, new: &str) -> bool {
    match format {
        Format::Json => {
            let pointer = format!("/{}", key.replace('.', "/"));
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            let (Some(mut before), Some(after)) = (read(before), read(after)) else { return false };
            let place = before.pointer_mut(&pointer);
            place.map(|place| *place = new.into()).is_some() && before == after
        }
        Format::Toml => {
            let read = |text: &str| ::toml::from_str::<::toml::Value>(text).ok();
            let (Some(mut before), Some(after)) = (read(before), read(after)) else { return false };
            let place = key.split('.').try_fold(&mut before, |at, name| at.get_mut(name));
            place.map(|place| *place = new.into()).is_some() && before == after
        }
        Format::Yaml => {
            let libyaml = |text: &str| serde_yaml::from_str::<serde_yaml::Value>(text).ok();
            // Otherwise the keys `on` and `y` would be one key, `true`.
            let options = serde_saphyr::options! { strict_booleans: true };
            let saphyr = |text: &str| serde_saphyr::from_str_with_options::<serde_yaml::Value>(text, options.clone()).ok();
            same_but(libyaml(before), libyaml(after), key)
                && same_but(saphyr(before), saphyr(after), key)
                && text_at_key(serde_yaml::Deserializer::from_str(after), key).as_deref() == Some(new)
                && serde_saphyr::with_deserializer_from_str(after, |deserializer| Ok(text_at_key(deserializer, key)))
                    .is_ok_and(|text| text.as_deref() == Some(new))
        }
    }
}

/// True when two values are equal but for the place of the key, which both have.
fn same_but(before: Option<serde_yaml::Value>, after: Option<serde_yaml::Value>, key: &str) -> bool {
    let blank = |value: Option<serde_yaml::Value>| {
        let mut value = value?;
        *key.split('.').try_fold(&mut value, |at, name| at.get_mut(name))? = serde_yaml::Value::Null;
        Some(value)
    };
    matches!((blank(before), blank(after)), (Some(before), Some(after)) if before == after)
}

/// What a parser reads at a dotted key, as text and nothing else.
fn text_at_key<'de, D: Deserializer<'de>>(deserializer: D, key: &str) -> Option<String> {
    let keys: Vec<&str> = key.split('.').collect();
    AtKey(&keys).deserialize(deserializer).ok().flatten()
}

/// Walks down the keys, then reads a text.
struct AtKey<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for AtKey<'_> {
    type Value = Option<String>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => <String as serde::Deserialize>::deserialize(deserializer).map(Some),
            _ => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for AtKey<'_> {
    type Value = Option<String>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Key>()? {
            if key.0.as_deref() == Some(self.0[0]) {
                if found.is_some() {
                    return Err(de::Error::custom("the key is there twice"));
                }
                found = Some(map.next_value_seed(AtKey(&self.0[1..]))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found.flatten())
    }
}

/// A key of any kind, of which only texts matter.
struct Key(Option<String>);

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_yaml::Value::deserialize(deserializer)? {
            serde_yaml::Value::String(text) => Ok(Self(Some(text))),
            _ => Ok(Self(None)),
        }
    }
}

/// Collects the scalars below a node.
fn flatten(node: &Node, key: String, hidden: bool, out: &mut Vec<(String, String)>) {
    let below = |name: &str| if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for entry in entries {
                flatten(&entry.node, below(&entry.key), hidden || secret::is_named(&entry.key), out);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                flatten(item, format!("{key}[{at}]"), hidden, out);
            }
        }
        Value::Map(_) => out.push((key, "{}".to_string())),
        Value::List(_) => out.push((key, "[]".to_string())),
        Value::Null => out.push((key, "null".to_string())),
        Value::Text(text) | Value::Other(text) => {
            let shown = if hidden || secret::is_held(text) { secret::MASK } else { text };
            out.push((key, shown.to_string()));
        }
    }
}
