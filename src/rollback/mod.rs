//! Row 7, rollback, undo and redo: how a task returns to a version, and back.
//!
//! [`draft`] compares the target's manifest with what is there and describes the way; the steps
//! are safety copies (made when the draft is written), stop, files, environment, verification,
//! start, and the commit point. It goes forward: one new commit and a marker tag, no rewritten
//! branch. [`undo`] describes the inverse of an operation in the same terms.

pub mod check;
pub mod compare;
pub mod show;
pub mod undo;

use std::collections::BTreeMap;

use crate::{
    base::{Failure, Fault, Hint, Kind, RelPath, TaskId},
    catalog::{self, Scope, manifests, releases::Releases},
    draft::{CommitDraft, Draft, FileDraft, StepDraft, registry, tree},
    ground::Ground,
    model::{DependencyList, Manifest, TagName, TaskSpec, Version, request, settings::EnvMode, verdict::Standing},
    policy,
    registry::task_config,
};

/// What stops a rollback.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `--from` is not the active version.
    #[error("{task} is at {active}, not at {from}")]
    StaleFrom {
        /// The task.
        task: TaskId,
        /// The active version, or "no version".
        active: String,
        /// What was expected.
        from: Version,
        /// Where it should go.
        to: String,
    },
    /// No version is proven good.
    #[error("{task} has no older version that is proven good")]
    NoGoodVersion {
        /// The task.
        task: TaskId,
    },
    /// The target's commit is not what its manifest says.
    #[error("{tag} is damaged: {problems}")]
    Damaged {
        /// The tag.
        tag: String,
        /// What is wrong.
        problems: String,
        /// The task.
        task: TaskId,
    },
    /// The manifest lists a file that is not the task's.
    #[error("the manifest of {task} {version} lists {path}, which is not a file of {task}")]
    OutOfScope {
        /// The file.
        path: RelPath,
        /// The task.
        task: TaskId,
        /// The target.
        version: Version,
    },
    /// Something stands where a file must go.
    #[error("{path} is {what} now, and {version} has a file there")]
    InTheWay {
        /// Where.
        path: String,
        /// What it is.
        what: String,
        /// The target.
        version: Version,
    },
    /// Two paths of the target are one on a file system that folds case.
    #[error("{0} and {1} differ only by case, and the work tree's file system takes them for one")]
    CaseTwins(String, String),
    /// A reason is asked for by the settings.
    #[error("a reason is needed: the settings say `require_reason`")]
    NoReason,
    /// Verification turned the operation back.
    #[error("{version} does not hold up: {problems}")]
    NotVerified {
        /// The version.
        version: Version,
        /// The failed checks.
        problems: String,
    },
    /// The files are not what they were before any version.
    #[error("what was there before could not be brought back: {0}")]
    NotRestored(String),
    /// A later operation of the task stands on the one to take back.
    #[error("operation {later} of {task} came after {op}; taking back only {op} would mix two versions")]
    NotTheLast {
        /// The operation that was asked for.
        op: String,
        /// The one to take back first.
        later: String,
        /// The task.
        task: TaskId,
    },
    /// The task is no longer where the operation left it.
    #[error("{task} is at {active} now, and operation {op} left it at {left}")]
    MovedOn {
        /// The task.
        task: TaskId,
        /// The version that the registry names, or "no version".
        active: String,
        /// The operation.
        op: String,
        /// The version that it left.
        left: String,
        /// The version that it began at.
        before: Option<String>,
    },
    /// There is nothing to take back.
    #[error("there is nothing to {0}")]
    NothingTo(&'static str),
    /// The operation cannot be taken back.
    #[error("operation {op} ({kind}) cannot be taken back{why}")]
    CannotUndo {
        /// Its short id.
        op: String,
        /// Its kind.
        kind: &'static str,
        /// Why not.
        why: &'static str,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::StaleFrom { .. } | Self::NotTheLast { .. } | Self::MovedOn { .. } => Kind::Conflict,
            Self::NoGoodVersion { .. } | Self::NothingTo(_) => Kind::NotFound,
            Self::Damaged { .. } | Self::OutOfScope { .. } | Self::NotVerified { .. } | Self::NotRestored(_) => Kind::Bad,
            Self::InTheWay { .. } | Self::CaseTwins(..) | Self::NoReason | Self::CannotUndo { .. } => Kind::Refused,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::StaleFrom { task, active, to, .. } => {
                let (task, from) = (task.as_str(), active.as_str());
                vec![
                    Hint::run("roll back from where it is", &["snapback", "rollback", "--task", task, "--from", from, "--to", to]),
                    Hint::run("see what happened", &["snapback", "history", "--task", task]),
                ]
            }
            Self::NoGoodVersion { task } => vec![
                Hint::run("see its versions", &["snapback", "list", "--task", task.as_str()]),
                Hint::say("name the version: --to <version>"),
            ],
            Self::Damaged { task, .. } => vec![Hint::run(
                "see which versions are whole",
                &["snapback", "verify-snapshot", "--task", task.as_str(), "--all", "--deep"],
            )],
            Self::OutOfScope { task, .. } => vec![
                Hint::run("see who wrote it", &["git", "log", "-p", "--", &format!("snapshots/snapshot-{task}-v*.yaml")]),
                Hint::say("if the task had another folder then, look at the release with `snapback preview`"),
            ],
            Self::InTheWay { path, .. } => vec![Hint::say(format!("move {path} out of the way and try again"))],
            Self::CaseTwins(..) => vec![Hint::say("roll back on a file system that keeps case")],
            Self::NoReason => vec![Hint::say("say why: --message \"…\"")],
            Self::NotVerified { .. } => {
                vec![Hint::say("see the checks above; `--on-verify-fail keep` leaves the version in place although it fails")]
            }
            Self::NotRestored(_) => vec![Hint::run("see what was tried", &["snapback", "op", "list"])],
            Self::NotTheLast { later, task, .. } => vec![
                Hint::run("take the later one back first", &["snapback", "undo", later]),
                Hint::run("see its operations", &["snapback", "history", "--task", task.as_str()]),
            ],
            Self::MovedOn { task, before: Some(before), .. } => {
                vec![Hint::run("go to the version before it", &["snapback", "rollback", "--task", task.as_str(), "--to", before])]
            }
            Self::MovedOn { task, .. } => vec![Hint::run("see what happened", &["snapback", "history", "--task", task.as_str()])],
            Self::NothingTo(_) => vec![Hint::run("see all operations", &["snapback", "op", "list"])],
            Self::CannotUndo { .. } => {
                vec![Hint::run("go back to an earlier version instead", &["snapback", "rollback", "--to", "previous"])]
            }
        }
    }
}

