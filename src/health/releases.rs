//! Checks a task's releases for anything that would keep a rollback from working.

use std::collections::BTreeMap;

use super::failed;
use crate::{
    base::Failure,
    catalog::{
        Release,
        manifests::{self, TagCopy},
        registry::Active,
        releases::Releases,
    },
    model::{
        Advice, CheckResult, Status, TaskId, TaskSpec, Verification, Version,
        health::{HealthFinding, HealthLevel},
        overview::TaskLine,
        signature::Demand,
    },
    rollback::{
        BeforeRollback, Standings,
        obstacle::{self, Obstacle},
    },
    site::RepoSite,
    verdict,
    verify::Verifier,
};

/// What the rehearsals of all tasks share.
pub(super) struct Ways {
    releases: BTreeMap<TaskId, Releases>,
    standings: Standings,
    /// True when the registry, which all tasks share, is in the way of a rollback.
    edits_registry: bool,
}

impl Ways {
    /// Reads what they share. A task that meets no obstacle without the registry is rehearsed with
    /// it: when that makes a difference, every task is rehearsed with it.
    pub(super) fn of(
        site: &RepoSite,
        lines: &[TaskLine],
        releases: &Releases,
    ) -> Result<Self, Failure> {
        let mut ways = Self {
            releases: releases.by_each_task(),
            standings: verdict::summary(site, None)?.standings,
            edits_registry: false,
        };
        let is_free = |line: &&TaskLine| {
            line.way_back.candidate().is_some() && ways.obstacle(site, line).is_none()
        };
        if let Some(free) = lines.iter().find(is_free) {
            ways.edits_registry = true;
            ways.edits_registry = ways.obstacle(site, free).is_some();
        }
        Ok(ways)
    }

    /// Returns the obstacle that the rollback of a task would meet.
    fn obstacle(&self, site: &RepoSite, line: &TaskLine) -> Option<Obstacle> {
        let (task, version) = (site.settings.task(&line.task)?, line.way_back.candidate()?);
        let of_task = self.releases.get(&line.task);
        let mut releases = of_task.map(Releases::copy).unwrap_or_default();
        if let Err(failure) = releases.add_lost(&site.git, &site.settings, &line.task) {
            return Some(Obstacle::Lasting(failure));
        }
        let before = BeforeRollback {
            releases: &releases,
            standings: &self.standings,
            active: Active {
                version: line.active.clone(),
                trouble: Vec::new(),
            },
            edits_registry: self.edits_registry,
        };
        obstacle::obstacle_from(site, task, version, before)
    }
}

/// Returns the finding about obstacles to a rollback in this work tree.
pub(super) fn look_at_way(site: &RepoSite, line: &TaskLine, ways: &Ways) -> Option<HealthFinding> {
    let version = line.way_back.candidate()?;
    let obstacle = ways.obstacle(site, line)?;
    let level = if matches!(obstacle, Obstacle::Moment(_)) {
        HealthLevel::Warning
    } else {
        HealthLevel::Critical
    };
    let failure = obstacle.failure();
    let seen = format!(
        "a rollback to {version} would be refused: {}",
        failure.chain().join(": ")
    );
    Some(HealthFinding {
        seen,
        ..failed("way", level, failure)
    })
}

/// Returns what is wrong with a stored release; an unreleased version has its own finding.
pub(super) fn look_at_release(
    site: &RepoSite,
    task: &TaskId,
    releases: &Releases,
    version: &Version,
    deep: bool,
) -> Option<HealthFinding> {
    releases.find(task, version).ok()?;
    let spec = site.settings.task(task)?;
    let verifier = Verifier::new(site, spec, releases, version);
    let verification = match verifier.kept(deep, Demand::None) {
        Ok(verification) => verification,
        Err(failure) => return Some(failed("objects", HealthLevel::Unknown, &failure)),
    };
    let worst = verification
        .problems()
        .max_by_key(|check| (!check.is_of_copy(), check.status))?;
    if worst.is_of_copy() {
        let seen = worst.evidence.join("; ");
        return Some(HealthFinding {
            check: "manifest",
            level: HealthLevel::Warning,
            seen,
            fix: worst.hints.first().cloned(),
        });
    }
    if let Some(finding) = look_at_kept(site, spec, releases, version, (worst, deep)) {
        return Some(finding);
    }
    Some(not_restorable(task, version, &verification, worst))
}

/// Builds the finding for a version whose tag was moved while the released content is stored
/// intact: no rollback goes to it until the tag is restored, which takes one command.
fn look_at_kept(
    site: &RepoSite,
    spec: &TaskSpec,
    releases: &Releases,
    version: &Version,
    (worst, deep): (&CheckResult, bool),
) -> Option<HealthFinding> {
    let release = releases.find(&spec.id, version).ok()?;
    let TagCopy::Other(tag_id) = manifests::kept(&site.git, release).ok()? else {
        return None;
    };
    let kept = releases.with(Release {
        tag_id,
        ..release.clone()
    });
    let verifier = Verifier::new(site, spec, &kept, version);
    let verification = verifier.kept(deep, Demand::None).ok()?;
    let seen = format!(
        "the tag of {version} was moved; what was released is kept, and comes back with its tag"
    );
    let fix = worst.hints.iter().find(|hint| {
        hint.command()
            .get(1)
            .is_some_and(|word| word == "update-ref")
    });
    verification.is_good().then_some(HealthFinding {
        check: "objects",
        level: HealthLevel::Critical,
        seen,
        fix: fix.cloned(),
    })
}

/// Builds the finding for a version that cannot be fully restored or checked; `worst` is its worst
/// check.
fn not_restorable(
    task: &TaskId,
    version: &Version,
    verification: &Verification,
    worst: &CheckResult,
) -> HealthFinding {
    let (level, word) = if worst.status == Status::Fail {
        (HealthLevel::Critical, "restored")
    } else {
        (HealthLevel::Unknown, "checked")
    };
    let more = verification
        .problems()
        .map(|check| check.evidence.len())
        .sum::<usize>()
        .saturating_sub(1);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" (and {more} more)")
    };
    let seen = format!(
        "{version} cannot be {word}: {}{more}",
        worst.evidence.first().map_or("", String::as_str)
    );
    let fix = Advice::VerifyBytes {
        task: task.clone(),
        version: version.to_string(),
    }
    .because("see all of it");
    HealthFinding {
        check: "objects",
        level,
        seen,
        fix: Some(fix),
    }
}
