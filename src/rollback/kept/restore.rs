//! Describes how saved files are restored to their original paths; reads only.

use super::{Error, chosen};
use crate::{
    base::{Failure, RelPath, sqlite},
    catalog::{Scope, holds, registry},
    draft::{Draft, steps, tree},
    git::Scan,
    model::{
        FileRecord, OpId, Operation, PathChange, Plan, TaskSpec,
        kept::KeptFile,
        operation::OpKind,
        plan::{FileLine, Letter},
        request::RestoreKept,
    },
    operate::{Change, execute::refuse_other_work_tree},
    registry::task_config,
    rollback::{
        databases::{Sides, is_same, refuse_open},
        room::{self, Room},
    },
    site::{RepoSite, copy_checked},
};

impl Change for RestoreKept {
    fn draft(&self, site: &RepoSite) -> Result<Draft, Failure> {
        draft(site, self)
    }
}

/// Describes how saved files are restored to their original paths.
fn draft(site: &RepoSite, wanted: &RestoreKept) -> Result<Draft, Failure> {
    let (operation, files) = chosen(site, wanted)?;
    operation
        .about
        .task
        .as_ref()
        .map_or(Ok(()), |task| site.refuse_flawed(task))?;
    let Some(task) = site.task_of(&operation) else {
        return Err(Error::OnlyInto(wanted.op.short()).into());
    };
    refuse_other_work_tree(site, &operation)?;
    let mut draft = empty_restore(site, &operation, task, &wanted.op)?;
    let scope = Scope::new(&site.settings, task)?;
    let sides = Sides::of(
        site,
        &scope,
        files
            .iter()
            .rev()
            .map(|file| (&file.path, Some(&file.state))),
    )?;
    for file in files {
        add_kept(site, file, &sides, &mut draft)?;
    }
    for log in sides.go {
        let before = tree::existing(&*site.tree, &site.git, &log, None)?;
        draft.files.push(PathChange {
            path: log,
            before,
            after: None,
        });
    }
    make_room(site, &scope, &wanted.op, &mut draft)?;
    add_deleted_lines(&mut draft);
    draft.plan.files.sort_by(|a, b| a.path.cmp(&b.path));
    draft.plan.nothing_to_do = draft.files.iter().all(is_same);
    draft.files.sort_by(|a, b| a.path.cmp(&b.path));
    draft.steps = vec![steps::FILES, steps::VERIFY_RECORDED];
    refuse_open(site, &mut draft)?;
    note_other_version(site, task, &mut draft)?;
    Ok(draft)
}

/// Returns a restore without files yet; the task stays at its version.
fn empty_restore(
    site: &RepoSite,
    operation: &Operation,
    task: &TaskSpec,
    op: &OpId,
) -> Result<Draft, Failure> {
    let tree = &*site.tree;
    let active = registry::in_tree(tree, &site.settings)?;
    let active = registry::active_by(active.as_ref(), tree, task)?;
    let about = format!("kept by {} {}", operation.about.kind.word(), op.short());
    let plan = Plan {
        title: task.title.clone(),
        from: active.clone(),
        to: active,
        about,
        ..Plan::new(OpKind::Restore, &task.id)
    };
    let message = format!("what operation {} had kept", op.short());
    Ok(Draft::new(plan, &message))
}

/// Adds a restored file. Of several with one path the first wins; a file that is already there
/// needs nothing, unless it is a database whose logs are touched.
fn add_kept(
    site: &RepoSite,
    file: KeptFile,
    sides: &Sides,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let tree = &*site.tree;
    // The registry belongs to all tasks, and a rollback changes only one entry of it.
    if file.path == site.settings.registry {
        draft.plan.notes.push(format!(
            "{} is left as it is; --into writes it into a folder",
            file.path
        ));
        return Ok(());
    }
    let named = draft.files.iter().any(|other| other.path == file.path);
    let failed = |source| crate::catalog::Error::Read {
        path: file.path.clone(),
        source,
    };
    let is_there = holds(tree, None, &file.path, Some(&file.state)).map_err(failed)?;
    if named || is_there && !sides.databases.contains(&file.path) {
        return Ok(());
    }
    let before = tree::existing(tree, &site.git, &file.path, None)?;
    if !is_there {
        let letter = if before.is_some() {
            Letter::M
        } else {
            Letter::A
        };
        draft
            .plan
            .files
            .push(line(&file.path, letter, file.state.size, file.why.word()));
    }
    let record = FileRecord {
        mtime: None,
        ..file.state
    };
    draft.files.push(PathChange {
        path: file.path,
        before,
        after: Some(record),
    });
    Ok(())
}

/// Saves and removes what is in the way of the files.
fn make_room(site: &RepoSite, scope: &Scope, op: &OpId, draft: &mut Draft) -> Result<(), Failure> {
    let paths = room::with_obstacles(
        &*site.tree,
        draft.files.iter().map(|file| file.path.clone()).collect(),
    )?;
    let scan = if paths.is_empty() {
        Scan::default()
    } else {
        site.git.scan(&paths)?
    };
    let needed = format!("operation {}", op.short());
    let (made, _) = Room {
        site,
        scope,
        needed: &needed,
    }
    .make_all(&scan, &mut draft.files)?;
    draft.plan.notes.extend(room::note(made.len(), "undo"));
    Ok(())
}

/// Notes when the restored configuration names a version other than the active one.
fn note_other_version(site: &RepoSite, task: &TaskSpec, draft: &mut Draft) -> Result<(), Failure> {
    let Some(file) = draft
        .files
        .iter()
        .find(|file| task.config.as_ref() == Some(&file.path))
    else {
        return Ok(());
    };
    let Some(record) = file
        .after
        .as_ref()
        .filter(|record| record.size <= registry::LIMIT)
    else {
        return Ok(());
    };
    let mut bytes = Vec::new();
    copy_checked(site, record, &mut bytes)?;
    let says = task_config::version(&bytes, &file.path, &task.version_key)
        .ok()
        .flatten();
    if let (Some(says), Some(active)) = (says, &draft.plan.to)
        && says != *active
    {
        draft.plan.notes.push(format!(
            "{} says {says} then, and the registry {active}",
            file.path
        ));
    }
    Ok(())
}

/// Adds the lines of removed files: logs that SQLite would apply, and files in the way.
fn add_deleted_lines(draft: &mut Draft) {
    let gone = draft.files.iter().filter(|file| file.after.is_none());
    let why = |path: &RelPath| {
        if sqlite::database_of(path).is_some() {
            "SQLite would read it"
        } else {
            "in the way"
        }
    };
    let size = |file: &PathChange| file.before.as_ref().map_or(0, |record| record.size);
    draft
        .plan
        .files
        .extend(gone.map(|file| line(&file.path, Letter::D, size(file), why(&file.path))));
}

/// Builds a line of the plan.
fn line(path: &RelPath, letter: Letter, size: u64, note: &str) -> FileLine {
    FileLine {
        path: path.clone(),
        letter,
        added: None,
        removed: None,
        size,
        large: false,
        note: note.into(),
    }
}
