//! The health of the tasks: whatever would keep a rollback from working, found before it is needed.
//!
//! What cannot be looked at is a finding too, never an error and never fine: a probe that sees
//! nothing must not say that all is well. Only presence is looked at, unless it is to be deep.

use std::time::Instant;

use rayon::prelude::*;

use super::{App, change::millis, rehearse::Obstacle, signing::Signatures};
use crate::{
    base::{Failure, Kind, TaskId},
    catalog::{
        Release,
        manifests::{self, Kept},
        registry,
        releases::Releases,
    },
    model::{
        Check, Status, TaskSpec, Version,
        answer::Next,
        confirm::Pending,
        health::{Disk, Finding, Health, Level, TaskHealth},
        overview::TaskLine,
        signature::Demand,
    },
    policy::health as judge,
    rollback::check,
    store::Level as Depth,
};

impl App {
    /// The health of these tasks, or of all, worst first. `deep` reads every byte of the active
    /// version, of the one to go back to, and of the store.
    pub fn health(&self, tasks: &[TaskId], deep: bool) -> Result<Health, Failure> {
        let begun = Instant::now();
        let mut repository = Vec::new();
        let closed = self.closed_state();
        let is_open = closed.is_none();
        repository.extend(closed.map(|error| failed("state", Level::Unknown, &error.into())));
        let unfinished = is_open && self.look_at_operations(&mut repository);
        let lines = match self.status(tasks) {
            Ok(lines) => lines,
            Err(failure) if failure.kind() == Kind::NotFound => return Err(failure),
            Err(failure) => {
                repository.push(failed("status", Level::Critical, &failure));
                Vec::new()
            }
        };
        if let Some(failure) = registry::seen(&*self.ground.tree, &self.ground.settings).trouble {
            let seen = format!("{failure}; a task can still go back, and gets no entry there");
            repository.push(Finding {
                seen,
                ..failed("registry", Level::Critical, &failure)
            });
        }
        repository.extend(self.look_at_flaws());
        let releases = self.all_releases().unwrap_or_default();
        repository.extend(releases.broken_tags.iter().map(|tag| Finding {
            check: "tags",
            level: Level::Warning,
            seen: format!("{} is broken: {}", tag.name, tag.why),
            fix: tag.hints().into_iter().next().map(Next::from),
        }));
        let overdue = if is_open {
            self.overdue()
        } else {
            Ok(Vec::new())
        };
        let overdue = overdue.unwrap_or_else(|failure| {
            repository.push(failed("confirm", Level::Unknown, &failure));
            Vec::new()
        });
        let task_health = |line| self.task_health(line, &releases, &overdue, (deep, !unfinished));
        let mut tasks: Vec<TaskHealth> = lines.into_par_iter().map(task_health).collect();
        tasks.sort_by(|a, b| (b.level, &a.task).cmp(&(a.level, &b.task)));
        self.look_at_signing(&mut repository);
        let stored = if is_open {
            self.look_at_store(deep, &mut repository)
        } else {
            None
        };
        let disk = self.look_at_disk(&mut repository);
        judge::sort(&mut repository);
        let worst = repository
            .iter()
            .map(|finding| finding.level)
            .chain(tasks.iter().map(|task| task.level))
            .max();
        Ok(Health {
            at: self.ground.clock.now(),
            level: worst.unwrap_or_default(),
            deep,
            repository,
            tasks,
            unfinished,
            disk,
            stored,
            duration_ms: millis(begun),
        })
    }

    /// True when an operation is unfinished, which is a finding: nothing can be changed before it
    /// ends.
    fn look_at_operations(&self, findings: &mut Vec<Finding>) -> bool {
        match self.unfinished() {
            Ok(None) => false,
            Ok(Some(line)) => {
                let task = line
                    .task
                    .as_ref()
                    .map(|task| format!(" of {task}"))
                    .unwrap_or_default();
                let word = if line.outcome.is_some() {
                    "is stuck"
                } else {
                    "did not finish"
                };
                let seen = format!(
                    "the {}{task} ({}) {word}",
                    line.kind.word(),
                    line.id.short()
                );
                findings.push(Finding {
                    check: "operation",
                    level: Level::Critical,
                    seen,
                    fix: Some(run("finish it", &["op", "resume"])),
                });
                true
            }
            Err(failure) => {
                findings.push(failed("operation", Level::Critical, &failure));
                false
            }
        }
    }

