//! Checks the repository for anything that would keep a rollback from working: the unfinished
//! operation, the registry, the signing key, the store and the disk.

use super::failed;
use crate::{
    backup::upkeep,
    catalog::registry,
    git::BrokenRef,
    guard::Waiting,
    model::{
        Advice,
        confirm::AwaitingConfirmation,
        health::{DiskHealth, HealthFinding, HealthLevel},
    },
    operate::operations,
    policy::health as judge,
    site::{RepoSite, Signatures},
    store::CheckDepth as Depth,
};

/// Returns true, and adds a finding, when an operation is unfinished: nothing can be changed until
/// it ends.
pub(super) fn look_at_operations(site: &RepoSite, findings: &mut Vec<HealthFinding>) -> bool {
    match operations::unfinished(site) {
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
            findings.push(HealthFinding {
                check: "operation",
                level: HealthLevel::Critical,
                seen,
                fix: Some(Advice::FinishOperation.because("finish it")),
            });
            true
        }
        Err(failure) => {
            findings.push(failed("operation", HealthLevel::Critical, &failure));
            false
        }
    }
}

/// Adds a finding for a registry that is unreadable or contains a mistake.
pub(super) fn look_at_registry(site: &RepoSite, findings: &mut Vec<HealthFinding>) {
    if let Some(failure) = registry::seen(&*site.tree, &site.settings).trouble {
        let seen = format!("{failure}; a task can still go back, and gets no entry there");
        findings.push(HealthFinding {
            seen,
            ..failed("registry", HealthLevel::Critical, &failure)
        });
    }
}

/// Returns the rollbacks whose confirmation is overdue; adds a finding when that cannot be
/// determined.
pub(super) fn look_at_overdue(
    site: &RepoSite,
    findings: &mut Vec<HealthFinding>,
) -> Vec<AwaitingConfirmation> {
    Waiting::new(site).overdue().unwrap_or_else(|failure| {
        findings.push(failed("confirm", HealthLevel::Unknown, &failure));
        Vec::new()
    })
}

/// Adds a finding for an unusable signing key: releases are refused, and rollbacks go unsigned.
pub(super) fn look_at_signing(site: &RepoSite, findings: &mut Vec<HealthFinding>) {
    if let Signatures::Unusable(failure) = site.signing() {
        let found = failed("signing", HealthLevel::Warning, &failure);
        let fix = failure.hints().into_iter().find(|hint| hint.act.is_some());
        findings.push(HealthFinding {
            fix,
            seen: format!(
                "{}: releases are refused, rollbacks go unsigned",
                found.seen
            ),
            ..found
        });
    }
}

/// Returns the store's size in bytes; reports damage to its index, or with `deep` to any part.
pub(super) fn look_at_store(
    site: &RepoSite,
    deep: bool,
    findings: &mut Vec<HealthFinding>,
) -> Option<u64> {
    let damage = match site.store.damage() {
        Ok(damage) => damage.into_iter().next(),
        Err(error) => {
            findings.push(failed("store", HealthLevel::Unknown, &error.into()));
            return None;
        }
    };
    let found = match damage {
        None if deep => match upkeep::check(site, Depth::Deep, None) {
            Ok((report, _)) if report.is_sound() => None,
            Ok((report, _)) => {
                let first = report
                    .damage
                    .first()
                    .map_or("an object is missing".into(), |harm| {
                        format!("{}: {}", harm.file, harm.why)
                    });
                Some((HealthLevel::Critical, first))
            }
            Err(failure) => Some((HealthLevel::Unknown, failure.to_string())),
        },
        damage => damage.map(|seen| (HealthLevel::Critical, seen)),
    };
    findings.extend(found.map(|(level, seen)| {
        let fix = Some(Advice::RepairStore.because("heal what can be healed"));
        HealthFinding {
            check: "store",
            level,
            seen: format!("the store is damaged: {seen}"),
            fix,
        }
    }));
    site.store.stored().ok()
}

/// Returns the disk of the state folder; adds a finding when space is low.
pub(super) fn look_at_disk(
    site: &RepoSite,
    findings: &mut Vec<HealthFinding>,
) -> Option<DiskHealth> {
    // If nothing was ever written, use the folder that would contain it.
    let folder = if site.state_path.is_dir() {
        site.state_path.as_path()
    } else {
        site.git.common_dir()
    };
    match rustix::fs::statvfs(folder) {
        Ok(stat) => {
            let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
            let (all, free) = (bytes(stat.f_blocks), bytes(stat.f_bavail));
            let disk = DiskHealth {
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
            findings.push(HealthFinding {
                check: "disk",
                level: HealthLevel::Unknown,
                seen,
                fix: None,
            });
            None
        }
    }
}

/// Builds the finding for a broken tag.
pub(super) fn broken_tag(tag: &BrokenRef) -> HealthFinding {
    HealthFinding {
        check: "tags",
        level: HealthLevel::Warning,
        seen: format!("{} is broken: {}", tag.name, tag.why),
        fix: tag.hints().into_iter().next(),
    }
}
