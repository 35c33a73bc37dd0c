//! Level 4, production readiness: dependencies, variables, probes, and that nobody holds it.
//!
//! Values of variables are looked at only to see that they are there. Packages are compared
//! with the environment on the disk; no Python is run. Read `probes.rs` for ports and HTTP.

use std::{path::Path, time::Instant};

use crate::{
    base::{Fs, RelPath, cancel::Cancelled, text},
    deps::{self, environment::check_installed},
    model::{CheckResult, DependencyList, Status, TaskSpec, settings::Probe},
};

use super::{
    Commands,
    commands::{self, millis},
    evidence::{Variables, bounded},
    probes,
};

/// What level 4 looks at.
pub struct Readiness<'a> {
    /// The task.
    pub task: &'a TaskSpec,
    /// The work tree.
    pub fs: &'a dyn Fs,
    /// Where the work tree is.
    pub work_tree: &'a Path,
    /// The dependencies that the release recorded.
    pub expected: &'a DependencyList,
    /// True when a person or a rollback holds the version back.
    pub is_held: bool,
    /// The variables of the task, read with the names of both the settings and the release.
    pub variables: &'a Variables,
    /// Whether probes run.
    pub commands: Commands,
}

/// Runs the checks of level 4. An error only when a signal asked to stop.
pub fn readiness(of: &Readiness<'_>) -> Result<Vec<CheckResult>, Cancelled> {
    let mut checks = vec![of.dependencies(), of.variables()];
    for (at, probe) in of.task.probes.iter().enumerate() {
        checks.push(of.probe(at + 1, probe)?);
    }
    let (status, seen) = if of.is_held {
        (
            Status::Fail,
            "the version is held: it must not be brought back unnoticed",
        )
    } else {
        (Status::Pass, "it is not held")
    };
    checks.push(check(
        "readiness.not_held",
        status,
        vec![seen.into()],
        Instant::now(),
    ));
    Ok(checks)
}

