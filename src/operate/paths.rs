//! Checks the paths of plans that are read back against what their kind may write.
//!
//! A plan lies in the state folder while its operation runs, and its checksums prove only that it
//! is intact. Before it is resumed, reversed or undone, every path must be one that the engines
//! could have named: the task's own files, its registry entry, its manifest; no other task's file,
//! no settings, nothing protected. `names.rs` does the same for its references and verdicts.

use std::collections::HashSet;

use super::{Direction, Error, Operator, names::Foreign};
use crate::{
    base::{Failure, RelPath, sqlite},
    catalog::{Scope, locks, manifests, tasks},
    journal::history,
    model::{
        Operation, PathChange, TaskSpec, Version,
        operation::{EnvironmentChange, OpKind, Step},
    },
    site::RepoSite,
};

/// The file names of the settings.
const SETTINGS: [&str; 2] = ["snapback.yaml", "snapback.yml"];
/// Files that a first setup writes besides the settings and the registry.
const SETUP: [&str; 2] = [".gitignore", ".gitattributes"];

/// The limits for the paths of one plan.
struct PlanLimits<'a> {
    site: &'a RepoSite,
    operation: &'a Operation,
    task: Option<&'a TaskSpec>,
    scope: Option<Scope>,
    others: Vec<Scope>,
    /// The paths of the operation that this one undoes.
    undone: HashSet<RelPath>,
}

impl Operator<'_> {
    /// Refuses a plan that would write something that no plan of its kind writes.
    ///
    /// # Errors
    /// Names the first path that is not its own. Nothing was changed.
    pub fn check_planned(&self, operation: &Operation, goes: Direction) -> Result<(), Failure> {
        let is_over = goes == Direction::Over;
        // Without a task's settings it is unknown what is protected.
        operation
            .about
            .task
            .as_ref()
            .map_or(Ok(()), |task| self.site.refuse_flawed(task))?;
        let limits = PlanLimits::new(self.site, operation)?;
        let refuse = |path: &RelPath, why: &'static str| Error::NotItsOwn {
            op: operation.about.id.short(),
            path: path.clone(),
            why,
            is_over,
        };
        let publication = operation.publication();
        let in_git = publication
            .into_iter()
            .flat_map(|publication| publication.tree.iter().chain(&publication.index));
        let paths = operation
            .path_changes()
            .map(|change| &change.path)
            .chain(in_git.map(|change| &change.path));
        for path in paths {
            if let Some(why) = limits.why_not(path) {
                return Err(refuse(path, why).into());
            }
        }
        if let Some(change) = operation
            .path_changes()
            .find(|change| limits.is_protected(change))
        {
            return Err(refuse(&change.path, "which is protected").into());
        }
        for step in &operation.steps {
            if let Step::Environment(change) = step
                && !limits.is_own_environment(change)
            {
                return Err(
                    refuse(&change.path, "which is not the environment of its task").into(),
                );
            }
        }
        match self.foreign_name(operation, goes)? {
            None => Ok(()),
            Some(Foreign { name, why }) => Err(Error::NotItsName {
                op: operation.about.id.short(),
                name,
                why,
                is_over,
            }
            .into()),
        }
    }
}

impl<'a> PlanLimits<'a> {
    fn new(site: &'a RepoSite, operation: &'a Operation) -> Result<Self, Failure> {
        let settings = &site.settings;
        let task = site.task_of(operation);
        let scope = |task: &TaskSpec| Scope::new(settings, task);
        let others = settings
            .tasks
            .iter()
            .filter(|other| Some(&other.id) != operation.about.task.as_ref());
        let undone = match &operation.about.undoes {
            Some(id) => history::open(&site.state, id)?,
            None => None,
        };
        let undone = undone.into_iter().flat_map(|found| {
            found
                .operation
                .path_changes()
                .map(|change| change.path.clone())
                .collect::<Vec<_>>()
        });
        Ok(Self {
            site,
            operation,
            task,
            scope: task.map(scope).transpose()?,
            others: others.map(scope).collect::<Result<_, _>>()?,
            undone: undone.collect(),
        })
    }

