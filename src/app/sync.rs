//! Registry and configurations agree: drift is shown, and repaired in either direction.

use std::time::Instant;

use super::{App, Error, change::millis};
use crate::{
    base::{Failure, TaskId},
    catalog::registry as read,
    draft::{self, Draft, FileDraft, StepDraft, registry, tree},
    journal::{Log, history},
    model::{Plan, Report, TaskSpec, Version, operation::OpKind, overview::DriftLine},
    registry::task_config,
};

/// Which side is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncFrom {
    /// The configurations: the registry follows.
    Config,
    /// The registry: the configurations follow.
    Registry,
}

impl App {
    /// The tasks whose registry entry and configuration differ.
    pub fn drift(&self) -> Result<Vec<DriftLine>, Failure> {
        let registry = read::in_tree(&*self.ground.tree, &self.ground.settings)?;
        let mut lines = Vec::new();
        for task in &self.ground.settings.tasks {
            let in_registry = registry.as_ref().map(|registry| registry.version(&task.id)).transpose()?.flatten();
            let config = read::config_version(&*self.ground.tree, task)?;
            if in_registry == config || config.is_none() {
                continue;
            }
            let remedy =
                if in_registry.is_none() { "registry sync --from config" } else { "registry sync --from config, or --from registry" };
            lines.push(DriftLine { task: task.id.clone(), registry: in_registry, config, remedy: format!("snapback {remedy}") });
        }
        Ok(lines)
    }

    /// Makes them agree, one operation a task; no task = all that differ. The change is not
    /// committed; `undo` takes it back.
    pub fn sync_registry(&self, tasks: &[TaskId], from: SyncFrom) -> Result<Report, Failure> {
        let begun = Instant::now();
        let _lock = self.lock()?;
        self.refuse_unfinished()?;
        let mut last = None;
        for line in self.drift()?.into_iter().filter(|line| tasks.is_empty() || tasks.contains(&line.task)) {
            let draft = self.sync_draft(self.spec(&line.task)?, &line, from)?;
            let id = history::next_id(&*self.ground.state)?;
            let written = draft::write::write(&self.ground, id, draft, |_| Ok(()))?;
            let log = Log::begin(self.ground.state.clone(), &written.operation)?;
            let mut report = self.empty_report(&written.operation, begun);
            self.run_steps((log, begun), &written.operation, &mut report, None, |runner| runner.run())?;
            report.duration_ms = millis(begun);
            self.keep_report(&report);
            last = Some(report);
        }
        last.ok_or_else(|| Error::CannotSync("registry and configurations agree already".into()).into())
    }

    /// The draft for one task.
    fn sync_draft(&self, task: &TaskSpec, line: &DriftLine, from: SyncFrom) -> Result<Draft, Failure> {
        let version = match from {
            SyncFrom::Config => line.config.clone(),
            SyncFrom::Registry => line.registry.clone(),
        };
        let version = version.ok_or_else(|| Error::CannotSync(format!("the registry names no version of {}", task.id)))?;
        let mut draft = Draft::new(plan(task, line, &version), "registry sync");
        match from {
            SyncFrom::Config => {
                registry::edit(&self.ground, &task.id, Some(&version))?.add_to(&mut draft, Some(version));
            }
            SyncFrom::Registry => draft.files.extend(self.config_edit(task, &version)?),
        }
        draft.steps = vec![StepDraft::Files];
        Ok(draft)
    }

    /// The change of a configuration's version.
    fn config_edit(&self, task: &TaskSpec, version: &Version) -> Result<Option<FileDraft>, Failure> {
        let Some(path) = &task.config else { return Ok(None) };
        let Some(bytes) = read::read_small(&*self.ground.tree, path)? else { return Ok(None) };
        let edited = task_config::with_version(&bytes, path, &task.version_key, version)?;
        let before = tree::existing(&*self.ground.tree, &self.ground.git, path, None)?;
        let mode = before.as_ref().map_or(0o644, |kept| kept.state.mode);
        Ok(Some(FileDraft { path: path.clone(), before, after: Some(tree::with_bytes(mode, edited)) }))
    }
}

/// The plan of one task's repair.
fn plan(task: &TaskSpec, line: &DriftLine, version: &Version) -> Plan {
    Plan { title: task.title.clone(), from: line.registry.clone(), to: Some(version.clone()), ..Plan::new(OpKind::RegistrySync, &task.id) }
}
