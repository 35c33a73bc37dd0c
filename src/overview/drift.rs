//! Counts how many files of each task differ from its release, by git's stat cache.
//!
//! Data needed by several tasks is read once: the scan of the work tree, the tree of a commit that
//! many releases share, the conversion rules. For files in the store only the size is compared;
//! `verify-rollback` reads them. Nothing is changed.

use std::{
    collections::{HashMap, HashSet},
    sync::OnceLock,
};

use rayon::prelude::*;

use crate::{
    base::{Failure, RelPath, Type},
    catalog::{
        self, Release, Scope, capture,
        databases::{is_lone_log, with_sides},
        left_out, manifests,
    },
    draft::tree::all_bytes,
    git::{Attributes, Converter, Scan, Tracked, WorkState},
    model::{
        GitId, GitMode, IgnoredFiles, TaskSpec,
        manifest::{FileRole, ManifestFile},
        operation::TreeEntry,
    },
    site::RepoSite,
};

/// The entries below the tasks' folders in one commit, sorted by path.
type Entries = Vec<(RelPath, TreeEntry)>;

/// The work tree, and the commits of the active releases.
pub(super) struct Drift<'a> {
    site: &'a RepoSite,
    scan: Scan,
    commits: HashMap<GitId, Entries>,
    /// Created when the first file has to be read; `None` = creation failed.
    converter: OnceLock<Option<Converter>>,
}

/// A task and its active release.
pub(super) struct WatchedTask<'a> {
    /// The task.
    pub task: &'a TaskSpec,
    /// The compiled globs.
    pub scope: Result<Scope, Failure>,
    /// Its active release, with its commit.
    pub release: Option<(&'a Release, Result<GitId, Failure>)>,
}

impl<'a> WatchedTask<'a> {
    /// Compiles the globs of a task and finds the commit of its release.
    pub(super) fn new(site: &RepoSite, task: &'a TaskSpec, release: Option<&'a Release>) -> Self {
        let commit = |release: &Release| Ok(site.git.peel_tag(&release.tag_id)?.commit);
        Self {
            task,
            scope: Scope::new(&site.settings, task),
            release: release.map(|release| (release, commit(release))),
        }
    }

    /// Returns the folders of the task; none when its globs are invalid.
    fn dirs(&self) -> Vec<RelPath> {
        self.scope.as_ref().map(Scope::dirs).unwrap_or_default()
    }
}

