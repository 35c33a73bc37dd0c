//! Line ends that git does not reproduce: named in the plans of the release and of the rollback;
//! and flags that a person set on files in the index.

use crate::support::{Sandbox, story::set_version};

const FILE: &str = "tasks/T01/notes.txt";

/// Creates T01 with this `.gitattributes` and a file, committed, with settled stat data.
fn with_file(attributes: &str, bytes: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.write(".gitattributes", attributes.as_bytes());
    sandbox.write(FILE, bytes);
    sandbox.commit("a file");
    sandbox
}

/// Returns [`with_file`], released as 1.0.0 and, with another text, as 1.1.0.
fn released_twice(attributes: &str, bytes: &[u8]) -> Sandbox {
    let sandbox = with_file(attributes, bytes);
    sandbox.release("T01", "1.0.0");
    sandbox.write(FILE, b"another\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    sandbox
}

/// Makes the index newer than the files, so that git answers from it, not from the files.
fn age_index(sandbox: &Sandbox) {
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
    std::fs::File::options()
        .write(true)
        .open(sandbox.at(".git/index"))
        .unwrap()
        .set_modified(later)
        .unwrap();
}

#[test]
fn what_comes_back_with_other_line_ends_is_named_and_what_does_not_is_not() {
    const CASES: [(&str, &[u8]); 10] = [
        ("text eol=crlf", b"a\r\nb\nc\r\n"),
        ("text eol=crlf", b"a\nb\n"),
        ("text eol=crlf", b"a\r\nb\r\n"),
        ("text", b"a\r\nb\r\n"),
        ("text", b"a\nb\n"),
        ("text=auto", b"a\r\nb\n"),
        ("text=auto eol=lf", b"a\nb\n"),
        ("-text", b"a\r\nb\n"),
        ("text=auto eol=crlf", b"\0\r\n\n"),
        ("-diff", b"a\r\nb\n"),
    ];
    let path = |nth: usize| format!("tasks/T01/notes-{nth}.txt");
    for aged in [false, true] {
        let sandbox = Sandbox::new(1);
        let rules: Vec<String> = CASES
            .iter()
            .enumerate()
            .map(|(nth, (rule, _))| format!("notes-{nth}.txt {rule}\n"))
            .collect();
        sandbox.write(".gitattributes", rules.concat().as_bytes());
        CASES
            .iter()
            .enumerate()
            .for_each(|(nth, (_, bytes))| sandbox.write(&path(nth), bytes));
        sandbox.commit("files");
        if aged {
            age_index(&sandbox);
        }
        let released = sandbox
            .run_line("create-snapshot -t T01 --version 1.0.0 -m x --dry-run --json")
            .expect(0)
            .json();
        sandbox.release("T01", "1.0.0");
        (0..CASES.len()).for_each(|nth| sandbox.write(&path(nth), b"another\n"));
        set_version(&sandbox, "1.1.0");
        sandbox.release("T01", "1.1.0");
        let manifest =
            String::from_utf8(sandbox.read("snapshots/snapshot-T01-v1.0.0.yaml")).unwrap();
        let named = manifest.split("files:").next().unwrap();
        let back = sandbox
            .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
            .expect(0);
        for (nth, (rule, bytes)) in CASES.iter().enumerate() {
            let changed = sandbox.read(&path(nth)) != *bytes;
            assert_eq!(
                named.contains(&path(nth)),
                changed,
                "{rule} {bytes:?} {aged}: {manifest}"
            );
        }
        for said in [released.to_string(), format!("{back:?}")] {
            assert!(
                said.contains("come back with other line ends than they ha")
                    && said.contains(&path(0)),
                "{said}"
            );
        }
        assert!(
            back.stdout
                .contains("verified (line ends as git keeps them)"),
            "{back:?}"
        );
        sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(0);
    }
}

#[test]
fn attributes_that_changed_since_are_told() {
    let sandbox = released_twice("*.txt text eol=lf\n", b"a\nb\n");
    sandbox.write(".gitattributes", b"*.txt text eol=crlf\n");
    sandbox.git(&["commit", "-qam", "other rules"]).expect(0);
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(
        plan.contains(&format!(
            "{FILE} comes back with other line ends than it had when it was released"
        )),
        "{plan}"
    );
}

#[test]
fn a_conversion_that_is_not_done_says_which() {
    let sandbox = with_file("", b"a\n");
    sandbox.write(".gitattributes", b"*.txt working-tree-encoding=UTF-16\n");
    let refused = sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "-m",
            "x",
            "--yes",
        ])
        .expect(6);
    assert!(
        refused.stderr.contains(&format!(
            "{FILE} has `working-tree-encoding=UTF-16` in .gitattributes"
        )),
        "{refused:?}"
    );
    assert!(!refused.stderr.contains("filter programs"), "{refused:?}");
}

