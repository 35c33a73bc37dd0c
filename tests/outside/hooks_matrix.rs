//! Hooks beside those of every hook manager: each runs exactly once, foreign ones as before, and an
//! uninstallation restores every byte.
//!
//! The matrix is git × manager × {install, commit, push, up-to-date push, delete push, switch,
//! merge, amend, linked work tree, clone, collection, uninstall}. `SNAPBACK_GIT_BIN` names a folder
//! with another git; real managers take part when they are on PATH, which `bench/managers.sh`
//! arranges. With `--nocapture` every row says which of its cells were tried.

mod managers;
mod rows;

use std::{cell::RefCell, collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path};

use managers::{Manager, Weights, program};

use crate::support::{
    Sandbox,
    sandbox::{Ran, snapback_program},
};

/// Creates a repository with a released task, a remote, a log of hooks, and a snapback that logs
/// its calls.
fn prepared(manager: Manager, real: bool) -> Sandbox {
    let mut sandbox = Sandbox::new(1);
    let path = std::env::var("PATH").unwrap();
    let other_git = std::env::var("SNAPBACK_GIT_BIN")
        .map(|bin| format!("{bin}:"))
        .unwrap_or_default();
    let log = sandbox.top().join("log");
    sandbox.variables.push((
        "PATH".into(),
        format!("{}:{other_git}{path}", sandbox.top().join("bin").display()),
    ));
    sandbox
        .variables
        .push(("HOOK_LOG".into(), log.to_str().unwrap().into()));
    let count = format!(
        "#!/bin/sh\necho ours $3 >>\"$HOOK_LOG\"\nexec '{}' \"$@\"\n",
        snapback_program()
    );
    program(&sandbox.top().join("counting/snapback"), &count);
    sandbox
        .git(&["init", "-q", "--bare", "../up.git"])
        .expect(0);
    sandbox
        .git(&["remote", "add", "origin", "../up.git"])
        .expect(0);
    manager.set_up(&sandbox, real);
    sandbox.release("T01", "1.0.0");
    sandbox
        .git(&["push", "-q", "origin", "main", "T01-v1.0.0"])
        .expect(0);
    sandbox.git(&["tag", "other"]).expect(0);
    sandbox.git(&["push", "-q", "origin", "other"]).expect(0);
    sandbox
}

/// Files by path, with mode and bytes.
type State = BTreeMap<String, (u32, Vec<u8>)>;

/// Reads what an uninstallation must restore: every file among hooks and configurations, with its
/// mode.
fn state(sandbox: &Sandbox) -> State {
    fn add(top: &Path, dir: &Path, found: &mut BTreeMap<String, (u32, Vec<u8>)>) {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let name = path
                .strip_prefix(top)
                .unwrap()
                .to_str()
                .unwrap()
                .to_string();
            if meta.is_dir() {
                add(top, &path, found);
            } else {
                let bytes = if meta.is_symlink() {
                    fs::read_link(&path)
                        .unwrap()
                        .into_os_string()
                        .into_encoded_bytes()
                } else {
                    fs::read(&path).unwrap()
                };
                found.insert(name, (meta.mode(), bytes));
            }
        }
    }
    let mut found = BTreeMap::new();
    for folder in [
        "repo/.git/hooks",
        "repo/.husky",
        "repo/.githooks",
        "home/company-hooks",
        "repo/.git/snapback/hooks",
    ] {
        add(sandbox.top(), &sandbox.top().join(folder), &mut found);
    }
    for file in [
        "repo/.git/config",
        "home/.gitconfig",
        "home/.config/git/config",
    ] {
        let path = sandbox.top().join(file);
        if let Ok(bytes) = fs::read(&path) {
            found.insert(file.into(), (fs::metadata(&path).unwrap().mode(), bytes));
        }
    }
    found
}

/// Runs a git command. Returns the log lines that it added, sorted, and the result.
fn logged(sandbox: &Sandbox, code: i32, args: &[&str]) -> (Vec<String>, Ran) {
    let log = sandbox.top().join("log");
    let _ = fs::remove_file(&log);
    let ran = sandbox.git(args).expect(code);
    let text = fs::read_to_string(&log).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    lines.sort();
    (lines, ran)
}

/// The columns of the matrix.
const COLUMNS: [&str; 12] = [
    "install",
    "commit",
    "push",
    "up-to-date push",
    "delete push",
    "switch",
    "merge",
    "amend",
    "worktree",
    "clone",
    "gc",
    "uninstall",
];

/// Prints the cells of a row; `done` has the columns that held, `None` when nothing was tried.
fn print_row(git: &str, who: &str, done: Option<&[&str]>) {
    let cell = |column: &&str| match done {
        None => "skipped",
        Some(done) if done.contains(column) => "ok",
        Some(_) => "missing",
    };
    let cells: Vec<&str> = COLUMNS.iter().map(cell).collect();
    // One call, so that rows of concurrent tests do not mix.
    eprint!(
        "| git | manager | {} |\n|{}\n| {git} | {who} | {} |\n",
        COLUMNS.join(" | "),
        "---|".repeat(COLUMNS.len() + 2),
        cells.join(" | ")
    );
}

/// The cells of a row, one after another.
struct Cells<'a> {
    manager: Manager,
    real: bool,
    installed: bool,
    /// The columns that held while snapback was installed.
    done: &'a RefCell<Vec<&'static str>>,
}

