//! `undo` of a release: everything is as before, the version number is free again, and commits that
//! others have or that build on it are never rewritten.

use snapback::{
    app::{App, Options},
    model::{Request, signature::Signing},
};

use crate::{
    it::clones::{clone, released},
    support::{
        Sandbox,
        sandbox::Ran,
        story::{lose_last_record, set_version},
    },
};

/// Reads what an undo must restore: work tree, branch, index, tags, registry.
fn state(sandbox: &Sandbox) -> (crate::support::sandbox::Tree, String, String, String) {
    let mut tree = sandbox.tree();
    // Ignore the times of files that a release and its inverse wrote.
    for entry in tree.values_mut() {
        entry.mtime = 0;
    }
    tree.retain(|path, _| path != "snapshots");
    let refs = sandbox.git_out(&[
        "for-each-ref",
        "refs/heads",
        "refs/tags",
        "refs/snapback/keep",
    ]);
    (
        tree,
        refs,
        sandbox.git_out(&["status", "--porcelain", "-uall"]),
        sandbox.git_out(&["ls-files", "-s"]),
    )
}

fn undo(sandbox: &Sandbox, what: &str) -> Ran {
    sandbox.snapback(&["undo", what, "--yes"])
}

/// Creates a repository with unfinished work: edited, staged, new.
fn at_work() -> Sandbox {
    let a = released();
    a.write("tasks/T01/signal.py", b"three\n");
    a.write("tasks/T01/new.py", b"new\n");
    a.write("tasks/T01/staged.py", b"staged\n");
    a.git(&["add", "tasks/T01/staged.py"]).expect(0);
    a.write("tasks/T01/staged.py", b"and edited\n");
    a.write("tasks/T02/signal.py", b"half an idea\n");
    a.git(&["add", "tasks/T02/signal.py"]).expect(0);
    a
}

#[test]
fn a_release_that_nobody_has_is_taken_back_exactly() {
    for packed in [false, true] {
        let a = at_work();
        let before = state(&a);
        a.release("T01", "1.2.0");
        assert_ne!(state(&a), before);
        if packed {
            a.git(&["pack-refs", "--all"]).expect(0);
        }
        let ran = undo(&a, "T01-v1.2.0").expect(0);
        assert!(
            ran.stdout
                .contains("T01 1.2.0 is no release any more; T01 is at 1.1.0"),
            "{}",
            ran.stdout
        );
        assert!(
            !ran.stdout.contains("redo") && !ran.stderr.contains("redo"),
            "{ran:?}"
        );
        assert_eq!(state(&a), before, "packed: {packed}");
        assert_eq!(
            (
                a.registry_version("T01").as_deref(),
                a.config_version("T01").as_deref()
            ),
            (Some("1.1.0"), Some("1.1.0"))
        );
        a.git(&["fsck", "--strict"]).expect(0);
        a.snapback(&["verify-snapshot", "--all"]).expect(0);
        a.snapback(&["audit", "verify"]).expect(0);
        assert_eq!(a.unsound(), Vec::<String>::new());
        // The commits are kept, and the number is free for other bytes.
        let safety = a.git_out(&[
            "for-each-ref",
            "--format=%(objectname)",
            "refs/snapback/safety",
            "--sort=-refname",
            "--count=1",
        ]);
        assert_eq!(
            a.git_out(&["show", &format!("{safety}:tasks/T01/signal.py")]),
            "three"
        );
        a.write("tasks/T01/signal.py", b"otherwise\n");
        let again = a
            .snapback(&[
                "create-snapshot",
                "-t",
                "T01",
                "--bump",
                "minor",
                "-m",
                "again",
                "-y",
            ])
            .expect(0);
        assert!(
            again.stdout.contains("T01 1.2.0 is released"),
            "{}",
            again.stdout
        );
        a.snapback(&["verify-snapshot", "--all", "--deep"])
            .expect(0);
        undo(&a, "T01-v1.2.0").expect(0);
    }
}

