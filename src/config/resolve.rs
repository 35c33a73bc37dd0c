//! From the file's shape to [`Settings`], as far as it is about all tasks together.
//!
//! Every rule that the shape cannot express is checked, and every error names its key. One that is
//! about a task leaves out that task and no other. Read `task_list.rs` for which tasks there are
//! and `task_block.rs` for what one of them says.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Error, LoadedConfig,
    calls::{self, AlertsBlock},
    file::TaskBlock,
    kinds::Kinds,
    overlaps::{self, PathClaim},
    parts::{ConfigPart, Parts},
    place::{all_below, path, rule},
    task_list,
};
use crate::{
    base::{Fault, Fs, RelPath, glob::escape},
    model::{Settings, TaskId, TaskSpec, alert::AlertSettings, settings::HookSettings},
    site::{Flaw, StoppedTasks},
};

/// Given the registry's path and which tasks are known, names those that have releases all the
/// same.
pub(super) type RegistryTasks<'a> = &'a dyn Fn(&RelPath, &dyn Fn(&TaskId) -> bool) -> Vec<TaskId>;

/// What is gathered on the way.
pub(super) struct ConfigFindings<'a> {
    pub root: &'a dyn Fs,
    pub kinds: Kinds<'a>,
    /// The text, for lines.
    pub bytes: &'a [u8],
    pub warnings: Vec<String>,
    flaws: Vec<Flaw>,
    /// Entries of `tasks` whose names are no ids.
    pub misnamed: Vec<(String, Error)>,
    /// What entries that cannot be used own, as far as it can be read.
    pub claims: Vec<PathClaim>,
}

impl ConfigFindings<'_> {
    /// Leaves something out.
    pub fn leave_out(&mut self, error: Error, stops: StoppedTasks) {
        self.leave_out_too(Arc::new(error), stops);
    }

    /// Leaves something more out because of the same mistake.
    pub fn leave_out_too(&mut self, error: Arc<dyn Fault>, stops: StoppedTasks) {
        self.flaws.push(Flaw { error, stops });
    }

    /// The same for what one task, or a few, take from.
    pub fn stop(&mut self, error: Error, tasks: impl IntoIterator<Item = TaskId>) {
        self.leave_out(
            error.with_line(self.bytes),
            StoppedTasks::Tasks(tasks.into_iter().collect()),
        );
    }

    /// All tasks that something stops.
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

    /// What stops all that do not say where they are.
    pub fn undeclared(&self) -> Option<Arc<dyn Fault>> {
        self.flaws
            .iter()
            .find(|flaw| flaw.stops == StoppedTasks::Undeclared)
            .map(|flaw| Arc::clone(&flaw.error))
    }
}

/// Gives a file its meaning; `from_file` is left to the caller.
///
/// `released` names tasks of the registry that have releases but are not known.
pub(super) fn resolve(
    Parts { file, left_out }: Parts,
    root: &dyn Fs,
    (released, is_released): (RegistryTasks<'_>, &dyn Fn(&TaskId) -> bool),
    kinds: Kinds<'_>,
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
    let mut found = ConfigFindings {
        root,
        kinds,
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
        registry,
        snapshots,
        tasks,
        left_out: found.stopped().into_iter().collect(),
        rollback: file.rollback,
        releases: file.releases,
        // A hook that may have been told to refuse does.
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

/// What holds for every task that does not say otherwise.
fn defaults_of(defaults: TaskBlock) -> Result<TaskBlock, Error> {
    if defaults.path.is_some() || defaults.title.is_some() {
        return Err(rule(
            "defaults",
            "`path` and `title` belong to one task each",
        ));
    }
    Ok(defaults)
}

/// The tasks without those that cannot stand beside each other.
fn without_conflicts(
    tasks: Vec<TaskSpec>,
    is_released: &dyn Fn(&TaskId) -> bool,
    found: &mut ConfigFindings<'_>,
) -> Vec<TaskSpec> {
    let mut tasks = overlaps::leave_twins_out(tasks, is_released, &mut found.warnings);
    let claims = std::mem::take(&mut found.claims);
    overlaps::leave_overlaps_out(&mut tasks, &claims, found);
    overlaps::leave_foreign_configs_out(&mut tasks, found);
    tasks
}

/// Where alerts go; what holds a mistake is not known.
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

/// Says of each part that could not be read whom it stops.
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

/// Keeps the files that snapback itself writes out of a task that would hold them.
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
