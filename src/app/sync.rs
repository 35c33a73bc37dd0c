//! Registry and configurations agree: drift is shown, and repaired in either direction.

use std::{io, path::Path};

use super::{App, Error};
use crate::{
    base::{
        Failure, Fs, RelPath, Root,
        fs::{publish, read_limited, write_aside},
        path::folder_of,
    },
    catalog::{registry as read, tasks},
    draft::{Draft, FileDraft, StepDraft, registry, tree},
    git,
    model::{
        Plan, Report, Request, TaskId, TaskSpec, Version,
        operation::OpKind,
        overview::DriftLine,
        report::Outcome,
        request::{SyncFrom, SyncRegistry},
    },
    registry::{
        Registry,
        merge::{self, Salvaged},
        task_config,
    },
    site,
};

impl App {
    /// The tasks whose registry entry and configuration differ.
    pub fn drift(&self) -> Result<Vec<DriftLine>, Failure> {
        let registry = read::in_tree(&*self.site.tree, &self.site.settings)?;
        let mut lines = Vec::new();
        for task in &self.site.settings.tasks {
            let in_registry = registry
                .as_ref()
                .map(|registry| registry.version(&task.id))
                .transpose()?
                .flatten();
            let config = read::config_version(&*self.site.tree, task)?;
            let agree = |config: &Version| {
                in_registry
                    .as_ref()
                    .is_some_and(|registry| registry.agrees_with_config(config))
            };
            if config.as_ref().is_none_or(agree) {
                continue;
            }
            let remedy = format!("snapback registry sync -t {} --from config", task.id);
            lines.push(DriftLine {
                task: task.id.clone(),
                registry: in_registry,
                config,
                remedy,
            });
        }
        Ok(lines)
    }

    /// What a registry that cannot be read would become; `None` when it can be read. Every entry of
    /// either side of a merge is kept, and the configurations say the versions.
    pub fn plan_mending(&self) -> Result<Option<Plan>, Failure> {
        let draft = self.mending()?;
        if draft.is_some() {
            self.refuse_flaws()?;
        }
        Ok(draft.map(|draft| draft.plan))
    }

    /// Does that. The change is not committed; `undo` takes it back.
    pub fn mend_registry(&self) -> Result<Report, Failure> {
        let draft = self
            .mending()?
            .ok_or_else(|| Error::CannotSync("the registry can be read".into()))?;
        self.apply_seen(
            &Request::SyncRegistry(SyncRegistry {
                task: draft.plan.task,
                from: SyncFrom::Config,
            }),
            |_| Ok(()),
        )
    }

    /// The draft of a registry that can be read again.
    fn mending(&self) -> Result<Option<Draft>, Failure> {
        let (tree, path) = (&*self.site.tree, &self.site.settings.registry);
        let Some(bytes) =
            read::read_small(tree, path)?.filter(|bytes| Registry::parse(bytes).is_err())
        else {
            return Ok(None);
        };
        let Salvaged {
            mut registry,
            differ,
            notes,
        } = merge::salvage(&bytes);
        let first = self
            .site
            .settings
            .tasks
            .first()
            .ok_or_else(|| Error::CannotSync("there is no task".into()))?;
        let mut plan = Plan {
            notes,
            ..Plan::new(OpKind::RegistrySync, &first.id)
        };
        for task in &self.site.settings.tasks {
            let there = registry.version(&task.id)?;
            let version = read::config_version(tree, task)?.or_else(|| there.clone());
            let Some(version) = version else { continue };
            let both = if differ.contains(&task.id) {
                ", on which the two sides do not agree"
            } else {
                ""
            };
            let from = if there.as_ref() == Some(&version) {
                "as it says"
            } else {
                "from the config"
            };
            plan.notes
                .push(format!("{} {version}, {from}{both}", task.id));
            registry = Registry::parse(&registry.with_version(&task.id, &version)?)?;
        }
        let others = differ
            .iter()
            .filter(|task| self.site.settings.task(task).is_none());
        plan.notes
            .extend(others.map(|task| format!("{task}: the two sides do not agree; ours is kept")));
        let before = tree::existing(tree, &self.site.git, path, None)?;
        let mode = before.as_ref().map_or(0o644, |kept| kept.state.mode);
        let mut draft = Draft::new(plan, "registry sync");
        draft.files.push(FileDraft {
            path: path.clone(),
            before,
            after: Some(tree::with_bytes(mode, registry.bytes().to_vec())),
        });
        draft.steps = vec![StepDraft::Files];
        Ok(Some(draft))
    }

