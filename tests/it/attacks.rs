//! Attacks by somebody who wants to leave the tree, run code, or exhaust the memory.
//!
//! `docs/threats.md` numbers them. The real program runs with 300 MiB of writable memory. Whatever
//! it answers, nothing outside may change, and a refusal changes nothing at all, prints one error
//! and gives a hint. Start with [`withstands`].

mod bombs;
mod files;
mod names;
mod objects;
mod parsers;
mod races;
mod state;
mod trees;

use std::{fs, process::Command};

use crate::support::{
    Sandbox,
    sandbox::{Ran, Tree, finish, snapback_program},
};

/// A rollback of T01 to 1.0.0.
const BACK: &[&str] = &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"];
/// A release of T01.
const SNAP: &[&str] = &[
    "create-snapshot",
    "-t",
    "T01",
    "--version",
    "1.2.0",
    "-m",
    "next",
    "--yes",
];
/// The commands that only read.
const LOOKS: [&[&str]; 4] = [
    &["status"],
    &["list", "-t", "T01"],
    &["verify-snapshot", "-t", "T01", "--all"],
    &["diff", "-t", "T01", "1.0.0..1.1.0"],
];

/// The writable memory of a program, in kibibytes.
const MEMORY: u32 = 300 << 10;

/// Creates two tasks; T01 has the releases 1.0.0 and 1.1.0 and is at 1.1.0. Beside the repository
/// are files that nobody may read, change or delete.
fn target() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"def signal(x):\n    return x > 1\n");
    sandbox.write("tasks/T01/new.py", b"NEW = True\n");
    sandbox.release("T01", "1.1.0");
    fs::create_dir_all(sandbox.home().join(".ssh")).unwrap();
    fs::write(sandbox.home().join(".ssh/authorized_keys"), b"precious\n").unwrap();
    fs::write(
        sandbox.root().parent().unwrap().join("victim"),
        b"precious\n",
    )
    .unwrap();
    sandbox
}

/// Runs snapback with limited writable memory.
fn bounded(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let mut command = sandbox.command("sh");
    command
        .args([
            "-c",
            &format!("ulimit -d {MEMORY}; exec \"$0\" \"$@\""),
            snapback_program(),
        ])
        .args(args);
    finish(&mut command)
}

/// Reads everything that must not change: the sandbox without caches, and the references.
fn all(sandbox: &Sandbox) -> (Tree, String) {
    let mut everything = sandbox.everything();
    // Verdicts are recorded, as the audit log is.
    everything.retain(|path, _| {
        !path.contains("/.git/snapback/facts") && !path.ends_with("/.git/snapback/verdicts.jsonl")
    });
    (everything, references(sandbox))
}

/// Reads the reference files without git, which some of these attacks stop.
fn references(sandbox: &Sandbox) -> String {
    let git = sandbox.at(".git");
    ["HEAD", "packed-refs", "refs/heads/main"]
        .iter()
        .map(|name| fs::read_to_string(git.join(name)).unwrap_or_default())
        .collect()
}

/// Runs a command that must end with one of these exit codes; see the head of this file.
#[track_caller]
fn withstands(sandbox: &Sandbox, codes: &[i32], args: &[&str], words: &[&str]) -> Ran {
    let before = all(sandbox);
    let ran = bounded(sandbox, args);
    println!(
        "$ snapback {}\n{}{}[{}]\n",
        args.join(" ").escape_debug(),
        ran.stdout,
        ran.stderr,
        ran.code
    );
    assert!(
        codes.contains(&ran.code),
        "{args:?} must end with one of {codes:?}: {ran:?}"
    );
    assert!(
        !ran.stderr.contains("panicked") && !ran.stderr.contains("overflow"),
        "{ran:?}"
    );
    if ran.code != 0 {
        let (mut after, was_put_back) =
            (all(sandbox), ran.stdout.contains("everything was put back"));
        if was_put_back {
            // Attempts stay on record.
            after.0.retain(|path, _| {
                before.0.contains_key(path) || !path.contains("/.git/snapback/ops/")
            });
        }
        assert_unchanged(&before, &after, args);
        // A verdict and a report are answers on standard output; a refusal is one error.
        let is_verdict =
            ran.stdout.contains("is inconclusive") || ran.stdout.contains(" not verified");
        if !was_put_back && !matches!(ran.code, 3 | 4) && !is_verdict
            || ran.stderr.contains("error:")
        {
            let lines = |word: &str| {
                ran.stderr
                    .lines()
                    .filter(|line| line.trim_start().starts_with(word))
                    .count()
            };
            assert_eq!(lines("error:"), 1, "one error: {ran:?}");
            assert!(lines("hint:") > 0 || ran.code == 2, "a hint: {ran:?}");
        }
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for word in words {
            assert!(said.contains(word), "it must say {word:?}: {ran:?}");
        }
    } else {
        let outside = |tree: &Tree| -> Tree {
            tree.clone()
                .into_iter()
                .filter(|(path, _)| !path.starts_with("repo"))
                .collect()
        };
        assert_eq!(
            outside(&before.0),
            outside(&sandbox.everything()),
            "{args:?} changed something outside"
        );
    }
    ran
}

