//! Health in three formats: a page for people, one line for Nagios, a text file for node_exporter.

use std::fmt::Write;

use super::{Paint, TextStyle, command_line, count, duration, safe};
use crate::model::{
    answer::NextCommand,
    health::{self, HealthLevel},
};

type Finding = health::HealthFinding<NextCommand>;
type SpelledTaskHealth = health::TaskHealth<NextCommand>;
type SpelledHealth = health::Health<NextCommand>;

/// Renders the problems, worst first, and a count of the tasks.
pub fn page(style: TextStyle, health: &SpelledHealth) -> String {
    let mut text = String::new();
    for (task, finding) in health.findings() {
        let name = task.map_or("repository", |task| task.as_str());
        let seen = safe(without_name(name, &finding.seen));
        let _ = writeln!(
            text,
            "{} {} {seen}",
            sign(style, finding.level),
            style.paint(Paint::Strong, &safe(name))
        );
        if let Some(fix) = &finding.fix {
            let then = if fix.argv.is_empty() {
                String::new()
            } else {
                format!(":  {}", style.paint(Paint::Copy, &command_line(&fix.argv)))
            };
            let _ = writeln!(text, "     {}{then}", safe(&fix.why));
        }
    }
    let words: Vec<String> = [
        HealthLevel::Critical,
        HealthLevel::Unknown,
        HealthLevel::Warning,
        HealthLevel::Ok,
    ]
    .into_iter()
    .filter(|level| health.count(*level) > 0)
    .map(|level| format!("{} {}", health.count(level), level.word()))
    .collect();
    let words = if words.is_empty() {
        "none looked at".into()
    } else {
        words.join(", ")
    };
    let how = if health.deep {
        "every byte read"
    } else {
        "presence only; --deep reads every byte"
    };
    let of_all = health
        .findings()
        .into_iter()
        .filter(|(task, _)| task.is_none());
    let worst = of_all.map(|(_, finding)| finding.level).max();
    let repository = worst
        .filter(|level| *level > HealthLevel::Ok)
        .map_or_else(String::new, |level| {
            format!("repository: {}; ", level.word())
        });
    let _ = writeln!(
        text,
        "{repository}{}: {words}  ({how}; {})",
        count(health.tasks.len(), "task"),
        duration(health.duration_ms)
    );
    text
}

fn sign(style: TextStyle, level: HealthLevel) -> String {
    match level {
        HealthLevel::Ok => style.ok(),
        HealthLevel::Warning | HealthLevel::Unknown => style.attention(),
        HealthLevel::Critical => style.fail(),
    }
}

/// Renders the line of a Nagios plugin: state, the worst finding, and figures after a bar.
pub fn nagios(health: &SpelledHealth) -> String {
    let findings: Vec<_> = health
        .findings()
        .into_iter()
        .filter(|(_, finding)| finding.level > HealthLevel::Ok)
        .collect();
    let seen = match findings.as_slice() {
        [] => format!("{} as released", count(health.tasks.len(), "task")),
        [only] => said(*only),
        [worst, rest @ ..] => format!("{}; {} more", said(*worst), rest.len()),
    };
    let drift: usize = health.tasks.iter().map(|task| task.drift).sum();
    let mut figures = format!("'tasks'={};;;0", health.tasks.len());
    for level in [
        HealthLevel::Critical,
        HealthLevel::Unknown,
        HealthLevel::Warning,
    ] {
        let _ = write!(figures, " '{}'={};;;0", level.word(), health.count(level));
    }
    let _ = write!(
        figures,
        " 'drift_files'={drift};;;0 'unfinished'={};;;0",
        u8::from(health.unfinished)
    );
    if let Some(disk) = health.disk {
        let _ = write!(figures, " 'disk_free'={}B;;;0;{}", disk.free, disk.bytes);
    }
    let _ = write!(figures, " 'time'={}s;;;0", seconds(health.duration_ms));
    format!(
        "SNAPBACK {} - {seen} | {figures}\n",
        health.level.word().to_uppercase()
    )
}

/// Renders the line of a Nagios plugin that could not check anything.
pub fn nagios_failed(why: &str) -> String {
    format!("SNAPBACK UNKNOWN - {}\n", one_line(why))
}

fn said((task, finding): (Option<&crate::model::TaskId>, &Finding)) -> String {
    let Some(task) = task else {
        return one_line(&finding.seen);
    };
    one_line(&format!(
        "{task}: {}",
        without_name(task.as_str(), &finding.seen)
    ))
}

/// Removes the name at the beginning of a sentence, because the text before it names it already.
fn without_name<'a>(name: &str, seen: &'a str) -> &'a str {
    seen.strip_prefix(name)
        .and_then(|rest| rest.strip_prefix(' '))
        .unwrap_or(seen)
}

/// Returns text on one line, without the bar that separates the figures.
fn one_line(text: &str) -> String {
    safe(text).replace('|', "/")
}

/// Formats milliseconds as seconds with three decimals.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// A metric and its samples: labels, value.
struct Family {
    name: &'static str,
    help: &'static str,
    samples: Vec<(String, String)>,
}

/// Renders the file for node_exporter's textfile collector (Prometheus text format 0.0.4).
pub fn metrics(health: &SpelledHealth) -> String {
    let mut text = String::new();
    for family in whole(health)
        .into_iter()
        .chain(of_tasks(health))
        .filter(|family| !family.samples.is_empty())
    {
        let _ = write!(
            text,
            "# HELP {0} {1}\n# TYPE {0} gauge\n",
            family.name, family.help
        );
        for (labels, value) in &family.samples {
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{labels}}}")
            };
            let _ = writeln!(text, "{}{labels} {value}", family.name);
        }
    }
    text
}

