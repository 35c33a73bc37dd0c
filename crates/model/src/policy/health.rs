//! Rates the findings about a task or a disk.

use crate::{
    Advice, Version,
    health::{DiskHealth, HealthFinding, HealthLevel},
    overview::{ReleasePlace, TaskLine, WayBack},
};
use base::{Hint, text::size};

/// Below this many free bytes, or this share of the disk (per mille, of at most [`SHARED`] bytes),
/// a release may fail half-way and be rolled back.
const DISK_WARNING: (u64, u64) = (1 << 30, 50);
/// Below this a rollback may lack space for its safety copies.
const DISK_CRITICAL: (u64, u64) = (128 << 20, 10);
/// Shares are taken of at most this many bytes: less than 5 % of a large disk can be enough.
const SHARED: u64 = 200_000_000_000;

/// What helps where tags are not in this clone.
fn fetch() -> Hint {
    Hint::run("bring the tags here", &["git", "fetch", "--tags"])
}

/// A finding with what helps.
fn finding(
    check: &'static str,
    level: HealthLevel,
    seen: impl Into<String>,
    fix: impl Into<Option<Hint>>,
) -> HealthFinding {
    HealthFinding {
        check,
        level,
        seen: seen.into(),
        fix: fix.into(),
    }
}

/// Returns the findings about a task and its rollback target, worst first.
pub fn of_task(line: &TaskLine, way: &WayBack) -> Vec<HealthFinding> {
    let left_out = line
        .left_out
        .words("is no part of its releases", "are no part of its releases")
        .map(|seen| {
            finding(
                "left_out",
                HealthLevel::Ok,
                seen,
                Hint::say("to keep them, name them in `large_files` of snapback.yaml"),
            )
        });
    let all = [
        of_standing(line),
        of_trouble(line),
        of_drift(line),
        of_way(line, way),
        left_out,
    ];
    let mut found: Vec<HealthFinding> = all.into_iter().flatten().collect();
    sort(&mut found);
    found
}

/// Rates the standing of the active version.
fn of_standing(line: &TaskLine) -> Option<HealthFinding> {
    let unreleased = |seen: String| {
        finding(
            "unverified",
            HealthLevel::Warning,
            seen,
            Advice::Release {
                task: line.task.clone(),
            }
            .in_short()
            .because("release it"),
        )
    };
    let nothing = "it was never released, so nothing can be brought back";
    match (&line.active, line.released) {
        (None, _) | (Some(_), ReleasePlace::Never) if line.releases == 0 => {
            Some(unreleased(nothing.into()))
        }
        // Tasks with releases are reported by `of_trouble` instead.
        (None, _) | (Some(_), ReleasePlace::Elsewhere) => None,
        (Some(active), ReleasePlace::Never) => Some(unreleased(format!(
            "{active} was never released, so it cannot be brought back"
        ))),
        (Some(active), ReleasePlace::Here) => of_verdicts(line, active),
    }
}

/// Rates the verdicts on the active version, which has a release.
fn of_verdicts(line: &TaskLine, active: &Version) -> Option<HealthFinding> {
    let task = line.task.clone();
    let why = match line.standing {
        said if said.bad => "was called bad",
        said if said.failed => "its last check failed",
        said if said.held => "held",
        said if said.proven || said.good => return None,
        _ => {
            return Some(finding(
                "unverified",
                HealthLevel::Warning,
                format!("{active} was never proven here"),
                Advice::Rehearse {
                    task,
                    to: "active".into(),
                }
                .in_short()
                .because("prove it"),
            ));
        }
    };
    let fix = if line.way_back.candidate().is_some() {
        Advice::RollBack { task }
            .in_short()
            .because("go back to a good version")
    } else {
        Advice::Release { task }
            .in_short()
            .because("mend it and release it; no version to go back to is known here")
    };
    Some(finding(
        "standing",
        HealthLevel::Critical,
        format!("{active} is active and {why}"),
        fix,
    ))
}

/// Reports versions that disagree or cannot be read.
fn of_trouble(line: &TaskLine) -> Option<HealthFinding> {
    if line.trouble.is_empty() || line.lacks_only_its_release() {
        return None;
    }
    // A command can reconcile versions; unreadable ones prevent a rollback.
    let level = if line.config.is_some() && line.active.is_some() {
        HealthLevel::Warning
    } else {
        HealthLevel::Critical
    };
    let is_untagged = line
        .active
        .as_ref()
        .is_some_and(|active| line.untagged.contains(active));
    let fix = match () {
        () if is_untagged => fetch(),
        () if line.active.is_none() && line.releases > 0 => {
            versions_of(line).because("see which releases it has")
        }
        () => Advice::CompareRegistry.because("see what disagrees"),
    };
    Some(finding("registry", level, line.trouble.clone(), fix))
}

