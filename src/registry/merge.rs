//! Merges two registries: per task during a git merge ([`three_way`]), and after a failed merge by
//! keeping every readable entry ([`salvage`]).
//!
//! Entries are copied byte for byte; the result is parsed again and must hold exactly what was
//! decided. Changes made on both sides are never decided here.

use std::collections::{BTreeMap, BTreeSet};

use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, ast, common::Ranged};

use super::{Registry, json, tree::conflict_in};
use crate::model::TaskId;

/// Reasons why two registries cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMerged {
    /// Both sides changed the entries of these tasks differently.
    #[error("both sides changed {}", tasks.iter().map(TaskId::as_str).collect::<Vec<_>>().join(", "))]
    Tasks {
        /// The tasks.
        tasks: Vec<TaskId>,
    },
    /// Both sides changed data outside the tasks, or the shape of the file.
    #[error("both sides changed what stands beside the tasks")]
    Rest,
    /// One of the three is not a registry.
    #[error("{0}")]
    Unreadable(String),
}

/// Merges two sides of a common base: an entry that only one side changed is taken from that side.
///
/// The result is byte-identical to our side where nothing else is required.
pub fn three_way(base: &[u8], ours: &[u8], theirs: &[u8]) -> Result<Vec<u8>, NotMerged> {
    let read = |bytes: &[u8]| {
        Registry::parse(bytes).map_err(|error| NotMerged::Unreadable(error.to_string()))
    };
    // A registry that both sides added has an empty base.
    let base = if base.trim_ascii().is_empty() {
        Registry::empty()
    } else {
        read(base)?
    };
    let (ours, theirs) = (read(ours)?, read(theirs)?);
    let (start, other) = match () {
        () if ours.frame() == theirs.frame() || theirs.frame() == base.frame() => (&ours, &theirs),
        () if ours.frame() == base.frame() => (&theirs, &ours),
        () => return Err(NotMerged::Rest),
    };
    let (was, mine, others) = (
        base.texts_of_tasks(),
        start.texts_of_tasks(),
        other.texts_of_tasks(),
    );
    let wanted = decided(&was, &mine, &others)?;
    let failed = |error: super::Error| NotMerged::Unreadable(error.to_string());
    let frame = start.frame();
    let mut bytes = start.bytes().to_vec();
    for task in mine.keys().chain(wanted.keys()).collect::<BTreeSet<_>>() {
        bytes = match wanted.get(task) {
            Some(text) if mine.get(task) == Some(text) => continue,
            Some(_) => read(&bytes)?
                .with_entry(task, other.entry_source(task).unwrap_or_default())
                .map_err(failed)?,
            None => read(&bytes)?.without_task(task).map_err(failed)?,
        };
    }
    let merged = read(&bytes)?;
    if merged.texts_of_tasks() == wanted && merged.frame() == frame {
        Ok(bytes)
    } else {
        Err(NotMerged::Rest)
    }
}

/// Canonical texts of entries, by task.
type EntryTexts = BTreeMap<TaskId, String>;

/// Decides each task's entry: the side that changed it wins. Fails with the tasks that both sides
/// changed differently.
fn decided(
    was: &EntryTexts,
    mine: &EntryTexts,
    others: &EntryTexts,
) -> Result<EntryTexts, NotMerged> {
    let mut wanted = EntryTexts::new();
    let mut both = Vec::new();
    for task in mine.keys().chain(others.keys()).collect::<BTreeSet<_>>() {
        let (was, mine, others) = (was.get(task), mine.get(task), others.get(task));
        let text = match () {
            () if mine == others || others == was => mine,
            () if mine == was => others,
            () => {
                both.push(task.clone());
                continue;
            }
        };
        wanted.extend(text.map(|text| (task.clone(), text.clone())));
    }
    if both.is_empty() {
        Ok(wanted)
    } else {
        Err(NotMerged::Tasks { tasks: both })
    }
}

/// A registry made of the readable parts, with notes for the user.
pub struct Salvaged {
    /// The registry.
    pub registry: Registry,
    /// Tasks whose entries differ between the two sides; ours is kept.
    pub differ: Vec<TaskId>,
    /// Descriptions of the unreadable parts.
    pub notes: Vec<String>,
}

