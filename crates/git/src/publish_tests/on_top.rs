//! Tests that a publication follows a branch that moves meanwhile, even after an interruption.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    super::{NewCommit, Sign, Untouched, testing::rel},
    case::{Case, unpassed},
};
use base::{Fault, Kind};
use model::operation::TreeChange;

/// Returns the paths that belong to the operation of a case.
fn untouched() -> Untouched<'static> {
    Untouched {
        dirs: vec![rel("tasks/T01")],
        owns: &|path| path.is_in(&rel("tasks/T01")),
    }
}

/// Checks that the publication is on top of another user's commit.
fn assert_on_top(case: &Case, theirs: &str) {
    case.assert_no_locks();
    assert_eq!(case.git_here(&["log", "-1", "--format=%P"]), theirs);
    assert_eq!(
        case.git_here(&["ls-tree", "-r", "--name-only", "HEAD"]),
        "more\ntasks/T01/new\ntasks/T02/b"
    );
    assert_eq!(
        case.git_here(&["rev-parse", "T01-v1.0.0^{commit}"]),
        case.git_here(&["rev-parse", "HEAD"])
    );
    assert_eq!(
        case.git_here(&["status", "--porcelain"]),
        "M  tasks/T02/b",
        "what was staged stays so"
    );
    case.sandbox.git(&["fsck", "--strict"]);
}

/// Commits another file, as another user would.
fn commit_more(case: &Case) -> String {
    case.sandbox.write("more", b"theirs\n");
    case.sandbox.git(&["add", "more"]);
    case.sandbox
        .git(&["commit", "-q", "-m", "theirs", "--", "more"]);
    case.git_here(&["rev-parse", "HEAD"])
}

#[test]
fn a_branch_that_moved_is_followed_and_any_kill_can_be_finished() {
    for steps in 0.. {
        let case = Case::new();
        let prepared = case.prepare();
        let theirs = commit_more(&case);
        let mut left = steps;
        let run = || {
            case.repo.publish_over_pausing(
                &case.publication,
                &prepared,
                &case.scratch,
                (&untouched(), unpassed()),
                &mut |_| {
                    assert!(left != 0, "killed");
                    left -= 1;
                    Ok(())
                },
            )
        };
        let killed = catch_unwind(AssertUnwindSafe(run)).is_err();
        let passed = case
            .repo
            .is_past_return(&case.publication, &case.scratch)
            .unwrap();
        if killed && !passed && steps % 2 == 0 {
            case.repo
                .unpublish(&case.publication, &prepared, &case.scratch)
                .unwrap();
            case.assert_no_locks();
            assert_eq!(case.git_here(&["rev-parse", "HEAD"]), theirs);
            assert!(
                !case
                    .sandbox
                    .git_may_fail(&["rev-parse", "-q", "--verify", "T01-v1.0.0"]),
                "step {steps}"
            );
        }
        case.repo
            .publish_over(
                &case.publication,
                &prepared,
                &case.scratch,
                (&untouched(), unpassed()),
            )
            .unwrap();
        assert_on_top(&case, &theirs);
        assert!(
            case.repo
                .is_past_return(&case.publication, &case.scratch)
                .unwrap()
        );
        if !killed {
            assert!(steps > 12, "there were only {steps} steps");
            return;
        }
    }
}

#[test]
fn a_branch_that_moves_after_a_kill_is_followed_too() {
    for steps in 1..9 {
        let case = Case::new();
        let prepared = case.prepare();
        assert!(case.killed_after(&prepared, steps));
        case.repo
            .clear_own_locks(&case.publication, &prepared, &case.scratch)
            .unwrap();
        if case
            .repo
            .is_past_return(&case.publication, &case.scratch)
            .unwrap()
        {
            return;
        }
        let theirs = commit_more(&case);
        case.repo
            .publish_over(
                &case.publication,
                &prepared,
                &case.scratch,
                (&untouched(), unpassed()),
            )
            .unwrap();
        assert_on_top(&case, &theirs);
    }
}

#[test]
fn a_release_is_joined_by_a_merge_and_keeps_its_commits() {
    let mut case = Case::new();
    let tip = case.publication.refs[2].after.clone();
    let change = TreeChange {
        path: rel("snapshots/m"),
        before: None,
        after: case.publication.tree[1].after.clone(),
    };
    let info = case.repo.commit(&tip).unwrap();
    let tree = case
        .repo
        .write_tree(&tip, std::slice::from_ref(&change))
        .unwrap();
    let draft = NewCommit {
        tree,
        parents: vec![tip.clone()],
        message: "manifest".into(),
        who: info.author,
        at: info.time,
        sign: Sign::default(),
    };
    case.publication.refs[2].after = case.repo.write_commit(&draft).unwrap();
    case.publication.tree.push(change);
    case.repo.sync_objects(&[]).unwrap();
    let prepared = case.prepare();
    let theirs = commit_more(&case);
    case.repo
        .publish_over(
            &case.publication,
            &prepared,
            &case.scratch,
            (&untouched(), unpassed()),
        )
        .unwrap();
    assert_eq!(
        case.git_here(&["log", "-1", "--format=%P"]),
        format!("{theirs} {}", case.publication.refs[2].after)
    );
    assert_eq!(
        case.git_here(&["rev-parse", "T01-v1.0.0^{commit}"]),
        tip.as_str()
    );
    assert_eq!(
        case.git_here(&["ls-tree", "-r", "--name-only", "HEAD"]),
        "more\nsnapshots/m\ntasks/T01/new\ntasks/T02/b"
    );
    case.sandbox.git(&["fsck", "--strict"]);
}

#[test]
fn a_branch_that_moved_in_the_scope_is_a_conflict_with_its_path() {
    let case = Case::new();
    let prepared = case.prepare();
    case.sandbox.write("tasks/T01/theirs", b"theirs\n");
    case.sandbox.git(&["add", "tasks/T01/theirs"]);
    case.sandbox
        .git(&["commit", "-q", "-m", "theirs", "--", "tasks/T01/theirs"]);
    let before = case.everything();
    let error = case
        .repo
        .publish_over(
            &case.publication,
            &prepared,
            &case.scratch,
            (&untouched(), unpassed()),
        )
        .expect_err("it is theirs too");
    assert_eq!(
        (error.kind(), error.to_string().contains("tasks/T01/theirs")),
        (Kind::Conflict, true),
        "{error}"
    );
    case.assert_no_locks();
    assert_eq!(case.everything(), before);
}

#[test]
fn a_record_that_was_changed_is_not_believed() {
    let case = Case::new();
    let prepared = case.prepare();
    commit_more(&case);
    case.repo
        .publish_over(
            &case.publication,
            &prepared,
            &case.scratch,
            (&untouched(), unpassed()),
        )
        .unwrap();
    let record = case.scratch.join("on-top.json");
    let bytes = std::fs::read(&record).unwrap();
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        case.sandbox.write(&record, &wrong);
        assert!(
            case.repo
                .is_past_return(&case.publication, &case.scratch)
                .is_err(),
            "byte {at}"
        );
    }
}
