//! Reads `snapback.yaml` in parts, so that a mistake in one part leaves the others usable.
//!
//! The text is read as a whole, and strictly. If that fails in a part that can be left out (the
//! entry of a task, `alerts`, an unknown key), that part is skipped and the rest is read again, so
//! every mistake is named with its line. Parts on which every rollback depends (`defaults`,
//! `rollback`, ...) are never left out, nor are parts that may be meant to protect files.

use std::{cell::RefCell, collections::BTreeSet, fmt};

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

use super::{
    Error,
    file::{ConfigFile, TaskBlock, Tasks},
    schema::schema,
};
use crate::base::{text, yaml};

/// The keys of the file.
const KEYS: &[&str] = ConfigFile::KEYS;
/// The keys on which no rollback depends.
const APART: [&str; 3] = ["releases", "hooks", "alerts"];
/// The key in `tasks` that is not a task.
const DISCOVER: &str = "discover";
/// Words in keys that restrict which files may be changed; a part with such a key is not left out.
const PROTECTS: [&str; 7] = [
    "protect",
    "deny",
    "forbid",
    "readonly",
    "read_only",
    "preserve",
    "freez",
];
/// Words in the name of a whole part that suggest the same.
const SCOPES: [&str; 8] = [
    "allow", "exclu", "inclu", "ignor", "path", "scope", "lock", "trust",
];
/// Most mistakes that are reported separately.
const MOST: usize = 50;

/// A part that can be left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConfigPart {
    /// A key of the file.
    Key(String),
    /// The rules that say which folders are tasks.
    Discover,
    /// The entry of a task.
    Task(String),
}

/// The parts that were read, and those that were left out.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub file: ConfigFile,
    pub left_out: Vec<(ConfigPart, Error)>,
}

/// Reads the text of a configuration.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Parts, Error> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (mut skip, mut left_out) = (BTreeSet::new(), Vec::new());
    loop {
        let at = RefCell::default();
        let source = match yaml::parse_with(
            PartReader {
                skip: &skip,
                at: &at,
            },
            bytes,
            yaml::YamlLimits::human(),
        ) {
            Ok(file) => return Ok(Parts { file, left_out }),
            Err(source) => source,
        };
        let is_shape = matches!(source, yaml::Error::Shape(_));
        let at = at.into_inner();
        let meant = meant_by(&source.to_string(), at.as_ref());
        let source = conflict_in(bytes).unwrap_or_else(|| with_line(source, at.as_ref(), bytes));
        let error = Error::Parse {
            file: file.to_string(),
            source,
            meant,
            back: Vec::new(),
        };
        let is_apart = |part: &ConfigPart| {
            is_shape && left_out.len() < MOST && !skip.contains(part) && is_apart(part, bytes)
        };
        let part = at.filter(is_apart);
        let Some(part) = part else { return Err(error) };
        skip.insert(part.clone());
        left_out.push((part, error));
    }
}

/// Returns the error for a text that contains the conflict marks of a merge.
fn conflict_in(bytes: &[u8]) -> Option<yaml::Error> {
    let line = 1 + bytes
        .split(|byte| *byte == b'\n')
        .position(|line| line.starts_with(b"<<<<<<< "))?;
    let why = "a merge is not resolved here (<<<<<<<): keep one of the two sides".to_string();
    Some(yaml::Error::Syntax {
        line,
        column: 1,
        why,
    })
}

/// Returns true for a part that some rollbacks do not need.
fn is_apart(part: &ConfigPart, bytes: &[u8]) -> bool {
    match part {
        ConfigPart::Discover | ConfigPart::Task(_) => true,
        ConfigPart::Key(key) if KEYS.contains(&key.as_str()) => APART.contains(&key.as_str()),
        ConfigPart::Key(key) => !may_matter(key, bytes),
    }
}

/// Adds the line of the part to an error that names no line.
fn with_line(source: yaml::Error, at: Option<&ConfigPart>, bytes: &[u8]) -> yaml::Error {
    let path = match at {
        Some(ConfigPart::Key(key)) => key.clone(),
        Some(ConfigPart::Discover) => format!("tasks.{DISCOVER}"),
        Some(ConfigPart::Task(id)) => format!("tasks.{id}"),
        None => return source,
    };
    match (source, yaml::line_of(bytes, &path)) {
        (yaml::Error::Shape(text), Some((line, _))) if !text.contains(" at line ") => {
            yaml::Error::Shape(format!("{text} at line {line}"))
        }
        (source, _) => source,
    }
}

/// Returns the keys of a block, according to the schema.
fn keys_of(block: &str) -> Vec<String> {
    let keys = schema()
        .pointer(&format!("/$defs/{block}/properties"))
        .and_then(Value::as_object)
        .map(|map| map.keys().cloned().collect());
    keys.unwrap_or_default()
}

