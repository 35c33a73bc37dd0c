//! Checks whether a changing command may run now. Each obstacle has its own error and remedy.
//!
//! Done once, before anything is planned. Reading commands skip it: a repository in the middle of a
//! merge can still be inspected.

use std::path::Path;

use gix::state::InProgress;

use super::{Error, Repo, disk};
use base::RelPath;

impl Repo {
    /// Refuses states in which changing files is unsafe or wrong, when no commit is to be made.
    ///
    /// Checks the same as [`Repo::check_ready`], except for the branch and a commit in progress.
    pub fn check_ready_for_files(&self) -> Result<(), Error> {
        self.require_work_tree()?;
        self.check_no_operation()?;
        self.check_index_and_locks(&[])
    }

    /// Refuses states in which a change is unsafe or wrong.
    ///
    /// Checks that HEAD is on a branch with a commit; that no merge, rebase, cherry-pick, revert,
    /// mailbox or bisect is in progress; that no commit is being made and git holds no lock here;
    /// that the index has no conflict; and that the work tree is not sparse.
    pub fn check_ready(&self) -> Result<(), Error> {
        self.require_work_tree()?;
        self.check_no_operation()?;
        self.check_no_commit_runs()?;
        let branch = self.common_dir().join(self.head()?.branch);
        for folder in [
            self.git_dir(),
            &self.common_dir().join("objects"),
            &self.common_dir().join("refs/tags"),
            branch_folder(&branch),
        ] {
            disk::check_writable(folder)?;
        }
        self.check_index_and_locks(&[&branch])
    }

    /// Refuses git's locks on the index, HEAD and `more`, after giving a running git time to
    /// finish, and an index that has conflicts or belongs to a sparse work tree.
    fn check_index_and_locks(&self, more: &[&Path]) -> Result<(), Error> {
        for place in [self.index_path(), &self.git_dir().join("HEAD")]
            .iter()
            .chain(more)
        {
            disk::check_absent_soon(&disk::lock_of(place))?;
        }
        let index = self.read_index(false)?;
        if self.is_sparse() || index.is_sparse() {
            return Err(Error::Sparse);
        }
        let Some(entry) = index.entries().iter().find(|entry| entry.stage_raw() != 0) else {
            return Ok(());
        };
        let path = RelPath::parse(entry.path(&index)).map_err(|source| Error::BadPath {
            place: "the index".to_string(),
            source,
        })?;
        Err(Error::Unmerged { path })
    }

    /// Refuses a repository in the middle of one of git's own operations.
    fn check_no_operation(&self) -> Result<(), Error> {
        let state = self.with(gix::Repository::state);
        let sequence = || {
            self.git_dir()
                .join("sequencer/todo")
                .exists()
                .then_some(InProgress::CherryPickSequence)
        };
        let Some(state) = state.or_else(sequence) else {
            return Ok(());
        };
        let (what, abort): (_, &'static [&'static str]) = match state {
            InProgress::Merge => ("merge", &["git", "merge", "--abort"]),
            InProgress::Rebase | InProgress::RebaseInteractive | InProgress::ApplyMailboxRebase => {
                ("rebase", &["git", "rebase", "--abort"])
            }
            InProgress::CherryPick | InProgress::CherryPickSequence => {
                ("cherry-pick", &["git", "cherry-pick", "--abort"])
            }
            InProgress::Revert | InProgress::RevertSequence => {
                ("revert", &["git", "revert", "--abort"])
            }
            InProgress::Bisect => ("bisect", &["git", "bisect", "reset"]),
            InProgress::ApplyMailbox => ("git am", &["git", "am", "--abort"]),
        };
        Err(Error::InProgress { what, abort })
    }
}

/// Returns the folder that holds a branch's file.
fn branch_folder(branch: &Path) -> &Path {
    branch
        .parent()
        .expect("because a branch lies below the git folder")
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;
    use super::*;
    use base::{Fault, Kind};

    #[test]
    fn each_obstacle_is_named() {
        let sandbox = Sandbox::new();
        let repo = sandbox.repo();
        assert!(matches!(repo.check_ready(), Err(Error::Unborn { .. })));
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        repo.check_ready().expect("nothing is in the way");

        sandbox.write(".git/index.lock", b"");
        let error = repo.check_ready().expect_err("the index is locked");
        assert_eq!(error.kind(), Kind::Locked);
        assert!(error.to_string().contains("index.lock"), "{error}");
        sandbox.remove(".git/index.lock");

        sandbox.git(&["checkout", "-q", "--detach"]);
        assert!(matches!(repo.check_ready(), Err(Error::Detached)));
        sandbox.git(&["checkout", "-q", "main"]);

        sandbox.git(&["bisect", "start"]);
        let error = repo.check_ready().expect_err("a bisect is under way");
        assert!(error.to_string().contains("bisect"), "{error}");
        sandbox.git(&["bisect", "reset"]);
    }

    #[test]
    fn a_git_that_runs_at_this_moment_is_waited_for() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        let repo = sandbox.repo();
        for check in [Repo::check_ready, Repo::check_ready_for_files] {
            sandbox.write(".git/index.lock", b"");
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(std::time::Duration::from_millis(200));
                    sandbox.remove(".git/index.lock");
                });
                check(&repo).expect("git ends soon");
            });
        }
    }

    #[test]
    fn merges_conflicts_and_sparse_trees_are_refused() {
        let sandbox = Sandbox::new();
        let repo = sandbox.repo();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        sandbox.git(&["checkout", "-q", "-b", "side"]);
        sandbox.write("a", b"2\n");
        sandbox.commit("side");
        sandbox.git(&["checkout", "-q", "main"]);
        sandbox.write("a", b"3\n");
        sandbox.commit("main");
        sandbox.git_may_fail(&["merge", "-q", "side"]);
        assert!(matches!(
            repo.check_ready(),
            Err(Error::InProgress { what: "merge", .. })
        ));
        sandbox.remove(".git/MERGE_HEAD");
        assert!(matches!(repo.check_ready(), Err(Error::Unmerged { .. })));
        sandbox.git(&["reset", "-q", "--hard"]);
        repo.check_ready().expect("nothing is in the way");
        sandbox.git(&["sparse-checkout", "set", "sub"]);
        assert!(matches!(sandbox.repo().check_ready(), Err(Error::Sparse)));
    }
}
