//! Changes made by a smoke test, or by others while it runs, count: "verified" refers to the files
//! found afterwards.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use snapback::{
    app::{App, Options},
    consent::ConsentFolder,
    model::{
        CheckResult, Event, Request, Status, event::Sink, report::Outcome, request::CreateSnapshot,
        signature::Signing,
    },
};

use crate::support::{Sandbox, noise, story::set_version};

/// Creates T01 1.0.0 and 1.1.0, and a smoke test.
fn with_smoke(command: &str) -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.write(".gitignore", b"*.log\n");
    sandbox.commit("rules");
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    sandbox.release("T01", "1.1.0");
    let text = format!(
        "version: 1\ndefaults: {{large_files: {{patterns: [\"*.bin\"]}}}}\ntasks:\n  T01:\n    verify: [{{run: \"{command}\", timeout: 20s}}]\n"
    );
    sandbox.write("snapback.yaml", text.as_bytes());
    sandbox.commit("smoke");
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    sandbox
}

const BACK: [&str; 6] = ["rollback", "-t", "T01", "--to", "1.0.0", "--yes"];

#[test]
fn a_smoke_test_that_changes_the_task_proves_nothing() {
    for deed in [
        "rm signal.py",
        "echo more >> signal.py",
        "chmod +x signal.py",
        "rm signal.py; mkdir signal.py",
    ] {
        let sandbox = with_smoke(deed);
        let before = sandbox.read("tasks/T01/config.yaml");
        let ran = sandbox.snapback(&BACK).expect(4);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            said.contains("while the commands ran: ") && said.contains("tasks/T01/signal.py"),
            "{deed}: {said}"
        );
        assert_eq!(sandbox.read("tasks/T01/config.yaml"), before, "{deed}");
        let looked = sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(4);
        assert!(!looked.stdout.contains("is verified"), "{deed}: {looked:?}");
    }
}

#[test]
fn a_smoke_test_that_changes_what_the_registry_says_proves_nothing() {
    for (deed, code, says) in [
        (
            "sed -i s/1.0.0/0.0.9/ ../../task_registry.json",
            4,
            "the registry says 0.0.9, expected 1.0.0",
        ),
        (
            "echo {} > ../../task_registry.json",
            8,
            "the registry names no version",
        ),
        (
            "echo { > ../../task_registry.json",
            8,
            "the registry cannot be read",
        ),
    ] {
        let sandbox = with_smoke(deed);
        let ran = sandbox.snapback(&BACK).expect(code);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            said.contains(&format!("while the commands ran: {says}")),
            "{deed}: {said}"
        );
        assert!(
            !said.contains("T01 is at 1.0.0, verified"),
            "{deed}: {said}"
        );
        let standing = sandbox
            .snapback(&["list", "-t", "T01", "--json"])
            .expect(0)
            .json()
            .to_string();
        assert!(
            !standing.contains("\"failed\":true"),
            "it is no fault of the version: {deed}: {standing}"
        );
        if code == 8 {
            sandbox
                .snapback(&[
                    "verify-rollback",
                    "-t",
                    "T01",
                    "--no-commands",
                    "--expected",
                    "1.0.0",
                ])
                .expect(8);
        } else {
            assert_eq!(
                sandbox.read("tasks/T01/signal.py"),
                b"# 1.1.0\n",
                "it was put back"
            );
        }
    }
}

#[test]
fn what_it_leaves_that_is_no_part_of_the_task_is_its_own() {
    let sandbox = with_smoke("touch run.log");
    let ran = sandbox.snapback(&BACK).expect(0);
    assert!(ran.stdout.contains("T01 is at 1.0.0, verified"), "{ran:?}");
}

#[test]
fn a_release_whose_smoke_test_changes_it_is_not_verified() {
    let sandbox = with_smoke("echo more >> signal.py");
    sandbox.write("tasks/T01/signal.py", b"# 1.2.0\n");
    let ran = sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.2.0",
            "-m",
            "x",
            "--yes",
        ])
        .expect(4);
    assert!(
        ran.stdout.contains("integrity.after") && ran.stdout.contains("T01 1.2.0 is not released"),
        "{ran:?}"
    );
    assert_eq!(sandbox.git_out(&["tag", "--list", "T01-v1.2.0"]), "");
}

#[test]
fn a_file_that_a_smoke_test_stages_is_not_left_out_unnoticed() {
    let sandbox = with_smoke("[ -e new.txt ] || { echo new > new.txt; git add new.txt; }");
    let release = "create-snapshot -t T01 --version 1.2.0 -m x --yes";
    sandbox.write("tasks/T01/signal.py", b"# 1.2.0\n");
    let ran = sandbox.run_line(release).expect(4);
    let line = "while the commands ran: tasks/T01/new.txt is not in the release";
    assert!(ran.stdout.contains(line), "{ran:?}");
    sandbox.run_line(release).expect(0);
    sandbox.run_line("verify-rollback -t T01").expect(0);
}

