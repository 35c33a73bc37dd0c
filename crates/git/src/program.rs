//! Runs the git program for what gix cannot do: push, the user's hooks, and listing what all
//! reflogs reach.
//!
//! Every call names the repository explicitly. [`child`] removes the `GIT_*` variables that would
//! select another one, and sets the variable by which a hook that calls snapback is recognised.
//! Nothing is ever passed through a shell.

use std::{ffi::OsString, path::Path};

use super::{Error, Repo, child, disk, parameters};
use base::{
    process::{ChildExit, Command, Exit},
    secret, text,
};
use model::operation::TreeChange;

/// Whether git runs the user's hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooks {
    /// As in a manual call.
    Run,
    /// No hooks.
    Skip,
}

impl Repo {
    /// Makes a git command for this repository.
    pub(super) fn program(&self, arguments: &[&str]) -> Command {
        let place = |name: &str, path: &Path| {
            let mut option = OsString::from(name);
            option.push(path);
            option
        };
        let command = child::command("git", self.work_tree());
        // Settings from `git -c` and GIT_CONFIG_* were given by the user for this very repository.
        let settings =
            [parameters::VARIABLE, "GIT_CONFIG_COUNT"].map(|name| (name, std::env::var_os(name)));
        let said = settings
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        said.fold(command, |command, (name, value)| command.env(name, value))
            .arg(place("--git-dir=", self.git_dir()))
            .args((!self.is_bare()).then(|| place("--work-tree=", self.work_tree())))
            // The repository's own configuration may name a program here, which must not be
            // started.
            .args(["-c", "core.fsmonitor=false"])
            .args(arguments)
            .env_remove("GIT_QUARANTINE_PATH")
    }

    /// Makes a git command that talks to a remote about these references. It runs as the
    /// repository's owner, whose keys and settings apply.
    pub(super) fn at_remote(
        &self,
        words: &[&str],
        remote: &str,
        refs: &[String],
        hooks: Hooks,
    ) -> Command {
        let without: &[&str] = if hooks == Hooks::Run {
            &[]
        } else {
            &["-c", "core.hooksPath=/dev/null"]
        };
        let mut arguments = [without, words, &["--", remote]].concat();
        arguments.extend(refs.iter().map(String::as_str));
        // Nobody can answer: the child has no terminal, and a prompt would hang.
        let command = self
            .program(&arguments)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("SSH_ASKPASS_REQUIRE", "force");
        command.as_owner_of(self.common_dir())
    }

    /// Pushes references by full name, atomically, with the same hooks as a manual push or with
    /// none. Returns how many are new at the remote.
    pub fn push(&self, remote: &str, refs: &[String], hooks: Hooks) -> Result<usize, Error> {
        let words: &[&str] = if hooks == Hooks::Run {
            &["push", "--atomic"]
        } else {
            &["push", "--atomic", "--no-verify"]
        };
        let ended = self
            .at_remote(words, remote, refs, hooks)
            .run()
            .map_err(Error::Program)?;
        // git's hints fit a manual push, not this one.
        let output = printed(&ended);
        let said: Vec<&str> = output
            .split("; ")
            .filter(|line| !line.trim_start().starts_with("hint:"))
            .collect();
        if ended.succeeded() {
            return Ok(said
                .iter()
                .filter(|line| line.trim_start().starts_with("* ["))
                .count());
        }
        // git prints the remote (`To …`) before the status of each reference; a hook fails before
        // that.
        let is_by_hook = hooks == Hooks::Run
            && ended.status == Exit::Code(1)
            && !said
                .iter()
                .any(|line| line.starts_with("To ") || line.starts_with("error: src refspec"))
            && self.has_hook("pre-push");
        let output = said.join("; ");
        Err(if is_by_hook {
            Error::HookRefused {
                hook: "pre-push",
                output,
            }
        } else {
            Error::Push {
                remote: secret::clean_text(remote),
                output,
            }
        })
    }

