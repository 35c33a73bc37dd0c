//! Converts the file's shape to [`Settings`], as far as all tasks together are concerned.
//!
//! Every rule that the shape cannot express is checked, and every error names its key. An error
//! about a task leaves out only that task. Read `task_list.rs` for which tasks there are and
//! `task_block.rs` for the block of one task.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    ConfigSource, Error, LoadedConfig,
    calls::{self, AlertsBlock},
    file::TaskBlock,
    kinds::Kinds,
    overlaps::{self, PathClaim},
    parts::{ConfigPart, Parts},
    place::{all_below, path, rule},
    task_block, task_list,
};
use crate::{
    base::{Fault, Fs, RelPath, glob::escape},
    model::{Settings, TagForms, TaskId, TaskSpec, alert::AlertSettings, settings::HookSettings},
    site::{Flaw, StoppedTasks},
};

/// Names the tasks that have releases without being known, given the registry's path and which
/// tasks are known.
pub(super) type RegistryTasks<'a> = &'a dyn Fn(&RelPath, &dyn Fn(&TaskId) -> bool) -> Vec<TaskId>;

/// Findings that are gathered during resolution.
pub(super) struct ConfigFindings<'a> {
    pub root: &'a dyn Fs,
    pub kinds: Kinds<'a>,
    /// Tasks whose ids begin otherwise are left out.
    pub only: &'a str,
    /// The text, used to find lines.
    pub bytes: &'a [u8],
    pub warnings: Vec<String>,
    flaws: Vec<Flaw>,
    /// Entries of `tasks` whose names are not ids.
    pub misnamed: Vec<(String, Error)>,
    /// Paths that unusable entries own, as far as they can be read.
    pub claims: Vec<PathClaim>,
}

impl ConfigFindings<'_> {
    /// Leaves something out because of a mistake.
    pub fn leave_out(&mut self, error: Error, stops: StoppedTasks) {
        self.leave_out_too(Arc::new(error), stops);
    }

    /// Leaves another thing out because of the same mistake.
    pub fn leave_out_too(&mut self, error: Arc<dyn Fault>, stops: StoppedTasks) {
        self.flaws.push(Flaw { error, stops });
    }

    /// Leaves something out on which one or a few tasks depend.
    pub fn stop(&mut self, error: Error, tasks: impl IntoIterator<Item = TaskId>) {
        self.leave_out(
            error.with_line(self.bytes),
            StoppedTasks::Tasks(tasks.into_iter().collect()),
        );
    }

    /// Returns all tasks that a mistake stops.
    pub fn stopped(&self) -> BTreeSet<TaskId> {
        let tasks = |flaw: &Flaw| {
            if let StoppedTasks::Tasks(tasks) = &flaw.stops {
                tasks.clone()
            } else {
                Vec::new()
            }
        };
        self.flaws.iter().flat_map(tasks).collect()
    }

    /// Returns the mistake that stops all tasks that do not say where they are.
    pub fn undeclared(&self) -> Option<Arc<dyn Fault>> {
        self.flaws
            .iter()
            .find(|flaw| flaw.stops == StoppedTasks::Undeclared)
            .map(|flaw| Arc::clone(&flaw.error))
    }
}

