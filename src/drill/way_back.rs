//! Finds where a task could go back to by itself, and what is known of the way there.

use super::reports;
use crate::{
    base::{Failure, clock::local, zone},
    catalog::{
        missing_tags::{self, MissingTags, not_here},
        registry,
        releases::Releases,
        tasks,
    },
    model::{CheckResult, Status, TaskId, TaskSpec, Version, overview::WayBack, signature::Demand},
    policy::{self, target::NoTarget},
    rollback::{self, Standings},
    site::RepoSite,
    verdict,
    verify::Verifier,
};

/// Returns the way back of a task from its active version.
pub fn of(
    site: &RepoSite,
    task: &TaskSpec,
    active: Option<&Version>,
    releases: &Releases,
    standings: &Standings,
) -> WayBack {
    let version = match target(task, active, releases, standings) {
        Ok(version) => version,
        Err(NoTarget::Oldest(_)) => {
            return WayBack {
                oldest: true,
                ..WayBack::default()
            };
        }
        Err(NoTarget::Unproven { version, .. }) => {
            return WayBack {
                unproven: Some(version),
                ..WayBack::default()
            };
        }
        Err(NoTarget::Failed(version)) => return failed(site, task, version),
        Err(NoTarget::TakenBack(_)) => return WayBack::default(),
        Err(why @ NoTarget::BelowDoor { .. }) => {
            let why = rollback::Error::NoGoodVersion {
                task: task.id.clone(),
                why,
                others: false,
            }
            .to_string();
            return WayBack {
                why: Some(why),
                ..WayBack::default()
            };
        }
    };
    let proof = reports::newest(site, &task.id, &version).map(|report| report.proof());
    WayBack {
        version: Some(version),
        proof,
        ..WayBack::default()
    }
}

/// Returns the version that a task goes back to by itself, on this side of one-way doors.
fn target(
    task: &TaskSpec,
    active: Option<&Version>,
    releases: &Releases,
    standings: &Standings,
) -> Result<Version, NoTarget> {
    let version = rollback::default_target(&task.id, releases, standings, active)?;
    match active
        .and_then(|active| policy::floor::floor(&task.one_way, active))
        .filter(|floor| version < **floor)
    {
        Some(floor) => Err(NoTarget::BelowDoor {
            version,
            floor: floor.clone(),
        }),
        None => Ok(version),
    }
}

/// Returns the way to a version whose checks failed: no rollback takes it by itself until it is
/// proven again.
fn failed(site: &RepoSite, task: &TaskSpec, version: Version) -> WayBack {
    match reports::newest(site, &task.id, &version)
        .map(|report| report.proof())
        .filter(|proof| !proof.passed)
    {
        Some(proof) => WayBack {
            version: Some(version),
            proof: Some(proof),
            ..WayBack::default()
        },
        None => WayBack {
            why: Some(format!(
                "the checks of {version} failed, and it is the newest older version"
            )),
            ..WayBack::default()
        },
    }
}

/// Adjusts a way back for missing tags: without them, an older good version may still exist.
pub fn for_want_of_tags(
    way: WayBack,
    missing: &MissingTags,
    task: &TaskId,
    active: Option<&Version>,
) -> WayBack {
    let mut older = missing.older(task, active);
    older.retain(|version| {
        way.unproven
            .as_ref()
            .is_none_or(|unproven| version > unproven)
    });
    if way.version.is_some() || way.why.is_some() || older.is_empty() {
        return way;
    }
    WayBack {
        why: Some(not_here(&older)),
        ..WayBack::default()
    }
}

/// Returns the error that a rollback of a task would choose no version by itself, and why.
pub fn no_target(site: &RepoSite, task: &TaskId) -> Result<rollback::Error, Failure> {
    let (spec, releases, standings) = (
        tasks::spec(site, task)?,
        tasks::releases_of(site, task)?,
        verdict::standings_of(site, task)?,
    );
    let active = registry::active_told(site, spec);
    let why = target(spec, active.as_ref(), &releases, &standings)
        .err()
        .unwrap_or(NoTarget::Oldest(active));
    let others = !site.git.remotes().is_empty();
    Ok(rollback::Error::NoGoodVersion {
        task: task.clone(),
        why,
        others,
    })
}

/// Returns what is wrong with the way back from a version that is being released: a failed drill,
/// or bytes that are gone. `None` = nothing is known against it, or there is no older good version.
pub fn broken(site: &RepoSite, task: &TaskSpec, from: &Version) -> Result<Option<String>, Failure> {
    let releases = tasks::tagged_releases(site, &task.id)?;
    let way = of(
        site,
        task,
        Some(from),
        &releases,
        &verdict::standings_of(site, &task.id)?,
    );
    let Some(version) = &way.version else {
        return Ok(way.why);
    };
    let broken = |why: &str| Some(format!("the way back to {version} is broken: {why}"));
    if let Some(proof) = way.proof.filter(|proof| !proof.passed) {
        return Ok(broken(&format!(
            "the drill of {} failed: {}",
            local(proof.at, &zone()),
            proof.why
        )));
    }
    let verifier = Verifier::new(site, task, &releases, version);
    let kept = verifier.kept(false, Demand::None)?;
    let bad = |check: &&CheckResult| check.status == Status::Fail && !check.is_of_copy();
    Ok(kept
        .checks
        .iter()
        .find(bad)
        .and_then(|check| broken(&check.evidence.join("; "))))
}

/// Returns the default version of a task's drill, which is that of a rollback.
pub fn of_task(site: &RepoSite, task: &TaskId) -> Result<crate::model::overview::WayBack, Failure> {
    let spec = tasks::spec(site, task)?;
    let active = registry::active_told(site, spec);
    let releases = tasks::tagged_releases(site, task)?;
    let way = of(
        site,
        spec,
        active.as_ref(),
        &releases,
        &verdict::standings_of(site, task)?,
    );
    Ok(for_want_of_tags(
        way,
        &missing_tags::beside(site, &releases, Some(task))?,
        task,
        active.as_ref(),
    ))
}
