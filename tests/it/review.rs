//! Reviewers' findings, each in the way it went wrong: names and files that are the user's,
//! inverses that were not exact, files that move between git, the store and nowhere.
//!
//! Real repositories, the real program, git as the judge. Read `support/sandbox.rs` first.

use crate::support::{Sandbox, story};

/// Creates T01 1.0.0, 1.1.0 and 1.2.0; `signal.py` always differs, `lib/rules.py` in the last.
fn three_releases() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"two = 2\n");
    sandbox.release("T01", "1.1.0");
    sandbox.write("tasks/T01/signal.py", b"three = 3\n");
    sandbox.write("tasks/T01/lib/rules.py", b"RULES = []\n");
    sandbox.release("T01", "1.2.0");
    sandbox
}

/// Rolls T01 back without a question.
#[track_caller]
fn back_to(sandbox: &Sandbox, version: &str, more: &[&str]) {
    let args = [
        &["rollback", "--task", "T01", "--to", version, "--yes"],
        more,
    ]
    .concat();
    sandbox.snapback(&args).expect(0);
}

#[test]
fn a_folder_of_the_users_with_the_name_of_the_staging_folder_is_left_alone() {
    let sandbox = three_releases();
    sandbox.write(".snapback/notes.txt", b"precious");
    let before = sandbox.tree();
    for args in [
        &["rollback", "--task", "T01", "--to", "1.0.0", "--yes"][..],
        &[
            "create-snapshot",
            "--task",
            "T01",
            "--version",
            "2.0.0",
            "--yes",
        ],
        &["create-snapshot", "--task", "T02", "--yes"],
    ] {
        let ran = sandbox.snapback(args).expect(6);
        assert!(ran.stderr.contains(".snapback"), "{ran:?}");
        assert_eq!(sandbox.tree(), before, "{args:?}");
    }
    std::fs::remove_dir_all(sandbox.at(".snapback")).unwrap();
    back_to(&sandbox, "1.0.0", &[]);
}

#[test]
fn a_file_that_was_taken_out_of_the_index_is_released_once() {
    let sandbox = Sandbox::new(1);
    sandbox.write("tasks/T01/weights.bin", b"small, and in git\n");
    sandbox
        .git(&["add", "-f", "tasks/T01/weights.bin"])
        .expect(0);
    let story = story::Story::begin(&sandbox, |sandbox| {
        sandbox
            .git(&[
                "rm",
                "-q",
                "--cached",
                "tasks/T01/weights.bin",
                "tasks/T01/signal.py",
            ])
            .expect(0);
        sandbox.write("tasks/T01/weights.bin", b"in the store now\n");
    });
    assert_eq!(sandbox.git_out(&["ls-files", "tasks/T01/weights.bin"]), "");
    assert_eq!(
        sandbox.git_out(&["ls-files", "tasks/T01/signal.py"]),
        "tasks/T01/signal.py"
    );
    story.go();
}

#[test]
fn only_the_last_operation_of_a_task_is_taken_back() {
    let sandbox = three_releases();
    back_to(&sandbox, "1.1.0", &[]);
    back_to(&sandbox, "1.0.0", &[]);
    let listed = sandbox.snapback(&["op", "list", "--json"]).expect(0).json();
    let first = listed["data"]["operations"][1]["id"]
        .as_str()
        .unwrap()
        .to_string();
    let before = sandbox.tree();
    let ran = sandbox.snapback(&["undo", &first, "--yes"]).expect(7);
    assert!(ran.stderr.contains("mix two versions"), "{ran:?}");
    assert_eq!(sandbox.tree(), before);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    sandbox.snapback(&["undo", &first, "--yes"]).expect(0);
    story::assert_released(&sandbox, "1.2.0");
}

#[test]
fn undo_on_a_branch_where_the_task_is_elsewhere_is_a_conflict() {
    let sandbox = three_releases();
    sandbox.git(&["branch", "older", "T01-v1.1.0"]).expect(0);
    back_to(&sandbox, "1.0.0", &[]);
    sandbox.git(&["checkout", "-q", "older"]).expect(0);
    let before = sandbox.tree();
    sandbox.snapback(&["undo", "--yes"]).expect(7);
    assert_eq!(sandbox.tree(), before);
    sandbox.git(&["checkout", "-q", "main"]).expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    story::assert_released(&sandbox, "1.2.0");
}

