//! Every version of some files that anything in the repository still reaches.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use super::{Error, Repo, program};
use crate::base::GitId;

/// Most bytes of a list of objects: some ten million commits.
const MAX_LIST: usize = 1 << 30;

impl Repo {
    /// The blobs of files whose name begins and ends so, in every folder, that any reference,
    /// reference log, stash, index or HEAD of any linked work tree reaches; and for each a path
    /// that it has somewhere. Never a part of them: when git cannot tell, it is an error.
    pub fn reachable_blobs(&self, beginning: &str, end: &str) -> Result<Vec<(GitId, String)>, Error> {
        let pattern = format!(":(glob)**/{beginning}*{end}");
        // Without full history, git leaves out the other side of a merge that came to nothing.
        let arguments =
            ["--no-replace-objects", "rev-list", "--objects", "--full-history", "--all", "--reflog", "--indexed-objects", "--", &pattern];
        let command = self.program(&arguments).env("GIT_NO_LAZY_FETCH", "1").output_cap(MAX_LIST);
        let ended = command.run().map_err(Error::Program)?;
        if !ended.succeeded() || ended.stdout.len() >= MAX_LIST {
            return Err(Error::Listing { output: program::printed(&ended) });
        }
        let mut found = Vec::new();
        for line in ended.stdout.split(|byte| *byte == b'\n') {
            let Ok(line) = str::from_utf8(line) else { continue };
            let Some((id, path)) = line.split_once(' ') else { continue };
            let name = path.rsplit('/').next().unwrap_or(path);
            if let (true, true, Ok(id)) = (name.starts_with(beginning), name.ends_with(end), id.parse()) {
                found.push((id, path.to_string()));
            }
        }
        Ok(found)
    }

    /// The folders of all linked work trees, this one too.
    pub fn work_trees(&self) -> Result<Vec<PathBuf>, Error> {
        let ended = self.program(&["worktree", "list", "--porcelain", "-z"]).output_cap(MAX_LIST).run().map_err(Error::Program)?;
        if !ended.succeeded() {
            return Err(Error::Listing { output: program::printed(&ended) });
        }
        let lines = ended.stdout.split(|byte| *byte == 0);
        let paths = lines.filter_map(|line| line.strip_prefix(b"worktree "));
        Ok(paths.map(|path| PathBuf::from(OsStr::from_bytes(path))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;

    #[test]
    fn what_only_a_log_a_stash_or_a_merge_remembers_is_found() {
        let sandbox = Sandbox::new();
        let put = |text: &str| sandbox.write("s/snapshot-T-v1.yaml", text.as_bytes());
        let mut expected = Vec::new();
        let mut note = |text: &str| expected.push(sandbox.repo().blob_id(text.as_bytes()));
        assert_eq!(sandbox.repo().reachable_blobs("snapshot-", ".yaml").unwrap(), []);
        put("first\n");
        sandbox.commit("first");
        note("first\n");
        sandbox.git(&["checkout", "-q", "-b", "side"]);
        put("on the side\n");
        sandbox.commit("side");
        note("on the side\n");
        sandbox.git(&["checkout", "-q", "main"]);
        sandbox.write("other", b"x\n");
        sandbox.commit("other");
        sandbox.git(&["merge", "-q", "-s", "ours", "-m", "merged away", "side"]);
        sandbox.git(&["branch", "-D", "side"]);
        put("only in a log\n");
        sandbox.commit("lost");
        note("only in a log\n");
        sandbox.git(&["reset", "-q", "--hard", "HEAD~1"]);
        put("stashed\n");
        sandbox.git(&["stash", "-q"]);
        note("stashed\n");
        put("in the index\n");
        sandbox.git(&["add", "-A"]);
        note("in the index\n");
        let mut found: Vec<_> = sandbox.repo().reachable_blobs("snapshot-", ".yaml").unwrap().into_iter().map(|(id, _)| id).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(sandbox.repo().work_trees().unwrap().len(), 1);
    }
}