/// Returns true when an unknown key may be a misspelled known key, or a key of a later snapback
/// that restricts which files may be changed.
fn may_matter(key: &str, bytes: &[u8]) -> bool {
    let known: Vec<String> = ["task", "rollback"].into_iter().flat_map(keys_of).collect();
    let known = known
        .iter()
        .map(String::as_str)
        .chain(KEYS.iter().copied())
        .chain([DISCOVER]);
    let is_near = !text::did_you_mean(key, known).is_empty();
    let says = |key: &str, words: &[&str]| {
        words
            .iter()
            .any(|word| key.to_ascii_lowercase().contains(word))
    };
    let Ok(Value::Object(mut whole)) = yaml::parse(bytes, yaml::YamlLimits::human()) else {
        return true;
    };
    let mut inside = vec![whole.remove(key).unwrap_or_default()];
    while let Some(value) = inside.pop() {
        match value {
            Value::Object(map) if map.keys().any(|key| says(key, &PROTECTS)) => return true,
            Value::Object(map) => inside.extend(map.into_iter().map(|(_, value)| value)),
            Value::Array(list) => inside.extend(list),
            _ => {}
        }
    }
    is_near || says(key, &PROTECTS) || says(key, &SCOPES)
}

/// Returns likely intended keys: those close to the unknown one that serde names ("unknown field
/// `a`, expected one of `b`, `c`"), a key that belongs into `defaults`, or `discover`.
fn meant_by(message: &str, at: Option<&ConfigPart>) -> Vec<String> {
    let unknown = message
        .split_once("unknown field `")
        .or_else(|| message.split_once("unknown variant `"));
    let Some((_, rest)) = unknown else {
        return if at == Some(&ConfigPart::Discover) {
            vec![format!("`{DISCOVER}`")]
        } else {
            Vec::new()
        };
    };
    let mut words = rest.split('`').step_by(2);
    let Some(typed) = words.next() else {
        return Vec::new();
    };
    let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
    let quoted = |words: Vec<&str>, before: &str| {
        words
            .into_iter()
            .map(|word| format!("`{before}{word}`"))
            .collect::<Vec<_>>()
    };
    let near = quoted(text::did_you_mean(typed, known), "");
    match at {
        Some(ConfigPart::Key(key)) if near.is_empty() && key == typed => {
            let of_tasks = keys_of("task");
            quoted(
                text::did_you_mean(typed, of_tasks.iter().map(String::as_str)),
                "defaults.",
            )
        }
        _ => near,
    }
}

/// Reads the file, skips parts, and remembers the current place.
#[derive(Clone, Copy)]
struct PartReader<'a> {
    skip: &'a BTreeSet<ConfigPart>,
    at: &'a RefCell<Option<ConfigPart>>,
}

impl PartReader<'_> {
    /// Enters a part. Returns true when it is to be read.
    fn begin(self, part: ConfigPart) -> bool {
        let is_read = !self.skip.contains(&part);
        *self.at.borrow_mut() = Some(part);
        is_read
    }
}

impl<'de> DeserializeSeed<'de> for PartReader<'_> {
    type Value = ConfigFile;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ConfigFile, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for PartReader<'_> {
    type Value = ConfigFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of settings")
    }

    fn visit_none<E: de::Error>(self) -> Result<ConfigFile, E> {
        Ok(ConfigFile::default())
    }

    fn visit_unit<E: de::Error>(self) -> Result<ConfigFile, E> {
        Ok(ConfigFile::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<ConfigFile, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ConfigFile, A::Error> {
        let mut file = ConfigFile::default();
        while let Some(key) = map.next_key_seed(KeyReader(self))? {
            if !self.begin(ConfigPart::Key(key.clone())) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if key == "tasks" {
                file.tasks = map.next_value_seed(TasksReader(self))?;
            } else {
                file.read(&key, &mut map)?;
            }
        }
        Ok(file)
    }
}

/// Reads a key of the file; an unknown key is an error at its own place.
struct KeyReader<'a>(PartReader<'a>);

impl<'de> DeserializeSeed<'de> for KeyReader<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let key = String::deserialize(deserializer)?;
        let is_read = self.0.begin(ConfigPart::Key(key.clone()));
        if is_read && !KEYS.contains(&key.as_str()) {
            Err(de::Error::unknown_field(&key, KEYS))
        } else {
            Ok(key)
        }
    }
}

/// Reads `tasks:`.
struct TasksReader<'a>(PartReader<'a>);

impl<'de> DeserializeSeed<'de> for TasksReader<'_> {
    type Value = Tasks;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

/// Required for a key of the file. [`PartReader`] reads this one itself, to skip parts of it.
impl<'de> Deserialize<'de> for Tasks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (skip, at) = (BTreeSet::new(), RefCell::default());
        let reader = PartReader {
            skip: &skip,
            at: &at,
        };
        TasksReader(reader).deserialize(deserializer)
    }
}

impl<'de> Visitor<'de> for TasksReader<'_> {
    type Value = Tasks;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of `discover` and task ids")
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Tasks::default())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Tasks::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut tasks = Tasks::default();
        while let Some(key) = map.next_key::<String>()? {
            let part = if text::did_you_mean(&key, [DISCOVER]).is_empty() {
                ConfigPart::Task(key.clone())
            } else {
                ConfigPart::Discover
            };
            if !self.0.begin(part) {
                map.next_value::<IgnoredAny>()?;
            } else if key == DISCOVER {
                tasks.discover = Some(map.next_value::<Option<_>>()?.unwrap_or_default());
            } else {
                let block = map.next_value::<Option<TaskBlock>>()?.unwrap_or_default();
                tasks.named.push((key, block));
            }
        }
        Ok(tasks)
    }
}
