//! Selects the operation that an undo or redo applies to: the last one done, of the task and of
//! this work tree first. Refuses an earlier one, and an unnamed release where nobody can be asked.
//! Reads the journal only.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    base::{Failure, Fs},
    journal::{self, history, status::OperationPhase},
    model::{
        OpId, Operation, TaskId,
        operation::{About, OpKind},
        request,
    },
    policy::undo::{Done, Stacks, stacks},
    rollback::Error,
    site::RepoSite,
};

/// Returns the successful operations, oldest first, with the work tree of each.
fn finished(state: &Arc<dyn Fs>) -> Result<Vec<(Done, String)>, Failure> {
    let mut done = Vec::new();
    for id in history::ids(&**state)? {
        let Some(found) = history::summary(state, &id)? else {
            continue;
        };
        if found.phase == (OperationPhase::Finished { done: true }) {
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

/// Returns the other work tree in which an operation was done.
type OtherWorkTree<'p> = dyn Fn(&OpId) -> Option<String> + 'p;

/// Finds the operation that an undo (or redo) applies to.
pub fn find(site: &RepoSite, request: &request::Undo, kind: OpKind) -> Result<Operation, Failure> {
    let all = finished(&site.state)?;
    let here = site.git.work_tree().to_string_lossy();
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
        return named_release(site, &release, request);
    }
    let id = chosen(site, (done_here, done), request, kind, &place)?;
    Ok(open(&site.state, &id)?)
}

/// Opens the release to undo. A script that undoes its rollback must not lose a release when there
/// was no rollback, so the release must be named where nobody can be asked.
fn named_release(
    site: &RepoSite,
    release: &OpId,
    request: &request::Undo,
) -> Result<Operation, Failure> {
    let release = open(&site.state, release)?;
    if request.op.is_none() && !site.asks {
        let tag = release
            .about
            .task
            .iter()
            .zip(&release.about.to)
            .map(|(task, version)| site.settings.release_tag(task, version));
        return Err(Error::ReleaseNotNamed { tag: tag.collect() }.into());
    }
    Ok(release)
}

/// Returns the named operation, which must be the last of its task, or without a name the last one.
/// Operations done here come first: other work trees have their own files and order.
fn chosen(
    site: &RepoSite,
    (done_here, done): (Vec<Done>, Vec<Done>),
    request: &request::Undo,
    kind: OpKind,
    place: &OtherWorkTree<'_>,
) -> Result<OpId, Failure> {
    let pick = |stacks: Stacks| {
        if kind == OpKind::Redo {
            stacks.redo
        } else {
            stacks.undo
        }
    };
    let stack = pick(stacks(done.iter(), request.task.as_ref()));
    let of_here = pick(stacks(done_here.iter(), request.task.as_ref()));
    match &request.op {
        None => match of_here.last().or(stack.last()) {
            Some(id) => Ok(id.clone()),
            None => {
                Err(Error::NothingTo(if kind == OpKind::Redo { "redo" } else { "undo" }).into())
            }
        },
        Some(id) if stack.contains(id) => {
            let done = if of_here.contains(id) {
                done_here
            } else {
                done
            };
            refuse_later(&done, id, kind, place)?;
            Ok(id.clone())
        }
        Some(id) => Err(cannot(site, id)?.into()),
    }
}

/// Drops releases that were taken back, as if they had never been made.
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

/// Returns the release to undo, if one is meant: by its name, or because it is the newest
/// operation. One below other, undone operations is not meant.
fn release_to_take_back(
    done_here: &[Done],
    done: &[Done],
    request: &request::Undo,
    place: &OtherWorkTree<'_>,
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

/// Refuses all but the last operation of a task: an earlier one does not know the files that a
/// later one changed.
fn refuse_later(
    done: &[Done],
    id: &OpId,
    kind: OpKind,
    place: &OtherWorkTree<'_>,
) -> Result<(), Error> {
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

/// Opens an operation.
fn open(state: &Arc<dyn Fs>, id: &OpId) -> Result<Operation, journal::Error> {
    match history::open(state, id)? {
        Some(found) => Ok(found.operation),
        None => Err(history::missing(state, &id.to_string())?),
    }
}

/// Returns why an operation cannot be undone.
fn cannot(site: &RepoSite, id: &OpId) -> Result<Error, journal::Error> {
    let kind = open(&site.state, id)?.about.kind;
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
