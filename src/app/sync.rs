//! Registry and configurations agree: drift is shown, and repaired in either direction.

use super::{App, Error};
use crate::{
    base::{Failure, TaskId},
    catalog::registry as read,
    draft::{Draft, FileDraft, StepDraft, registry, tree},
    model::{
        Plan, Report, Request, TaskSpec, Version,
        operation::OpKind,
        overview::DriftLine,
        report::Outcome,
        request::{SyncFrom, SyncRegistry},
    },
    registry::task_config,
};

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
        let mut last = None;
        for line in self.drift()?.into_iter().filter(|line| tasks.is_empty() || tasks.contains(&line.task)) {
            let report = self.apply_seen(&Request::SyncRegistry(SyncRegistry { task: line.task, from }), |_| Ok(()))?;
            let is_over = report.outcome != Outcome::Done;
            last = Some(report);
            if is_over {
                break;
            }
        }
        last.ok_or_else(|| Error::CannotSync("registry and configurations agree already".into()).into())
    }

    /// Describes how registry and configuration of a task come to agree.
    pub(super) fn draft_of_sync(&self, wanted: &SyncRegistry) -> Result<Draft, Failure> {
        let line = self.drift()?.into_iter().find(|line| line.task == wanted.task);
        let line = line.ok_or_else(|| Error::CannotSync(format!("registry and configuration of {} agree already", wanted.task)))?;
        self.sync_draft(self.spec(&wanted.task)?, &line, wanted.from)
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