/// Fails with the names of what changed.
#[track_caller]
fn assert_unchanged(before: &(Tree, String), after: &(Tree, String), what: &[&str]) {
    let changed: Vec<_> = before
        .0
        .iter()
        .filter(|(path, entry)| after.0.get(*path) != Some(entry))
        .map(|(path, _)| path)
        .collect();
    let new: Vec<_> = after
        .0
        .keys()
        .filter(|path| !before.0.contains_key(*path))
        .collect();
    assert!(
        changed.is_empty() && new.is_empty(),
        "{what:?} changed something: changed or gone {changed:?}, new {new:?}"
    );
    assert_eq!(before.1, after.1, "{what:?} moved a reference");
}

/// Writes an object of arbitrary bytes, unchecked by git.
fn hash_object(sandbox: &Sandbox, kind: &str, bytes: &[u8]) -> String {
    let file = sandbox.home().join("object");
    fs::write(&file, bytes).unwrap();
    let id = sandbox.git_out(&[
        "hash-object",
        "-t",
        kind,
        "--literally",
        "-w",
        file.to_str().unwrap(),
    ]);
    fs::remove_file(&file).unwrap();
    id
}

/// Returns the bytes of a tree object.
fn raw_tree(entries: &[(&str, Vec<u8>, String)]) -> Vec<u8> {
    let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let entry = |(mode, name, id): &(&str, Vec<u8>, String)| {
        let id: Vec<u8> = id.as_bytes().chunks(2).map(digit).collect();
        [mode.as_bytes(), b" ", &name[..], b"\0", &id[..]].concat()
    };
    entries.iter().flat_map(entry).collect()
}

/// Returns the entries of a tree as git lists them.
fn listed(sandbox: &Sandbox, tree: &str) -> Vec<(&'static str, Vec<u8>, String)> {
    let mode = |text: &str| match text {
        "040000" => "40000",
        "100755" => "100755",
        _ => "100644",
    };
    let text = sandbox.git_out(&["ls-tree", "-z", tree]);
    let line = |line: &str| {
        let (head, name) = line.split_once('\t').unwrap();
        let words: Vec<&str> = head.split(' ').collect();
        (
            mode(words[0]),
            name.as_bytes().to_vec(),
            words[2].to_string(),
        )
    };
    text.split('\0')
        .filter(|line| !line.is_empty())
        .map(line)
        .collect()
}

/// Returns the tree of a commit with arbitrary entries added to the folder of T01.
fn tree_with(sandbox: &Sandbox, commit: &str, added: &[(&'static str, Vec<u8>, String)]) -> String {
    let mut task = listed(sandbox, &format!("{commit}:tasks/T01"));
    task.extend(added.iter().cloned());
    task.sort_by_key(|(mode, name, _)| {
        [&name[..], if *mode == "40000" { b"/" } else { b"" }].concat()
    });
    let mut below = hash_object(sandbox, "tree", &raw_tree(&task));
    for (dir, name) in [("tasks", "T01"), ("", "tasks")] {
        let mut entries = listed(sandbox, &format!("{commit}:{dir}"));
        let entry = entries
            .iter_mut()
            .find(|(_, other, _)| other == name.as_bytes())
            .unwrap();
        entry.2 = below;
        below = hash_object(sandbox, "tree", &raw_tree(&entries));
    }
    below
}

/// Moves the branch to a commit with these entries added; index and work tree stay.
fn head_with(sandbox: &Sandbox, added: &[(&'static str, Vec<u8>, String)]) {
    let tree = tree_with(sandbox, "HEAD", added);
    let commit = sandbox.git_out(&["commit-tree", "-p", "HEAD", "-m", "hostile", &tree]);
    sandbox
        .git(&["update-ref", "refs/heads/main", &commit])
        .expect(0);
}

/// Moves the tag of 1.0.0 to a commit with these entries added, and commits a manifest that names
/// that commit; the chain of tag, commit and manifest is valid.
fn release_with(sandbox: &Sandbox, added: &[(&'static str, Vec<u8>, String)]) {
    const MANIFEST: &str = "snapshots/snapshot-T01-v1.0.0.yaml";
    let old = sandbox.git_out(&["rev-parse", "T01-v1.0.0^{commit}"]);
    let tree = tree_with(sandbox, &old, added);
    let new = sandbox.git_out(&["commit-tree", "-p", &old, "-m", "hostile", &tree]);
    let text = String::from_utf8(sandbox.read(MANIFEST)).unwrap();
    assert!(text.contains(&old));
    let text = text.replace(&old, &new);
    sandbox.write(MANIFEST, text.as_bytes());
    sandbox
        .git(&["commit", "-qm", "forged", "--", MANIFEST])
        .expect(0);
    let digest = snapback::base::Digest::of(text.as_bytes());
    let message = format!(
        "forged\n\nSnapback-Task: T01\nSnapback-Version: 1.0.0\nSnapback-Manifest: {digest}"
    );
    sandbox
        .git(&["tag", "-f", "-a", "-m", &message, "T01-v1.0.0", &new])
        .expect(0);
    sandbox
        .git(&[
            "update-ref",
            "refs/snapback/keep/T01/1.0.0",
            "refs/tags/T01-v1.0.0",
        ])
        .expect(0);
}

/// Runs a program other than snapback in the work tree.
#[track_caller]
fn does(sandbox: &Sandbox, command: &mut Command) {
    let status = command.current_dir(sandbox.root()).status().unwrap();
    assert!(status.success(), "{command:?}");
}