/// The standing of every version of a task.
pub type Standings = BTreeMap<TaskId, BTreeMap<Version, Standing>>;

/// Describes the rollback that is asked for, without changing anything.
pub fn draft(
    ground: &Ground,
    task: &TaskSpec,
    releases: &Releases,
    standings: &Standings,
    request: &request::Rollback,
) -> Result<Draft, Failure> {
    ground.git.check_ready()?;
    if ground.settings.require_reason && request.message.trim().is_empty() {
        return Err(Error::NoReason.into());
    }
    let active = catalog::registry::active_version(&*ground.tree, &ground.settings, task)?;
    let to = target(task, releases, standings, active.as_ref(), request)?;
    check_from(task, active.as_ref(), &to, request)?;
    let release = releases.find(&task.id, &to)?;
    let before = active.as_ref().and_then(|version| releases.find(&task.id, version).ok());
    let load_before = || before.and_then(|release| manifests::load(ground, release).ok());
    let (found, before) = rayon::join(|| manifests::load(ground, release), load_before);
    let found = found?;
    let scope = Scope::new(&ground.settings, task)?;
    let way = compare::Way {
        ground,
        task,
        scope: &scope,
        releases,
        target: &found,
        before: before.as_ref().map(|found| &found.manifest),
        with_shared: request.with_shared,
    };
    let compared = way.compare()?;
    let mut draft = Draft::new(show::plan(ground, task, active.as_ref(), &found, standings, &compared), &request.message);
    draft.files = compared.files;
    draft.unsynced = compared.unsynced;
    if request.commit {
        draft.index = compared.index;
        draft.commit = Some(commit(ground, task, releases, active.as_ref(), &to, request, compared.tree)?);
    }
    registry::edit(ground, &task.id, Some(&to))?.add_to(&mut draft, Some(to.clone()));
    let dependencies = before.map(|found| found.manifest.dependencies.clone()).unwrap_or_default();
    set_loose_config(ground, task, &found.manifest, &mut draft)?;
    add_dependencies(ground, task, &dependencies, &found.manifest, request, &mut draft);
    add_steps(task, standings, active.as_ref(), &to, request, &mut draft);
    Ok(draft)
}

