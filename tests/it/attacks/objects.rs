//! References, tags and commits that lead nowhere, in circles, or to an unexpected object.

use std::fs;

use super::{BACK, LOOKS, SNAP, bounded, hash_object, target, withstands};
use crate::support::Sandbox;

/// Points a reference to any id, without checks.
fn point(sandbox: &Sandbox, reference: &str, to: &str) {
    let packed = fs::read_to_string(sandbox.at(".git/packed-refs")).unwrap_or_default();
    let kept: Vec<&str> = packed
        .lines()
        .filter(|line| !line.ends_with(&format!(" {reference}")))
        .collect();
    if packed.len() > 1 {
        sandbox.write(".git/packed-refs", (kept.join("\n") + "\n").as_bytes());
    }
    sandbox.write(&format!(".git/{reference}"), format!("{to}\n").as_bytes());
}

/// Runs all commands; each must succeed or refuse clearly.
fn judge(sandbox: &Sandbox, what: &str) {
    println!("--- {what}");
    for look in LOOKS {
        withstands(sandbox, &[0, 3, 4, 5, 6, 7, 8, 10], look, &[]);
    }
    withstands(sandbox, &[0, 4, 5, 6, 7, 8, 10, 11], SNAP, &[]);
    withstands(sandbox, &[0, 4, 5, 6, 7, 8, 10, 11], BACK, &[]);
}

const LOOK: &[&str] = &["verify-snapshot", "-t", "T01", "--version", "1.0.0"];

#[test]
fn a_release_tag_that_leads_elsewhere() {
    let origin = target();
    let blob = hash_object(&origin, "blob", b"x\n");
    let tree = origin.git_out(&["rev-parse", "HEAD^{tree}"]);
    let absent = "1234567812345678123456781234567812345678";
    let released = origin
        .git(&["show", "T01-v1.0.0:tasks/T01/signal.py"])
        .expect(0)
        .stdout
        .into_bytes();
    for (what, to) in [
        ("a blob", blob.as_str()),
        ("a tree", &tree),
        ("nothing", absent),
        ("itself", "ref: refs/tags/T01-v1.0.0"),
        ("garbage", "garbage"),
        ("an empty file", ""),
        ("zeros", "0000000000000000000000000000000000000000"),
        ("HEAD", "ref: HEAD"),
        ("out", "ref: ../../victim"),
        ("another release", "ref: refs/tags/T01-v1.1.0"),
    ] {
        let sandbox = origin.copy();
        point(&sandbox, "refs/tags/T01-v1.0.0", to);
        let back = sandbox.copy();
        let ran = bounded(&back, BACK);
        if [
            "nothing",
            "itself",
            "garbage",
            "an empty file",
            "zeros",
            "out",
        ]
        .contains(&what)
        {
            // It leads nowhere, as after a deletion: the second reference has what was released.
            assert_eq!(
                (ran.code, back.read("tasks/T01/signal.py")),
                (0, released.clone()),
                "{what}: {ran:?}"
            );
            assert!(
                ran.stderr
                    .contains("only refs/snapback/keep/T01/1.0.0 has it"),
                "{what}: {ran:?}"
            );
        } else {
            assert_ne!(ran.code, 0, "a moved tag is never followed: {what}");
        }
        judge(&sandbox, what);
    }
}

