//! The publish protocol, interrupted after each of its steps, with git itself as the judge.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    CommitDraft, Error, Repo, Untouched,
    testing::{Sandbox, rel, tag_on},
};
use crate::{
    base::{Fault, Kind},
    model::operation::{Publication, RefChange, TreeChange, TreeEntry},
};

/// A repository with one commit, and a publication of a second one with a tag.
struct Case {
    sandbox: Sandbox,
    repo: Repo,
    publication: Publication,
    scratch: PathBuf,
}

impl Case {
    fn new() -> Self {
        Self::of(Sandbox::new(), None)
    }

    /// In the sandbox's own work tree, or in a linked one.
    fn of(sandbox: Sandbox, linked: Option<&Path>) -> Self {
        sandbox.write("tasks/T01/a", b"1\n");
        sandbox.write("tasks/T02/b", b"1\n");
        sandbox.commit("first");
        sandbox.write("tasks/T02/b", b"staged\n");
        sandbox.git(&["add", "tasks/T02/b"]);
        sandbox.git(&["pack-refs", "--all"]);
        let repo = match linked {
            None => sandbox.repo(),
            Some(dir) => {
                sandbox.git(&["worktree", "add", "-q", "-b", "side", dir.to_str().unwrap()]);
                Repo::discover(dir).unwrap()
            }
        };
        let head = repo.head().unwrap();
        let after = Some(TreeEntry {
            mode: "100644".into(),
            id: repo.write_blob(b"2\n").unwrap(),
        });
        let change = |path: &str, after: Option<TreeEntry>| TreeChange {
            path: rel(path),
            before: repo.entry(&head.commit, &rel(path)).unwrap(),
            after,
        };
        let tree = vec![change("tasks/T01/a", None), change("tasks/T01/new", after)];
        sandbox.remove(repo.work_tree().join("tasks/T01/a"));
        std::fs::copy(
            sandbox_file(&sandbox, b"2\n"),
            repo.work_tree().join("tasks/T01/new"),
        )
        .unwrap();
        let (who, at) = (
            repo.identity().unwrap(),
            "2026-02-24T05:10:00Z".parse().unwrap(),
        );
        let draft = CommitDraft {
            tree: repo.write_tree(&head.commit, &tree).unwrap(),
            parents: vec![head.commit.clone()],
            message: "release".into(),
            who,
            at,
            sign: super::Sign::default(),
        };
        let commit = repo.write_commit(&draft).unwrap();
        let tag = repo.write_tag(&tag_on(&commit, "m")).unwrap();
        repo.sync_objects(&[]).unwrap();
        repo.sync_objects(&[]).unwrap();
        let refs = vec![
            RefChange {
                name: "refs/tags/T01-v1.0.0".into(),
                before: None,
                after: tag.clone(),
            },
            RefChange {
                name: "refs/snapback/keep/T01/1.0.0".into(),
                before: None,
                after: tag,
            },
            RefChange {
                name: head.branch,
                before: Some(head.commit),
                after: commit,
            },
        ];
        let publication = Publication {
            refs,
            log_message: "snapback: release\nT01".into(),
            index: tree.clone(),
            tree,
        };
        let scratch = repo.common_dir().join("snapback/ops/000001-aaaaaaaa");
        Self {
            sandbox,
            repo,
            publication,
            scratch,
        }
    }

    fn prepare(&self) -> Value {
        self.repo
            .prepare_publication(&self.publication, &self.scratch)
            .unwrap()
    }

    /// Publishes and is killed after the n-th step; false when there were fewer steps.
    fn killed_after(&self, prepared: &Value, steps: usize) -> bool {
        let mut left = steps;
        let run = || {
            self.repo
                .publish_pausing(&self.publication, prepared, &self.scratch, &mut |_| {
                    left -= 1;
                    assert!(left != 0, "killed");
                    Ok(())
                })
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Err(_) => true,
            Ok(result) => {
                result.unwrap();
                false
            }
        }
    }

