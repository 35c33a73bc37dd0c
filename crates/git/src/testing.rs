//! A real repository in a temporary folder, driven by the real git program.

#![expect(
    clippy::disallowed_methods,
    reason = "tests use the real git as their oracle"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::{NewTag, Repo, Sign};
use base::RelPath;
use model::GitId;

/// A work tree with a `.git`, on branch `main`, deleted at the end of the test.
pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self::with_format("sha1")
    }

    pub fn with_format(format: &str) -> Self {
        let sandbox = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        sandbox.git(&[
            "init",
            "-q",
            "-b",
            "main",
            &format!("--object-format={format}"),
        ]);
        sandbox.git(&["config", "user.name", "Ada"]);
        sandbox.git(&["config", "user.email", "ada@example.org"]);
        sandbox.git(&["config", "commit.gpgSign", "false"]);
        sandbox
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn repo(&self) -> Repo {
        Repo::discover(self.root()).unwrap()
    }

    pub fn write(&self, name: impl AsRef<Path>, bytes: &[u8]) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn remove(&self, name: impl AsRef<Path>) {
        let path = self.root().join(name);
        if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
        .unwrap();
    }

    /// Gives every file of the work tree an old modification time, and waits for the tick to pass.
    pub fn age(&self) {
        let mut stack = vec![self.root().to_path_buf()];
        while let Some(dir) = stack.pop() {
            for entry in fs::read_dir(dir)
                .unwrap()
                .map(Result::unwrap)
                .filter(|entry| entry.file_name() != ".git")
            {
                if entry.file_type().unwrap().is_dir() {
                    stack.push(entry.path());
                } else if entry.file_type().unwrap().is_file() {
                    let time =
                        std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
                    fs::File::open(entry.path())
                        .and_then(|file| file.set_modified(time))
                        .unwrap();
                }
            }
        }
        // Setting its time changes a file, too: nothing inspected in this tick is settled.
        std::thread::sleep(2 * base::times::TICK);
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn command(&self, args: &[&str]) -> Output {
        let mut git = Command::new("git");
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_"))
        {
            git.env_remove(name);
        }
        git.arg("-c")
            .arg("core.hooksPath=/dev/null")
            .args(args)
            .current_dir(self.root())
            .output()
            .unwrap()
    }

    pub fn git(&self, args: &[&str]) -> Vec<u8> {
        let output = self.command(args);
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// Like [`Sandbox::git`], with a file as standard input.
    pub fn git_reading(&self, args: &[&str], input: &Path) {
        let git = Command::new("git")
            .args(args)
            .current_dir(self.root())
            .stdin(fs::File::open(input).unwrap())
            .status();
        assert!(git.unwrap().success(), "git {args:?}");
    }

    pub fn git_may_fail(&self, args: &[&str]) -> bool {
        self.command(args).status.success()
    }

    pub fn text(&self, args: &[&str]) -> String {
        String::from_utf8(self.git(args))
            .unwrap()
            .trim_end()
            .to_string()
    }

    pub fn id(&self, spec: &str) -> GitId {
        self.text(&["rev-parse", spec]).parse().unwrap()
    }

    /// Writes a blob as a loose object with git; returns its id and file.
    pub fn loose(&self, bytes: &[u8]) -> (GitId, PathBuf) {
        self.write(".git/blob", bytes);
        let id = self.text(&["hash-object", "-w", "--no-filters", ".git/blob"]);
        (
            id.parse().unwrap(),
            self.path(".git/objects").join(&id[..2]).join(&id[2..]),
        )
    }

    pub fn commit(&self, message: &str) -> GitId {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.id("HEAD")
    }
}

/// Returns a draft of a tag on an object.
pub(crate) fn tag_on(target: &GitId, message: &str) -> NewTag {
    NewTag {
        name: "T01-v1.0.0".into(),
        target: target.clone(),
        message: message.into(),
        at: "2026-02-24T05:10:00Z".parse().unwrap(),
        sign: Sign::default(),
    }
}

/// Parses a path for a test.
pub(crate) fn rel(path: impl AsRef<[u8]>) -> RelPath {
    RelPath::parse(path).unwrap()
}