/// Resolves a file; `from_file` is left to the caller.
///
/// `released` names tasks of the registry that have releases but are not known.
pub(super) fn resolve(
    Parts { file, left_out }: Parts,
    ConfigSource {
        tree, kinds, only, ..
    }: ConfigSource<'_>,
    (released, is_released): (RegistryTasks<'_>, &dyn Fn(&TaskId) -> bool),
    bytes: &[u8],
) -> Result<LoadedConfig, Error> {
    if file.version != 1 {
        let version = file.version;
        return Err(rule(
            "version",
            format!("the format {version} is not known; this snapback knows 1"),
        ));
    }
    let registry = path("registry", &file.registry)?;
    let snapshots = path("snapshots", file.snapshots.trim_end_matches('/'))?;
    let defaults = defaults_of(file.defaults)?;
    let usual = task_block::tag_form("defaults.tag", defaults.tag.as_deref())?;
    let scheme = defaults.scheme.unwrap_or_default();
    let mut found = ConfigFindings {
        root: tree,
        kinds,
        only,
        bytes,
        warnings: Vec::new(),
        flaws: Vec::new(),
        misnamed: Vec::new(),
        claims: Vec::new(),
    };
    let is_left_out = |key: &str| {
        left_out
            .iter()
            .any(|(part, _)| *part == ConfigPart::Key(key.into()))
    };
    let (is_strict, knows_alerts) = (is_left_out("hooks"), !is_left_out("alerts"));
    leave_parts_out(left_out, &mut found);
    let tasks = task_list::all(file.tasks, &defaults, (&registry, released), &mut found);
    let mut tasks = without_conflicts(tasks, is_released, &mut found);
    for task in &mut tasks {
        keep_own_files_out(task, (&registry, &snapshots));
    }
    let alerts = alert_words(file.alerts, knows_alerts, &mut found);
    let settings = Settings {
        tags: TagForms::of(usual, &tasks),
        scheme,
        registry,
        snapshots,
        tasks,
        left_out: found.stopped().into_iter().collect(),
        rollback: file.rollback,
        releases: file.releases,
        // A hook that may have been told to refuse does refuse.
        hooks: HookSettings {
            strict: file.hooks.strict || is_strict,
        },
        alerts,
        from_file: false,
    };
    Ok(LoadedConfig {
        settings,
        warnings: found.warnings,
        flaws: found.flaws,
    })
}

/// Returns the settings for every task that does not set them itself.
fn defaults_of(defaults: TaskBlock) -> Result<TaskBlock, Error> {
    if defaults.path.is_some() || defaults.title.is_some() {
        return Err(rule(
            "defaults",
            "`path` and `title` belong to one task each",
        ));
    }
    Ok(defaults)
}

/// Returns the tasks without those that cannot coexist.
fn without_conflicts(
    tasks: Vec<TaskSpec>,
    is_released: &dyn Fn(&TaskId) -> bool,
    found: &mut ConfigFindings<'_>,
) -> Vec<TaskSpec> {
    let mut tasks = overlaps::leave_twins_out(tasks, is_released, &mut found.warnings);
    let claims = std::mem::take(&mut found.claims);
    overlaps::leave_overlaps_out(&mut tasks, &claims, found);
    overlaps::leave_foreign_configs_out(&mut tasks, found);
    overlaps::leave_same_tags_out(&mut tasks, found);
    overlaps::leave_odd_tags_out(&mut tasks, found);
    tasks
}

/// Returns where alerts go; a part with a mistake counts as unknown.
fn alert_words(
    block: Option<AlertsBlock>,
    is_read: bool,
    found: &mut ConfigFindings<'_>,
) -> AlertSettings {
    let usual = Ok(AlertSettings::default());
    let read = |block| calls::alerts(block, found.kinds.channels);
    let alerts = block.map_or(usual, read).unwrap_or_else(|error| {
        found.leave_out(error.with_line(found.bytes), StoppedTasks::Nothing);
        AlertSettings {
            known: false,
            ..AlertSettings::default()
        }
    });
    AlertSettings {
        known: alerts.known && is_read,
        ..alerts
    }
}

/// Records for each unreadable part which tasks it stops.
fn leave_parts_out(left_out: Vec<(ConfigPart, Error)>, found: &mut ConfigFindings<'_>) {
    for (part, error) in left_out {
        match part {
            ConfigPart::Key(_) => found.leave_out(error, StoppedTasks::Nothing),
            ConfigPart::Discover => found.leave_out(error, StoppedTasks::Undeclared),
            ConfigPart::Task(name) => match name.parse::<TaskId>() {
                Ok(id) => found.leave_out(error, StoppedTasks::Tasks(vec![id])),
                Err(_) => found.misnamed.push((name, error)),
            },
        }
    }
}

/// Excludes the files that snapback itself writes from a task that would contain them.
fn keep_own_files_out(task: &mut TaskSpec, (registry, snapshots): (&RelPath, &RelPath)) {
    let files = [
        registry.clone(),
        RelPath::own("snapback.yaml"),
        RelPath::own("snapback.yml"),
    ];
    let folders = |path: &RelPath| {
        path.ancestors()
            .chain([RelPath::root()])
            .collect::<Vec<_>>()
    };
    let holds = |path: &RelPath| {
        folders(path)
            .iter()
            .any(|folder| task.paths.contains(&all_below(folder)))
    };
    let files = files
        .iter()
        .filter(|path| holds(path))
        .map(|path| escape(&path.to_text()));
    let folder = holds(snapshots).then(|| all_below(snapshots));
    let own: Vec<String> = files.chain(folder).collect();
    task.exclude.extend(own);
}
