//! Where a task could go back to by itself, and what is known of the way there.

use crate::{
    catalog::releases::Releases,
    model::{TaskSpec, Version, overview::WayBack},
    policy,
    rollback::Standings,
};

/// The way back of a task from its active version.
pub(super) fn of(task: &TaskSpec, active: Option<&Version>, releases: &Releases, standings: &Standings) -> WayBack {
    let said = |version: &Version| standings.get(&task.id).and_then(|versions| versions.get(version)).copied().unwrap_or_default();
    let versions = releases.of(&task.id).map(|release| (&release.version, said(&release.version)));
    let version = policy::target::default_target(active, versions).cloned();
    WayBack { version, ..WayBack::default() }
}
