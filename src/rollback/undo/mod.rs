//! The inverse of an operation, described in the same terms as the operation itself.
//!
//! Every path returns to its recorded earlier state; its current state is saved first, so that an
//! undo can be redone. The branch goes forward: one more commit whose tree has the earlier content
//! for the touched paths. In the registry only the one entry is reverted, because other tasks may
//! have moved on.

mod find;

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    Error,
    beside::{self, Beside},
    databases::{self, Sides},
    room::{self, Room},
    show, standing_of,
};
use crate::{
    base::{Failure, RelPath, clock::local, zone},
    catalog::{self, Scope},
    draft::{CommitDraft, Draft, beside::BesideEdit, registry, steps, tree},
    git::{Scan, Tracked},
    model::{
        FileRecord, GitId, Location, Operation, PathChange, Plan, TaskId, TaskSpec, Verdict,
        Version,
        operation::{CommandRole, OpKind, Publication, Step, TreeChange, TreeEntry},
        signature::Signing,
    },
    site::RepoSite,
    verdict,
};

pub use find::find;

/// Describes the inverse of an operation, without changing anything.
pub fn draft(
    site: &RepoSite,
    task: &TaskSpec,
    operation: &Operation,
    kind: OpKind,
) -> Result<Draft, Failure> {
    if operation.publication().is_some() {
        site.git.check_ready()?;
    } else {
        site.git.check_ready_for_files()?;
    }
    check_place(site, task, operation)?;
    if operation.about.kind == OpKind::CreateSnapshot {
        return super::release_back::draft(site, task, operation);
    }
    let beside = beside_of(site, task, operation)?;
    let inverse = Inverse {
        site,
        task,
        operation,
        kind,
        beside,
    };
    inverse.draft()
}

/// Returns the files beside the task, of which only its version is reverted. What was there before
/// the first version comes back as a whole.
pub(super) fn beside_of(
    site: &RepoSite,
    task: &TaskSpec,
    operation: &Operation,
) -> Result<Vec<Beside>, Failure> {
    let scope = Scope::new(&site.settings, task)?;
    let is_known = operation.about.from.is_some();
    let touched = is_known.then(|| beside::touched(site, (task, &scope), operation));
    Ok(touched.unwrap_or_default())
}

/// Describes the inverse of what an operation changed in one of [`beside_of`].
pub(super) fn beside_back(
    site: &RepoSite,
    file: &Beside,
    operation: &Operation,
) -> Result<BesideEdit, Failure> {
    match &operation.about.from {
        Some(version) => file.back(site, version, operation),
        None => Ok(BesideEdit::default()),
    }
}

