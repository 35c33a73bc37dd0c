//! The kinds of channels and sources of metrics that a file may name, and the keys that they add.
//!
//! The block of a channel has a key for each kind, and a rule has the keys of every source. They
//! are read by the schemas that the kinds declare, into plain data ([`Extended`]); each kind
//! examines them afterwards. serde passes no argument to its implementations, so the valid keys are
//! kept in a thread-local variable, only while a file is read ([`KindKeys::hold_while`]).

use std::{cell::RefCell, marker::PhantomData, rc::Rc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize,
    de::{
        self, DeserializeSeed, Deserializer, MapAccess, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};
use serde_json::{Map, Value, json};

use super::by_schema::{Shape, required, unknown};
use crate::{
    alert::{CHANNELS, ChannelKind},
    guard::{METRICS, MetricSource},
    model::settings::Block,
};

/// The kinds that a configuration may name.
#[derive(Clone, Copy)]
pub struct Kinds<'a> {
    /// The kinds of channels.
    pub channels: &'a [&'static dyn ChannelKind],
    /// The sources of metrics.
    pub metrics: &'a [&'static dyn MetricSource],
}

impl Kinds<'static> {
    /// All existing kinds.
    pub const ALL: Self = Self {
        channels: CHANNELS,
        metrics: METRICS,
    };
}

/// The keys that kinds add to blocks.
#[derive(Debug, Default)]
pub(super) struct KindKeys {
    /// The keys added to a channel.
    channel: Map<String, Value>,
    /// The keys added to a rule.
    rule: Map<String, Value>,
    /// The definitions to which their schemas refer.
    defs: Map<String, Value>,
}

thread_local! {
    /// The keys that are valid for the file being read.
    static IN_FORCE: RefCell<Rc<KindKeys>> = RefCell::default();
}

impl KindKeys {
    /// Returns the keys of these kinds.
    pub fn of(kinds: Kinds<'_>, generator: &mut SchemaGenerator) -> Self {
        let mut keys = Self::default();
        for kind in kinds.channels {
            let mut schema = (kind.block().named)(generator);
            schema.insert("description".into(), kind.about().into());
            keys.channel.insert(kind.word().into(), schema.to_value());
        }
        for source in kinds.metrics {
            for (key, schema) in properties(&(source.block().keys)(generator)) {
                keys.rule.entry(key).or_insert(schema);
            }
        }
        keys.defs.clone_from(generator.definitions());
        keys
    }

    /// Runs a reader while these keys are valid.
    pub fn hold_while<T>(self, read: impl FnOnce() -> T) -> T {
        let before = IN_FORCE.replace(Rc::new(self));
        let read = read();
        IN_FORCE.set(before);
        read
    }

    /// Returns the keys of one block.
    fn of_block(&self, word: &str) -> &Map<String, Value> {
        match word {
            "channel" => &self.channel,
            _ => &self.rule,
        }
    }

    /// Adds the keys to the schema of the file, and lists the existing kinds in both blocks.
    pub fn complete(self, kinds: Kinds<'_>, root: &mut Value) {
        let words: Vec<&str> = kinds.metrics.iter().map(|source| source.word()).collect();
        complete(&mut root["$defs"]["rule"], self.rule, &words);
        let words: Vec<&str> = kinds.channels.iter().map(|kind| kind.word()).collect();
        let channel = &mut root["$defs"]["channel"];
        complete(channel, self.channel, &words);
        let usual = kinds
            .channels
            .iter()
            .map(|kind| format!("{} for `{}`", kind.per_minute(), kind.word()));
        let per_minute = &mut channel["properties"]["per_minute"];
        fill(per_minute, "{usual}", &listed(usual.collect()));
    }
}

/// Returns the keys of a block, by its schema.
fn properties(schema: &Schema) -> Map<String, Value> {
    let keys = schema.get("properties").and_then(Value::as_object);
    keys.cloned().unwrap_or_default()
}