impl<'a> Drift<'a> {
    /// Scans the work tree and the commits once for all tasks.
    pub(super) fn new(site: &'a RepoSite, tasks: &[WatchedTask<'_>]) -> Result<Self, Failure> {
        let dirs: Vec<RelPath> = tasks.iter().flat_map(WatchedTask::dirs).collect();
        let (scan, commits) = rayon::join(|| site.git.scan(&dirs), || commits(site, tasks));
        Ok(Self {
            site,
            scan: scan?,
            commits,
            converter: OnceLock::new(),
        })
    }

    /// Returns the number of files that differ from the task's release; 0 without a release.
    pub(super) fn of(&self, watched: &WatchedTask<'_>) -> Result<usize, Failure> {
        let Some((release, commit)) = &watched.release else {
            return Ok(0);
        };
        let alone;
        let (scope, commit) = match (&watched.scope, commit) {
            (Ok(scope), Ok(commit)) => (scope, commit),
            // Retry both, because this error belongs to the task.
            _ => {
                alone = (
                    Scope::new(&self.site.settings, watched.task)?,
                    self.site.git.peel_tag(&release.tag_id)?.commit,
                );
                (&alone.0, &alone.1)
            }
        };
        let dirs = scope.dirs();
        let own;
        let entries = if let Some(entries) = self.commits.get(commit) {
            entries
        } else {
            own = self.site.git.entries(commit, &dirs)?;
            &own
        };
        self.count(scope, &dirs, entries)
    }

    /// Returns how many large files of the task's release are missing or have another size, and how
    /// many do not; both 0 without a manifest.
    ///
    /// # Errors
    /// Fails when the release cannot be read.
    pub(super) fn large(&self, watched: &WatchedTask<'_>) -> Result<(usize, usize), Failure> {
        let (Some((release, _)), Ok(scope)) = (&watched.release, &watched.scope) else {
            return Ok((0, 0));
        };
        if !scope.keeps_large() {
            return Ok((0, 0));
        }
        let found = match manifests::load(self.site, release) {
            Ok(found) => found,
            Err(failure) if matches!(failure.find(), Some(catalog::Error::NoManifest { .. })) => {
                return Ok((0, 0));
            }
            Err(failure) => return Err(failure),
        };
        let is_there = |file: &&ManifestFile| {
            let stat = capture::stat(&*self.site.tree, file.path()).ok().flatten();
            stat.is_some_and(|stat| {
                stat.kind == Type::File && file.size().is_none_or(|size| size == stat.size)
            })
        };
        let large = found
            .manifest
            .files
            .iter()
            .filter(|file| file.role == FileRole::Large && !scope.protects(file.path()));
        let (there, gone): (Vec<&ManifestFile>, Vec<&ManifestFile>) = large.partition(is_there);
        Ok((gone.len(), there.len()))
    }

    /// Returns a task's ignored files that no release keeps; none when its globs are invalid, which
    /// is reported elsewhere.
    pub(super) fn left_out(&self, watched: &WatchedTask<'_>) -> IgnoredFiles {
        let Ok(scope) = &watched.scope else {
            return IgnoredFiles::default();
        };
        let dirs = scope.dirs();
        left_out::of(
            &*self.site.tree,
            watched.task,
            scope,
            below(&self.scan.ignored, &dirs, |path| path),
        )
    }

    /// Counts the files of a scope that differ from a commit's entries.
    fn count(&self, scope: &Scope, dirs: &[RelPath], entries: &Entries) -> Result<usize, Failure> {
        let released: HashMap<&RelPath, &TreeEntry> = below(entries, dirs, |(path, _)| path)
            .filter(|(path, _)| scope.owns(path))
            .map(|(path, entry)| (path, entry))
            .collect();
        // SQLite companions of a database that is not part of the release belong to that database.
        let is_new =
            |path: &RelPath| scope.owns(path) && self.scan.untracked.binary_search(path).is_ok();
        let is_part =
            |path: &RelPath| released.contains_key(path) || scope.names_large(path) || is_new(path);
        let tree = &*self.site.tree;
        let is_of_init =
            |path: &RelPath| !released.contains_key(path) && scope.holds_merge_lines(tree, path);
        let is_own = |path: &RelPath| {
            scope.owns(path) && !is_of_init(path) && !is_lone_log(tree, path, is_part)
        };
        let tracked: Vec<&Tracked> = below(&self.scan.tracked, dirs, |tracked| &tracked.path)
            .filter(|tracked| is_own(&tracked.path))
            .collect();
        let same = |tracked: &&&Tracked| {
            let index = tracked
                .index
                .as_ref()
                .filter(|entry| Some(*entry) == released.get(&tracked.path).copied());
            let vouched = matches!(tracked.state, WorkState::Clean | WorkState::LeftOut);
            index.is_some_and(|entry| vouched || self.reads_as(&tracked.path, entry))
                // A rollback leaves them as they are.
                || scope.holds_ignore_rules(&tracked.path)
                    && vouched
                    && tracked.head == tracked.index
        };
        let equal = tracked.iter().filter(same).count();
        let gone = |tracked: &&&Tracked| {
            tracked.state == WorkState::Missing && !released.contains_key(&tracked.path)
        };
        let tracked_differ = tracked.len() - equal - tracked.iter().filter(gone).count();
        let listed: HashSet<&RelPath> = tracked.iter().map(|tracked| &tracked.path).collect();
        let missing = released
            .keys()
            .filter(|path| !listed.contains(*path))
            .count();
        let untracked = below(&self.scan.untracked, dirs, |path| path)
            .filter(|path| is_own(path) && !scope.names_large(path))
            .count();
        Ok(tracked_differ + missing + untracked + self.changed_by_logs(scope, dirs, is_part)?)
    }

    /// Counts the release's databases whose rows are changed by companion files.
    fn changed_by_logs(
        &self,
        scope: &Scope,
        dirs: &[RelPath],
        is_part: impl Fn(&RelPath) -> bool,
    ) -> Result<usize, Failure> {
        let Scan {
            tracked,
            untracked,
            ignored,
            ..
        } = &self.scan;
        let tracked = below(tracked, dirs, |tracked| &tracked.path).map(|tracked| &tracked.path);
        let names = tracked
            .chain(below(untracked, dirs, |path| path))
            .chain(below(ignored, dirs, |path| path));
        let tree = &*self.site.tree;
        let wanted = |path: &RelPath| is_part(path) && !scope.protects(path);
        let mut changed = 0;
        for database in with_sides(tree, names, wanted)? {
            changed += usize::from(database.changed_by(tree, |log| !is_part(log))?.is_some());
        }
        Ok(changed)
    }

    /// Returns true when a file unknown to git's stat cache has an entry's bytes and mode.
    fn reads_as(&self, path: &RelPath, entry: &TreeEntry) -> bool {
        let (git, tree) = (&self.site.git, &*self.site.tree);
        let Some(now) = capture::read(tree, path).ok().flatten() else {
            return false;
        };
        let (link, mode) = (now.record.is_link(), GitMode::from(now.record.kind));
        let mode_fits = mode == entry.mode || (!link && !git.trusts_file_mode());
        let Ok(bytes) = all_bytes(tree, now) else {
            return false;
        };
        if !mode_fits || git.blob_id(&bytes) == entry.id {
            return mode_fits;
        }
        let converter = || {
            self.converter
                .get_or_init(|| git.converter(Attributes::WorkTree).ok())
                .as_ref()
        };
        !link
            && converter()
                .and_then(|converter| converter.to_git(path, bytes).ok())
                .is_some_and(|bytes| git.blob_id(&bytes) == entry.id)
    }
}

