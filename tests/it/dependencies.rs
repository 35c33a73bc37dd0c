//! Dependencies through the real program: nothing is omitted silently, and nothing is claimed about
//! what is not known.

use crate::support::Sandbox;

fn task() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("tasks/T01/config.yaml", b"version: 1.0.0\n");
    sandbox.write("tasks/T01/main.py", b"import os\nos.getenv('TOKEN')\n");
    sandbox.write(
        "tasks/T01/requirements.txt",
        b"-r ../common/requirements.txt\npandas==2.1.4\n",
    );
    sandbox.write("tasks/common/requirements.txt", b"requests==2.31.0\n");
    commit(&sandbox, "task");
    sandbox
}

fn commit(sandbox: &Sandbox, message: &str) {
    sandbox.commit(message);
}

fn manifest(sandbox: &Sandbox, version: &str) -> String {
    String::from_utf8(sandbox.read(&format!("snapshots/snapshot-T01-v{version}.yaml")))
        .expect("it is text")
}

#[test]
fn includes_of_the_repository_are_followed_and_do_not_lock_the_way_back() {
    let sandbox = task();
    sandbox.release("T01", "1.0.0");
    let first = manifest(&sandbox, "1.0.0");
    assert!(
        first.contains("pandas==2.1.4")
            && first.contains("requests==2.31.0")
            && first.contains("tasks/common/requirements.txt"),
        "{first}"
    );
    sandbox.write("tasks/common/requirements.txt", b"requests==2.32.0\n");
    sandbox.write("tasks/T01/main.py", b"print(2)\n");
    commit(&sandbox, "newer");
    sandbox.release("T01", "1.1.0");
    let ran = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert!(
        ran.stderr.contains("requests 2.32.0") || ran.stdout.contains("requests 2.32.0"),
        "{} {}",
        ran.stdout,
        ran.stderr
    );
    let verified = sandbox
        .snapback(&["verify-rollback", "-t", "T01", "--json"])
        .expect(0)
        .json()
        .to_string();
    assert!(
        verified.contains("it is not part of the task"),
        "{verified}"
    );
}

#[test]
fn a_file_that_differs_beside_the_one_that_decides_is_named() {
    for (name, lock, other) in [
        (
            "requirements.txt",
            "uv.lock",
            ["pandas==2.1.4\n", "pandas==2.2.0\n"],
        ),
        (
            "yarn.lock",
            "package-lock.json",
            [
                "# yarn lockfile v1\n\na@^1:\n  version \"1.0.0\"\n",
                "# yarn lockfile v1\n\na@^1:\n  version \"1.1.0\"\n",
            ],
        ),
    ] {
        let sandbox = Sandbox::empty();
        let (path, deciding) = (format!("tasks/T01/{name}"), format!("tasks/T01/{lock}"));
        sandbox.write("tasks/T01/config.yaml", b"version: 1.0.0\n");
        sandbox.write(&path, other[0].as_bytes());
        let listed: &[u8] = if lock == "uv.lock" {
            b"version = 1\n[[package]]\nname = \"six\"\nversion = \"1.17.0\"\nsource = { registry = \"https://pypi.org/simple\" }\n"
        } else {
            b"{\"lockfileVersion\": 3, \"packages\": {\"node_modules/b\": {\"version\": \"1.0.0\"}}}\n"
        };
        sandbox.write(&deciding, listed);
        commit(&sandbox, "locks");
        sandbox.release("T01", "1.0.0");
        sandbox.write(&path, other[1].as_bytes());
        let said = format!("{path} differs; its packages are not listed (those of {deciding} are)");
        let plan = sandbox
            .snapback(&[
                "create-snapshot",
                "-t",
                "T01",
                "--version",
                "1.1.0",
                "-m",
                "x",
                "--dry-run",
            ])
            .expect(0)
            .stdout;
        assert!(plan.contains(&said), "{plan}");
        sandbox.release("T01", "1.1.0");
        for words in [
            &["diff", "-t", "T01", "1.0.0..1.1.0", "--stat"][..],
            &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"],
        ] {
            let shown = sandbox.snapback(words).expect(0).stdout;
            assert!(shown.contains(&said), "{words:?}: {shown}");
        }
    }
}

