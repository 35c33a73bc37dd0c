//! What there is, for people and programs: status, releases, history, one release, verification.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rayon::prelude::*;

use super::{
    App, MissingTags, audit,
    drift::{Drift, Watched},
    shared::Judged,
    way_back,
};
use crate::{
    base::{Failure, Kind, RelPath, TaskId},
    catalog::{self, Release, manifests, registry as read, releases::Releases},
    git::{self, PeeledTag},
    ground::Ground,
    model::{
        Status, TagName, TaskSpec, Verdict, Verification, Version,
        operation::OpKind,
        overview::{HistoryLine, ReleaseDetail, ReleaseLine, Released, TaskLine},
        signature::Demand,
    },
    registry::Registry,
    rollback::{check, standing_of},
    steps::verdicts,
    verify::Checking,
};

impl App {
    /// One line a task, worst first; no task = all.
    pub fn status(&self, tasks: &[TaskId]) -> Result<Vec<TaskLine>, Failure> {
        let chosen: Vec<&TaskSpec> = match tasks {
            [] => self.ground.settings.tasks.iter().collect(),
            some => some
                .iter()
                .map(|id| self.spec(id))
                .collect::<Result<_, _>>()?,
        };
        let (releases, judged) = match tasks {
            [only] => (self.tagged_releases(only)?, self.judged(Some(only))?),
            _ => (self.all_releases()?, self.judged(None)?),
        };
        let registry = self.registry_seen();
        let named: Vec<Active> = chosen
            .par_iter()
            .map(|task| self.active_of(task, registry.as_ref()))
            .collect();
        let watched = chosen.par_iter().zip(&named).map(|(task, named)| {
            let release = named
                .version
                .as_ref()
                .and_then(|version| releases.find(&task.id, version).ok());
            Watched::new(&self.ground, task, release)
        });
        let watched: Vec<Watched<'_>> = watched.collect();
        let drift = Drift::new(&self.ground, &watched)?;
        let in_doubt = |(named, watched): (&Active, &Watched<'_>)| {
            named.version.is_some()
                && (watched.release.is_none() || releases.of(&watched.task.id).nth(1).is_none())
        };
        let unreleased = named.iter().zip(&watched).any(in_doubt);
        let missing = if unreleased {
            self.missing_beside(&releases, tasks.first().filter(|_| tasks.len() == 1))?
        } else {
            MissingTags::default()
        };
        if let Some(sentence) = missing
            .sentence()
            .filter(|_| missing.releases.len() == missing.manifests)
        {
            self.ground.warn(format!("{sentence}: git fetch --tags"));
        }
        let pairs = named.into_par_iter().zip(&watched);
        let mut lines: Vec<TaskLine> = pairs
            .map(|(named, watched)| {
                task_line(
                    watched,
                    named,
                    &releases,
                    &judged,
                    (&drift, &self.ground),
                    &missing,
                )
            })
            .collect();
        let moved = releases.moved(&self.ground.git, None)?;
        for line in &mut lines {
            let own = moved.iter().filter(|(task, _)| *task == line.task);
            line.moved = own.map(|(_, version)| version.clone()).collect();
        }
        if tasks.is_empty() {
            lines.extend(self.flawed_lines(&releases, &judged.standings, registry.as_ref()));
        }
        lines.sort_by(|a, b| (badness(b), &a.task).cmp(&(badness(a), &b.task)));
        Ok(lines)
    }

    /// The registry as far as it can be read; trouble is a warning, for no task's own.
    fn registry_seen(&self) -> Option<Registry> {
        let read::Seen { registry, trouble } =
            read::seen(&*self.ground.tree, &self.ground.settings);
        if let Some(failure) = trouble {
            self.ground
                .warn(read::trouble_of(&self.ground.settings.registry, &failure));
        }
        registry
    }

    /// Which version a task has, as far as that can be told; trouble is a warning.
    pub(super) fn active_told(&self, task: &TaskSpec) -> Option<Version> {
        let read::Active { version, trouble } =
            read::active(&*self.ground.tree, &self.ground.settings, task);
        for line in trouble {
            self.ground.warn(line);
        }
        version
    }

