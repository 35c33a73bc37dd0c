//! A new check is one line in a list: the verification of a work tree and a drill both run it.

use snapback::{
    base::{Failure, Fs, RelPath, process::offline::Offline},
    catalog::tasks,
    config,
    drill::{Drill, DrillOptions},
    model::{CheckResult, Status, TaskId, Version},
    site::{Options, RepoSite},
    verify::{CHECKS, Check, CheckSubject, Commands, Levels, Verifier},
};

use crate::support::Sandbox;

/// Checks that the folder of T01 contains no leftover notes.
struct NotesCheck;

impl Check for NotesCheck {
    fn id(&self) -> &'static str {
        "configuration.notes"
    }

    fn level(&self) -> u8 {
        2
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let tree: &dyn Fs = match subject {
            CheckSubject::WorkTree(of) => &*of.site().tree,
            CheckSubject::Scratch(of) => of.checkout.tree,
            _ => return Ok(Vec::new()),
        };
        let run = self.begin();
        let notes = RelPath::own("tasks/T01/TODO");
        let problems = tree.stat(&notes).unwrap().map(|_| format!("{notes}"));
        Ok(vec![
            run.judge(problems.into_iter().collect(), "no notes".into()),
        ])
    }
}

/// Creates T01 with a release without a note, and one with a note, which is in the work tree.
fn released() -> (Sandbox, RepoSite) {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/TODO", b"tidy up\n");
    sandbox.release("T01", "1.1.0");
    let site = config::open(&sandbox.root(), Options::default()).unwrap();
    (sandbox, site)
}

/// Returns the results of a check.
fn ended(results: &[CheckResult], id: &str) -> Vec<Status> {
    let own = results.iter().filter(|result| result.id == id);
    own.map(|result| result.status).collect()
}

#[test]
fn an_added_check() {
    let (sandbox, site) = released();
    let checks = [CHECKS, &[&NotesCheck]].concat();
    let id: TaskId = "T01".parse().unwrap();
    let (task, releases) = (
        tasks::spec(&site, &id).unwrap(),
        tasks::releases_of(&site, &id).unwrap(),
    );
    let [old, new]: [Version; 2] = ["1.0.0", "1.1.0"].map(|version| version.parse().unwrap());

    let levels = Levels {
        commands: Commands::LeftOut,
        ..Levels::ALL
    };
    let verifier = Verifier::new(&site, task, &releases, &new);
    let usual = verifier.work_tree(levels).unwrap();
    let added = verifier.with(&checks).work_tree(levels).unwrap();
    assert_eq!(ended(&usual.checks, "configuration.notes"), []);
    assert_eq!(ended(&added.checks, "configuration.notes"), [Status::Fail]);
    assert_eq!(added.checks.len(), usual.checks.len() + 1);

    let scratch = sandbox.top().join("scratch");
    std::fs::create_dir_all(&scratch).unwrap();
    let offline = Offline::find();
    let drill = |version| Drill {
        site: &site,
        task,
        releases: &releases,
        version,
        active: Some(&new),
        how: DrillOptions {
            scratch: &scratch,
            offline: &offline,
            install: false,
            with_shared: false,
            commands: Commands::Run,
        },
    };
    let notes = |version| {
        let report = drill(version).hold_by(&checks).unwrap();
        let notes = ended(&report.verification.checks, "configuration.notes");
        (report.passed, notes)
    };
    assert!(drill(&new).hold().unwrap().passed);
    assert_eq!(notes(&old), (true, vec![Status::Pass]));
    assert_eq!(notes(&new), (false, vec![Status::Fail]));
}
