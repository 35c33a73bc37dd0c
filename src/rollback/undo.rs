//! The inverse of an operation, described in the same terms as the operation itself.
//!
//! Every path goes back to the state that was recorded before; what is there now is saved first,
//! so an undo can be redone. The branch goes forward: one more commit whose tree is, for the
//! touched paths, what it was. The registry goes back by its one entry, because other tasks may
//! have moved on since.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    Error,
    databases::{self, Sides},
    room::{self, Room},
    show, standing_of,
};
use crate::{
    base::{Failure, Fs, OpId, RelPath, TaskId, clock::local, zone},
    catalog::{self, Scope},
    draft::{CommitDraft, Draft, FileDraft, Kept, StepDraft, registry, tree},
    git::{Scan, Tracked},
    ground::Ground,
    journal::{self, history, status::Phase},
    model::{
        Operation, Plan, TagName, TaskSpec, Verdict, Version,
        operation::{About, CommandRole, OpKind, Step, TreeChange, TreeEntry},
        request,
        signature::Signing,
    },
    policy::undo::{Done, Stacks, stacks},
    steps::verdicts,
};

/// The operations that ended as done, oldest first, and in which work tree each was done.
fn finished(state: &Arc<dyn Fs>) -> Result<Vec<(Done, String)>, Failure> {
    let mut done = Vec::new();
    for id in history::ids(&**state)? {
        let Some(found) = history::summary(state, &id)? else {
            continue;
        };
        if found.phase == (Phase::Finished { done: true }) {
            let About {
                id,
                kind,
                task,
                undoes,
                worktree,
                ..
            } = found.summary.about;
            done.push((
                Done {
                    id,
                    kind,
                    task,
                    undoes,
                },
                worktree,
            ));
        }
    }
    Ok(done)
}

/// The other work tree in which an operation was done.
type Place<'p> = dyn Fn(&OpId) -> Option<String> + 'p;

/// Finds the operation that an undo (or redo) takes back.
pub fn find(ground: &Ground, request: &request::Undo, kind: OpKind) -> Result<Operation, Failure> {
    let all = finished(&ground.state)?;
    let here = ground.git.work_tree().to_string_lossy();
    let done_here: Vec<Done> = all
        .iter()
        .filter(|(_, worktree)| *worktree == here)
        .map(|(done, _)| done.clone())
        .collect();
    let elsewhere: HashMap<OpId, String> = all
        .iter()
        .filter(|(_, worktree)| *worktree != here)
        .map(|(done, worktree)| (done.id.clone(), worktree.clone()))
        .collect();
    let place = |id: &OpId| elsewhere.get(id).cloned();
    let done: Vec<Done> = all.into_iter().map(|(done, _)| done).collect();
    let done_here = without_releases_taken_back(done_here);
    let done = without_releases_taken_back(done);
    if kind == OpKind::Undo
        && let Some(release) = release_to_take_back(&done_here, &done, request, &place)?
    {
        let release = open(&ground.state, &release)?;
        // A script that takes its rollback back must not lose a release when there was no rollback.
        if request.op.is_none() && !ground.asks {
            let tag = release
                .about
                .task
                .iter()
                .zip(&release.about.to)
                .map(|(task, version)| TagName::release(task, version).to_string());
            return Err(Error::ReleaseNotNamed { tag: tag.collect() }.into());
        }
        return Ok(release);
    }
    let pick = |stacks: Stacks| {
        if kind == OpKind::Redo {
            stacks.redo
        } else {
            stacks.undo
        }
    };
    let stack = pick(stacks(done.iter(), request.task.as_ref()));
    // What was done here comes first: other work trees have their own files, and their own turn.
    let of_here = pick(stacks(done_here.iter(), request.task.as_ref()));
    let id = match &request.op {
        None => match of_here.last().or(stack.last()) {
            Some(id) => id.clone(),
            None => {
                return Err(
                    Error::NothingTo(if kind == OpKind::Redo { "redo" } else { "undo" }).into(),
                );
            }
        },
        Some(id) if stack.contains(id) => {
            let done = if of_here.contains(id) {
                done_here
            } else {
                done
            };
            refuse_later(&done, id, kind, &place)?;
            id.clone()
        }
        Some(id) => return Err(cannot(ground, id)?.into()),
    };
    Ok(open(&ground.state, &id)?)
}

