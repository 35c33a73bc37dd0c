//! The audit log of the real program: the lines of each command, concurrent processes, linked work
//! trees, anchors in tags, and what the log must not contain.

use std::{fs, os::unix::fs::PermissionsExt, process::Stdio};

use serde_json::Value;

use crate::support::{
    Sandbox,
    sandbox::{Ran, snapback_program},
};

/// Returns the log's lines as JSON, oldest first.
fn lines(sandbox: &Sandbox) -> Vec<Value> {
    let text =
        fs::read_to_string(sandbox.at(".git/snapback/audit/000001.jsonl")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns the kind and end of every line.
fn said(sandbox: &Sandbox) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_string();
    lines(sandbox)
        .iter()
        .map(|line| (word(&line["what"]["kind"]), word(&line["result"]["end"])))
        .collect()
}

/// Returns the answer of `audit verify --json`, after checking its exit code.
fn verify(sandbox: &Sandbox, code: i32) -> Value {
    sandbox
        .snapback(&["audit", "verify", "--json"])
        .expect(code)
        .json()["data"]["audit"]
        .clone()
}

/// Creates two releases, and runs every command that changes something once.
fn every_command_once() -> Sandbox {
    let sandbox = Sandbox::two_releases(1);
    let ok = |args: &[&str]| drop(sandbox.snapback(args).expect(0));
    ok(&[
        "rollback",
        "-t",
        "T01",
        "--to",
        "1.0.0",
        "-m",
        "https://li:s3cret@host/x lost money",
        "--yes",
    ]);
    ok(&["undo", "--yes"]);
    ok(&["redo", "--yes"]);
    ok(&["mark", "bad", "1.1.0", "-t", "T01", "-m", "drawdown"]);
    ok(&["hold", "1.0.0", "-t", "T01"]);
    ok(&["pin", "1.0.0", "-t", "T01"]);
    fs::create_dir_all(sandbox.home().join("data")).unwrap();
    fs::write(sandbox.home().join("data/f"), b"bytes").unwrap();
    let (data, back) = (sandbox.home().join("data"), sandbox.home().join("back"));
    ok(&["store", "put", data.to_str().unwrap(), "--name", "nightly"]);
    ok(&[
        "store",
        "restore",
        "nightly",
        "--into",
        back.to_str().unwrap(),
        "--yes",
    ]);
    ok(&["store", "drop", "nightly", "--yes"]);
    ok(&["store", "gc", "--yes"]);
    ok(&["store", "repair"]);
    sandbox
}

#[test]
fn every_command_that_changes_something_says_so_once() {
    let sandbox = every_command_once();
    let ok = |args: &[&str]| drop(sandbox.snapback(args).expect(0));
    let before = said(&sandbox);
    // Commands that only read or show write no line, and neither do those with nothing to do.
    ok(&["store", "gc", "--dry-run"]);
    ok(&[
        "rollback",
        "-t",
        "T01",
        "--to",
        "1.1.0",
        "--despite-verdict",
        "-m",
        "a look",
        "--dry-run",
    ]);
    ok(&["status"]);
    ok(&["audit", "verify"]);
    assert_eq!(said(&sandbox), before);
    let kinds: Vec<&str> = before.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "create-snapshot",
            "create-snapshot",
            "rollback",
            "undo",
            "redo",
            "mark bad",
            "hold",
            "pin",
            "store put",
            "store restore",
            "store drop",
            "store gc",
            "store repair"
        ]
    );
    assert!(before.iter().all(|(_, end)| end == "done"), "{before:?}");
}