#[test]
fn a_conversion_that_is_not_done_is_named_before_it_is_needed() {
    let sandbox = released_twice("", b"a\n");
    sandbox.write(
        ".git/info/attributes",
        b"*.txt working-tree-encoding=UTF-16\n",
    );
    let words = format!("{FILE} has `working-tree-encoding=UTF-16` in .gitattributes");
    let refused = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(6);
    let drilled = sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(4);
    let health = sandbox.snapback(&["health", "-t", "T01"]).expect(4);
    let doctor = sandbox.snapback(&["doctor"]).expect(8);
    for said in [
        refused.stderr,
        drilled.stdout + &drilled.stderr,
        health.stdout,
        doctor.stdout,
    ] {
        assert!(said.contains(&words), "{said}");
    }
}

#[test]
fn keywords_come_back_as_git_writes_them() {
    let sandbox = with_file("*.txt ident\n", b"# $Id$\none\n");
    let by_git = |sandbox: &Sandbox| {
        let bytes = sandbox.read(FILE);
        std::fs::remove_file(sandbox.at(FILE)).unwrap();
        sandbox.git(&["checkout", "-q", "--", FILE]).expect(0);
        assert_eq!(bytes, sandbox.read(FILE), "as git checks it out");
        assert_eq!(sandbox.status(), Vec::<String>::new());
    };
    // One version that git released alone, and two of snapback.
    sandbox
        .git(&["tag", "-a", "T01-v1.0.0", "-m", "by git"])
        .expect(0);
    sandbox.snapback(&["adopt", "--yes"]).expect(0);
    sandbox.write(FILE, b"# $Id$\ntwo\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(!plan.contains("line ends"), "{plan}");
    for (to, line) in [("1.0.0", "one"), ("1.1.0", "two")] {
        sandbox
            .snapback(&["drill", "-t", "T01", "--to", to, "--yes"])
            .expect(0);
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", to, "--yes"])
            .expect(0);
        let text = String::from_utf8(sandbox.read(FILE)).unwrap();
        assert!(
            text.starts_with("# $Id: ") && text.contains(&format!(" $\n{line}\n")),
            "{text}"
        );
        by_git(&sandbox);
        sandbox
            .snapback(&["verify-rollback", "-t", "T01", "--expected", to])
            .expect(0);
    }
    // An edit beside a keyword that names the previous blob.
    let edited = String::from_utf8(sandbox.read(FILE))
        .unwrap()
        .replace("two", "three");
    sandbox.write(FILE, edited.as_bytes());
    set_version(&sandbox, "1.2.0");
    sandbox.release("T01", "1.2.0");
    assert_eq!(
        sandbox.git_out(&["show", &format!("T01-v1.2.0:{FILE}")]),
        "# $Id$\nthree"
    );
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        sandbox.read(FILE),
        edited.as_bytes(),
        "an undo brings back what was there"
    );
    sandbox
        .snapback(&["verify-snapshot", "--all", "--deep"])
        .expect(0);
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn what_a_person_told_git_of_a_file_stays_told() {
    for (flag, letter) in [("--skip-worktree", "S"), ("--assume-unchanged", "h")] {
        let sandbox = Sandbox::new(1);
        sandbox.release("T01", "1.0.0");
        sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
        set_version(&sandbox, "1.1.0");
        sandbox.release("T01", "1.1.0");
        let flags = || sandbox.git_out(&["ls-files", "-v", "tasks/T01/signal.py"]);
        sandbox
            .git(&["update-index", flag, "tasks/T01/signal.py"])
            .expect(0);
        let told = format!("{letter} tasks/T01/signal.py");
        assert_eq!(flags(), told);
        for args in [
            &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"][..],
            &["undo", "--yes"],
            &["redo", "--yes"],
        ] {
            sandbox.snapback(args).expect(0);
            assert_eq!(flags(), told, "{args:?}");
        }
        assert_eq!(
            sandbox.read("tasks/T01/signal.py"),
            b"# T01\ndef signal(x):\n    return x > 0\n"
        );
        assert_eq!(sandbox.unsound(), Vec::<String>::new());
    }
}
