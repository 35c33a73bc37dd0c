//! Sessions that change something: release, rollback, undo, redo, recovery.

use super::{released, shows};
use crate::support::Sandbox;

#[test]
fn create_snapshot() {
    let sandbox = Sandbox::new(1);
    shows!(sandbox, ["snapback create-snapshot -t T01 -m first --dry-run", "snapback create-snapshot -t T01 -m first --yes", "snapback snap -t T01 --yes"], @"
    $ snapback create-snapshot -t T01 -m first --dry-run
    Plan  create-snapshot  T01  1.0.0  (first)
      files    A tasks/T01/model.bin  70.0 kB into the store
               4 unchanged
    dry run: 1 file would change
    $ snapback create-snapshot -t T01 -m first --yes
    Plan  create-snapshot  T01  1.0.0  (first)
      files    A tasks/T01/model.bin  70.0 kB into the store
               4 unchanged
      ok files      1 changed
      ok committed  [id]  release(T01): v1.0.0 first
    T01 1.0.0 is released: commit [id], tag T01-v1.0.0, verified.  ([secs] s, 1 file changed, operation [id])
    $ snapback snap -t T01 --yes
    Plan  create-snapshot  T01  1.0.0 -> 1.0.1
      files    M task_registry.json     +1  -1  T01: 1.0.0 -> 1.0.1
               M tasks/T01/config.yaml  +1  -1  version: 1.0.0 -> 1.0.1
               3 unchanged
      ok saved      2 paths
      ok files      3 changed
      ok committed  [id]  release(T01): v1.0.1
    T01 1.0.1 is released: commit [id], tag T01-v1.0.1, verified.  ([secs] s, 3 files changed, operation [id])
    ");
    sandbox.write("tasks/T01/signal.py", b"changed\n");
    shows!(sandbox, ["cd tasks/T01 && snapback snap --bump minor -m second --yes", "git log --format=%s", "git tag", "git status --short"], @"
    $ cd tasks/T01 && snapback snap --bump minor -m second --yes
    Plan  create-snapshot  T01  1.0.1 -> 1.1.0  (second)
      files    M task_registry.json     +1  -1  T01: 1.0.1 -> 1.1.0
               M tasks/T01/config.yaml  +1  -1  version: 1.0.1 -> 1.1.0
               M tasks/T01/signal.py    +1  -3
               2 unchanged
      ok saved      2 paths
      ok files      3 changed
      ok committed  [id]  release(T01): v1.1.0 second
    T01 1.1.0 is released: commit [id], tag T01-v1.1.0, verified.  ([secs] s, 3 files changed, operation [id])
    $ git log --format=%s
    manifest(T01): v1.1.0
    release(T01): v1.1.0 second
    manifest(T01): v1.0.1
    release(T01): v1.0.1
    manifest(T01): v1.0.0
    release(T01): v1.0.0 first
    tasks
    first
    $ git tag
    T01-v1.0.0
    T01-v1.0.1
    T01-v1.1.0
    $ git status --short
    ");
}

#[test]
fn create_snapshot_asks_first() {
    let sandbox = Sandbox::new(1);
    shows!(sandbox, ["snapback create-snapshot -t T01 -m first", "snapback create-snapshot -t T01 --version 1.0", "snapback create-snapshot"], @r#"
    $ snapback create-snapshot -t T01 -m first
    Plan  create-snapshot  T01  1.0.0  (first)
      files    A tasks/T01/model.bin  70.0 kB into the store
               4 unchanged
    error: this asks before it changes anything, and nobody can be asked here: add --yes to carry the plan out
      hint: without a question:  snapback --yes create-snapshot -t T01 -m first
      nothing was changed
    [exit 6]
    $ snapback create-snapshot -t T01 --version 1.0
    error: "1.0" is not a version: unexpected end of input while parsing minor version number (scheme semver)
      hint: `scheme` of the task in snapback.yaml says what its versions are: semver, pep440 or calver
      nothing was changed
    [exit 2]
    $ snapback create-snapshot
    Plan  create-snapshot  T01  1.0.0
      files    A tasks/T01/model.bin  70.0 kB into the store
               4 unchanged
    error: this asks before it changes anything, and nobody can be asked here: add --yes to carry the plan out
      hint: without a question:  snapback --yes create-snapshot
      nothing was changed
    [exit 6]
    "#);
}

#[test]
fn create_snapshot_pushes() {
    let sandbox = Sandbox::new(1);
    sandbox
        .git(&["init", "-q", "--bare", "../remote.git"])
        .expect(0);
    sandbox
        .git(&["remote", "add", "origin", "../remote.git"])
        .expect(0);
    shows!(sandbox, ["snapback create-snapshot -t T01 --yes --push", "git ls-remote -q --refs origin | cut -f2 | cut -d/ -f1-5"], @"
    $ snapback create-snapshot -t T01 --yes --push
    Plan  create-snapshot  T01  1.0.0
      files    A tasks/T01/model.bin  70.0 kB into the store
               4 unchanged
      ok files      1 changed
      ok committed  [id]  release(T01): v1.0.0
    T01 1.0.0 is released: commit [id], tag T01-v1.0.0, verified.  ([secs] s, 1 file changed, operation [id])
      pushed to origin
    $ git ls-remote -q --refs origin | cut -f2 | cut -d/ -f1-5
    refs/heads/main
    refs/snapback/verdicts/T01/1.0.0
    refs/tags/T01-v1.0.0
    ");
    sandbox.write("tasks/T01/signal.py", b"changed\n");
    shows!(sandbox, ["snapback create-snapshot -t T01 --bump patch --yes --push=nowhere"], @"
    $ snapback create-snapshot -t T01 --bump patch --yes --push=nowhere
    error: nowhere cannot be asked: [git's words]
      hint: see whether it can be reached:  git ls-remote nowhere
      nothing was changed
    [exit 9]
    ");
}

#[test]
fn rollback() {
    let sandbox = released();
    shows!(sandbox, ["snapback rollback -t T01 --dry-run"], @r#"
    $ snapback rollback -t T01 --dry-run
    Plan  T01  1.1.0 -> 1.0.0  (by Li Wei, [time]: "T01 1.0.0", proven)
      files    M tasks/T01/config.yaml  +2  -2  max_leverage: 5 -> 3, version: 1.1.0 -> 1.0.0
               D tasks/T01/new.py           -1
               M tasks/T01/signal.py    +2  -1
               M task_registry.json     +1  -1  T01: 1.1.0 -> 1.0.0
               3 unchanged
      safety   everything is saved first; `snapback undo` brings it back
    dry run: 4 files would change
    "#);
    shows!(sandbox, ["snapback rollback -t T01 --to previous"], @r#"
    $ snapback rollback -t T01 --to previous
    Plan  T01  1.1.0 -> 1.0.0  (by Li Wei, [time]: "T01 1.0.0", proven)
      files    M tasks/T01/config.yaml  +2  -2  max_leverage: 5 -> 3, version: 1.1.0 -> 1.0.0
               D tasks/T01/new.py           -1
               M tasks/T01/signal.py    +2  -1
               M task_registry.json     +1  -1  T01: 1.1.0 -> 1.0.0
               3 unchanged
      safety   everything is saved first; `snapback undo` brings it back
    error: this asks before it changes anything, and nobody can be asked here: add --yes to carry the plan out
      hint: without a question:  snapback --yes rollback -t T01 --to previous
      nothing was changed
    [exit 6]
    "#);
    shows!(sandbox, ["snapback rollback -t T01 --from 1.0.0 --to 1.0.0 --yes", "snapback rollback -t T01 --from 1.1.0 --to 1.0.0 -m 'drawdown' --yes"], @r#"
    $ snapback rollback -t T01 --from 1.0.0 --to 1.0.0 --yes
    error: T01 is at 1.1.0, not at 1.0.0
      hint: roll back from where it is:  snapback rollback --task T01 --from 1.1.0 --to 1.0.0
      hint: see what happened:  snapback history --task T01
      nothing was changed
    [exit 7]
    $ snapback rollback -t T01 --from 1.1.0 --to 1.0.0 -m 'drawdown' --yes
    Plan  T01  1.1.0 -> 1.0.0  (by Li Wei, [time]: "T01 1.0.0", proven)
      files    M tasks/T01/config.yaml  +2  -2  max_leverage: 5 -> 3, version: 1.1.0 -> 1.0.0
               D tasks/T01/new.py           -1
               M tasks/T01/signal.py    +2  -1
               M task_registry.json     +1  -1  T01: 1.1.0 -> 1.0.0
               3 unchanged
      safety   everything is saved first; `snapback undo` brings it back
      ok saved      4 paths
      ok files      4 changed
      ok committed  [id]  rollback(T01): v1.1.0 -> v1.0.0 drawdown
    T01 is at 1.0.0, verified.  1.1.0 is held.  ([secs] s, 4 files changed, operation [id])
      take it back:  snapback undo
    "#);
}

#[test]
fn undo_redo() {
    let sandbox = released();
    sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.0.0", "-m", "drawdown", "--yes",
        ])
        .expect(0);
    shows!(sandbox, ["snapback rollback -t T01 --to 1.0.0 --yes", "snapback undo --yes", "snapback redo --yes"], @"
    $ snapback rollback -t T01 --to 1.0.0 --yes
    T01 is at 1.0.0 already, verified; nothing to do.
    $ snapback undo --yes
    Plan  undo  T01  1.0.0 -> 1.1.0  (takes back rollback [id] of [time])
      files    M tasks/T01/config.yaml  +2  -2  max_leverage: 3 -> 5, version: 1.0.0 -> 1.1.0
               A tasks/T01/new.py       +1
               M tasks/T01/signal.py    +1  -2
               M task_registry.json     +1  -1  T01: 1.0.0 -> 1.1.0
               1 unchanged
      safety   everything is saved first; `snapback redo` brings it back
      ok saved      4 paths
      ok files      4 changed
      ok committed  [id]  undo(T01): v1.0.0 -> v1.1.0 takes back [id]
    T01 is at 1.1.0, verified.  ([secs] s, 4 files changed, operation [id])
      bring it again:  snapback redo
    $ snapback redo --yes
    Plan  redo  T01  1.1.0 -> 1.0.0  (takes back undo [id] of [time])
      files    M tasks/T01/config.yaml  +2  -2  max_leverage: 5 -> 3, version: 1.1.0 -> 1.0.0
               D tasks/T01/new.py           -1
               M tasks/T01/signal.py    +2  -1
               M task_registry.json     +1  -1  T01: 1.1.0 -> 1.0.0
               1 unchanged
      safety   everything is saved first; `snapback undo` brings it back
      ok saved      4 paths
      ok files      4 changed
      ok committed  [id]  redo(T01): v1.1.0 -> v1.0.0 takes back [id]
    T01 is at 1.0.0, verified.  ([secs] s, 4 files changed, operation [id])
      take it back:  snapback undo
    ");
    shows!(sandbox, ["snapback undo --dry-run", "git log --format=%s", "git tag"], @"
    $ snapback undo --dry-run
    Plan  undo  T01  1.0.0 -> 1.1.0  (takes back redo [id] of [time])
      files    M tasks/T01/config.yaml  +2  -2  max_leverage: 3 -> 5, version: 1.0.0 -> 1.1.0
               A tasks/T01/new.py       +1
               M tasks/T01/signal.py    +1  -2
               M task_registry.json     +1  -1  T01: 1.0.0 -> 1.1.0
               1 unchanged
      safety   everything is saved first; `snapback redo` brings it back
    dry run: 4 files would change
    $ git log --format=%s
    redo(T01): v1.1.0 -> v1.0.0 takes back [id]
    undo(T01): v1.0.0 -> v1.1.0 takes back [id]
    rollback(T01): v1.1.0 -> v1.0.0 drawdown
    manifest(T01): v1.1.0
    release(T01): v1.1.0 T01 1.1.0
    manifest(T01): v1.0.0
    release(T01): v1.0.0 T01 1.0.0
    tasks
    first
    $ git tag
    T01-v1.0.0
    T01-v1.0.0-rollback-from-v1.1.0
    T01-v1.1.0
    ");
}

#[test]
fn rollback_without_commit() {
    let sandbox = released();
    shows!(sandbox, ["snapback rollback -t T01 --to 1.0.0 --no-commit --yes -q", "git status --short", "snapback undo --yes -q", "git status --short"], @"
    $ snapback rollback -t T01 --to 1.0.0 --no-commit --yes -q
    T01 is at 1.0.0, verified.  1.1.0 is held.  ([secs] s, 4 files changed, operation [id])
    $ git status --short
     M task_registry.json
     M tasks/T01/config.yaml
     D tasks/T01/new.py
     M tasks/T01/signal.py
    $ snapback undo --yes -q
    T01 is at 1.1.0, verified.  ([secs] s, 4 files changed, operation [id])
    $ git status --short
    ");
}

#[test]
fn rollback_that_fails_its_smoke_test() {
    let sandbox = released();
    let settings = "version: 1\ndefaults:\n  large_files: {patterns: [\"*.bin\"]}\n  verify: [{run: \"test -e new.py\"}]\n";
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox.git(&["commit", "-qam", "settings"]).expect(0);
    shows!(sandbox, ["snapback rollback -t T01 --to 1.0.0 --yes", "git status --short"], @r#"
    $ snapback rollback -t T01 --to 1.0.0 --yes
    Plan  T01  1.1.0 -> 1.0.0  (by Li Wei, [time]: "T01 1.0.0", proven)
      files    M tasks/T01/config.yaml  +2  -2  max_leverage: 5 -> 3, version: 1.1.0 -> 1.0.0
               D tasks/T01/new.py           -1
               M tasks/T01/signal.py    +2  -1
               M task_registry.json     +1  -1  T01: 1.1.0 -> 1.0.0
               3 unchanged
      check    test -e new.py
      safety   everything is saved first; `snapback undo` brings it back
      ok saved      4 paths
      ok files      4 changed
      x  smoke.1                   command: test -e new.py
           exit 1
    T01 is as it was (1.1.0): the rollback failed and everything was put back.  ([secs] s, operation [id])
      see what was tried:  snapback op show [id]
    [exit 4]
    $ git status --short
    "#);
    shows!(sandbox, ["snapback rollback -t T01 --to 1.0.0 --yes --on-verify-fail keep"], @r#"
    $ snapback rollback -t T01 --to 1.0.0 --yes --on-verify-fail keep
    Plan  T01  1.1.0 -> 1.0.0  (by Li Wei, [time]: "T01 1.0.0", failed)
      files    M tasks/T01/config.yaml  +2  -2  max_leverage: 5 -> 3, version: 1.1.0 -> 1.0.0
               D tasks/T01/new.py           -1
               M tasks/T01/signal.py    +2  -1
               M task_registry.json     +1  -1  T01: 1.1.0 -> 1.0.0
               3 unchanged
      check    test -e new.py
      safety   everything is saved first; `snapback undo` brings it back
      ok saved      4 paths
      ok files      4 changed
      ok committed  [id]  rollback(T01): v1.1.0 -> v1.0.0
      x  smoke.1                   command: test -e new.py
           exit 1
    T01 is at 1.0.0, but verification failed.  1.1.0 is held.  ([secs] s, 4 files changed, operation [id])
      take it back:  snapback undo
    [exit 4]
    "#);
}

#[test]
fn disaster_recovery() {
    let sandbox = released();
    shows!(sandbox, ["snapback disaster-recovery -t T01 --target-version 1.0.0 -m 'drawdown' --report ../report.md"], @r#"
    $ snapback disaster-recovery -t T01 --target-version 1.0.0 -m 'drawdown' --report ../report.md
    Plan  T01  1.1.0 -> 1.0.0  (by Li Wei, [time]: "T01 1.0.0", proven)
      files    M tasks/T01/config.yaml  +2  -2  max_leverage: 5 -> 3, version: 1.1.0 -> 1.0.0
               D tasks/T01/new.py           -1
               M tasks/T01/signal.py    +2  -1
               M task_registry.json     +1  -1  T01: 1.1.0 -> 1.0.0
               3 unchanged
      safety   everything is saved first; `snapback undo` brings it back
      ok saved      4 paths
      ok files      4 changed
      ok committed  [id]  rollback(T01): v1.1.0 -> v1.0.0 drawdown
    T01 is at 1.0.0, verified.  1.1.0 is held.  ([secs] s, 4 files changed, operation [id])
      report: ../report.md
      take it back:  snapback undo
    "#);
}

#[test]
fn the_report_of_a_disaster_recovery() {
    let sandbox = released();
    let line = "disaster-recovery -t T01 --target-version 1.0.0 -m drawdown --report ../report.md";
    sandbox.run_line(line).expect(0);
    shows!(sandbox, ["cat ../report.md"], @r#"
    $ cat ../report.md
    # Disaster recovery of T01

    T01 is at 1.0.0, verified.  1.1.0 is held.  ([secs] s, 4 files changed, operation [id])

    - Task: T01
    - From: 1.1.0
    - To: 1.0.0
    - Began: [time]
    - Ended: [time]
    - Took: [secs] s
    - Who: Li Wei &lt;li.wei@example.com>
    - Host: [host]
    - Reason: drawdown
    - Operation: [operation]
    - Commit: [commit]
    - Tag: T01-v1.0.0-rollback-from-v1.1.0

    ## Time line

    | after | step | took | |
    |---:|---|---:|---|
    | [secs] s | plan and save | [secs] s | done |
    | [secs] s | files | [secs] s | done |
    | [secs] s | verify | [secs] s | done |
    | [secs] s | ready | [secs] s | done |
    | [secs] s | publish | [secs] s | done |
    | [secs] s | verdicts | [secs] s | done |

    ## Backup

    Every path that changes was saved first; [size] were new in the store.

    ## Files

    - changed tasks/T01/config.yaml
    - removed tasks/T01/new.py
    - changed tasks/T01/signal.py
    - changed task\_registry.json
    - 3 unchanged

    ## Verification

    | level | check | result | seen |
    |---|---|---|---|
    | integrity | integrity.manifest | pass | tag T01-v1.0.0 -> commit [id] -> manifest |
    | integrity | integrity.files | pass | 5/5 files as released |
    | integrity | integrity.extra | pass | nothing extra among the task's tracked files |
    | configuration | configuration.versions | pass | registry = config = manifest = tag = 1.0.0 |
    | configuration | configuration.lockfiles | skipped | the release has no lock files |
    | smoke | smoke.commands | skipped | no smoke command is configured |
    | readiness | readiness.dependencies | skipped | the task has no environment of its own |
    | readiness | readiness.variables | skipped | the settings name no variables |
    | readiness | readiness.not\_held | pass | it is not held |

    ## Next

    - take it back: `snapback undo`
    "#);
}

#[test]
fn operations() {
    let sandbox = released();
    sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.0.0", "-m", "drawdown", "--yes",
        ])
        .expect(0);
    let id = sandbox.snapback(&["op", "list", "--json"]).json()["data"]["operations"][0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_string();
    let show = format!("snapback op show {id}");
    shows!(sandbox, ["snapback op list", "snapback op list --limit 1", &show, "snapback op resume", "snapback op abort"], @"
    $ snapback op list
    DATE                     WHAT             VERSION             WHO     REASON     ID        STATE
    [time]  rollback         T01 1.1.0 -> 1.0.0  Li Wei  drawdown   [id]  done
    [time]  create-snapshot  T01 1.0.0 -> 1.1.0  Li Wei  T01 1.1.0  [id]  done
    [time]  create-snapshot  T01 1.0.0           Li Wei  T01 1.0.0  [id]  done
    $ snapback op list --limit 1
    DATE                     WHAT      VERSION             WHO     REASON    ID        STATE
    [time]  rollback  T01 1.1.0 -> 1.0.0  Li Wei  drawdown  [id]  done
    $ snapback op show [operation]
    [id]  rollback T01 1.1.0 -> 1.0.0
      when     [time]
      who      Li Wei <li.wei@example.com> on [host]
      reason   drawdown
      steps    files, verify, ready, publish, verdicts
      state    done
      M task_registry.json
      M tasks/T01/config.yaml
      D tasks/T01/new.py
      M tasks/T01/signal.py
    T01 is at 1.0.0, verified.  1.1.0 is held.  ([secs] s, 4 files changed, operation [id])
    $ snapback op resume
    error: no operation is unfinished
      hint: see all operations:  snapback op list
      nothing was changed
    [exit 5]
    $ snapback op abort
    error: no operation is unfinished
      hint: see all operations:  snapback op list
      nothing was changed
    [exit 5]
    ");
}