    /// Which version a task has, by the registry and by its configuration.
    fn active_of(&self, task: &TaskSpec, registry: Option<&Registry>) -> Active {
        let mut trouble = Vec::new();
        let active = registry
            .map(|registry| registry.version(&task.id))
            .transpose();
        let active = active
            .map_err(|error| trouble.push(error.to_string()))
            .ok()
            .flatten()
            .flatten();
        let config = read::config_version(&*self.ground.tree, task)
            .map_err(|failure| trouble.push(failure.to_string()))
            .ok()
            .flatten();
        if let (Some(registry), Some(config)) = (&active, &config)
            && !registry.agrees_with_config(config)
        {
            trouble.push(format!("the config says {config}, the registry {registry}"));
        }
        Active {
            version: active.or_else(|| config.clone()),
            config,
            trouble,
        }
    }

    /// The releases of a task, newest version first.
    pub fn releases(&self, task: &TaskId) -> Result<Vec<ReleaseLine>, Failure> {
        self.release_lines(&[task], &self.tagged_releases(task)?)
    }

    /// The lines of all releases of some tasks, the newest version of each first.
    fn release_lines(
        &self,
        tasks: &[&TaskId],
        releases: &Releases,
    ) -> Result<Vec<ReleaseLine>, Failure> {
        let (judged, settings) = (self.judged(None)?, &self.ground.settings);
        let registry = self.registry_seen();
        let all: Vec<&Release> = tasks
            .iter()
            .flat_map(|task| releases.of(task).rev())
            .collect();
        let kept = self.manifests_of(&all)?;
        let mut active: HashMap<&TaskId, Option<Version>> = HashMap::new();
        for task in tasks {
            active.insert(
                task,
                read::active_seen(registry.as_ref(), &*self.ground.tree, self.spec(task)?).version,
            );
        }
        let line = |release: &&Release| {
            let tag = match self.ground.git.peel_tag(&release.tag_id) {
                // It was moved to something that is no commit, which `status` says.
                Err(git::Error::BadTag { .. }) => return Ok(None),
                peeled => peeled?,
            };
            let has_manifest =
                kept.contains(&settings.manifest_path(&release.task, &release.version));
            self.release_line(
                release,
                &tag,
                &judged,
                active.get(&release.task).and_then(Option::as_ref),
                has_manifest,
            )
            .map(Some)
        };
        all.par_iter()
            .map(line)
            .filter_map(Result::transpose)
            .collect()
    }

    /// The manifests of some releases that the branch has.
    fn manifests_of(&self, releases: &[&Release]) -> Result<HashSet<RelPath>, Failure> {
        let Some(head) = self.ground.git.head_commit()? else {
            return Ok(HashSet::new());
        };
        let paths: Vec<RelPath> = releases
            .iter()
            .map(|release| {
                self.ground
                    .settings
                    .manifest_path(&release.task, &release.version)
            })
            .collect();
        Ok(self
            .ground
            .git
            .entries(&head, &paths)?
            .into_iter()
            .map(|(path, _)| path)
            .collect())
    }

    /// Versions and tags of a task, newest first: cheap, for completion.
    pub fn release_names(&self, task: &TaskId) -> Result<Vec<(Version, String)>, Failure> {
        let versions = self.releases_for(task)?.tagged(task).into_iter().rev();
        Ok(versions
            .map(|version| {
                (
                    version.clone(),
                    TagName::release(task, &version).to_string(),
                )
            })
            .collect())
    }

    /// The line of one release.
    fn release_line(
        &self,
        release: &Release,
        tag: &PeeledTag,
        judged: &Judged,
        active: Option<&Version>,
        manifest: bool,
    ) -> Result<ReleaseLine, Failure> {
        let subject = |text: &str| text.lines().next().unwrap_or_default().trim().to_string();
        let (author, at, message) = match (&tag.tagger, tag.at) {
            (Some(tagger), Some(at)) => (tagger.name.clone(), at, subject(&tag.message)),
            _ => {
                let commit = self.ground.git.commit(&tag.commit)?;
                (
                    commit.author.name.clone(),
                    commit.time,
                    subject(&commit.message),
                )
            }
        };
        Ok(ReleaseLine {
            version: release.version.clone(),
            tag: release.tag(),
            commit: tag.commit.clone(),
            at,
            author,
            message,
            standing: standing_of(&judged.standings, &release.task, &release.version),
            said_by: judged.by(&release.task, &release.version),
            active: active == Some(&release.version),
            manifest,
        })
    }

