//! Setup sessions: init, adopt, registry, doctor, demo, and texts for shells and readers.

use std::fs;

use super::{released, shows};
use crate::support::{Sandbox, sandbox::config};

/// Creates a repository without any trace of snapback.
fn fresh() -> Sandbox {
    let sandbox = Sandbox::empty();
    for task in ["T01", "T02"] {
        sandbox.write(
            &format!("tasks/{task}/config.yaml"),
            config("1.0.0", 3).as_bytes(),
        );
        sandbox.write(
            &format!("tasks/{task}/signal.py"),
            b"def signal(x):\n    return x > 0\n",
        );
    }
    sandbox.commit("tasks");
    sandbox
}

#[test]
fn init() {
    let sandbox = fresh();
    shows!(sandbox, ["snapback init --dry-run | grep -v '^    +'", "snapback init 2>&1 | grep -v '^    +'", "snapback init --yes -q", "snapback init --yes", "git status --short", "snapback status"], @"
    $ snapback init --dry-run | grep -v '^    +'
      write  snapback.yaml
      write  task_registry.json
      write  .gitignore
      write  .gitattributes
    $ snapback init 2>&1 | grep -v '^    +'
      write  snapback.yaml
      write  task_registry.json
      write  .gitignore
      write  .gitattributes
    error: this asks before it changes anything, and nobody can be asked here: add --yes to carry the plan out
      hint: without a question:  snapback --yes init
      nothing was changed
    $ snapback init --yes -q
    4 files written, not committed.
    $ snapback init --yes
    everything is set up already; nothing to do.
    $ git status --short
    ?? .gitattributes
    ?? .gitignore
    ?? snapback.yaml
    ?? task_registry.json
    $ snapback status
    TASK  TITLE  ACTIVE  STATE    DRIFT  NEWEST  RELEASES
    T01          1.0.0   unknown  -      -       0         the active version is not released
    T02          1.0.0   unknown  -      -       0         the active version is not released
    2 tasks: 2 need a look
      release it:  snapback create-snapshot -t T01
    ");
}

#[test]
fn adopt() {
    let sandbox = fresh();
    sandbox
        .git(&["tag", "-am", "by hand", "T01-v1.0.0"])
        .expect(0);
    sandbox.git(&["tag", "T02-v0.9.0"]).expect(0);
    sandbox.git(&["tag", "unrelated"]).expect(0);
    shows!(sandbox, ["snapback rollback -t T02 --to 0.9.0 --yes", "snapback adopt --all --dry-run", "snapback adopt -t T01 --yes", "snapback adopt --all --yes", "git log --format=%s", "snapback verify-snapshot --all"], @"
    $ snapback rollback -t T02 --to 0.9.0 --yes
    error: T02 0.9.0 has no manifest: its tag is older than snapback here
      hint: make manifests for its tags:  snapback adopt --task T02
      nothing was changed
    [exit 6]
    $ snapback adopt --all --dry-run
      -  unrelated  no task has tags of this form
    2 tags would be adopted, 1 left out.
    $ snapback adopt -t T01 --yes
      -  unrelated  no task has tags of this form
    1 tag would be adopted, 1 left out.
      ok saved      2 paths
      ok files      2 changed
      ok committed  [id]  adopt: 1 manifest of 1 task
      -  unrelated  no task has tags of this form
    1 tag adopted, 1 left out.
    every task: manifests written: commit [id].  ([secs] s, 2 files changed, operation [id])
    $ snapback adopt --all --yes
      -  T01-v1.0.0  it has a manifest already
      -  unrelated  no task has tags of this form
    1 tag would be adopted, 2 left out.
      ok saved      2 paths
      ok files      2 changed
      ok committed  [id]  adopt: 1 manifest of 1 task
      -  T01-v1.0.0  it has a manifest already
      -  unrelated  no task has tags of this form
    1 tag adopted, 2 left out.
    every task: manifests written: commit [id].  ([secs] s, 2 files changed, operation [id])
    $ git log --format=%s
    adopt: 1 manifest of 1 task
    adopt: 1 manifest of 1 task
    tasks
    first
    $ snapback verify-snapshot --all
    ok T01 1.0.0 is verified (files present, bytes not read; --deep reads them).
    ok T02 0.9.0 is verified (files present, bytes not read; --deep reads them).
    2 versions: all verified
    ");
}

#[test]
fn registry_sync() {
    let sandbox = released();
    shows!(sandbox, ["snapback registry sync"], @"
    $ snapback registry sync
    registry, configs and tags agree
    ");
    sandbox.write("tasks/T02/config.yaml", config("2.0.0", 3).as_bytes());
    shows!(sandbox, ["snapback registry sync", "snapback registry sync --from config --yes", "snapback registry sync", "git status --short"], @"
    $ snapback registry sync
    TASK  REGISTRY  CONFIG  REMEDY
    T02   1.0.0     2.0.0   snapback registry sync -t T02 --from config
      the configs are right:  snapback registry sync --from config
      the registry is right:  snapback registry sync --from registry
    [exit 4]
    $ snapback registry sync --from config --yes
    TASK  REGISTRY  CONFIG  REMEDY
    T02   1.0.0     2.0.0   snapback registry sync -t T02 --from config
      ok saved      1 path
      ok files      1 changed
    T02: registry and configs agree.  ([secs] s, 1 file changed, operation [id])
      see what is not committed:  git status --short
    $ snapback registry sync
    registry, configs and tags agree
    $ git status --short
     M task_registry.json
     M tasks/T02/config.yaml
    ");
}

#[test]
fn doctor() {
    let sandbox = released();
    shows!(sandbox, ["snapback doctor"], @"
    $ snapback doctor
    ok git                      git version [version]
    ok repository               /sandbox/repo
    ok state of the repository  ready for changes
    ok your name in commits     Li Wei <li.wei@example.com>
    ok tasks                    2 tasks
    ok operations               none is unfinished
    ok registry                 agrees with the configurations
    ok lock                     free
    ok ways back                rehearsed and open: 1 task; 1 task without a proven older version
    everything is in order
    ");
    sandbox.write(".git/index.lock", b"");
    sandbox.write("task_registry.json", b"{");
    shows!(sandbox, ["snapback doctor"], @"
    $ snapback doctor
    ok git                      git version [version]
    ok repository               /sandbox/repo
    x  state of the repository  /sandbox/repo/.git/index.lock exists ([secs] s old): git is running here, or was killed
       hint: wait until git has ended
    ok your name in commits     Li Wei <li.wei@example.com>
    ok tasks                    2 tasks
    ok operations               none is unfinished
    x  registry                 the task registry cannot be read: line 1: it is not valid JSON: EOF while parsing an object at line 1 column 1
       fix: snapback registry sync --from config
    ok lock                     free
    x  ways back                T01: a rollback to 1.0.0 would be refused: /sandbox/repo/.git/index.lock exists ([secs] s old): git is running here, or was killed
       fix: snapback health
    3 things to mend
    [exit 8]
    ");
}

#[test]
fn completions() {
    let sandbox = released();
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.snapback(&["completions", shell]).expect(0).stdout;
        assert!(
            script.contains("snapback") && script.len() > 500,
            "{shell}: {script}"
        );
    }
    let complete = |words: &str, at: u8| {
        format!(
            "COMPLETE=bash _CLAP_IFS=' ' _CLAP_COMPLETE_INDEX={at} _CLAP_COMPLETE_COMP_TYPE=9 _CLAP_COMPLETE_SPACE=true snapback -- {words}"
        )
    };
    let lines = [
        complete("snapback roll", 1),
        complete("snapback rollback -t ''", 3),
        complete("snapback rollback -t T01 --to ''", 5),
        complete("snapback op ''", 2),
    ];
    shows!(sandbox, [&lines[0], &lines[1], &lines[2], &lines[3]], @"
    $ COMPLETE=bash _CLAP_IFS=' ' _CLAP_COMPLETE_INDEX=1 _CLAP_COMPLETE_COMP_TYPE=9 _CLAP_COMPLETE_SPACE=true snapback -- snapback roll
    rollback
    $ COMPLETE=bash _CLAP_IFS=' ' _CLAP_COMPLETE_INDEX=3 _CLAP_COMPLETE_COMP_TYPE=9 _CLAP_COMPLETE_SPACE=true snapback -- snapback rollback -t ''
    T01 T02
    $ COMPLETE=bash _CLAP_IFS=' ' _CLAP_COMPLETE_INDEX=5 _CLAP_COMPLETE_COMP_TYPE=9 _CLAP_COMPLETE_SPACE=true snapback -- snapback rollback -t T01 --to ''
    1.1.0 1.0.0 previous last-good latest
    $ COMPLETE=bash _CLAP_IFS=' ' _CLAP_COMPLETE_INDEX=2 _CLAP_COMPLETE_COMP_TYPE=9 _CLAP_COMPLETE_SPACE=true snapback -- snapback op ''
    list show resume abort kept restore prune -C --config --quiet --verbose --json --color --no-progress --no-input --yes --dry-run --no-commands --timeout --lock-wait --help
    ");
}

#[test]
fn man() {
    let sandbox = released();
    shows!(sandbox, ["snapback man ../man && ls ../man | paste -sd' ' | fold -sw 120 | sed 's/ $//'"], @"
    $ snapback man ../man && ls ../man | paste -sd' ' | fold -sw 120 | sed 's/ $//'
    80 pages in ../man
    git-snapback.1 snapback-adopt.1 snapback-alert-answer.1 snapback-alert-list.1 snapback-alert-retry.1
    snapback-alert-test.1 snapback-alert.1 snapback-audit-list.1 snapback-audit-verify.1 snapback-audit.1
    snapback-capsule-create.1 snapback-capsule-verify.1 snapback-capsule.1 snapback-completions.1 snapback-confirm.1
    snapback-create-snapshot.1 snapback-demo.1 snapback-diff.1 snapback-disaster-recovery.1 snapback-doctor.1
    snapback-drill.1 snapback-guard-backtest.1 snapback-guard-check.1 snapback-guard-freeze.1 snapback-guard-run.1
    snapback-guard-status.1 snapback-guard-thaw.1 snapback-guard.1 snapback-health.1 snapback-history.1 snapback-hold.1
    snapback-hooks-install.1 snapback-hooks-run.1 snapback-hooks-status.1 snapback-hooks-uninstall.1 snapback-hooks.1
    snapback-init.1 snapback-keys-allow.1 snapback-keys-create.1 snapback-keys-list.1 snapback-keys-revoke.1
    snapback-keys.1 snapback-list.1 snapback-man.1 snapback-mark.1 snapback-op-abort.1 snapback-op-kept.1
    snapback-op-list.1 snapback-op-prune.1 snapback-op-restore.1 snapback-op-resume.1 snapback-op-show.1 snapback-op.1
    snapback-pin.1 snapback-preview.1 snapback-redo.1 snapback-registry-sync.1 snapback-registry.1 snapback-rollback.1
    snapback-schema.1 snapback-show.1 snapback-status.1 snapback-store-check.1 snapback-store-drop.1 snapback-store-gc.1
    snapback-store-list.1 snapback-store-put.1 snapback-store-repair.1 snapback-store-restore.1 snapback-store-stats.1
    snapback-store.1 snapback-trust.1 snapback-undo.1 snapback-verdicts-fetch.1 snapback-verdicts-list.1
    snapback-verdicts-push.1 snapback-verdicts.1 snapback-verify-rollback.1 snapback-verify-snapshot.1 snapback.1
    ");
    let page = fs::read_to_string(
        sandbox
            .home()
            .parent()
            .unwrap()
            .join("man/snapback-rollback.1"),
    )
    .unwrap();
    assert!(
        page.contains("\\-\\-from") && page.contains("EXIT"),
        "{page}"
    );
}

#[test]
fn schemas() {
    let sandbox = released();
    for format in ["config", "answer", "manifest"] {
        let schema: serde_json::Value =
            serde_json::from_str(&sandbox.snapback(&["schema", format]).expect(0).stdout).unwrap();
        // A manifest has one of two formats.
        let says_what_is_allowed = schema["properties"].is_object() || schema["oneOf"].is_array();
        assert!(
            schema["$schema"].is_string() && says_what_is_allowed,
            "{format}: {schema}"
        );
    }
}

#[test]
fn demo() {
    let sandbox = Sandbox::empty();
    let before = sandbox.everything();
    shows!(sandbox, ["snapback demo"], @"
    $ snapback demo
    error: the demo waits for Enter between its steps, and there is no terminal: add --auto
      hint: walk through by itself:  snapback demo --auto
      nothing was changed
    [exit 6]
    ");
    let ran = sandbox.snapback(&["demo", "--auto"]).expect(0);
    println!("{}{}", ran.stderr, ran.stdout);
    for word in ["create-snapshot", "rollback", "undo", "redo", "git fsck"] {
        assert!((ran.stderr.clone() + &ran.stdout).contains(word), "{word}");
    }
    assert_eq!(sandbox.everything(), before, "nothing outside its folder");
}
