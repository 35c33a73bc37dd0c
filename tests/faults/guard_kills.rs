//! Kills of a guard that fires, and of a rollback that waits for confirmation, at many points with
//! all processes that they started: the next run reaches the same end.
//!
//! `SNAPBACK_SWEEP_STRIDE=1` kills at every point.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::fs;

use crate::support::{
    Sandbox,
    killer::{self, Mode, Target},
    sandbox::snapback_program,
    story::set_version,
};

/// The number of points visited by default.
const VISITS: u64 = 24;

/// Creates two releases of T01, the second of them active, and a rule that fails.
fn guarded() -> Sandbox {
    let sandbox = Sandbox::new(1);
    for version in ["1.1.0", "1.2.0"] {
        sandbox.write("tasks/T01/signal.py", format!("# {version}\n").as_bytes());
        set_version(&sandbox, version);
        sandbox.release("T01", version);
    }
    let text = "version: 1\ndefaults:\n  large_files: {patterns: [\"*.bin\"]}\ntasks:\n  T01:\n    guard: [{name: r, fail: \"> 0.5\", run: 'echo 1'}]\n";
    sandbox.write("snapback.yaml", text.as_bytes());
    sandbox.git(&["commit", "-qam", "rule"]).expect(0);
    sandbox
}

/// Kills a command, and what it started, at many points in copies of a sandbox.
fn sweep(base: &Sandbox, args: &[&str], judge: impl Fn(&Sandbox, &killer::Ran)) {
    let target = |sandbox: &Sandbox| Target {
        argv: std::iter::once(snapback_program())
            .chain(args.iter().copied())
            .map(Into::into)
            .collect(),
        env: sandbox.environment(),
        cwd: sandbox.root(),
    };
    let calls = killer::run(&target(&base.copy()), Mode::Kill, 0)
        .unwrap()
        .calls;
    let stride = std::env::var("SNAPBACK_SWEEP_STRIDE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(calls.div_ceil(VISITS));
    let mut runs = 0;
    for k in (1..=calls).step_by(usize::try_from(stride).unwrap()) {
        let sandbox = base.copy();
        let mode = if k % 2 == 0 { Mode::Kill } else { Mode::After };
        judge(&sandbox, &killer::run(&target(&sandbox), mode, k).unwrap());
        runs += 1;
    }
    println!("{runs} runs over {calls} calls");
    assert!(runs >= VISITS.min(calls) / 2);
}

fn alerts(sandbox: &Sandbox) -> Vec<String> {
    let all = sandbox
        .snapback(&["alert", "list", "--json"])
        .expect(0)
        .json()["data"]["alerts"]
        .clone();
    all.as_array()
        .unwrap()
        .iter()
        .map(|kept| kept["alert"]["event"].as_str().unwrap().to_string())
        .collect()
}

#[test]
fn a_guard_that_is_killed_goes_back_once_and_tells_once() {
    sweep(&guarded(), &["guard", "check"], |sandbox, ran| {
        let next = sandbox.snapback(&["guard", "check"]);
        assert_eq!(next.code, 4, "{ran:?}\n{next:?}");
        assert_eq!(
            sandbox.registry_version("T01").as_deref(),
            Some("1.1.0"),
            "{ran:?}\n{next:?}"
        );
        assert_eq!(alerts(sandbox), ["guard.rolled-back"], "{ran:?}\n{next:?}");
        let again = sandbox.snapback(&["guard", "check"]).expect(4);
        assert!(again.stdout.contains("cooling down"), "{ran:?}\n{again:?}");
        assert_eq!(
            sandbox.git_out(&["tag", "--list", "*-rollback-*"]),
            "T01-v1.1.0-rollback-from-v1.2.0",
            "{ran:?}"
        );
        assert_eq!(
            (sandbox.unsound(), sandbox.status()),
            (vec![], vec![]),
            "{ran:?}"
        );
        sandbox.snapback(&["audit", "verify"]).expect(0);
    });
}

#[test]
fn a_rollback_that_nobody_confirms_goes_back_wherever_everything_is_killed() {
    sweep(
        &guarded(),
        &["rollback", "-t", "T01", "--confirm-within", "1ms", "--yes"],
        |sandbox, ran| {
            // As after a restart of the machine.
            let watch = sandbox.snapback(&["confirm", "--watch"]).expect(0);
            assert_eq!(
                sandbox.registry_version("T01").as_deref(),
                Some("1.2.0"),
                "{ran:?}\n{watch:?}"
            );
            assert!(!sandbox.exists(".git/snapback/confirm/T01.json"), "{ran:?}");
            assert!(
                fs::read(sandbox.at("tasks/T01/signal.py"))
                    .unwrap()
                    .ends_with(b"1.2.0\n"),
                "{ran:?}"
            );
            sandbox
                .snapback(&["verify-rollback", "-t", "T01", "--expected", "1.2.0"])
                .expect(0);
            assert_eq!(
                (sandbox.unsound(), sandbox.status()),
                (vec![], vec![]),
                "{ran:?}"
            );
            // Nothing blocks the next rollback.
            sandbox
                .snapback(&["rollback", "-t", "T01", "--yes"])
                .expect(0);
            sandbox.snapback(&["audit", "verify"]).expect(0);
        },
    );
}
