//! Makes registry and configurations agree: shows drift, and repairs it in either direction.

use super::Error;
use crate::{
    base::Failure,
    catalog::{registry as read, tasks},
    draft::{Draft, registry, steps, tree},
    model::{
        Advice, FileRecord, PathChange, Plan, Report, TaskId, TaskSpec, Version,
        operation::OpKind,
        overview::DriftLine,
        report::Outcome,
        request::{SyncFrom, SyncRegistry},
    },
    operate::{Change, Operator},
    registry::{
        Registry,
        merge::{self, Salvaged},
        task_config,
    },
    site::RepoSite,
};

/// Returns the tasks whose registry entry and configuration differ.
pub fn drift(site: &RepoSite) -> Result<Vec<DriftLine>, Failure> {
    let registry = read::in_tree(&*site.tree, &site.settings)?;
    let mut lines = Vec::new();
    for task in &site.settings.tasks {
        let in_registry = registry
            .as_ref()
            .map(|registry| registry.version(&task.id))
            .transpose()?
            .flatten();
        let config = read::config_version(&*site.tree, task)?;
        let agree = |config: &Version| {
            in_registry
                .as_ref()
                .is_some_and(|registry| registry.agrees_with_config(config))
        };
        if config.as_ref().is_none_or(agree) {
            continue;
        }
        let remedy = Advice::SyncTask {
            task: task.id.clone(),
        };
        lines.push(DriftLine {
            task: task.id.clone(),
            registry: in_registry,
            config,
            remedy: site.spelled(&remedy),
        });
    }
    Ok(lines)
}

/// Plans the repair of an unreadable registry; `None` when it is readable. Keeps every entry of
/// both sides of a merge; the configurations determine the versions.
pub fn plan_mending(site: &RepoSite) -> Result<Option<Plan>, Failure> {
    let draft = mending(site)?;
    if draft.is_some() {
        site.refuse_flaws()?;
    }
    Ok(draft.map(|draft| draft.plan))
}

/// Repairs an unreadable registry. The change is not committed; `undo` reverses it.
pub fn mend(site: &RepoSite) -> Result<Report, Failure> {
    let draft = mending(site)?.ok_or_else(|| Error("the registry can be read".into()))?;
    let wanted = SyncRegistry {
        task: draft.plan.task,
        from: SyncFrom::Config,
    };
    Operator::new(site).execute(&wanted, |_| Ok(()))
}

/// Drafts the repair of an unreadable registry.
fn mending(site: &RepoSite) -> Result<Option<Draft>, Failure> {
    let (tree, path) = (&*site.tree, &site.settings.registry);
    let Some(bytes) = read::read_small(tree, path)?.filter(|bytes| Registry::parse(bytes).is_err())
    else {
        return Ok(None);
    };
    let Salvaged {
        mut registry,
        differ,
        notes,
    } = merge::salvage(&bytes);
    let first = site
        .settings
        .tasks
        .first()
        .ok_or_else(|| Error("there is no task".into()))?;
    let mut plan = Plan {
        notes,
        ..Plan::new(OpKind::RegistrySync, &first.id)
    };
    for task in &site.settings.tasks {
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
        .filter(|task| site.settings.task(task).is_none());
    plan.notes
        .extend(others.map(|task| format!("{task}: the two sides do not agree; ours is kept")));
    let before = tree::existing(tree, &site.git, path, None)?;
    let mode = before.as_ref().map_or(0o644, |record| record.mode);
    let mut draft = Draft::new(plan, "registry sync");
    draft.files.push(PathChange {
        path: path.clone(),
        before,
        after: Some(FileRecord::with_bytes(
            path.clone(),
            mode,
            registry.bytes().to_vec(),
        )),
    });
    draft.steps = vec![steps::FILES];
    Ok(Some(draft))
}

/// Makes them agree, one operation per task; no task = all that differ. The change is not
/// committed; `undo` reverses it.
pub fn sync(site: &RepoSite, tasks: &[TaskId], from: SyncFrom) -> Result<Report, Failure> {
    let mut last = None;
    for line in drift(site)?
        .into_iter()
        .filter(|line| tasks.is_empty() || tasks.contains(&line.task))
    {
        let wanted = SyncRegistry {
            task: line.task,
            from,
        };
        let report = Operator::new(site).execute(&wanted, |_| Ok(()))?;
        let is_over = report.outcome != Outcome::Done;
        last = Some(report);
        if is_over {
            break;
        }
    }
    last.ok_or_else(|| Error("registry and configurations agree already".into()).into())
}

impl Change for SyncRegistry {
    fn draft(&self, site: &RepoSite) -> Result<Draft, Failure> {
        site.refuse_flaws()?;
        draft(site, self)
    }
}

/// Describes how a task's registry entry and configuration are made to agree.
fn draft(site: &RepoSite, wanted: &SyncRegistry) -> Result<Draft, Failure> {
    if wanted.from == SyncFrom::Config
        && let Some(mending) = mending(site)?
    {
        return Ok(mending);
    }
    let line = drift(site)?
        .into_iter()
        .find(|line| line.task == wanted.task);
    let line = line.ok_or_else(|| {
        Error(format!(
            "registry and configuration of {} agree already",
            wanted.task
        ))
    })?;
    sync_draft(site, tasks::spec(site, &wanted.task)?, &line, wanted.from)
}

/// The draft for one task.
fn sync_draft(
    site: &RepoSite,
    task: &TaskSpec,
    line: &DriftLine,
    from: SyncFrom,
) -> Result<Draft, Failure> {
    let version = match from {
        SyncFrom::Config => line.config.clone(),
        SyncFrom::Registry => line.registry.clone(),
    };
    let version =
        version.ok_or_else(|| Error(format!("the registry names no version of {}", task.id)))?;
    let mut draft = Draft::new(plan(task, line, &version), "registry sync");
    match from {
        SyncFrom::Config => {
            registry::edit(site, &task.id, Some(&version))?.add_to(&mut draft, Some(version));
        }
        SyncFrom::Registry => draft.files.extend(config_edit(site, task, &version)?),
    }
    draft.steps = vec![steps::FILES];
    Ok(draft)
}

/// Builds the change of a configuration's version.
fn config_edit(
    site: &RepoSite,
    task: &TaskSpec,
    version: &Version,
) -> Result<Option<PathChange>, Failure> {
    let Some(path) = &task.config else {
        return Ok(None);
    };
    let Some(bytes) = read::read_small(&*site.tree, path)? else {
        return Ok(None);
    };
    let edited = task_config::with_version(&bytes, path, &task.version_key, version)?;
    let before = tree::existing(&*site.tree, &site.git, path, None)?;
    let mode = before.as_ref().map_or(0o644, |record| record.mode);
    Ok(Some(PathChange {
        path: path.clone(),
        before,
        after: Some(FileRecord::with_bytes(path.clone(), mode, edited)),
    }))
}

/// Builds the plan of one task's repair.
fn plan(task: &TaskSpec, line: &DriftLine, version: &Version) -> Plan {
    Plan {
        title: task.title.clone(),
        from: line.registry.clone(),
        to: Some(version.clone()),
        ..Plan::new(OpKind::RegistrySync, &task.id)
    }
}