#[test]
fn a_release_whose_smoke_test_removes_its_stored_bytes_is_refused() {
    let sandbox = with_smoke("[ -e kept ] || rm -rf ../../.git/snapback/store/packs/*");
    sandbox.write("tasks/T01/weights.bin", &noise("weights", 3 << 20));
    let release = "create-snapshot -t T01 --version 1.2.0 -m x --yes";
    let ran = sandbox.run_line(release).expect(4);
    let line = "while the commands ran: tasks/T01/weights.bin";
    assert!(
        ran.stdout.contains("integrity.kept") && ran.stdout.contains(line),
        "{ran:?}"
    );
    assert_eq!(sandbox.git_out(&["tag", "--list", "T01-v1.2.0"]), "");
    sandbox.write("tasks/T01/kept", b"");
    sandbox.run_line(release).expect(0);
    sandbox
        .run_line("verify-snapshot -t T01 --version 1.2.0 --deep")
        .expect(0);
    std::fs::remove_dir_all(sandbox.at(".git/snapback/store")).expect("it is there");
    for line in [
        "verify-snapshot -t T01 --version 1.2.0",
        "store check",
        "store check --quick",
    ] {
        let ran = sandbox.run_line(line);
        assert_ne!(ran.code, 0, "{line}: {ran:?}");
    }
}

#[test]
fn a_commit_is_made_only_on_the_branch_that_it_was_planned_on() {
    let sandbox = with_smoke("git checkout -q -b colleague");
    let (head, main) = (
        sandbox.git_out(&["rev-parse", "HEAD"]),
        sandbox.git_out(&["symbolic-ref", "--short", "HEAD"]),
    );
    let ran = sandbox.snapback(&BACK).expect(7);
    assert!(ran.stdout.contains(&main), "{ran:?}");
    assert_eq!(sandbox.git_out(&["rev-parse", &main]), head);
    assert_eq!(sandbox.git_out(&["status", "--porcelain"]), "");
    assert_eq!(sandbox.read("tasks/T01/signal.py"), b"# 1.1.0\n");
}

#[test]
fn where_the_registry_cannot_be_read_that_is_said_every_time() {
    for broken in [
        "{",
        "{\n<<<<<<< HEAD\n \"tasks\": {}\n=======\n>>>>>>> x\n}\n",
    ] {
        let sandbox = Sandbox::new(1);
        sandbox.release("T01", "1.0.0");
        sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
        sandbox.release("T01", "1.1.0");
        sandbox.write("task_registry.json", broken.as_bytes());
        for _ in 0..2 {
            let ran = sandbox.snapback(&BACK).expect(0);
            let said = "its files as released (the registry stays as it is)";
            assert!(
                ran.stdout.contains(said) && !ran.stdout.contains("verified"),
                "{ran:?}"
            );
        }
        let looked = sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(8);
        assert!(
            looked.stdout.contains("could not be checked")
                && looked.stdout.contains("cannot be read"),
            "{looked:?}"
        );
    }
}

#[test]
fn status_looks_at_the_size_of_large_files_and_says_that_it_read_none() {
    let sandbox = Sandbox::new(1);
    sandbox.write(
        "snapback.yaml",
        b"version: 1\ntasks: {T01: {large_files: {patterns: ['*.bin']}}}\n",
    );
    sandbox.write(".gitignore", b"*.bin\n");
    sandbox.write("tasks/T01/a.bin", &[7; 5000]);
    sandbox.commit("large");
    sandbox.release("T01", "1.0.0");
    let fine = sandbox
        .snapback(&["status", "--exit-code"])
        .expect(0)
        .stdout;
    assert!(fine.contains("all as released (2 large files by size alone; `snapback verify-rollback` reads the bytes)"), "{fine}");
    sandbox.write("tasks/T01/a.bin", &[7; 7000]);
    let other = sandbox
        .snapback(&["status", "--exit-code"])
        .expect(4)
        .stdout;
    assert!(
        other.contains("1 file ") && !other.contains("all as released"),
        "{other}"
    );
    std::fs::remove_file(sandbox.at("tasks/T01/a.bin")).unwrap();
    let gone = sandbox
        .snapback(&["status", "--exit-code"])
        .expect(4)
        .stdout;
    assert!(!gone.contains("all as released"), "{gone}");
}

/// An event sink that edits a file of T01 while a release is made: when its files were taken in, or
/// when it is committed, and then it kills the program.
struct Editor {
    file: std::path::PathBuf,
    dies: bool,
}

