//! `task_registry.json`: the active version of each task. Any of these shapes is accepted:
//!
//! ```json
//! {"tasks": {"T01": {"version": "1.2.0"}}}
//! {"T01": {"version": "1.2.0"}}
//! {"tasks": [{"id": "T01", "version": "1.2.0"}]}
//! ```
//!
//! Also `{"T01": "1.2.0"}`, and a bare list. A list names its tasks by `id`, `task_id` or `name`;
//! the version key may be `version`, `current_version` or `active_version`, but only one of them.
//! Other keys are kept. snapback itself creates the first shape ([`Registry::of`]).

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use serde_json::Value as Json;

use super::{
    Error,
    entry::{
        ID_KEYS, VERSION_KEYS, id_of, is_version, names_version, read_version, refused, shape,
        version_of,
    },
    json,
    layout::{self, Item, NewValue, TextEdit},
    tree::{BOM, MapEntry, Value, ValueNode, splice, text_of},
};
use crate::model::{TaskId, Version};

/// Maximum size of a registry: 16 MiB.
const LIMIT: usize = 16 << 20;
/// The name used in messages; the caller knows the path.
pub(super) const FILE: &str = "the task registry";

/// A registry and the bytes it was parsed from.
#[derive(Debug)]
pub struct Registry {
    bytes: Vec<u8>,
    root: ValueNode,
    /// The text as strict JSON: comments and trailing commas blanked.
    strict: String,
    /// The positions of the tasks' entries; made when one is first looked up.
    positions: OnceLock<HashMap<String, usize>>,
}