/// The version to go to.
fn target(
    task: &TaskSpec,
    releases: &Releases,
    standings: &Standings,
    active: Option<&Version>,
    request: &request::Rollback,
) -> Result<Version, Error> {
    if let Some(to) = &request.to {
        return Ok(to.clone());
    }
    let of = |version: &Version| standings.get(&task.id).and_then(|versions| versions.get(version)).copied().unwrap_or_default();
    let versions = releases.of(&task.id).map(|release| (&release.version, of(&release.version)));
    policy::target::default_target(active, versions).cloned().ok_or_else(|| Error::NoGoodVersion { task: task.id.clone() })
}

/// `--from` is an optimistic lock.
fn check_from(task: &TaskSpec, active: Option<&Version>, to: &Version, request: &request::Rollback) -> Result<(), Error> {
    match &request.from {
        Some(from) if active != Some(from) => Err(Error::StaleFrom {
            task: task.id.clone(),
            active: active.map_or_else(|| "no version".into(), ToString::to_string),
            from: from.clone(),
            to: to.to_string(),
        }),
        _ => Ok(()),
    }
}

/// The commit and its marker tag.
fn commit(
    ground: &Ground,
    task: &TaskSpec,
    releases: &Releases,
    active: Option<&Version>,
    to: &Version,
    request: &request::Rollback,
    tree: Vec<crate::model::operation::TreeChange>,
) -> Result<CommitDraft, Failure> {
    let reason = if request.message.is_empty() { String::new() } else { format!(" {}", request.message) };
    let from = active.map_or_else(|| "none".into(), |version| format!("v{version}"));
    let message = format!("rollback({}): {from} -> v{to}{reason}", task.id);
    let tag = active.map(|from| {
        let nth = |marker: &TagName| match marker {
            TagName::Marker { task: id, to: t, from: f, nth } if (id, t, f) == (&task.id, to, from) => Some(*nth),
            _ => None,
        };
        let nth = releases.markers.iter().filter_map(nth).max().unwrap_or(0) + 1;
        (TagName::Marker { task: task.id.clone(), to: to.clone(), from: from.clone(), nth }, message.clone())
    });
    Ok(CommitDraft { head: ground.git.head()?, tree, message, tag, manifest: None })
}

