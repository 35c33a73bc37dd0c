//! Hooks in difficult conditions: folders, links, edits, kills, a missing program, failing hooks,
//! managers that come later, and unexpected calls.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::support::{
    Sandbox,
    sandbox::{Ran, snapback_program},
};

/// Creates a repository with a released task and a remote.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.add_remote();
    sandbox.release("T01", "1.0.0");
    sandbox
        .git(&["push", "-q", "origin", "main", "T01-v1.0.0"])
        .expect(0);
    fs::create_dir_all(sandbox.at(".git/hooks")).unwrap();
    sandbox
}

fn script(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Installs scripts, whatever this git supports.
#[track_caller]
fn install(sandbox: &Sandbox, more: &[&str]) -> Ran {
    sandbox.snapback(&[&["hooks", "install", "-y", "--method", "shim"], more].concat())
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_folder_in_the_place_of_a_hook_is_refused_before_anything_is_changed() {
    let sandbox = prepared();
    fs::create_dir_all(sandbox.at(".git/hooks/pre-push/inside")).unwrap();
    let before = sandbox.git_out(&["config", "--list"]);
    let refused = install(&sandbox, &[]).expect(6);
    assert!(
        refused.stderr.contains("neither a file nor a link"),
        "{}",
        refused.stderr
    );
    assert!(
        !sandbox.exists(".git/hooks/post-commit"),
        "nothing is half done"
    );
    assert_eq!(sandbox.git_out(&["config", "--list"]), before);
    install(&sandbox, &["--only", "post-commit"]).expect(0);
}

#[test]
fn a_hook_that_is_not_executable_stays_so_and_does_not_run() {
    let sandbox = prepared();
    let hook = sandbox.at(".git/hooks/post-commit");
    script(&hook, "#!/bin/sh\ntouch ran\n", 0o640);
    install(&sandbox, &[]).expect(0);
    sandbox
        .git(&["commit", "-q", "--allow-empty", "-m", "x"])
        .expect(0);
    assert!(!sandbox.exists("ran"), "git would not have run it either");
    sandbox.snapback(&["hooks", "uninstall", "-y"]).expect(0);
    assert_eq!(
        (mode(&hook), fs::read(&hook).unwrap().as_slice()),
        (0o640, &b"#!/bin/sh\ntouch ran\n"[..])
    );
}

#[test]
fn an_edited_script_is_neither_replaced_nor_removed() {
    let sandbox = prepared();
    script(
        &sandbox.at(".git/hooks/pre-push"),
        "#!/bin/sh\nexit 0\n",
        0o755,
    );
    install(&sandbox, &[]).expect(0);
    let hook = sandbox.at(".git/hooks/pre-push");
    let edited = fs::read_to_string(&hook).unwrap() + "echo mine\n";
    script(&hook, &edited, 0o755);
    for words in [
        &["hooks", "uninstall", "-y"][..],
        &["hooks", "install", "-y"],
    ] {
        let refused = sandbox.snapback(words).expect(6);
        assert!(
            refused
                .stderr
                .contains("was changed since snapback wrote it"),
            "{}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains("pre-push.pre-snapback"),
            "it says how: {}",
            refused.stderr
        );
    }
    assert_eq!(fs::read_to_string(&hook).unwrap(), edited);
    let status = sandbox.snapback(&["hooks", "status"]).expect(4);
    assert!(
        status.stdout.contains("changed by a person"),
        "{}",
        status.stdout
    );
    // As advised.
    fs::rename(sandbox.at(".git/hooks/pre-push.pre-snapback"), &hook).unwrap();
    sandbox.snapback(&["hooks", "uninstall", "-y"]).expect(0);
    assert_eq!(fs::read(&hook).unwrap(), b"#!/bin/sh\nexit 0\n");
}

#[test]
fn a_hook_under_the_kept_name_is_not_overwritten() {
    let sandbox = prepared();
    script(
        &sandbox.at(".git/hooks/pre-push"),
        "#!/bin/sh\nexit 0\n",
        0o755,
    );
    script(
        &sandbox.at(".git/hooks/pre-push.pre-snapback"),
        "#!/bin/sh\n# mine\n",
        0o755,
    );
    let refused = install(&sandbox, &[]).expect(6);
    assert!(
        refused.stderr.contains("is another hook"),
        "{}",
        refused.stderr
    );
    assert!(!sandbox.exists(".git/hooks/post-commit"));
}

#[test]
fn the_state_that_a_kill_leaves_is_finished_or_taken_back() {
    let sandbox = prepared();
    let hooks = sandbox.at(".git/hooks");
    let foreign = "#!/bin/sh\ntrue\n";
    script(&hooks.join("pre-push"), foreign, 0o755);
    install(&sandbox, &[]).expect(0);
    let ours = fs::read_to_string(hooks.join("pre-push")).unwrap();
    // Just before the exchange: the foreign hook in its place, our script under the kept name.
    let half = || {
        script(&hooks.join("pre-push"), foreign, 0o755);
        script(&hooks.join("pre-push.pre-snapback"), &ours, 0o755);
        script(&hooks.join(".tmp-snapback-post-merge"), "#!/bin", 0o755);
    };
    half();
    sandbox.git(&["push", "-q", "origin", "main"]).expect(0);
    install(&sandbox, &[]).expect(0);
    assert_eq!(fs::read_to_string(hooks.join("pre-push")).unwrap(), ours);
    assert_eq!(
        fs::read_to_string(hooks.join("pre-push.pre-snapback")).unwrap(),
        foreign
    );
    half();
    sandbox.snapback(&["hooks", "uninstall", "-y"]).expect(0);
    let mut left: Vec<String> = fs::read_dir(&hooks)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.retain(|name| !name.ends_with(".sample"));
    assert_eq!(left, ["pre-push"]);
    assert_eq!(fs::read_to_string(hooks.join("pre-push")).unwrap(), foreign);
}

#[test]
fn a_lock_of_the_configuration_that_a_kill_left_is_removed_and_a_foreign_one_is_not() {
    let sandbox = prepared();
    let redirect = ["hooks", "install", "-y", "--method", "redirect"];
    fs::write(sandbox.at(".git/snapback/config.new"), "x").unwrap();
    fs::hard_link(
        sandbox.at(".git/snapback/config.new"),
        sandbox.at(".git/config.lock"),
    )
    .unwrap();
    sandbox.snapback(&redirect).expect(0);
    assert!(!sandbox.exists(".git/config.lock"));
    let before = sandbox.read(".git/config");
    fs::write(sandbox.at(".git/config.lock"), "somebody else's").unwrap();
    sandbox.snapback(&["hooks", "uninstall", "-y"]).expect(11);
    assert_eq!(sandbox.read(".git/config"), before);
    assert_eq!(sandbox.read(".git/config.lock"), b"somebody else's");
    fs::remove_file(sandbox.at(".git/config.lock")).unwrap();
    sandbox.snapback(&["hooks", "uninstall", "-y"]).expect(0);
    assert!(!sandbox.exists(".git/snapback/hooks"));
}

#[test]
fn a_missing_program_stops_nothing_unless_it_is_strict() {
    let sandbox = prepared();
    let gone = sandbox.top().join("gone");
    for (strict, code) in [(false, 0), (true, 1)] {
        fs::copy(snapback_program(), &gone).unwrap();
        let more = ["--program", gone.to_str().unwrap(), "--strict"];
        install(&sandbox, &more[..2 + usize::from(strict)]).expect(0);
        fs::remove_file(&gone).unwrap();
        let ran = sandbox.git(&["push", "-q", "origin", "main"]).expect(code);
        assert_eq!(
            ran.stderr
                .lines()
                .filter(|line| line.contains("the program is gone"))
                .count(),
            1,
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn what_goes_wrong_inside_is_one_line_and_stops_nothing() {
    let sandbox = prepared();
    sandbox.write("snapback.yaml", b"tasks: [\n");
    for (words, code) in [
        (&["hook", "run", "post-commit"][..], 0),
        (&["hook", "run", "no-such-hook"], 0),
        (&["hook", "run", "--strict", "pre-push"], 6),
    ] {
        let ran = sandbox.snapback(words).expect(code);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.lines().count() >= 1),
            ("", true),
            "{words:?}"
        );
    }
    assert_eq!(
        sandbox
            .snapback(&["hook", "run", "post-commit"])
            .stderr
            .lines()
            .count(),
        1
    );
    for variable in [("SNAPBACK_HOOK_DEPTH", "1"), ("SNAPBACK_HOOKS", "0")] {
        let mut silent = Sandbox::beside(&sandbox, "repo");
        silent
            .variables
            .push((variable.0.into(), variable.1.into()));
        assert_eq!(
            silent
                .snapback(&["hook", "run", "--strict", "pre-push"])
                .expect(0)
                .stderr,
            ""
        );
    }
}

#[test]
fn the_code_of_a_foreign_hook_is_what_git_sees() {
    let sandbox = prepared();
    script(
        &sandbox.at(".git/hooks/pre-push"),
        "#!/bin/sh\ncat >seen\nprintf '%s|' \"$@\" >args\nexit 7\n",
        0o755,
    );
    install(&sandbox, &[]).expect(0);
    sandbox.write("tasks/T01/signal.py", b"x\n");
    sandbox.git(&["commit", "-qam", "x"]).expect(0);
    let line = format!(
        "refs/heads/main {} refs/heads/main {}\n",
        sandbox.git_out(&["rev-parse", "main"]),
        sandbox.git_out(&["rev-parse", "main~"])
    );
    sandbox.git(&["push", "-q", "origin", "main"]).expect(1);
    assert_eq!(String::from_utf8(sandbox.read("seen")).unwrap(), line);
    assert_eq!(sandbox.read("args"), b"origin|../up.git|");
    let mut shell = sandbox.command(sandbox.at(".git/hooks/pre-push"));
    assert_eq!(shell.args(["a b", ""]).status().unwrap().code(), Some(7));
    assert_eq!(sandbox.read("args"), b"a b||");
}

#[test]
fn a_manager_that_takes_our_place_and_calls_us_makes_no_circle() {
    let sandbox = prepared();
    let hooks = sandbox.at(".git/hooks");
    // What pre-commit does when it is installed over another hook, and then once more.
    let manager = "#!/usr/bin/env bash\n# File generated by pre-commit: https://pre-commit.com\necho manager >>log\n\
                   here=\"$(cd \"$(dirname \"$0\")\" && pwd)\"\n[ -x \"$here/post-commit.legacy\" ] && \"$here/post-commit.legacy\" \"$@\"\nexit 0\n";
    script(&hooks.join("post-commit"), manager, 0o755);
    install(&sandbox, &[]).expect(0);
    fs::rename(hooks.join("post-commit"), hooks.join("post-commit.legacy")).unwrap();
    script(&hooks.join("post-commit"), manager, 0o755);
    sandbox.write("tasks/T01/signal.py", b"x\n");
    let ran = sandbox.git(&["commit", "-qam", "x"]).expect(0);
    assert_eq!(
        ran.stderr.matches("1 commit after 1.0.0").count(),
        1,
        "{}",
        ran.stderr
    );
    assert!(
        sandbox.read("log").len() <= 2 * "manager\n".len(),
        "no circle"
    );
    assert_eq!(
        sandbox
            .snapback(&["hooks", "install", "-y", "--method", "shim", "--json"])
            .expect(0)
            .json()["changed"],
        false
    );
    sandbox.snapback(&["hooks", "uninstall", "-y"]).expect(0);
    assert_eq!(
        fs::read_to_string(hooks.join("post-commit")).unwrap(),
        manager
    );
}

#[test]
fn a_hook_that_runs_git_has_its_own_hooks_run() {
    let sandbox = prepared();
    script(
        &sandbox.at(".git/hooks/post-commit"),
        "#!/bin/sh\necho ran >>log\n[ -e once ] || { touch once; git commit -q --allow-empty -m again; }\n",
        0o755,
    );
    install(&sandbox, &[]).expect(0);
    sandbox
        .git(&["commit", "-q", "--allow-empty", "-m", "x"])
        .expect(0);
    assert_eq!(sandbox.read("log"), b"ran\nran\n", "once a commit");
}

#[test]
fn husky_may_name_its_folder_again() {
    let sandbox = prepared();
    sandbox
        .git(&["config", "core.hooksPath", ".husky/_"])
        .expect(0);
    let before = sandbox.read(".git/config");
    sandbox
        .snapback(&["hooks", "install", "-y", "--method", "redirect"])
        .expect(0);
    sandbox
        .git(&["config", "core.hooksPath", ".husky/_"])
        .expect(0);
    let status = sandbox.snapback(&["hooks", "status"]).expect(4);
    assert!(
        status
            .stdout
            .contains("does not lead through snapback any more"),
        "{}",
        status.stdout
    );
    sandbox
        .snapback(&["hooks", "install", "-y", "--method", "redirect"])
        .expect(0);
    sandbox.snapback(&["hooks", "status"]).expect(0);
    sandbox.snapback(&["hooks", "uninstall", "-y"]).expect(0);
    assert_eq!(sandbox.read(".git/config"), before);
}

#[test]
fn a_push_of_a_moved_or_broken_release_is_refused() {
    let sandbox = prepared();
    install(&sandbox, &[]).expect(0);
    sandbox.git(&["tag", "-f", "T01-v1.0.0", "HEAD~"]).expect(0);
    let moved = sandbox
        .git(&["push", "-qf", "origin", "T01-v1.0.0"])
        .expect(1);
    assert!(
        moved.stderr.contains("has with another content"),
        "{}",
        moved.stderr
    );
    let mut allowed = Sandbox::beside(&sandbox, "repo");
    allowed
        .variables
        .push(("SNAPBACK_ALLOW_TAG_DELETE".into(), "1".into()));
    allowed
        .git(&["push", "-qf", "origin", "T01-v1.0.0"])
        .expect(0);
    // A held version is a warning, and a refusal in strict mode.
    sandbox.release("T01", "1.1.0");
    sandbox
        .snapback(&["hold", "1.1.0", "-t", "T01", "-m", "under review"])
        .expect(0);
    let warned = sandbox
        .git(&["push", "-q", "--dry-run", "origin", "T01-v1.1.0"])
        .expect(0);
    assert!(
        warned.stderr.contains("T01 1.1.0 is held"),
        "{}",
        warned.stderr
    );
    install(&sandbox, &["--strict"]).expect(0);
    let refused = sandbox.git(&["push", "-q", "origin", "main"]).expect(1);
    assert!(
        refused.stderr.contains("pre-push refuses"),
        "{}",
        refused.stderr
    );
    sandbox
        .snapback(&["hold", "1.1.0", "-t", "T01", "--lift"])
        .expect(0);
    let behind = sandbox.git(&["push", "-q", "origin", "main"]).expect(0);
    assert!(
        behind.stderr.contains("T01-v1.1.0 not pushed"),
        "{}",
        behind.stderr
    );
}

#[test]
fn the_hooks_by_choice_look_at_what_is_staged() {
    let sandbox = prepared();
    install(&sandbox, &["--only", "pre-commit,commit-msg"]).expect(0);
    sandbox.write("tasks/T01/signal.py", b"x\n");
    let said = sandbox.git(&["commit", "-qam", "no form at all"]).expect(0);
    assert!(
        said.stderr.contains("no Conventional Commit"),
        "{}",
        said.stderr
    );
    assert!(
        sandbox
            .git_out(&["log", "-1", "--format=%B"])
            .ends_with("Snapback-Task: T01")
    );
    let registry = String::from_utf8(sandbox.read("task_registry.json"))
        .unwrap()
        .replace("1.0.0", "9.0.0");
    sandbox.write("task_registry.json", registry.as_bytes());
    sandbox.write("snapshots/snapshot-T01-v1.0.0.yaml", b"changed\n");
    install(&sandbox, &["--only", "pre-commit,commit-msg", "--strict"]).expect(0);
    let refused = sandbox.git(&["commit", "-qam", "fix: by hand"]).expect(1);
    for word in ["T01 9.0.0, which is not released", "manifest of a release"] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    sandbox
        .git(&["commit", "-qam", "fix: by hand", "--no-verify"])
        .expect(0);
}