    /// Makes them agree, one operation a task; no task = all that differ. The change is not
    /// committed; `undo` takes it back.
    pub fn sync_registry(&self, tasks: &[TaskId], from: SyncFrom) -> Result<Report, Failure> {
        let mut last = None;
        for line in self
            .drift()?
            .into_iter()
            .filter(|line| tasks.is_empty() || tasks.contains(&line.task))
        {
            let report = self.apply_seen(
                &Request::SyncRegistry(SyncRegistry {
                    task: line.task,
                    from,
                }),
                |_| Ok(()),
            )?;
            let is_over = report.outcome != Outcome::Done;
            last = Some(report);
            if is_over {
                break;
            }
        }
        last.ok_or_else(|| {
            Error::CannotSync("registry and configurations agree already".into()).into()
        })
    }

    /// Describes how registry and configuration of a task come to agree.
    pub(super) fn draft_of_sync(&self, wanted: &SyncRegistry) -> Result<Draft, Failure> {
        if wanted.from == SyncFrom::Config
            && let Some(mending) = self.mending()?
        {
            return Ok(mending);
        }
        let line = self
            .drift()?
            .into_iter()
            .find(|line| line.task == wanted.task);
        let line = line.ok_or_else(|| {
            Error::CannotSync(format!(
                "registry and configuration of {} agree already",
                wanted.task
            ))
        })?;
        self.sync_draft(tasks::spec(&self.site, &wanted.task)?, &line, wanted.from)
    }

    /// The draft for one task.
    fn sync_draft(
        &self,
        task: &TaskSpec,
        line: &DriftLine,
        from: SyncFrom,
    ) -> Result<Draft, Failure> {
        let version = match from {
            SyncFrom::Config => line.config.clone(),
            SyncFrom::Registry => line.registry.clone(),
        };
        let version = version.ok_or_else(|| {
            Error::CannotSync(format!("the registry names no version of {}", task.id))
        })?;
        let mut draft = Draft::new(plan(task, line, &version), "registry sync");
        match from {
            SyncFrom::Config => {
                registry::edit(&self.site, &task.id, Some(&version))?
                    .add_to(&mut draft, Some(version));
            }
            SyncFrom::Registry => draft.files.extend(self.config_edit(task, &version)?),
        }
        draft.steps = vec![StepDraft::Files];
        Ok(draft)
    }

    /// The change of a configuration's version.
    fn config_edit(
        &self,
        task: &TaskSpec,
        version: &Version,
    ) -> Result<Option<FileDraft>, Failure> {
        let Some(path) = &task.config else {
            return Ok(None);
        };
        let Some(bytes) = read::read_small(&*self.site.tree, path)? else {
            return Ok(None);
        };
        let edited = task_config::with_version(&bytes, path, &task.version_key, version)?;
        let before = tree::existing(&*self.site.tree, &self.site.git, path, None)?;
        let mode = before.as_ref().map_or(0o644, |kept| kept.state.mode);
        Ok(Some(FileDraft {
            path: path.clone(),
            before,
            after: Some(tree::with_bytes(mode, edited)),
        }))
    }
}

/// The plan of one task's repair.
fn plan(task: &TaskSpec, line: &DriftLine, version: &Version) -> Plan {
    Plan {
        title: task.title.clone(),
        from: line.registry.clone(),
        to: Some(version.clone()),
        ..Plan::new(OpKind::RegistrySync, &task.id)
    }
}

/// Merges two registries by task in the place of our side; where both sides changed a task, git's
/// own merge leaves its marks there, and the answer says why.
///
/// # Errors
/// When a file cannot be read or written, or git cannot be run.
pub fn merge_registries(
    dir: &Path,
    [base, ours, theirs]: [&Path; 3],
    marker: u16,
) -> Result<Option<String>, Failure> {
    let failed = |path: &Path, source| site::Error::State {
        path: path.to_path_buf(),
        source,
    };
    let read = |path: &Path| {
        let (root, name) = place(&dir.join(path)).map_err(|source| failed(path, source))?;
        read_limited(&root, &name, MERGED).map_err(|source| failed(path, source))
    };
    match merge::three_way(&read(base)?, &read(ours)?, &read(theirs)?) {
        Ok(bytes) => {
            let (root, name) = place(&dir.join(ours)).map_err(|source| failed(ours, source))?;
            let mode = root
                .stat(&name)
                .ok()
                .flatten()
                .map_or(0o644, |stat| stat.mode);
            // git reads it at once and throws it away: no sync.
            let written =
                write_aside(&root, &name, &bytes, mode, None).and_then(|()| publish(&root, &name));
            written.map_err(|source| failed(ours, source))?;
            Ok(None)
        }
        Err(why) => {
            Ok((!git::merge_file(dir, [base, ours, theirs], marker)?).then(|| why.to_string()))
        }
    }
}

/// Largest registry that is merged, in bytes.
const MERGED: u64 = 16 << 20;

/// The folder of a file, and its name.
fn place(path: &Path) -> io::Result<(Root, RelPath)> {
    let name = path
        .file_name()
        .map(|name| RelPath::parse(name.as_encoded_bytes()))
        .transpose();
    let name = name.ok().flatten().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((Root::open(folder_of(path))?, name))
}
