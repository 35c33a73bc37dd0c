//! The steps of an operation: those of its draft, completed now that its bytes are stored. An
//! environment is built beside the old one, which stays unchanged.

use super::Writing;
use crate::{
    base::{Failure, RelPath},
    catalog::capture,
    deps,
    model::{
        OpId, PathChange, VerdictRecord,
        operation::{EnvironmentChange, FileChanges, Publication, Step},
        trust::CommandUse,
    },
    site::RepoSite,
};

/// Returns the steps of the operation.
pub(super) fn steps(
    writing: Writing<'_>,
    changes: Vec<PathChange>,
    publication: Publication,
) -> Result<Vec<Step>, Failure> {
    let (mut changes, mut publication) = (Some(changes), Some(publication));
    let fill = |step: &Step| -> Result<Step, Failure> {
        Ok(match step {
            Step::Files(_) => Step::Files(FileChanges::of_work_tree(
                changes.take().unwrap_or_default(),
            )),
            Step::Publish(_) => Step::Publish(publication.take().unwrap_or_default()),
            Step::Environment(change) => Step::Environment(environment(writing, change)?),
            Step::Verdicts(records) => {
                let signed = records.iter().map(|record| signed(writing, record));
                Step::Verdicts(signed.collect())
            }
            whole => whole.clone(),
        })
    };
    writing.draft.steps.iter().map(fill).collect()
}

/// Adds author, time and operation to a verdict.
fn signed(writing: Writing<'_>, record: &VerdictRecord) -> VerdictRecord {
    let Writing { site, id, who, .. } = writing;
    VerdictRecord {
        who: format!("{} <{}>", who.name, who.email),
        at: site.clock.now(),
        op: Some(id.clone()),
        ..record.clone()
    }
}

/// Completes a switch of the environment; builds it now if the draft has packages for it.
fn environment(
    writing: Writing<'_>,
    change: &EnvironmentChange,
) -> Result<EnvironmentChange, Failure> {
    let Writing {
        site, id, draft, ..
    } = writing;
    let venv = &change.path;
    let bring = match &draft.packages {
        Some(packages) => {
            site.require_trust(&draft.plan.task, &[CommandUse::Environment])?;
            Some(build(site, id, venv, packages)?)
        }
        None => change.bring.clone(),
    };
    let stands = capture::stat(&*site.tree, venv)?.is_some();
    Ok(EnvironmentChange {
        path: venv.clone(),
        aside: stands.then(|| beside(id, venv, "kept")),
        bring,
    })
}

/// Builds an environment beside the old one, and returns its path.
fn build(
    site: &RepoSite,
    id: &OpId,
    venv: &RelPath,
    packages: &[String],
) -> Result<RelPath, Failure> {
    let built = beside(id, venv, "built");
    deps::environment::build(
        site.git.work_tree(),
        venv,
        &built,
        packages,
        &deps::environment::Local::default(),
    )?;
    Ok(built)
}

/// Returns a path beside the environment, for this operation.
fn beside(id: &OpId, venv: &RelPath, what: &str) -> RelPath {
    venv.parent()
        .join([venv.name(), format!(".{what}-{}", id.short()).as_bytes()].concat())
}
