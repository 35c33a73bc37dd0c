//! Tests of the killer harness: it stops a program exactly where requested, and only there.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[test]
fn skipped() {
    println!("skipped: the harness that kills at a system call needs Linux on x86_64");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux {
    use std::{fs, path::Path};

    use crate::support::killer::{Mode, Ran, Target, count, run};

    /// Six changes in a fixed order, some of them by a child: open, write, open, write, mkdir,
    /// rename.
    const SCRIPT: &str = "printf one >a; printf two >b; mkdir c; mv a c/a; echo done";

    fn shell(dir: &Path, script: &str) -> Target {
        let env = vec![
            ("PATH".to_string(), std::env::var("PATH").unwrap()),
            ("LC_ALL".to_string(), "C".to_string()),
        ];
        Target {
            argv: ["sh", "-c", script].map(Into::into).to_vec(),
            env,
            cwd: dir.to_path_buf(),
        }
    }

    /// Runs the script in a fresh folder, disturbed at the k-th call.
    fn disturbed(mode: Mode, k: u64) -> (tempfile::TempDir, Ran) {
        let dir = tempfile::tempdir().unwrap();
        let ran = run(&shell(dir.path(), SCRIPT), mode, k).unwrap();
        (dir, ran)
    }

    /// Lists the names in the folder with their contents, sorted.
    fn contents(dir: &Path) -> Vec<String> {
        let mut all = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            if path.is_dir() {
                all.push(format!("{name}/"));
                all.extend(
                    contents(&path)
                        .iter()
                        .map(|inner| format!("{name}/{inner}")),
                );
            } else {
                all.push(format!("{name}={}", fs::read_to_string(&path).unwrap()));
            }
        }
        all.sort();
        all
    }

    #[test]
    fn an_undisturbed_run_is_counted_and_not_changed() {
        let (dir, ran) = disturbed(Mode::Kill, 0);
        assert_eq!(
            (ran.calls, ran.exit, ran.killed, ran.stdout.as_str()),
            (6, 0, false, "done\n"),
            "{ran:?}"
        );
        assert_eq!(contents(dir.path()), ["b=two", "c/", "c/a=one"]);
        let (dir, ran) = disturbed(Mode::Kill, 7);
        assert_eq!(
            (ran.calls, ran.exit, ran.at.as_str()),
            (6, 0, ""),
            "a point past the end is never reached"
        );
        assert_eq!(contents(dir.path()), ["b=two", "c/", "c/a=one"]);
    }

    #[test]
    fn a_kill_at_each_call_leaves_exactly_what_came_before_it() {
        let before: [&[&str]; 6] = [
            &[],
            &["a="],
            &["a=one"],
            &["a=one", "b="],
            &["a=one", "b=two"],
            &["a=one", "b=two", "c/"],
        ];
        let at = [
            "openat(a)",
            "write(",
            "openat(b)",
            "write(",
            "mkdir(c)",
            "rename",
        ];
        for (k, (left, at)) in (1..).zip(before.iter().zip(at)) {
            let (dir, ran) = disturbed(Mode::Kill, k);
            assert_eq!(contents(dir.path()), *left, "killed at {k}: {ran:?}");
            assert_eq!(
                (ran.calls, ran.exit, ran.killed, ran.stdout.as_str()),
                (k, 137, true, ""),
                "{ran:?}"
            );
            assert!(ran.at.starts_with(at), "{ran:?}");
        }
    }

    #[test]
    fn a_kill_after_a_call_leaves_what_it_did_and_a_torn_write_half_of_it() {
        let (dir, ran) = disturbed(Mode::After, 2);
        assert_eq!(contents(dir.path()), ["a=one"], "{ran:?}");
        let (dir, ran) = disturbed(Mode::Torn, 4);
        assert_eq!(contents(dir.path()), ["a=one", "b=t"], "{ran:?}");
        let (dir, ran) = disturbed(Mode::Torn, 5);
        assert_eq!(
            contents(dir.path()),
            ["a=one", "b=two", "c/"],
            "what is no write runs whole: {ran:?}"
        );
    }

    #[test]
    fn errors_are_answered_once_or_for_ever() {
        let (dir, ran) = disturbed(Mode::Err(libc::ENOSPC), 5);
        assert_eq!(contents(dir.path()), ["a=one", "b=two"], "{ran:?}");
        assert!(ran.stderr.contains("No space left"), "{ran:?}");
        assert!(!ran.killed && ran.exit == 0, "{ran:?}");
        let (dir, ran) = disturbed(Mode::ErrAll(libc::EIO), 3);
        assert_eq!(contents(dir.path()), ["a=one"], "{ran:?}");
        assert!(
            ran.exit != 0 || ran.stderr.contains("Input/output error"),
            "{ran:?}"
        );
    }

    #[test]
    fn signals_are_delivered_at_the_call_and_can_be_handled() {
        let dir = tempfile::tempdir().unwrap();
        let ran = run(
            &shell(
                dir.path(),
                "trap 'echo caught; exit 7' TERM; printf 1 >a; printf 2 >b",
            ),
            Mode::Term,
            2,
        )
        .unwrap();
        assert_eq!(
            (ran.exit, ran.stdout.as_str(), ran.killed),
            (7, "caught\n", false),
            "{ran:?}"
        );
        let (_, ran) = disturbed(Mode::Int, 1);
        assert_eq!(ran.exit, 130, "{ran:?}");
    }

    #[test]
    fn threads_and_children_are_counted_together_and_die_together() {
        let dir = tempfile::tempdir().unwrap();
        // Two children at once; the second never ends by itself.
        let script = "(sleep 300; printf late >late) & printf 1 >a; printf 2 >b; wait";
        let started = std::time::Instant::now();
        let ran = run(&shell(dir.path(), script), Mode::Kill, 4).unwrap();
        assert!(ran.killed && started.elapsed().as_secs() < 60, "{ran:?}");
        assert_eq!(contents(dir.path()), ["a=1", "b="]);
    }

    #[test]
    fn git_is_counted_the_same_twice_and_killed_where_it_says() {
        let sandbox = crate::support::Sandbox::empty();
        sandbox.write("file", b"bytes");
        let target = |sandbox: &crate::support::Sandbox| Target {
            argv: ["git", "add", "file"].map(Into::into).to_vec(),
            env: sandbox.environment(),
            cwd: sandbox.root(),
        };
        let calls = count(&target(&sandbox.copy())).unwrap();
        assert_eq!(calls, count(&target(&sandbox.copy())).unwrap());
        let mut locks = 0;
        for k in 1..=calls {
            let copy = sandbox.copy();
            let ran = run(&target(&copy), Mode::Kill, k).unwrap();
            assert!(ran.killed && ran.calls == k, "{ran:?}");
            locks += usize::from(copy.exists(".git/index.lock"));
        }
        assert!(
            locks > 0,
            "git leaves its lock when it is killed: the harness must see that"
        );
    }
}