#[test]
fn a_line_says_who_did_what_and_why_and_only_its_owner_reads_it() {
    let sandbox = every_command_once();
    let rollback = &lines(&sandbox)[2];
    assert_eq!(
        (
            rollback["what"]["from"].as_str(),
            rollback["what"]["to"].as_str()
        ),
        (Some("1.1.0"), Some("1.0.0"))
    );
    assert_eq!(
        (
            rollback["who"]["email"].as_str(),
            rollback["from"]["via"].as_str()
        ),
        (Some("li.wei@example.com"), Some("script"))
    );
    assert_eq!(rollback["why"], "https://***@host/x lost money");
    let found = verify(&sandbox, 0);
    assert_eq!(
        (
            found["lines"].as_u64(),
            found["notes"].as_array().map(Vec::len)
        ),
        (Some(13), Some(0)),
        "{found}"
    );
    let mode = |path: &str| fs::metadata(sandbox.at(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (
            mode(".git/snapback/audit"),
            mode(".git/snapback/audit/000001.jsonl")
        ),
        (0o700, 0o600)
    );
}

#[test]
fn init_adopt_and_registry_sync_say_so() {
    let sandbox = Sandbox::new(1);
    fs::remove_file(sandbox.at("snapback.yaml")).unwrap();
    sandbox.snapback(&["init", "--yes"]).expect(0);
    sandbox.commit("set up");
    sandbox.git(&["tag", "T01-v1.0.0"]).expect(0);
    sandbox.snapback(&["adopt", "--yes"]).expect(0);
    sandbox.write("tasks/T01/config.yaml", b"version: 1.2.0\n");
    sandbox
        .snapback(&["registry", "sync", "--from", "config", "--yes"])
        .expect(0);
    let kinds: Vec<String> = said(&sandbox).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["init", "adopt", "registry-sync"]);
    verify(&sandbox, 0);
}

#[test]
fn what_was_put_back_is_said_with_the_kind_of_its_failure() {
    let sandbox = Sandbox::two_releases(1);
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap()
        + "tasks:\n  T01:\n    verify:\n      - {run: \"echo TOP_SECRET >&2; false\"}\n";
    sandbox.write("snapback.yaml", settings.as_bytes());
    let ran = sandbox.snapback(&[
        "rollback",
        "-t",
        "T01",
        "--to",
        "1.0.0",
        "--yes",
        "--on-verify-fail",
        "undo",
    ]);
    assert_ne!(ran.code, 0, "{ran:?}");
    let last = lines(&sandbox).pop().unwrap();
    assert_eq!(
        (
            last["result"]["end"].as_str(),
            last["what"]["kind"].as_str()
        ),
        (Some("put_back"), Some("rollback")),
        "{last}"
    );
    assert!(last["result"]["error"].is_string());
    assert!(
        !last.to_string().contains("TOP_SECRET"),
        "what programs print stays out: {last}"
    );
    verify(&sandbox, 0);
}

