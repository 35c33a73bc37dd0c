//! `health` finds every state that would prevent a rollback, and reports it by its exit code.

use std::fs;

use crate::support::{Sandbox, story::set_version};

/// Returns the checks of all findings, worst first, as `T01 objects critical`.
fn found(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let answer = sandbox
        .snapback(&[&["health", "--json"], args].concat())
        .json();
    let line = |name: &str, finding: &serde_json::Value| {
        format!(
            "{name} {} {}",
            finding["check"].as_str().unwrap(),
            finding["level"].as_str().unwrap()
        )
    };
    let own = answer["data"]["repository"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| line("-", finding));
    let tasks = answer["data"]["tasks"].as_array().unwrap().iter();
    let of_tasks = tasks.flat_map(|task| {
        task["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| line(task["task"].as_str().unwrap(), f))
    });
    // Free space on this machine's disk is not under test.
    own.chain(of_tasks)
        .filter(|line| !line.contains(" disk ") && !line.contains(" inodes "))
        .collect()
}

/// Creates two tasks, each with two valid releases.
fn sound() -> Sandbox {
    let sandbox = Sandbox::new(2);
    for task in ["T01", "T02"] {
        sandbox.release(task, "1.0.0");
        sandbox.write(&format!("tasks/{task}/signal.py"), b"# better\n");
        let text = String::from_utf8(sandbox.read(&format!("tasks/{task}/config.yaml"))).unwrap();
        sandbox.write(
            &format!("tasks/{task}/config.yaml"),
            text.replace("version: 1.0.0", "version: 1.1.0").as_bytes(),
        );
        sandbox.release(task, "1.1.0");
    }
    sandbox
}

#[test]
fn a_sound_repository_has_no_finding_and_looking_changes_nothing() {
    let sandbox = sound();
    let before = sandbox.everything();
    assert_eq!(found(&sandbox, &[]), Vec::<String>::new());
    assert_eq!(found(&sandbox, &["--deep"]), Vec::<String>::new());
    assert_eq!(sandbox.everything(), before);
}

#[test]
fn the_worst_comes_first_and_fixes_the_exit_code() {
    let sandbox = sound();
    sandbox.write("tasks/T01/signal.py", b"# edited\n");
    let drifted = sandbox.snapback(&["health"]);
    assert!(
        drifted
            .stdout
            .contains("T01 1 file differs from the release"),
        "{drifted:?}"
    );
    drifted.expect(4);
    sandbox
        .snapback(&["health", "--fail-on", "never"])
        .expect(0);
    sandbox
        .snapback(&["mark", "bad", "1.1.0", "-t", "T02", "-m", "drawdown"])
        .expect(0);
    assert_eq!(
        found(&sandbox, &[]),
        ["T02 standing critical", "T01 drift warning"]
    );
    let answer = sandbox
        .snapback(&["health", "--json", "--fail-on", "critical"])
        .expect(4)
        .json();
    assert_eq!(answer["data"]["level"], "critical");
    assert_eq!(
        answer["error"]["message"],
        "T02: 1.1.0 is active and was called bad"
    );
    sandbox
        .snapback(&["health", "-t", "T01", "--fail-on", "critical"])
        .expect(0);
    assert_eq!(found(&sandbox, &["-t", "T01"]), ["T01 drift warning"]);
    sandbox.snapback(&["health", "-t", "T09"]).expect(5);
}

#[test]
fn registry_and_configuration_that_disagree_are_found() {
    let sandbox = sound();
    set_version(&sandbox, "1.2.0");
    assert_eq!(
        found(&sandbox, &["-t", "T01"]),
        ["T01 registry warning", "T01 drift warning"]
    );
    sandbox.write("task_registry.json", b"{ this is no registry");
    assert_eq!(found(&sandbox, &[])[0], "- registry critical");
    sandbox.snapback(&["health"]).expect(4);
}

#[test]
fn missing_objects_of_the_active_version_and_of_the_way_back_are_found() {
    let sandbox = sound();
    let store = sandbox.at(".git/snapback/store/packs");
    let away = sandbox.top().join("packs");
    fs::rename(&store, &away).unwrap();
    let seen = found(&sandbox, &[]);
    assert!(
        seen.iter()
            .any(|line| line.starts_with("T01 objects critical")),
        "{seen:?}"
    );
    sandbox.snapback(&["health"]).expect(4);
    fs::rename(&away, &store).unwrap();
    assert_eq!(found(&sandbox, &[]), Vec::<String>::new());
    // A blob that only the older version has.
    let blob = sandbox.git_out(&["rev-parse", "T02-v1.0.0:tasks/T02/signal.py"]);
    fs::remove_file(sandbox.at(&format!(".git/objects/{}/{}", &blob[..2], &blob[2..]))).unwrap();
    assert_eq!(found(&sandbox, &[]), ["T02 objects critical"]);
}

#[test]
fn no_way_back_and_unverified_releases_are_found() {
    let sandbox = Sandbox::new(2);
    let first = found(&sandbox, &["-t", "T01"]);
    assert!(
        first.iter().any(|line| line == "T01 unverified warning"),
        "{first:?}"
    );
    let page = sandbox.snapback(&["health", "-t", "T01"]).expect(4).stdout;
    assert!(
        page.contains("snapback create-snapshot -t T01")
            && !page.contains("one release")
            && !page.contains("drill"),
        "{page}"
    );
    sandbox.release("T01", "1.0.0");
    // A first release has no version to roll back to, which is reported and not a problem.
    assert_eq!(found(&sandbox, &["-t", "T01"]), ["T01 way_back ok"]);
    let well = sandbox.snapback(&["health", "-t", "T01"]).expect(0);
    assert!(
        well.stdout.contains("it has one release") && well.stdout.contains("1 task: 1 ok"),
        "{well:?}"
    );
    assert!(
        sandbox
            .snapback(&["health", "-t", "T01", "--nagios"])
            .expect(0)
            .stdout
            .starts_with("SNAPBACK OK - 1 task as released")
    );
    sandbox.write("tasks/T01/signal.py", b"# edited\n");
    assert_eq!(
        found(&sandbox, &["-t", "T01"]),
        ["T01 drift warning", "T01 way_back ok"]
    );
    sandbox.snapback(&["health", "-t", "T01"]).expect(4);
    sandbox
        .git(&["checkout", "-q", "--", "tasks/T01/signal.py"])
        .expect(0);
    // With two releases, one should be possible.
    sandbox.release("T01", "1.1.0");
    sandbox
        .snapback(&["mark", "bad", "1.0.0", "-t", "T01", "-m", "drawdown"])
        .expect(0);
    assert_eq!(found(&sandbox, &["-t", "T01"]), ["T01 way_back warning"]);
}

#[test]
fn nagios_has_one_line_and_four_codes() {
    let sandbox = sound();
    let fine = sandbox.snapback(&["health", "--nagios", "-t", "T01"]);
    assert_eq!((fine.code, fine.stdout.lines().count()), (0, 1), "{fine:?}");
    assert!(
        fine.stdout
            .starts_with("SNAPBACK OK - 1 task as released | 'tasks'=1;;;0 "),
        "{fine:?}"
    );
    sandbox.write("tasks/T01/signal.py", b"# edited\n");
    assert!(
        sandbox
            .snapback(&["health", "--nagios"])
            .expect(1)
            .stdout
            .starts_with("SNAPBACK WARNING - T01: 1 file differs")
    );
    sandbox
        .snapback(&["mark", "bad", "1.1.0", "-t", "T02", "-m", "drawdown"])
        .expect(0);
    assert!(
        sandbox
            .snapback(&["health", "--nagios"])
            .expect(2)
            .stdout
            .starts_with("SNAPBACK CRITICAL - T02: ")
    );
    let lost = sandbox.run(
        crate::support::sandbox::snapback_program(),
        &["-C", "/", "health", "--nagios"],
    );
    assert_eq!(
        (
            lost.code,
            lost.stdout.starts_with("SNAPBACK UNKNOWN - "),
            lost.stdout.lines().count()
        ),
        (3, true, 1),
        "{lost:?}"
    );
}

#[test]
fn the_text_file_is_replaced_whole_and_readable_by_others() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = sound();
    let path = sandbox.top().join("out/snapback.prom");
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, "old\n").unwrap();
    let textfile = path.to_str().unwrap();
    sandbox
        .snapback(&["health", "--textfile", textfile])
        .expect(0);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("\nsnapback_tasks{state=\"ok\"} 2\n")
            && text.contains("snapback_task_info{task=\"T01\",version=\"1.1.0\"} 1\n")
    );
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o644
    );
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no temporary file stays"
    );
    sandbox
        .snapback(&["health", "--textfile", "/no/such/folder/x.prom"])
        .expect(8);
}

#[test]
fn an_operation_that_did_not_finish_is_critical() {
    let sandbox = sound();
    let journal = |name: &str| {
        fs::read_dir(sandbox.at(".git/snapback/ops"))
            .unwrap()
            .map(|e| e.unwrap().path().join(name))
            .max()
            .unwrap()
    };
    let path = journal("journal.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let first = whole.lines().next().unwrap();
    fs::write(&path, format!("{first}\n")).unwrap();
    assert_eq!(found(&sandbox, &[])[0], "- operation critical");
    sandbox
        .snapback(&["health", "--fail-on", "critical"])
        .expect(4);
}
