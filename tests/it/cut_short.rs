//! A journal that lost its end, as whole lines: what was published is not taken for unpublished.

use crate::support::{Sandbox, story};

/// Returns the path and the lines of the newest journal.
fn newest_journal(sandbox: &Sandbox) -> (String, Vec<String>) {
    let list = sandbox.snapback(&["op", "list", "--json"]).expect(0).json();
    let id = list["data"]["operations"][0]["id"].as_str().unwrap();
    let path = format!(".git/snapback/ops/{id}/journal.jsonl");
    let text = String::from_utf8(sandbox.read(&path)).unwrap();
    let lines = text.split_inclusive('\n').map(str::to_string).collect();
    (path, lines)
}

/// Returns at which numbers of lines a journal can be cut after its beginning and before its
/// publication was started.
fn cuts(lines: &[String]) -> std::ops::Range<usize> {
    let is_ready = |line: &String| line.contains(r#"{"record":"ready""#);
    let is_start =
        |line: &String| line.contains(r#"{"record":"started""#) && line.contains("index");
    let ready = lines.iter().position(is_ready).expect("it has begun");
    let start = lines.iter().rposition(is_start).expect("it has published");
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
    sandbox
        .snapback(&[
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.0.0",
            "--no-commit",
            "--yes",
        ])
        .expect(0);
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
fn an_older_journal_that_lost_its_end_is_named_by_doctor() {
    let sandbox = Sandbox::two_releases(1);
    let (path, lines) = newest_journal(&sandbox);
    story::rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    sandbox.snapback(&["doctor"]).expect(0);
    sandbox.write(&path, lines[..lines.len() - 1].concat().as_bytes());
    let ran = sandbox.snapback(&["doctor"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("has lost its end"), "{ran:?}");
    let folder = sandbox.at(path.trim_end_matches("/journal.jsonl"));
    std::fs::rename(folder, sandbox.top().join("aside")).unwrap();
    sandbox.snapback(&["doctor"]).expect(0);
}