#[test]
fn a_list_is_safe_to_show_and_can_be_narrowed() {
    let sandbox = Sandbox::two_releases(1);
    sandbox
        .snapback(&["mark", "bad", "1.1.0", "-t", "T01", "-m", "a\u{1b}[31mb\nc"])
        .expect(0);
    let text = sandbox.snapback(&["audit", "list"]).expect(0).stdout;
    assert!(
        text.contains("mark bad T01 1.1.0")
            && text.contains("a\\u{1b}[31mb\\nc")
            && !text.contains('\u{1b}'),
        "{text}"
    );
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(
        text.lines().nth(1).unwrap().contains("mark bad"),
        "newest first: {text}"
    );
    let limited = sandbox
        .snapback(&["audit", "list", "--limit", "1", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        (
            limited["data"]["entries"].as_array().map(Vec::len),
            limited["data"]["more"].as_u64()
        ),
        (Some(1), Some(2))
    );
    let none = |args: &[&str]| {
        sandbox.snapback(args).expect(0).json()["data"]["entries"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!(
        none(&["audit", "list", "--since", "2100-01-01", "--json"]),
        Some(0)
    );
    assert_eq!(
        none(&["audit", "list", "--since", "7d", "-t", "T01", "--json"]),
        Some(3)
    );
    sandbox
        .snapback(&["audit", "list", "--since", "soon"])
        .expect(2);
}

#[test]
fn eight_processes_at_once_keep_one_chain() {
    let sandbox = Sandbox::two_releases(1);
    let commands = |n: usize| {
        let name = format!("reason {n}");
        let mut command = sandbox.command(snapback_program());
        command.args([
            "mark",
            "good",
            "1.0.0",
            "-t",
            "T01",
            "-m",
            &name,
            "--lock-wait",
            "60s",
        ]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let folder = sandbox.home().join("data");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("f"), b"bytes").unwrap();
    // The store's commands take no operation lock: only the log's own keeps their lines apart.
    let puts = |n: usize| {
        let mut command = sandbox.command(snapback_program());
        command
            .args([
                "store",
                "put",
                folder.to_str().unwrap(),
                "--name",
                &format!("n{n}"),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let running: Vec<_> = (0..8)
        .map(|n| {
            if n % 2 == 0 { puts(n) } else { commands(n) }
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    let found = verify(&sandbox, 0);
    assert_eq!(found["lines"].as_u64(), Some(10), "{found}");
}

#[test]
fn a_cut_end_is_proved_by_the_tag_and_by_the_journals() {
    let sandbox = Sandbox::two_releases(1);
    let path = sandbox.at(".git/snapback/audit/000001.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let tag = sandbox.git_out(&["tag", "-l", "--format=%(contents)", "T01-v1.1.0"]);
    assert!(tag.contains("\nSnapback-Audit: "), "{tag}");
    assert!(
        !sandbox
            .git_out(&["tag", "-l", "--format=%(contents)", "T01-v1.0.0"])
            .contains("Snapback-Audit"),
        "the log was empty"
    );
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--all"])
        .expect(0);
    // No tag names the last line yet, but its operation has a journal.
    fs::write(&path, whole.split_inclusive('\n').next().unwrap()).unwrap();
    let found = verify(&sandbox, 4);
    assert!(
        found["findings"].to_string().contains("is missing"),
        "{found}"
    );
    // The whole log is missing: the tag proves that there was one.
    fs::remove_file(&path).unwrap();
    let found = verify(&sandbox, 4);
    assert_eq!(found["findings"][0]["tag"], "T01-v1.1.0", "{found}");
    sandbox
        .snapback(&["mark", "bad", "1.1.0", "-t", "T01"])
        .expect(0);
    assert_eq!(verify(&sandbox, 4)["findings"][0]["tag"], "T01-v1.1.0");
    // A log that was tampered with refuses nothing.
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    fs::write(&path, &whole).unwrap();
    let text = sandbox.snapback(&["audit", "verify"]).expect(4).stdout;
    assert!(text.contains("not as it was written"), "{text}");
}

#[test]
fn a_clone_has_a_log_of_its_own_and_no_false_alarm() {
    let sandbox = Sandbox::two_releases(1);
    let work = sandbox.root().parent().unwrap().join("clone");
    sandbox
        .git(&[
            "clone",
            "-q",
            sandbox.root().to_str().unwrap(),
            work.to_str().unwrap(),
        ])
        .expect(0);
    let clone = |args: &[&str]| -> Ran {
        sandbox.snapback(&[&["-C", work.to_str().unwrap()], args].concat())
    };
    let found = clone(&["audit", "verify", "--json"]).expect(0).json()["data"]["audit"].clone();
    assert_eq!(found["notes"].as_array().map(Vec::len), Some(1), "{found}");
    clone(&["mark", "good", "1.1.0", "-t", "T01"]).expect(0);
    clone(&["audit", "verify"]).expect(0);
}

#[test]
fn linked_work_trees_share_the_log() {
    let sandbox = Sandbox::two_releases(1);
    let linked = sandbox.root().parent().unwrap().join("linked");
    sandbox
        .git(&[
            "worktree",
            "add",
            "-q",
            "-b",
            "other",
            linked.to_str().unwrap(),
        ])
        .expect(0);
    let dir = linked.join("tasks/T01");
    sandbox
        .snapback(&["-C", dir.to_str().unwrap(), "mark", "good", "1.0.0"])
        .expect(0);
    let last = lines(&sandbox).pop().unwrap();
    assert_eq!(
        (last["from"]["tree"].as_str(), last["from"]["dir"].as_str()),
        (Some("linked"), Some("tasks/T01")),
        "{last}"
    );
    verify(&sandbox, 0);
}

#[test]
fn a_log_that_cannot_be_written_stops_before_anything_is_done() {
    let sandbox = Sandbox::two_releases(1);
    let audit = sandbox.at(".git/snapback/audit");
    fs::rename(&audit, sandbox.at(".git/snapback/kept")).unwrap();
    fs::write(&audit, b"in the way").unwrap();
    let before = sandbox.tree();
    let ran = sandbox
        .snapback(&["mark", "bad", "1.1.0", "-t", "T01"])
        .expect(8);
    assert!(
        ran.stderr.contains("audit log") && ran.stderr.contains("hint:"),
        "{ran:?}"
    );
    // Without its line an operation is not reported as done: it stays unfinished, or is undone.
    let ran = sandbox.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"]);
    assert_eq!(ran.code, 8, "{ran:?}");
    fs::remove_file(&audit).unwrap();
    fs::rename(sandbox.at(".git/snapback/kept"), &audit).unwrap();
    sandbox.snapback(&["op", "resume"]).expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree(), before);
    let kinds: Vec<String> = said(&sandbox).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds[2..], ["rollback", "undo"], "{:?}", lines(&sandbox));
    assert_eq!(lines(&sandbox)[2]["what"]["by"], "op resume");
    verify(&sandbox, 0);
}

#[test]
fn a_line_that_could_not_be_written_is_owed_and_written_by_the_next_operation() {
    let sandbox = Sandbox::two_releases(1);
    // The smoke test of the target version fails, and removes the log meanwhile.
    let broken = "cd ../../.git/snapback && mv audit ../away && : >audit && exit 1";
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    sandbox.write(
        "snapback.yaml",
        format!("{settings}\ntasks:\n  T01: {{verify: [{{run: \"{broken}\"}}]}}\n").as_bytes(),
    );
    let before = sandbox.tree();
    let ran = sandbox
        .snapback(&[
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.0.0",
            "-m",
            "why it was tried",
            "--yes",
        ])
        .expect(4);
    assert!(ran.stdout.contains("everything was put back"), "{ran:?}");
    assert_eq!(sandbox.tree(), before);
    let op = sandbox.snapback(&["op", "list", "--json"]).expect(0).json()["data"]["operations"][0]
        ["id"]
        .as_str()
        .unwrap()
        .to_string();
    fs::remove_file(sandbox.at(".git/snapback/audit")).unwrap();
    fs::rename(sandbox.at(".git/away"), sandbox.at(".git/snapback/audit")).unwrap();
    let owed = |sandbox: &Sandbox| {
        lines(sandbox)
            .iter()
            .filter(|line| line["what"]["id"] == op.as_str())
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(owed(&sandbox), Vec::<Value>::new());
    // An owed line is not damage.
    assert!(
        verify(&sandbox, 0)["notes"]
            .to_string()
            .contains("still to be written")
    );
    // A read does not write the owed line; the next operation does, once, before its own line.
    sandbox.snapback(&["status"]).expect(0);
    assert_eq!(owed(&sandbox), Vec::<Value>::new());
    for _ in 0..2 {
        sandbox
            .run_line("rollback -t T01 --to 1.0.0 --no-commands --yes")
            .expect(0);
        sandbox
            .snapback(&["undo", "--no-commands", "--yes"])
            .expect(0);
        let paid = owed(&sandbox);
        assert_eq!(paid.len(), 1, "{paid:?}");
        assert_eq!(
            (paid[0]["result"]["end"].as_str(), paid[0]["why"].as_str()),
            (Some("put_back"), Some("why it was tried")),
            "{paid:?}"
        );
    }
    assert!(
        !verify(&sandbox, 0)["notes"]
            .to_string()
            .contains("still to be written")
    );
}