impl Sink for Editor {
    fn take(&self, event: Event) {
        let moment = if self.dies { "committed" } else { "saved" };
        if matches!(event, Event::StepDone { step, .. } if step == moment) {
            std::fs::write(&self.file, b"# still being written\n").unwrap();
            assert!(!self.dies, "killed here");
        }
    }
}

/// An event sink that stages a new file of T01 when the files of a release were taken in.
struct Stager(std::path::PathBuf);

impl Sink for Stager {
    fn take(&self, event: Event) {
        if matches!(event, Event::StepDone { step: "saved", .. }) {
            std::fs::write(self.0.join("tasks/T01/new.txt"), b"new\n").unwrap();
            let mut git = std::process::Command::new("git");
            let added = git.current_dir(&self.0).args(["add", "tasks/T01/new.txt"]);
            assert!(added.status().unwrap().success());
        }
    }
}

/// Opens the repository with an [`Editor`] of one of the task's files; with `dies` the release does
/// not survive it.
fn edited_meanwhile(sandbox: &Sandbox, dies: bool) -> App {
    let file = sandbox.at("tasks/T01/signal.py");
    told(sandbox, Arc::new(Editor { file, dies }))
}

/// Opens the repository with an event sink.
fn told(sandbox: &Sandbox, sink: Arc<dyn Sink>) -> App {
    let place = ConsentFolder {
        folder: Some(sandbox.home().join(".local/state/snapback/trust")),
        ..ConsentFolder::default()
    };
    App::open(
        &sandbox.root(),
        Options {
            sink,
            trust: place,
            ..Options::default()
        },
    )
    .unwrap()
}

/// A release of T01.
fn release() -> Request {
    Request::CreateSnapshot(CreateSnapshot {
        task: "T01".parse().unwrap(),
        version: None,
        message: "x".into(),
        run_hooks: true,
        allow_failing: false,
        signing: Signing::default(),
        elsewhere: BTreeMap::new(),
    })
}

#[test]
fn a_release_is_refused_whichever_of_its_checks_fails() {
    let sandbox = with_smoke("true");
    set_version(&sandbox, "1.2.0");
    let before = sandbox.git_out(&["for-each-ref"]);
    let app = told(&sandbox, Arc::new(Stager(sandbox.root())));
    let report = app.apply(&release(), None).unwrap();
    let failed =
        |check: &CheckResult| check.id == "integrity.extra" && check.status == Status::Fail;
    assert!(report.verification.unwrap().checks.iter().any(failed));
    assert_eq!(
        (report.outcome, report.exit_code),
        (Outcome::Undone, Some(4))
    );
    assert_eq!(sandbox.git_out(&["for-each-ref"]), before);
}

#[test]
fn what_somebody_changes_while_a_release_is_made_is_named_and_is_no_fault_of_the_release() {
    for dies in [true, false] {
        let sandbox = with_smoke("grep -q 1.2.0 signal.py");
        sandbox.write("tasks/T01/signal.py", b"# 1.2.0\n");
        set_version(&sandbox, "1.2.0");
        let app = edited_meanwhile(&sandbox, dies);
        let ended = catch_unwind(AssertUnwindSafe(|| app.apply(&release(), None)));
        drop(app);
        assert_eq!(ended.is_err(), dies);
        let line = "tasks/T01/signal.py has other bytes than the release";
        match ended {
            Err(_) => {
                // A child of another test may hold the lock until it runs its program.
                let ran = sandbox.run_line("op resume --lock-wait 10s").expect(7);
                assert!(
                    ran.stdout
                        .contains(&format!("changed meanwhile, not as released: {line}")),
                    "{ran:?}"
                );
                assert!(
                    ran.stdout
                        .contains("verified where it is kept; the work tree was changed meanwhile"),
                    "{ran:?}"
                );
            }
            Ok(report) => assert_eq!(report.unwrap().verification.unwrap().meanwhile(), [line]),
        }
        assert_eq!(
            sandbox.read("tasks/T01/signal.py"),
            b"# still being written\n"
        );
        sandbox
            .run_line("verify-snapshot -t T01 --version 1.2.0 --deep")
            .expect(0);
        let list = sandbox
            .snapback(&["list", "-t", "T01", "--json"])
            .expect(0)
            .json()
            .to_string();
        assert!(
            !list.contains("\"failed\":true") && !list.contains("\"checks_failed\":true"),
            "{list}"
        );
        let shown = sandbox
            .snapback(&["show", "-t", "T01", "1.2.0", "--json"])
            .expect(0)
            .json();
        assert_eq!(
            shown["data"]["release"]["release"]["standing"]["proven"], dies,
            "its smoke test ran on it before it was committed, or not at all"
        );
    }
}
