//! Determines where a push goes, by git's own settings, and reads a remote's references.

use std::collections::BTreeMap;

use gix::bstr::ByteSlice;

use super::{Error, Hooks, Repo};
use base::secret;
use model::GitId;

/// The target of a push of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushTarget {
    /// The remote: a name, or a URL if the settings hold one.
    pub remote: String,
    /// The local branch, `refs/heads/…`.
    pub branch: String,
    /// The remote branch, `refs/heads/…`.
    pub there: String,
}

/// Returns a branch's short name.
pub fn branch_name(name: &str) -> &str {
    name.strip_prefix("refs/heads/").unwrap_or(name)
}

impl PushTarget {
    /// Returns the branch as an argument of `git push`, as short as possible.
    pub fn refspec(&self) -> String {
        let (here, there) = (branch_name(&self.branch), branch_name(&self.there));
        if here == there {
            here.into()
        } else {
            format!("{here}:{there}")
        }
    }
}

impl Repo {
    /// Returns the remote that `git push` would use: the branch's `pushRemote`,
    /// `remote.pushDefault`, the branch's upstream remote, the only remote, or `origin`.
    ///
    /// # Errors
    /// If there is none, or if there are several and no setting selects one.
    pub fn push_remote(&self) -> Result<String, Error> {
        let branch = self.head().ok().map(|head| head.branch);
        let of_branch =
            |key: &str| self.setting(&format!("branch.{}.{key}", branch_name(branch.as_ref()?)));
        let said = of_branch("pushRemote").or_else(|| self.setting("remote.pushDefault"));
        // The remote `.` means a branch of this repository.
        let said = said.or_else(|| of_branch("remote").filter(|remote| remote != "."));
        if let Some(remote) = said.filter(|remote| !remote.is_empty()) {
            return Ok(remote);
        }
        let remotes = self.remotes();
        match remotes.as_slice() {
            [] => Err(Error::NoRemote),
            [only] => Ok(only.clone()),
            _ if remotes.iter().any(|name| name == "origin") => Ok("origin".into()),
            _ => Err(Error::WhichRemote { remotes }),
        }
    }

    /// Returns the target of a push of HEAD's branch; `named` is an explicitly given remote.
    ///
    /// # Errors
    /// Those of [`Repo::push_remote`], and any target that git's own push refuses.
    pub fn push_target(&self, named: Option<&str>) -> Result<PushTarget, Error> {
        let branch = self.head()?.branch;
        let remote = match named.filter(|named| !named.is_empty()) {
            Some(named) => named.to_string(),
            None => self.push_remote()?,
        };
        let short = branch_name(&branch);
        let mapped = self.mapped(&remote, &branch);
        let follows = self
            .setting(&format!("branch.{short}.remote"))
            .filter(|follows| *follows == remote);
        let upstream = follows.and_then(|_| self.setting(&format!("branch.{short}.merge")));
        let default = self
            .setting("push.default")
            .unwrap_or_else(|| "simple".into());
        let there = match (mapped, upstream, default.as_str()) {
            (Some(there), ..) => there,
            (None, Some(upstream), "upstream" | "tracking") => upstream,
            (None, Some(upstream), "simple") if upstream != branch => {
                return Err(Error::OtherName {
                    branch: short.into(),
                    upstream,
                    remote: secret::clean_text(&remote),
                });
            }
            _ => branch.clone(),
        };
        Ok(PushTarget {
            remote,
            branch,
            there,
        })
    }

