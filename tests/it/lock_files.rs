//! Files beside a task that say its version: the lock file and the manifest of a workspace. Only
//! the task's own version is set in them, in each of the places where git keeps them.

use super::package_files::{WORKSPACE, repository, set_up};
use crate::support::Sandbox;

/// A workspace with two crates, both released once.
fn workspace() -> Sandbox {
    let sandbox = repository(WORKSPACE, &["one-v0.3.0", "two-v0.3.0"]);
    set_up(&sandbox);
    sandbox
}

fn text(sandbox: &Sandbox, path: &str) -> String {
    String::from_utf8(sandbox.read(path)).expect("it is text")
}

/// Releases a crate with a change.
fn release(sandbox: &Sandbox, name: &str, version: &str) {
    sandbox.write(&format!("crates/{name}/src/lib.rs"), version.as_bytes());
    let line = format!("create-snapshot -t {name} --version {version} -m x --yes");
    sandbox.run_line(&line).expect(0);
}

/// Returns the versions of both crates in the text of a lock file.
fn versions(lock: &str) -> [&str; 2] {
    ["one", "two"].map(|name| {
        let begin = format!("name = \"{name}\"\nversion = \"");
        let rest = lock.split(&begin).nth(1).expect("it is there");
        rest.split('"').next().expect("it has an end")
    })
}

#[test]
fn a_release_commits_nobodys_work_beside_the_task() {
    let sandbox = workspace();
    let staged = text(&sandbox, "Cargo.lock") + "# staged\n";
    sandbox.write("Cargo.lock", staged.as_bytes());
    sandbox.chmod("Cargo.lock", 0o755);
    sandbox.git(&["add", "Cargo.lock"]).expect(0);
    let edited = staged + "# edited\n";
    sandbox.write("Cargo.lock", edited.as_bytes());
    release(&sandbox, "one", "0.4.0");
    let now = text(&sandbox, "Cargo.lock");
    assert_eq!(now, edited.replacen("0.3.0", "0.4.0", 1), "the work tree");
    let in_git = |name: &str| sandbox.git_out(&["show", &format!("{name}:Cargo.lock")]);
    assert_eq!(versions(&in_git("HEAD")), ["0.4.0", "0.3.0"]);
    assert!(!in_git("HEAD").contains("# "), "nobody committed these");
    assert_eq!(versions(&in_git("")), ["0.4.0", "0.3.0"]);
    assert!(in_git("").contains("# staged") && !in_git("").contains("# edited"));
    let mode = |args: &[&str]| sandbox.git_out(args)[..6].to_string();
    assert_eq!(mode(&["ls-tree", "HEAD", "Cargo.lock"]), "100644");
    assert_eq!(mode(&["ls-files", "-s", "Cargo.lock"]), "100755");
    sandbox.run_line("verify-rollback -t one").expect(0);
    sandbox.run_line("undo one-v0.4.0 --yes").expect(0);
    assert_eq!(text(&sandbox, "Cargo.lock"), edited, "undone exactly");
    assert!(in_git("").contains("# staged") && versions(&in_git("")) == ["0.3.0", "0.3.0"]);
}

#[test]
fn a_lock_file_that_the_package_manager_has_set_already_is_committed() {
    let sandbox = workspace();
    let set = text(&sandbox, "Cargo.lock").replacen("0.3.0", "0.4.0", 1);
    sandbox.write("Cargo.lock", set.as_bytes());
    release(&sandbox, "one", "0.4.0");
    let committed = sandbox.git_out(&["show", "one-v0.4.0:Cargo.lock"]);
    assert_eq!(versions(&committed), ["0.4.0", "0.3.0"]);
    assert_eq!(sandbox.git_out(&["status", "--porcelain"]), "");
}

#[test]
fn an_undo_sets_only_the_tasks_own_version_back() {
    let sandbox = workspace();
    release(&sandbox, "one", "0.4.0");
    release(&sandbox, "two", "0.5.0");
    sandbox
        .run_line("rollback -t one --to 0.3.0 --yes")
        .expect(0);
    sandbox
        .run_line("rollback -t two --to 0.3.0 --yes")
        .expect(0);
    let more = text(&sandbox, "Cargo.lock") + "# a dependency\n";
    sandbox.write("Cargo.lock", more.as_bytes());
    sandbox.commit("A dependency");
    for (line, expected) in [
        ("undo -t one --yes", ["0.4.0", "0.3.0"]),
        ("redo -t one --yes", ["0.3.0", "0.3.0"]),
        ("undo -t two --yes", ["0.3.0", "0.5.0"]),
        ("undo -t one --yes", ["0.4.0", "0.5.0"]),
    ] {
        sandbox.run_line(line).expect(0);
        let now = text(&sandbox, "Cargo.lock");
        assert_eq!(versions(&now), expected, "{line}");
        assert!(now.ends_with("# a dependency\n"), "{line}: {now}");
        assert_eq!(sandbox.git_out(&["status", "--porcelain"]), "", "{line}");
    }
}

