//! Lists the tasks: those that the file names, and the folders that the rules find.
//!
//! A mistake in one entry stops the tasks that the entry may be about, and no others. The intended
//! meaning is never guessed.

use std::collections::{HashMap, HashSet};

use super::{
    Error,
    discover::{self, DiscoveredTask, Rule},
    file::{Discover, TaskBlock, Tasks},
    overlaps::PathClaim,
    place::{check_glob, rule},
    resolve::{ConfigFindings, RegistryTasks},
    task_block::task,
};
use crate::{
    base::{RelPath, fs::Type, text},
    model::{TaskId, TaskSpec},
    site::StoppedTasks,
};

/// Returns all tasks, both named in the file and found.
pub(super) fn all(
    declared: Tasks,
    defaults: &TaskBlock,
    (registry, released): (&RelPath, RegistryTasks<'_>),
    found: &mut ConfigFindings<'_>,
) -> Vec<TaskSpec> {
    let rules = usable_rules(declared.discover, found);
    let only = found.only;
    let is_wanted = |id: &str| id.starts_with(only);
    let mut named_tasks = declared.named;
    named_tasks.retain(|(name, _)| is_wanted(name));
    let mut folders = discover::find(found.root, &rules, found.only, &mut found.warnings)
        .unwrap_or_else(|error| {
            found.leave_out(error, StoppedTasks::Undeclared);
            Vec::new()
        });
    let stopped = found.stopped();
    let stopped = stopped.iter().map(TaskId::as_str);
    let in_folders = folders.iter().map(|folder| folder.id.as_str());
    let named_ids = named_tasks.iter().filter_map(|(name, _)| name.parse().ok());
    let named_ids: Vec<TaskId> = named_ids.collect();
    let named_ids = named_ids.iter().map(TaskId::as_str);
    let known: HashSet<&str> = stopped.chain(in_folders).chain(named_ids).collect();
    let is_known = |id: &TaskId| known.contains(id.as_str()) || !is_wanted(id.as_str());
    let lost: Vec<DiscoveredTask> = released(registry, &is_known)
        .into_iter()
        .filter_map(|id| discover::lost(&rules, id))
        .collect();
    found.warnings.extend(lost.iter().map(|lost| {
        format!(
            "{} has lost its folder {} or its configuration; its releases have them",
            lost.id, lost.dir
        )
    }));
    folders.extend(lost);
    let mut tasks = named(named_tasks, &folders, defaults, found);
    leave_misnamed_out(&folders, &tasks, found);
    add_found(&mut tasks, folders, defaults, found);
    tasks
}

/// Returns the rules of discovery, or none if they cannot be used. If rules are wrong, folders that
/// no rule names are not tasks either.
fn usable_rules(declared: Option<Vec<Discover>>, found: &mut ConfigFindings<'_>) -> Vec<Rule> {
    let rules = rules(declared).unwrap_or_else(|error| {
        found.leave_out(error.with_line(found.bytes), StoppedTasks::Undeclared);
        Vec::new()
    });
    if found.undeclared().is_some() {
        Vec::new()
    } else {
        rules
    }
}

/// Returns the rules of discovery.
fn rules(declared: Option<Vec<Discover>>) -> Result<Vec<Rule>, Error> {
    let Some(declared) = declared else {
        return Ok(vec![Rule::usual()]);
    };
    let to_rule = |Discover { glob, id }: Discover| {
        let at = "tasks.discover";
        if glob.contains("**") {
            return Err(rule(
                at,
                format!("{glob:?} holds `**`; name each level with `*`"),
            ));
        }
        if !id.contains("{name}") {
            return Err(rule(
                at,
                format!(
                    "the id {id:?} does not hold {{name}}, so every folder would be the same task"
                ),
            ));
        }
        check_glob(at, glob.trim_end_matches('/'))?;
        Ok(Rule {
            glob,
            id,
            needs_config: false,
        })
    };
    declared.into_iter().map(to_rule).collect()
}

/// Returns the tasks that the file names.
fn named(
    blocks: Vec<(String, TaskBlock)>,
    folders: &[DiscoveredTask],
    defaults: &TaskBlock,
    found: &mut ConfigFindings<'_>,
) -> Vec<TaskSpec> {
    let (mut tasks, mut undeclared) = (Vec::with_capacity(blocks.len()), Vec::new());
    let why = found.undeclared();
    // Of two folders of one id, the first.
    let in_reverse = folders.iter().rev();
    let dirs: HashMap<&TaskId, &DiscoveredTask> =
        in_reverse.map(|folder| (&folder.id, folder)).collect();
    for (name, block) in blocks {
        let id: TaskId = match name.parse() {
            Ok(id) => id,
            Err(error) => {
                let error =
                    rule(&format!("tasks.{name}"), format!("{error}")).with_line(found.bytes);
                found.misnamed.push((name, error));
                continue;
            }
        };
        if why.is_some() && block.path.is_none() {
            undeclared.push(id);
            continue;
        }
        let folder = dirs.get(&id).copied();
        match task(
            id.clone(),
            folder,
            block.or(defaults),
            found.root,
            found.kinds.metrics,
        ) {
            Err(error) => found.stop(error, [id]),
            Ok(spec) => {
                if !matches!(found.root.stat(&spec.dir), Ok(Some(stat)) if stat.kind == Type::Dir) {
                    found.warnings.push(format!(
                        "the folder of {} is not there: {}",
                        spec.id, spec.dir
                    ));
                }
                tasks.push(spec);
            }
        }
    }
    if let Some(error) = why.filter(|_| !undeclared.is_empty()) {
        found.leave_out_too(error, StoppedTasks::Tasks(undeclared));
    }
    tasks
}

/// Records which tasks the misnamed entries stop, and the paths that unusable entries own.
fn leave_misnamed_out(
    folders: &[DiscoveredTask],
    tasks: &[TaskSpec],
    found: &mut ConfigFindings<'_>,
) {
    let misnamed = std::mem::take(&mut found.misnamed);
    let stopped = found.stopped();
    let unusable = misnamed
        .iter()
        .map(|(name, _)| name.as_str())
        .chain(stopped.iter().map(TaskId::as_str));
    found.claims = PathClaim::all(unusable, found.bytes, found.root);
    for (name, error) in misnamed {
        // It may belong to a task without an entry; a merge key (`<<`) may mean any of them.
        let bare = folders
            .iter()
            .map(|folder| &folder.id)
            .filter(|id| tasks.iter().all(|task| task.id != **id));
        let may_be =
            |id: &&TaskId| name == "<<" || !text::did_you_mean(&name, [id.as_str()]).is_empty();
        let near: Vec<TaskId> = bare.filter(may_be).cloned().collect();
        found.leave_out(
            error,
            if near.is_empty() {
                StoppedTasks::Nothing
            } else {
                StoppedTasks::Tasks(near)
            },
        );
    }
}

/// Adds the found folders that no entry of the file is about.
fn add_found(
    tasks: &mut Vec<TaskSpec>,
    folders: Vec<DiscoveredTask>,
    defaults: &TaskBlock,
    found: &mut ConfigFindings<'_>,
) {
    let taken: HashSet<RelPath> = tasks.iter().map(|task| task.dir.clone()).collect();
    let ids: HashSet<TaskId> = tasks
        .iter()
        .map(|task| task.id.clone())
        .chain(found.stopped())
        .collect();
    for folder in folders
        .into_iter()
        .filter(|folder| !taken.contains(&folder.dir) && !ids.contains(&folder.id))
    {
        let id = folder.id.clone();
        let metrics = found.kinds.metrics;
        match task(
            id.clone(),
            Some(&folder),
            defaults.clone(),
            found.root,
            metrics,
        ) {
            Ok(spec) => tasks.push(spec),
            Err(error) => found.stop(error, [id]),
        }
    }
}
