//! Ids of tasks in any script: 策略一, стратегия-1, café.

use crate::support::Sandbox;

/// `café` as macOS writes the names of folders: with a mark behind the letter.
const NFD: &str = "cafe\u{301}";
const NFC: &str = "caf\u{e9}";

/// A repository with a task in each of these folders.
fn with_folders(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::empty();
    for name in names {
        sandbox.write(&format!("tasks/{name}/config.yaml"), b"version: 1.0.0\n");
        sandbox.write(&format!("tasks/{name}/signal.py"), b"VALUE = 1\n");
    }
    sandbox.commit("tasks");
    sandbox
}

#[test]
fn a_life_in_each_script() {
    let long = "策".repeat(66);
    for id in [
        "策略一",
        "стратегия-1",
        NFC,
        "हिन्दी",
        "전략.2",
        "T01_策略",
        &long,
    ] {
        let sandbox = with_folders(&[id, "T01"]);
        let task = ["-t", id];
        let run = |line: &str| {
            let words: Vec<&str> = line.split(' ').chain(task).collect();
            sandbox.snapback(&words).expect(0)
        };
        sandbox.run_line("init --yes").expect(0);
        sandbox.commit("settings");
        run("create-snapshot -m first --yes");
        sandbox.release("T01", "1.0.0");
        sandbox.write(&format!("tasks/{id}/signal.py"), b"VALUE = 2\n");
        run("create-snapshot -m second --yes");
        let tags = sandbox.git_out(&["-c", "core.quotePath=false", "tag", "--list"]);
        let own = format!("{id}-v1.0.0\n{id}-v1.0.1");
        assert!(tags.contains(&own), "{tags}");
        assert!(sandbox.exists(&format!("snapshots/snapshot-{id}-v1.0.1.yaml")));
        run("mark good 1.0.0 -m x");
        run("drill");
        run("rollback --to 1.0.0 --yes");
        assert_eq!(
            sandbox.read(&format!("tasks/{id}/signal.py")),
            b"VALUE = 1\n"
        );
        let marker = format!("{id}-v1.0.0-rollback-from-v1.0.1");
        assert_eq!(sandbox.git_out(&["tag", "--list", &marker]), marker);
        for line in ["verify-rollback", "hold 1.0.1 -m x"] {
            run(line);
        }
        run("list");
        run("history");
        run("capsule create --version 1.0.1 ../t.tar");
        sandbox.run_line("capsule verify ../t.tar").expect(0);
        for line in [
            "undo --yes",
            "redo --yes",
            "verify-snapshot --all --deep",
            "health",
            "health --textfile metrics.prom",
            "doctor",
            "audit verify",
            "store check",
            "schema config",
        ] {
            sandbox.run_line(line).expect(0);
        }
        is_named_everywhere(&sandbox, id);
    }
}

/// Looks for a task in what is printed, in git, and in another clone.
fn is_named_everywhere(sandbox: &Sandbox, id: &str) {
    let status = sandbox.run_line("status --json").expect(0);
    assert!(status.json().to_string().contains(id), "{status:?}");
    let metrics = String::from_utf8(sandbox.read("metrics.prom")).unwrap();
    assert!(metrics.contains(&format!("task=\"{id}\"")), "{metrics}");
    // Its tag names it wherever a version is asked for.
    let tag = format!("{id}-v1.0.1");
    sandbox.snapback(&["show", "-t", id, &tag]).expect(0);
    sandbox.git(&["fsck", "--strict"]).expect(0);
    sandbox.add_remote();
    sandbox.push();
    sandbox.git_line("clone -q ../up.git ../clone").expect(0);
    let clone = Sandbox::beside(sandbox, "clone");
    clone.run_line("verify-snapshot --all").expect(0);
    let back = ["rollback", "-t", id, "--to", "1.0.1", "--yes"];
    clone.snapback(&back).expect(0);
    let file = format!("tasks/{id}/signal.py");
    assert_eq!(clone.read(&file), b"VALUE = 2\n");
}

#[test]
fn what_is_typed_in_another_unicode_form_finds_the_task() {
    let sandbox = with_folders(&[NFC]);
    sandbox
        .snapback(&["create-snapshot", "-t", NFD, "-m", "x", "--yes"])
        .expect(0);
    assert_eq!(sandbox.git_out(&["tag", "--list"]), format!("{NFC}-v1.0.0"));
    sandbox.write(&format!("tasks/{NFC}/signal.py"), b"VALUE = 2\n");
    sandbox
        .snapback(&["create-snapshot", "-t", NFC, "-m", "x", "--yes"])
        .expect(0);
    sandbox
        .snapback(&["rollback", "-t", NFD, "--to", "1.0.0", "--yes"])
        .expect(0);
    sandbox.snapback(&["verify-rollback", "-t", NFD]).expect(0);
    // A tag in the other form is another name.
    sandbox.git(&["tag", &format!("{NFD}-v7.0.0")]).expect(0);
    let list = sandbox.snapback(&["list", "-t", NFC, "--json"]).expect(0);
    assert!(!list.stdout.contains("7.0.0"), "{list:?}");
}

