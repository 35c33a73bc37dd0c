//! Health as a page, as the Nagios line and as metrics.

use super::*;
use crate::model::{
    IgnoredFiles,
    answer::NextCommand,
    health::DiskHealth,
    overview::{DrillProof, WayBack},
};

fn sample() -> SpelledHealth {
    let at = "2026-02-24T05:10:00Z".parse().expect("it is a time");
    let proof = DrillProof {
        at,
        passed: false,
        recovery_ms: 6204,
        offline: true,
        why: "a | b\nc".into(),
    };
    let fix = Some(NextCommand {
        why: "rehearse it again".into(),
        argv: ["snapback", "drill", "-t", "T01"]
            .map(String::from)
            .to_vec(),
    });
    let task = SpelledTaskHealth {
        task: "T01".parse().expect("it is an id"),
        title: None,
        level: HealthLevel::Critical,
        active: "1.3.0".parse().ok(),
        verified: true,
        released_at: Some(at),
        releases: 3,
        drift: 2,
        way_back: WayBack {
            version: "1.2.0".parse().ok(),
            proof: Some(proof),
            ..WayBack::default()
        },
        left_out: IgnoredFiles::default(),
        findings: vec![
            Finding {
                check: "way_back",
                level: HealthLevel::Critical,
                seen: "the way back is broken: a | b\nc".into(),
                fix,
            },
            Finding {
                check: "drift",
                level: HealthLevel::Warning,
                seen: "2 files differ from the release".into(),
                fix: None,
            },
        ],
    };
    SpelledHealth {
        at,
        level: HealthLevel::Critical,
        deep: false,
        repository: Vec::new(),
        tasks: vec![task],
        unfinished: false,
        disk: Some(DiskHealth {
            bytes: 2000,
            free: 1000,
            inodes: 0,
            inodes_free: 0,
        }),
        stored: None,
        duration_ms: 12,
    }
}

#[test]
fn the_page_and_the_line_of_nagios() {
    insta::assert_snapshot!(page(TextStyle::default(), &sample()), @r"
    x  T01 the way back is broken: a | b\nc
         rehearse it again:  snapback drill -t T01
    !  T01 2 files differ from the release
    1 task: 1 critical  (presence only; --deep reads every byte; 12 ms)
    ");
    insta::assert_snapshot!(nagios(&sample()), @r"SNAPBACK CRITICAL - T01: the way back is broken: a / b\nc; 1 more | 'tasks'=1;;;0 'critical'=1;;;0 'unknown'=0;;;0 'warning'=0;;;0 'drift_files'=2;;;0 'unfinished'=0;;;0 'disk_free'=1000B;;;0;2000 'time'=0.012s;;;0");
}

#[test]
fn every_metric_has_a_name_of_prometheus_and_a_type() {
    let text = metrics(&sample());
    let mut typed = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(
                typed.insert(rest.split(' ').next().expect("it has a name").to_string()),
                "twice: {line}"
            );
        } else if !line.starts_with("# HELP ") {
            let name: String = line
                .chars()
                .take_while(|c| !matches!(c, '{' | ' '))
                .collect();
            assert!(
                typed.contains(&name) && name.starts_with("snapback_"),
                "{line}"
            );
            assert!(
                line.rsplit(' ')
                    .next()
                    .is_some_and(|value| value.parse::<f64>().is_ok()),
                "{line}"
            );
        }
    }
    assert!(
        text.contains("snapback_task_drill_recovery_seconds{task=\"T01\"} 6.204\n"),
        "{text}"
    );
    assert!(text.contains("snapback_task_info{task=\"T01\",version=\"1.3.0\"} 1\n"));
    assert!(text.ends_with('\n') && !text.contains("snapback_store_bytes"));
    assert_eq!(label("task", "a\"b\\c\nd"), "task=\"a\\\"b\\\\c\\nd\"");
}
