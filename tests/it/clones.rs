//! Machines other than the releasing one: clones without tags, shallow checkouts, squash merges,
//! branches from old releases. No version is ever released twice, and nothing is called verified
//! that was not examined.

use crate::support::{Sandbox, sandbox::Ran};

/// Creates a bare remote `up.git` and a clone of it with T01 and T02 released as 1.0.0, T01 as
/// 1.1.0 too, pushed.
pub fn released() -> Sandbox {
    let a = Sandbox::empty();
    for task in ["T01", "T02"] {
        a.write(
            &format!("tasks/{task}/config.yaml"),
            b"name: momentum\nversion: 1.0.0\n",
        );
        a.write(&format!("tasks/{task}/signal.py"), b"one\n");
    }
    a.write(
        "task_registry.json",
        b"{\n  \"tasks\": {\n    \"T01\": {\"version\": \"1.0.0\"},\n    \"T02\": {\"version\": \"1.0.0\"}\n  }\n}\n",
    );
    a.commit("tasks");
    a.add_remote();
    a.release("T01", "1.0.0");
    a.release("T02", "1.0.0");
    a.write("tasks/T01/signal.py", b"two\n");
    a.release("T01", "1.1.0");
    a.git(&["push", "-q", "-u", "origin", "main", "--tags"])
        .expect(0);
    a
}

/// Creates another clone with these options of `git clone`.
pub fn clone(a: &Sandbox, options: &[&str]) -> Sandbox {
    let url = format!("file://{}", a.top().join("up.git").display());
    a.git(&[&["clone", "-q"], options, &[url.as_str(), "../other"]].concat())
        .expect(0);
    Sandbox::beside(a, "other")
}

fn create(sandbox: &Sandbox, more: &[&str]) -> Ran {
    sandbox.snapback(
        &[
            &["create-snapshot", "-t", "T01", "-m", "again", "--yes"],
            more,
        ]
        .concat(),
    )
}

/// Returns the releases of T01 that have tags here.
fn tags(sandbox: &Sandbox) -> Vec<String> {
    sandbox
        .git_out(&["tag", "-l", "T01-v*", "--sort=version:refname"])
        .lines()
        .map(String::from)
        .collect()
}