#[test]
fn the_first_release_of_a_task_is_taken_back_too() {
    let a = Sandbox::new(1);
    let before = state(&a);
    a.release("T01", "1.0.0");
    let list = a.snapback(&["op", "list", "--json"]).expect(0).json();
    undo(&a, list["data"]["operations"][0]["id"].as_str().unwrap()).expect(0);
    assert_eq!(state(&a), before);
    let list = a.snapback(&["op", "list"]).expect(0).stdout;
    assert!(list.contains("undone") || list.contains("undo"), "{list}");
}

#[test]
fn what_was_said_of_a_release_is_not_said_of_its_number_when_it_was_taken_back() {
    for (released, undone) in [("proven", "1.0.0"), ("bad", "1.1.0")] {
        let a = if undone == "1.0.0" {
            Sandbox::new(1)
        } else {
            released_once()
        };
        a.release("T01", undone);
        if released == "bad" {
            a.snapback(&["mark", "bad", undone, "-t", "T01", "-m", "drawdown"])
                .expect(0);
        }
        let told = |word: &str| {
            let state = |line: &str| {
                line.split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
                    .contains(&format!(" {undone} {word} "))
            };
            let status = a.snapback(&["status"]).expect(0).stdout;
            assert!(status.lines().any(state), "{word}: {status}");
        };
        told(released);
        undo(&a, &format!("T01-v{undone}")).expect(0);
        // It is added to the configuration and the registry again, by hand.
        set_version(&a, undone);
        let registry = String::from_utf8(a.read("task_registry.json")).unwrap();
        a.write(
            "task_registry.json",
            registry
                .replace("\"1.0.0\"", &format!("\"{undone}\""))
                .as_bytes(),
        );
        told("unknown");
        let task = a.snapback(&["status", "--json"]).expect(0).json()["data"]["tasks"][0].clone();
        assert_eq!(
            (&task["standing"]["proven"], &task["standing"]["bad"]),
            (&false.into(), &false.into()),
            "{task}"
        );
        let health = a.snapback(&["health", "-t", "T01", "--json"]).json();
        let health = &health["data"]["tasks"][0];
        assert_eq!(health["verified"], false, "{health}");
        assert!(!health.to_string().contains("called bad"), "{health}");
        // The verdict applies to a release that only lost its tag.
        a.write("tasks/T01/signal.py", b"another release\n");
        a.release("T01", undone);
        a.git(&["tag", "-d", &format!("T01-v{undone}")]).expect(0);
        told("proven");
    }
}

/// Creates T01 released as 1.0.0.
fn released_once() -> Sandbox {
    let a = Sandbox::new(1);
    a.release("T01", "1.0.0");
    a.write("tasks/T01/signal.py", b"two\n");
    a
}

#[test]
fn work_that_was_done_since_stays() {
    let a = at_work();
    a.release("T01", "1.2.0");
    a.write("tasks/T01/signal.py", b"four\n");
    a.write("tasks/T01/config.yaml", b"name: renamed\nversion: 1.2.0\n");
    a.git(&["add", "tasks/T01/signal.py"]).expect(0);
    undo(&a, "T01-v1.2.0").expect(0);
    assert_eq!(a.read("tasks/T01/signal.py"), b"four\n");
    assert_eq!(
        a.read("tasks/T01/config.yaml"),
        b"name: renamed\nversion: 1.1.0\n"
    );
    assert_eq!(
        a.git_out(&["show", ":tasks/T01/signal.py"]),
        "four",
        "what was staged since"
    );
    assert!(!a.exists("snapshots/snapshot-T01-v1.2.0.yaml"));
}