#[test]
fn lock_files_of_other_tools_are_recorded_and_named() {
    let sandbox = task();
    for name in ["environment.yml", "go.sum", "bun.lock"] {
        sandbox.write(&format!("tasks/T01/{name}"), b"x\n");
    }
    commit(&sandbox, "locks");
    let plan = sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "-m",
            "x",
            "--dry-run",
        ])
        .expect(0)
        .stdout;
    assert!(
        plan.contains("not understood")
            && plan.contains("go.sum")
            && plan.contains("environment.yml"),
        "{plan}"
    );
    sandbox.release("T01", "1.0.0");
    let shown = sandbox
        .snapback(&["show", "1.0.0", "-t", "T01"])
        .expect(0)
        .stdout;
    assert!(
        shown.contains("tasks/T01/bun.lock is not understood; recorded by digest"),
        "{shown}"
    );
    sandbox.write("tasks/T01/go.sum", b"y\n");
    sandbox.release("T01", "1.1.0");
    let back = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(
        back.contains("tasks/T01/go.sum differs; its packages are not read"),
        "{back}"
    );
}

#[test]
fn adopted_versions_have_the_dependencies_of_their_tree() {
    let sandbox = task();
    sandbox
        .git(&["tag", "-am", "by hand", "T01-v1.0.0"])
        .expect(0);
    sandbox.write("tasks/T01/requirements.txt", b"pandas==9.9.9\n");
    sandbox.write("tasks/T01/config.yaml", b"version: 1.1.0\n");
    commit(&sandbox, "newer");
    sandbox.snapback(&["adopt", "--all", "--yes"]).expect(0);
    let adopted = manifest(&sandbox, "1.0.0");
    assert!(
        adopted.contains("pandas==2.1.4")
            && adopted.contains("requests==2.31.0")
            && adopted.contains("TOKEN"),
        "{adopted}"
    );
    sandbox.release("T01", "1.1.0");
    let diff = sandbox
        .snapback(&[
            "diff", "-t", "T01", "--v1", "1.0.0", "--v2", "1.1.0", "--stat",
        ])
        .expect(0)
        .stdout;
    assert!(
        diff.contains("pandas 2.1.4 -> 9.9.9") && !diff.contains("TOKEN"),
        "{diff}"
    );
}

#[test]
fn of_what_is_not_known_no_change_is_invented() {
    let sandbox = task();
    sandbox
        .git(&["tag", "-am", "by hand", "T01-v1.0.0"])
        .expect(0);
    sandbox.snapback(&["adopt", "--all", "--yes"]).expect(0);
    // As adopted by older programs.
    let text = manifest(&sandbox, "1.0.0");
    let (head, _) = text.split_once("dependencies:").expect("it has them");
    sandbox.write(
        "snapshots/snapshot-T01-v1.0.0.yaml",
        format!("{head}dependencies: {{}}\n").as_bytes(),
    );
    sandbox.write(
        "tasks/T01/main.py",
        b"import os\nos.getenv('TOKEN')\nprint(2)\n",
    );
    commit(&sandbox, "older manifest");
    sandbox.release("T01", "1.1.0");
    let diff = sandbox
        .snapback(&[
            "diff", "-t", "T01", "--v1", "1.0.0", "--v2", "1.1.0", "--stat",
        ])
        .expect(0)
        .stdout;
    assert!(
        diff.contains("not known for 1.0.0 (adopted)")
            && !diff.contains("pandas")
            && !diff.contains("TOKEN"),
        "{diff}"
    );
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(
        plan.contains("what 1.0.0 depends on is not known") && !plan.contains("pandas"),
        "{plan}"
    );
    let report = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes", "--json"])
        .expect(0)
        .json()
        .to_string();
    assert!(!report.contains("pandas"), "{report}");
    let shown = sandbox
        .snapback(&["show", "1.0.0", "-t", "T01"])
        .expect(0)
        .stdout;
    assert!(shown.contains("not known (adopted)"), "{shown}");
}