/// Recovers what is readable from an invalid registry: both sides of a failed merge, and every
/// entry of each side. A valid registry is returned unchanged.
pub fn salvage(bytes: &[u8]) -> Salvaged {
    let whole = |registry| Salvaged {
        registry,
        differ: Vec::new(),
        notes: Vec::new(),
    };
    if let Ok(registry) = Registry::parse(bytes) {
        return whole(registry);
    }
    let text = String::from_utf8_lossy(bytes);
    if conflict_in(&text).is_none() {
        let Some(registry) = loose(&text) else {
            return Salvaged {
                notes: vec!["nothing of it can be read".into()],
                ..whole(Registry::empty())
            };
        };
        let note = "it is written anew from the entries that can be read; comments and what stands beside the tasks are gone";
        return Salvaged {
            notes: vec![note.into()],
            ..whole(registry)
        };
    }
    let mut notes = Vec::new();
    let mut side = |nth: usize, name: &str| {
        let text = side_of(&text, nth);
        let read = Registry::parse(text.as_bytes())
            .ok()
            .or_else(|| loose(&text));
        if read.is_none() {
            notes.push(format!("{name} cannot be read"));
        }
        read
    };
    let (ours, theirs) = (
        side(0, "our side of the merge"),
        side(1, "the other side of the merge"),
    );
    let (Some(ours), Some(theirs)) = (&ours, &theirs) else {
        let registry = ours.or(theirs).unwrap_or_else(Registry::empty);
        return Salvaged {
            notes,
            ..whole(registry)
        };
    };
    both_sides(ours, theirs, notes)
}

/// Returns our side of a merge plus the entries that only the other side has.
fn both_sides(ours: &Registry, theirs: &Registry, mut notes: Vec<String>) -> Salvaged {
    let (mine, others) = (ours.texts_of_tasks(), theirs.texts_of_tasks());
    let differ = mine
        .iter()
        .filter(|(task, text)| others.get(task).is_some_and(|other| other != *text))
        .map(|(task, _)| task.clone())
        .collect();
    let mut bytes = ours.bytes().to_vec();
    for task in others.keys().filter(|task| !mine.contains_key(task)) {
        let source = theirs.entry_source(task).unwrap_or_default();
        match Registry::parse(&bytes).and_then(|registry| registry.with_entry(task, source)) {
            Ok(with) => bytes = with,
            Err(error) => notes.push(format!("the entry of {task} cannot be taken over: {error}")),
        }
    }
    Salvaged {
        registry: Registry::parse(&bytes).unwrap_or_else(|_| Registry::empty()),
        differ,
        notes,
    }
}

/// Extracts one side of every conflict, with the text outside conflicts; 0 is ours, 1 theirs. The
/// base section that some merge styles add is left out.
fn side_of(text: &str, side: usize) -> String {
    let is_mark =
        |line: &str, mark: &str| line.trim_end() == mark || line.starts_with(&format!("{mark} "));
    let (mut out, mut inside) = (String::with_capacity(text.len()), None);
    for line in text.split_inclusive('\n') {
        match inside {
            None if is_mark(line, "<<<<<<<") => inside = Some(0),
            Some(0) if is_mark(line, "|||||||") => inside = Some(2),
            Some(0 | 2) if is_mark(line, "=======") => inside = Some(1),
            Some(1) if is_mark(line, ">>>>>>>") => inside = None,
            Some(now) if now != side => {}
            _ => out.push_str(line),
        }
    }
    out
}

