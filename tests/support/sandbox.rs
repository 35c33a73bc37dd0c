//! Real repositories in temporary folders, and the real programs run in them.
//!
//! Every child process gets a cleared environment: no git configuration of the user, no colours, a
//! fixed user and locale, HOME inside the sandbox. Results are judged by what git itself says.

mod looks;

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
};

use tempfile::TempDir;

use super::noise;

use looks::collect;
pub use looks::{Entry, Tree};

/// The result of a finished program.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The exit code, or 128 + the signal number for a program ended by a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Parses the answer of a `--json` run.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("one JSON document on stdout ({error}): {self:?}"))
    }

    /// Returns the result, after asserting its exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }
}

/// A repository in its own temporary folder, which is removed with it.
pub struct Sandbox {
    dir: Arc<TempDir>,
    /// The folder of the work tree; `repo` unless a test chose another one.
    pub work: &'static str,
    /// Additional variables for every program.
    pub variables: Vec<(String, String)>,
}

impl Sandbox {
    /// Creates a repository with one empty commit and nothing else.
    pub fn empty() -> Self {
        Self::of_format("sha1")
    }

    /// Creates an empty repository with this object format.
    pub fn of_format(format: &str) -> Self {
        let sandbox = Self {
            dir: Arc::new(tempfile::tempdir().unwrap()),
            work: "repo",
            variables: Vec::new(),
        };
        fs::create_dir_all(sandbox.root()).unwrap();
        fs::create_dir_all(sandbox.home()).unwrap();
        sandbox
            .git(&["init", "-q", "-b", "main", "--object-format", format])
            .expect(0);
        sandbox
            .git(&["commit", "-q", "--allow-empty", "-m", "first"])
            .expect(0);
        sandbox
    }

    /// Creates a repository with unreleased tasks T01, T02, … at version 1.0.0: five files each,
    /// one of them large (kept in the store), and a registry; all committed except the large ones.
    pub fn new(tasks: usize) -> Self {
        Self::empty().with_tasks(tasks)
    }

    /// Adds that many tasks.
    pub fn with_tasks(self, tasks: usize) -> Self {
        let sandbox = self;
        let ids: Vec<String> = (1..=tasks).map(|n| format!("T{n:02}")).collect();
        for id in &ids {
            sandbox.write(
                &format!("tasks/{id}/config.yaml"),
                config("1.0.0", 3).as_bytes(),
            );
            sandbox.write(
                &format!("tasks/{id}/signal.py"),
                format!("# {id}\ndef signal(x):\n    return x > 0\n").as_bytes(),
            );
            sandbox.write(
                &format!("tasks/{id}/run.sh"),
                b"#!/bin/sh\nexec python3 signal.py\n",
            );
            sandbox.chmod(&format!("tasks/{id}/run.sh"), 0o755);
            sandbox.write(&format!("tasks/{id}/lib/rules.py"), b"RULES = ['a', 'b']\n");
            sandbox.write(&format!("tasks/{id}/model.bin"), &noise(id, 70_000));
        }
        sandbox.write("task_registry.json", registry(&ids).as_bytes());
        sandbox.write("snapback.yaml", SETTINGS.as_bytes());
        sandbox.write(".gitignore", b"*.bin\n*.log\n__pycache__/\n");
        sandbox.commit("tasks");
        sandbox
    }