#[test]
fn a_release_that_is_the_newest_operation_is_taken_back_without_its_name_only_where_somebody_can_be_asked()
 {
    let a = at_work();
    a.release("T01", "1.2.0");
    let before = state(&a);
    for words in [
        &["undo", "--yes"][..],
        &["undo", "-t", "T01", "--yes"],
        &["undo", "--dry-run"],
    ] {
        let refused = a.snapback(words).expect(6);
        assert!(
            refused.stderr.contains("snapback undo T01-v1.2.0"),
            "{words:?}: {}",
            refused.stderr
        );
        assert_eq!(state(&a), before, "{words:?}");
    }
    let newest = Request::Undo(snapback::model::request::Undo {
        task: None,
        op: None,
        signing: Signing::default(),
    });
    let app = App::open(
        &a.root(),
        Options {
            asks: true,
            ..Options::default()
        },
    )
    .unwrap();
    assert!(
        app.plan(&newest)
            .unwrap()
            .about
            .starts_with("takes back the release 1.2.0")
    );
    drop(app);
    // A failed rollback was already undone: a script that undoes it as well loses nothing.
    a.write(
        "snapback.yaml",
        b"version: 1\ntasks: {T01: {verify: [{run: \"false\"}]}}\n",
    );
    a.trust();
    a.snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "-y"])
        .expect(4);
    a.snapback(&["undo", "--yes"]).expect(6);
    assert!(
        !a.git_out(&["tag", "--list", "T01-v1.2.0"]).is_empty(),
        "it is a release still"
    );
    std::fs::remove_file(a.at("snapback.yaml")).unwrap();
    a.snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "-y"])
        .expect(0);
    a.snapback(&["undo", "--yes"]).expect(0);
    let before = state(&a);
    let refused = a.snapback(&["undo", "--yes"]).expect(5);
    assert!(
        refused.stderr.contains("there is nothing to undo"),
        "one undo too many takes no release: {}",
        refused.stderr
    );
    assert_eq!(state(&a), before);
}

#[test]
fn what_lay_before_the_release_can_be_taken_back_after_it() {
    let a = released();
    a.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "-y"])
        .expect(0);
    a.write("tasks/T01/signal.py", b"three\n");
    a.release("T01", "1.2.0");
    undo(&a, "T01-v1.2.0").expect(0);
    a.git(&["checkout", "-q", "--", "tasks/T01"]).expect(0);
    a.snapback(&["undo", "-y"]).expect(0);
    assert_eq!(a.registry_version("T01").as_deref(), Some("1.1.0"));
    a.snapback(&["redo", "-y"]).expect(0);
}