impl Cells<'_> {
    /// Records that a column held.
    fn hold(&self, column: &'static str) {
        if self.installed {
            self.done.borrow_mut().push(column);
        }
    }

    #[track_caller]
    fn check(&self, sandbox: &Sandbox, code: i32, args: &[&str], events: &[&str]) -> Ran {
        self.check_foreign(sandbox, code, args, events, events)
    }

    /// Like [`Cells::check`], for a manager that runs its hooks for fewer events.
    #[track_caller]
    fn check_foreign(
        &self,
        sandbox: &Sandbox,
        code: i32,
        args: &[&str],
        events: &[&str],
        foreign: &[&str],
    ) -> Ran {
        let (lines, ran) = logged(sandbox, code, args);
        let begins: Vec<String> = lines
            .iter()
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        let mut expected: Vec<String> = foreign
            .iter()
            .filter(|event| self.manager.has(event))
            .map(|event| format!("foreign {event}"))
            .collect();
        if self.installed {
            expected.extend(events.iter().map(|event| format!("ours {event}")));
        }
        expected.sort();
        assert_eq!(
            begins, expected,
            "{:?}: git {args:?}\n{lines:?}\n{}",
            self.manager, ran.stderr
        );
        ran
    }

    /// Runs all git commands of the matrix and checks the hooks that must run.
    fn all(&self, sandbox: &Sandbox, round: &str) {
        let weights = Weights::of(self.manager, self.real, sandbox);
        let change = |text: &str| {
            sandbox.write(
                "tasks/T01/signal.py",
                format!("# {text} {round}\n").as_bytes(),
            );
            weights.change(&format!("{text} {round}"));
        };
        change("one");
        self.check(
            sandbox,
            0,
            &["commit", "-qam", "fix: one"],
            &["post-commit"],
        );
        weights.assert_locked("post-commit");
        self.hold("commit");
        weights.assert_uploaded(false);
        self.check(sandbox, 0, &["push", "-q", "origin", "main"], &["pre-push"]);
        weights.assert_uploaded(true);
        self.hold("push");
        self.quiet_pushes(sandbox);
        self.check(
            sandbox,
            0,
            &["switch", "-qc", &format!("side{round}")],
            &["post-checkout"],
        );
        change("two");
        self.check(sandbox, 0, &["commit", "-qam", "two"], &["post-commit"]);
        self.check(sandbox, 0, &["switch", "-q", "main"], &["post-checkout"]);
        weights.assert_locked("post-checkout");
        self.hold("switch");
        self.check(
            sandbox,
            0,
            &["merge", "-q", "--no-edit", &format!("side{round}")],
            &["post-merge"],
        );
        weights.assert_locked("post-merge");
        self.hold("merge");
        self.check(
            sandbox,
            0,
            &["commit", "-q", "--amend", "-m", &format!("three {round}")],
            &["post-commit", "post-rewrite"],
        );
        self.hold("amend");
        self.linked(sandbox, round);
        self.cloned(sandbox, round);
        self.check(sandbox, 0, &["gc", "-q"], &[]);
        self.hold("gc");
        weights.assert_uploaded(false);
        self.check(
            sandbox,
            0,
            &["push", "-qf", "origin", "main"],
            &["pre-push"],
        );
        weights.assert_uploaded(true);
    }

    /// A clone has none of our hooks; those of the company run everywhere.
    fn cloned(&self, sandbox: &Sandbox, round: &str) {
        let everywhere: &[&str] = if self.manager == Manager::GlobalPath {
            &["post-checkout"]
        } else {
            &[]
        };
        self.check_foreign(
            sandbox,
            0,
            &["clone", "-q", ".", &format!("../clone{round}")],
            &[],
            everywhere,
        );
        self.hold("clone");
    }

    /// Checks pushes that bring the remote no commit.
    fn quiet_pushes(&self, sandbox: &Sandbox) {
        // pre-commit runs nothing when a push contains no commit that is new to the remote.
        let quiet: &[&str] = if self.manager == Manager::PreCommit && self.real {
            &[]
        } else {
            &["pre-push"]
        };
        self.check_foreign(
            sandbox,
            0,
            &["push", "-q", "origin", "main"],
            &["pre-push"],
            quiet,
        );
        self.hold("up-to-date push");
        if self.installed {
            let refused = self.check_foreign(
                sandbox,
                1,
                &["push", "-q", "origin", ":T01-v1.0.0"],
                &["pre-push"],
                quiet,
            );
            assert!(
                refused.stderr.contains("T01-v1.0.0 is a release"),
                "{}",
                refused.stderr
            );
        }
        self.check_foreign(
            sandbox,
            0,
            &["push", "-q", "origin", ":other"],
            &["pre-push"],
            quiet,
        );
        self.check_foreign(
            sandbox,
            0,
            &["push", "-q", "origin", "other"],
            &["pre-push"],
            quiet,
        );
        self.hold("delete push");
    }

    /// Checks a linked work tree.
    fn linked(&self, sandbox: &Sandbox, round: &str) {
        let tree = format!("../linked{round}");
        self.check(
            sandbox,
            0,
            &["worktree", "add", "-q", &tree],
            &["post-checkout"],
        );
        let linked = sandbox.top().join(format!("linked{round}"));
        Weights::of(self.manager, self.real, sandbox)
            .in_tree(&linked)
            .assert_locked("post-checkout");
        fs::write(
            linked.join("tasks/T01/signal.py"),
            format!("# linked {round}\n"),
        )
        .unwrap();
        // The scripts of husky are not tracked, and git looks for them in the new work tree.
        let foreign: &[&str] = if self.manager == Manager::Husky {
            &[]
        } else {
            &["post-commit"]
        };
        let args = ["-C", &tree, "commit", "-qam", "linked"];
        self.check_foreign(sandbox, 0, &args, &["post-commit"], foreign);
        sandbox
            .git(&["worktree", "remove", "--force", &tree])
            .expect(0);
        sandbox
            .git(&["branch", "-qD", &format!("linked{round}")])
            .expect(0);
        self.hold("worktree");
    }
}