/// A release that was taken back is as if it had never been made.
fn without_releases_taken_back(done: Vec<Done>) -> Vec<Done> {
    let is_release = |id: &OpId| {
        done.iter()
            .any(|op| op.id == *id && op.kind == OpKind::CreateSnapshot)
    };
    let gone: HashSet<OpId> = done
        .iter()
        .filter_map(|op| op.undoes.clone())
        .filter(is_release)
        .collect();
    done.into_iter()
        .filter(|op| {
            !gone.contains(&op.id)
                && op
                    .undoes
                    .as_ref()
                    .is_none_or(|undone| !gone.contains(undone))
        })
        .collect()
}

/// The release that is to be taken back, when one is meant: by its name, or because it is the
/// newest operation. One that lies below others, which were taken back, is not meant.
fn release_to_take_back(
    done_here: &[Done],
    done: &[Done],
    request: &request::Undo,
    place: &Place<'_>,
) -> Result<Option<OpId>, Error> {
    let of_task = |op: &&Done, task: Option<&TaskId>| task.is_none() || op.task.as_ref() == task;
    let newest = |all: &[Done], task: Option<&TaskId>| {
        all.iter()
            .rfind(|op| !matches!(op.kind, OpKind::Adopt | OpKind::Init) && of_task(op, task))
            .cloned()
    };
    let found = match &request.op {
        Some(id) => done.iter().find(|op| op.id == *id).cloned(),
        None => newest(done_here, request.task.as_ref()),
    };
    let Some(release) = found.filter(|op| op.kind == OpKind::CreateSnapshot) else {
        return Ok(None);
    };
    match (newest(done, release.task.as_ref()), &release.task) {
        (Some(last), Some(task)) if last.id != release.id => Err(Error::NotTheLast {
            op: release.id.short(),
            later: last.id.short(),
            task: task.clone(),
            place: place(&last.id),
        }),
        _ => Ok(Some(release.id)),
    }
}

/// Only the last operation of a task can be taken back: an earlier one knows nothing of the
/// files that a later one changed.
fn refuse_later(done: &[Done], id: &OpId, kind: OpKind, place: &Place<'_>) -> Result<(), Error> {
    let Some(task) = done
        .iter()
        .find(|op| op.id == *id)
        .and_then(|op| op.task.clone())
    else {
        return Ok(());
    };
    let Stacks { undo, redo } = stacks(done.iter(), Some(&task));
    match if kind == OpKind::Redo { redo } else { undo }.last() {
        Some(last) if last != id => Err(Error::NotTheLast {
            op: id.short(),
            later: last.short(),
            task,
            place: place(last),
        }),
        _ => Ok(()),
    }
}

/// The registry must still name the version that the operation left: after a branch was switched
/// or the task went elsewhere, the inverse would mix versions.
fn check_place(ground: &Ground, task: &TaskSpec, operation: &Operation) -> Result<(), Failure> {
    let Some(change) = &operation.about.registry else {
        return Ok(());
    };
    let seen = catalog::registry::seen(&*ground.tree, &ground.settings);
    let entry = match (&seen.registry, seen.trouble) {
        (Some(registry), _) => registry.version(&task.id).map_err(Failure::from),
        (None, None) => Ok(None),
        (None, Some(trouble)) => Err(trouble),
    };
    // A registry that nobody can read, or whose entry the operation could not set, says nothing:
    // then the task's own configuration does, and a task without one stands where its files stand.
    let now = match entry {
        Ok(version) if !operation.leaves_registry() => version,
        _ => match catalog::registry::config_version(&*ground.tree, task) {
            Ok(version @ Some(_)) if task.config.is_some() => version,
            _ => return Ok(()),
        },
    };
    if now == change.after {
        return Ok(());
    }
    let say = |version: &Option<Version>| Version::or_none(version.as_ref());
    let (active, left, before) = (
        say(&now),
        say(&change.after),
        operation.about.from.as_ref().map(ToString::to_string),
    );
    let is_held = |version: &Version| {
        verdicts::standings(&*ground.state)
            .is_ok_and(|standings| standing_of(&standings, &task.id, version).held)
    };
    let held = operation.about.from.as_ref().is_some_and(is_held);
    Err(Error::MovedOn {
        task: task.id.clone(),
        active,
        op: operation.about.id.short(),
        left,
        before,
        held,
    }
    .into())
}

/// Opens an operation.
fn open(state: &Arc<dyn Fs>, id: &OpId) -> Result<Operation, journal::Error> {
    history::open(state, id)?
        .map(|found| found.operation)
        .ok_or_else(|| journal::Error::NotFound(id.to_string()))
}