/// Adds keys to the schema of a block that needs exactly one of `words`. They come after the
/// block's own keys that are required.
fn complete(block: &mut Value, keys: Map<String, Value>, words: &[&str]) {
    let required: Vec<String> = required(block).map(String::from).collect();
    if let Some(Value::Object(own)) = block.get_mut("properties") {
        let (mut first, mut last): (Map<_, _>, Map<_, _>) = std::mem::take(own)
            .into_iter()
            .partition(|(key, _)| required.contains(key));
        own.append(&mut first);
        own.extend(keys);
        own.append(&mut last);
    }
    let one = words.iter().map(|word| json!({ "required": [word] }));
    block["oneOf"] = one.collect();
    let quoted = words.iter().map(|word| format!("`{word}`"));
    fill(block, "{kinds}", &listed(quoted.collect()));
}

/// Replaces a placeholder in the text of a schema.
fn fill(schema: &mut Value, place: &str, words: &str) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace(place, words);
    }
}

/// Joins words as `a, b and c`.
pub(super) fn listed(mut words: Vec<String>) -> String {
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} and {last}", words.join(", ")),
        only => only.unwrap_or_default(),
    }
}

/// A block, with the values at the keys that kinds add.
#[derive(Debug, Clone)]
pub(super) struct Extended<T> {
    pub own: T,
    pub brought: Map<String, Value>,
}

impl<T: JsonSchema> JsonSchema for Extended<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de, T: Block> Deserialize<'de> for Extended<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(T::WORD, T::KEYS, ExtendedVisitor(PhantomData))
    }
}

/// Reads an [`Extended`] block.
struct ExtendedVisitor<T>(PhantomData<T>);

impl<'de, T: Block> Visitor<'de> for ExtendedVisitor<T> {
    type Value = Extended<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a map of settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Extended<T>, A::Error> {
        let keys = IN_FORCE.with_borrow(Rc::clone);
        let mut brought = Map::new();
        let rest = OwnKeys {
            map,
            own: T::KEYS,
            others: keys.of_block(T::WORD),
            defs: &keys.defs,
            brought: &mut brought,
        };
        let own = T::deserialize(MapAccessDeserializer::new(rest))?;
        Ok(Extended { own, brought })
    }
}

/// The keys of a map that its block declares itself; the values at other keys are put aside.
struct OwnKeys<'k, A> {
    map: A,
    own: &'static [&'static str],
    others: &'k Map<String, Value>,
    defs: &'k Map<String, Value>,
    brought: &'k mut Map<String, Value>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for OwnKeys<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let mut seed = Some(seed);
        loop {
            let reader = KindKeyReader {
                seed: &mut seed,
                own: self.own,
                others: self.others,
            };
            let key = match self.map.next_key_seed(reader)? {
                None => return Ok(None),
                Some(Key::Own(key)) => return Ok(Some(key)),
                Some(Key::Other(key)) => key,
            };
            let shape = Shape::new(&self.others[&key], self.defs);
            let value = self.map.next_value_seed(shape.or_none())?;
            if !value.is_null() {
                self.brought.insert(key, value);
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A key of a block, or a key that a kind adds.
enum Key<T> {
    Own(T),
    Other(String),
}

/// Reads a key.
struct KindKeyReader<'k, K> {
    seed: &'k mut Option<K>,
    own: &'static [&'static str],
    others: &'k Map<String, Value>,
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for KindKeyReader<'_, K> {
    type Value = Key<K::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for KindKeyReader<'_, K> {
    type Value = Key<K::Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("field identifier")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        if self.others.contains_key(key) {
            return Ok(Key::Other(key.to_string()));
        }
        if !self.own.contains(&key) {
            let others = self.others.keys().map(String::as_str);
            let known = others.chain(self.own.iter().copied());
            return Err(unknown("field", key, &known.collect::<Vec<_>>()));
        }
        let seed = self.seed.take().expect("because each reads one key");
        seed.deserialize(StrDeserializer::new(key)).map(Key::Own)
    }
}