    fn assert_no_locks(&self) {
        for dir in [self.repo.git_dir(), self.repo.common_dir()] {
            let mut stack = vec![dir.to_path_buf()];
            while let Some(dir) = stack.pop() {
                for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
                    let path = entry.path();
                    assert!(
                        path.extension().is_none_or(|kind| kind != "lock"),
                        "{}",
                        path.display()
                    );
                    if path.is_dir() {
                        stack.push(path);
                    }
                }
            }
        }
    }

    fn git_here(&self, args: &[&str]) -> String {
        let dir = self.repo.work_tree().to_str().unwrap();
        self.sandbox.text(&[&["-C", dir], args].concat())
    }

    fn assert_published(&self) {
        assert!(self.repo.is_published(&self.publication).unwrap());
        self.assert_no_locks();
        let commit = self.publication.refs[2].after.as_str();
        assert_eq!(self.git_here(&["rev-parse", "HEAD"]), commit);
        assert_eq!(self.git_here(&["rev-parse", "T01-v1.0.0^{commit}"]), commit);
        assert_eq!(self.git_here(&["status", "--porcelain", "tasks/T01"]), "");
        for log in ["HEAD", self.publication.refs[2].name.as_str()] {
            let lines = self.git_here(&["reflog", "show", "--format=%H %gs", log]);
            let ours: Vec<_> = lines
                .lines()
                .filter(|line| line.ends_with("snapback: release T01"))
                .collect();
            assert_eq!(ours, [format!("{commit} snapback: release T01")], "{log}");
        }
        self.sandbox.git(&["fsck", "--strict"]);
    }

    fn assert_unchanged(&self, before: &(String, String)) {
        assert!(!self.repo.is_published(&self.publication).unwrap());
        self.assert_no_locks();
        assert_eq!(&self.everything(), before);
        self.sandbox.git(&["fsck", "--strict"]);
    }

    /// All references, and the index with its logs.
    fn everything(&self) -> (String, String) {
        let refs = self.git_here(&["for-each-ref"]);
        (
            refs,
            self.git_here(&["ls-files", "-s"])
                + &self.git_here(&["reflog"])
                + &self.git_here(&["status", "--porcelain"]),
        )
    }
}

fn sandbox_file(sandbox: &Sandbox, bytes: &[u8]) -> PathBuf {
    sandbox.write(".git/bytes", bytes);
    sandbox.path(".git/bytes")
}

#[test]
fn publishing_moves_everything_and_keeps_what_others_staged() {
    for format in ["sha1", "sha256"] {
        let case = Case::of(Sandbox::with_format(format), None);
        let prepared = case.prepare();
        case.repo
            .publish(&case.publication, &prepared, &case.scratch)
            .unwrap();
        case.assert_published();
        assert_eq!(case.git_here(&["status", "--porcelain"]), "M  tasks/T02/b");
        // Again, and after somebody went on working: nothing changes.
        case.repo
            .publish(&case.publication, &prepared, &case.scratch)
            .unwrap();
        case.assert_published();
        case.sandbox.commit("more");
        case.sandbox.git(&["pack-refs", "--all"]);
        let before = case.everything();
        case.repo
            .publish(&case.publication, &prepared, &case.scratch)
            .unwrap();
        assert!(
            case.repo.is_published(&case.publication).unwrap()
                && case
                    .repo
                    .is_past_return(&case.publication, &case.scratch)
                    .unwrap()
        );
        assert_eq!(case.everything(), before);
        let error = case
            .repo
            .unpublish(&case.publication, &prepared, &case.scratch)
            .expect_err("it is public");
        assert!(matches!(error, Error::AlreadyPublished { .. }));
    }
}

#[test]
fn a_kill_after_any_step_can_be_finished() {
    let mut steps = 1;
    loop {
        let case = Case::new();
        let prepared = case.prepare();
        let killed = case.killed_after(&prepared, steps);
        if killed && steps % 2 == 0 {
            // Killed again, at the first step of the second run.
            case.killed_after(&prepared, 1);
        }
        case.repo
            .publish(&case.publication, &prepared, &case.scratch)
            .unwrap();
        case.assert_published();
        if !killed {
            break;
        }
        steps += 1;
    }
    assert!(steps > 10, "there were only {steps} steps");
}

#[test]
fn a_kill_before_the_branch_moves_can_be_taken_back() {
    for steps in 1.. {
        let case = Case::new();
        let before = case.everything();
        let prepared = case.prepare();
        assert!(
            case.killed_after(&prepared, steps),
            "the branch moves before the end"
        );
        let moved = case.repo.head().unwrap().commit == case.publication.refs[2].after;
        assert_eq!(
            case.repo
                .is_past_return(&case.publication, &case.scratch)
                .unwrap(),
            moved,
            "step {steps}"
        );
        if moved {
            let error = case
                .repo
                .unpublish(&case.publication, &prepared, &case.scratch)
                .expect_err("too late");
            assert!(matches!(error, Error::AlreadyPublished { .. }));
            assert!(steps > 8, "the branch moved at step {steps}");
            return;
        }
        if steps % 2 == 0 {
            case.sandbox.git_may_fail(&["pack-refs", "--all"]);
        }
        for _ in 0..2 {
            case.repo
                .unpublish(&case.publication, &prepared, &case.scratch)
                .unwrap();
            case.assert_unchanged(&before);
        }
        // And then it can still be published.
        case.repo
            .publish(&case.publication, &prepared, &case.scratch)
            .unwrap();
        case.assert_published();
    }
}

