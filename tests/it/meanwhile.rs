//! Foreign commits during an operation: it is put on top of them, or reports a conflict.

use crate::support::Sandbox;

/// Creates T01 at 1.1.0 whose smoke test commits a file, as a colleague might meanwhile.
fn sandbox(commits: &str) -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"other\n");
    sandbox.release("T01", "1.1.0");
    let settings = format!(
        "version: 1\ndefaults:\n  large_files: {{patterns: [\"*.bin\"]}}\ntasks:\n  T01:\n    verify: [{{run: \"{commits}\"}}]\n"
    );
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox.git(&["commit", "-qam", "a smoke test"]).expect(0);
    sandbox
}

const BACK: &[&str] = &[
    "rollback",
    "-t",
    "T01",
    "--to",
    "1.0.0",
    "-m",
    "it lost money",
    "--yes",
];

#[test]
fn a_rollback_gets_through_beside_other_peoples_commits() {
    let beside =
        "cd ../..; date +%N >> other.txt; git add other.txt; git commit -q -m theirs -- other.txt";
    let sandbox = sandbox(beside);
    let head = sandbox.git_out(&["rev-parse", "HEAD"]);
    let went = sandbox
        .snapback(&[BACK, &["--json"]].concat())
        .expect(0)
        .json();
    assert_ne!(sandbox.read("tasks/T01/signal.py"), b"other\n");
    let subjects = sandbox.git_out(&["log", "--format=%s", &format!("{head}..")]);
    assert_eq!(
        subjects,
        "rollback(T01): v1.1.0 -> v1.0.0 it lost money\ntheirs"
    );
    assert_eq!(sandbox.status(), Vec::<String>::new());
    let (tip, text) = (sandbox.git_out(&["rev-parse", "HEAD"]), went.to_string());
    assert!(
        text.contains(&tip),
        "the commit that is there is named: {text}"
    );
    assert_eq!(
        sandbox.git_out(&["rev-parse", "T01-v1.0.0-rollback-from-v1.1.0^{commit}"]),
        tip
    );
    assert_eq!(sandbox.unsound(), Vec::<String>::new());

    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        (sandbox.read("tasks/T01/signal.py"), sandbox.status()),
        (b"other\n".to_vec(), Vec::new())
    );
    assert!(sandbox.exists("other.txt"), "theirs stays");
    sandbox.snapback(&["redo", "--yes"]).expect(0);
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.0.0"));
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(0);
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn a_commit_of_the_tasks_own_files_is_a_conflict() {
    let within = "cd ../..; echo theirs > tasks/T01/theirs.txt; git add tasks/T01/theirs.txt; git commit -q -m theirs -- tasks/T01/theirs.txt";
    let sandbox = sandbox(within);
    let ran = sandbox.snapback(BACK).expect(7);
    let said = ran.stdout + &ran.stderr;
    assert!(
        said.contains("moved meanwhile") && said.contains("tasks/T01/theirs.txt"),
        "{said}"
    );
    assert!(!said.contains("fsck"), "{said}");
    assert_eq!(
        sandbox.read("tasks/T01/signal.py"),
        b"other\n",
        "everything is as it was"
    );
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.1.0"));
    assert_eq!(sandbox.status(), Vec::<String>::new());
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn an_index_that_was_refreshed_between_a_crash_and_its_recovery_gets_what_was_published() {
    let immutable =
        |sandbox: &Sandbox, flag: &str| sandbox.run("chattr", &[flag, ".git/index"]).code == 0;
    for word in ["resume", "abort"] {
        let sandbox = sandbox("true");
        sandbox.write("mine.txt", b"mine\n");
        sandbox.git(&["add", "mine.txt"]).expect(0);
        if !immutable(&sandbox, "+i") {
            println!("skipped: no file can be made immutable here");
            return;
        }
        let failed = sandbox.snapback(BACK);
        assert!(immutable(&sandbox, "-i"));
        failed.expect(8);
        // A git command that reads refreshes the index.
        let before = sandbox.read(".git/index");
        std::fs::File::open(sandbox.at("mine.txt"))
            .and_then(|file| file.set_modified(std::time::UNIX_EPOCH))
            .unwrap();
        sandbox.git(&["status"]).expect(0);
        assert_ne!(sandbox.read(".git/index"), before);
        sandbox
            .snapback(&["op", word])
            .expect(if word == "resume" { 0 } else { 7 });
        assert_eq!(sandbox.status(), ["A  mine.txt"]);
        assert_eq!(sandbox.unsound(), Vec::<String>::new());
    }
}
