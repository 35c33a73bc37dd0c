//! Row 7, rollback, undo and redo: how a task returns to a version, and back.
//!
//! [`draft`] compares the target's manifest with what is there and describes the way; the steps
//! are safety copies (made when the draft is written), stop, files, environment, verification,
//! start, and the commit point. It goes forward: one new commit and a marker tag, no rewritten
//! branch. [`undo`] describes the inverse of an operation in the same terms.

pub mod check;
pub mod compare;
pub mod databases;
mod error;
pub mod release_back;
pub mod room;
pub mod show;
pub mod signature;
pub mod undo;

use crate::{
    base::{Failure, RelPath, TaskId},
    catalog::{self, Scope, manifests, releases::Releases},
    draft::{CommitDraft, Draft, FileDraft, StepDraft, registry, tree},
    ground::Ground,
    model::{DependencyList, Manifest, TagName, TaskSpec, Version, request, settings::EnvMode},
    policy,
    registry::task_config,
};

pub use crate::steps::verdicts::{Standings, standing_of};
pub use error::{Error, in_work_tree};

/// Describes the rollback that is asked for, without changing anything.
pub fn draft(
    ground: &Ground,
    task: &TaskSpec,
    releases: &Releases,
    standings: &Standings,
    request: &request::Rollback,
) -> Result<Draft, Failure> {
    if request.commit {
        ground.git.check_ready().map_err(|error| match error {
            crate::git::Error::Detached => Failure::from(Error::NoBranch(error)),
            error => error.into(),
        })?;
    } else {
        ground.git.check_ready_for_files()?;
    }
    if ground.settings.require_reason && request.message.trim().is_empty() {
        return Err(Error::NoReason.into());
    }
    // What all tasks share is told when it is broken, and stops no task's way back.
    let catalog::registry::Active {
        version: active,
        trouble,
    } = catalog::registry::active(&*ground.tree, &ground.settings, task);
    if let (None, None, [why, ..]) = (&active, &request.to, &trouble[..]) {
        return Err(Error::ActiveUnknown {
            task: task.id.clone(),
            why: why.clone(),
        }
        .into());
    }
    let to = target(
        (ground, task),
        releases,
        standings,
        active.as_ref(),
        request,
    );
    check_from(task, (active.as_ref(), &trouble), to.as_ref().ok(), request)?;
    let to = to?;
    let request = &despite_verdict(task, standings, &to, request)?;
    let release = releases.find(&task.id, &to)?;
    // Before anything that the tag vouches for is read.
    let signed = signature::check(ground, release, request.signature)?;
    if let Some(check) = signed
        .as_ref()
        .filter(|check| check.status > crate::model::Status::Skipped)
    {
        return Err(Error::Signature {
            tag: release.tag(),
            found: check.evidence.join("; "),
        }
        .into());
    }
    let before = active
        .as_ref()
        .and_then(|version| releases.find(&task.id, version).ok());
    let dependencies =
        || before.and_then(|release| manifests::dependencies(ground, release).ok().flatten());
    let (found, known) = rayon::join(|| manifests::load(ground, release), dependencies);
    let found = found?;
    let scope = Scope::new(&ground.settings, task)?;
    let way = compare::Way {
        ground,
        task,
        scope: &scope,
        releases,
        target: &found,
        with_shared: request.with_shared,
    };
    let compared = way.compare()?;
    let mut draft = Draft::new(
        show::plan(ground, task, active.as_ref(), &found, standings, &compared),
        &request.message,
    );
    draft.plan.notes.extend(trouble);
    draft.plan.notes.extend(
        signed
            .filter(signature::is_there)
            .map(|check| check.evidence.join(", ")),
    );
    draft.files = compared.files;
    pass_doors(
        task,
        active.as_ref(),
        &to,
        (known.as_ref(), &found.manifest),
        request,
        &mut draft,
    )?;
    draft.plan.radius = catalog::radius::of(
        &ground.settings,
        &task.id,
        draft.files.iter().map(|file| &file.path),
    )?;
    draft.unsynced = compared.unsynced;
    if request.commit {
        draft.index = compared.index;
        draft.commit = Some(commit(
            ground,
            task,
            releases,
            active.as_ref(),
            &to,
            request,
            compared.tree,
        )?);
    }
    registry::edit_where_possible(ground, &task.id, Some(&to))?
        .add_to(&mut draft, Some(to.clone()));
    set_loose_config(ground, (task, &scope), &found.manifest, &mut draft)?;
    add_dependencies(
        ground,
        task,
        known.as_ref(),
        &found.manifest,
        request,
        &mut draft,
    );
    add_steps(task, standings, active.as_ref(), &to, request, &mut draft);
    databases::refuse_open(ground, &mut draft)?;
    if draft.commit.is_some() && !draft.plan.nothing_to_do {
        draft.index.extend(compared.stale);
    }
    Ok(draft)
}

