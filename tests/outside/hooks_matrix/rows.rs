//! The rows of the matrix: each manager as scripts of its form and, where installed, the real one.

use std::cell::RefCell;

use super::managers::{EVENTS, Manager, real};

use super::{COLUMNS, Cells, State, prepared, print_row, state};
use crate::support::{Sandbox, sandbox::Ran};

/// Installs our hooks, with a program that counts its calls.
fn install(sandbox: &Sandbox, more: &[&str]) -> Ran {
    let counting = sandbox.top().join("counting/snapback");
    let words = ["hooks", "install", "-y", "--program"];
    let args = [&words[..], &[counting.to_str().unwrap()], more].concat();
    sandbox.snapback(&args).expect(0)
}

/// Asserts that a dry run changes nothing, that an installation suits the manager, and that a
/// second one changes nothing. Returns the resulting state.
fn assert_is_installed_once(sandbox: &Sandbox, manager: Manager, before: &State) -> State {
    let dry = install(sandbox, &["--dry-run"]);
    assert!(dry.stdout.contains("nothing was changed"));
    assert_eq!(state(sandbox), *before, "a dry run is one");
    let first = install(sandbox, &["--json"]).json();
    assert_eq!(first["changed"], true);
    let method = first["data"]["plan"]["method"]
        .as_str()
        .unwrap()
        .to_string();
    let is_new = sandbox
        .git_line("-c hook.p.event=pre-push -c hook.p.command=true hook list pre-push")
        .code
        == 0;
    let fitting = match manager {
        _ if is_new => "config",
        Manager::Husky | Manager::OwnPath | Manager::GlobalPath | Manager::Link => "redirect",
        _ => "shim",
    };
    assert_eq!(method, fitting);
    let installed = state(sandbox);
    let second = install(sandbox, &["--json"]).json();
    assert_eq!(second["changed"], false, "twice is once");
    assert_eq!(state(sandbox), installed);
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
    installed
}

/// Runs the whole row of a manager.
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
    let installed = assert_is_installed_once(&sandbox, manager, &before);
    cells(true).hold("install");
    cells(true).all(&sandbox, "b");
    // Another round of installing in between, with another choice of hooks.
    sandbox
        .snapback(&["hooks", "install", "-y", "--also", "commit-msg"])
        .expect(0);
    install(&sandbox, &[]);
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

/// Runs the row of a real manager, when it is installed.
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
