//! The git program, for the two things that gix cannot do: push, and the user's hooks.
//!
//! Every call names the repository explicitly, drops the `GIT_*` variables that would lead it
//! elsewhere, and carries a variable by which a hook that calls snapback can be told. Nothing
//! is ever passed through a shell.

use std::{ffi::OsString, path::Path};

use super::{Error, Repo, disk};
use crate::{base::text, model::operation::TreeChange};

/// Set for every child: snapback refuses to change anything below itself.
pub const DEPTH_VARIABLE: &str = "SNAPBACK_HOOK_DEPTH";

/// The variables that move git to another place (`git rev-parse --local-env-vars` and kin).
const LOCATION_VARIABLES: [&str; 16] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

impl Repo {
    /// The git program on this repository, with its own index or another one.
    fn program(&self, index: Option<&Path>, arguments: &[&str]) -> duct::Expression {
        let place = |name: &str, path: &Path| {
            let mut option = OsString::from(name);
            option.push(path);
            option
        };
        let mut all = vec![place("--git-dir=", self.git_dir()), place("--work-tree=", self.work_tree())];
        all.extend(arguments.iter().map(OsString::from));
        let mut command = duct::cmd("git", all).dir(self.work_tree()).env(DEPTH_VARIABLE, "1").stdin_null();
        // In duct the first word on a variable is the last: the index must come before the removals.
        if let Some(index) = index {
            command = command.env("GIT_INDEX_FILE", index);
        }
        for variable in LOCATION_VARIABLES {
            command = command.env_remove(variable);
        }
        command
    }

    /// Pushes references by full name, all or none; no hook runs.
    pub fn push(&self, remote: &str, refs: &[String]) -> Result<(), Error> {
        let mut arguments = vec!["-c", "core.hooksPath=/dev/null", "push", "--atomic", "--", remote];
        arguments.extend(refs.iter().map(String::as_str));
        let (success, output) = run(&self.program(None, &arguments))?;
        if success { Ok(()) } else { Err(Error::Push { remote: remote.to_string(), output }) }
    }

    /// True when the user has a pre-commit hook: a file in the hooks folder, or a configured one.
    pub fn has_pre_commit(&self) -> Result<bool, Error> {
        let (success, output) = run(&self.program(None, &["rev-parse", "--git-path", "hooks/pre-commit"]))?;
        let file = success && self.work_tree().join(&output).is_file();
        let (configured, _) = run(&self.program(None, &["config", "--get-regexp", "^hook\\..*\\.event$", "pre-commit"]))?;
        Ok(file || configured)
    }

    /// Runs the user's pre-commit hook, if there is one, on the index with these changes.
    ///
    /// The hook sees a temporary index; what it stages there is dropped.
    pub fn run_pre_commit(&self, index: &[TreeChange]) -> Result<(), Error> {
        let failed = |source| Error::File { doing: "creating", path: std::env::temp_dir(), source };
        let temp = tempfile::tempdir().map_err(failed)?;
        let file = temp.path().join("index");
        disk::write_synced(&file, &self.changed_index(index, true)?)?;
        let hook = self.program(Some(&file), &["hook", "run", "--ignore-missing", "pre-commit"]);
        let (success, output) = run(&hook)?;
        if success { Ok(()) } else { Err(Error::HookRefused { output }) }
    }
}

/// Runs to the end; returns success and what was printed, errors first, escaped line by line.
fn run(command: &duct::Expression) -> Result<(bool, String), Error> {
    let output = command.stdout_capture().stderr_capture().unchecked().run().map_err(Error::Program)?;
    let all = [output.stderr, output.stdout].concat();
    let lines: Vec<_> = all.split(|byte| *byte == b'\n').map(text::escape).filter(|line| !line.is_empty()).collect();
    Ok((output.status.success(), lines.join("; ")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::{Sandbox, rel};
    use super::*;
    use crate::{
        base::{Fault, Kind},
        model::operation::TreeEntry,
    };

    #[test]
    fn a_push_moves_all_or_nothing() {
        let (sandbox, remote) = (Sandbox::new(), tempfile::tempdir().unwrap());
        sandbox.write("a", b"1\n");
        let commit = sandbox.commit("first");
        sandbox.git(&["tag", "T01-v1.0.0"]);
        let url = remote.path().to_str().unwrap();
        sandbox.git(&["init", "-q", "--bare", url]);
        let repo = sandbox.repo();
        let refs = ["refs/heads/main".to_string(), "refs/tags/T01-v1.0.0".to_string()];
        repo.push(url, &refs).unwrap();
        assert!(sandbox.text(&["ls-remote", url, "refs/tags/T01-v1.0.0"]).starts_with(commit.as_str()));
        let error = repo.push(url, &["refs/heads/main".to_string(), "refs/tags/absent".to_string()]).expect_err("one is absent");
        assert_eq!(error.kind(), Kind::Network);
        assert!(error.to_string().contains("absent"), "{error}");
    }

    #[test]
    fn the_hook_sees_the_new_index_and_may_refuse() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        let repo = sandbox.repo();
        let after = Some(TreeEntry { mode: "100644".into(), id: repo.write_blob(b"2\n").unwrap() });
        let before = repo.entry(&sandbox.id("HEAD"), &rel("a")).unwrap();
        let changes = [TreeChange { path: rel("a"), before, after }];
        repo.run_pre_commit(&changes).expect("there is no hook");
        let hook = sandbox.path(".git/hooks/pre-commit");
        let script = "#!/bin/sh\ngit diff --cached --name-only >names\necho depth $SNAPBACK_HOOK_DEPTH >&2\nexit 1\n";
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::File::create(&hook).and_then(|mut file| std::io::Write::write_all(&mut file, script.as_bytes())).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = repo.run_pre_commit(&changes).expect_err("it refuses");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains("depth 1"), "{error}");
        assert_eq!(std::fs::read(sandbox.path("names")).unwrap(), b"a\n");
        assert_eq!(sandbox.text(&["diff", "--cached", "--name-only"]), "", "the real index is untouched");
    }
}
