//! Queries about the history that a branch is built on.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

use jiff::Timestamp;

use super::{Error, Repo, disk, error::During};
use base::{RelPath, text};
use model::GitId;

impl Repo {
    /// Returns the index of the first wanted commit that is the tip or an ancestor of it; `None`
    /// entries are skipped. The history is walked once, and only as far as needed.
    pub fn first_ancestor(
        &self,
        tip: &GitId,
        wanted: impl IntoIterator<Item = Option<GitId>>,
    ) -> Result<Option<usize>, Error> {
        let doing = "looking what the branch is built on";
        let tip = self.oid(tip)?;
        self.with(|repo| {
            let mut walk = repo.rev_walk([tip]).all().during(doing)?;
            let mut seen = HashSet::new();
            for (nth, id) in wanted.into_iter().enumerate() {
                let Some(commit) = id.and_then(|id| self.oid(&id).ok()) else {
                    continue;
                };
                while !seen.contains(&commit) {
                    let Some(next) = walk.next() else { break };
                    seen.insert(next.during(doing)?.id);
                }
                if seen.contains(&commit) {
                    return Ok(Some(nth));
                }
            }
            Ok(None)
        })
    }

    /// Returns the wanted commits that are the tip or ancestors of it. The history is walked once,
    /// and only as far as needed.
    pub fn reached(
        &self,
        tip: &GitId,
        wanted: impl IntoIterator<Item = GitId>,
    ) -> Result<HashSet<GitId>, Error> {
        let doing = "looking what the branch is built on";
        let (tip, mut wanted): (_, HashSet<GitId>) = (self.oid(tip)?, wanted.into_iter().collect());
        let mut reached = HashSet::new();
        self.with(|repo| {
            let mut walk = repo.rev_walk([tip]).all().during(doing)?;
            while !wanted.is_empty() {
                let Some(next) = walk.next() else { break };
                reached.extend(wanted.take(&super::repo::git_id(&next.during(doing)?.id)));
            }
            Ok(())
        })?;
        Ok(reached)
    }

    /// Returns a branch (local, or remote-tracking), tag or work tree that contains one of these
    /// commits. History reachable from `older` is not searched, nor are the references named in
    /// `but`.
    pub fn holder_of(
        &self,
        commits: &[GitId],
        older: &GitId,
        but: &[&str],
    ) -> Result<Option<String>, Error> {
        let mut tips = self.other_heads();
        for prefix in ["refs/heads/", "refs/remotes/", "refs/tags/"] {
            for (name, id) in self
                .refs_below(prefix)?
                .into_iter()
                .filter(|(name, _)| !but.contains(&name.as_str()))
            {
                // A tag may point to something other than a commit.
                let Ok(tag) = self.peel_tag(&id) else {
                    continue;
                };
                tips.push((name[prefix.len()..].to_string(), self.oid(&tag.commit)?));
            }
        }
        self.holder_among(tips, commits, older)
    }

    /// Returns the branch of a remote, as listed by it, that contains one of these commits; and
    /// whether some of its branches are at commits that are missing here.
    pub fn branch_with(
        &self,
        branches: &BTreeMap<String, GitId>,
        commits: &[GitId],
        older: &GitId,
    ) -> Result<(Option<String>, bool), Error> {
        let (here, away): (Vec<_>, Vec<_>) =
            branches.iter().partition(|(_, tip)| self.has_object(tip));
        let tips = here
            .into_iter()
            .map(|(name, tip)| Ok((name.clone(), self.oid(tip)?)));
        Ok((
            self.holder_among(tips.collect::<Result<_, Error>>()?, commits, older)?,
            !away.is_empty(),
        ))
    }

