//! The steps of an operation, made from those of its draft; an environment is built beside the old
//! one, which stays as it is.

use super::super::StepDraft;
use super::Writing;
use crate::{
    base::{Failure, RelPath},
    catalog::{self, capture},
    deps,
    model::{
        OpId, PathChange, Verdict, VerdictRecord,
        operation::{CommandRole, EnvironmentChange, Publication, Step},
    },
    site::RepoSite,
};

/// The steps of the operation.
pub(super) fn steps(
    writing: Writing<'_>,
    changes: Vec<PathChange>,
    publication: Publication,
) -> Result<Vec<Step>, Failure> {
    let Writing {
        site,
        id,
        draft,
        who,
    } = writing;
    let task = &draft.plan.task;
    let verdict = |version: &crate::model::Version, verdict| {
        let record = catalog::verdict::verdict(site, (task, version), verdict, &draft.message);
        Step::Verdicts(vec![VerdictRecord {
            who: who.to_string(),
            op: Some(id.clone()),
            ..record
        }])
    };
    let (mut changes, mut publication) = (Some(changes), Some(publication));
    let step = |step: &StepDraft| -> Result<Step, Failure> {
        Ok(match step {
            StepDraft::Stop => Step::Command {
                role: CommandRole::Stop,
            },
            StepDraft::Start => Step::Command {
                role: CommandRole::Start,
            },
            StepDraft::Files => Step::Files(changes.take().unwrap_or_default()),
            StepDraft::Verify(version) => Step::Verify {
                version: version.clone(),
            },
            StepDraft::Ready(version) => Step::Ready {
                version: version.clone(),
            },
            StepDraft::Publish => Step::Publish(publication.take().unwrap_or_default()),
            StepDraft::RemoveRefs(refs) => Step::RemoveRefs(refs.clone()),
            StepDraft::Hold(version) => verdict(version, Verdict::Held),
            StepDraft::Release(version) => verdict(version, Verdict::Released),
            StepDraft::EnvironmentBack(change) => {
                Step::Environment(environment_back(site, id, change)?)
            }
            StepDraft::Environment { venv, packages } => {
                site.require_trust(task, &[crate::model::trust::Role::Environment])?;
                Step::Environment(build_environment(site, id, venv, packages)?)
            }
        })
    };
    draft.steps.iter().map(step).collect()
}

/// A path beside the environment, for this operation.
fn beside(id: &OpId, venv: &RelPath, what: &str) -> RelPath {
    venv.parent()
        .join([venv.name(), format!(".{what}-{}", id.short()).as_bytes()].concat())
}

/// True when something stands at a path.
fn stands(site: &RepoSite, path: &RelPath) -> Result<bool, Failure> {
    Ok(capture::stat(&*site.tree, path)?.is_some())
}

/// Builds an environment beside the old one.
fn build_environment(
    site: &RepoSite,
    id: &OpId,
    venv: &RelPath,
    packages: &[String],
) -> Result<EnvironmentChange, Failure> {
    let built = beside(id, venv, "built");
    deps::environment::build(
        site.git.work_tree(),
        venv,
        &built,
        packages,
        &deps::environment::Local::default(),
    )?;
    let aside = stands(site, venv)?.then(|| beside(id, venv, "kept"));
    Ok(EnvironmentChange {
        path: venv.clone(),
        aside,
        bring: Some(built),
    })
}

/// The inverse of a switch: what was put aside comes back.
fn environment_back(
    site: &RepoSite,
    id: &OpId,
    change: &EnvironmentChange,
) -> Result<EnvironmentChange, Failure> {
    let aside = stands(site, &change.path)?.then(|| beside(id, &change.path, "kept"));
    Ok(EnvironmentChange {
        path: change.path.clone(),
        aside,
        bring: change.aside.clone(),
    })
}