/// Checks that the registry still names the version that the operation left: after a switch of
/// branches or another change of the task, the inverse would mix versions.
fn check_place(site: &RepoSite, task: &TaskSpec, operation: &Operation) -> Result<(), Failure> {
    let Some(change) = &operation.about.registry else {
        return Ok(());
    };
    let seen = catalog::registry::seen(&*site.tree, &site.settings);
    let entry = match (&seen.registry, seen.trouble) {
        (Some(registry), _) => registry.version(&task.id).map_err(Failure::from),
        (None, None) => Ok(None),
        (None, Some(trouble)) => Err(trouble),
    };
    // An unreadable registry, or one that the operation could not edit, is no evidence: then the
    // task's own configuration decides, and a task without one is taken to be in place.
    let now = match entry {
        Ok(version) if !operation.leaves_registry() => version,
        _ => match catalog::registry::config_version(&*site.tree, task) {
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
        verdict::standings(&*site.state)
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

/// The inverse of an operation.
struct Inverse<'a> {
    site: &'a RepoSite,
    task: &'a TaskSpec,
    /// The operation to invert.
    operation: &'a Operation,
    /// Undo or redo.
    kind: OpKind,
    /// Files beside the task, of which only its version is reverted.
    beside: Vec<Beside>,
}

/// Returns true when an operation put a file there that the store keeps.
fn is_in_store(change: &PathChange) -> bool {
    let after = change.after.as_ref().filter(|after| !after.is_link());
    after.is_some_and(|after| matches!(after.location, Location::Object(_)))
}

/// The files to restore.
#[derive(Default)]
struct FilesBack {
    files: Vec<PathChange>,
    /// Blobs that must be durable before their files are replaced.
    unsynced: Vec<GitId>,
    /// Paths changed since the operation.
    uncommitted: BTreeSet<RelPath>,
}

impl Inverse<'_> {
    /// Describes the inverse.
    fn draft(&self) -> Result<Draft, Failure> {
        let (site, task, operation) = (self.site, self.task, self.operation);
        site.replaces_files();
        let scan = self.look()?;
        let scope = Scope::new(&site.settings, task)?;
        let sides = Sides::of(
            site,
            &scope,
            operation
                .path_changes()
                .map(|change| (&change.path, change.before.as_ref())),
        )?;
        let FilesBack {
            mut files,
            unsynced,
            uncommitted,
        } = self.files_back(&scan, sides)?;
        let needed = operation
            .about
            .from
            .as_ref()
            .map_or_else(|| "what was there before".into(), ToString::to_string);
        let (made, gone) = Room {
            site,
            scope: &scope,
            needed: &needed,
        }
        .make_all(&scan, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut draft = Draft::new(self.plan(&files, &uncommitted), "");
        draft.plan.notes.extend(room::note(
            made.len(),
            if self.kind == OpKind::Redo {
                "undo"
            } else {
                "redo"
            },
        ));
        draft.undoes = Some(operation.about.id.clone());
        draft.files = files;
        draft.unsynced = unsynced;
        self.add_commit(&gone, &mut draft)?;
        for file in &self.beside {
            beside_back(site, file, operation)?.add_to(file.path(), &mut draft);
        }
        if let Some(change) = &operation.about.registry {
            let before = registry::entry_before(operation, change).cloned();
            registry::back(site, &task.id, operation, change)?.add_to(&mut draft, before);
        }
        add_steps(site, (task, operation), &mut draft);
        databases::refuse_open(site, &mut draft)?;
        Ok(draft)
    }

    /// Returns true for a file of which only one entry is reverted: the registry, and a file
    /// beside the task. A repaired registry has no such entry and is restored as a whole.
    fn goes_by_entry(&self, path: &RelPath) -> bool {
        let is_registry =
            self.operation.about.registry.is_some() && *path == self.site.settings.registry;
        is_registry || self.is_beside(path)
    }

    fn is_beside(&self, path: &RelPath) -> bool {
        self.beside.iter().any(|file| file.path() == path)
    }

    /// Scans the paths to restore.
    fn look(&self) -> Result<Scan, Failure> {
        let paths: Vec<RelPath> = self
            .operation
            .path_changes()
            .map(|change| change.path.clone())
            .filter(|path| !self.goes_by_entry(path))
            .collect();
        scan_of(self.site, &room::with_obstacles(&*self.site.tree, paths)?)
    }

    /// Returns the files to restore, and the logs that may not stay beside their databases.
    fn files_back(&self, scan: &Scan, sides: Sides) -> Result<FilesBack, Failure> {
        let site = self.site;
        let indexed = indexed(scan);
        let mut back = FilesBack::default();
        for change in self
            .operation
            .path_changes()
            .filter(|change| !self.goes_by_entry(&change.path))
        {
            let blob = indexed.get(&change.path).map(|entry| &entry.id);
            let target = change
                .before
                .as_ref()
                .map(|before| before.location.object());
            let kept = is_in_store(change).then(|| target.flatten());
            let now = tree::replaced(site, &change.path, blob, kept)?;
            let same = FileRecord::same_at(now.as_ref(), change.before.as_ref());
            if same && !sides.databases.contains(&change.path) {
                continue;
            }
            if !same && !FileRecord::same_at(now.as_ref(), change.after.as_ref()) {
                back.uncommitted.insert(change.path.clone());
            }
            back.unsynced.extend(blob.cloned());
            back.files.push(PathChange {
                path: change.path.clone(),
                before: now,
                after: change.before.clone(),
            });
        }
        for log in sides.go {
            let before = tree::existing(&*site.tree, &site.git, &log, None)?;
            back.files.push(PathChange {
                path: log,
                before,
                after: None,
            });
        }
        Ok(back)
    }

    /// Builds the plan.
    fn plan(&self, files: &[PathChange], edited: &BTreeSet<RelPath>) -> Plan {
        let (task, operation) = (self.task, self.operation);
        let again = if self.kind == OpKind::Redo {
            "`snapback undo`"
        } else {
            "`snapback redo`"
        };
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
            files: show::file_lines(self.site, task, files, edited),
            unchanged: operation
                .path_changes()
                .filter(|change| !self.is_beside(&change.path))
                .count()
                .saturating_sub(files.len()),
            notes: edited
                .iter()
                .map(|path| format!("{path} was changed since; what is there now is saved and {again} brings it back"))
                .collect(),
            ..Plan::new(self.kind, &task.id)
        }
    }

    /// Adds the commit and index changes: each path that the operation changed gets its earlier
    /// entry, and files that make room are untracked.
    fn add_commit(&self, gone: &[&Tracked], draft: &mut Draft) -> Result<(), Failure> {
        let Some(publication) = self.operation.publication() else {
            return Ok(());
        };
        let head = self.site.git.head()?;
        let mut tree = self.tree_back(publication, &head.commit)?;
        self.add_index(publication, draft)?;
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
        draft.commit = Some(CommitDraft {
            head,
            tree,
            message: self.message(),
            tag: None,
            signing: Signing::default(),
            is_signed: false,
            manifest: None,
        });
        Ok(())
    }

    /// Returns the changes of a publication except the files that are reverted by their entry.
    fn own<'p>(&self, changes: &'p [TreeChange]) -> impl Iterator<Item = &'p TreeChange> {
        let registry = &self.site.settings.registry;
        changes
            .iter()
            .filter(move |change| change.path != *registry && !self.is_beside(&change.path))
    }

    /// Returns the changes of the commit's tree.
    fn tree_back(
        &self,
        publication: &Publication,
        head: &GitId,
    ) -> Result<Vec<TreeChange>, Failure> {
        let mut tree = Vec::new();
        for change in self.own(&publication.tree) {
            let before = self.site.git.entry(head, &change.path)?;
            if before != change.before {
                tree.push(TreeChange {
                    path: change.path.clone(),
                    before,
                    after: change.before.clone(),
                });
            }
        }
        Ok(tree)
    }

    /// Adds the changes of the index, given the files to restore.
    fn add_index(&self, publication: &Publication, draft: &mut Draft) -> Result<(), Failure> {
        let paths: Vec<RelPath> = self
            .own(&publication.index)
            .map(|change| change.path.clone())
            .collect();
        let scan = scan_of(self.site, &paths)?;
        let indexed = indexed(&scan);
        let files: HashSet<&RelPath> = draft.files.iter().map(|file| &file.path).collect();
        for change in self.own(&publication.index) {
            let before = indexed.get(&change.path).map(|entry| (*entry).clone());
            // A rewritten file whose entry stays needs new stat data, or git reports an edit.
            let rewritten = before.is_some() && files.contains(&change.path);
            if before != change.before || rewritten {
                draft.index.push(TreeChange {
                    path: change.path.clone(),
                    before,
                    after: change.before.clone(),
                });
            }
        }
        Ok(())
    }

    /// Returns the commit message.
    fn message(&self) -> String {
        let about = &self.operation.about;
        let say = |version: &Option<Version>| {
            version
                .as_ref()
                .map_or_else(|| "none".into(), |version| format!("v{version}"))
        };
        format!(
            "{}({}): {} -> {} takes back {}",
            self.kind.word(),
            self.task.id,
            say(&about.to),
            say(&about.from),
            about.id.short()
        )
    }
}

