//! Checks an edit with a second, independent parser.
//!
//! An edit is accepted only when this parser, too, sees exactly one change. Values are compared as
//! texts, so that NaN equals itself. A text that it cannot read at all (a number out of its range,
//! a line end of another YAML version) must be unreadable both before and after the edit.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use crate::base::yaml;

/// A value of any type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plain {
    Null,
    /// A number or a boolean, in printed form.
    Other(String),
    Text(String),
    List(Vec<Plain>),
    Map(Vec<(Plain, Plain)>),
    Tagged(String, Box<Plain>),
}

impl Plain {
    /// Returns the value at a dotted key; `None` unless it occurs exactly once.
    fn at(&mut self, key: &str) -> Option<&mut Self> {
        key.split('.').try_fold(self, |at, name| {
            let Self::Map(entries) = at else { return None };
            let mut found = entries
                .iter_mut()
                .filter(|(key, _)| matches!(key, Self::Text(text) if text == name));
            found
                .next()
                .filter(|_| found.next().is_none())
                .map(|(_, value)| value)
        })
    }
}

/// Returns true when the documents differ only in the text at one key, or are unreadable both
/// before and after the edit. Of several documents, the first with the key counts. The old text may
/// have been read as a number (`version: 1.2`), the new one never is.
pub(super) fn agrees(
    before: Option<Vec<Plain>>,
    after: Option<Vec<Plain>>,
    key: &str,
    old: &str,
    new: &str,
) -> bool {
    let (mut before, mut after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (None, None) => return true,
        _ => return false,
    };
    let take = |documents: &mut Vec<Plain>| {
        let place = documents.iter_mut().find_map(|document| document.at(key));
        place.map(|place| std::mem::replace(place, Plain::Null))
    };
    let is_old = match take(&mut before) {
        Some(Plain::Text(text)) => text == old,
        Some(Plain::Other(_)) => old.starts_with(|c: char| c.is_ascii_digit()),
        _ => false,
    };
    is_old && take(&mut after) == Some(Plain::Text(new.to_string())) && before == after
}

/// Parses with libyaml.
pub(super) fn yaml(text: &str) -> Option<Vec<Plain>> {
    yaml::documents(text)
}

/// Parses strict JSON with serde_json.
pub(super) fn json(text: &str) -> Option<Vec<Plain>> {
    serde_json::from_str(text)
        .ok()
        .map(|document| vec![document])
}

/// Parses with the `toml` crate's value reader.
pub(super) fn toml(text: &str) -> Option<Vec<Plain>> {
    ::toml::from_str(text).ok().map(|document| vec![document])
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Deserializes a value of any type.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }

    fn visit_none<E>(self) -> Result<Plain, E> {
        Ok(Plain::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain::Other(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
        Ok(Plain::Other(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
        Ok(Plain::Other(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Plain, E> {
        Ok(Plain::Other(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Plain, E> {
        Ok(Plain::Other(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Plain, E> {
        Ok(Plain::Other(format!("{value:?}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Plain, E> {
        Ok(Plain::Text(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Plain::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Plain, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Plain::Map(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Plain, A::Error> {
        let (tag, value) = tagged.variant::<String>()?;
        Ok(Plain::Tagged(tag, Box::new(value.newtype_variant()?)))
    }
}
