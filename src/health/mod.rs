//! Row 13, the health of the tasks: finds whatever would prevent a rollback, before one is needed.
//!
//! A failed inspection is a finding too, never an error and never a pass: a probe that sees nothing
//! must not report that all is well. Only presence is checked, unless `deep` is requested.

pub mod doctor;
mod flaws;
mod releases;
mod repository;

use std::time::Instant;

use jiff::Timestamp;
use rayon::prelude::*;

use crate::{
    base::{Failure, Kind, clock::millis},
    catalog::{releases::Releases, tasks},
    model::{
        Advice, TaskId, Version,
        confirm::AwaitingConfirmation,
        health::{Health, HealthFinding, HealthLevel, TaskHealth},
        overview::TaskLine,
    },
    overview::status,
    policy::health as judge,
    site::RepoSite,
};
use releases::Ways;
use repository::broken_tag;

/// Checks the health of these tasks, or of all, worst first. `deep` reads every byte of the active
/// version, of the rollback target, and of the store.
pub fn check(site: &RepoSite, tasks: &[TaskId], deep: bool) -> Result<Health, Failure> {
    let begun = Instant::now();
    let mut repository = Vec::new();
    let closed = site.closed_state();
    let is_open = closed.is_none();
    repository.extend(closed.map(|error| failed("state", HealthLevel::Unknown, &error.into())));
    let unfinished = is_open && repository::look_at_operations(site, &mut repository);
    let lines = match status::lines(site, tasks) {
        Ok(lines) => lines,
        Err(failure) if failure.kind() == Kind::NotFound => return Err(failure),
        Err(failure) => {
            repository.push(failed("status", HealthLevel::Critical, &failure));
            Vec::new()
        }
    };
    repository::look_at_registry(site, &mut repository);
    repository.extend(flaws::look_at_flaws(site));
    let releases = tasks::all_releases(site).unwrap_or_default();
    repository.extend(releases.broken_tags.iter().map(broken_tag));
    let overdue = if is_open {
        repository::look_at_overdue(site, &mut repository)
    } else {
        Vec::new()
    };
    let looks = TaskLooks {
        site,
        releases: &releases,
        overdue: &overdue,
        ways: (is_open && !unfinished).then(|| Ways::of(site, &lines, &releases)),
        deep,
    };
    let mut tasks: Vec<TaskHealth> = lines
        .into_par_iter()
        .map(|line| looks.task_health(line))
        .collect();
    tasks.sort_by(|a, b| (b.level, &a.task).cmp(&(a.level, &b.task)));
    repository::look_at_signing(site, &mut repository);
    let stored = if is_open {
        repository::look_at_store(site, deep, &mut repository)
    } else {
        None
    };
    let disk = repository::look_at_disk(site, &mut repository);
    judge::sort(&mut repository);
    let worst = repository
        .iter()
        .map(|finding| finding.level)
        .chain(tasks.iter().map(|task| task.level))
        .max();
    Ok(Health {
        at: site.clock.now(),
        level: worst.unwrap_or_default(),
        deep,
        repository,
        tasks,
        unfinished,
        disk,
        stored,
        duration_ms: millis(begun.elapsed()),
    })
}

/// What the looks at all tasks share.
struct TaskLooks<'a> {
    site: &'a RepoSite,
    releases: &'a Releases,
    overdue: &'a [AwaitingConfirmation],
    /// Nothing while an operation is unfinished, or where the state folder cannot be read.
    ways: Option<Result<Ways, Failure>>,
    deep: bool,
}

impl TaskLooks<'_> {
    /// Checks one task; obstacles to a rollback are checked only if no operation is unfinished.
    fn task_health(&self, line: TaskLine) -> TaskHealth {
        let mut findings = self.findings_of(&line);
        judge::sort(&mut findings);
        let released_at = newest_released_at(self.site, &line, self.releases);
        TaskHealth {
            level: findings
                .iter()
                .map(|finding| finding.level)
                .max()
                .unwrap_or_default(),
            title: line.title,
            verified: line.standing.proven || line.standing.good,
            active: line.active,
            released_at,
            releases: line.releases,
            drift: line.drift,
            way_back: line.way_back,
            left_out: line.left_out,
            findings,
            task: line.task,
        }
    }

    /// Returns the findings about one task.
    fn findings_of(&self, line: &TaskLine) -> Vec<HealthFinding> {
        let (site, releases) = (self.site, self.releases);
        let flaw = flaws::look_at_flaw(site, &line.task);
        let mut wanted: Vec<&Version> = line
            .active
            .iter()
            .chain(line.way_back.candidate())
            .filter(|_| flaw.is_none())
            .collect();
        wanted.dedup();
        // If a task's settings are unusable, nothing else can be determined.
        let mut findings =
            flaw.map_or_else(|| judge::of_task(line, &line.way_back), |flaw| vec![flaw]);
        for version in wanted {
            findings.extend(releases::look_at_release(
                site, &line.task, releases, version, self.deep,
            ));
        }
        findings.extend(
            self.overdue
                .iter()
                .filter(|pending| pending.task == line.task)
                .map(unconfirmed),
        );
        // Missing bytes are already reported, in more detail.
        let is_told = findings.iter().any(|finding| finding.check == "objects");
        match self.ways.as_ref().filter(|_| !is_told) {
            None => {}
            Some(Ok(ways)) => findings.extend(releases::look_at_way(site, line, ways)),
            Some(Err(failure)) => findings.push(failed("way", HealthLevel::Unknown, failure)),
        }
        if site.closed_state().is_some() {
            // Verdicts are stored where this user may not read, so these findings would be
            // baseless.
            findings.retain(|finding| {
                !["standing", "unverified", "way_back", "confirm"].contains(&finding.check)
            });
            findings
                .iter_mut()
                .filter(|finding| finding.check == "objects")
                .for_each(|finding| finding.level = HealthLevel::Unknown);
        }
        findings
    }
}

/// Returns when the newest release of a task was made.
fn newest_released_at(site: &RepoSite, line: &TaskLine, releases: &Releases) -> Option<Timestamp> {
    let version = line.newest.as_ref()?;
    let release = releases.find(&line.task, version).ok()?;
    let tag = site.git.peel_tag(&release.tag_id).ok()?;
    tag.at
        .or_else(|| Some(site.git.commit(&tag.commit).ok()?.time))
}

/// Builds the finding for an overdue rollback, neither confirmed nor reverted.
fn unconfirmed(pending: &AwaitingConfirmation) -> HealthFinding {
    let (to, from) = (
        Version::or_none(pending.to.as_ref()),
        Version::or_none(pending.from.as_ref()),
    );
    let why = pending.failed.as_ref().map_or_else(String::new, |failed| {
        format!(", and could not be taken back yet: {}", failed.why)
    });
    let seen = format!("{to} was not confirmed in time and has to go back to {from}{why}");
    HealthFinding {
        check: "confirm",
        level: HealthLevel::Critical,
        seen,
        fix: Some(Advice::TakeBackUnconfirmed.because("take it back")),
    }
}

/// Builds the finding for a failed inspection.
fn failed(check: &'static str, level: HealthLevel, failure: &Failure) -> HealthFinding {
    HealthFinding {
        check,
        level,
        seen: failure.to_string(),
        fix: failure.hints().into_iter().next(),
    }
}
