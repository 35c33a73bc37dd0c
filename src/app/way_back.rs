//! Where a task could go back to by itself, and what is known of the way there.

use super::App;
use crate::{
    base::{Failure, Fs, TaskId},
    catalog::{self, releases::Releases},
    drill::reports,
    model::{Check, Status, TaskSpec, Version, overview::WayBack, signature::Demand},
    policy::{self, target::NoTarget},
    rollback::{self, Standings, check},
};

/// The way back of a task from its active version.
pub(super) fn of(state: &dyn Fs, task: &TaskSpec, active: Option<&Version>, releases: &Releases, standings: &Standings) -> WayBack {
    let said = |version: &Version| standings.get(&task.id).and_then(|versions| versions.get(version)).copied().unwrap_or_default();
    let versions = || releases.of(&task.id).map(|release| (&release.version, said(&release.version)));
    let Some(version) = policy::target::default_target(active, versions()).cloned() else {
        return match policy::target::why_none(active, versions()) {
            NoTarget::Oldest(_) => WayBack { oldest: true, ..WayBack::default() },
            NoTarget::Unproven { version, .. } => WayBack { unproven: Some(version), ..WayBack::default() },
            NoTarget::Failed(version) => failed(state, task, version),
            NoTarget::TakenBack(_) => WayBack::default(),
        };
    };
    let floor = active.and_then(|active| policy::floor::floor(&task.one_way, active)).filter(|floor| version < **floor);
    if let Some(floor) = floor {
        let why =
            format!("the newest good version, {version}, is below the one-way door {floor}: there is no way back without --past-floor");
        return WayBack { why: Some(why), ..WayBack::default() };
    }
    let proof = reports::newest(state, &task.id, &version).map(|report| report.proof());
    WayBack { version: Some(version), proof, ..WayBack::default() }
}

/// The way to a version whose checks failed: no rollback takes it by itself until it is proven again.
fn failed(state: &dyn Fs, task: &TaskSpec, version: Version) -> WayBack {
    match reports::newest(state, &task.id, &version).map(|report| report.proof()).filter(|proof| !proof.passed) {
        Some(proof) => WayBack { version: Some(version), proof: Some(proof), ..WayBack::default() },
        None => WayBack { why: Some(format!("the checks of {version} failed, and it is the newest older version")), ..WayBack::default() },
    }
}

impl App {
    /// That a rollback of a task would choose no version by itself, and why.
    pub fn no_target(&self, task: &TaskId) -> Result<rollback::Error, Failure> {
        let (releases, standings) = (self.releases_for(task)?, self.standings_of(task)?);
        let active = catalog::registry::active_version(&*self.ground.tree, &self.ground.settings, self.spec(task)?)?;
        let said = |version: &Version| standings.get(task).and_then(|versions| versions.get(version)).copied().unwrap_or_default();
        let versions = releases.of(task).map(|release| (&release.version, said(&release.version)));
        Ok(rollback::Error::NoGoodVersion { task: task.clone(), why: policy::target::why_none(active.as_ref(), versions) })
    }

    /// What is wrong with the way back from a version that is being released: a failed drill, or
    /// bytes that are gone. `None` = nothing is known against it, or there is no older good version.
    pub(super) fn broken_way_back(&self, task: &TaskSpec, from: &Version) -> Result<Option<String>, Failure> {
        let releases = self.tagged_releases(&task.id)?;
        let way = of(&*self.ground.state, task, Some(from), &releases, &self.standings_of(&task.id)?);
        let Some(version) = &way.version else { return Ok(way.why) };
        let broken = |why: &str| Some(format!("the way back to {version} is broken: {why}"));
        if let Some(proof) = way.proof.filter(|proof| !proof.passed) {
            return Ok(broken(&format!("the drill of {} failed: {}", proof.at, proof.why)));
        }
        let kept = check::release(&self.ground, task, &releases, version, (false, Demand::None))?;
        let bad = |check: &&Check| check.status == Status::Fail;
        Ok(kept.checks.iter().find(bad).and_then(|check| broken(&check.evidence.join("; "))))
    }
}