/// Builds a registry from a text with missing commas or duplicate tasks; the later duplicate wins.
fn loose(text: &str) -> Option<Registry> {
    let text = text.trim_start_matches('\u{feff}');
    let strict = json::strict(text).ok()?;
    let collect = CollectOptions {
        comments: CommentCollectionStrategy::Off,
        tokens: false,
    };
    let parsed = jsonc_parser::parse_to_ast(&strict, &collect, &ParseOptions::default())
        .ok()?
        .value?;
    let ast::Value::Object(root) = parsed else {
        return None;
    };
    let inner = root
        .properties
        .iter()
        .find(|property| property.name.as_str() == "tasks")
        .map(|property| &property.value);
    let properties = match inner {
        Some(ast::Value::Object(tasks)) => &tasks.properties,
        Some(_) => return None,
        None => &root.properties,
    };
    let mut registry = Registry::empty();
    for property in properties {
        let Ok(task) = property.name.as_str().parse::<TaskId>() else {
            continue;
        };
        let range = property.value.range();
        if let Ok(bytes) = registry.with_entry(&task, &text[range.start..range.end]) {
            registry = Registry::parse(&bytes).ok()?;
        }
    }
    Some(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(base: &str, ours: &str, theirs: &str) -> Result<String, NotMerged> {
        three_way(base.as_bytes(), ours.as_bytes(), theirs.as_bytes())
            .map(|bytes| String::from_utf8(bytes).expect("it is text"))
    }

    const LINES: &str = "{\n  \"tasks\": {\n    \"T01\": {\"version\": \"1.0.0\"},\n    \"T02\": {\"version\": \"1.0.0\"},\n    \"T03\": {\"version\": \"1.0.0\"}\n  }\n}\n";

    /// Returns the text with another version of a task.
    fn with(text: &str, task: &str, version: &str) -> String {
        text.replace(
            &format!("\"{task}\": {{\"version\": \"1.0.0\"}}"),
            &format!("\"{task}\": {{\"version\": \"{version}\"}}"),
        )
    }

    #[test]
    fn neighbours_do_not_conflict_and_the_same_task_does() {
        let (ours, theirs) = (with(LINES, "T01", "1.1.0"), with(LINES, "T02", "2.0.0"));
        assert_eq!(
            merged(LINES, &ours, &theirs),
            Ok(with(&ours, "T02", "2.0.0"))
        );
        assert_eq!(merged(LINES, &ours, &ours), Ok(ours.clone()));
        assert_eq!(merged(LINES, LINES, &theirs), Ok(theirs.clone()));
        let both = with(LINES, "T01", "1.2.0");
        assert_eq!(
            merged(LINES, &ours, &both),
            Err(NotMerged::Tasks {
                tasks: vec!["T01".parse().expect("it is an id")]
            })
        );
    }

    #[test]
    fn a_line_for_each_task_becomes_a_block_for_each() {
        let blocks = |text: &str| {
            Registry::parse(text.as_bytes())
                .expect("it is one")
                .in_blocks()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = blocks(LINES).expect("they are lines");
        assert_eq!(text.lines().count(), 13);
        assert!(
            text.contains("    \"T02\": {\n      \"version\": \"1.0.0\"\n    },\n"),
            "{text}"
        );
        assert_eq!(blocks(&text), None, "once is enough");
        for other in [
            "{\"T01\": \"1.0.0\",\n\"T02\": \"1.0.0\"}",
            "{\"T01\": {\"version\": \"1.0.0\"}, \"T02\": {\"version\": \"1.0.0\"}}",
        ] {
            assert_eq!(blocks(other), None, "{other}");
        }
        assert_eq!(blocks(&LINES.replace("},\n", "}, // one\n")), None);
    }

    #[test]
    fn tasks_come_and_go_on_either_side() {
        let added = |id: &str| {
            LINES.replace(
                "\"T03\": {\"version\": \"1.0.0\"}",
                &format!("\"T03\": {{\"version\": \"1.0.0\"}},\n    \"{id}\": {{\"version\": \"0.1.0\", \"x\": [1, NaN]}}"),
            )
        };
        let all = merged(LINES, &added("T04"), &added("T05")).expect("it merges");
        assert_eq!(all.matches("NaN").count(), 2);
        assert!(all.find("T04").expect("it is there") < all.find("T05").expect("it is there"));
        let gone = LINES.replace("    \"T02\": {\"version\": \"1.0.0\"},\n", "");
        assert_eq!(
            merged(LINES, &gone, &with(LINES, "T03", "3.0.0")),
            Ok(with(&gone, "T03", "3.0.0"))
        );
        assert_eq!(
            merged(LINES, &with(LINES, "T03", "3.0.0"), &gone),
            Ok(with(&gone, "T03", "3.0.0"))
        );
        assert!(matches!(
            merged(LINES, &gone, &with(LINES, "T02", "3.0.0")),
            Err(NotMerged::Tasks { .. })
        ));
        let list = |one: &str, two: &str| {
            format!(
                "[{{\"id\": \"A\", \"version\": \"{one}\"}}, {{\"id\": \"B\", \"version\": \"{two}\"}}]"
            )
        };
        assert_eq!(
            merged(
                &list("1.0.0", "1.0.0"),
                &list("1.1.0", "1.0.0"),
                &list("1.0.0", "1.1.0")
            ),
            Ok(list("1.1.0", "1.1.0"))
        );
        assert!(
            merged("", &added("T04"), &added("T05")).is_ok(),
            "both sides added the file"
        );
    }

    #[test]
    fn what_stands_beside_the_tasks_is_one_sides() {
        let dated = |date: &str, version: &str| {
            format!(
                "{{\"updated\": \"{date}\", \"T01\": {{\"version\": \"{version}\"}}, \"T02\": {{\"version\": \"1.0.0\"}}}}"
            )
        };
        let base = dated("x", "1.0.0");
        let theirs = dated("y", "1.0.0").replace(
            "\"T02\": {\"version\": \"1.0.0\"}",
            "\"T02\": {\"version\": \"2.0.0\"}",
        );
        assert_eq!(
            merged(&base, &dated("x", "1.1.0"), &theirs),
            Ok(theirs.replacen("1.0.0", "1.1.0", 1))
        );
        assert_eq!(
            merged(&base, &dated("z", "1.1.0"), &theirs),
            Err(NotMerged::Rest)
        );
        assert!(matches!(
            merged(&base, "{", &theirs),
            Err(NotMerged::Unreadable(_))
        ));
    }

    #[test]
    fn both_sides_of_a_conflict_are_read() {
        let task = |id: &str| id.parse::<TaskId>().expect("it is an id");
        let text = "{\n  \"tasks\": {\n<<<<<<< HEAD\n    \"T01\": {\"version\": \"1.1.0\", \"a\": 1},\n    \"T02\": \"1.0.0\"\n||||||| base\n    \"T01\": \"0.9.0\"\n=======\n    \"T01\": {\"version\": \"1.2.0\"},\n    \"T03\": {\"version\": \"3.0.0\"}\n>>>>>>> other\n  }\n}\n";
        let salvaged = salvage(text.as_bytes());
        let tasks: Vec<String> = salvaged
            .registry
            .tasks()
            .into_iter()
            .map(|(task, version)| format!("{task} {}", version.expect("it has one")))
            .collect();
        assert_eq!(tasks, ["T01 1.1.0", "T02 1.0.0", "T03 3.0.0"]);
        assert_eq!(
            (salvaged.differ, salvaged.notes.len()),
            (vec![task("T01")], 0)
        );
        let broken = text.replace("    \"T02\": \"1.0.0\"\n", "    \"T02\": \"1.0.0\"\n  ]\n");
        let salvaged = salvage(broken.as_bytes());
        assert_eq!(
            salvaged.registry.tasks().len(),
            2,
            "the side that can be read"
        );
        assert_eq!(salvaged.notes, ["our side of the merge cannot be read"]);
    }

    #[test]
    fn what_can_be_read_of_a_broken_registry_is_kept() {
        let twice = "{\"tasks\": {\"T01\": {\"version\": \"1.0.0\"} \"T02\": {\"version\": \"2.0.0\"}, \"T01\": {\"version\": \"1.1.0\"}}}";
        let salvaged = salvage(twice.as_bytes());
        let tasks: Vec<String> = salvaged
            .registry
            .tasks()
            .into_iter()
            .map(|(task, version)| format!("{task} {}", version.expect("it has one")))
            .collect();
        assert_eq!(tasks, ["T01 1.1.0", "T02 2.0.0"]);
        for text in ["", "{", "\u{0}", "[1,", "<<<<<<< a\n=======\n>>>>>>> b\n"] {
            assert!(
                salvage(text.as_bytes()).registry.tasks().is_empty(),
                "{text}"
            );
        }
    }
}