/// Commands after a release, with the exit code and message of its undo.
type Followed = (&'static [&'static [&'static str]], i32, &'static str);

/// The tested commands after the release, and how its undo ends.
const FOLLOWED_BY: [Followed; 13] = [
    (
        &[&["git", "push", "-q", "origin", "main", "T01-v1.2.0"]],
        6,
        "has its commits",
    ),
    (
        &[&["git", "push", "-q", "origin", "T01-v1.2.0"]],
        6,
        "origin has its tag T01-v1.2.0",
    ),
    (
        &[&["git", "push", "-q", "origin", "main"]],
        6,
        "origin/main has its commits",
    ),
    // Nothing here knows of it any more, or ever did.
    (
        &[
            &["git", "push", "-q", "origin", "main"],
            &["git", "update-ref", "-d", "refs/remotes/origin/main"],
        ],
        6,
        "origin/main has its commits",
    ),
    (
        &[&["git", "push", "-q", "../up.git", "main:refs/heads/a/b"]],
        6,
        "origin/a/b has its commits",
    ),
    (
        &[
            &["git", "commit", "-q", "--allow-empty", "-m", "on top"],
            &["git", "push", "-q", "../up.git", "main"],
            &["git", "reset", "-q", "--soft", "HEAD~1"],
        ],
        6,
        "origin/main has its commits",
    ),
    (
        &[&["git", "commit", "-q", "--allow-empty", "-m", "on top"]],
        6,
        "main has commits on top of it",
    ),
    (&[&["git", "branch", "feat"]], 6, "feat has its commits"),
    (
        &[
            &["git", "switch", "-q", "-c", "feat"],
            &["git", "commit", "-q", "--allow-empty", "-m", "on top"],
            &["git", "switch", "-q", "main"],
        ],
        6,
        "feat has its commits",
    ),
    (&[&["git", "tag", "build-7"]], 6, "build-7 has its commits"),
    (
        &[&["git", "worktree", "add", "-q", "--detach", "../linked"]],
        6,
        "the work tree linked has its commits",
    ),
    (
        &[&["git", "switch", "-q", "-c", "other"]],
        6,
        "it was made on main, and HEAD is on other",
    ),
    (
        &[&["snapback", "rollback", "-t", "T01", "--to", "1.0.0", "-y"]],
        7,
        "came after",
    ),
];

#[test]
fn what_others_have_or_what_stands_on_it_is_refused() {
    for (commands, code, says) in FOLLOWED_BY {
        let a = released();
        a.write("tasks/T01/signal.py", b"three\n");
        a.release("T01", "1.2.0");
        for command in commands {
            let ran = if command[0] == "git" {
                a.git(&command[1..])
            } else {
                a.snapback(&command[1..])
            };
            ran.expect(0);
        }
        let before = a.everything();
        let refused = undo(&a, "T01-v1.2.0").expect(code);
        assert!(refused.stderr.contains(says), "{says}: {}", refused.stderr);
        assert_eq!(a.everything(), before, "{says}");
    }
}

#[test]
fn a_remote_that_does_not_answer_is_said() {
    let a = released();
    a.git(&["remote", "add", "gone", "../nowhere.git"])
        .expect(0);
    a.write("tasks/T01/signal.py", b"three\n");
    a.release("T01", "1.2.0");
    let ran = undo(&a, "T01-v1.2.0").expect(0);
    assert!(
        ran.stderr
            .contains("gone could not be asked whether it has the release"),
        "{}",
        ran.stderr
    );
}

#[test]
fn after_a_push_that_was_overtaken_the_way_out_works() {
    let a = released();
    let b = clone(&a, &[]);
    b.write("tasks/T01/signal.py", b"theirs\n");
    b.release("T01", "1.2.0");
    b.git(&["push", "-q", "--atomic", "origin", "main", "T01-v1.2.0"])
        .expect(0);
    a.write("tasks/T01/signal.py", b"mine\n");
    a.release("T01", "1.2.0");
    // The other clone's tag is at the remote, so this clone's own release is undone.
    let refused = undo(&a, "T01-v1.2.0");
    assert_eq!(refused.code, 0, "{refused:?}");
    a.git(&["stash", "-q"]).expect(0);
    a.git(&["pull", "-q", "--rebase", "--tags", "origin", "main"])
        .expect(0);
    assert_eq!(a.registry_version("T01").as_deref(), Some("1.2.0"));
    a.snapback(&["verify-snapshot", "--all"]).expect(0);
}

#[test]
fn what_is_advised_after_an_abort_that_came_too_late_can_be_done() {
    let a = released();
    a.git(&["tag", "T02-v0.9.0", "HEAD"]).expect(0);
    a.snapback(&["adopt", "--all", "--yes"]).expect(0);
    lose_last_record(&a);
    let late = a.snapback(&["op", "abort", "--yes"]).expect(7);
    assert!(
        late.stderr.contains("could no longer be taken back")
            && late.stderr.contains("snapback op show"),
        "{late:?}"
    );
    assert!(
        !late.stderr.contains("snapback undo"),
        "an adoption is not undone: {late:?}"
    );
    a.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "-y"])
        .expect(0);
    lose_last_record(&a);
    let late = a.snapback(&["op", "abort", "--yes"]).expect(7).stderr;
    let (_, advised) = late.split_once("take it back:  snapback ").unwrap();
    a.snapback(
        &[
            &advised
                .lines()
                .next()
                .unwrap()
                .split(' ')
                .collect::<Vec<_>>()[..],
            &["-y"],
        ]
        .concat(),
    )
    .expect(0);
}