    /// Fetches references by full name, without force, hooks, tags, submodules or maintenance.
    pub fn fetch(&self, remote: &str, refs: &[String]) -> Result<(), Error> {
        let words = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
        ];
        let (success, output) = run(&self.at_remote(&words, remote, refs, Hooks::Skip))?;
        if success {
            Ok(())
        } else {
            Err(Error::Fetch {
                remote: secret::clean_text(remote),
                output,
            })
        }
    }

    /// True when the hook exists: as a file in the hooks folder, or configured (git 2.54). Checked
    /// in process, because most repositories have none and a child process costs more.
    pub fn has_hook(&self, event: &str) -> bool {
        self.with(|repo| {
            let config = repo.config_snapshot();
            let folder = config
                .trusted_path("core.hooksPath")
                .ok()
                .flatten()
                .map_or_else(|| self.common_dir().join("hooks"), Into::into);
            let file = self.work_tree().join(folder).join(event).is_file();
            let sections = config
                .plumbing()
                .sections_by_name("hook")
                .into_iter()
                .flatten();
            file || sections
                .flat_map(|section| section.values("event"))
                .any(|of| of == event)
        })
    }

    /// Runs the user's pre-commit hook, if any, on the index with these changes.
    ///
    /// The hook sees a temporary index; anything that it stages there is discarded.
    pub fn run_pre_commit(&self, index: &[TreeChange]) -> Result<(), Error> {
        // The hook sees only objects that are in the repository.
        self.sync_objects(&[])?;
        let failed = |source| Error::File {
            doing: "creating",
            path: std::env::temp_dir(),
            source,
        };
        let temp = tempfile::tempdir().map_err(failed)?;
        let file = temp.path().join("index");
        disk::write_synced(&file, &self.changed_index(index, true)?)?;
        let hook = self
            .program(&["hook", "run", "--ignore-missing", "pre-commit"])
            .env("GIT_INDEX_FILE", &file);
        let (success, output) = run(&hook)?;
        if success {
            Ok(())
        } else {
            Err(Error::HookRefused {
                hook: "pre-commit",
                output,
            })
        }
    }
}

/// Runs a command; returns whether it succeeded, and its output as in [`printed`].
fn run(command: &Command) -> Result<(bool, String), Error> {
    let ended = command.run().map_err(Error::Program)?;
    Ok((ended.succeeded(), printed(&ended)))
}

/// Returns a program's output on one line: stderr, then 1 MiB of stdout; escaped, without secrets.
pub(super) fn printed(ended: &ChildExit) -> String {
    let all = [
        ended.stderr.as_slice(),
        &ended.stdout[..ended.stdout.len().min(1 << 20)],
    ]
    .concat();
    let all = secret::clean(&all);
    let lines: Vec<_> = all
        .split(|byte| *byte == b'\n')
        .map(text::escape)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::{Sandbox, rel};
    use super::*;
    use base::{Fault, Kind};
    use model::{GitMode, operation::TreeEntry};

    #[test]
    fn a_push_moves_all_or_nothing() {
        let (sandbox, remote) = (Sandbox::new(), tempfile::tempdir().unwrap());
        sandbox.write("a", b"1\n");
        let commit = sandbox.commit("first");
        sandbox.git(&["tag", "T01-v1.0.0"]);
        let url = remote.path().to_str().unwrap();
        sandbox.git(&["init", "-q", "--bare", url]);
        let repo = sandbox.repo();
        let refs = [
            "refs/heads/main".to_string(),
            "refs/tags/T01-v1.0.0".to_string(),
        ];
        repo.push(url, &refs, Hooks::Run).unwrap();
        assert!(
            sandbox
                .text(&["ls-remote", url, "refs/tags/T01-v1.0.0"])
                .starts_with(commit.as_str())
        );
        let error = repo
            .push(
                url,
                &[
                    "refs/heads/main".to_string(),
                    "refs/tags/absent".to_string(),
                ],
                Hooks::Run,
            )
            .expect_err("one is absent");
        assert_eq!(error.kind(), Kind::Network);
        assert!(error.to_string().contains("absent"), "{error}");
    }

    #[test]
    fn the_hook_sees_the_new_index_and_may_refuse() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        let repo = sandbox.repo();
        let after = Some(TreeEntry {
            mode: GitMode::File,
            id: repo.write_blob(b"2\n").unwrap(),
        });
        let before = repo.entry(&sandbox.id("HEAD"), &rel("a")).unwrap();
        let changes = [TreeChange {
            path: rel("a"),
            before,
            after,
        }];
        repo.run_pre_commit(&changes).expect("there is no hook");
        let hook = sandbox.path(".git/hooks/pre-commit");
        let script = "#!/bin/sh\ngit diff --cached --name-only >names\necho depth $SNAPBACK_HOOK_DEPTH >&2\nexit 1\n";
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::File::create(&hook)
            .and_then(|mut file| std::io::Write::write_all(&mut file, script.as_bytes()))
            .unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = repo.run_pre_commit(&changes).expect_err("it refuses");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains("depth 1"), "{error}");
        assert_eq!(std::fs::read(sandbox.path("names")).unwrap(), b"a\n");
        assert_eq!(
            sandbox.text(&["diff", "--cached", "--name-only"]),
            "",
            "the real index is untouched"
        );
    }
}