#[test]
fn tags_of_tags_and_tags_that_lie() {
    let origin = target();
    let commit = origin.git_out(&["rev-parse", "HEAD"]);
    let tag = |to: &str, kind: &str| {
        hash_object(
            &origin,
            "tag",
            format!("object {to}\ntype {kind}\ntag T01-v1.0.0\ntagger a <a@b> 0 +0000\n\nx\n")
                .as_bytes(),
        )
    };
    let mut chain = tag(&commit, "commit");
    for _ in 0..200 {
        chain = tag(&chain, "tag");
    }
    let lies = [
        ("two hundred tags", chain),
        ("a commit as a tree", tag(&commit, "tree")),
        ("no type", hash_object(&origin, "tag", format!("object {commit}\n\n").as_bytes())),
        ("empty", hash_object(&origin, "tag", b"")),
        ("no end", hash_object(&origin, "tag", format!("object {commit}\ntype commit\ntag ").as_bytes())),
        (
            "not UTF-8",
            hash_object(
                &origin,
                "tag",
                &[format!("object {commit}\ntype commit\ntag T01-v1.0.0\ntagger \u{0} <>").as_bytes(), b"\xff\xfe\n\n\xff"].concat(),
            ),
        ),
        (
            "a time out of range",
            hash_object(
                &origin,
                "tag",
                format!("object {commit}\ntype commit\ntag T01-v1.0.0\ntagger a <a@b> 99999999999999999999 +9999\n\nx").as_bytes(),
            ),
        ),
    ];
    for (what, id) in lies {
        let sandbox = origin.copy();
        point(&sandbox, "refs/tags/T01-v1.0.0", &id);
        assert_ne!(bounded(&sandbox.copy(), BACK).code, 0, "{what}");
        judge(&sandbox, what);
        let sandbox = origin.copy();
        point(&sandbox, "refs/tags/T01-v3.0.0", &id);
        judge(&sandbox, what);
    }
}

#[test]
fn commits_that_lie() {
    let origin = target();
    let tree = origin.git_out(&["rev-parse", "HEAD^{tree}"]);
    let head = origin.git_out(&["rev-parse", "HEAD"]);
    let who = "author a <a@b> 0 +0000\ncommitter a <a@b> 0 +0000\n\nx\n";
    let absent = "1234567812345678123456781234567812345678";
    let commits: Vec<(&str, String)> = vec![
        ("no tree", format!("tree {absent}\nparent {head}\n{who}")),
        ("a commit for a tree", format!("tree {head}\n{who}")),
        (
            "no parent there",
            format!("tree {tree}\nparent {absent}\n{who}"),
        ),
        (
            "a tree for a parent",
            format!("tree {tree}\nparent {tree}\n{who}"),
        ),
        ("nobody", format!("tree {tree}\nparent {head}\n\nx\n")),
        ("no end", format!("tree {tree}\nparent {head}\nauthor")),
        ("empty", String::new()),
        (
            "a time out of range",
            format!(
                "tree {tree}\nparent {head}\nauthor a <a@b> 999999999999999999 +0000\ncommitter a <a@b> 999999999999999999 +0000\n\nx\n"
            ),
        ),
        (
            "a time before all",
            format!(
                "tree {tree}\nparent {head}\nauthor a <a@b> -99999999999 -9999\ncommitter a <a@b> -99999999999 -9999\n\nx\n"
            ),
        ),
        (
            "ten thousand parents",
            format!(
                "tree {tree}\n{}{who}",
                format!("parent {head}\n").repeat(10_000)
            ),
        ),
        (
            "an escape",
            format!(
                "tree {tree}\nparent {head}\nauthor \u{1b}[2J <a\u{202e}@b> 0 +0000\ncommitter \u{1b}]0;x\u{7} <> 0 +0000\n\n\u{1b}[31m\n"
            ),
        ),
    ];
    for (what, text) in commits {
        let id = hash_object(&origin, "commit", text.as_bytes());
        let sandbox = origin.copy();
        point(&sandbox, "refs/heads/main", &id);
        judge(&sandbox, what);
        let shown = bounded(&sandbox, &["history"]);
        assert!(
            !(shown.stdout + &shown.stderr).contains(['\u{1b}', '\u{202e}']),
            "{what}"
        );
    }
}

