//! A new source is one file: its selection is put, listed and restored like a folder, and so are
//! the files that a release of a task takes.

use std::path::Path;

use snapback::{
    backup::{self, PutOptions, RestoreOptions},
    base::{Failure, Fs, RelPath, Root, Type},
    catalog::{Scope, tasks},
    config,
    site::{Options, RepoSite},
    source::{PathStat, Selection, Source, TaskFiles},
};

use crate::support::Sandbox;

/// The files of a folder whose names end in `.jsonl`.
struct JsonLines {
    root: Root,
}

impl Source for JsonLines {
    fn kind(&self) -> &'static str {
        "json-lines"
    }

    fn files(&self) -> &dyn Fs {
        &self.root
    }

    fn top(&self) -> &Path {
        self.root.path()
    }

    fn choose(&self) -> Result<Selection, Failure> {
        let mut selection = Selection::default();
        for (name, stat) in self.root.scan(&RelPath::root()).unwrap() {
            if stat.kind == Type::File && name.ends_with(b".jsonl") {
                selection.files.push(PathStat {
                    path: RelPath::own(name),
                    stat,
                    in_use: false,
                });
            }
        }
        selection.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(selection)
    }
}

/// Puts the selection of a source under a name and restores it beside the work tree. Returns the
/// names of the restored files.
fn there_and_back(sandbox: &Sandbox, site: &RepoSite, source: &dyn Source) -> Vec<String> {
    let put = PutOptions {
        name: source.kind().into(),
        folders: Vec::new(),
        partial: false,
        rehash: false,
        dry_run: false,
    };
    let report = backup::put_sources(site, &put, &[(source, RelPath::root())]).unwrap();
    assert!(report.named && report.failed.is_empty(), "{report:?}");
    // Nothing changed since: only the sample is read.
    let again = backup::put_sources(site, &put, &[(source, RelPath::root())]).unwrap();
    assert!(!again.changed);
    let into = sandbox.top().join("back").join(source.kind());
    let restore = RestoreOptions {
        name: put.name,
        into: into.clone(),
        delete: false,
        discard: false,
        dry_run: false,
    };
    std::fs::create_dir_all(into.parent().unwrap()).unwrap();
    backup::restore(site, &restore).unwrap();
    let found = snapback::source::folder::walk(&Root::open(&into).unwrap()).unwrap();
    let paths = found.files.iter();
    paths.map(|file| file.path.to_text()).collect()
}

#[test]
fn an_added_source() {
    let sandbox = Sandbox::new(1);
    let logs = sandbox.top().join("logs");
    std::fs::create_dir(&logs).unwrap();
    for (name, text) in [("b.jsonl", "{}\n"), ("a.jsonl", "[]\n"), ("c.txt", "no")] {
        std::fs::write(logs.join(name), text).unwrap();
    }
    let site = config::open(&sandbox.root(), Options::default()).unwrap();
    let source = JsonLines {
        root: Root::open(&logs).unwrap(),
    };
    let back = there_and_back(&sandbox, &site, &source);
    assert_eq!(back, ["a.jsonl", "b.jsonl"]);
    let bytes = std::fs::read(sandbox.top().join("back/json-lines/a.jsonl")).unwrap();
    assert_eq!(bytes, b"[]\n");
}

#[test]
fn what_a_release_takes_of_a_task_is_a_source() {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/new.py", b"NEW = 1\n");
    sandbox.write("tasks/T01/run.log", b"ignored\n");
    let site = config::open(&sandbox.root(), Options::default()).unwrap();
    let task = tasks::spec(&site, &"T01".parse().unwrap()).unwrap();
    let scope = Scope::new(&site.settings, task).unwrap();
    let scan = site.git.scan(&scope.dirs()).unwrap();
    let files = TaskFiles::new(&site, &scope, &scan);
    assert_eq!(
        there_and_back(&sandbox, &site, &files),
        [
            "tasks/T01/config.yaml",
            "tasks/T01/lib/rules.py",
            "tasks/T01/model.bin",
            "tasks/T01/new.py",
            "tasks/T01/run.sh",
            "tasks/T01/signal.py",
        ]
    );
}
