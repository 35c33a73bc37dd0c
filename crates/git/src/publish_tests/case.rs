//! Shared by the tests of the publish protocol: a publication, a kill after any step, and git's
//! view of the repository before and after.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::super::{
    Barrier, NewCommit, Repo, Sign,
    testing::{Sandbox, rel, tag_on},
};
use base::Due;
use model::{
    GitId, GitMode,
    operation::{Publication, RefChange, TreeChange, TreeEntry},
};

/// A repository with one commit, and a publication of a second one with a tag.
pub(super) struct Case {
    pub sandbox: Sandbox,
    pub repo: Repo,
    pub publication: Publication,
    pub scratch: PathBuf,
}

impl Case {
    /// Makes a case in a new repository.
    pub fn new() -> Self {
        Self::of(Sandbox::new(), None)
    }

    /// Makes a case in the sandbox's own work tree, or in a linked one.
    pub fn of(sandbox: Sandbox, linked: Option<&Path>) -> Self {
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
        let publication = publication(&sandbox, &repo);
        let scratch = repo.common_dir().join("snapback/ops/000001-aaaaaaaa");
        Self {
            sandbox,
            repo,
            publication,
            scratch,
        }
    }

    pub fn prepare(&self) -> Value {
        let due = Due::default();
        let prepared = self
            .repo
            .prepare_publication(&self.publication, &self.scratch, &due)
            .unwrap();
        due.pass().unwrap();
        prepared
    }

    /// Publishes, with a kill after the n-th step; returns false if there were fewer steps.
    pub fn killed_after(&self, prepared: &Value, steps: usize) -> bool {
        let mut left = steps;
        let run = || {
            self.repo.publish_pausing(
                &self.publication,
                prepared,
                &self.scratch,
                unpassed(),
                &mut |_| {
                    left -= 1;
                    assert!(left != 0, "killed");
                    Ok(())
                },
            )
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Err(_) => true,
            Ok(result) => {
                result.unwrap();
                false
            }
        }
    }

    pub fn assert_no_locks(&self) {
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

    pub fn git_here(&self, args: &[&str]) -> String {
        let dir = self.repo.work_tree().to_str().unwrap();
        self.sandbox.text(&[&["-C", dir], args].concat())
    }

    pub fn assert_published(&self) {
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

    pub fn assert_unchanged(&self, before: &(String, String)) {
        assert!(!self.repo.is_published(&self.publication).unwrap());
        self.assert_no_locks();
        assert_eq!(&self.everything(), before);
        self.sandbox.git(&["fsck", "--strict"]);
    }

    /// Returns all references, and the index with the reflog and status.
    pub fn everything(&self) -> (String, String) {
        let refs = self.git_here(&["for-each-ref"]);
        (
            refs,
            self.git_here(&["ls-files", "-s"])
                + &self.git_here(&["reflog"])
                + &self.git_here(&["status", "--porcelain"]),
        )
    }
}

/// Makes a second commit with a tag, and their publication; the work tree has its files.
fn publication(sandbox: &Sandbox, repo: &Repo) -> Publication {
    let head = repo.head().unwrap();
    let after = Some(TreeEntry {
        mode: GitMode::File,
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
        sandbox_file(sandbox, b"2\n"),
        repo.work_tree().join("tasks/T01/new"),
    )
    .unwrap();
    let draft = NewCommit {
        tree: repo.write_tree(&head.commit, &tree).unwrap(),
        parents: vec![head.commit.clone()],
        message: "release".into(),
        who: repo.identity().unwrap(),
        at: "2026-02-24T05:10:00Z".parse().unwrap(),
        sign: Sign::default(),
    };
    let commit = repo.write_commit(&draft).unwrap();
    let tag = repo.write_tag(&tag_on(&commit, "m")).unwrap();
    repo.sync_objects(&[]).unwrap();
    repo.sync_objects(&[]).unwrap();
    let new = |name: &str, after: &GitId| RefChange {
        name: name.into(),
        before: None,
        after: after.clone(),
    };
    let branch = RefChange {
        before: Some(head.commit),
        ..new(&head.branch, &commit)
    };
    Publication {
        refs: vec![
            new("refs/tags/T01-v1.0.0", &tag),
            new("refs/snapback/keep/T01/1.0.0", &tag),
            branch,
        ],
        log_message: "snapback: release\nT01".into(),
        index: tree.clone(),
        tree,
    }
}

fn sandbox_file(sandbox: &Sandbox, bytes: &[u8]) -> PathBuf {
    sandbox.write(".git/bytes", bytes);
    sandbox.path(".git/bytes")
}

/// Returns barriers that nobody passes: what is killed has not reached the last one.
pub fn unpassed() -> Barrier<'static> {
    Barrier {
        due: Box::leak(Box::default()),
        is_fresh: false,
    }
}