/// Scans some paths; an empty list yields an empty scan.
pub(super) fn scan_of(site: &RepoSite, paths: &[RelPath]) -> Result<Scan, Failure> {
    Ok(if paths.is_empty() {
        Scan::default()
    } else {
        site.git.scan(paths)?
    })
}

/// Returns the index entries.
pub(super) fn indexed(scan: &Scan) -> HashMap<&RelPath, &TreeEntry> {
    scan.tracked
        .iter()
        .filter_map(|tracked| Some((&tracked.path, tracked.index.as_ref()?)))
        .collect()
}

/// Adds the steps: those of the operation, inverted.
fn add_steps(site: &RepoSite, (task, operation): (&TaskSpec, &Operation), draft: &mut Draft) {
    let ran = |role: CommandRole| operation.steps.contains(&Step::Command { role });
    draft
        .steps
        .extend((ran(CommandRole::Stop) && task.stop.is_some()).then_some(steps::STOP));
    draft.steps.push(steps::FILES);
    for step in &operation.steps {
        if let Step::Environment(change) = step {
            draft.steps.push(steps::environment_back(change));
        }
    }
    draft.steps.push(steps::VERIFY_RECORDED);
    draft
        .steps
        .extend((ran(CommandRole::Start) && task.start.is_some()).then_some(steps::START));
    if draft.commit.is_some() {
        draft.steps.push(steps::PUBLISH);
    }
    // Undo of a rollback 1.3 -> 1.2 lifts the hold of 1.3; redo restores it.
    let verdicts = operation.steps.iter().filter_map(|step| match step {
        Step::Verdicts(records) => Some(records),
        _ => None,
    });
    for record in verdicts.flatten() {
        match record.verdict {
            Verdict::Held => draft.give_verdict(site, &record.version, Verdict::HoldLifted),
            Verdict::HoldLifted => draft.give_verdict(site, &record.version, Verdict::Held),
            _ => {}
        }
    }
}

/// Returns the task of an operation.
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
