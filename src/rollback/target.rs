//! Decides a rollback's target and whether it is allowed: the default target, targets that were
//! taken back, `--from`, and one-way versions. Reads no file of the work tree.

use super::{Error, RollbackDraft, Standings, standing_of};
use crate::{
    base::Failure,
    catalog::{self, releases::Releases},
    draft::Draft,
    model::{DependencyList, Manifest, TaskId, TaskSpec, Version, request},
    policy,
    site::RepoSite,
};

/// Returns the target version.
pub(super) fn find(
    (site, task): (&RepoSite, &TaskSpec),
    releases: &Releases,
    standings: &Standings,
    active: Option<&Version>,
    request: &request::RollbackRequest,
) -> Result<Version, Error> {
    let none = |why| Error::NoGoodVersion {
        task: task.id.clone(),
        why,
        others: !site.git.remotes().is_empty(),
    };
    request.to.clone().map_or_else(
        || default_target(&task.id, releases, standings, active).map_err(none),
        Ok,
    )
}

/// Returns the default target of a task's rollback.
///
/// # Errors
/// Returns the reason why there is none.
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

/// Allows a target that was taken back only with a reason; the verdict is then recorded in the
/// commit, the journal and the audit log.
pub(super) fn despite_verdict(
    task: &TaskSpec,
    standings: &Standings,
    to: &Version,
    request: &request::RollbackRequest,
) -> Result<request::RollbackRequest, Error> {
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
    Ok(request::RollbackRequest {
        message: format!("{reason} (although {to} is {word})"),
        ..request.clone()
    })
}

/// Checks `--from`, an optimistic lock.
pub(super) fn check_from(
    task: &TaskSpec,
    (active, trouble): (Option<&Version>, &[String]),
    to: Option<&Version>,
    request: &request::RollbackRequest,
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

impl RollbackDraft<'_> {
    /// Refuses to cross a one-way version unless `--past-floor` is given. Unset variables are only
    /// reported: their names come from scanning sources, and many are optional.
    pub(super) fn cross_one_way_versions(
        &self,
        (known, target): (Option<&DependencyList>, &Manifest),
        draft: &mut Draft,
    ) -> Result<(), Failure> {
        let between = catalog::one_way::VersionPair {
            from: self.active,
            to: self.to,
            gone: draft
                .files
                .iter()
                .filter(|file| file.after.is_none())
                .map(|file| &file.path)
                .collect(),
            needs: &target.dependencies.environment_variables,
            needed: known.map(|known| known.environment_variables.as_slice()),
            environment: &self.site.environment,
        };
        draft.plan.doors = catalog::one_way::of(self.task, &between)?;
        let closed = catalog::one_way::of(
            self.task,
            &catalog::one_way::VersionPair {
                needed: None,
                ..between
            },
        )?;
        match self.active {
            Some(from) if !closed.is_empty() && !self.request.past_floor => Err(Error::OneWay {
                task: self.task.id.clone(),
                from: from.to_string(),
                to: self.to.to_string(),
                doors: closed,
            }
            .into()),
            _ => Ok(()),
        }
    }
}