    /// Returns the root of the work tree.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join(self.work)
    }

    /// Returns the HOME of every program.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Makes an independent copy: bytes, modes, times and `.git`.
    pub fn copy(&self) -> Self {
        self.copy_below(&std::env::temp_dir())
    }

    /// Makes an independent copy in its own folder below `parent`.
    pub fn copy_below(&self, parent: &Path) -> Self {
        let copy = Self {
            dir: Arc::new(tempfile::tempdir_in(parent).unwrap()),
            work: self.work,
            variables: self.variables.clone(),
        };
        copy.become_copy_of(self.top());
        // Trust is bound to the path, so nobody has agreed to the commands of the copy yet.
        copy.trust();
        copy
    }

    /// Returns the same sandbox, seen from another work tree in it.
    pub fn beside(other: &Self, work: &'static str) -> Self {
        Self {
            dir: other.dir.clone(),
            work,
            variables: other.variables.clone(),
        }
    }

    /// Returns the folder of the whole sandbox: the work tree, HOME and what lies beside them.
    pub fn top(&self) -> &Path {
        self.dir.path()
    }

    /// Replaces everything by a copy of another sandbox's folder.
    pub fn become_copy_of(&self, top: &Path) {
        for entry in fs::read_dir(self.top()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            }
            .unwrap();
        }
        let status = Command::new("cp")
            .arg("-a")
            .arg(top.join("."))
            .arg(self.top())
            .status()
            .unwrap();
        assert!(status.success(), "cp -a");
    }

    /// Reads everything beside the work tree, except the caches of other programs.
    pub fn tree_beside(&self) -> Tree {
        let mut tree = Tree::new();
        collect(self.top(), &self.home(), &mut tree);
        tree.retain(|path, _| !path.contains("/.cache"));
        tree
    }

    /// Returns the environment of every program; nothing else but PATH is inherited.
    pub fn environment(&self) -> Vec<(String, String)> {
        let home = self.home().to_str().unwrap().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let who = [("NAME", "Li Wei"), ("EMAIL", "li.wei@example.com")];
        let mut all = vec![
            ("HOME".into(), home.clone()),
            ("XDG_CONFIG_HOME".into(), format!("{home}/.config")),
            ("PATH".into(), path),
        ];
        for (what, value) in who {
            all.push((format!("GIT_AUTHOR_{what}"), value.into()));
            all.push((format!("GIT_COMMITTER_{what}"), value.into()));
        }
        let fixed = [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
            ("TERM", "dumb"),
        ];
        all.extend(fixed.map(|(name, value)| (name.to_string(), value.to_string())));
        all.extend(self.variables.iter().cloned());
        all
    }

    /// Returns a command for the work tree that inherits nothing.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.root())
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null());
        command
    }

    /// Runs a program to completion.
    pub fn run(&self, program: &str, args: &[&str]) -> Ran {
        finish(self.command(program).args(args))
    }

    /// Runs git.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> Ran {
        self.run("git", args)
    }

    /// Runs git with the words of a line, none of which contains a space.
    #[track_caller]
    pub fn git_line(&self, line: &str) -> Ran {
        self.git(&line.split(' ').collect::<Vec<_>>())
    }

    /// Returns git's output without the final newline; git must succeed.
    #[track_caller]
    pub fn git_out(&self, args: &[&str]) -> String {
        self.git(args)
            .expect(0)
            .stdout
            .trim_end_matches('\n')
            .to_string()
    }

    /// Runs the snapback that was built for these tests.
    #[track_caller]
    pub fn snapback(&self, args: &[&str]) -> Ran {
        self.run(snapback_program(), args)
    }

    /// Runs snapback with the words of a line, none of which contains a space.
    #[track_caller]
    pub fn run_line(&self, line: &str) -> Ran {
        self.snapback(&line.split(' ').collect::<Vec<_>>())
    }

    /// Starts snapback with the words of a line, and does not listen to it.
    pub fn start(&self, line: &str) -> Child {
        let mut command = self.command(snapback_program());
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.args(line.split(' ')).spawn().unwrap()
    }

    /// Releases a version of a task; this must succeed.
    #[track_caller]
    pub fn release(&self, task: &str, version: &str) -> Ran {
        let message = format!("{task} {version}");
        self.snapback(&[
            "create-snapshot",
            "--task",
            task,
            "--version",
            version,
            "-m",
            &message,
            "--yes",
        ])
        .expect(0)
    }

    /// Commits everything in the work tree.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]).expect(0);
        self.git(&["commit", "-q", "-m", message]).expect(0);
    }

    /// Returns [`Sandbox::new`] with T01 released as 1.0.0 and, with another `signal.py`, as 1.1.0.
    pub fn two_releases(tasks: usize) -> Self {
        let sandbox = Self::new(tasks);
        sandbox.release("T01", "1.0.0");
        sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
        sandbox.release("T01", "1.1.0");
        sandbox
    }

    /// Makes a bare repository `../up.git` and names it `origin`.
    pub fn add_remote(&self) {
        self.git_line("init -q --bare -b main ../up.git").expect(0);
        self.git_line("remote add origin ../up.git").expect(0);
    }

    /// Pushes the branch and all tags to `origin`.
    pub fn push(&self) {
        self.git_line("push -q origin main --tags").expect(0);
    }

    /// Returns the bytes of all files below a folder, except those in folders of this name.
    pub fn bytes_below(&self, folder: &str, except: Option<&str>) -> u64 {
        let walk = files_in(&self.at(folder), except);
        walk.iter().map(|path| path.metadata().unwrap().len()).sum()
    }

    /// Returns the absolute path of something in the work tree.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// Writes a file of the work tree, creating its folders.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        if path == self.at("snapback.yaml") {
            self.trust();
        }
    }

    /// Agrees to the commands in the configuration, as the person who wrote them does. A
    /// configuration that is wrong on purpose contains none.
    pub fn trust(&self) {
        let names_commands = |text: &[u8]| {
            String::from_utf8_lossy(text).contains("run:")
                || String::from_utf8_lossy(text).contains("venv:")
        };
        if fs::read(self.at("snapback.yaml")).is_ok_and(|text| names_commands(&text)) {
            self.run(snapback_program(), &["trust", "--yes"]);
        }
    }

    /// Reads a file of the work tree.
    #[track_caller]
    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Returns whether the path exists, even as a broken link.
    pub fn exists(&self, path: &str) -> bool {
        fs::symlink_metadata(self.at(path)).is_ok()
    }

    /// Sets permission bits.
    pub fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Returns whether a program is installed; if not, prints why the test is skipped.