    /// A key that is to sign and cannot: releases are refused, and ways back go unsigned.
    fn look_at_signing(&self, findings: &mut Vec<Finding>) {
        if let Signatures::Unusable(failure) = self.signing() {
            let found = failed("signing", Level::Warning, &failure);
            let fix = failure
                .hints()
                .into_iter()
                .find(|hint| !hint.argv.is_empty())
                .map(Next::from);
            findings.push(Finding {
                fix,
                seen: format!(
                    "{}: releases are refused, rollbacks go unsigned",
                    found.seen
                ),
                ..found
            });
        }
    }

    /// One task; what a rollback would meet is looked at where none is unfinished.
    fn task_health(
        &self,
        line: TaskLine,
        releases: &Releases,
        overdue: &[Pending],
        (deep, is_free): (bool, bool),
    ) -> TaskHealth {
        let flaw = self.look_at_flaw(&line.task);
        let mut wanted: Vec<&Version> = line
            .active
            .iter()
            .chain(line.way_back.candidate())
            .filter(|_| flaw.is_none())
            .collect();
        wanted.dedup();
        // Of a task whose settings cannot be used nothing else can be told.
        let mut findings =
            flaw.map_or_else(|| judge::of_task(&line, &line.way_back), |flaw| vec![flaw]);
        for version in wanted {
            findings.extend(self.look_at_release(&line.task, releases, version, deep));
        }
        findings.extend(
            overdue
                .iter()
                .filter(|pending| pending.task == line.task)
                .map(unconfirmed),
        );
        // Bytes that are gone are said already, and with more words.
        if is_free && !findings.iter().any(|finding| finding.check == "objects") {
            findings.extend(self.look_at_way(&line));
        }
        if self.closed_state().is_some() {
            // What was said of versions stands where this user may not read: nothing can be told
            // from it.
            findings.retain(|finding| {
                !["standing", "unverified", "way_back", "confirm"].contains(&finding.check)
            });
            findings
                .iter_mut()
                .filter(|finding| finding.check == "objects")
                .for_each(|finding| finding.level = Level::Unknown);
        }
        judge::sort(&mut findings);
        let newest = line
            .newest
            .as_ref()
            .and_then(|version| releases.find(&line.task, version).ok());
        let released_at = newest.and_then(|release| {
            let tag = self.ground.git.peel_tag(&release.tag_id).ok()?;
            tag.at
                .or_else(|| Some(self.ground.git.commit(&tag.commit).ok()?.time))
        });
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

    /// What a rollback would meet in this work tree.
    fn look_at_way(&self, line: &TaskLine) -> Option<Finding> {
        let (task, version) = (
            self.ground.settings.task(&line.task)?,
            line.way_back.candidate()?,
        );
        // Of a state folder that may not be read everything is said already.
        let obstacle = if self.is_closed() {
            None
        } else {
            self.obstacle(task, version)
        }?;
        let level = if matches!(obstacle, Obstacle::Moment(_)) {
            Level::Warning
        } else {
            Level::Critical
        };
        let failure = obstacle.failure();
        let seen = format!(
            "a rollback to {version} would be refused: {}",
            failure.chain().join(": ")
        );
        Some(Finding {
            seen,
            ..failed("way", level, failure)
        })
    }

    /// What is wrong with a release where it is kept; a version that is not released has its own
    /// finding.
    fn look_at_release(
        &self,
        task: &TaskId,
        releases: &Releases,
        version: &Version,
        deep: bool,
    ) -> Option<Finding> {
        releases.find(task, version).ok()?;
        let spec = self.ground.settings.task(task)?;
        let verification =
            match check::release(&self.ground, spec, releases, version, (deep, Demand::None)) {
                Ok(verification) => verification,
                Err(failure) => return Some(failed("objects", Level::Unknown, &failure)),
            };
        let worst = verification
            .problems()
            .max_by_key(|check| (!check.is_of_copy(), check.status))?;
        if worst.is_of_copy() {
            let seen = worst.evidence.join("; ");
            return Some(Finding {
                check: "manifest",
                level: Level::Warning,
                seen,
                fix: worst.hints.first().cloned().map(Next::from),
            });
        }
        let fix = run(
            "see all of it",
            &[
                "verify-snapshot",
                "-t",
                task.as_str(),
                "--version",
                &version.to_string(),
                "--deep",
            ],
        );
        if let Some(finding) = self.look_at_kept(spec, releases, version, (worst, deep)) {
            return Some(finding);
        }
        let (level, word) = if worst.status == Status::Fail {
            (Level::Critical, "restored")
        } else {
            (Level::Unknown, "checked")
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
        Some(Finding {
            check: "objects",
            level,
            seen,
            fix: Some(fix),
        })
    }

    /// The finding for a version whose tag was moved while what was released is kept and whole: no
    /// rollback goes to it before the tag is back, which takes one command.
    fn look_at_kept(
        &self,
        spec: &TaskSpec,
        releases: &Releases,
        version: &Version,
        (worst, deep): (&Check, bool),
    ) -> Option<Finding> {
        let release = releases.find(&spec.id, version).ok()?;
        let Kept::Other(tag_id) = manifests::kept(&self.ground.git, release).ok()? else {
            return None;
        };
        let kept = releases.with(Release {
            tag_id,
            ..release.clone()
        });
        let verification =
            check::release(&self.ground, spec, &kept, version, (deep, Demand::None)).ok()?;
        let seen = format!(
            "the tag of {version} was moved; what was released is kept, and comes back with its tag"
        );
        let fix = worst
            .hints
            .iter()
            .find(|hint| hint.argv.get(1).is_some_and(|word| word == "update-ref"));
        verification.is_good().then_some(Finding {
            check: "objects",
            level: Level::Critical,
            seen,
            fix: fix.cloned().map(Next::from),
        })
    }

    /// The bytes of the store; damage of its index, or with `deep` of anything, is a finding.
    fn look_at_store(&self, deep: bool, findings: &mut Vec<Finding>) -> Option<u64> {
        let damage = match self.chunks.damage() {
            Ok(damage) => damage
                .first()
                .map(|damage| format!("{}: {}", damage.file, damage.why)),
            Err(error) => {
                findings.push(failed("store", Level::Unknown, &error.into()));
                return None;
            }
        };
        let found = match damage {
            None if deep => match self.check_store(Depth::Deep, None) {
                Ok((report, _)) if report.is_sound() => None,
                Ok((report, _)) => {
                    let first = report
                        .damage
                        .first()
                        .map_or("an object is missing".into(), |harm| {
                            format!("{}: {}", harm.file, harm.why)
                        });
                    Some((Level::Critical, first))
                }
                Err(failure) => Some((Level::Unknown, failure.to_string())),
            },
            damage => damage.map(|seen| (Level::Critical, seen)),
        };
        findings.extend(found.map(|(level, seen)| {
            let fix = Some(run("heal what can be healed", &["store", "repair"]));
            Finding {
                check: "store",
                level,
                seen: format!("the store is damaged: {seen}"),
                fix,
            }
        }));
        self.chunks.stored().ok()
    }

    /// The disk of the state folder; too little room is a finding.
    fn look_at_disk(&self, findings: &mut Vec<Finding>) -> Option<Disk> {
        // Where nothing was ever written, the folder that it would be in.
        let folder = if self.state_path.is_dir() {
            self.state_path.as_path()
        } else {
            self.ground.git.common_dir()
        };
        match rustix::fs::statvfs(folder) {
            Ok(stat) => {
                let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
                let (all, free) = (bytes(stat.f_blocks), bytes(stat.f_bavail));
                let disk = Disk {
                    bytes: all,
                    free,
                    inodes: stat.f_files,
                    inodes_free: stat.f_favail,
                };
                findings.extend(judge::of_disk(disk));
                Some(disk)
            }
            Err(error) => {
                let seen = format!("cannot ask for free room: {}", std::io::Error::from(error));
                findings.push(Finding {
                    check: "disk",
                    level: Level::Unknown,
                    seen,
                    fix: None,
                });
                None
            }
        }
    }
}

/// A rollback whose time is over: nobody confirmed it, and it did not go back yet.
fn unconfirmed(pending: &Pending) -> Finding {
    let (to, from) = (
        Version::or_none(pending.to.as_ref()),
        Version::or_none(pending.from.as_ref()),
    );
    let why = pending.failed.as_ref().map_or_else(String::new, |failed| {
        format!(", and could not be taken back yet: {}", failed.why)
    });
    let seen = format!("{to} was not confirmed in time and has to go back to {from}{why}");
    Finding {
        check: "confirm",
        level: Level::Critical,
        seen,
        fix: Some(run("take it back", &["confirm", "--watch"])),
    }
}

/// A next step that is a command of snapback.
fn run(why: &str, words: &[&str]) -> Next {
    Next {
        why: why.into(),
        argv: std::iter::once("snapback")
            .chain(words.iter().copied())
            .map(String::from)
            .collect(),
    }
}

/// The finding for what could not be looked at.
fn failed(check: &'static str, level: Level, failure: &Failure) -> Finding {
    Finding {
        check,
        level,
        seen: failure.to_string(),
        fix: failure.hints().into_iter().next().map(Next::from),
    }
}