/// Reads the entries of commits shared by several tasks' releases. Unreadable ones are left to the
/// tasks, so that each reports its own error.
fn commits(site: &RepoSite, tasks: &[WatchedTask<'_>]) -> HashMap<GitId, Entries> {
    let mut shared: HashMap<&GitId, Vec<&WatchedTask<'_>>> = HashMap::new();
    for watched in tasks {
        if let Some((_, Ok(commit))) = &watched.release {
            shared.entry(commit).or_default().push(watched);
        }
    }
    let read = |(commit, tasks): (&GitId, Vec<&WatchedTask<'_>>)| {
        let dirs: Vec<RelPath> = tasks.iter().flat_map(|watched| watched.dirs()).collect();
        Some((commit.clone(), site.git.entries(commit, &dirs).ok()?))
    };
    shared
        .into_par_iter()
        .filter(|(_, tasks)| tasks.len() > 1)
        .filter_map(read)
        .collect()
}

/// Yields the part of a list sorted by path that lies below some folders.
fn below<'a, T>(
    sorted: &'a [T],
    dirs: &'a [RelPath],
    path: impl Fn(&T) -> &RelPath + Copy + 'a,
) -> impl Iterator<Item = &'a T> {
    dirs.iter().flat_map(move |dir| {
        let begin = sorted.partition_point(|item| path(item) < dir);
        sorted[begin..]
            .iter()
            .take_while(move |item| path(item).as_bytes().starts_with(dir.as_bytes()))
            .filter(move |item| path(item).is_in(dir))
    })
}
