//! The facts that hooks need: versions in commits, owners of changed files, verdicts on versions.
//!
//! A hook must be imperceptible, so nothing here reads more than the difference of two commits, and
//! potentially slow work stops at a time budget.

use std::{
    cell::OnceCell,
    time::{Duration, Instant},
};

use crate::{
    base::{Failure, RelPath},
    catalog::{
        Scope, registry as read, releases,
        rewritten::{self, Rewritten},
    },
    model::{GitId, TaskId, TaskSpec, Version, verdict::VersionState},
    registry::Registry,
    site::RepoSite,
    verdict::{self, VerdictRecords, refs},
};

/// Time budget for optional facts.
const BUDGET: Duration = Duration::from_millis(30);
/// Number of commits searched back for a release.
const FAR: usize = 200;
/// Files that define installed packages.
const LOCKS: [&str; 10] = [
    "Cargo.lock",
    "Pipfile.lock",
    "go.sum",
    "package-lock.json",
    "pnpm-lock.yaml",
    "poetry.lock",
    "pylock.toml",
    "requirements.txt",
    "uv.lock",
    "yarn.lock",
];

/// The facts needed by one hook.
pub struct HookFacts<'a> {
    /// The opened ports.
    pub site: &'a RepoSite,
    begun: Instant,
    verdicts: OnceCell<Result<VerdictRecords, String>>,
}

/// A task whose version differs between two commits.
pub struct Moved<'a> {
    /// The task.
    pub task: &'a TaskId,
    /// The version before.
    pub from: Option<Version>,
    /// The version after.
    pub to: Version,
}

impl<'a> HookFacts<'a> {
    /// Starts the time budget.
    pub fn new(site: &'a RepoSite) -> Self {
        Self {
            site,
            begun: Instant::now(),
            verdicts: OnceCell::new(),
        }
    }

    /// Returns true when there is no time left for optional facts.
    pub fn is_late(&self) -> bool {
        self.begun.elapsed() > BUDGET
    }

    /// Returns the commit of HEAD.
    pub fn head(&self) -> Result<Option<GitId>, Failure> {
        Ok(self.site.git.find_ref("HEAD")?)
    }

    /// Returns the registry of a commit; `None` without one.
    pub fn registry(&self, commit: &GitId) -> Result<Option<Registry>, Failure> {
        let entry = self.site.git.entry(commit, &self.site.settings.registry)?;
        entry
            .map(|entry| read::in_blob(&self.site.git, &entry.id))
            .transpose()
    }