#[test]
fn a_linked_list_of_packages_is_read_where_it_lies() {
    use std::os::unix::fs::symlink;
    let sandbox = task();
    let link = |target: &str, name: &str| {
        symlink(target, sandbox.at(&format!("tasks/T01/{name}"))).unwrap();
    };
    std::fs::remove_file(sandbox.at("tasks/T01/requirements.txt")).unwrap();
    sandbox.write("pins.txt", b"-r more.txt\nnumpy==1.0\n");
    sandbox.write("tasks/T01/more.txt", b"scipy==1.1\n");
    link("../../pins.txt", "requirements.txt");
    link("/etc/hostname", "poetry.lock");
    link("../../nowhere", "Cargo.lock");
    commit(&sandbox, "links");
    let plan = sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "-m",
            "x",
            "--dry-run",
        ])
        .expect(0)
        .stdout;
    for name in ["poetry.lock", "Cargo.lock"] {
        assert!(
            plan.contains(&format!(
                "tasks/T01/{name} is a link that leads to no file of the repository"
            )),
            "{plan}"
        );
    }
    sandbox.release("T01", "1.0.0");
    let first = manifest(&sandbox, "1.0.0");
    assert!(
        first.contains("numpy==1.0") && first.contains("scipy==1.1") && first.contains("pins.txt"),
        "{first}"
    );
    sandbox.snapback(&["verify-snapshot", "--all"]).expect(0);
    sandbox.write("pins.txt", b"numpy==2.0\n");
    sandbox.write("tasks/T01/main.py", b"print(2)\n");
    commit(&sandbox, "newer");
    sandbox.release("T01", "1.1.0");
    let back = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(back.contains("numpy 2.0 -> 1.0"), "{back}");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
}

#[test]
fn changes_of_packages_are_not_invented_where_a_list_is_not_read() {
    let sandbox = task();
    std::fs::remove_file(sandbox.at("tasks/T01/requirements.txt")).unwrap();
    let lock =
        "[[package]]\nname = \"numpy\"\nversion = \"1.0\"\n\n[metadata]\nlock-version = \"2.0\"\n";
    let npm =
        r#"{"lockfileVersion": 3, "packages": {"node_modules/left-pad": {"version": "1.3.0"}}}"#;
    sandbox.write("tasks/T01/poetry.lock", lock.as_bytes());
    sandbox.write("tasks/T01/bun.lock", b"{}\n");
    commit(&sandbox, "lock");
    sandbox.release("T01", "1.0.0");
    assert!(manifest(&sandbox, "1.0.0").contains("numpy==1.0"));
    // One side in conflict; the other tool's list beside one that nothing reads.
    sandbox.write(
        "tasks/T01/poetry.lock",
        format!("{lock}<<<<<<< HEAD\n").as_bytes(),
    );
    sandbox.write("tasks/T01/package-lock.json", npm.as_bytes());
    sandbox.release("T01", "1.1.0");
    for versions in ["1.0.0..1.1.0", "1.1.0..1.0.0"] {
        let shown = sandbox
            .snapback(&["diff", "-t", "T01", versions, "--json"])
            .expect(0)
            .json();
        let found = &shown["data"]["difference"];
        assert_eq!(
            found["packages"].as_array().unwrap().len(),
            0,
            "{versions}: {found}"
        );
        let said = found["unlisted"].to_string();
        assert!(
            said.contains("tasks/T01/poetry.lock differs")
                && said.contains("the packages of tasks/T01/bun.lock are not read"),
            "{said}"
        );
        let page = sandbox
            .snapback(&["diff", "-t", "T01", versions, "--stat"])
            .expect(0)
            .stdout;
        assert!(
            page.contains("tasks/T01/poetry.lock differs; its packages are not read"),
            "{page}"
        );
    }
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(
        !plan.contains("numpy") && !plan.contains("left-pad") && plan.contains("are not read"),
        "{plan}"
    );
    // Data known to both sides is compared.
    sandbox.write(
        "tasks/T01/poetry.lock",
        lock.replace("1.0\"", "1.1\"").as_bytes(),
    );
    std::fs::remove_file(sandbox.at("tasks/T01/bun.lock")).unwrap();
    sandbox.release("T01", "1.2.0");
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(plan.contains("numpy 1.1 -> 1.0"), "{plan}");
}
