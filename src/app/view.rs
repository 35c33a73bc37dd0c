//! What there is, for people and programs: status, releases, history, one release, verification.

use std::collections::HashMap;

use jiff::Timestamp;
use rayon::prelude::*;

use super::App;
use crate::{
    base::{Failure, RelPath, TaskId},
    catalog::{Release, Scope, capture, manifests, registry as read, releases::Releases},
    draft::tree::all_bytes,
    git::{Attributes, Converter, PeeledTag, Scan, Tracked, WorkState},
    model::{
        TaskSpec, Verdict, VerdictRecord, Verification, Version,
        operation::{OpKind, TreeEntry},
        overview::{HistoryLine, ReleaseDetail, ReleaseLine, TaskLine},
        verdict::Standing,
    },
    registry::Registry,
    rollback::{Standings, check},
    steps::verdicts,
};

impl App {
    /// One line a task, worst first; no task = all.
    pub fn status(&self, tasks: &[TaskId]) -> Result<Vec<TaskLine>, Failure> {
        let chosen: Vec<&TaskSpec> = match tasks {
            [] => self.ground.settings.tasks.iter().collect(),
            some => some.iter().map(|id| self.spec(id)).collect::<Result<_, _>>()?,
        };
        let (releases, standings) = (self.all_releases()?, self.standings()?);
        let registry = read::in_tree(&*self.ground.tree, &self.ground.settings)?;
        let dirs: Vec<RelPath> =
            chosen.iter().filter_map(|task| Scope::new(&self.ground.settings, task).ok()).flat_map(|scope| scope.dirs()).collect();
        let scan = self.ground.git.scan(&dirs)?;
        let mut lines: Vec<TaskLine> =
            chosen.par_iter().map(|task| self.task_line(task, registry.as_ref(), &releases, &standings, &scan)).collect();
        lines.sort_by(|a, b| (badness(b), &a.task).cmp(&(badness(a), &b.task)));
        Ok(lines)
    }

    /// The line of one task. What cannot be read is its trouble.
    fn task_line(&self, task: &TaskSpec, registry: Option<&Registry>, releases: &Releases, standings: &Standings, scan: &Scan) -> TaskLine {
        let mut trouble = Vec::new();
        let active = registry.map(|registry| registry.version(&task.id)).transpose();
        let active = active.map_err(|error| trouble.push(error.to_string())).ok().flatten().flatten();
        let config = read::config_version(&*self.ground.tree, task).map_err(|failure| trouble.push(failure.to_string())).ok().flatten();
        if let (Some(registry), Some(config)) = (&active, &config)
            && registry != config
        {
            trouble.push(format!("the config says {config}, the registry {registry}"));
        }
        let active = active.or_else(|| config.clone());
        let release = active.as_ref().and_then(|version| releases.find(&task.id, version).ok());
        if active.is_some() && release.is_none() {
            trouble.push("the active version is not released".into());
        }
        let drift = release.map_or(Ok(0), |release| self.drift_of(task, release, scan)).unwrap_or_else(|failure| {
            trouble.push(failure.to_string());
            0
        });
        let standing = active.as_ref().map(|version| standing_of(standings, &task.id, version)).unwrap_or_default();
        TaskLine {
            task: task.id.clone(),
            title: task.title.clone(),
            newest: releases.of(&task.id).next_back().map(|release| release.version.clone()),
            releases: releases.of(&task.id).count(),
            active,
            config,
            standing,
            drift,
            trouble: trouble.join("; "),
        }
    }

    /// How many files differ from a release, by git's stat cache. Files in the store are looked
    /// at by `verify-rollback`, not here.
    fn drift_of(&self, task: &TaskSpec, release: &Release, scan: &Scan) -> Result<usize, Failure> {
        let scope = Scope::new(&self.ground.settings, task)?;
        let dirs = scope.dirs();
        let commit = self.ground.git.peel_tag(&release.tag_id)?.commit;
        let entries = self.ground.git.entries(&commit, &dirs)?;
        let released: HashMap<&RelPath, &TreeEntry> =
            entries.iter().filter(|(path, _)| scope.owns(path)).map(|(path, entry)| (path, entry)).collect();
        let tracked: Vec<&Tracked> =
            below(&scan.tracked, &dirs, |tracked| &tracked.path).filter(|tracked| scope.owns(&tracked.path)).collect();
        let converter = self.ground.git.converter(Attributes::WorkTree)?;
        let same = |tracked: &&&Tracked| {
            let index = tracked.index.as_ref().filter(|entry| Some(*entry) == released.get(&tracked.path).copied());
            index.is_some_and(|entry| tracked.state == WorkState::Clean || self.reads_as(&converter, &tracked.path, entry))
        };
        let equal = tracked.iter().filter(same).count();
        let gone = |tracked: &&&Tracked| tracked.state == WorkState::Missing && !released.contains_key(&tracked.path);
        let tracked_differ = tracked.len() - equal - tracked.iter().filter(gone).count();
        let listed: std::collections::HashSet<&RelPath> = tracked.iter().map(|tracked| &tracked.path).collect();
        let missing = released.keys().filter(|path| !listed.contains(*path)).count();
        let untracked = below(&scan.untracked, &dirs, |path| path).filter(|path| scope.owns(path) && !scope.names_large(path)).count();
        Ok(tracked_differ + missing + untracked)
    }

