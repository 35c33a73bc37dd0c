//! Ignored files in a task's folder are in no release: every command about the task says so.

use crate::support::{
    Sandbox,
    sqlite::{crashed, with_row},
};

/// Creates a task with data that git ignores, and with unimportant files.
fn with_data() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.write(
        ".gitignore",
        b"*.bin\n*.sqlite\ndata/\n*.log\n__pycache__/\nnode_modules/\n.env\nenv/\n",
    );
    sandbox
        .git(&["commit", "-q", "-a", "-m", "rules"])
        .expect(0);
    sandbox.write("tasks/T01/market.sqlite", &vec![7; 3_000_000]);
    sandbox.write("tasks/T01/data/train.csv", b"a,b\n");
    for litter in [
        "run.log",
        "__pycache__/a.pyc",
        "node_modules/x/index.js",
        ".env",
        "env/pyvenv.cfg",
        "env/lib/site.py",
    ] {
        sandbox.write(&format!("tasks/T01/{litter}"), b"nobody misses it\n");
    }
    sandbox
}

const NAMES: &str = "tasks/T01/market.sqlite, tasks/T01/data/train.csv";

#[test]
fn every_command_that_speaks_of_a_task_names_what_its_releases_leave_out() {
    let sandbox = with_data();
    let release = [
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.0.0",
        "-m",
        "x",
    ];
    let plan = sandbox
        .snapback(&[&release[..], &["--dry-run"]].concat())
        .expect(0)
        .stdout;
    assert!(
        plan.contains(&format!(
            "2 ignored files, 3.0 MB, are not part of it: {NAMES} (`large_files` keeps them)"
        )),
        "{plan}"
    );
    let json = sandbox
        .snapback(&[&release[..], &["--dry-run", "--json"]].concat())
        .expect(0)
        .json();
    assert_eq!(json["data"]["plan"]["left_out"]["files"], 2, "{json}");
    assert_eq!(json["data"]["plan"]["left_out"]["bytes"], 3_000_004);
    sandbox
        .snapback(&[&release[..], &["--yes"]].concat())
        .expect(0);
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    sandbox
        .run_line("create-snapshot -t T01 --version 1.1.0 -m x --yes")
        .expect(0);
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(
        plan.contains(&format!(
            "2 ignored files, 3.0 MB, are in no release and stay as they are: {NAMES}"
        )),
        "{plan}"
    );
    let words = format!("2 ignored files, 3.0 MB, are no part of its releases: {NAMES}");
    let status = sandbox.snapback(&["status"]).expect(0).stdout;
    assert!(
        status.contains(&format!("T01: {words}")) && !status.contains("T02: "),
        "{status}"
    );
    let json = sandbox
        .snapback(&["status", "-t", "T01", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        json["data"]["tasks"][0]["left_out"]["largest"][0],
        "tasks/T01/market.sqlite"
    );
    let health = sandbox.snapback(&["health", "-t", "T01"]).stdout;
    assert!(health.contains(&words), "{health}");
    let doctor = sandbox.snapback(&["doctor"]).stdout;
    assert!(doctor.contains(&words), "{doctor}");
    // A file that grows while somebody reads the plan does not invalidate it.
    let shown = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert!(shown.stderr.contains("stay as they are"), "{shown:?}");
    assert_eq!(sandbox.read("tasks/T01/market.sqlite").len(), 3_000_000);
}

#[test]
fn what_a_rollback_takes_away_does_not_stay_as_it_is() {
    let sandbox = Sandbox::new(1);
    sandbox.write(".gitignore", b"*.bin\n*-wal\n*-shm\n*.csv\n");
    let database = sandbox.at("tasks/T01/state.db");
    with_row(&database, "one");
    sandbox.commit("a database");
    sandbox.release("T01", "1.0.0");
    // The database is deleted, and the side files of a dead process stay.
    crashed(&database, "wal", "UPDATE t SET x = 'two'");
    std::fs::remove_file(&database).unwrap();
    sandbox.write("tasks/T01/data.csv", b"a,b\n");
    sandbox.release("T01", "1.1.0");
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(plan.contains("D tasks/T01/state.db-wal"), "{plan}");
    assert!(
        plan.contains(
            "1 ignored file, 4 B, is in no release and stays as it is: tasks/T01/data.csv"
        ),
        "{plan}"
    );
}

#[test]
fn what_the_settings_keep_or_exclude_is_not_left_out() {
    let sandbox = with_data();
    let settings = "version: 1\ntasks: {T01: {path: tasks/T01, exclude: [data], large_files: {patterns: [\"*.bin\", \"*.sqlite\"]}}}\n";
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox
        .git(&["commit", "-q", "-a", "-m", "settings"])
        .expect(0);
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
        !plan.contains("ignored file") && plan.contains("market.sqlite"),
        "{plan}"
    );
}

#[test]
fn init_proposes_the_store_for_databases_and_data() {
    let sandbox = with_data();
    sandbox
        .git(&["rm", "-q", "--cached", "snapback.yaml"])
        .expect(0);
    std::fs::remove_file(sandbox.at("snapback.yaml")).unwrap();
    rusqlite::Connection::open(sandbox.at("tasks/T02/positions.state"))
        .unwrap()
        .execute_batch("CREATE TABLE t(x)")
        .unwrap();
    let shown = sandbox.snapback(&["init", "--dry-run"]).expect(0).stdout;
    let patterns = "large_files: {patterns: [\"*.bin\", \"*.csv\", \"*.sqlite\", \"*.state\"]}";
    assert!(shown.contains(patterns), "{shown}");
    sandbox.snapback(&["init", "--yes"]).expect(0);
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
        !plan.contains("ignored file")
            && plan.contains("market.sqlite")
            && plan.contains("train.csv"),
        "{plan}"
    );
    // Existing settings are not rewritten: a message says how to keep the data.
    sandbox.write("snapback.yaml", b"version: 1\n");
    let said = sandbox.snapback(&["init", "--yes"]).expect(0);
    assert!(
        format!("{said:?}").contains("no release keeps the data of the tasks")
            && format!("{said:?}").contains("*.sqlite"),
        "{said:?}"
    );
}