/// To look at the versions of a task.
fn versions_of(line: &TaskLine) -> Advice {
    Advice::ListVersions {
        task: line.task.clone(),
    }
    .in_short()
}

/// Reports files that differ from the release.
fn of_drift(line: &TaskLine) -> Option<HealthFinding> {
    if line.drift == 0 || line.active.is_none() {
        return None;
    }
    let files = if line.drift == 1 {
        "1 file differs".into()
    } else {
        format!("{} files differ", line.drift)
    };
    Some(finding(
        "drift",
        HealthLevel::Warning,
        format!("{files} from the release"),
        Advice::Compare {
            task: line.task.clone(),
        }
        .in_short()
        .because("see what differs"),
    ))
}

/// Rates the rollback target.
fn of_way(line: &TaskLine, way: &WayBack) -> Option<HealthFinding> {
    let active = line.active.as_ref()?;
    let Some(version) = &way.version else {
        return of_no_way(line, way, active);
    };
    let proof = way.proof.as_ref().filter(|proof| !proof.passed)?;
    let seen = format!("the way back to {version} is broken: {}", proof.why);
    let fix = rehearsal(line, version).because("rehearse it again");
    Some(finding("way_back", HealthLevel::Critical, seen, fix))
}

/// To rehearse a rollback to a version.
fn rehearsal(line: &TaskLine, version: &Version) -> Advice {
    Advice::Rehearse {
        task: line.task.clone(),
        to: version.to_string(),
    }
    .in_short()
}

/// Explains and rates a missing rollback target.
fn of_no_way(line: &TaskLine, way: &WayBack, active: &Version) -> Option<HealthFinding> {
    let task = line.task.as_str();
    let found =
        |level, seen: String, fix: Option<Hint>| Some(finding("way_back", level, seen, fix));
    if let Some(why) = way.why.as_ref().filter(|_| !line.untagged.is_empty()) {
        return found(HealthLevel::Warning, why.clone(), Some(fetch()));
    }
    if line.releases == 0 {
        return None;
    }
    if line.releases == 1 && line.released == ReleasePlace::Here {
        // Having only a first release is not a fault, and cannot be fixed.
        let seen = "it has one release: the next one will have a way back";
        return found(HealthLevel::Ok, seen.into(), None);
    }
    if way.oldest {
        let seen =
            format!("{task} is at its oldest version, {active}: nothing older to go back to");
        return found(HealthLevel::Ok, seen, None);
    }
    if let Some(version) = &way.unproven {
        // Whether it is there and whole is looked at as for a proven one.
        let seen =
            format!("{version} is the newest older version of {task}; it was never proven here");
        let fix = rehearsal(line, version).because("prove it");
        return found(HealthLevel::Ok, seen, Some(fix));
    }
    let seen = way
        .why
        .clone()
        .unwrap_or_else(|| "every older version is bad or held".into());
    let fix = versions_of(line).because("see its versions");
    found(HealthLevel::Warning, seen, Some(fix))
}

/// Returns the findings about a disk.
pub fn of_disk(disk: DiskHealth) -> Vec<HealthFinding> {
    let below = |free: u64, all: u64, (least, share): (u64, u64)| {
        free < least.min(all / 2) || free < all.min(SHARED) / 1000 * share
    };
    let level = |free: u64, all: u64, warning, critical| match () {
        () if below(free, all, critical) => HealthLevel::Critical,
        () if below(free, all, warning) => HealthLevel::Warning,
        () => HealthLevel::Ok,
    };
    let room = level(disk.free, disk.bytes, DISK_WARNING, DISK_CRITICAL);
    let names = if disk.inodes == 0 {
        HealthLevel::Ok
    } else {
        level(disk.inodes_free, disk.inodes, (20_000, 20), (1_000, 2))
    };
    let bytes = format!("{} of {} are free", size(disk.free), size(disk.bytes));
    let inodes = format!("{} of {} inodes are free", disk.inodes_free, disk.inodes);
    let all = [
        finding(
            "disk",
            room,
            bytes,
            Advice::SeeGarbage.because("see what the store can give back"),
        ),
        finding("inodes", names, inodes, None),
    ];
    all.into_iter()
        .filter(|finding| finding.level > HealthLevel::Ok)
        .collect()
}

