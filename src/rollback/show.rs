//! Builds the plan of a rollback for display.

use super::{RollbackDraft, compare::TreeDifference, databases::is_same, room, standing_of};
use crate::{
    base::{RelPath, clock::local, sqlite, zone},
    catalog::{capture, grown, manifests::Found},
    draft::lines::{self, LineSide},
    model::{FileRecord, Location, PathChange, Plan, TaskSpec, operation::OpKind, plan::FileLine},
    registry::task_config,
    site::{RepoSite, copy_checked},
};

/// Maximum size of files that are read to count lines.
const SHOWN: u64 = 4 << 20;

/// Builds the plan.
pub(super) fn plan(
    rollback: &RollbackDraft<'_>,
    target: &Found,
    compared: &TreeDifference,
) -> Plan {
    let (site, task) = (rollback.site, rollback.task);
    let version = &target.manifest.subject.version;
    let standing = standing_of(rollback.standings, &task.id, version);
    let mut notes = Vec::new();
    if compared.bytecode > 0 {
        notes.push(format!(
            "{} stale bytecode files of changed modules go too",
            compared.bytecode
        ));
    }
    notes.extend(room::note(compared.made_room, "undo"));
    notes.extend((!target.grown.is_empty()).then(|| grown::words(target)));
    notes.extend(
        compared
            .nested
            .iter()
            .map(|path| format!("{path} is a git repository of its own and stays as it is")),
    );
    notes.extend(lines::other_line_ends(
        &compared.line_ends,
        "it had when it was released",
        "they had when they were released",
    ));
    Plan {
        title: task.title.clone(),
        from: rollback.active.cloned(),
        to: Some(version.clone()),
        about: about(target, standing.word()),
        files: file_lines(site, task, &compared.files, &compared.uncommitted),
        unchanged: compared.unchanged,
        untracked: compared.untracked.clone(),
        protected: compared.protected.clone(),
        left_out: compared.left_out.clone(),
        drift: compared.drift.clone(),
        notes,
        ..Plan::new(OpKind::Rollback, &task.id)
    }
}

/// Returns who made the target, when and why.
fn about(target: &Found, standing: &str) -> String {
    let Found { manifest, tag, .. } = target;
    let created_at = &manifest.created_at;
    let day = created_at
        .value()
        .map_or_else(|| created_at.to_string(), |at| local(at, &zone()));
    let by = tag
        .tagger
        .as_ref()
        .map_or_else(String::new, |person| format!("by {}, ", person.name));
    let why = manifest
        .message
        .as_ref()
        .map_or_else(String::new, |message| format!(": \"{message}\""));
    format!("{by}{day}{why}, {standing}")
}

/// Returns the lines of the changed files.
pub fn file_lines(
    site: &RepoSite,
    task: &TaskSpec,
    files: &[PathChange],
    uncommitted: &std::collections::BTreeSet<RelPath>,
) -> Vec<FileLine> {
    let shown = files
        .iter()
        .filter(|file| !file.path.name().ends_with(b".pyc") && !is_same(file));
    let is_changed = |path: &RelPath| files.iter().any(|file| file.path == *path);
    let line = |file: &PathChange| {
        let mut line = file_line(site, task, file, uncommitted.contains(&file.path))?;
        if let Some(database) = sqlite::database_of(&file.path)
            .filter(|database| file.after.is_none() && is_changed(database))
        {
            line.note = format!(
                "SQLite would read it into {}",
                crate::base::text::escape(database.name())
            );
        }
        Some(line)
    };
    shown.filter_map(line).collect()
}

/// Returns the line of one changed file.
fn file_line(
    site: &RepoSite,
    task: &TaskSpec,
    file: &PathChange,
    uncommitted: bool,
) -> Option<FileLine> {
    let size_of = |record: &Option<FileRecord>| record.as_ref().map(|record| record.size);
    let large = [size_of(&file.before), size_of(&file.after)]
        .into_iter()
        .flatten()
        .any(|size| size > SHOWN);
    let read = |record: &Option<FileRecord>| record.as_ref().and_then(|record| bytes(site, record));
    let (before, after) = if large {
        (None, None)
    } else {
        (read(&file.before), read(&file.after))
    };
    let mut note = String::new();
    if task.config.as_ref() == Some(&file.path) {
        note = config_note(&file.path, before.as_deref(), after.as_deref());
    }
    if uncommitted {
        note = if note.is_empty() {
            "uncommitted edits are saved".into()
        } else {
            format!("{note}; uncommitted edits are saved")
        };
    }
    let before = size_of(&file.before).map(|size| LineSide {
        size,
        bytes: before.as_deref(),
    });
    let after = size_of(&file.after).map(|size| LineSide {
        size,
        bytes: after.as_deref(),
    });
    let coming = file.after.as_ref();
    let stored = coming.is_some_and(|record| record.location.object().is_some());
    lines::line(&file.path, before, after, large || stored, note)
}

/// Reads the bytes of a file, wherever they are before anything is saved.
fn bytes(site: &RepoSite, record: &FileRecord) -> Option<Vec<u8>> {
    if record.location == Location::Here {
        return capture::read(&*site.tree, &record.path).ok()??.bytes;
    }
    let mut bytes = Vec::new();
    let copied = copy_checked(site, record, &mut bytes);
    copied.ok().map(|()| bytes)
}

/// Returns the first three changed configuration values, `key: before -> after`.
fn config_note(path: &RelPath, before: Option<&[u8]>, after: Option<&[u8]>) -> String {
    let values = |bytes: Option<&[u8]>| {
        bytes
            .and_then(|bytes| task_config::values(bytes, path).ok())
            .unwrap_or_default()
    };
    let (before, after) = (values(before), values(after));
    let changed = value_changes(&before, &after);
    let text = changed.iter().take(3).map(|(key, before, after)| {
        let say = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
        format!("{key}: {} -> {}", say(before), say(after))
    });
    text.collect::<Vec<_>>().join(", ")
}

/// A changed value: key, before, after.
pub type ValueChange = (String, Option<String>, Option<String>);

/// Returns the values that differ, in key order.
pub fn value_changes(before: &[(String, String)], after: &[(String, String)]) -> Vec<ValueChange> {
    let mut all: std::collections::BTreeMap<&String, (Option<&String>, Option<&String>)> =
        std::collections::BTreeMap::new();
    for (key, value) in before {
        all.entry(key).or_default().0 = Some(value);
    }
    for (key, value) in after {
        all.entry(key).or_default().1 = Some(value);
    }
    let differs = all
        .into_iter()
        .filter(|(_, (before, after))| before != after);
    differs
        .map(|(key, (before, after))| (key.clone(), before.cloned(), after.cloned()))
        .collect()
}