/// Renders a label with its value escaped.
fn label(name: &str, value: &str) -> String {
    format!(
        "{name}=\"{}\"",
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

/// Returns the metrics of the repository.
fn whole(health: &SpelledHealth) -> Vec<Family> {
    let one = |name, help, value: Option<String>| Family {
        name,
        help,
        samples: value
            .map(|value| (String::new(), value))
            .into_iter()
            .collect(),
    };
    vec![
        Family {
            name: "snapback_build_info",
            help: "The snapback that looked.",
            samples: vec![(label("version", env!("CARGO_PKG_VERSION")), "1".into())],
        },
        one(
            "snapback_health_status",
            "The worst state: 0 ok, 1 warning, 2 critical, 3 unknown.",
            Some(health.level.nagios().to_string()),
        ),
        one(
            "snapback_health_last_run_timestamp_seconds",
            "When health was looked at.",
            Some(health.at.as_second().to_string()),
        ),
        one(
            "snapback_health_duration_seconds",
            "How long looking took.",
            Some(seconds(health.duration_ms)),
        ),
        tasks_by_state(health),
        one(
            "snapback_unfinished_operations",
            "Operations that did not finish.",
            Some(flag(health.unfinished)),
        ),
        one(
            "snapback_store_bytes",
            "Size of the store.",
            health.stored.map(|bytes| bytes.to_string()),
        ),
        one(
            "snapback_disk_free_bytes",
            "Free room on the disk of the store.",
            health.disk.map(|disk| disk.free.to_string()),
        ),
        one(
            "snapback_disk_size_bytes",
            "Size of the disk of the store.",
            health.disk.map(|disk| disk.bytes.to_string()),
        ),
    ]
}

/// Returns the number of tasks in each state.
fn tasks_by_state(health: &SpelledHealth) -> Family {
    let states = [
        HealthLevel::Ok,
        HealthLevel::Warning,
        HealthLevel::Critical,
        HealthLevel::Unknown,
    ];
    let state = |level: HealthLevel| {
        (
            label("state", level.word()),
            health.count(level).to_string(),
        )
    };
    Family {
        name: "snapback_tasks",
        help: "Number of tasks by state.",
        samples: states.map(state).into(),
    }
}

/// Reads a figure of one task; `None` if there is none.
type TaskFigure = fn(&SpelledTaskHealth) -> Option<String>;

/// The figures of each task: name, help, value.
const TASK_FIGURES: [(&str, &str, TaskFigure); 9] = [
    (
        "snapback_task_health_status",
        "0 ok, 1 warning, 2 critical, 3 unknown.",
        |task| Some(task.level.nagios().to_string()),
    ),
    (
        "snapback_task_verified",
        "1 when the active version is proven or called good.",
        |task| Some(flag(task.verified)),
    ),
    (
        "snapback_task_drift_files",
        "Files that differ from the active release.",
        |task| Some(task.drift.to_string()),
    ),
    ("snapback_task_snapshots", "Number of releases.", |task| {
        Some(task.releases.to_string())
    }),
    (
        "snapback_task_last_snapshot_timestamp_seconds",
        "When the newest release was made.",
        |task| Some(task.released_at?.as_second().to_string()),
    ),
    (
        "snapback_task_way_back",
        "1 when there is a version to go back to that is not known to be broken.",
        |task| {
            let broken = task
                .way_back
                .proof
                .as_ref()
                .is_some_and(|proof| !proof.passed);
            Some(flag(task.way_back.version.is_some() && !broken))
        },
    ),
    (
        "snapback_task_last_drill_success",
        "1 when the newest drill of the way back passed.",
        |task| Some(flag(task.way_back.proof.as_ref()?.passed)),
    ),
    (
        "snapback_task_last_drill_timestamp_seconds",
        "When the way back was rehearsed last.",
        |task| Some(task.way_back.proof.as_ref()?.at.as_second().to_string()),
    ),
    (
        "snapback_task_drill_recovery_seconds",
        "How long the last rehearsed recovery took.",
        |task| Some(seconds(task.way_back.proof.as_ref()?.recovery_ms)),
    ),
];

/// Returns the metrics of each task.
fn of_tasks(health: &SpelledHealth) -> Vec<Family> {
    let family = |(name, help, value): (&'static str, &'static str, TaskFigure)| {
        let samples = health
            .tasks
            .iter()
            .filter_map(|task| Some((label("task", task.task.as_str()), value(task)?)));
        Family {
            name,
            help,
            samples: samples.collect(),
        }
    };
    std::iter::once(active_versions(health))
        .chain(TASK_FIGURES.map(family))
        .collect()
}

/// Returns the active version of each task, as a label.
fn active_versions(health: &SpelledHealth) -> Family {
    let samples = health.tasks.iter().filter_map(|task| {
        let version = task.active.as_ref()?.to_string();
        Some((
            format!(
                "{},{}",
                label("task", task.task.as_str()),
                label("version", &version)
            ),
            flag(true),
        ))
    });
    Family {
        name: "snapback_task_info",
        help: "The active version of each task.",
        samples: samples.collect(),
    }
}

/// Formats a boolean for Prometheus.
fn flag(yes: bool) -> String {
    u8::from(yes).to_string()
}

#[cfg(test)]
mod tests;