#[test]
fn a_linked_work_tree_has_its_own_head_and_index() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case::of(Sandbox::new(), Some(&dir.path().join("linked")));
    assert_ne!(case.repo.git_dir(), case.repo.common_dir());
    case.repo.check_ready().unwrap();
    let prepared = case.prepare();
    assert!(case.killed_after(&prepared, 3));
    case.repo
        .clear_own_locks(&case.publication, &prepared, &case.scratch)
        .unwrap();
    case.assert_no_locks();
    case.repo
        .publish(&case.publication, &prepared, &case.scratch)
        .unwrap();
    case.assert_published();
    assert_eq!(
        case.sandbox.text(&["status", "--porcelain"]),
        "M  tasks/T02/b",
        "the main work tree is as it was"
    );
    assert_ne!(case.sandbox.id("main"), case.sandbox.id("side"));
}

#[test]
fn somebody_elses_change_is_a_conflict_and_nothing_moves() {
    type Meddle = fn(&Sandbox);
    let meddles: [(Meddle, Kind); 7] = [
        (
            |sandbox| drop(sandbox.git(&["switch", "-q", "-c", "other"])),
            Kind::Conflict,
        ),
        (
            |sandbox| drop(sandbox.git(&["tag", "T01-v1.0.0"])),
            Kind::Conflict,
        ),
        (
            |sandbox| drop(sandbox.git(&["tag", "T01-v1.0.0/below"])),
            Kind::Conflict,
        ),
        (
            |sandbox| drop(sandbox.git(&["update-ref", "refs/snapback/keep", "HEAD"])),
            Kind::Conflict,
        ),
        (
            |sandbox| drop(sandbox.git(&["commit", "-q", "--allow-empty", "-m", "theirs"])),
            Kind::Conflict,
        ),
        (
            |sandbox| drop(sandbox.git(&["rm", "-q", "--cached", "tasks/T02/b", "-f"])),
            Kind::Conflict,
        ),
        (
            |sandbox| sandbox.write(".git/refs/heads/main.lock", b""),
            Kind::Locked,
        ),
    ];
    for (number, (meddle, kind)) in meddles.into_iter().enumerate() {
        let case = Case::new();
        let prepared = case.prepare();
        meddle(&case.sandbox);
        let before = case.everything();
        let error = case
            .repo
            .publish(&case.publication, &prepared, &case.scratch)
            .expect_err("it must not move");
        assert_eq!(error.kind(), kind, "{number}: {error}");
        if case.sandbox.path(".git/refs/heads/main.lock").exists() {
            case.sandbox.remove(".git/refs/heads/main.lock");
        }
        case.assert_no_locks();
        assert_eq!(case.everything(), before, "{number}");
    }
}

/// What belongs to the operation of a case.
fn untouched() -> Untouched<'static> {
    Untouched {
        dirs: vec![rel("tasks/T01")],
        owns: &|path| path.is_in(&rel("tasks/T01")),
    }
}

/// Somebody commits something else, and the publication is on top of it.
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

/// Somebody else's commit of another file.
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
                &untouched(),
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
            .publish_over(&case.publication, &prepared, &case.scratch, &untouched())
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
            .publish_over(&case.publication, &prepared, &case.scratch, &untouched())
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
    let draft = CommitDraft {
        tree,
        parents: vec![tip.clone()],
        message: "manifest".into(),
        who: info.author,
        at: info.time,
        sign: super::Sign::default(),
    };
    case.publication.refs[2].after = case.repo.write_commit(&draft).unwrap();
    case.publication.tree.push(change);
    case.repo.sync_objects(&[]).unwrap();
    let prepared = case.prepare();
    let theirs = commit_more(&case);
    case.repo
        .publish_over(&case.publication, &prepared, &case.scratch, &untouched())
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
        .publish_over(&case.publication, &prepared, &case.scratch, &untouched())
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
        .publish_over(&case.publication, &prepared, &case.scratch, &untouched())
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