    /// Returns why the operation may not write a path; `None` when it may.
    fn why_not(&self, path: &RelPath) -> Option<&'static str> {
        let settings = &self.site.settings;
        let kind = self.operation.about.kind;
        let is_one_of =
            |names: [&str; 2]| names.iter().any(|name| path.as_bytes() == name.as_bytes());
        let is_settings = is_one_of(SETTINGS);
        match () {
            () if *path == settings.registry => None,
            () if is_settings && matches!(kind, OpKind::Adopt | OpKind::Init) => None,
            () if kind == OpKind::Init && is_one_of(SETUP) => None,
            () if kind == OpKind::RegistrySync
                && settings
                    .tasks
                    .iter()
                    .any(|task| task.config.as_ref() == Some(path)) =>
            {
                None
            }
            () if is_settings => Some("which are the settings"),
            () if path.is_in(&settings.snapshots) => self.why_no_manifest(path),
            () if self.operation.about.task.is_none() => Some("which is no manifest"),
            () if self.scope.as_ref().is_some_and(|scope| scope.owns(path)) => None,
            () if self.is_shared(path) => None,
            () if self.others.iter().any(|other| other.owns(path)) => {
                Some("which is another task's file")
            }
            () => self.why_no_file(path),
        }
    }

    /// Likewise for a path among the manifests.
    fn why_no_manifest(&self, path: &RelPath) -> Option<&'static str> {
        let about = &self.operation.about;
        let own = match (&about.task, about.kind) {
            (None, OpKind::Adopt) => true,
            (Some(task), OpKind::CreateSnapshot) => about
                .to
                .as_ref()
                .is_some_and(|version| *path == self.site.settings.manifest_path(task, version)),
            (Some(_), OpKind::Undo | OpKind::Redo) => self.undone.contains(path),
            _ => false,
        };
        (!own).then_some("which is not its manifest")
    }

    /// Likewise for an unowned path: today's settings may exclude files that were once released.
    fn why_no_file(&self, path: &RelPath) -> Option<&'static str> {
        let Some(scope) = &self.scope else {
            // The task is no longer known, with its files half changed; files at the top belong to
            // no task.
            return path
                .parent()
                .is_root()
                .then_some("which lies in no folder of a task");
        };
        let is_config = self
            .task
            .is_some_and(|task| task.config.as_ref() == Some(path));
        let inside = scope.dirs().iter().any(|dir| path.is_in(dir));
        // Files that a rollback or its inverse moved away are saved, and return with the rest.
        let is_own = |own: &RelPath| own != path && (scope.owns(own) || self.is_shared(own));
        let made_room = || {
            self.operation
                .path_changes()
                .any(|change| change.path.is_in(path) && is_own(&change.path))
        };
        let is_lock = self.task.is_some_and(|task| locks::is_lock_of(task, path));
        let is_own_file = is_config || is_lock || inside || made_room();
        (!is_own_file).then_some("which is no file of its task")
    }

    /// Returns true for a file that the task shares with others, for its SQLite companion files,
    /// and for paths below it.
    fn is_shared(&self, path: &RelPath) -> bool {
        let is_one = |path: &RelPath| {
            self.scope.as_ref().is_some_and(|scope| scope.shares(path))
                || self.is_shared_in_a_release(path)
        };
        let database = sqlite::database_of(path);
        std::iter::once(path.clone())
            .chain(database)
            .chain(path.ancestors())
            .any(|path| is_one(&path))
    }

    /// Returns true for a file listed as shared by the operation's source or target release.
    fn is_shared_in_a_release(&self, path: &RelPath) -> bool {
        let about = &self.operation.about;
        let Some(task) = &about.task else {
            return false;
        };
        let lists = |version: &Version| {
            let releases = tasks::release_of(self.site, task, version).ok()?;
            let found = manifests::load(self.site, releases.find(task, version).ok()?).ok()?;
            found.manifest.file(path).map(|file| !file.is_restored())
        };
        about
            .from
            .iter()
            .chain(&about.to)
            .any(|version| lists(version).unwrap_or(false))
    }

    /// Returns true for a change of a protected path. A missing file may be restored, and a file
    /// restored that way may be removed again.
    fn is_protected(&self, change: &PathChange) -> bool {
        let is_way_back = matches!(
            self.operation.about.kind,
            OpKind::Rollback | OpKind::Undo | OpKind::Redo
        );
        let protects = self
            .scope
            .as_ref()
            .is_some_and(|scope| scope.protects(&change.path));
        is_way_back && protects && change.before.is_some() && !self.undone.contains(&change.path)
    }

    /// Returns true for a switch of the task's own environment; sibling names share its prefix.
    fn is_own_environment(&self, change: &EnvironmentChange) -> bool {
        let Some(task) = self.task else { return true };
        let beside = |path: &RelPath| {
            path.parent() == change.path.parent() && path.name().starts_with(change.path.name())
        };
        task.venv.as_ref() == Some(&change.path)
            && change.aside.iter().chain(&change.bring).all(beside)
    }
}
