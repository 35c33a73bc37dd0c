//! A journal that lost its end, as whole lines: what was published is not taken for unpublished.

use crate::support::{
    Sandbox,
    story::{self, lose_last_record, newest_journal},
};

/// Returns at which numbers of lines a journal can be cut after its beginning and before its
/// publication was started.
fn cuts(lines: &[String]) -> std::ops::Range<usize> {
    let is_ready = |line: &String| line.contains(r#"{"record":"ready""#);
    let ready = lines.iter().position(is_ready).expect("it has begun");
    let start = story::publication_started(lines);
    assert!(ready < start, "{lines:?}");
    ready + 1..start + 1
}

/// Checks that at every cut of the newest journal recovery stops and changes nothing.
fn stops_at_every_cut(sandbox: &Sandbox) {
    let (path, lines) = newest_journal(sandbox);
    let whole = sandbox.copy();
    for kept in cuts(&lines) {
        // At its own place: an operation belongs to its work tree.
        sandbox.become_copy_of(whole.top());
        sandbox.write(&path, lines[..kept].concat().as_bytes());
        let before = story::shape(&sandbox.tree());
        let head = sandbox.git_out(&["rev-parse", "HEAD"]);
        for word in ["abort", "resume"] {
            let ran = sandbox.snapback(&["op", word, "--yes"]).expect(13);
            assert!(
                ran.stderr.contains("is cut short") && ran.stderr.contains("aside"),
                "{kept} {ran:?}"
            );
            assert!(!ran.stdout.contains("as it was"), "{kept} {ran:?}");
            assert!(!ran.stderr.contains("finish it"), "{kept} {ran:?}");
        }
        story::assert_same(&story::shape(&sandbox.tree()), &before);
        assert_eq!(sandbox.git_out(&["rev-parse", "HEAD"]), head, "{kept}");
        let folder = sandbox.at(path.trim_end_matches("/journal.jsonl"));
        std::fs::rename(folder, sandbox.top().join("aside")).unwrap();
        sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(0);
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
            .expect(0);
    }
}

#[test]
fn a_published_rollback_whose_journal_lost_its_end_is_not_taken_back() {
    let sandbox = Sandbox::two_releases(1);
    story::rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    stops_at_every_cut(&sandbox);
}

#[test]
fn a_published_release_whose_journal_lost_its_end_is_not_taken_back() {
    let sandbox = Sandbox::two_releases(1);
    story::set_version(&sandbox, "1.2.0");
    sandbox.release("T01", "1.2.0");
    stops_at_every_cut(&sandbox);
}

#[test]
fn a_rollback_without_a_commit_that_lost_its_end_is_not_taken_back() {
    let sandbox = Sandbox::two_releases(1);
    let line = "rollback -t T01 --to 1.0.0 --no-commit --yes";
    sandbox.run_line(line).expect(0);
    let (path, lines) = newest_journal(&sandbox);
    let ready = lines
        .iter()
        .position(|line| line.contains(r#"{"record":"ready""#))
        .unwrap();
    sandbox.write(&path, lines[..=ready].concat().as_bytes());
    let ran = sandbox.snapback(&["op", "abort", "--yes"]).expect(13);
    assert!(ran.stderr.contains("is cut short"), "{ran:?}");
    assert_eq!(sandbox.config_version("T01").as_deref(), Some("1.0.0"));
}

#[test]
fn an_older_journal_that_lost_more_than_its_last_record_is_named_by_doctor() {
    let sandbox = Sandbox::two_releases(1);
    let (path, lines) = newest_journal(&sandbox);
    let folder = sandbox.at(path.trim_end_matches("/journal.jsonl"));
    story::rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    let keep = |lost: usize| {
        let text = lines[..lines.len() - lost].concat();
        sandbox.write(&path, text.as_bytes());
        sandbox.snapback(&["doctor"])
    };
    for lost in 0..2 {
        keep(lost).expect(0);
        let list = sandbox.snapback(&["op", "list"]).expect(0);
        assert!(!list.stdout.contains("unfinished"), "{list:?}");
    }
    let ran = keep(2);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("has lost its end"), "{ran:?}");
    std::fs::rename(folder, sandbox.top().join("aside")).unwrap();
    sandbox.snapback(&["doctor"]).expect(0);
}

#[test]
fn the_next_change_completes_an_operation_that_lost_only_its_last_record() {
    for (line, undo) in [
        ("rollback -t T01 --to 1.0.0 --yes", "undo --yes"),
        ("rollback -t T01 --to 1.0.0 --no-commit --yes", "undo --yes"),
        (
            "create-snapshot -t T01 --bump minor -m next --yes",
            "undo T01-v1.2.0 --yes",
        ),
    ] {
        let sandbox = Sandbox::two_releases(1);
        sandbox.write("tasks/T01/signal.py", b"# edited\n");
        let before = story::shape(&sandbox.tree());
        sandbox.run_line(line).expect(0);
        let audited = || {
            let log = sandbox.read(".git/snapback/audit/000001.jsonl");
            log.iter().filter(|byte| **byte == b'\n').count()
        };
        let lines = audited();
        lose_last_record(&sandbox);
        let ran = sandbox.run_line(undo).expect(0);
        assert!(
            ran.stderr.contains("the record of its end was lost"),
            "{line} {ran:?}"
        );
        let list = sandbox.run_line("op list").expect(0);
        assert!(!list.stdout.contains("unfinished"), "{line} {list:?}");
        story::assert_same(&story::shape(&sandbox.tree()), &before);
        assert_eq!(audited(), lines + 1, "an undo and nothing twice, {line}");
        sandbox.run_line("audit verify").expect(0);
    }
}