#[test]
fn heads_and_lists_of_references_that_lie() {
    let origin = target();
    let head = origin.git_out(&["rev-parse", "HEAD"]);
    for (name, text) in [
        (".git/HEAD", "ref: HEAD\n".to_string()),
        (".git/HEAD", "ref: refs/heads/../../../victim\n".into()),
        (".git/HEAD", "ref: /etc/passwd\n".into()),
        (".git/HEAD", "ref: refs/heads/-x\n".into()),
        (".git/HEAD", "ref: refs/tags/T01-v1.0.0\n".into()),
        (".git/HEAD", "\0\0\0".into()),
        (".git/HEAD", "x".repeat(1 << 20)),
        (
            ".git/packed-refs",
            format!("{head} refs/tags/../../../victim\n"),
        ),
        (
            ".git/packed-refs",
            format!("# pack-refs with: peeled fully-peeled sorted \n^{head}\n"),
        ),
        (".git/packed-refs", "garbage\n".repeat(1000)),
        (
            ".git/packed-refs",
            format!("{head} refs/tags/T01-v1.0.0\n").repeat(10_000),
        ),
        (".git/shallow", format!("{head}\n")),
        (".git/shallow", "garbage\n".into()),
        (".git/info/grafts", format!("{head}\n")),
        (
            ".git/objects/info/alternates",
            "../../../home\n/dev/zero\n../objects\n".into(),
        ),
        (".git/commondir", "../../home\n".into()),
        (
            ".git/info/attributes",
            "* filter=evil diff=evil merge=evil text eol=crlf working-tree-encoding=UTF-16\n"
                .into(),
        ),
        (
            ".git/index",
            "DIRC\0\0\0\u{2}\u{7f}\u{7f}\u{7f}\u{7f}".into(),
        ),
        (".git/index", String::new()),
    ] {
        let sandbox = origin.copy();
        sandbox.write(name, text.as_bytes());
        judge(
            &sandbox,
            &format!(
                "{name}: {}",
                text.chars().take(40).collect::<String>().escape_debug()
            ),
        );
    }
}

#[test]
fn replaced_objects_are_not_believed() {
    let sandbox = target();
    let old = sandbox.git_out(&["rev-parse", "T01-v1.0.0:tasks/T01/signal.py"]);
    let evil = hash_object(&sandbox, "blob", b"import os; os.system('evil')\n");
    sandbox.git(&["replace", &old, &evil]).expect(0);
    let wanted = sandbox.git_out(&["--no-replace-objects", "cat-file", "blob", &old]);
    withstands(&sandbox, &[0], BACK, &[]);
    assert_eq!(
        String::from_utf8(sandbox.read("tasks/T01/signal.py"))
            .unwrap()
            .trim_end(),
        wanted
    );
}

#[test]
fn the_tag_of_another_release_or_task_is_refused() {
    let sandbox = target();
    sandbox.release("T02", "1.0.0");
    for (from, to) in [("T01-v1.1.0", "T01-v1.0.0"), ("T02-v1.0.0", "T01-v1.0.0")] {
        let copy = sandbox.copy();
        let id = copy.git_out(&["rev-parse", &format!("refs/tags/{from}")]);
        copy.git(&["update-ref", &format!("refs/tags/{to}"), &id])
            .expect(0);
        withstands(
            &copy,
            &[4],
            BACK,
            &["was moved", "refs/snapback/keep/T01/1.0.0"],
        );
        // Without a copy of the earlier tag, the manifest is not the one that this tag names.
        copy.git(&["update-ref", "-d", "refs/snapback/keep/T01/1.0.0"])
            .expect(0);
        withstands(&copy, &[4], BACK, &["sha256:"]);
    }
    for (from, to) in [("T01-v1.1.0", "T01-v1.0.0"), ("T02-v1.0.0", "T01-v1.0.0")] {
        let copy = sandbox.copy();
        let name = |tag: &str| format!("snapshots/snapshot-{tag}.yaml");
        fs::copy(copy.at(&name(from)), copy.at(&name(to))).unwrap();
        // The copy is not authoritative: it is reported, and the tag's manifest is restored.
        withstands(&copy, &[4], LOOK, &["changed"]);
        copy.git(&["commit", "-qam", "mixed"]).expect(0);
        withstands(&copy, &[4], LOOK, &["changed"]);
        assert!(
            withstands(&copy, &[0], BACK, &[])
                .stderr
                .contains("was changed")
        );
    }
}