    /// Returns the tasks whose version differs between two commits, by their registries.
    pub fn moved(&self, before: Option<&GitId>, after: &GitId) -> Result<Vec<Moved<'a>>, Failure> {
        let entry = |commit: &GitId| self.site.git.entry(commit, &self.site.settings.registry);
        let old = before.map(entry).transpose()?.flatten();
        let Some(new) = entry(after)?.filter(|new| old.as_ref() != Some(new)) else {
            return Ok(Vec::new());
        };
        let new = read::in_blob(&self.site.git, &new.id)?;
        // The earlier registry may have been damaged; the new one counts.
        let old = old.and_then(|old| read::in_blob(&self.site.git, &old.id).ok());
        let mut moved = Vec::new();
        for task in &self.site.settings.tasks {
            let from = old
                .as_ref()
                .and_then(|old| old.version(&task.id).ok().flatten());
            if let Some(to) = new
                .version(&task.id)?
                .filter(|to| from.as_ref() != Some(to))
            {
                moved.push(Moved {
                    task: &task.id,
                    from,
                    to,
                });
            }
        }
        Ok(moved)
    }

    /// Returns the files that differ between two commits.
    pub fn changed(&self, before: Option<&GitId>, after: &GitId) -> Result<Vec<RelPath>, Failure> {
        Ok(self
            .site
            .git
            .changed_paths(before, after, &[RelPath::root()])?)
    }

    /// Returns the tasks that own some of these files.
    pub fn owners(&self, paths: &[RelPath]) -> Result<Vec<&'a TaskSpec>, Failure> {
        let mut owners = Vec::new();
        for task in &self.site.settings.tasks {
            // Compile globs only for tasks that can match.
            let usual = task
                .paths
                .iter()
                .all(|glob| glob.as_bytes().starts_with(task.dir.as_bytes()));
            let may = |path: &&RelPath| {
                !usual || path.is_in(&task.dir) || task.config.as_ref() == Some(path)
            };
            let mut candidates = paths.iter().filter(may).peekable();
            if candidates.peek().is_none() {
                continue;
            }
            let scope = Scope::new(&self.site.settings, task)?;
            if candidates.any(|path| scope.owns(path)) {
                owners.push(task);
            }
        }
        Ok(owners)
    }

    /// Returns the files among these that define a task's packages, with the task.
    pub fn locks<'p>(
        &self,
        paths: &'p [RelPath],
    ) -> Result<Vec<(&'a TaskSpec, &'p RelPath)>, Failure> {
        let is_lock = |path: &&RelPath| LOCKS.iter().any(|name| path.name() == name.as_bytes());
        let mut found = Vec::new();
        for path in paths.iter().filter(is_lock) {
            found.extend(
                self.owners(std::slice::from_ref(path))?
                    .into_iter()
                    .map(|task| (task, path)),
            );
        }
        Ok(found)
    }

    /// Returns the version of a task in a commit.
    pub fn version(&self, task: &TaskSpec, commit: &GitId) -> Result<Option<Version>, Failure> {
        Ok(self
            .registry(commit)?
            .map(|registry| registry.version(&task.id))
            .transpose()?
            .flatten())
    }

    /// Returns how many commits since a version's release changed files of the task; `None` when
    /// that would take too long to determine.
    pub fn commits_since(
        &self,
        task: &TaskSpec,
        version: &Version,
        head: &GitId,
    ) -> Result<Option<usize>, Failure> {
        let git = &self.site.git;
        let found = releases::one(git, &self.site.settings, &task.id, version)?;
        let Some(tag) = found.of(&task.id).next() else {
            return Ok(None);
        };
        let released = git.peel_tag(&tag.tag_id)?.commit;
        let scope = Scope::new(&self.site.settings, task)?;
        let dirs = scope.dirs();
        let touches = |parent: Option<&GitId>, commit: &GitId| {
            Ok(git
                .changed_paths(parent, commit, &dirs)?
                .iter()
                .any(|path| scope.owns(path)))
        };
        let now = self.rewritten().remove(&released);
        let is_there = |at: &GitId| *at == released || now.as_ref() == Some(at) || self.is_late();
        Ok(git
            .count_since(head, FAR, is_there, touches)?
            .filter(|_| !self.is_late()))
    }

    /// Returns the successors of release commits that git rewrote.
    pub fn rewritten(&self) -> Rewritten {
        rewritten::read(&*self.site.state)
    }

    /// Returns "held" or "bad", or the reason why that is unknown; `None` when the version is
    /// neither.
    pub fn warning(&self, task: &TaskId, version: &Version) -> Option<String> {
        let read = || -> Result<VerdictRecords, Failure> {
            let own = verdict::own(&*self.site.state)?;
            let shared = refs::read(&self.site.git, None, &own)?.records;
            Ok(verdict::union(own, shared))
        };
        let records = match self
            .verdicts
            .get_or_init(|| read().map_err(|failure| failure.to_string()))
        {
            Ok(records) => records,
            Err(why) => return Some(format!("perhaps held or bad: {why}")),
        };
        let mut said = verdict::of_version(records, task, version).to_vec();
        verdict::keep_meant(self.site, task, version, &mut said);
        let standing = VersionState::of(&said);
        (standing.held || standing.bad).then(|| standing.word().to_string())
    }
}