    /// True when a file that git's stat cache cannot vouch for has an entry's bytes and mode.
    fn reads_as(&self, converter: &Converter, path: &RelPath, entry: &TreeEntry) -> bool {
        let Some(now) = capture::read(&*self.ground.tree, path).ok().flatten() else { return false };
        let (link, mode) = (now.is_link(), now.git_mode());
        let mode_fits = mode == entry.mode || (!link && !self.ground.git.trusts_file_mode());
        let Ok(bytes) = all_bytes(&*self.ground.tree, path, now) else { return false };
        if !mode_fits || self.ground.git.blob_id(&bytes) == entry.id {
            return mode_fits;
        }
        !link && converter.to_git(path, bytes).is_ok_and(|bytes| self.ground.git.blob_id(&bytes) == entry.id)
    }

    /// The releases of a task, newest version first.
    pub fn releases(&self, task: &TaskId) -> Result<Vec<ReleaseLine>, Failure> {
        let (releases, standings) = (self.all_releases()?, self.standings()?);
        let active = read::active_version(&*self.ground.tree, &self.ground.settings, self.spec(task)?)?;
        let mut lines = Vec::new();
        for release in releases.of(task).rev() {
            let tag = self.ground.git.peel_tag(&release.tag_id)?;
            lines.push(self.release_line(release, &tag, &standings, active.as_ref())?);
        }
        Ok(lines)
    }

    /// Versions and tags of a task, newest first: cheap, for completion.
    pub fn release_names(&self, task: &TaskId) -> Result<Vec<(Version, String)>, Failure> {
        Ok(self.releases_for(task)?.of(task).rev().map(|release| (release.version.clone(), release.tag())).collect())
    }

    /// The line of one release.
    fn release_line(
        &self,
        release: &Release,
        tag: &PeeledTag,
        standings: &Standings,
        active: Option<&Version>,
    ) -> Result<ReleaseLine, Failure> {
        let subject = |text: &str| text.lines().next().unwrap_or_default().trim().to_string();
        let (author, at, message) = match (&tag.tagger, tag.at) {
            (Some(tagger), Some(at)) => (tagger.name.clone(), at, subject(&tag.message)),
            _ => {
                let commit = self.ground.git.commit(&tag.commit)?;
                (commit.author.name.clone(), commit.time, subject(&commit.message))
            }
        };
        let path = self.ground.settings.manifest_path(&release.task, &release.version);
        let manifest = match self.ground.git.head() {
            Ok(head) => self.ground.git.entry(&head.commit, &path)?.is_some(),
            Err(_) => false,
        };
        Ok(ReleaseLine {
            version: release.version.clone(),
            tag: release.tag(),
            commit: tag.commit.clone(),
            at,
            author,
            message,
            standing: standing_of(standings, &release.task, &release.version),
            active: active == Some(&release.version),
            manifest,
        })
    }