/// The version to go to.
fn target(
    (ground, task): (&Ground, &TaskSpec),
    releases: &Releases,
    standings: &Standings,
    active: Option<&Version>,
    request: &request::Rollback,
) -> Result<Version, Error> {
    let none = |why| Error::NoGoodVersion {
        task: task.id.clone(),
        why,
        others: !ground.git.remotes().is_empty(),
    };
    request.to.clone().map_or_else(
        || default_target(&task.id, releases, standings, active).map_err(none),
        Ok,
    )
}

/// The release of a task that is gone to when nobody says.
///
/// # Errors
/// Why there is none.
pub fn default_target(
    task: &TaskId,
    releases: &Releases,
    standings: &Standings,
    active: Option<&Version>,
) -> Result<Version, policy::target::NoTarget> {
    let versions = releases.of(task).map(|release| {
        (
            &release.version,
            standing_of(standings, task, &release.version),
        )
    });
    policy::target::choose(active, versions).cloned()
}

/// A release that somebody took back is gone to only by somebody who says why; what is said then
/// stands in the commit, the journal and the audit log.
fn despite_verdict(
    task: &TaskSpec,
    standings: &Standings,
    to: &Version,
    request: &request::Rollback,
) -> Result<request::Rollback, Error> {
    let standing = standing_of(standings, &task.id, to);
    if !standing.is_taken_back() {
        return Ok(request.clone());
    }
    let (reason, word) = (
        request.message.trim(),
        if standing.bad { "bad" } else { "held" },
    );
    if !request.despite_verdict || reason.is_empty() {
        let (task, version) = (task.id.clone(), to.clone());
        return Err(Error::TakenBack {
            task,
            version,
            word,
            told: request.despite_verdict,
        });
    }
    Ok(request::Rollback {
        message: format!("{reason} (although {to} is {word})"),
        ..request.clone()
    })
}

/// `--from` is an optimistic lock.
fn check_from(
    task: &TaskSpec,
    (active, trouble): (Option<&Version>, &[String]),
    to: Option<&Version>,
    request: &request::Rollback,
) -> Result<(), Error> {
    let none = if trouble.is_empty() {
        "no version"
    } else {
        "a version that cannot be read"
    };
    match &request.from {
        Some(from) if active != Some(from) => Err(Error::StaleFrom {
            task: task.id.clone(),
            active: active.map_or_else(|| none.into(), ToString::to_string),
            from: from.clone(),
            to: to.map(ToString::to_string),
        }),
        _ => Ok(()),
    }
}