    /// Releases and operations, newest first; no task = all.
    pub fn history(&self, task: Option<&TaskId>) -> Result<Vec<HistoryLine>, Failure> {
        let tasks: Vec<TaskId> = match task {
            Some(task) => vec![self.spec(task)?.id.clone()],
            None => self
                .ground
                .settings
                .tasks
                .iter()
                .map(|task| task.id.clone())
                .collect(),
        };
        let releases = match task {
            Some(task) => self.tagged_releases(task)?,
            None => self.all_releases()?,
        };
        let of_tags = self.release_lines(&tasks.iter().collect::<Vec<_>>(), &releases)?;
        let mut lines: Vec<(Timestamp, HistoryLine)> = of_tags
            .into_iter()
            .map(|line| (line.at, HistoryLine::Release(line)))
            .collect();
        let ours = |op: &crate::model::overview::OperationLine| {
            op.kind != OpKind::CreateSnapshot
                && op.task.as_ref().is_none_or(|id| tasks.contains(id))
        };
        // What was done stands where another user may not read it; what was released does not.
        let done = if self.is_closed() {
            Vec::new()
        } else {
            self.operations()?
        };
        lines.extend(
            done.into_iter()
                .filter(ours)
                .map(|line| (line.at, HistoryLine::Operation(line))),
        );
        // Tags know whole seconds only; in the same second an operation came after the release.
        lines.sort_by_key(|(at, line)| {
            (
                std::cmp::Reverse(at.as_second()),
                matches!(line, HistoryLine::Release(_)),
            )
        });
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    /// One release in full.
    pub fn show(&self, task: &TaskId, version: &Version) -> Result<ReleaseDetail, Failure> {
        let releases = self.releases_for(task)?;
        let release = releases.find(task, version)?;
        let active = self.active_told(self.spec(task)?);
        let tag = self.ground.git.peel_tag(&release.tag_id)?;
        let (manifest, unread) = match manifests::load(&self.ground, release) {
            Ok(found) => (Some(found.manifest.clone()), None),
            Err(failure) if matches!(failure.find(), Some(catalog::Error::NoManifest { .. })) => {
                (None, None)
            }
            Err(failure)
                if matches!(
                    failure.kind(),
                    Kind::Cancelled(_) | Kind::TimeLimit | Kind::Bug
                ) =>
            {
                return Err(failure);
            }
            Err(failure) => (None, Some(failure.chain().join(": "))),
        };
        let has_manifest = manifest.is_some();
        let line = self.release_line(
            release,
            &tag,
            &self.judged(None)?,
            active.as_ref(),
            has_manifest,
        )?;
        let own = || {
            manifest
                .iter()
                .flat_map(|manifest| &manifest.files)
                .filter(|file| file.is_restored())
        };
        Ok(ReleaseDetail {
            release: line,
            files: own().count(),
            bytes: own().filter_map(|file| file.size).sum(),
            manifest: manifest.clone(),
            unread,
        })
    }

    /// Checks a release where it is kept. `deep` reads every byte.
    pub fn verify_snapshot(
        &self,
        task: &TaskId,
        version: &Version,
        deep: bool,
        signature: Demand,
    ) -> Result<Verification, Failure> {
        let mut found = check::release(
            &self.ground,
            self.spec(task)?,
            &self.releases_for(task)?,
            version,
            (deep, signature),
        )?;
        if !deep {
            let unread = vec!["whether the bytes are those that were released was not looked at: --deep reads them".into()];
            found
                .checks
                .push(Checking::begin(1, "integrity.bytes").end(Status::Skipped, unread));
        }
        self.note_kept(&found, deep);
        Ok(found)
    }

    /// Runs the four levels on the work tree; without an expected version, the active one.
    pub fn verify_rollback(
        &self,
        task: &TaskId,
        expected: Option<&Version>,
    ) -> Result<Verification, Failure> {
        let (spec, releases) = (self.spec(task)?, self.releases_for(task)?);
        let version = match expected {
            Some(version) => version.clone(),
            None => self.resolve_version(task, "active")?,
        };
        let standing = standing_of(&self.standings_of(task)?, task, &version);
        self.require_commands(&self.commands_of_verification(task))?;
        let commands = crate::verify::Commands::unless(self.ground.without_commands);
        let found = check::tree(
            &self.ground,
            spec,
            &releases,
            standing,
            &version,
            check::Levels {
                deep: true,
                commands,
                ..check::Levels::ALL
            },
        )?;
        self.note_tree(&found, commands);
        Ok(found)
    }

    /// Says something of a version.
    pub fn mark(
        &self,
        task: &TaskId,
        version: &Version,
        verdict: Verdict,
        reason: &str,
    ) -> Result<(), Failure> {
        let _lock = self.lock()?;
        self.tagged_releases(task)?.find(task, version)?;
        self.ground.git.identity()?;
        let kind = match verdict {
            Verdict::Good => "mark good",
            Verdict::Bad => "mark bad",
            Verdict::Held => "hold",
            Verdict::Released => "end hold",
            Verdict::Pinned => "pin",
            Verdict::Unpinned => "unpin",
            _ => "mark",
        };
        let record = catalog::verdict::verdict(&self.ground, (task, version), verdict, reason);
        let what = audit::deed_on(kind, task, None, Some(version));
        self.witnessed(what, reason, || verdicts::write(&self.ground, &[record]))
    }
}

/// Which version a task has, and what is wrong with that.
struct Active {
    version: Option<Version>,
    config: Option<Version>,
    trouble: Vec<String>,
}

/// The line of one task. What cannot be read is its trouble.
fn task_line(
    watched: &Watched<'_>,
    named: Active,
    releases: &Releases,
    judged: &Judged,
    (drift, ground): (&Drift<'_>, &Ground),
    missing: &MissingTags,
) -> TaskLine {
    let Active {
        version: active,
        config,
        mut trouble,
    } = named;
    let task = watched.task;
    let found = active
        .as_ref()
        .map(|version| releases.find(&task.id, version));
    let place = match &active {
        _ if watched.release.is_some() => Released::Here,
        None => Released::Here,
        Some(_) if matches!(found, Some(Err(catalog::Error::TagBroken { .. }))) => Released::Here,
        Some(version) if missing.has(&task.id, version) => Released::Elsewhere,
        Some(_) => Released::Never,
    };
    match found {
        Some(Err(broken @ catalog::Error::TagBroken { .. })) if watched.release.is_none() => {
            trouble.push(broken.to_string())
        }
        _ => trouble.extend(active.as_ref().and_then(|version| place.trouble(version))),
    }
    if active.is_none() && releases.of(&task.id).next().is_some() {
        trouble.push(
            "neither the registry nor its configuration says which of its releases it has".into(),
        );
    }
    let left_out = drift.left_out(watched);
    let small = drift
        .of(watched)
        .map_err(|failure| trouble.push(failure.to_string()))
        .unwrap_or_default();
    let (large, unread) = drift
        .large(watched)
        .map_err(|failure| trouble.push(failure.to_string()))
        .unwrap_or_default();
    let way_back = way_back::of(ground, task, active.as_ref(), releases, &judged.standings);
    let way_back = way_back::for_want_of_tags(way_back, missing, &task.id, active.as_ref());
    // Of a number that was taken back nothing that was said holds any more.
    let judged_as = active
        .as_ref()
        .filter(|version| place != Released::Never || is_release(ground, &task.id, version));
    TaskLine {
        task: task.id.clone(),
        title: task.title.clone(),
        newest: releases
            .of(&task.id)
            .next_back()
            .map(|release| release.version.clone()),
        releases: releases.of(&task.id).count(),
        standing: judged_as
            .map(|version| standing_of(&judged.standings, &task.id, version))
            .unwrap_or_default(),
        said_by: judged_as.and_then(|version| judged.by(&task.id, version)),
        active,
        config,
        drift: small + large,
        unread,
        released: place,
        trouble: trouble.join("; "),
        moved: Vec::new(),
        untagged: missing.of(&task.id).cloned().collect(),
        way_back,
        left_out,
    }
}

/// True when a version is a release here, by its tag or, where that was deleted, by its second
/// reference.
pub(super) fn is_release(ground: &Ground, task: &TaskId, version: &Version) -> bool {
    catalog::verdict::meant(&ground.git, task, version).is_some()
}

/// Worst first: trouble, bad or failed, held, drift, unknown, fine.
fn badness(line: &TaskLine) -> u8 {
    match line {
        _ if !line.trouble.is_empty() || !line.moved.is_empty() => 5,
        _ if line.standing.bad || line.standing.failed => 4,
        _ if line.standing.held => 3,
        _ if line.drift > 0 => 2,
        _ if line.active.is_none() => 1,
        _ => 0,
    }
}