    /// Releases and operations, newest first; no task = all.
    pub fn history(&self, task: Option<&TaskId>) -> Result<Vec<HistoryLine>, Failure> {
        let tasks: Vec<TaskId> = match task {
            Some(task) => vec![self.spec(task)?.id.clone()],
            None => self.ground.settings.tasks.iter().map(|task| task.id.clone()).collect(),
        };
        let mut lines: Vec<(Timestamp, HistoryLine)> = Vec::new();
        for id in &tasks {
            lines.extend(self.releases(id)?.into_iter().map(|line| (line.at, HistoryLine::Release(line))));
        }
        let ours = |op: &crate::model::overview::OperationLine| {
            op.kind != OpKind::CreateSnapshot && op.task.as_ref().is_none_or(|id| tasks.contains(id))
        };
        lines.extend(self.operations()?.into_iter().filter(ours).map(|line| (line.at, HistoryLine::Operation(line))));
        // Tags know whole seconds only; in the same second an operation came after the release.
        lines.sort_by_key(|(at, line)| (std::cmp::Reverse(at.as_second()), matches!(line, HistoryLine::Release(_))));
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    /// One release in full.
    pub fn show(&self, task: &TaskId, version: &Version) -> Result<ReleaseDetail, Failure> {
        let releases = self.releases_for(task)?;
        let release = releases.find(task, version)?;
        let active = read::active_version(&*self.ground.tree, &self.ground.settings, self.spec(task)?)?;
        let tag = self.ground.git.peel_tag(&release.tag_id)?;
        let line = self.release_line(release, &tag, &self.standings()?, active.as_ref())?;
        let manifest = manifests::load(&self.ground, release).ok().map(|found| found.manifest.clone());
        let own = || manifest.iter().flat_map(|manifest| &manifest.files).filter(|file| file.is_restored());
        Ok(ReleaseDetail {
            release: line,
            files: own().count(),
            bytes: own().filter_map(|file| file.size).sum(),
            manifest: manifest.clone(),
        })
    }

    /// Checks a release where it is kept. `deep` reads every byte.
    pub fn verify_snapshot(&self, task: &TaskId, version: &Version, deep: bool) -> Result<Verification, Failure> {
        check::release(&self.ground, self.spec(task)?, &self.releases_for(task)?, version, deep)
    }

    /// Runs the four levels on the work tree; without an expected version, the active one.
    pub fn verify_rollback(&self, task: &TaskId, expected: Option<&Version>) -> Result<Verification, Failure> {
        let (spec, releases) = (self.spec(task)?, self.releases_for(task)?);
        let version = match expected {
            Some(version) => version.clone(),
            None => self.resolve_version(task, "active")?,
        };
        let standing = standing_of(&self.standings()?, task, &version);
        let levels = check::Levels { deep: true, ..check::Levels::ALL };
        check::tree(&self.ground, spec, &releases, standing, &version, levels)
    }

    /// Says something of a version.
    pub fn mark(&self, task: &TaskId, version: &Version, verdict: Verdict, reason: &str) -> Result<(), Failure> {
        let _lock = self.lock()?;
        self.all_releases()?.find(task, version)?;
        let who = self.ground.git.identity()?;
        let record = VerdictRecord {
            task: task.clone(),
            version: version.clone(),
            verdict,
            reason: reason.into(),
            who: format!("{} <{}>", who.name, who.email),
            at: self.ground.clock.now(),
            op: None,
        };
        Ok(verdicts::append(&*self.ground.state, &[record])?)
    }

    /// Pushes what an operation made: the branch and its tag, all or nothing.
    pub fn push(&self, report: &crate::model::Report, remote: &str) -> Result<(), Failure> {
        let mut refs = vec![self.ground.git.head()?.branch];
        refs.extend(report.tag.iter().map(|tag| format!("refs/tags/{tag}")));
        Ok(self.ground.git.push(remote, &refs)?)
    }
}

/// The part of a list sorted by path that lies below some folders.
fn below<'a, T>(sorted: &'a [T], dirs: &'a [RelPath], path: impl Fn(&T) -> &RelPath + Copy + 'a) -> impl Iterator<Item = &'a T> {
    dirs.iter().flat_map(move |dir| {
        let begin = sorted.partition_point(|item| path(item) < dir);
        sorted[begin..]
            .iter()
            .take_while(move |item| path(item).as_bytes().starts_with(dir.as_bytes()))
            .filter(move |item| path(item).is_in(dir))
    })
}

/// What was said of a version.
fn standing_of(standings: &Standings, task: &TaskId, version: &Version) -> Standing {
    standings.get(task).and_then(|versions| versions.get(version)).copied().unwrap_or_default()
}

/// Worst first: trouble, bad, held, drift, unknown, fine.
fn badness(line: &TaskLine) -> u8 {
    match line {
        _ if !line.trouble.is_empty() => 5,
        _ if line.standing.bad => 4,
        _ if line.standing.held => 3,
        _ if line.drift > 0 => 2,
        _ if line.active.is_none() => 1,
        _ => 0,
    }
}