impl Readiness<'_> {
    /// The recorded packages are installed, when the task has an environment.
    fn dependencies(&self) -> CheckResult {
        let begin = Instant::now();
        let done = |status, evidence| check("readiness.dependencies", status, evidence, begin);
        let from_lock = self
            .expected
            .python_source
            .as_ref()
            .is_some_and(|source| self.is_lock_file(source));
        let recorded = self.expected.python_source.as_ref().filter(|_| !from_lock);
        let Some(venv) = self.task.venv.as_ref().or(recorded) else {
            return done(
                Status::Skipped,
                vec!["the task has no environment of its own".into()],
            );
        };
        if self.expected.python_source.is_none() {
            return done(
                Status::Skipped,
                vec!["the release records no Python packages".into()],
            );
        }
        match check_installed(self.fs, venv, &self.expected.python_packages) {
            Ok(None) => done(
                Status::Fail,
                vec![format!("the environment {venv} is missing")],
            ),
            Ok(Some(difference)) => {
                let (status, mut lines) = judge(&difference, from_lock);
                if lines.is_empty() {
                    lines.push(format!(
                        "{} in {venv} as recorded",
                        text::count(self.expected.python_packages.len(), "package")
                    ));
                }
                done(
                    status,
                    lines.iter().map(|line| self.variables.line(line)).collect(),
                )
            }
            Err(error) => done(
                Status::Inconclusive,
                vec![self.variables.line(&error.to_string())],
            ),
        }
    }

    fn is_lock_file(&self, path: &RelPath) -> bool {
        self.expected
            .lockfiles
            .iter()
            .any(|file| file.path == *path)
    }

    /// The variables of the settings are set and not empty. Others that the sources mention are
    /// named only: many have a default.
    fn variables(&self) -> CheckResult {
        let begin = Instant::now();
        let required = &self.task.environment_variables;
        let others = self
            .expected
            .environment_variables
            .iter()
            .filter(|name| !required.contains(name));
        let missing = |name: &&String| {
            self.variables
                .get(name)
                .is_none_or(std::ffi::OsStr::is_empty)
        };
        let mut evidence = Vec::new();
        for name in required.iter().filter(missing) {
            let how = if self.variables.get(name).is_some() {
                "empty"
            } else {
                "not set"
            };
            evidence.push(format!("{name} is {how}"));
        }
        let status = match (evidence.is_empty(), required.is_empty()) {
            (false, _) => Status::Fail,
            (true, false) => Status::Pass,
            (true, true) => Status::Skipped,
        };
        if status == Status::Pass {
            evidence.push(format!("{} variables are set", required.len()));
        }
        evidence.extend(
            others
                .filter(missing)
                .map(|name| format!("{name} is not set; the settings do not require it")),
        );
        if evidence.is_empty() {
            evidence.push("the settings name no variables".into());
        }
        check(
            "readiness.variables",
            status,
            evidence
                .iter()
                .map(|line| self.variables.line(line))
                .collect(),
            begin,
        )
    }

    /// One probe of the settings.
    fn probe(&self, number: usize, probe: &Probe) -> Result<CheckResult, Cancelled> {
        let begin = Instant::now();
        let word = match probe {
            Probe::Command(_) => "command",
            Probe::Port(..) => "port",
            Probe::Http(..) => "http",
            Probe::DiskFree(_) => "disk",
        };
        if let Some((status, why)) = self
            .commands
            .instead()
            .filter(|_| !matches!(probe, Probe::DiskFree(_)))
        {
            return Ok(check(
                &format!("readiness.{word}.{number}"),
                status,
                vec![why.into()],
                begin,
            ));
        }
        let (status, seen) = match probe {
            Probe::Command(spec) => {
                let dir = self.work_tree.join(self.task.dir.as_os());
                return commands::check(
                    format!("readiness.command.{number}"),
                    4,
                    spec,
                    &dir,
                    self.variables,
                );
            }
            Probe::Port(host, port, limit) => probes::port(host, *port, *limit)?,
            Probe::Http(url, limit) => probes::http(url, *limit)?,
            Probe::DiskFree(bytes) => probes::disk_free(self.work_tree, *bytes),
        };
        Ok(check(
            &format!("readiness.{word}.{number}"),
            status,
            vec![self.variables.line(&seen)],
            begin,
        ))
    }
}

/// The status for a difference. A lock file may list packages for other systems and extras, so
/// only another version counts then.
fn judge(difference: &deps::Difference, from_lock: bool) -> (Status, Vec<String>) {
    let counts = if from_lock {
        !difference.different.is_empty()
    } else {
        !difference.is_empty()
    };
    (
        if counts { Status::Fail } else { Status::Pass },
        difference.lines(),
    )
}

/// A check of level 4 that began at a moment.
fn check(id: &str, status: Status, evidence: Vec<String>, begin: Instant) -> CheckResult {
    CheckResult {
        id: id.into(),
        level: 4,
        status,
        evidence: bounded(evidence),
        duration_ms: millis(begin.elapsed()),
        hints: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, time::Duration};

    use super::*;
    use crate::{
        base::{Digest, Root},
        model::{dependencies::LockFile, settings::CommandSpec},
    };

    struct Place {
        dir: tempfile::TempDir,
        task: TaskSpec,
        expected: DependencyList,
        variables: Variables,
        is_held: bool,
    }

    impl Place {
        fn new() -> Self {
            let task = TaskSpec {
                id: "T01".parse().expect("it is an id"),
                title: None,
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
                variables: Variables::default(),
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
            let checks = readiness(&Readiness {
                task,
                fs: &fs,
                work_tree,
                expected,
                is_held: self.is_held,
                variables,
                commands: Commands::Run,
            });
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
        let set = |value: &str| Variables::of([("TOKEN".to_string(), OsString::from(value))]);
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
        place.variables = Variables::of([("TOKEN".to_string(), OsString::from("s3cret"))]);
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
}