impl Registry {
    /// Parses a registry: JSON, optionally with comments, trailing commas, `NaN`, `Infinity` and
    /// numbers of any size, all of which are preserved. Refuses more than 16 MiB, any other syntax,
    /// nesting over 128, duplicate keys or tasks, and a root that is neither a map nor a list.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (root, strict) = json::parse(bytes, FILE, LIMIT)?;
        if matches!(
            root.get("tasks"),
            Some(ValueNode {
                value: Value::Null,
                ..
            })
        ) {
            return Err(shape("\"tasks\" is null, neither a map nor a list"));
        }
        let registry = Self {
            bytes: bytes.to_vec(),
            root,
            strict,
            positions: OnceLock::new(),
        };
        match (&registry.root.value, &registry.container().value) {
            (Value::Map(_) | Value::List(_), Value::Map(_)) => {}
            (Value::Map(_) | Value::List(_), Value::List(_)) => registry.refuse_twins()?,
            _ => return Err(shape("it is neither a map nor a list of tasks")),
        }
        Ok(registry)
    }

    /// Returns a registry without tasks: `{"tasks": {}}` on three lines.
    pub fn empty() -> Self {
        Self::parse(&Self::of(&[])).expect("because a rendered registry is valid")
    }

    /// Renders a new registry with these tasks, identical to adding them one by one.
    pub fn of(tasks: &[(TaskId, Version)]) -> Vec<u8> {
        let entry = |(task, version): &(TaskId, Version)| {
            (
                task.to_string(),
                serde_json::json!({ "version": version.to_string() }),
            )
        };
        let tasks: serde_json::Map<String, Json> = tasks.iter().map(entry).collect();
        let text = serde_json::to_string_pretty(&serde_json::json!({ "tasks": tasks }))
            .expect("because plain data renders");
        (text + "\n").into_bytes()
    }

    /// Returns the bytes that were parsed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the active version of a task; `None` without an entry or without a version.
    pub fn version(&self, task: &TaskId) -> Result<Option<Version>, Error> {
        self.entry(task)
            .map_or(Ok(None), |entry| read_version(task, entry))
    }

    /// Returns the entries that look like tasks, in file order, with their versions (`None` when
    /// absent or unreadable; [`Registry::version`] gives the reason).
    pub fn tasks(&self) -> Vec<(TaskId, Option<Version>)> {
        let entries: Vec<(&str, &ValueNode)> = match &self.container().value {
            Value::Map(entries) => {
                // Next to bare versions, the root may hold other facts, such as the file's own
                // version.
                let of_tasks = self.container_key().is_some();
                let is_bare = |entry: &MapEntry| {
                    is_version(&entry.node) && !VERSION_KEYS.contains(&entry.key.as_str())
                };
                let fits = |entry: &&MapEntry| {
                    names_version(&entry.node)
                        && (of_tasks || !entry.node.entries().is_empty() || is_bare(entry))
                };
                entries
                    .iter()
                    .filter(fits)
                    .map(|entry| (entry.key.as_str(), &entry.node))
                    .collect()
            }
            Value::List(items) => items
                .iter()
                .filter_map(|item| Some((id_of(item)?, item)))
                .collect(),
            _ => Vec::new(),
        };
        let read = |(id, entry): (&str, &ValueNode)| {
            let id: TaskId = id.parse().ok()?;
            let version = read_version(&id, entry).unwrap_or_default();
            Some((id, version))
        };
        entries.into_iter().filter_map(read).collect()
    }

    /// Returns a task's entry as canonical JSON (no blanks, keys sorted), suitable for comparison.
    pub fn entry_text(&self, task: &TaskId) -> Option<String> {
        self.entry(task).map(json::canonical)
    }

    /// Returns the bytes with this version of the task: replaces only the version's text, or adds
    /// an entry in the style of the file.
    pub fn with_version(&self, task: &TaskId, version: &Version) -> Result<Vec<u8>, Error> {
        let version = version.to_string();
        let change = match self.entry(task) {
            None => self.added(task, &version),
            Some(entry) => match version_of(task, entry)? {
                Some((_, node)) if matches!(node.value, Value::Text(_) | Value::Null) => TextEdit {
                    span: node.span.clone(),
                    text: layout::quoted(&version),
                },
                Some((key, _)) => return Err(refused(task, format!("its {key} is not a text"))),
                None if matches!(entry.value, Value::Map(_)) => {
                    let item = Item {
                        key: Some(VERSION_KEYS[0]),
                        body: NewValue::Text(&version),
                    };
                    layout::insert(&self.texts(), &self.root, entry, usize::MAX, &item)
                }
                None => {
                    return Err(refused(
                        task,
                        "its entry is neither a text nor a map".to_string(),
                    ));
                }
            },
        };
        self.checked(task, &change, Some(&version))
    }

    /// Returns the bytes with the task's entry replaced, or added, by the literal text from another
    /// registry of the same shape.
    pub(super) fn with_entry(&self, task: &TaskId, source: &str) -> Result<Vec<u8>, Error> {
        let change = match self.entry(task) {
            Some(entry) => TextEdit {
                span: entry.span.clone(),
                text: source.to_string(),
            },
            None => {
                let key = matches!(self.container().value, Value::Map(_)).then_some(task.as_str());
                layout::insert(
                    &self.texts(),
                    &self.root,
                    self.container(),
                    self.sorted_place(task),
                    &Item {
                        key,
                        body: NewValue::Written(source),
                    },
                )
            }
        };
        self.checked(task, &change, None)
    }

    /// Returns the literal text of the task's entry.
    pub(super) fn entry_source(&self, task: &TaskId) -> Option<&str> {
        self.entry(task)
            .map(|entry| &self.text()[entry.span.clone()])
    }

    /// Returns the canonical texts of all task entries.
    pub(super) fn texts_of_tasks(&self) -> BTreeMap<TaskId, String> {
        let ids: Vec<&str> = match &self.container().value {
            Value::Map(entries) => entries.iter().map(|entry| entry.key.as_str()).collect(),
            Value::List(items) => items.iter().filter_map(id_of).collect(),
            _ => Vec::new(),
        };
        let ids = ids.into_iter().filter_map(|id| id.parse::<TaskId>().ok());
        ids.filter(|task| self.is_task(task))
            .filter_map(|task| Some((task.clone(), self.entry_text(&task)?)))
            .collect()
    }

    /// Returns everything except the task entries, as canonical text.
    pub(super) fn frame(&self) -> String {
        let is_task = |id: &str| id.parse::<TaskId>().is_ok_and(|task| self.is_task(&task));
        let entries: Vec<&ValueNode> = match &self.container().value {
            Value::Map(entries) => entries
                .iter()
                .filter(|entry| is_task(&entry.key))
                .map(|entry| &entry.node)
                .collect(),
            Value::List(items) => items
                .iter()
                .filter(|item| id_of(item).is_some_and(is_task))
                .collect(),
            _ => Vec::new(),
        };
        json::canonical_but(&self.root, &|node| {
            entries.iter().any(|entry| std::ptr::eq(*entry, node))
        })
    }

    /// Returns true when an id holds a task entry, not a fact beside the tasks.
    fn is_task(&self, task: &TaskId) -> bool {
        let at_top = |entry: &ValueNode| {
            names_version(entry) && (!entry.entries().is_empty() || is_version(entry))
        };
        let is_list = matches!(self.container().value, Value::List(_));
        let is_bare =
            || !VERSION_KEYS.contains(&task.as_str()) && self.entry(task).is_some_and(at_top);
        self.container_key().is_some() || is_list || is_bare()
    }

    /// Returns the bytes with a block of lines per task when two or more tasks each occupy one
    /// line, so that git's line-based merge keeps releases of neighbours apart. Returns `None` when
    /// nothing would change, or when a comment is in the way.
    pub fn in_blocks(&self) -> Option<Vec<u8>> {
        let is_plain = self.text() == self.strict && self.texts_of_tasks().len() > 1;
        let text = is_plain
            .then(|| layout::in_blocks(self.text(), &self.root, self.container()))
            .flatten()?;
        let mark = if self.bytes.starts_with(BOM.as_bytes()) {
            BOM
        } else {
            ""
        };
        let bytes = format!("{mark}{text}").into_bytes();
        let is_same = Self::parse(&bytes)
            .is_ok_and(|after| json::canonical(&after.root) == json::canonical(&self.root));
        is_same.then_some(bytes)
    }

    /// Returns the bytes without the task's entry; reverses its addition.
    pub fn without_task(&self, task: &TaskId) -> Result<Vec<u8>, Error> {
        let missing = || Error::NoEntry {
            file: FILE.to_string(),
            task: task.to_string(),
        };
        let at = self.position(task).ok_or_else(missing)?;
        let change = layout::remove(self.text(), self.container(), at);
        if self.strict.as_bytes()[change.span.clone()]
            != self.text().as_bytes()[change.span.clone()]
            && self.has_comment(at, &change)
        {
            return Err(refused(
                task,
                "a comment stands beside its entry; remove the entry by hand".to_string(),
            ));
        }
        self.checked(task, &change, None)
    }

    /// Returns the original text and the strict JSON, for additions.
    fn texts(&self) -> layout::JsonText<'_> {
        layout::JsonText {
            text: self.text(),
            strict: &self.strict,
        }
    }

    /// Returns true when removing an item would also delete a comment outside the item itself.
    fn has_comment(&self, at: usize, change: &TextEdit) -> bool {
        let own = &layout::item_spans(self.container())[at];
        let outside = change
            .span
            .clone()
            .filter(|place| !own.contains(place))
            .collect::<Vec<_>>();
        let (text, strict) = (self.text().as_bytes(), self.strict.as_bytes());
        outside
            .into_iter()
            .any(|place| text[place] != strict[place] && text[place] != b',')
    }

    /// Returns the text without a byte-order mark.
    fn text(&self) -> &str {
        text_of(&self.bytes, FILE, LIMIT).expect("because it was read before")
    }

    /// Returns the key of the task container; `None` when the root is the container.
    fn container_key(&self) -> Option<&'static str> {
        matches!(
            self.root.get("tasks")?.value,
            Value::Map(_) | Value::List(_)
        )
        .then_some("tasks")
    }

    /// Returns the map or list of tasks.
    fn container(&self) -> &ValueNode {
        self.container_key()
            .and_then(|key| self.root.get(key))
            .unwrap_or(&self.root)
    }

    /// Returns the position of a task's entry.
    fn position(&self, task: &TaskId) -> Option<usize> {
        let positions = self.positions.get_or_init(|| self.all_positions());
        positions.get(task.as_str()).copied()
    }

    /// Returns the positions of all entries, by task. An id in another Unicode form than NFC is
    /// that of the task.
    fn all_positions(&self) -> HashMap<String, usize> {
        let ids: Vec<Option<&str>> = match &self.container().value {
            Value::Map(entries) => entries.iter().map(|entry| Some(&entry.key[..])).collect(),
            Value::List(items) => items.iter().map(id_of).collect(),
            _ => Vec::new(),
        };
        let ids = ids.into_iter().enumerate();
        let written: Vec<(&str, usize)> = ids.filter_map(|(at, id)| Some((id?, at))).collect();
        let exact = written.iter().map(|(id, at)| (id.to_string(), *at));
        let mut positions: HashMap<String, usize> = exact.collect();
        for (id, at) in written.into_iter().filter(|(id, _)| !id.is_ascii()) {
            if let Ok(task) = id.parse::<TaskId>() {
                positions.entry(task.into()).or_insert(at);
            }
        }
        positions
    }

    /// Returns the entry of a task.
    fn entry(&self, task: &TaskId) -> Option<&ValueNode> {
        let at = self.position(task)?;
        match &self.container().value {
            Value::Map(entries) => Some(&entries[at].node),
            Value::List(items) => Some(&items[at]),
            _ => None,
        }
    }

    /// Refuses a list that names a task twice.
    fn refuse_twins(&self) -> Result<(), Error> {
        let Value::List(items) = &self.container().value else {
            return Ok(());
        };
        let mut seen = std::collections::HashSet::new();
        for item in items {
            if let Some(id) = id_of(item).filter(|id| !seen.insert(*id)) {
                let line = super::tree::line_at(self.text(), item.span.start);
                return Err(Error::DuplicateKey {
                    file: FILE.to_string(),
                    key: id.to_string(),
                    line,
                });
            }
        }
        Ok(())
    }

    /// Returns the position for a new entry: sorted when the entries are sorted, otherwise the end.
    fn sorted_place(&self, task: &TaskId) -> usize {
        let names: Option<Vec<&str>> = match &self.container().value {
            Value::Map(entries) => Some(entries.iter().map(|entry| entry.key.as_str()).collect()),
            Value::List(items) => items.iter().map(id_of).collect(),
            _ => None,
        };
        let sorted = names.filter(|names| names.is_sorted());
        sorted.map_or(usize::MAX, |names| {
            names.partition_point(|name| *name < task.as_str())
        })
    }

    /// Builds the change that adds an entry, at the position that `sorted_place` returns.
    fn added(&self, task: &TaskId, version: &str) -> TextEdit {
        let container = self.container();
        let at = self.sorted_place(task);
        let like = layout::neighbour(container);
        let name = |keys: [&'static str; 3]| {
            keys.into_iter()
                .find(|key| like.is_some_and(|node| node.get(key).is_some()))
                .unwrap_or(keys[0])
        };
        let version_key = name(VERSION_KEYS);
        let item = match &container.value {
            Value::List(_) => Item {
                key: None,
                body: NewValue::Fields(vec![
                    (name(ID_KEYS), task.as_str()),
                    (version_key, version),
                ]),
            },
            Value::Map(entries)
                if !entries.is_empty() && entries.iter().all(|entry| is_version(&entry.node)) =>
            {
                Item {
                    key: Some(task.as_str()),
                    body: NewValue::Text(version),
                }
            }
            _ => Item {
                key: Some(task.as_str()),
                body: NewValue::Fields(vec![(version_key, version)]),
            },
        };
        layout::insert(&self.texts(), &self.root, container, at, &item)
    }

    /// Applies a change, parses the result and compares: only this task's version (`None`: its
    /// whole entry) may differ.
    fn checked(
        &self,
        task: &TaskId,
        change: &TextEdit,
        version: Option<&str>,
    ) -> Result<Vec<u8>, Error> {
        let bytes = splice(&self.bytes, &change.span, &change.text);
        let after = Self::parse(&bytes)
            .map_err(|error| refused(task, format!("the result would not be valid ({error})")))?;
        let right = version.is_none_or(|version| {
            after
                .version(task)
                .is_ok_and(|read| read.is_some_and(|read| read.to_string() == version))
        });
        let ((others, fields), (others_after, fields_after)) = (self.rest(task), after.rest(task));
        if !right || others != others_after || (version.is_some() && fields != fields_after) {
            return Err(refused(
                task,
                "the edit would change something else too".to_string(),
            ));
        }
        Ok(bytes)
    }

    /// Returns the whole registry without the task's entry, and that entry without version and id.
    fn rest(&self, task: &TaskId) -> (String, Option<String>) {
        let entry = self.entry(task);
        let is_list = matches!(self.container().value, Value::List(_));
        let known = |key: &str| VERSION_KEYS.contains(&key) || (is_list && ID_KEYS.contains(&key));
        let fields = entry.map(|entry| entry.entries().iter().filter(|field| !known(&field.key)));
        let fields = fields.map(|fields| {
            fields
                .map(|field| format!("{:?}: {}", field.key, json::canonical(&field.node)))
                .collect::<Vec<_>>()
        });
        let is_entry = |node: &ValueNode| entry.is_some_and(|entry| std::ptr::eq(entry, node));
        (
            json::canonical_but(&self.root, &is_entry),
            fields
                .filter(|fields| !fields.is_empty())
                .map(|fields| fields.join(", ")),
        )
    }
}
