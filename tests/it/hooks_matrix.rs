//! Hooks beside those of every manager: each runs exactly once, foreign ones as before, and after
//! an uninstallation every byte is what it was.
//!
//! The matrix is git × manager × {install, commit, push, up-to-date push, delete push, switch,
//! merge, amend, linked work tree, clone, collection, uninstall}. `SNAPBACK_GIT_BIN` names a
//! folder with another git; real managers take part when they are on PATH, which
//! `bench/managers.sh` sees to. With `--nocapture` every row says which of its cells were tried.

#[path = "hooks/managers.rs"]
mod managers;

use std::{cell::RefCell, collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path};

use managers::{EVENTS, Manager, Weights, program, real};

use crate::support::{
    Sandbox,
    sandbox::{Ran, snapback_program},
};

/// A repository with a released task, a remote, a log of hooks, and a snapback that notes its
/// calls.
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

/// What an uninstallation must bring back: every file among hooks and configurations, with its
/// mode.
fn state(sandbox: &Sandbox) -> BTreeMap<String, (u32, Vec<u8>)> {
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

/// Runs a command of git; returns what the log says of it, sorted.
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

/// Says of a row what was tried; `done` has the columns that held, `None` when nothing was tried.
fn print_row(git: &str, who: &str, done: Option<&[&str]>) {
    let cell = |column: &&str| match done {
        None => "skipped",
        Some(done) if done.contains(column) => "ok",
        Some(_) => "missing",
    };
    let cells: Vec<&str> = COLUMNS.iter().map(cell).collect();
    // One call, so that rows of tests that run at once do not mix.
    eprint!(
        "| git | manager | {} |\n|{}\n| {git} | {who} | {} |\n",
        COLUMNS.join(" | "),
        "---|".repeat(COLUMNS.len() + 2),
        cells.join(" | ")
    );
}

/// One cell after another; `events` are those that must run, each once on each side.
struct Cells<'a> {
    manager: Manager,
    real: bool,
    installed: bool,
    /// The columns that held while snapback was installed.
    done: &'a RefCell<Vec<&'static str>>,
}

impl Cells<'_> {
    /// A column held.
    fn hold(&self, column: &'static str) {
        if self.installed {
            self.done.borrow_mut().push(column);
        }
    }

    #[track_caller]
    fn check(&self, sandbox: &Sandbox, code: i32, args: &[&str], events: &[&str]) -> Ran {
        self.check_foreign(sandbox, code, args, events, events)
    }

    /// As [`Cells::check`], where the manager runs its hooks for fewer events.
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

    /// Everything that git does, with the hooks that must run.
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
        // A clone has none of our hooks; those of the company are everywhere.
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

    /// Pushes that bring the remote no commit.
    fn quiet_pushes(&self, sandbox: &Sandbox) {
        // pre-commit runs nothing when no commit is pushed that the remote has not.
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

    /// A linked work tree.
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

/// The whole row of a manager.
fn row(manager: Manager, real: bool) {
    let sandbox = prepared(manager, real);
    let done = RefCell::default();
    let cells = |installed| Cells {
        manager,
        real,
        installed,
        done: &done,
    };
    let before = state(&sandbox);
    cells(false).all(&sandbox, "a");
    assert_eq!(
        state(&sandbox),
        before,
        "the hooks of others change nothing by themselves"
    );
    let counting = sandbox.top().join("counting/snapback");
    let install = [
        "hooks",
        "install",
        "-y",
        "--program",
        counting.to_str().unwrap(),
    ];
    assert!(
        sandbox
            .snapback(&[&install[..], &["--dry-run"]].concat())
            .expect(0)
            .stdout
            .contains("nothing was changed")
    );
    assert_eq!(state(&sandbox), before, "a dry run is one");
    let first = sandbox
        .snapback(&[&install[..], &["--json"]].concat())
        .expect(0)
        .json();
    assert_eq!(first["changed"], true);
    let method = first["data"]["plan"]["method"]
        .as_str()
        .unwrap()
        .to_string();
    let is_new = sandbox
        .git(&[
            "-c",
            "hook.p.event=pre-push",
            "-c",
            "hook.p.command=true",
            "hook",
            "list",
            "pre-push",
        ])
        .code
        == 0;
    let fitting = match manager {
        _ if is_new => "config",
        Manager::Husky | Manager::OwnPath | Manager::GlobalPath | Manager::Link => "redirect",
        _ => "shim",
    };
    assert_eq!(method, fitting);
    let installed = state(&sandbox);
    assert_eq!(
        sandbox
            .snapback(&[&install[..], &["--json"]].concat())
            .expect(0)
            .json()["changed"],
        false,
        "twice is once"
    );
    assert_eq!(state(&sandbox), installed);
    let status = sandbox
        .snapback(&["hooks", "status", "--json"])
        .expect(0)
        .json();
    for hook in status["data"]["hooks"]["hooks"].as_array().unwrap() {
        let is_ours = EVENTS.contains(&hook["event"].as_str().unwrap());
        assert_eq!(
            hook["method"].as_str(),
            is_ours.then_some(fitting),
            "{hook}"
        );
    }
    cells(true).hold("install");
    cells(true).all(&sandbox, "b");
    // Another round of installing in between, with another choice of hooks.
    sandbox
        .snapback(&["hooks", "install", "-y", "--also", "commit-msg"])
        .expect(0);
    sandbox.snapback(&install).expect(0);
    assert_eq!(
        state(&sandbox),
        installed,
        "the same choice gives the same bytes"
    );
    sandbox.snapback(&["hooks", "uninstall", "-y"]).expect(0);
    assert_eq!(state(&sandbox), before, "every byte and mode is back");
    assert_eq!(
        sandbox
            .snapback(&["hooks", "uninstall", "-y", "--json"])
            .expect(0)
            .json()["changed"],
        false
    );
    cells(false).all(&sandbox, "c");
    cells(true).hold("uninstall");
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
    let who = format!(
        "{manager:?} ({})",
        if real {
            "itself"
        } else {
            "scripts of its form"
        }
    );
    print_row(&sandbox.git_out(&["version"]), &who, Some(&done.borrow()));
    assert!(
        COLUMNS.iter().all(|column| done.borrow().contains(column)),
        "{done:?}"
    );
}

/// The row of a real manager, when it is there.
fn real_row(manager: Manager, name: &str) {
    if real(name).is_none() {
        return print_row("any", &format!("{manager:?} ({name} is not on PATH)"), None);
    }
    row(manager, true);
}

#[test]
fn nobody_else_has_hooks() {
    row(Manager::None, false);
}

#[test]
fn plain_hooks() {
    row(Manager::Plain, false);
}

#[test]
fn pre_commit() {
    row(Manager::PreCommit, false);
}

#[test]
fn pre_commit_itself() {
    real_row(Manager::PreCommit, "pre-commit");
}

#[test]
fn lefthook() {
    row(Manager::Lefthook, false);
}

#[test]
fn lefthook_itself() {
    real_row(Manager::Lefthook, "lefthook");
}

#[test]
fn husky() {
    row(Manager::Husky, false);
}

#[test]
fn husky_itself() {
    real_row(Manager::Husky, "husky");
}

#[test]
fn git_lfs() {
    row(Manager::GitLfs, false);
}

#[test]
fn git_lfs_itself() {
    real_row(Manager::GitLfs, "git-lfs");
}

#[test]
fn an_own_folder() {
    row(Manager::OwnPath, false);
}

#[test]
fn a_folder_of_the_company() {
    row(Manager::GlobalPath, false);
}

#[test]
fn links_that_act_on_their_name() {
    row(Manager::Link, false);
}