#[test]
fn undo_leaves_no_registry_where_there_was_none() {
    let sandbox = three_releases();
    sandbox.git(&["rm", "-q", "task_registry.json"]).expect(0);
    sandbox
        .git(&["commit", "-q", "-m", "no registry"])
        .expect(0);
    let before = sandbox.tree();
    back_to(&sandbox, "1.0.0", &[]);
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.0.0"));
    let after = sandbox.tree();
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree(), before);
    assert_eq!(sandbox.status(), Vec::<String>::new());
    sandbox.snapback(&["redo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree(), after);
    assert_eq!(sandbox.status(), Vec::<String>::new());
}

#[test]
fn undo_gives_the_commit_and_the_work_tree_each_its_own_registry_back() {
    let sandbox = three_releases();
    back_to(&sandbox, "1.1.0", &["--no-commit"]);
    let (tree, status, head) = (
        sandbox.tree(),
        sandbox.status(),
        sandbox.git_out(&["rev-parse", "HEAD^{tree}"]),
    );
    back_to(&sandbox, "1.0.0", &[]);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!((sandbox.tree(), sandbox.status()), (tree, status));
    assert_eq!(
        sandbox.git_out(&["rev-parse", "HEAD^{tree}"]),
        head,
        "HEAD is whole 1.2.0 again, registry and all"
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    story::assert_released(&sandbox, "1.2.0");
}

#[test]
fn bytes_that_only_the_index_had_outlive_gc_after_a_rollback_without_a_commit() {
    let sandbox = three_releases();
    sandbox.write("tasks/T01/signal.py", b"only staged\n");
    sandbox.git(&["add", "tasks/T01/signal.py"]).expect(0);
    back_to(&sandbox, "1.0.0", &["--no-commit"]);
    sandbox.git(&["add", "-A"]).expect(0);
    sandbox
        .git(&["reflog", "expire", "--expire=now", "--all"])
        .expect(0);
    sandbox.git(&["gc", "-q", "--prune=now"]).expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.read("tasks/T01/signal.py"), b"only staged\n");
}

#[test]
fn a_configuration_that_git_ignores_stays_out_of_git_and_follows_the_version() {
    let sandbox = Sandbox::new(1);
    sandbox
        .git(&["rm", "-q", "--cached", "tasks/T01/config.yaml"])
        .expect(0);
    sandbox.write(".gitignore", b"*.bin\nconfig.yaml\n");
    sandbox
        .git(&["commit", "-q", "-am", "the configuration is private"])
        .expect(0);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"two = 2\n");
    sandbox.release("T01", "1.1.0");
    let before = sandbox.tree();
    let committed = sandbox.git_out(&[
        "log",
        "--format=%s",
        "T01-v1.0.0..",
        "--",
        "tasks/T01/config.yaml",
    ]);
    assert_eq!(committed, "", "no commit holds it");
    back_to(&sandbox, "1.0.0", &[]);
    assert_eq!(sandbox.config_version("T01").as_deref(), Some("1.0.0"));
    sandbox
        .snapback(&["verify-rollback", "--task", "T01", "--expected", "1.0.0"])
        .expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree(), before);
    assert_eq!(sandbox.status(), Vec::<String>::new());
}

#[test]
fn a_configuration_outside_the_tasks_folder_is_released_and_restored() {
    let sandbox = Sandbox::new(2);
    sandbox.write("conf/one.yaml", &sandbox.read("tasks/T01/config.yaml"));
    sandbox
        .git(&["rm", "-q", "tasks/T01/config.yaml"])
        .expect(0);
    let settings = [
        &sandbox.read("snapback.yaml")[..],
        b"tasks:\n  T01: {config: /conf/one.yaml}\n",
    ]
    .concat();
    sandbox.write("snapback.yaml", &settings);
    sandbox.commit("the configuration moves");
    sandbox.release("T01", "1.0.0");
    let old = sandbox.read("conf/one.yaml");
    sandbox.write("conf/one.yaml", b"version: 1.1.0\nmax_leverage: 9\n");
    sandbox.release("T01", "1.1.0");
    back_to(&sandbox, "1.0.0", &[]);
    assert_eq!(sandbox.read("conf/one.yaml"), old);
    sandbox
        .snapback(&["verify-rollback", "--task", "T01", "--expected", "1.0.0"])
        .expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        sandbox.read("conf/one.yaml"),
        b"version: 1.1.0\nmax_leverage: 9\n"
    );
    assert_eq!(sandbox.status(), Vec::<String>::new());
}