#[test]
fn an_inherited_version_goes_back_with_the_task() {
    let files = &[
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"crates/*\"]\n[workspace.package]\nversion = \"0.5.0\" # ours\n",
        ),
        (
            "crates/one/Cargo.toml",
            "[package]\nname = \"one\"\nversion.workspace = true\n",
        ),
        ("crates/one/src/lib.rs", "\n"),
        (
            "crates/two/Cargo.toml",
            "[package]\nname = \"two\"\nversion.workspace = true\n",
        ),
        (
            "Cargo.lock",
            "version = 4\n\n[[package]]\nname = \"one\"\nversion = \"0.5.0\"\n",
        ),
        (
            "snapback.yaml",
            "version: 1\ntasks:\n  discover: [{glob: \"crates/*/\"}]\n",
        ),
    ];
    let sandbox = repository(files, &[]);
    sandbox
        .run_line("create-snapshot -t one -m first --yes")
        .expect(0);
    let before = ["Cargo.toml", "Cargo.lock"].map(|path| text(&sandbox, path));
    let plan = sandbox.run_line("create-snapshot -t one --version 0.6.0 --dry-run");
    let note = "the version in Cargo.toml is also that of two";
    assert!(plan.expect(0).stdout.contains(note));
    release(&sandbox, "one", "0.6.0");
    let after = ["Cargo.toml", "Cargo.lock"].map(|path| text(&sandbox, path));
    assert!(after.iter().all(|text| text.contains("0.6.0")), "{after:?}");
    sandbox.write(
        "Cargo.toml",
        (after[0].clone() + "# half written\n").as_bytes(),
    );
    sandbox
        .run_line("rollback -t one --to 0.5.0 --yes")
        .expect(0);
    let now = ["Cargo.toml", "Cargo.lock"].map(|path| text(&sandbox, path));
    assert_eq!(
        now,
        [before[0].clone() + "# half written\n", before[1].clone()]
    );
    let committed = sandbox.git_out(&["show", "HEAD:Cargo.toml"]);
    assert_eq!(committed.trim_end(), before[0].trim_end());
    let said = sandbox.run_line("verify-rollback -t one").expect(0);
    assert!(said.stdout.contains("0.5.0"), "{said:?}");
    sandbox.commit("Half written");
    sandbox.run_line("undo --yes").expect(0);
    let now = ["Cargo.toml", "Cargo.lock"].map(|path| text(&sandbox, path));
    assert_eq!(
        now,
        [after[0].clone() + "# half written\n", after[1].clone()]
    );
    sandbox.run_line("verify-rollback -t one").expect(0);
}

#[test]
fn a_lock_file_of_another_task_stays_as_it_is() {
    let sandbox = repository(WORKSPACE, &[]);
    let text = "version: 1\ntasks:\n  discover: []\n  one: {path: crates/one}\n  two: {path: [crates/two, Cargo.lock]}\n";
    sandbox.write("snapback.yaml", text.as_bytes());
    sandbox.commit("settings");
    for task in ["one", "two"] {
        let line = format!("create-snapshot -t {task} -m x --yes");
        sandbox.run_line(&line).expect(0);
    }
    let before = sandbox.read("Cargo.lock");
    let line = "create-snapshot -t one --version 0.4.0 -m x --yes";
    let ran = sandbox.run_line(line).expect(0);
    assert!(ran.stderr.contains("it is a file of two"), "{ran:?}");
    assert_eq!(sandbox.read("Cargo.lock"), before);
    let ran = sandbox
        .run_line("rollback -t one --to 0.3.0 --yes")
        .expect(0);
    assert!(!ran.stderr.contains("M Cargo.lock"), "{ran:?}");
    sandbox.run_line("undo --yes").expect(0);
    assert_eq!(sandbox.read("Cargo.lock"), before);
    sandbox.run_line("verify-rollback -t two").expect(0);
}