pub fn have(program: &str) -> bool {
    let there = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .unwrap()
        .status
        .success();
    if !there {
        println!("skipped: there is no {program}");
    }
    there
}

/// Returns the files below a folder, except those in folders of this name.
fn files_in(folder: &Path, except: Option<&str>) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let wanted = entries.filter(|entry| except.is_none_or(|name| entry.file_name() != name));
    let files = wanted.flat_map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => files_in(&entry.path(), except),
        _ => vec![entry.path()],
    });
    files.collect()
}

/// Returns the program under test; `SNAPBACK_PROGRAM` selects another build, for long sweeps.
pub fn snapback_program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        std::env::var("SNAPBACK_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_snapback").into())
    })
}

/// Returns a task's configuration.
pub fn config(version: &str, leverage: u32) -> String {
    format!(
        "# The configuration of the task.\nname: momentum\nversion: {version}\nmax_leverage: {leverage}   # times\n"
    )
}

/// Returns a registry with these tasks at version 1.0.0.
fn registry(ids: &[String]) -> String {
    let entries: Vec<String> =
        ids.iter().map(|id| format!("    \"{id}\": {{\n      \"name\": \"task {id}\",\n      \"version\": \"1.0.0\"\n    }}")).collect();
    format!(
        "{{\n  \"tasks\": {{\n{}\n  }},\n  \"note\": \"kept by hand\"\n}}\n",
        entries.join(",\n")
    )
}

/// The settings: the large files of every task go to the store.
const SETTINGS: &str = "version: 1\ndefaults:\n  large_files: {patterns: [\"*.bin\"]}\n";

/// Runs a prepared command to completion.
pub fn finish(command: &mut Command) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let code = output
        .status
        .code()
        .unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran {
        code,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