#[test]
fn executable_bits_are_gits_where_it_does_not_trust_the_file_system() {
    let sandbox = Sandbox::new(1);
    sandbox.git(&["config", "core.fileMode", "false"]).expect(0);
    sandbox.chmod("tasks/T01/run.sh", 0o644);
    let story = story::Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/run.sh", b"#!/bin/sh\nexit 0\n");
    });
    let entry = || sandbox.git_out(&["ls-files", "-s", "tasks/T01/run.sh"]);
    assert!(entry().starts_with("100755"), "{}", entry());
    story.go();
    assert!(entry().starts_with("100755"), "{}", entry());
}

#[test]
fn adoption_commits_no_other_uncommitted_entry_and_no_ignored_registry() {
    let sandbox = Sandbox::new(2);
    let registry = String::from_utf8(sandbox.read("task_registry.json")).unwrap();
    let mut entries: serde_json::Value = serde_json::from_str(&registry).unwrap();
    entries["tasks"].as_object_mut().unwrap().remove("T01");
    sandbox.write(
        "task_registry.json",
        serde_json::to_string_pretty(&entries).unwrap().as_bytes(),
    );
    sandbox
        .git(&["commit", "-q", "-am", "T01 has no entry"])
        .expect(0);
    sandbox.git(&["tag", "T01-v1.0.0"]).expect(0);
    let ignored = sandbox.copy();
    entries["tasks"]["T02"]["version"] = "7.7.7".into();
    sandbox.write(
        "task_registry.json",
        serde_json::to_string_pretty(&entries).unwrap().as_bytes(),
    );
    sandbox
        .snapback(&["adopt", "--task", "T01", "--yes"])
        .expect(0);
    let head: serde_json::Value =
        serde_json::from_str(&sandbox.git_out(&["show", "HEAD:task_registry.json"])).unwrap();
    let versions = |registry: &serde_json::Value| {
        ["T01", "T02"].map(|task| {
            registry["tasks"][task]["version"]
                .as_str()
                .map(str::to_string)
        })
    };
    assert_eq!(
        versions(&head),
        [Some("1.0.0".to_string()), Some("1.0.0".to_string())]
    );
    assert_eq!(sandbox.registry_version("T02").as_deref(), Some("7.7.7"));
    assert_eq!(sandbox.status(), [" M task_registry.json"]);

    ignored
        .git(&["rm", "-q", "--cached", "task_registry.json"])
        .expect(0);
    ignored.write(".gitignore", b"*.bin\ntask_registry.json\n");
    ignored
        .git(&["commit", "-q", "-am", "the registry is private"])
        .expect(0);
    ignored
        .snapback(&["adopt", "--task", "T01", "--yes"])
        .expect(0);
    assert_eq!(ignored.registry_version("T01").as_deref(), Some("1.0.0"));
    assert_eq!(ignored.git_out(&["ls-files", "task_registry.json"]), "");
    assert_eq!(ignored.status(), Vec::<String>::new());
}

#[test]
fn a_release_of_another_branch_is_not_adopted_over_its_own_manifest() {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    sandbox.git(&["checkout", "-q", "-b", "side"]).expect(0);
    sandbox.write("tasks/T01/model.bin", b"another model\n");
    sandbox.release("T01", "1.1.0");
    sandbox.git(&["checkout", "-q", "main"]).expect(0);
    sandbox
        .snapback(&["adopt", "--task", "T01", "--yes"])
        .expect(0);
    assert!(!sandbox.exists("snapshots/snapshot-T01-v1.1.0.yaml"));
    back_to(&sandbox, "1.1.0", &[]);
    assert_eq!(
        sandbox.read("tasks/T01/model.bin"),
        b"another model\n",
        "found through the other branch"
    );
}

#[test]
fn a_release_writes_over_no_file_that_only_the_work_tree_has() {
    let sandbox = Sandbox::new(1);
    sandbox.write("snapshots/snapshot-T01-v1.0.0.yaml", b"mine\n");
    sandbox
        .snapback(&[
            "create-snapshot",
            "--task",
            "T01",
            "--version",
            "1.0.0",
            "--yes",
        ])
        .expect(6);
    assert_eq!(
        sandbox.read("snapshots/snapshot-T01-v1.0.0.yaml"),
        b"mine\n"
    );
    assert_eq!(sandbox.git_out(&["tag"]), "");
}

#[test]
fn a_task_whose_folder_or_configuration_was_deleted_can_be_brought_back() {
    let sandbox = three_releases();
    std::fs::remove_dir_all(sandbox.at("tasks/T01")).unwrap();
    let gone = sandbox.tree();
    back_to(&sandbox, "1.2.0", &[]);
    story::assert_released(&sandbox, "1.2.0");
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree(), gone);
    sandbox.snapback(&["redo", "--yes"]).expect(0);
    story::assert_released(&sandbox, "1.2.0");
    std::fs::remove_file(sandbox.at("tasks/T01/config.yaml")).unwrap();
    back_to(&sandbox, "1.0.0", &[]);
    story::assert_released(&sandbox, "1.0.0");
}