/// Sorts findings, worst first; the sort is stable.
pub fn sort(findings: &mut [HealthFinding]) {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IgnoredFiles, overview::DrillProof, verdict::VersionState};

    fn line() -> TaskLine {
        TaskLine {
            task: "T01".parse().expect("it is an id"),
            title: None,
            active: "1.2.0".parse().ok(),
            config: "1.2.0".parse().ok(),
            newest: "1.2.0".parse().ok(),
            releases: 2,
            standing: VersionState {
                proven: true,
                ..VersionState::default()
            },
            said_by: None,
            drift: 0,
            unread: 0,
            released: ReleasePlace::Here,
            trouble: String::new(),
            moved: Vec::new(),
            untagged: Vec::new(),
            way_back: WayBack::default(),
            left_out: IgnoredFiles::default(),
        }
    }

    fn way(passed: bool) -> WayBack {
        let proof = DrillProof {
            at: "2026-01-01T00:00:00Z".parse().expect("it is a time"),
            passed,
            recovery_ms: 6200,
            offline: true,
            why: "smoke.1 failed".into(),
        };
        WayBack {
            version: "1.1.0".parse().ok(),
            proof: Some(proof),
            ..WayBack::default()
        }
    }

    fn words(line: &TaskLine, way: &WayBack) -> Vec<(&'static str, HealthLevel)> {
        of_task(line, way)
            .iter()
            .map(|finding| (finding.check, finding.level))
            .collect()
    }

    #[test]
    fn a_sound_task_has_no_finding_and_the_worst_comes_first() {
        assert_eq!(words(&line(), &way(true)), []);
        let held = VersionState {
            held: true,
            proven: true,
            ..VersionState::default()
        };
        let sick = TaskLine {
            standing: held,
            drift: 2,
            ..line()
        };
        let expected = [
            ("standing", HealthLevel::Critical),
            ("way_back", HealthLevel::Critical),
            ("drift", HealthLevel::Warning),
        ];
        assert_eq!(words(&sick, &way(false)), expected);
        let unproven = TaskLine {
            standing: VersionState::default(),
            ..line()
        };
        assert_eq!(
            words(&unproven, &WayBack::default()),
            [
                ("unverified", HealthLevel::Warning),
                ("way_back", HealthLevel::Warning)
            ]
        );
        let older = WayBack {
            unproven: "1.1.0".parse().ok(),
            ..WayBack::default()
        };
        assert_eq!(
            words(&line(), &older),
            [("way_back", HealthLevel::Ok)],
            "what is proven stands, and there is a way back"
        );
    }

    #[test]
    fn what_has_no_release_or_only_one_is_told_once() {
        let lack = ReleasePlace::Never;
        let trouble = lack
            .trouble(&"1.2.0".parse().expect("it is a version"))
            .expect("it is one");
        let unreleased = TaskLine {
            releases: 0,
            released: lack,
            trouble,
            ..line()
        };
        assert_eq!(
            words(&unreleased, &WayBack::default()),
            [("unverified", HealthLevel::Warning)]
        );
        let first = TaskLine {
            releases: 1,
            ..line()
        };
        assert_eq!(
            words(&first, &WayBack::default()),
            [("way_back", HealthLevel::Ok)]
        );
        assert_eq!(
            words(&TaskLine { drift: 1, ..first }, &WayBack::default()),
            [
                ("drift", HealthLevel::Warning),
                ("way_back", HealthLevel::Ok)
            ]
        );
        let new = TaskLine {
            active: None,
            config: None,
            standing: VersionState::default(),
            releases: 0,
            ..line()
        };
        assert_eq!(
            words(&new, &WayBack::default()),
            [("unverified", HealthLevel::Warning)]
        );
        let unread = TaskLine {
            trouble: "the registry is damaged".into(),
            active: None,
            config: None,
            ..line()
        };
        assert_eq!(
            words(&unread, &way(true))[0],
            ("registry", HealthLevel::Critical)
        );
    }

    #[test]
    fn a_disk_is_judged_by_room_and_share() {
        let gb = 1_000_000_000;
        let disk = |free: u64, bytes: u64| DiskHealth {
            bytes,
            free,
            inodes: 0,
            inodes_free: 0,
        };
        let level = |disk| {
            of_disk(disk)
                .first()
                .map_or(HealthLevel::Ok, |finding| finding.level)
        };
        assert_eq!(level(disk(50 * gb, 200 * gb)), HealthLevel::Ok);
        assert_eq!(
            level(disk(12 * gb, 8000 * gb)),
            HealthLevel::Ok,
            "12 GB are enough, however large the disk"
        );
        assert_eq!(level(disk(5 * gb, 200 * gb)), HealthLevel::Warning);
        assert_eq!(level(disk(gb, 200 * gb)), HealthLevel::Critical);
        assert_eq!(level(disk(0, 10)), HealthLevel::Critical);
        let names = of_disk(DiskHealth {
            inodes: 1_000_000,
            inodes_free: 10,
            ..disk(50 * gb, 200 * gb)
        });
        assert_eq!(names[0].check, "inodes");
    }
}
