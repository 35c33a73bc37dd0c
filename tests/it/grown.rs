//! A task whose settings name more paths than when it was released: its releases stay whole, and a
//! rollback takes the added paths from the tag's commit.

use std::fs;

use crate::support::Sandbox;

/// Creates T01 1.0.0 without `configs/T01`, and 1.1.0 with it.
fn grown() -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.write("configs/T01/limits", b"old\n");
    sandbox.commit("limits");
    sandbox.release("T01", "1.0.0");
    sandbox.write(
        "snapback.yaml",
        b"version: 1\ntasks:\n  T01: {path: [tasks/T01/**, configs/T01/**]}\n",
    );
    sandbox.write("configs/T01/limits", b"new\n");
    sandbox.write("configs/T01/later", b"not there before\n");
    sandbox.commit("more is the task's");
    sandbox.release("T01", "1.1.0");
    sandbox
}

const NOTE: &str = "configs/T01/limits is not in the manifest of 1.0.0, but the task's by now: as it is in the tag's commit";

#[test]
fn what_became_the_tasks_comes_back_as_the_commit_has_it() {
    let sandbox = grown();
    let kept = sandbox
        .snapback(&[
            "verify-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "--deep",
        ])
        .expect(0)
        .stdout;
    assert!(kept.contains(NOTE), "{kept}");
    sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.0.0"])
        .expect(0);
    let ran = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert!(
        format!("{}{}", ran.stdout, ran.stderr).contains(NOTE),
        "{ran:?}"
    );
    assert_eq!(sandbox.read("configs/T01/limits"), b"old\n");
    assert!(
        !sandbox.at("configs/T01/later").exists(),
        "1.0.0 has no such file"
    );
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(0);
    sandbox.write("configs/T01/limits", b"edited\n");
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(4);
}

#[test]
fn what_became_the_tasks_within_its_folder_comes_back_too() {
    let (kept_out, all) = (
        "{path: tasks/T01/**, exclude: ['notes/**']}",
        "{path: tasks/T01/**}",
    );
    let (one_kind, every) = (
        "{path: [tasks/T01/*.py, tasks/T01/*.yaml]}",
        "{path: [tasks/T01/**]}",
    );
    for (before, after) in [(kept_out, all), (one_kind, every)] {
        let sandbox = Sandbox::new(1);
        let set = |task: &str| {
            sandbox.write(
                "snapback.yaml",
                format!("version: 1\ntasks:\n  T01: {task}\n").as_bytes(),
            );
        };
        set(before);
        sandbox.write("tasks/T01/notes/a.md", b"old\n");
        sandbox.commit("notes");
        sandbox.release("T01", "1.0.0");
        set(after);
        sandbox.write("tasks/T01/notes/a.md", b"new\n");
        sandbox.commit("more is the task's");
        sandbox.release("T01", "1.1.0");
        println!("{before}");
        sandbox
            .snapback(&[
                "verify-snapshot",
                "-t",
                "T01",
                "--version",
                "1.0.0",
                "--deep",
            ])
            .expect(0);
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
            .expect(0);
        assert_eq!(sandbox.read("tasks/T01/notes/a.md"), b"old\n");
        sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(0);
    }
}

#[test]
fn a_capsule_holds_what_was_released() {
    let sandbox = grown();
    let capsule = sandbox.top().join("c.tar");
    sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            capsule.to_str().unwrap(),
        ])
        .expect(0);
    sandbox
        .snapback(&["capsule", "verify", capsule.to_str().unwrap()])
        .expect(0);
    let digest = sandbox.git_out(&["tag", "-l", "--format=%(contents)", "T01-v1.0.0"]);
    let said = sandbox
        .snapback(&["capsule", "verify", capsule.to_str().unwrap()])
        .expect(0)
        .stdout;
    let trailer = digest
        .lines()
        .find_map(|line| line.strip_prefix("Snapback-Manifest: "))
        .unwrap();
    assert!(said.contains(trailer), "{said}");
}

const HELPER: &str = "  - path: \"tasks/T01/helper.py\"\n";

/// Splits a manifest into the parts before, of and after the helper.
fn parts(manifest: &str) -> (&str, &str, &str) {
    let from = manifest.find(HELPER).unwrap();
    let rest = &manifest[from + HELPER.len()..];
    let end = rest
        .find("  - path")
        .or_else(|| rest.find("dependencies"))
        .unwrap()
        + from
        + HELPER.len();
    (&manifest[..from], &manifest[from..end], &manifest[end..])
}

/// Creates an adopted release, for whose manifest no tag vouches, and replaces the manifest's entry
/// of the helper; `helper` is given that entry of 1.1.0.
fn adopted(helper: impl Fn(&str) -> String) -> Sandbox {
    let sandbox = Sandbox::new(1);
    for (version, text) in [("1.0.0", "help\n"), ("1.1.0", "other help\n")] {
        sandbox.write("tasks/T01/helper.py", text.as_bytes());
        sandbox.commit(version);
        sandbox.git(&["tag", &format!("T01-v{version}")]).expect(0);
    }
    sandbox.snapback(&["adopt", "--all", "--yes"]).expect(0);
    let [old, new] = ["1.0.0", "1.1.0"]
        .map(|version| sandbox.at(&format!("snapshots/snapshot-T01-v{version}.yaml")));
    let (text, other) = (
        fs::read_to_string(&old).unwrap(),
        fs::read_to_string(new).unwrap(),
    );
    let (before, _, after) = parts(&text);
    fs::write(old, format!("{before}{}{after}", helper(parts(&other).1))).unwrap();
    sandbox
        .git(&["commit", "-q", "-a", "-m", "edited"])
        .expect(0);
    sandbox
}

#[test]
fn a_file_that_an_adopted_manifest_lost_is_not_lost() {
    let sandbox = adopted(|_| String::new());
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.0.0"])
        .expect(0);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert_eq!(sandbox.read("tasks/T01/helper.py"), b"help\n");
}

#[test]
fn no_capsule_is_made_of_bytes_that_the_commit_has_not() {
    let sandbox = adopted(str::to_string);
    let capsule = sandbox.top().join("c.tar");
    let ran = sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            capsule.to_str().unwrap(),
        ])
        .expect(4);
    assert!(
        ran.stderr.contains(
            "tasks/T01/helper.py is another file in the tag's commit than in the manifest"
        ),
        "{ran:?}"
    );
    assert!(!capsule.exists());
}
