//! The commands of a task inside a verification: smoke commands (level 3) and what its readiness
//! asks (level 4). They run only where the repository's owner agreed to them, and the values of
//! variables never leave what is read here.

use crate::{
    base::Failure,
    catalog::{manifests, releases::Releases},
    model::{Check, Manifest, TaskSpec, Version, trust::Role},
    site::RepoSite,
    verify::{self, Commands, evidence::Variables, readiness::Readiness},
};

/// Level 3.
pub(super) fn smoke(
    site: &RepoSite,
    task: &TaskSpec,
    variables: &Variables,
    commands: Commands,
) -> Result<Vec<Check>, Failure> {
    let commands = may_run(site, task, Role::Smoke, commands);
    Ok(verify::smoke::smoke(
        &task.smoke,
        &command_dir(site, task),
        variables,
        commands,
    )?)
}

/// Whether a task's commands for a use run. Refusing comes earlier, before anything is changed;
/// this holds when everything else is wrong.
fn may_run(site: &RepoSite, task: &TaskSpec, role: Role, wanted: Commands) -> Commands {
    match wanted {
        Commands::Run if site.require_trust(&task.id, &[role]).is_err() => Commands::NotTrusted,
        other => other,
    }
}

/// Level 4 alone, for the task after its restart.
pub fn readiness(
    site: &RepoSite,
    task: &TaskSpec,
    releases: &Releases,
    version: &Version,
    commands: Commands,
) -> Result<Vec<Check>, Failure> {
    let found = manifests::load(site, releases.find(&task.id, version)?)?;
    ready(
        site,
        task,
        &found.manifest,
        (false, commands),
        &variables(task, &found.manifest),
    )
}

/// Level 4; whether the version is held, and whether commands are wanted.
pub(super) fn ready(
    site: &RepoSite,
    task: &TaskSpec,
    manifest: &Manifest,
    (is_held, commands): (bool, Commands),
    variables: &Variables,
) -> Result<Vec<Check>, Failure> {
    let expected = &manifest.dependencies;
    let commands = may_run(site, task, Role::Probe, commands);
    let of = Readiness {
        task,
        fs: &*site.tree,
        work_tree: site.git.work_tree(),
        expected,
        is_held,
        variables,
        commands,
    };
    Ok(verify::readiness::readiness(&of)?)
}

/// The variables that the task and the release name; their values never leave this value.
pub(super) fn variables(task: &TaskSpec, manifest: &Manifest) -> Variables {
    Variables::read(
        task.environment_variables
            .iter()
            .chain(&manifest.dependencies.environment_variables),
    )
}

/// The folder that the task's commands run in.
pub fn command_dir(site: &RepoSite, task: &TaskSpec) -> std::path::PathBuf {
    let dir = site.git.work_tree().join(task.dir.as_os());
    if dir.is_dir() {
        dir
    } else {
        site.git.work_tree().to_path_buf()
    }
}