    /// Maps a branch by `remote.<name>.push`.
    fn mapped(&self, remote: &str, branch: &str) -> Option<String> {
        let key = format!("remote.{remote}.push");
        let specs: Vec<String> = self.with(|repo| {
            let values = repo
                .config_snapshot()
                .plumbing()
                .strings(key.as_str())
                .unwrap_or_default();
            values
                .iter()
                .map(|value| value.to_str_lossy().into_owned())
                .collect()
        });
        let full = |name: &str| {
            if name.starts_with("refs/") {
                name.to_string()
            } else {
                format!("refs/heads/{name}")
            }
        };
        specs.iter().find_map(|spec| {
            let (from, to) = spec.trim_start_matches('+').split_once(':')?;
            let (from, to) = (full(from), full(to));
            match from.split_once('*') {
                None => (from == branch).then_some(to),
                Some((begin, end)) => {
                    let part = branch.strip_prefix(begin)?.strip_suffix(end)?;
                    Some(to.replacen('*', part, 1))
                }
            }
        })
    }

    /// Returns a setting as text.
    fn setting(&self, key: &str) -> Option<String> {
        self.with(|repo| {
            repo.config_snapshot()
                .string(key)
                .map(|value| value.to_str_lossy().into_owned())
        })
    }

    /// Returns a remote's references with these full names; a `*` in a name is a wildcard.
    ///
    /// # Errors
    /// If the remote cannot be reached.
    pub fn remote_refs(
        &self,
        remote: &str,
        names: &[String],
    ) -> Result<BTreeMap<String, GitId>, Error> {
        let ended = self
            .at_remote(
                &["ls-remote", "--refs", "--quiet"],
                remote,
                names,
                Hooks::Skip,
            )
            .run()
            .map_err(Error::Program)?;
        if !ended.succeeded() {
            return Err(Error::Asked {
                remote: secret::clean_text(remote),
                output: super::program::printed(&ended),
            });
        }
        let text = String::from_utf8_lossy(&ended.stdout);
        let line = |line: &str| {
            let (id, name) = line.split_once('\t')?;
            Some((name.to_string(), id.parse().ok()?))
        };
        Ok(text.lines().filter_map(line).collect())
    }

    /// True when the commit is HEAD or an ancestor of it; false if the commit is missing here.
    pub fn is_built_on(&self, commit: &GitId) -> Result<bool, Error> {
        let Some(head) = self.find_ref("HEAD")? else {
            return Ok(false);
        };
        Ok(self.has_object(commit)
            && self
                .first_ancestor(&head, [Some(commit.clone())])?
                .is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;
    use super::*;
    use base::{Fault, Kind};

    #[test]
    fn a_push_goes_where_git_push_goes() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        let target = || {
            sandbox
                .repo()
                .push_target(None)
                .map(|target| format!("{} {}", target.remote, target.refspec()))
        };
        let set = |key: &str, value: &str| sandbox.git(&["config", key, value]);
        assert_eq!(target().expect_err("there is none").kind(), Kind::Network);
        sandbox.git(&["remote", "add", "company", "/nowhere"]);
        assert_eq!(target().unwrap(), "company main", "the only one");
        sandbox.git(&["remote", "add", "fork", "/elsewhere"]);
        let error = target().expect_err("which of the two?");
        assert_eq!(
            (error.kind(), error.to_string().contains("company, fork")),
            (Kind::Usage, true),
            "{error}"
        );
        sandbox.git(&["remote", "add", "origin", "/origin"]);
        assert_eq!(target().unwrap(), "origin main");
        set("branch.main.remote", "company");
        assert_eq!(target().unwrap(), "company main");
        set("branch.main.merge", "refs/heads/trunk");
        assert!(
            matches!(target(), Err(Error::OtherName { .. })),
            "git push refuses it as well"
        );
        set("push.default", "upstream");
        assert_eq!(target().unwrap(), "company main:trunk");
        set("push.default", "current");
        assert_eq!(target().unwrap(), "company main");
        set("remote.pushDefault", "fork");
        assert_eq!(target().unwrap(), "fork main");
        set("branch.main.pushRemote", "origin");
        assert_eq!(target().unwrap(), "origin main");
        set("remote.origin.push", "refs/heads/*:refs/heads/for/*");
        assert_eq!(target().unwrap(), "origin main:for/main");
        assert_eq!(
            sandbox.repo().push_target(Some("fork")).unwrap().remote,
            "fork"
        );
    }
}
