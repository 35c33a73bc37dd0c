//! Finds every version of certain files that is still reachable in the repository.

use std::{collections::BTreeMap, ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use super::{Error, Repo, program};
use base::{process::Command, text};
use model::GitId;

/// Size limit of a list of objects in bytes: some ten million commits.
const MAX_LIST: usize = 1 << 30;

impl Repo {
    /// Returns the blobs of files with this prefix and suffix, in any folder, that are reachable
    /// from any reference, reflog, stash, or the index or HEAD of any linked work tree; each with
    /// one of its paths. Never an incomplete list: if git cannot tell, it is an error.
    pub fn reachable_blobs(
        &self,
        beginning: &str,
        end: &str,
    ) -> Result<Vec<(GitId, String)>, Error> {
        let pattern = format!(":(top,glob)**/{beginning}*{end}");
        // Every file of a commit was added by it or an ancestor. Diffs are against every parent,
        // because a merge may add a file that no parent has, and with full history, because git
        // omits the side of a merge that had no effect.
        let log = "--no-replace-objects -c log.showRoot=true -c core.quotePath=false log --format= --raw --no-abbrev --no-renames \
            --no-ext-diff --no-show-signature --no-color -m -z --full-history --all --reflog --";
        let mut found = BTreeMap::new();
        let arguments: Vec<&str> = log.split_whitespace().chain([pattern.as_str()]).collect();
        // A record is `:mode mode id id letter`, NUL, path, NUL.
        let listed = self.listing(self.program(&arguments))?;
        let mut fields = listed.split(|byte| *byte == 0);
        while let Some(record) = fields.next() {
            let words: Vec<&[u8]> = record.split(|byte| *byte == b' ').collect();
            if let [_, _, _, id, _] = words[..] {
                add(&mut found, id, fields.next().unwrap_or_default())?;
            }
        }
        for index in self.index_files()? {
            let command = self
                .program(&["ls-files", "-s", "-z", "--", &pattern])
                .env("GIT_INDEX_FILE", index);
            // A record is `mode id stage`, tab, path, NUL.
            for record in self.listing(command)?.split(|byte| *byte == 0) {
                let Some(tab) = record.iter().position(|byte| *byte == b'\t') else {
                    continue;
                };
                let id = record[..tab]
                    .split(|byte| *byte == b' ')
                    .nth(1)
                    .unwrap_or_default();
                add(&mut found, id, &record[tab + 1..])?;
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Returns the complete output of a git command, or an error.
    fn listing(&self, command: Command) -> Result<Vec<u8>, Error> {
        // Objects are never fetched: a missing one is an error.
        let ended = command
            .env("GIT_NO_LAZY_FETCH", "1")
            .output_cap(MAX_LIST)
            .run()
            .map_err(Error::Program)?;
        if ended.succeeded() && ended.stdout.len() < MAX_LIST {
            return Ok(ended.stdout);
        }
        Err(Error::Failed {
            what: "list what its references and logs reach",
            output: program::printed(&ended),
        })
    }

    /// Returns the index files of all linked work trees.
    fn index_files(&self) -> Result<Vec<PathBuf>, Error> {
        let others = self.common_dir().join("worktrees");
        let failed = |source| Error::File {
            doing: "listing",
            path: others.clone(),
            source,
        };
        let mut files = vec![self.common_dir().join("index")];
        if others.is_dir() {
            for entry in others.read_dir().map_err(failed)? {
                files.push(entry.map_err(failed)?.path().join("index"));
            }
        }
        files.retain(|file| file.is_file());
        Ok(files)
    }

    /// Returns the folders of all linked work trees, including this one.
    pub fn work_trees(&self) -> Result<Vec<PathBuf>, Error> {
        let listed = self.listing(self.program(&["worktree", "list", "--porcelain", "-z"]))?;
        let lines = listed.split(|byte| *byte == 0);
        let paths = lines.filter_map(|line| line.strip_prefix(b"worktree "));
        Ok(paths
            .map(|path| PathBuf::from(OsStr::from_bytes(path)))
            .collect())
    }
}

/// Adds a blob; an id of zeros stands for a deleted file and is skipped.
fn add(found: &mut BTreeMap<GitId, String>, id: &[u8], path: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(id);
    if text.bytes().all(|byte| byte == b'0') {
        return Ok(());
    }
    let id = text.parse().map_err(|_| Error::Failed {
        what: "list what its references and logs reach",
        output: text::escape(id),
    })?;
    found.entry(id).or_insert_with(|| text::escape(path));
    Ok(())
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
        assert_eq!(
            sandbox
                .repo()
                .reachable_blobs("snapshot-", ".yaml")
                .unwrap(),
            []
        );
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
        let mut found: Vec<_> = sandbox
            .repo()
            .reachable_blobs("snapshot-", ".yaml")
            .unwrap()
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        let other = sandbox.path("other-tree");
        sandbox.git(&["worktree", "add", "-q", "--detach", other.to_str().unwrap()]);
        assert_eq!(sandbox.repo().work_trees().unwrap().len(), 2);
        std::fs::File::create(other.join("s/snapshot-T-v1.yaml"))
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"there\n"))
            .unwrap();
        sandbox.git(&["-C", other.to_str().unwrap(), "add", "-A"]);
        let there = sandbox.repo().blob_id(b"there\n");
        let found = || {
            sandbox
                .repo()
                .reachable_blobs("snapshot-", ".yaml")
                .unwrap()
                .into_iter()
                .map(|(id, _)| id)
        };
        assert!(
            found().any(|id| id == there),
            "what is staged in another work tree"
        );
        sandbox.git(&["-C", other.to_str().unwrap(), "commit", "-q", "-m", "there"]);
        assert!(found().any(|id| id == there), "its HEAD is detached");
    }
}