/// Asserts that `doctor`, `status` and a rollback report the missing tags of this clone.
fn assert_missing_tags_are_named(b: &Sandbox, options: &[&str]) {
    let doctor = b.snapback(&["doctor"]).expect(8).stdout;
    assert!(
        doctor.contains("no release tags although snapshots/ has 3 manifests")
            && doctor.contains("git fetch --tags"),
        "{doctor}"
    );
    assert_eq!(
        doctor.contains("--unshallow"),
        options.contains(&"--depth"),
        "{doctor}"
    );
    let status = b.snapback(&["status"]).expect(0);
    assert!(
        status
            .stdout
            .contains("the tag of 1.1.0 is not in this clone: git fetch --tags"),
        "{}",
        status.stdout
    );
    assert!(
        status
            .stderr
            .contains("this clone has no release tags although snapshots/ has 3 manifests"),
        "{}",
        status.stderr
    );
    let unknown = b
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(5);
    assert!(
        unknown.stderr.contains("its tag is not in this clone")
            && unknown.stderr.contains("git fetch --tags"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_clone_without_tags_releases_nothing_again() {
    let a = released();
    for options in [
        &["--no-tags"][..],
        &["--no-tags", "--depth", "1"],
        &["--depth", "1"],
    ] {
        let b = clone(&a, options);
        b.git(&["tag", "-d"]).expect(0);
        for change in [false, true] {
            if change {
                b.write("tasks/T01/signal.py", b"three\n");
                b.git(&["commit", "-q", "-am", "feat(T01): three"])
                    .expect(0);
            }
            for version in [
                &["--bump", "auto"][..],
                &["--bump", "patch"],
                &["--bump", "major"],
                &[],
                &["--version", "1.1.0"],
            ] {
                let before = (b.tree(), b.git_out(&["for-each-ref"]));
                let refused = create(&b, version).expect(7);
                assert!(
                    refused.stderr.contains("git fetch --tags"),
                    "{options:?} {version:?}: {}",
                    refused.stderr
                );
                assert!(
                    refused.stderr.contains("1.1.0")
                        && refused.stderr.contains("its manifest is in HEAD"),
                    "{}",
                    refused.stderr
                );
                assert_eq!(
                    (b.tree(), b.git_out(&["for-each-ref"])),
                    before,
                    "{options:?} {version:?}"
                );
            }
        }
        // The configuration may name a version that is taken.
        b.write("tasks/T01/config.yaml", b"name: momentum\nversion: 1.0.0\n");
        create(&b, &[]).expect(7);
        b.git(&["checkout", "-q", "."]).expect(0);
        assert_missing_tags_are_named(&b, options);
        // With the tags the next version is counted, and the plan does not mention them.
        b.git(&["fetch", "-q", "--tags"]).expect(0);
        b.git(&["fetch", "-q", "--unshallow"]);
        create(&b, &["--bump", "patch"]).expect(0);
        assert_eq!(tags(&b), ["T01-v1.0.0", "T01-v1.1.0", "T01-v1.1.1"]);
        std::fs::remove_dir_all(b.root()).unwrap();
    }
}

#[test]
fn without_tags_every_command_names_them_and_none_says_that_nothing_was_released() {
    let a = released();
    let b = clone(&a, &["--no-tags"]);
    let untrue = [
        "oldest version",
        "has no release;",
        "nothing was released",
        "first release",
        "T01 it has one release",
        "never released",
    ];
    let fetch = "git fetch --tags";
    let says = |words: &[&str], code: i32| {
        let ran = b.snapback(words).expect(code);
        let text = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            text.contains(fetch) && !untrue.iter().any(|untrue| text.contains(untrue)),
            "{words:?}: {text}"
        );
        let json = b
            .snapback(&[words, &["--json"]].concat())
            .expect(code)
            .stdout;
        assert!(
            json.contains(r#"["git","fetch","--tags"]"#),
            "{words:?}: {json}"
        );
    };
    let lines: [(&[&str], i32); 13] = [
        (&["rollback", "-t", "T01", "--yes"], 5),
        (&["rollback", "-t", "T01", "--to", "active", "-n"], 5),
        (&["rollback", "-t", "T01", "--to", "previous", "-n"], 5),
        (&["rollback", "-t", "T01", "--to", "7.0.0", "-n"], 5),
        (&["disaster-recovery", "-t", "T01", "--to", "1.0.0"], 5),
        (&["drill", "-t", "T01"], 5),
        (&["drill", "--all"], 5),
        (&["verify-rollback", "-t", "T01"], 5),
        (&["show", "-t", "T01", "1.0.0"], 5),
        (&["list", "-t", "T01"], 0),
        (&["list"], 0),
        (&["history"], 0),
        (&["health"], 4),
    ];
    for (words, code) in lines {
        says(words, code);
    }
    // The tag of the active version alone does not make it the oldest one either.
    b.git(&["fetch", "-q", "--no-tags", "origin", "tag", "T01-v1.1.0"])
        .expect(0);
    for (words, code) in [
        (&["rollback", "-t", "T01", "--yes"][..], 5),
        (&["list", "-t", "T01"], 0),
        (&["health"], 4),
    ] {
        says(words, code);
    }
    b.git(&["fetch", "-q", "--tags"]).expect(0);
    b.snapback(&["rollback", "-t", "T01", "--to", "previous", "--yes"])
        .expect(0);
}

#[test]
fn a_version_of_ones_own_is_released_without_tags_and_the_plan_names_them() {
    let a = released();
    let b = clone(&a, &["--no-tags"]);
    b.write("tasks/T01/signal.py", b"three\n");
    let plan = create(&b, &["--version", "2.0.0", "--dry-run"]).expect(0);
    assert!(
        plan.stdout
            .contains("1.1.0, 1.0.0 have no tag here: git fetch --tags"),
        "{}",
        plan.stdout
    );
    create(&b, &["--version", "2.0.0"]).expect(0);
    assert_eq!(tags(&b), ["T01-v2.0.0"]);
    // Missing releases are distinguished from examined ones.
    let some = b.snapback(&["verify-snapshot", "--all"]).expect(8);
    assert!(
        some.stdout.contains("T01 2.0.0")
            && some.stdout.contains("T01 1.0.0, T01 1.1.0, T02 1.0.0"),
        "{}",
        some.stdout
    );
}

#[test]
fn a_verification_of_nothing_is_no_success() {
    let a = released();
    let b = clone(&a, &["--no-tags"]);
    let nothing = b.snapback(&["verify-snapshot", "--all"]).expect(8);
    assert!(
        nothing
            .stdout
            .contains("nothing was verified: this clone has no release tags"),
        "{}",
        nothing.stdout
    );
    assert!(
        nothing.stdout.contains("git fetch --tags"),
        "{}",
        nothing.stdout
    );
    let json = b
        .snapback(&["verify-snapshot", "--all", "--json"])
        .expect(8)
        .json();
    assert_eq!(
        (json["ok"].clone(), json["next"][0]["argv"].clone()),
        (false.into(), serde_json::json!(["git", "fetch", "--tags"]))
    );
    b.git(&["fetch", "-q", "--tags"]).expect(0);
    b.snapback(&["verify-snapshot", "--all"]).expect(0);
    let fresh = Sandbox::new(1);
    let nothing = fresh.snapback(&["verify-snapshot", "--all"]).expect(8);
    assert!(
        nothing
            .stdout
            .contains("nothing was verified: no task has a release"),
        "{}",
        nothing.stdout
    );
}

#[test]
fn a_branch_that_cannot_be_read_is_not_taken_for_one_without_releases() {
    let a = released();
    let b = clone(&a, &["--no-tags"]);
    b.write(".git/refs/heads/main", b"no commit\n");
    let nothing = b.snapback(&["verify-snapshot", "--all"]);
    assert!(
        nothing.code != 0 && !nothing.stdout.contains("no task has a release"),
        "{nothing:?}"
    );
    assert!(nothing.stderr.contains("error: "), "{nothing:?}");
    let asked = b.snapback(&["show", "-t", "T01", "@1h"]);
    assert!(
        asked.code != 0 && !asked.stderr.contains("it had no version then"),
        "{asked:?}"
    );
}

#[test]
fn after_a_squash_merge_no_version_goes_backwards() {
    let a = released();
    let b = clone(&a, &[]);
    a.git(&["switch", "-q", "-c", "feature"]).expect(0);
    a.write("tasks/T01/signal.py", b"three\n");
    a.release("T01", "1.2.0");
    a.git(&["push", "-q", "origin", "T01-v1.2.0"]).expect(0);
    a.git(&["switch", "-q", "main"]).expect(0);
    a.git(&["merge", "-q", "--squash", "feature"]).expect(0);
    a.git(&["commit", "-q", "-m", "squashed"]).expect(0);
    a.git(&["push", "-q", "origin", "main"]).expect(0);
    a.git(&["branch", "-q", "-D", "feature"]).expect(0);
    // A plain pull brings no tag whose commit is on no branch.
    b.git(&["pull", "-q"]).expect(0);
    assert_eq!(tags(&b), ["T01-v1.0.0", "T01-v1.1.0"]);
    for version in [
        &["--bump", "auto"][..],
        &["--bump", "patch"],
        &[],
        &["--version", "1.2.0"],
    ] {
        let refused = create(&b, version).expect(7);
        assert!(
            refused.stderr.contains("1.2.0") && refused.stderr.contains("git fetch --tags"),
            "{}",
            refused.stderr
        );
    }
    assert!(
        b.snapback(&["doctor"])
            .expect(8)
            .stdout
            .contains("T01 1.2.0 of 4 releases has a manifest here and no tag")
    );
    b.git(&["fetch", "-q", "--tags"]).expect(0);
    b.write("tasks/T01/signal.py", b"four\n");
    create(&b, &["--bump", "patch"]).expect(0);
    assert_eq!(tags(&b).last().unwrap(), "T01-v1.2.1");
    // The releasing clone counts on as well, although the tag is not in its branch.
    a.write("tasks/T01/signal.py", b"five\n");
    create(&a, &["--bump", "minor"]).expect(0);
    assert_eq!(tags(&a).last().unwrap(), "T01-v1.3.0");
}

#[test]
fn a_release_on_a_branch_that_is_only_known_is_not_made_again() {
    let a = released();
    let b = clone(&a, &["--no-tags"]);
    b.git(&["fetch", "-q", "--tags"]).expect(0);
    a.git(&["switch", "-q", "-c", "feature"]).expect(0);
    a.write("tasks/T01/signal.py", b"three\n");
    a.release("T01", "1.2.0");
    a.git(&["push", "-q", "origin", "feature"]).expect(0);
    b.git(&["fetch", "-q", "--no-tags"]).expect(0);
    b.write("tasks/T01/signal.py", b"mine\n");
    for version in [&["--bump", "minor"][..], &["--version", "1.2.0"]] {
        let refused = create(&b, version).expect(7);
        assert!(
            refused.stderr.contains("origin/feature"),
            "{}",
            refused.stderr
        );
    }
    let made = create(&b, &["--bump", "patch"]).expect(0);
    assert!(
        made.stderr
            .contains("this branch goes on from 1.1.0: 1.2.0 is not part of it"),
        "{}",
        made.stderr
    );
    assert_eq!(tags(&b).last().unwrap(), "T01-v1.1.1");
}

#[test]
fn a_branch_from_an_old_release_counts_from_that_release() {
    let a = released();
    a.git(&["switch", "-q", "-c", "hotfix", "T01-v1.0.0"])
        .expect(0);
    a.write("tasks/T01/signal.py", b"one, mended\n");
    a.git(&["commit", "-q", "-am", "fix(T01): repair"])
        .expect(0);
    for version in [&["--bump", "minor"][..], &["--bump", "major"]] {
        let refused = create(&a, version).expect(7);
        assert!(
            refused.stderr.contains("goes on from 1.0.0")
                && refused.stderr.contains("--version 1.0.1"),
            "{}",
            refused.stderr
        );
    }
    for version in [&["--bump", "auto", "--dry-run"][..], &["--dry-run"]] {
        let plan = create(&a, version).expect(0).stdout;
        assert!(
            plan.contains("1.0.0 → 1.0.1") || plan.contains("1.0.0 -> 1.0.1"),
            "{plan}"
        );
    }
    let made = create(&a, &["--bump", "patch"]).expect(0);
    assert!(
        made.stderr
            .contains("this branch goes on from 1.0.0: 1.1.0 is not part of it"),
        "{}",
        made.stderr
    );
    assert_eq!(tags(&a), ["T01-v1.0.0", "T01-v1.0.1", "T01-v1.1.0"]);
    // A second branch from the same release finds the number taken, and says so.
    a.git(&["switch", "-q", "-c", "other", "T01-v1.0.0"])
        .expect(0);
    a.write("tasks/T01/signal.py", b"one, mended otherwise\n");
    let refused = create(&a, &["--bump", "patch"]).expect(7);
    assert!(
        refused
            .stderr
            .contains("T01 1.0.1 exists already, and this branch is not built on it"),
        "{}",
        refused.stderr
    );
    let next = "snapback create-snapshot --task T01 --version 1.0.2";
    assert!(
        refused.stderr.contains(next) && refused.stderr.contains("git merge T01-v1.0.1"),
        "{}",
        refused.stderr
    );
    a.snapback(
        &[
            &next.split(' ').skip(1).collect::<Vec<_>>()[..],
            &["--dry-run"],
        ]
        .concat(),
    )
    .expect(0);
    create(&a, &["--version", "1.0.0-hotfix-20260301"]).expect(0);
    // Back on the main branch everything counts as before.
    a.git(&["switch", "-q", "main"]).expect(0);
    a.write("tasks/T01/signal.py", b"three\n");
    create(&a, &["--bump", "patch"]).expect(0);
    assert_eq!(tags(&a).last().unwrap(), "T01-v1.1.1");
}

#[test]
fn a_version_that_was_set_by_hand_counts() {
    let a = released();
    a.write("tasks/T01/config.yaml", b"name: momentum\nversion: 1.4.0\n");
    let registry = String::from_utf8(a.read("task_registry.json"))
        .unwrap()
        .replace("1.1.0", "1.4.0");
    a.write("task_registry.json", registry.as_bytes());
    create(&a, &["--bump", "patch"]).expect(0);
    assert_eq!(tags(&a).last().unwrap(), "T01-v1.4.1");
}

#[test]
fn after_a_rebase_the_releases_count_on() {
    let a = released();
    let b = clone(&a, &[]);
    b.git(&["commit", "-q", "--allow-empty", "-m", "somebody else"])
        .expect(0);
    b.git(&["push", "-q"]).expect(0);
    a.write("tasks/T01/signal.py", b"three\n");
    a.release("T01", "1.2.0");
    a.git(&["pull", "-q", "--rebase"]).expect(0);
    a.write("tasks/T01/signal.py", b"four\n");
    create(&a, &["--bump", "patch"]).expect(0);
    assert_eq!(tags(&a).last().unwrap(), "T01-v1.2.1");
}