    /// Returns the first of these tips that contains one of the commits.
    fn holder_among(
        &self,
        tips: Vec<(String, gix::ObjectId)>,
        commits: &[GitId],
        older: &GitId,
    ) -> Result<Option<String>, Error> {
        let wanted: HashSet<_> = commits.iter().filter_map(|id| self.oid(id).ok()).collect();
        let older = self.oid(older)?;
        let has = |tips: Vec<gix::ObjectId>| {
            self.with(|repo| {
                let doing = "looking what other branches have";
                let mut walk = repo
                    .rev_walk(tips)
                    .with_hidden([older])
                    .all()
                    .during(doing)?;
                walk.try_fold(false, |found, next| {
                    Ok::<_, Error>(found || wanted.contains(&next.during(doing)?.id))
                })
            })
        };
        // Usually there is none, and a single walk shows it.
        if tips.is_empty() || !has(tips.iter().map(|(_, tip)| *tip).collect())? {
            return Ok(None);
        }
        for (name, tip) in tips {
            if has(vec![tip])? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Returns the commits of other work trees whose HEAD is detached.
    fn other_heads(&self) -> Vec<(String, gix::ObjectId)> {
        let linked = self.common_dir().join("worktrees");
        let linked = linked
            .read_dir()
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let others = linked
            .chain([self.common_dir().to_path_buf()])
            .filter(|folder| folder != self.git_dir());
        let head = |folder: PathBuf| {
            let text = disk::read(&folder.join("HEAD")).ok().flatten()?;
            let id: GitId = std::str::from_utf8(&text).ok()?.trim().parse().ok()?;
            let name = text::escape(folder.file_name().unwrap_or_default().as_encoded_bytes());
            Some((format!("the work tree {name}"), self.oid(&id).ok()?))
        };
        others.filter_map(head).collect()
    }

    /// Returns the newest first-parent commit of a branch that is not later than `then`, with its
    /// time.
    pub fn first_parent_before(
        &self,
        tip: &GitId,
        then: Timestamp,
    ) -> Result<Option<(GitId, Timestamp)>, Error> {
        let doing = "looking what the branch was then";
        let tip = self.oid(tip)?;
        self.with(|repo| {
            for commit in repo
                .rev_walk([tip])
                .first_parent_only()
                .all()
                .during(doing)?
            {
                let id = commit.during(doing)?.id;
                let seconds = repo
                    .find_commit(id)
                    .during(doing)?
                    .time()
                    .during(doing)?
                    .seconds;
                match Timestamp::from_second(seconds) {
                    Ok(at) if at <= then => return Ok(Some((super::repo::git_id(&id), at))),
                    _ => {}
                }
            }
            Ok(None)
        })
    }

    /// True when the history is truncated because the clone is shallow.
    pub fn is_shallow(&self) -> bool {
        std::fs::metadata(self.common_dir().join("shallow")).is_ok_and(|found| found.len() > 0)
    }

    /// Returns the tree of a folder in a commit; `None` if there is no such folder.
    pub fn folder(&self, commit: &GitId, path: &RelPath) -> Result<Option<GitId>, Error> {
        let found = self.find_in_tree(self.tree_of(commit)?, path)?;
        Ok(found
            .filter(|(mode, _)| mode.is_tree())
            .map(|(_, id)| super::repo::git_id(&id)))
    }

    /// Returns the names of all remotes, sorted.
    pub fn remotes(&self) -> Vec<String> {
        self.with(|repo| {
            repo.remote_names()
                .iter()
                .map(ToString::to_string)
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sandbox, rel};
    use super::*;

    #[test]
    fn a_branch_is_built_on_what_it_reaches() {
        let sandbox = Sandbox::new();
        sandbox.write("a/b", b"1\n");
        let first = sandbox.commit("first");
        sandbox.write("a/b", b"2\n");
        let second = sandbox.commit("second");
        sandbox.git(&["checkout", "-q", "-b", "side", first.as_str()]);
        sandbox.write("c", b"3\n");
        let side = sandbox.commit("side");
        let repo = sandbox.repo();
        let found = |wanted: &[&GitId]| {
            repo.first_ancestor(&side, wanted.iter().map(|id| Some((*id).clone())))
                .unwrap()
        };
        assert_eq!(found(&[&second]), None);
        assert_eq!(found(&[&second, &first, &side]), Some(1));
        assert_eq!((found(&[&side]), found(&[])), (Some(0), None));
        assert_eq!(
            repo.first_ancestor(&side, [None, Some(first.clone())])
                .unwrap(),
            Some(1)
        );
        assert_eq!(
            repo.folder(&first, &rel("a")).unwrap(),
            Some(sandbox.id("HEAD~1:a"))
        );
        assert_eq!(
            (repo.folder(&first, &rel("c")).unwrap(), repo.is_shallow()),
            (None, false)
        );
    }
}
