//! Reads values of which only a schema is known, just as the declared type would read them.
//!
//! `user: 007` is the text `007` where a text is expected and a number elsewhere, so a value cannot
//! be read before its type is known. The result is plain data, without the keys that have no value.
//! Unknown, missing and mistyped keys are named as serde names them, at their place.

use std::fmt;

use serde::{
    Deserialize,
    de::{
        self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess,
        Visitor,
    },
};
use serde_json::{Map, Value};

/// The expected shape of a value: a schema as schemars writes it.
#[derive(Clone, Copy)]
pub(super) struct Shape<'k> {
    schema: &'k Value,
    defs: &'k Map<String, Value>,
    is_optional: bool,
}

impl<'k> Shape<'k> {
    /// Returns the shape of a schema, which may refer to others.
    pub fn new(schema: &'k Value, defs: &'k Map<String, Value>) -> Self {
        let is_null = |form: &&Value| form["type"] == "null";
        let forms = schema.get("anyOf").and_then(Value::as_array);
        let beside_null = forms
            .filter(|forms| forms.iter().any(|form| is_null(&form)))
            .and_then(|forms| forms.iter().find(|form| !is_null(form)));
        let target = beside_null.unwrap_or(schema);
        let named = target["$ref"]
            .as_str()
            .and_then(|name| defs.get(name.strip_prefix("#/$defs/")?));
        let types = schema["type"].as_array();
        Self {
            schema: named.unwrap_or(target),
            defs,
            is_optional: beside_null.is_some()
                || types.is_some_and(|types| types.iter().any(|word| word == "null"))
                || schema.get("default").is_some(),
        }
    }

    /// Returns the same shape, with the value optional.
    pub fn or_none(self) -> Self {
        Self {
            is_optional: true,
            ..self
        }
    }

    /// Returns the word of its type.
    fn kind(self) -> Option<&'k str> {
        match &self.schema["type"] {
            Value::Array(types) => types
                .iter()
                .filter_map(Value::as_str)
                .find(|word| *word != "null"),
            word => word.as_str(),
        }
    }

    /// Returns the allowed words, if the value is a word.
    fn words(self) -> Option<Vec<&'k str>> {
        let words = self.schema.get("oneOf")?.as_array()?.iter();
        words.map(|word| word.get("const")?.as_str()).collect()
    }

    /// Returns its keys, if the value is a block.
    fn keys(self) -> Option<&'k Map<String, Value>> {
        self.schema.get("properties")?.as_object()
    }

    /// Reads a value that is present.
    fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.words().is_some() {
            return deserializer.deserialize_enum("", &[], self);
        }
        if self.keys().is_some() {
            return deserializer.deserialize_struct("", &[], self);
        }
        match (self.kind(), self.schema["format"].as_str()) {
            (Some("string"), _) => String::deserialize(deserializer).map(Value::from),
            (Some("boolean"), _) => bool::deserialize(deserializer).map(Value::from),
            (Some("integer"), Some("uint8")) => u8::deserialize(deserializer).map(Value::from),
            (Some("integer"), Some("uint16")) => u16::deserialize(deserializer).map(Value::from),
            (Some("integer"), Some("uint32")) => u32::deserialize(deserializer).map(Value::from),
            (Some("integer"), Some("uint" | "uint64")) => {
                u64::deserialize(deserializer).map(Value::from)
            }
            (Some("integer"), _) => i64::deserialize(deserializer).map(Value::from),
            (Some("number"), _) => f64::deserialize(deserializer).map(Value::from),
            (Some("array"), _) => deserializer.deserialize_seq(self),
            _ => Value::deserialize(deserializer),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.is_optional {
            deserializer.deserialize_option(self)
        } else {
            self.read(deserializer)
        }
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind() {
            _ if self.keys().is_some() => "a map of settings",
            Some("array") => "a sequence",
            _ => "a value",
        })
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.read(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let item = Self::new(&self.schema["items"], self.defs);
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(item)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (word, rest) = data.variant::<String>()?;
        let words = self.words().unwrap_or_default();
        if !words.contains(&word.as_str()) {
            return Err(unknown("variant", &word, &words));
        }
        rest.unit_variant()?;
        Ok(Value::String(word))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Some(keys) = self.keys() else {
            return Err(de::Error::invalid_type(de::Unexpected::Map, &self));
        };
        let mut block = Map::new();
        while let Some(key) = map.next_key_seed(KeyOf(keys))? {
            let value = map.next_value_seed(Self::new(&keys[&key], self.defs))?;
            if !value.is_null() {
                block.insert(key, value);
            }
        }
        let missing = required(self.schema).find(|key| !block.contains_key(*key));
        match missing {
            Some(key) => Err(de::Error::custom(format_args!("missing field `{key}`"))),
            None => Ok(Value::Object(block)),
        }
    }
}

/// Returns the required keys of a block; schemars counts those with a default among them.
pub(super) fn required(block: &Value) -> impl Iterator<Item = &str> {
    let names = block["required"].as_array().into_iter().flatten();
    names
        .filter_map(Value::as_str)
        .filter(|name| block["properties"][name].get("default").is_none())
}

/// A key of a block.
struct KeyOf<'k>(&'k Map<String, Value>);

impl<'de> DeserializeSeed<'de> for KeyOf<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeyOf<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("field identifier")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if self.0.contains_key(key) {
            Ok(key.to_string())
        } else {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            Err(unknown("field", key, &known))
        }
    }
}

/// Returns the error about an unknown name, as serde words it.
pub(super) fn unknown<E: de::Error>(what: &str, name: &str, known: &[&str]) -> E {
    let quoted: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let known = match &quoted[..] {
        [] => {
            return E::custom(format_args!(
                "unknown {what} `{name}`, there are no {what}s"
            ));
        }
        [one] => one.clone(),
        [one, other] => format!("{one} or {other}"),
        many => format!("one of {}", many.join(", ")),
    };
    E::custom(format_args!("unknown {what} `{name}`, expected {known}"))
}