/// A configuration that the release does not keep, because git ignores it, stays as it is but for
/// its version.
fn set_loose_config(ground: &Ground, task: &TaskSpec, target: &Manifest, draft: &mut Draft) -> Result<(), Failure> {
    let Some(path) = task.config.as_ref().filter(|path| target.file(path).is_none()) else { return Ok(()) };
    let goes = draft.files.iter().any(|file| file.path == *path);
    let Some(bytes) = catalog::registry::read_small(&*ground.tree, path)?.filter(|_| !goes) else { return Ok(()) };
    let version = &target.metadata.version;
    if catalog::registry::config_version(&*ground.tree, task)?.is_none_or(|now| now == *version) {
        return Ok(());
    }
    let scan = ground.git.scan(std::slice::from_ref(path))?;
    if scan.tracked.iter().any(|tracked| tracked.path == *path) {
        return Ok(());
    }
    let edited = task_config::with_version(&bytes, path, &task.version_key, version)?;
    let before = tree::existing(&*ground.tree, &ground.git, path, None)?;
    let mode = before.as_ref().map_or(0o666 & !ground.umask, |kept| kept.state.mode);
    let file = FileDraft { path: path.clone(), before, after: Some(tree::with_bytes(mode, edited)) };
    draft.plan.files.extend(show::file_lines(ground, task, std::slice::from_ref(&file), &std::collections::BTreeSet::new()));
    draft.files.push(file);
    draft.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// Says what differs in dependencies, and plans a new environment when that is wanted.
fn add_dependencies(
    ground: &Ground,
    task: &TaskSpec,
    before: &DependencyList,
    target: &Manifest,
    request: &request::Rollback,
    draft: &mut Draft,
) {
    let mode = request.env.unwrap_or(ground.settings.env);
    if mode == EnvMode::Off {
        return;
    }
    draft.plan.packages = DependencyList::changes(before, &target.dependencies);
    let unset = |name: &&String| std::env::var_os(name.as_str()).is_none();
    draft.plan.missing_variables = target.dependencies.environment_variables.iter().filter(unset).cloned().collect();
    let python = draft.plan.packages.iter().any(|change| change.ecosystem == "python");
    match (&task.venv, mode) {
        (Some(venv), EnvMode::Sync) if python => {
            draft.steps.push(StepDraft::Environment { venv: venv.clone(), packages: target.dependencies.python_packages.clone() });
        }
        (None, EnvMode::Sync) if python => {
            draft.plan.notes.push("the task has no environment of its own (`env: {venv: …}`), so packages stay as they are".into());
        }
        _ => {}
    }
}

/// The order of the steps.
fn add_steps(
    task: &TaskSpec,
    standings: &Standings,
    active: Option<&Version>,
    to: &Version,
    request: &request::Rollback,
    draft: &mut Draft,
) {
    let environment = std::mem::take(&mut draft.steps);
    let registry_only = draft.commit.as_ref().is_none_or(|commit| commit.tree.is_empty()) && draft.index.is_empty();
    if draft.files.is_empty() && environment.is_empty() && registry_only {
        draft.plan.nothing_to_do = true;
        return;
    }
    let restart = request.restart;
    let command = |role: &str, command: &Option<crate::model::settings::CommandSpec>| {
        command.as_ref().map(|command| (role.to_string(), command.run.clone()))
    };
    if restart {
        draft.plan.commands.extend(command("stop", &task.stop));
        draft.plan.commands.extend(command("start", &task.start));
    }
    draft.plan.commands.extend(task.smoke.iter().map(|command| ("check".to_string(), command.run.clone())));
    draft.steps.extend((restart && task.stop.is_some()).then_some(StepDraft::Stop));
    draft.steps.push(StepDraft::Files);
    draft.steps.extend(environment);
    draft.steps.push(StepDraft::Verify(Some(to.clone())));
    draft.steps.extend((restart && task.start.is_some()).then_some(StepDraft::Start));
    draft.steps.push(StepDraft::Ready(to.clone()));
    if draft.commit.is_some() {
        draft.steps.push(StepDraft::Publish);
    }
    // Only what changes is said, so that the inverse of the operation is that of its verdicts.
    let is_held = |version: &Version| standings.get(&task.id).and_then(|versions| versions.get(version)).is_some_and(|said| said.held);
    draft.steps.extend(active.filter(|from| *from > to && !is_held(from)).map(|from| StepDraft::Hold(from.clone())));
    draft.steps.extend(is_held(to).then(|| StepDraft::Release(to.clone())));
}