#[test]
fn a_folder_whose_name_macos_wrote_is_the_task() {
    for settings in [
        "",
        "version: 1\ntasks:\n  caf\u{e9}: {title: coffee}\n",
        "version: 1\ntasks:\n  cafe\u{301}: {title: coffee}\n",
        "version: 1\ntasks:\n  discover: []\n  caf\u{e9}: {title: coffee}\n",
    ] {
        let sandbox = with_folders(&[NFD]);
        let registry = format!("{{\"tasks\": {{\"{NFD}\": {{\"version\": \"1.0.0\"}}}}}}\n");
        sandbox.write("task_registry.json", registry.as_bytes());
        if !settings.is_empty() {
            sandbox.write("snapback.yaml", settings.as_bytes());
        }
        sandbox.commit("settings");
        sandbox
            .snapback(&["create-snapshot", "-t", NFC, "-m", "x", "--yes"])
            .expect(0);
        sandbox.write(&format!("tasks/{NFD}/signal.py"), b"VALUE = 2\n");
        sandbox
            .snapback(&["create-snapshot", "-t", NFC, "-m", "x", "--yes"])
            .expect(0);
        assert_eq!(
            sandbox.git_out(&["tag", "--list"]),
            format!("{NFC}-v1.0.0\n{NFC}-v1.0.1"),
            "{settings}"
        );
        let registry = String::from_utf8(sandbox.read("task_registry.json")).unwrap();
        assert!(
            registry.contains("1.0.1") && !registry.contains(NFC),
            "{registry}"
        );
        sandbox
            .snapback(&["rollback", "-t", NFC, "--to", "1.0.0", "--yes"])
            .expect(0);
        assert_eq!(
            sandbox.read(&format!("tasks/{NFD}/signal.py")),
            b"VALUE = 1\n"
        );
        assert!(!sandbox.exists(&format!("tasks/{NFC}")));
        sandbox.snapback(&["verify-rollback", "-t", NFC]).expect(0);
        sandbox.run_line("undo --yes").expect(0);
    }
}

#[test]
fn ids_that_are_one_on_some_file_system_are_left_out() {
    for (one, other) in [
        (NFC, NFD),
        (NFC, "CAF\u{c9}"),
        ("стратегия", "Стратегия"),
        ("σας", "ΣΑΣ"),
        ("straße", "STRASSE"),
    ] {
        let sandbox = with_folders(&[one, other, "T01"]);
        let ran = sandbox.run_line("status").expect(0);
        let words = ["are the same id but for case or place", "left out"];
        assert!(
            words.iter().all(|word| ran.stderr.contains(word)),
            "{ran:?}"
        );
        let ran = sandbox.snapback(&["create-snapshot", "-t", one, "-m", "x", "--yes"]);
        assert_eq!(ran.code, 5, "{ran:?}");
        sandbox
            .run_line("create-snapshot -t T01 -m x --yes")
            .expect(0);
    }
}

#[test]
fn ids_that_nobody_could_tell_apart_are_none() {
    for name in [
        "a\u{200b}b",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{ad}b",
        "a\u{3164}",
        "a\u{fe0f}b",
        "a\u{3000}b",
        "a\u{a0}b",
        "\u{301}a",
        "策略。",
        &"策".repeat(67),
    ] {
        let sandbox = with_folders(&[name, "T01"]);
        let ran = sandbox.run_line("status").expect(0);
        assert!(ran.stderr.contains("is no task id"), "{name:?} {ran:?}");
        let ran = sandbox.snapback(&["list", "-t", name]);
        assert_eq!(ran.code, 5, "{ran:?}");
        let settings = format!("version: 1\ntasks:\n  \"{name}\": {{path: tasks/T01}}\n");
        sandbox.write("snapback.yaml", settings.as_bytes());
        let ran = sandbox.run_line("create-snapshot -t T01 -m x --yes");
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("is not a task id"), "{ran:?}");
    }
}

#[test]
fn a_version_that_fits_into_no_file_name_with_its_id_is_refused() {
    let id = "策".repeat(66);
    let sandbox = with_folders(&[&id]);
    let long = format!("1.0.0-{}", "x".repeat(60));
    let line = [
        "create-snapshot",
        "-t",
        &id,
        "--version",
        &long,
        "-m",
        "x",
        "--yes",
    ];
    let ran = sandbox.snapback(&line);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("too long"), "{ran:?}");
    assert_eq!(sandbox.git_out(&["tag", "--list"]), "");
    assert_eq!(sandbox.git_out(&["status", "--porcelain"]), "");
}