#[test]
fn only_the_index_without_references() {
    let mut case = Case::new();
    case.publication.refs.clear();
    assert!(!case.repo.is_published(&case.publication).unwrap());
    let prepared = case.prepare();
    case.repo
        .unpublish(&case.publication, &prepared, &case.scratch)
        .unwrap();
    assert!(case.killed_after(&prepared, 1));
    case.repo
        .unpublish(&case.publication, &prepared, &case.scratch)
        .unwrap();
    case.assert_no_locks();
    assert!(
        !case
            .repo
            .is_past_return(&case.publication, &case.scratch)
            .unwrap()
    );
    case.repo
        .publish(&case.publication, &prepared, &case.scratch)
        .unwrap();
    assert!(
        case.repo
            .is_past_return(&case.publication, &case.scratch)
            .unwrap()
    );
    assert_eq!(
        case.git_here(&["status", "--porcelain", "tasks/T01"]),
        "D  tasks/T01/a\nA  tasks/T01/new"
    );
    assert!(
        case.repo
            .unpublish(&case.publication, &prepared, &case.scratch)
            .is_err()
    );
    case.publication.index.clear();
    let prepared = case.prepare();
    case.repo
        .publish(&case.publication, &prepared, &case.scratch)
        .unwrap();
}

#[test]
fn names_that_are_not_shared_references_are_refused() {
    let case = Case::new();
    for name in [
        "main",
        "HEAD",
        "refs/heads",
        "refs/heads/../x",
        "refs/tags/a.lock",
        "refs/bisect/bad",
        "refs/tags/a b",
    ] {
        let mut publication = case.publication.clone();
        publication.refs[0].name = name.into();
        let error = case
            .repo
            .prepare_publication(&publication, &case.scratch)
            .expect_err("it is no such name");
        assert!(matches!(error, Error::RefName { .. }), "{name}: {error}");
    }
}

#[test]
fn references_of_one_publication_may_not_clash() {
    let case = Case::new();
    let mut publication = case.publication.clone();
    publication.refs[1].name = "refs/tags/T01-v1.0.0/below".into();
    let error = case
        .repo
        .prepare_publication(&publication, &case.scratch)
        .expect_err("one is a folder of the other");
    assert!(matches!(error, Error::RefClash { .. }), "{error}");
}

#[test]
fn indexes_of_every_kind_are_read_and_written() {
    let kinds: [&[&str]; 3] = [
        &["--index-version", "4"],
        &["--split-index"],
        &["--untracked-cache"],
    ];
    for kind in kinds {
        let case = Case::new();
        case.sandbox.git(&[&["update-index"], kind].concat());
        case.sandbox.git(&["status"]);
        let prepared = case.prepare();
        case.repo
            .publish(&case.publication, &prepared, &case.scratch)
            .unwrap();
        case.assert_published();
        assert_eq!(
            case.git_here(&["status", "--porcelain"]),
            "M  tasks/T02/b",
            "{kind:?}"
        );
        case.sandbox.git(&["commit", "-q", "-m", "theirs"]);
        case.sandbox.git(&["fsck", "--strict"]);
    }
}

#[test]
fn a_change_in_the_second_of_the_old_index_is_not_hidden_by_the_new_one() {
    let case = Case::new();
    let file = case.sandbox.path("tasks/T02/b");
    let staged = file.metadata().unwrap().modified().unwrap();
    // The same size and time as what was staged: only the age of the old index betrays it.
    case.sandbox.write("tasks/T02/b", b"hidden\n");
    set_modified(&file, staged);
    let prepared = case.prepare();
    set_modified(
        &case.scratch.join("index.new"),
        staged + std::time::Duration::from_secs(10),
    );
    case.repo
        .publish(&case.publication, &prepared, &case.scratch)
        .unwrap();
    assert_eq!(case.git_here(&["status", "--porcelain"]), "MM tasks/T02/b");
}

fn set_modified(file: &Path, time: std::time::SystemTime) {
    std::fs::OpenOptions::new()
        .write(true)
        .open(file)
        .and_then(|file| file.set_modified(time))
        .unwrap();
}

#[test]
fn scratch_may_lie_on_another_file_system() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    for steps in [0, 1, 2, 3, 5, 7] {
        let mut case = Case::new();
        case.scratch = dir.path().join(steps.to_string());
        let prepared = case.prepare();
        if steps > 0 {
            assert!(case.killed_after(&prepared, steps));
        }
        case.repo
            .publish(&case.publication, &prepared, &case.scratch)
            .unwrap();
        case.assert_published();
    }
}

#[test]
fn what_git_packs_away_meanwhile_needs_no_sync() {
    let sandbox = Sandbox::new();
    super::disk::sync_if_there(&sandbox.path("refs/gone")).unwrap();
    super::disk::sync_if_there(sandbox.root()).unwrap();
    super::disk::sync(&sandbox.path("refs/gone")).unwrap_err();
}
