//! Level 4 on folders with environments, variables and probes.

use std::{ffi::OsString, time::Duration};

use super::*;
use crate::{
    base::{Digest, RelPath, Root},
    model::{
        Status,
        dependencies::LockFile,
        settings::{CommandSpec, Probe},
    },
    verify::{CHECKS, prove},
};

struct Place {
    dir: tempfile::TempDir,
    task: TaskSpec,
    expected: DependencyList,
    variables: TaskVariables,
    is_held: bool,
}

impl Place {
    fn new() -> Self {
        let task = TaskSpec {
            id: "T01".parse().expect("it is an id"),
            title: None,
            tag: crate::model::TagForm::default(),
            scheme: crate::model::Scheme::default(),
            dir: RelPath::own("tasks/T01"),
            paths: Vec::new(),
            exclude: Vec::new(),
            shared: Vec::new(),
            protect: Vec::new(),
            large_files: Vec::new(),
            large_over: None,
            config: None,
            version_key: "version".into(),
            venv: None,
            environment_variables: Vec::new(),
            smoke: Vec::new(),
            probes: Vec::new(),
            stop: None,
            start: None,
            one_way: Vec::new(),
            migrations: None,
            guard: Vec::new(),
        };
        let dir = tempfile::tempdir().expect("because tests can make folders");
        std::fs::create_dir_all(dir.path().join("tasks/T01")).expect("it creates");
        Self {
            dir,
            task,
            expected: DependencyList::default(),
            variables: TaskVariables::default(),
            is_held: false,
        }
    }

    fn install(&self, name: &str, version: &str) {
        let info = self.dir.path().join(format!(
            "tasks/T01/.venv/lib/python3.12/site-packages/{name}-{version}.dist-info"
        ));
        std::fs::create_dir_all(&info).expect("it creates");
        let mut file = std::fs::File::create(info.join("METADATA")).expect("it creates");
        std::io::Write::write_all(
            &mut file,
            format!("Name: {name}\nVersion: {version}\n").as_bytes(),
        )
        .expect("it writes");
    }

    fn check(&self, id: &str) -> (Status, Vec<String>) {
        let fs = Root::open(self.dir.path()).expect("it opens");
        let (task, expected, variables, work_tree) =
            (&self.task, &self.expected, &self.variables, self.dir.path());
        let readiness = Readiness {
            task,
            fs: &fs,
            work_tree,
            expected,
            is_held: self.is_held,
            variables,
            commands: Commands::Run,
        };
        let checks = prove(CHECKS, &CheckSubject::Restarted(&readiness), 4..=4);
        let check = checks
            .expect("nobody cancels")
            .into_iter()
            .find(|check| check.id == id)
            .expect("there is such a check");
        assert_eq!(check.level, 4);
        (check.status, check.evidence)
    }
}

#[test]
fn installed_packages_are_compared_with_the_record() {
    let mut place = Place::new();
    assert_eq!(place.check("readiness.dependencies").0, Status::Skipped);
    place.expected.python_packages = vec!["a==1".into(), "b==2".into()];
    place.expected.python_source = Some(RelPath::own("tasks/T01/.venv"));
    assert_eq!(
        place.check("readiness.dependencies"),
        (
            Status::Fail,
            vec!["the environment tasks/T01/.venv is missing".into()]
        )
    );
    place.install("a", "1");
    assert_eq!(
        place.check("readiness.dependencies"),
        (Status::Fail, vec!["b==2 is missing".into()])
    );
    place.install("b", "2");
    assert_eq!(place.check("readiness.dependencies").0, Status::Pass);
    place.install("c", "3");
    assert_eq!(
        place.check("readiness.dependencies"),
        (Status::Fail, vec!["c==3 is extra".into()])
    );
}

#[test]
fn of_a_lock_file_only_versions_count() {
    let mut place = Place::new();
    let lock = RelPath::own("tasks/T01/uv.lock");
    place.task.venv = Some(RelPath::own("tasks/T01/.venv"));
    place.expected.python_packages = vec!["a==1".into(), "only-windows==2".into()];
    place.expected.python_source = Some(lock.clone());
    place.expected.lockfiles = vec![LockFile {
        path: lock,
        checksum: Digest::of(b""),
        unread: false,
    }];
    place.install("a", "1");
    assert_eq!(place.check("readiness.dependencies").0, Status::Pass);
    place.expected.python_packages = vec!["a==9".into()];
    assert_eq!(
        place.check("readiness.dependencies"),
        (Status::Fail, vec!["a is 1, not 9".into()])
    );
}

#[test]
fn variables_are_named_and_never_shown() {
    let mut place = Place::new();
    assert_eq!(place.check("readiness.variables").0, Status::Skipped);
    place.task.environment_variables = vec!["TOKEN".into()];
    place.expected.environment_variables = vec!["DEBUG".into(), "TOKEN".into()];
    assert_eq!(place.check("readiness.variables").0, Status::Fail);
    let set = |value: &str| TaskVariables::of([("TOKEN".to_string(), OsString::from(value))]);
    place.variables = set("");
    assert_eq!(place.check("readiness.variables").1[0], "TOKEN is empty");
    place.variables = set("s3cret");
    let (status, evidence) = place.check("readiness.variables");
    assert_eq!(
        (status, evidence[1].as_str()),
        (
            Status::Pass,
            "DEBUG is not set; the settings do not require it"
        )
    );
    assert!(!format!("{evidence:?}").contains("s3cret"));
}

#[test]
fn probes_run_in_the_tasks_folder_and_hide_values() {
    let mut place = Place::new();
    let limit = Duration::from_millis(300);
    place.variables = TaskVariables::of([("TOKEN".to_string(), OsString::from("s3cret"))]);
    place.task.probes = vec![
        Probe::Command(CommandSpec {
            run: "echo s3cret; pwd; exit 1".into(),
            timeout: Duration::from_secs(20),
        }),
        Probe::Http("https://example.invalid/".into(), limit),
        Probe::DiskFree(1),
        Probe::Port("s3cret\0".into(), 80, limit),
    ];
    let (status, evidence) = place.check("readiness.command.1");
    assert_eq!((status, evidence[2].as_str()), (Status::Fail, "| ***"));
    assert!(evidence[3].ends_with("/tasks/T01"), "{evidence:?}");
    assert_eq!(place.check("readiness.http.2").0, Status::Inconclusive);
    assert_eq!(place.check("readiness.disk.3").0, Status::Pass);
    let (status, evidence) = place.check("readiness.port.4");
    assert_ne!(status, Status::Pass);
    assert!(!evidence[0].contains("s3cret"), "{evidence:?}");
}

#[test]
fn a_held_version_is_not_ready() {
    let mut place = Place::new();
    assert_eq!(place.check("readiness.not_held").0, Status::Pass);
    place.is_held = true;
    assert_eq!(place.check("readiness.not_held").0, Status::Fail);
}
