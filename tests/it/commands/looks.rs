//! Sessions that only read: status, list, history, show, diff, preview, versions in words.

use super::{released, shows};

#[test]
fn status_list_history() {
    let sandbox = released();
    sandbox.write("tasks/T01/notes.txt", b"mine\n");
    shows!(sandbox, ["snapback status", "snapback status -t T01", "git snapback status"], @"
    $ snapback status
    TASK  TITLE  ACTIVE  STATE    DRIFT   NEWEST  RELEASES
    T02          1.0.0   unknown  -       -       0         the active version is not released
    T01          1.1.0   proven   1 file  1.1.0   2
    2 tasks: 2 need a look (1 large file by size alone; `snapback verify-rollback` reads the bytes)
      release it:  snapback create-snapshot -t T02
    $ snapback status -t T01
    TASK  TITLE  ACTIVE  STATE   DRIFT   NEWEST  RELEASES
    T01          1.1.0   proven  1 file  1.1.0   2
    1 task: 1 needs a look (1 large file by size alone; `snapback verify-rollback` reads the bytes)
      see what differs:  snapback diff -t T01
    $ git snapback status
    TASK  TITLE  ACTIVE  STATE    DRIFT   NEWEST  RELEASES
    T02          1.0.0   unknown  -       -       0         the active version is not released
    T01          1.1.0   proven   1 file  1.1.0   2
    2 tasks: 2 need a look (1 large file by size alone; `snapback verify-rollback` reads the bytes)
      release it:  snapback create-snapshot -t T02
    ");
    shows!(sandbox, ["snapback list -t T01", "snapback ls -t T02", "snapback list"], @"
    $ snapback list -t T01
      VERSION  DATE                     STATE   AUTHOR  REASON
    * 1.1.0    [time]  proven  Li Wei  T01 1.1.0
      1.0.0    [time]  proven  Li Wei  T01 1.0.0
    $ snapback ls -t T02
    T02 has no release; make one: snapback create-snapshot -t T02
    $ snapback list
    T01
      VERSION  DATE                     STATE   AUTHOR  REASON
    * 1.1.0    [time]  proven  Li Wei  T01 1.1.0
      1.0.0    [time]  proven  Li Wei  T01 1.0.0
    T02
    T02 has no release; make one: snapback create-snapshot -t T02
    ");
    sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.0.0", "-m", "drawdown", "--yes",
        ])
        .expect(0);
    shows!(sandbox, ["snapback history -t T01", "snapback status", "snapback list -t T01"], @"
    $ snapback history -t T01
    DATE                     WHAT      VERSION             WHO     REASON     ID
    [time]  rollback  T01 1.1.0 -> 1.0.0  Li Wei  drawdown   [id]
    [time]  release   T01-v1.1.0          Li Wei  T01 1.1.0  [id]
    [time]  release   T01-v1.0.0          Li Wei  T01 1.0.0  [id]
    $ snapback status
    TASK  TITLE  ACTIVE  STATE    DRIFT   NEWEST  RELEASES
    T02          1.0.0   unknown  -       -       0         the active version is not released
    T01          1.0.0   proven   1 file  1.1.0   2
    2 tasks: 2 need a look (1 large file by size alone; `snapback verify-rollback` reads the bytes)
      release it:  snapback create-snapshot -t T02
    $ snapback list -t T01
      VERSION  DATE                     STATE   AUTHOR  REASON
      1.1.0    [time]  held    Li Wei  T01 1.1.0
    * 1.0.0    [time]  proven  Li Wei  T01 1.0.0
    ");
}

#[test]
fn status_in_json() {
    let sandbox = released();
    shows!(sandbox, ["snapback status -t T01 --json | python3 -m json.tool --indent 1"], @r#"
    $ snapback status -t T01 --json | python3 -m json.tool --indent 1
    {
     "schema": "snapback.answer/1",
     "ok": true,
     "command": "status",
     "exit_code": 0,
     "changed": false,
     "dry_run": false,
     "op_id": null,
     "data": {
      "tasks": [
       {
        "task": "T01",
        "title": null,
        "active": "1.1.0",
        "config": "1.1.0",
        "newest": "1.1.0",
        "releases": 2,
        "standing": {
         "proven": true,
         "good": false,
         "bad": false,
         "held": false,
         "pinned": false,
         "failed": false
        },
        "drift": 0,
        "unread": 1,
        "released": "here",
        "trouble": "",
        "moved": [],
        "way_back": {
         "version": "1.0.0",
         "proof": null,
         "why": null
        },
        "left_out": {
         "files": 0,
         "bytes": 0,
         "largest": []
        }
       }
      ],
      "unfinished": null,
      "kept": [],
      "not_confirmed": []
     },
     "error": null,
     "warnings": [],
     "next": []
    }
    "#);
}

#[test]
fn show() {
    let sandbox = released();
    shows!(sandbox, ["snapback show -t T01", "snapback show -t T01 1.0.0 -v"], @"
    $ snapback show -t T01
    T01 1.1.0  (active)
      when      [time]
      who       Li Wei
      reason    T01 1.1.0
      state     proven
      tag       T01-v1.1.0
      commit    [commit]
      files     6 files, 70.2 kB
      deps      0 packages
        8c179a3b9798     188 B  task_registry.json
        ecf27baec56f      89 B  tasks/T01/config.yaml
        c4b4fef02bf4      19 B  tasks/T01/lib/rules.py
        07e13684e600   70.0 kB  tasks/T01/model.bin
        5d1fc6f214c4      11 B  tasks/T01/new.py
        19410879779a      33 B  tasks/T01/run.sh
        c56c137bf67b      32 B  tasks/T01/signal.py
    $ snapback show -t T01 1.0.0 -v
    T01 1.0.0
      when      [time]
      who       Li Wei
      reason    T01 1.0.0
      state     proven
      tag       T01-v1.0.0
      commit    [commit]
      files     5 files, 70.2 kB
      deps      0 packages
        05fadca3421a     188 B  task_registry.json
        ba9b9a9d662a      89 B  tasks/T01/config.yaml
        c4b4fef02bf4      19 B  tasks/T01/lib/rules.py
        07e13684e600   70.0 kB  tasks/T01/model.bin
        19410879779a      33 B  tasks/T01/run.sh
        4748d89bbe95      38 B  tasks/T01/signal.py
      look at its files:  snapback preview -t T01 1.0.0 --into DIR
    ");
}

#[test]
fn diff() {
    let sandbox = released();
    shows!(sandbox, ["snapback diff -t T01 1.0.0..1.1.0", "snapback diff -t T01 1.0.0..1.1.0 --stat --exit-code"], @"
    $ snapback diff -t T01 1.0.0..1.1.0
    T01  1.0.0 -> 1.1.0: 3 files
      files    M tasks/T01/config.yaml  +2  -2
               A tasks/T01/new.py       +1
               M tasks/T01/signal.py    +1  -2
      config   max_leverage: 3 -> 5
               version: 1.0.0 -> 1.1.0

    --- a/tasks/T01/config.yaml
    +++ b/tasks/T01/config.yaml
    @@ -1,4 +1,4 @@
     # The configuration of the task.
     name: momentum
    -version: 1.0.0
    -max_leverage: 3   # times
    +version: 1.1.0
    +max_leverage: 5   # times
    --- /dev/null
    +++ b/tasks/T01/new.py
    @@ -0,0 +1 @@
    +NEW = True
    --- a/tasks/T01/signal.py
    +++ b/tasks/T01/signal.py
    @@ -1,3 +1,2 @@
    -# T01
     def signal(x):
    -    return x > 0
    +    return x > 1
    $ snapback diff -t T01 1.0.0..1.1.0 --stat --exit-code
    T01  1.0.0 -> 1.1.0: 3 files
      files    M tasks/T01/config.yaml  +2  -2
               A tasks/T01/new.py       +1
               M tasks/T01/signal.py    +1  -2
      config   max_leverage: 3 -> 5
               version: 1.0.0 -> 1.1.0
    [exit 4]
    ");
    shows!(sandbox, ["snapback diff -t T01 --exit-code", "snapback diff -t T01 --v1 1.0.0 --v2 1.1.0 --stat --json"], @r#"
    $ snapback diff -t T01 --exit-code
    T01  1.1.0 -> work tree: no difference
    $ snapback diff -t T01 --v1 1.0.0 --v2 1.1.0 --stat --json
    {"schema":"snapback.answer/1","ok":true,"command":"diff","exit_code":0,"changed":false,"dry_run":false,"op_id":null,"data":{"difference":{"task":"T01","before":"1.0.0","after":"1.1.0","code":[{"path":"tasks/T01/config.yaml","letter":"M","added":2,"removed":2,"size":89,"large":false,"note":""},{"path":"tasks/T01/new.py","letter":"A","added":1,"removed":0,"size":11,"large":false,"note":""},{"path":"tasks/T01/signal.py","letter":"M","added":1,"removed":2,"size":32,"large":false,"note":""}],"patch":"--- a/tasks/T01/config.yaml\n+++ b/tasks/T01/config.yaml\n@@ -1,4 +1,4 @@\n # The configuration of the task.\n name: momentum\n-version: 1.0.0\n-max_leverage: 3   # times\n+version: 1.1.0\n+max_leverage: 5   # times\n--- /dev/null\n+++ b/tasks/T01/new.py\n@@ -0,0 +1 @@\n+NEW = True\n--- a/tasks/T01/signal.py\n+++ b/tasks/T01/signal.py\n@@ -1,3 +1,2 @@\n-# T01\n def signal(x):\n-    return x > 0\n+    return x > 1\n","config":[["max_leverage","3","5"],["version","1.0.0","1.1.0"]],"packages":[],"variables":[]}},"error":null,"warnings":[],"next":[]}
    "#);
}

#[test]
fn preview() {
    let sandbox = released();
    shows!(sandbox, ["snapback preview -t T01 1.0.0 --cat tasks/T01/config.yaml", "snapback preview -t T01 1.0.0 --into ../old && find ../old -type f | sort", "snapback preview -t T01 1.0.0 --into ../old"], @"
    $ snapback preview -t T01 1.0.0 --cat tasks/T01/config.yaml
    # The configuration of the task.
    name: momentum
    version: 1.0.0
    max_leverage: 3   # times
    $ snapback preview -t T01 1.0.0 --into ../old && find ../old -type f | sort
    T01 1.0.0: 5 files in ../old
    ../old/tasks/T01/config.yaml
    ../old/tasks/T01/lib/rules.py
    ../old/tasks/T01/model.bin
    ../old/tasks/T01/run.sh
    ../old/tasks/T01/signal.py
    $ snapback preview -t T01 1.0.0 --into ../old
    error: ../old exists and is not an empty folder
      hint: name a folder that does not exist yet
      nothing was changed
    [exit 6]
    ");
    shows!(sandbox, ["snapback preview -t T01 1.0.0 --run 'ls; exit 3'", "git status --short", "snapback preview -t T01 1.0.0"], @"
    $ snapback preview -t T01 1.0.0 --run 'ls; exit 3'
    config.yaml
    lib
    model.bin
    run.sh
    signal.py
    [exit 3]
    $ git status --short
    $ snapback preview -t T01 1.0.0
    error: the following required arguments were not provided:
      <--into <DIR>|--cat <PATH>|--run <COMMAND>>

    Usage: snapback preview --task <TASK> <--into <DIR>|--cat <PATH>|--run <COMMAND>> <VERSION>

    For more information, try '--help'.
    [exit 2]
    ");
}

#[test]
fn versions_in_words() {
    let sandbox = released();
    let commit = sandbox.git_out(&["rev-parse", "--short=8", "T01-v1.0.0^{commit}"]);
    for (word, version) in [
        ("previous", "1.0.0"),
        ("active", "1.1.0"),
        ("latest", "1.1.0"),
        ("last-good", "1.0.0"),
        ("v1.0.0", "1.0.0"),
        ("T01-v1.0.0", "1.0.0"),
        (&commit, "1.0.0"),
        ("@0s", "1.1.0"),
        ("@2999-01-01T00:00+08:00", "1.1.0"),
    ] {
        let answer = sandbox
            .snapback(&["show", "-t", "T01", word, "--json"])
            .expect(0)
            .json();
        let found = answer["data"].to_string();
        assert!(
            found.contains(&format!("\"version\":\"{version}\"")),
            "{word}: {found}"
        );
    }
    shows!(sandbox, ["snapback show -t T01 @2h", "snapback show -t T01 1.0", "snapback show -t T01 ffffff", "snapback show -t T01 T02-v1.0.0"], @r#"
    $ snapback show -t T01 @2h
    error: "@2h" names no version of T01: it had no version then
      hint: see its versions:  snapback list --task T01
    [exit 5]
    $ snapback show -t T01 1.0
    error: T01 has no version 1.0
      hint: did you mean 1.1.0, 1.0.0?
      hint: see its releases:  snapback list --task T01
    [exit 5]
    $ snapback show -t T01 ffffff
    error: T01 has no version ffffff
      hint: did you mean 1.1.0, 1.0.0?
      hint: see its releases:  snapback list --task T01
    [exit 5]
    $ snapback show -t T01 T02-v1.0.0
    error: T01 has no version T02-v1.0.0
      hint: did you mean 1.1.0, 1.0.0?
      hint: see its releases:  snapback list --task T01
    [exit 5]
    "#);
}