/// What stays done on the other side of a one-way door is not passed by without being told to.
/// Variables that nobody sets are told and stop nothing: their names come from reading sources, and
/// many can do without.
fn pass_doors(
    task: &TaskSpec,
    active: Option<&Version>,
    to: &Version,
    (known, target): (Option<&DependencyList>, &Manifest),
    request: &request::Rollback,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let between = catalog::doors::Between {
        from: active,
        to,
        gone: draft
            .files
            .iter()
            .filter(|file| file.after.is_none())
            .map(|file| &file.path)
            .collect(),
        needs: &target.dependencies.environment_variables,
        needed: known.map(|known| known.environment_variables.as_slice()),
    };
    draft.plan.doors = catalog::doors::of(task, &between)?;
    let closed = catalog::doors::of(
        task,
        &catalog::doors::Between {
            needed: None,
            ..between
        },
    )?;
    match active {
        Some(from) if !closed.is_empty() && !request.past_floor => Err(Error::OneWay {
            task: task.id.clone(),
            from: from.to_string(),
            to: to.to_string(),
            doors: closed,
        }
        .into()),
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
    let reason = if request.message.is_empty() {
        String::new()
    } else {
        format!(" {}", request.message)
    };
    let from = active.map_or_else(|| "none".into(), |version| format!("v{version}"));
    let message = format!("rollback({}): {from} -> v{to}{reason}", task.id);
    let tag = active.map(|from| {
        let nth = |marker: &TagName| match marker {
            TagName::Marker {
                task: id,
                to: t,
                from: f,
                nth,
            } if (id, t, f) == (&task.id, to, from) => Some(*nth),
            _ => None,
        };
        let nth = releases.markers.iter().filter_map(nth).max().unwrap_or(0) + 1;
        (
            TagName::Marker {
                task: task.id.clone(),
                to: to.clone(),
                from: from.clone(),
                nth,
            },
            message.clone(),
        )
    });
    Ok(CommitDraft {
        head: ground.git.head()?,
        tree,
        message,
        tag,
        signing: request.signing.clone(),
        is_signed: false,
        manifest: None,
    })
}

/// A configuration that the release does not keep, because git ignores it, stays as it is but for
/// its version; one that is protected stays as it is.
fn set_loose_config(
    ground: &Ground,
    (task, scope): (&TaskSpec, &Scope),
    target: &Manifest,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let is_loose = |path: &&RelPath| target.file(path).is_none() && !scope.protects(path);
    let Some(path) = task.config.as_ref().filter(is_loose) else {
        return Ok(());
    };
    let goes = draft.files.iter().any(|file| file.path == *path);
    let Some(bytes) = catalog::registry::read_small(&*ground.tree, path)?.filter(|_| !goes) else {
        return Ok(());
    };
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
    let mode = before
        .as_ref()
        .map_or(0o666 & !ground.umask, |kept| kept.state.mode);
    let file = FileDraft {
        path: path.clone(),
        before,
        after: Some(tree::with_bytes(mode, edited)),
    };
    draft.plan.files.extend(show::file_lines(
        ground,
        task,
        std::slice::from_ref(&file),
        &std::collections::BTreeSet::new(),
    ));
    draft.files.push(file);
    draft.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// Says what differs in dependencies, and plans a new environment when that is wanted.
fn add_dependencies(
    ground: &Ground,
    task: &TaskSpec,
    before: Option<&DependencyList>,
    target: &Manifest,
    request: &request::Rollback,
    draft: &mut Draft,
) {
    let mode = request.env.unwrap_or(ground.settings.env);
    if mode == EnvMode::Off {
        return;
    }
    // What is not known of one side is no difference.
    let unknown = |version: &Version| {
        format!("what {version} depends on is not known, so changes of packages are not listed")
    };
    match before {
        _ if !target.knows_dependencies() => {
            let is_worth_it = before.is_none_or(|before| !before.is_empty());
            draft
                .plan
                .notes
                .extend(is_worth_it.then(|| unknown(&target.metadata.version)));
        }
        None => draft.plan.notes.extend(
            draft
                .plan
                .from
                .as_ref()
                .filter(|_| target.dependencies.has_packages())
                .map(unknown),
        ),
        Some(before) => {
            draft.plan.packages = DependencyList::changes(before, &target.dependencies);
            draft.plan.notes.extend(DependencyList::unknown_changes(
                before,
                &target.dependencies,
            ));
        }
    }
    let unset = |name: &&String| std::env::var_os(name.as_str()).is_none();
    draft.plan.missing_variables = target
        .dependencies
        .environment_variables
        .iter()
        .filter(unset)
        .cloned()
        .collect();
    // Packages that are installed and not known are exchanged for those of the version, if these
    // are known.
    let (now, then) = (before, &target.dependencies);
    let differs = draft
        .plan
        .packages
        .iter()
        .any(|change| change.ecosystem == "python");
    let hidden = now.is_some_and(|now| {
        !now.knows("python", then) && then.knows("python", now) && !then.python_packages.is_empty()
    });
    let python = differs || hidden;
    match (&task.venv, mode) {
        (Some(_), EnvMode::Sync) if python && ground.without_commands => {
            draft
                .plan
                .notes
                .push("packages stay as they are (--no-commands)".into());
        }
        (Some(venv), EnvMode::Sync) if python => {
            draft.steps.push(StepDraft::Environment {
                venv: venv.clone(),
                packages: target.dependencies.python_packages.clone(),
            });
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
    let registry_only = draft
        .commit
        .as_ref()
        .is_none_or(|commit| commit.tree.is_empty())
        && draft.index.is_empty();
    if draft.files.is_empty() && environment.is_empty() && registry_only {
        draft.plan.nothing_to_do = true;
        return;
    }
    let restart = request.restart;
    draft
        .steps
        .extend((restart && task.stop.is_some()).then_some(StepDraft::Stop));
    draft.steps.push(StepDraft::Files);
    draft.steps.extend(environment);
    draft.steps.push(StepDraft::Verify(Some(to.clone())));
    draft
        .steps
        .extend((restart && task.start.is_some()).then_some(StepDraft::Start));
    draft.steps.push(StepDraft::Ready(to.clone()));
    if draft.commit.is_some() {
        draft.steps.push(StepDraft::Publish);
    }
    // Only what changes is said, so that the inverse of the operation is that of its verdicts.
    let is_held = |version: &Version| standing_of(standings, &task.id, version).held;
    draft.steps.extend(
        active
            .filter(|from| *from > to && !is_held(from))
            .map(|from| StepDraft::Hold(from.clone())),
    );
    draft
        .steps
        .extend(is_held(to).then(|| StepDraft::Release(to.clone())));
}