/// Why an operation cannot be taken back.
fn cannot(ground: &Ground, id: &OpId) -> Result<Error, journal::Error> {
    let kind = open(&ground.state, id)?.about.kind;
    let why = match kind {
        OpKind::Adopt => ": it only added manifests",
        OpKind::Init => ": it only wrote the first files; git restores or removes them",
        _ => ": it was taken back already, or a release was made on top of it",
    };
    Ok(Error::CannotUndo {
        op: id.short(),
        kind: kind.word(),
        why,
    })
}

/// Describes the inverse of an operation, without changing anything.
pub fn draft(
    ground: &Ground,
    task: &TaskSpec,
    operation: &Operation,
    kind: OpKind,
) -> Result<Draft, Failure> {
    if operation.publication().is_some() {
        ground.git.check_ready()?;
    } else {
        ground.git.check_ready_for_files()?;
    }
    check_place(ground, task, operation)?;
    if operation.about.kind == OpKind::CreateSnapshot {
        return super::release_back::draft(ground, task, operation);
    }
    // A registry that was mended has no one entry that goes back: it goes as a whole.
    let by_entry = operation.about.registry.is_some();
    let is_registry = |path: &RelPath| by_entry && *path == ground.settings.registry;
    let (mut files, mut unsynced, mut uncommitted) = (Vec::new(), Vec::new(), BTreeSet::new());
    let paths: Vec<RelPath> = operation
        .path_changes()
        .map(|change| change.path.clone())
        .filter(|path| !is_registry(path))
        .collect();
    let paths = room::with_obstacles(&*ground.tree, paths)?;
    let scan = if paths.is_empty() {
        Scan::default()
    } else {
        ground.git.scan(&paths)?
    };
    let (indexed, scope) = (indexed(&scan), Scope::new(&ground.settings, task)?);
    let sides = Sides::of(
        ground,
        &scope,
        operation
            .path_changes()
            .map(|change| (&change.path, change.before.as_ref())),
    )?;
    for change in operation
        .path_changes()
        .filter(|change| !is_registry(&change.path))
    {
        let blob = indexed.get(&change.path).map(|entry| &entry.id);
        let now = tree::existing(&*ground.tree, &ground.git, &change.path, blob)?;
        let same = Kept::is(now.as_ref(), change.before.as_ref());
        if same && !sides.databases.contains(&change.path) {
            continue;
        }
        if !same && !Kept::is(now.as_ref(), change.after.as_ref()) {
            uncommitted.insert(change.path.clone());
        }
        unsynced.extend(blob.cloned());
        files.push(FileDraft {
            path: change.path.clone(),
            before: now,
            after: change.before.clone().map(Kept::already),
        });
    }
    for log in sides.go {
        let before = tree::existing(&*ground.tree, &ground.git, &log, None)?;
        files.push(FileDraft {
            path: log,
            before,
            after: None,
        });
    }
    let needed = operation
        .about
        .from
        .as_ref()
        .map_or_else(|| "what was there before".into(), ToString::to_string);
    let (made, gone) = Room {
        ground,
        scope: &scope,
        needed: &needed,
    }
    .make_all(&scan, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut draft = Draft::new(
        plan(ground, task, operation, kind, &files, &uncommitted),
        "",
    );
    draft.plan.notes.extend(room::note(
        made.len(),
        if kind == OpKind::Redo { "undo" } else { "redo" },
    ));
    draft.undoes = Some(operation.about.id.clone());
    draft.files = files;
    draft.unsynced = unsynced;
    add_commit(ground, task, operation, kind, &gone, &mut draft)?;
    if let Some(change) = &operation.about.registry {
        let before = registry::entry_before(operation, change).cloned();
        registry::back(ground, &task.id, operation, change)?.add_to(&mut draft, before);
    }
    add_steps(task, operation, &mut draft);
    databases::refuse_open(ground, &mut draft)?;
    Ok(draft)
}

/// The index's entries.
fn indexed(scan: &Scan) -> HashMap<&RelPath, &TreeEntry> {
    scan.tracked
        .iter()
        .filter_map(|tracked| Some((&tracked.path, tracked.index.as_ref()?)))
        .collect()
}

/// What the person sees.
fn plan(
    ground: &Ground,
    task: &TaskSpec,
    operation: &Operation,
    kind: OpKind,
    files: &[FileDraft],
    edited: &BTreeSet<RelPath>,
) -> Plan {
    Plan {
        title: task.title.clone(),
        from: operation.about.to.clone(),
        to: operation.about.from.clone(),
        about: format!(
            "takes back {} {} of {}",
            operation.about.kind.word(),
            operation.about.id.short(),
            local(operation.about.at, &zone())
        ),
        files: show::file_lines(ground, task, files, edited),
        unchanged: operation.path_changes().count().saturating_sub(files.len()),
        notes: edited
            .iter()
            .map(|path| format!("{path} was changed since; what is there now is saved and `snapback redo` brings it back"))
            .collect(),
        ..Plan::new(kind, &task.id)
    }
}

/// The commit and index changes: for each path that the operation changed, what it was before; what
/// makes room is tracked no more.
fn add_commit(
    ground: &Ground,
    task: &TaskSpec,
    operation: &Operation,
    kind: OpKind,
    gone: &[&Tracked],
    draft: &mut Draft,
) -> Result<(), Failure> {
    let Some(publication) = operation.publication() else {
        return Ok(());
    };
    let registry_path = &ground.settings.registry;
    let head = ground.git.head()?;
    let own = |change: &&TreeChange| change.path != *registry_path;
    let mut tree = Vec::new();
    for change in publication.tree.iter().filter(own) {
        let before = ground.git.entry(&head.commit, &change.path)?;
        if before != change.before {
            tree.push(TreeChange {
                path: change.path.clone(),
                before,
                after: change.before.clone(),
            });
        }
    }
    let paths: Vec<RelPath> = publication
        .index
        .iter()
        .filter(own)
        .map(|change| change.path.clone())
        .collect();
    let scan = if paths.is_empty() {
        Scan::default()
    } else {
        ground.git.scan(&paths)?
    };
    let (indexed, files): (_, HashSet<&RelPath>) = (
        indexed(&scan),
        draft.files.iter().map(|file| &file.path).collect(),
    );
    for change in publication.index.iter().filter(own) {
        let before = indexed.get(&change.path).map(|entry| (*entry).clone());
        // A rewritten file whose entry stays needs new stat data, or git takes it for an edit.
        let rewritten = before.is_some() && files.contains(&change.path);
        if before != change.before || rewritten {
            draft.index.push(TreeChange {
                path: change.path.clone(),
                before,
                after: change.before.clone(),
            });
        }
    }
    for Tracked {
        path,
        head: in_head,
        index,
        ..
    } in gone
    {
        let goes = |before: &Option<TreeEntry>| {
            before.clone().map(|before| TreeChange {
                path: path.clone(),
                before: Some(before),
                after: None,
            })
        };
        tree.extend(goes(in_head));
        draft.index.extend(goes(index));
    }
    let say = |version: &Option<crate::model::Version>| {
        version
            .as_ref()
            .map_or_else(|| "none".into(), |version| format!("v{version}"))
    };
    let message = format!(
        "{}({}): {} -> {} takes back {}",
        kind.word(),
        task.id,
        say(&operation.about.to),
        say(&operation.about.from),
        operation.about.id.short()
    );
    draft.commit = Some(CommitDraft {
        head,
        tree,
        message,
        tag: None,
        signing: Signing::default(),
        is_signed: false,
        manifest: None,
    });
    Ok(())
}

/// The steps: those of the operation, seen from the other side.
fn add_steps(task: &TaskSpec, operation: &Operation, draft: &mut Draft) {
    let ran = |role: CommandRole| operation.steps.contains(&Step::Command { role });
    draft
        .steps
        .extend((ran(CommandRole::Stop) && task.stop.is_some()).then_some(StepDraft::Stop));
    draft.steps.push(StepDraft::Files);
    for step in &operation.steps {
        if let Step::Environment(change) = step {
            draft.steps.push(StepDraft::EnvironmentBack(change.clone()));
        }
    }
    draft.steps.push(StepDraft::Verify(None));
    draft
        .steps
        .extend((ran(CommandRole::Start) && task.start.is_some()).then_some(StepDraft::Start));
    if draft.commit.is_some() {
        draft.steps.push(StepDraft::Publish);
    }
    // Undo of a rollback 1.3 -> 1.2 lifts the hold of 1.3; redo puts it back.
    let records = operation.steps.iter().filter_map(|step| {
        if let Step::Verdicts(records) = step {
            Some(records)
        } else {
            None
        }
    });
    draft
        .steps
        .extend(records.flatten().filter_map(|record| match record.verdict {
            Verdict::Held => Some(StepDraft::Release(record.version.clone())),
            Verdict::Released => Some(StepDraft::Hold(record.version.clone())),
            _ => None,
        }));
}

/// The task that an operation belongs to.
pub fn task_of(operation: &Operation) -> Result<&TaskId, catalog::Error> {
    operation
        .about
        .task
        .as_ref()
        .ok_or(catalog::Error::UnknownTask {
            task: String::new(),
            near: Vec::new(),
        })
}