#[test]
fn undo_takes_holds_back_as_they_were() {
    let sandbox = three_releases();
    let state = |version: &str| {
        let listed = sandbox
            .snapback(&["list", "--task", "T01"])
            .expect(0)
            .stdout;
        let line = listed
            .lines()
            .find(|line| line.contains(&format!(" {version} ")))
            .unwrap()
            .to_string();
        line.contains(" held ")
    };
    back_to(&sandbox, "1.1.0", &[]);
    assert!(state("1.2.0"), "what was left is held");
    back_to(&sandbox, "1.2.0", &[]);
    assert!(!state("1.2.0"), "going there lifts the hold");
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert!(state("1.2.0"), "and taking that back puts it on again");
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert!(!state("1.2.0"));
}

#[test]
fn a_configuration_that_no_rollback_touches_does_not_turn_it_back() {
    for key in ["protect", "exclude"] {
        let sandbox = Sandbox::new(1);
        let settings = [
            &sandbox.read("snapback.yaml")[..],
            format!("tasks:\n  T01: {{{key}: [config.yaml]}}\n").as_bytes(),
        ]
        .concat();
        sandbox.write("snapback.yaml", &settings);
        sandbox
            .git(&["commit", "-q", "-am", "the configuration stays"])
            .expect(0);
        sandbox.release("T01", "1.0.0");
        sandbox.write("tasks/T01/signal.py", b"two = 2\n");
        sandbox.release("T01", "1.1.0");
        let config = sandbox.read("tasks/T01/config.yaml");
        back_to(&sandbox, "1.0.0", &[]);
        assert_eq!(sandbox.read("tasks/T01/config.yaml"), config, "{key}");
        assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.0.0"));
    }
}

#[test]
fn releases_outlive_a_branch_that_was_reset_or_deleted() {
    let sandbox = three_releases();
    sandbox
        .git(&["reset", "-q", "--hard", "T01-v1.0.0"])
        .expect(0);
    sandbox
        .git(&["reflog", "expire", "--expire=now", "--all"])
        .expect(0);
    sandbox.git(&["gc", "-q", "--prune=now"]).expect(0);
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        sandbox
            .snapback(&[
                "verify-snapshot",
                "--task",
                "T01",
                "--version",
                version,
                "--deep",
            ])
            .expect(0);
    }
    back_to(&sandbox, "1.2.0", &[]);
    story::assert_released(&sandbox, "1.2.0");
}

#[test]
fn going_forward_holds_nothing_and_says_so() {
    let sandbox = three_releases();
    back_to(&sandbox, "1.0.0", &[]);
    let ran = sandbox
        .snapback(&["rollback", "--task", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    assert!(!ran.stdout.contains("held"), "{ran:?}");
}

#[test]
fn undo_takes_back_what_was_done_in_this_work_tree_first() {
    let mut sandbox = three_releases();
    sandbox
        .git(&["worktree", "add", "-q", "../linked", "-b", "linked"])
        .expect(0);
    sandbox.work = "linked";
    let here = sandbox.tree_in("tasks");
    back_to(&sandbox, "1.0.0", &[]);
    sandbox.work = "repo";
    back_to(&sandbox, "1.1.0", &[]);
    let there = sandbox.tree();
    sandbox.work = "linked";
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in("tasks"), here);
    let ran = sandbox.snapback(&["undo", "--yes"]).expect(6);
    assert!(ran.stderr.contains("was done in the work tree"), "{ran:?}");
    sandbox.work = "repo";
    assert_eq!(sandbox.tree(), there);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    story::assert_released(&sandbox, "1.2.0");
}

#[test]
fn a_configuration_that_is_another_tasks_file_is_refused() {
    let sandbox = Sandbox::new(2);
    let settings = [
        &sandbox.read("snapback.yaml")[..],
        b"tasks:\n  T02: {config: /tasks/T01/config.yaml}\n",
    ]
    .concat();
    sandbox.write("snapback.yaml", &settings);
    let ran = sandbox
        .snapback(&["create-snapshot", "--task", "T02", "--yes"])
        .expect(2);
    assert!(
        ran.stderr
            .contains("tasks/T01/config.yaml is a file of T01"),
        "{ran:?}"
    );
}
