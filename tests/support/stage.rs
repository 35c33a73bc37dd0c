//! A stage for repeated runs of an operation: a sandbox at a fixed place that can be reset, and
//! everything that can be observed of it.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::{
    Sandbox,
    checker::State,
    operations::{CANARY, FOLDER, Operation, TASK},
    sandbox::Tree,
};

/// A sandbox at a fixed place, with its saved state.
pub struct Stage {
    pub live: Sandbox,
    saved: TempDir,
    /// The tree beside the repository.
    beside: Tree,
}

impl Stage {
    /// Prepares an operation in its own folder below `parent`; `None` where that is impossible.
    pub fn new(operation: &Operation, base: &Sandbox, parent: &Path) -> Option<Self> {
        let mut live = base.copy_below(parent);
        if !(operation.prepare)(&mut live) {
            return None;
        }
        let mut stage = Self {
            beside: Tree::new(),
            live,
            saved: tempfile::tempdir().unwrap(),
        };
        stage.save();
        Some(stage)
    }

    /// Saves the current state, to which [`Stage::reset`] returns.
    pub fn save(&mut self) {
        self.saved = tempfile::tempdir().unwrap();
        let status = std::process::Command::new("cp")
            .arg("-a")
            .arg(self.live.top().join("."))
            .arg(self.saved.path())
            .status()
            .unwrap();
        assert!(status.success(), "cp -a");
        self.beside = self.live.tree_beside();
    }

    /// Restores the saved state.
    pub fn reset(&self) {
        self.live.become_copy_of(self.saved.path());
    }

    /// Lists changes where no operation may make any: HOME and the folders beside it.
    pub fn outside(&self) -> Vec<String> {
        let now = self.live.tree_beside();
        let changed = now
            .iter()
            .filter(|(path, entry)| self.beside.get(*path) != Some(entry))
            .map(|(path, _)| path.clone());
        changed
            .chain(
                self.beside
                    .keys()
                    .filter(|path| !now.contains_key(*path))
                    .cloned(),
            )
            .collect()
    }
}

/// Reads everything that a fault could spoil, limited to what two runs of an operation agree on.
pub fn state(sandbox: &Sandbox) -> State {
    let (mut state, mut set_up) = (State::default(), Vec::new());
    let built = |path: &str| {
        path.split('/')
            .any(|part| part.starts_with(".venv") || part == "__pycache__")
    };
    for (path, entry) in sandbox.tree_where(|path| !built(path)) {
        if let Some(name) = path.strip_prefix("snapshots/") {
            state.manifests.insert(
                name.into(),
                timeless(&String::from_utf8_lossy(&sandbox.read(&path))),
            );
        } else if path
            .strip_prefix(FOLDER)
            .is_some_and(|rest| rest.starts_with('/'))
        {
            state
                .task
                .insert(path, (entry.kind, entry.mode, entry.digest.hex()));
        } else if SET_UP.contains(&&*path) {
            set_up.push((path, entry.digest.hex()));
        } else if path != "task_registry.json" && path != "snapshots" && path != FOLDER {
            state.others.insert(
                path,
                format!(
                    "{} {:o} {} {}",
                    entry.kind,
                    entry.mode,
                    entry.digest.hex(),
                    entry.mtime
                ),
            );
        }
    }
    state.records = records(sandbox, state.manifests.keys());
    state.records.extend(set_up);
    state
}

/// The files that `init` writes beside the registry.
const SET_UP: [&str; 3] = ["snapback.yaml", ".gitignore", ".gitattributes"];

/// Returns a manifest without the lines that contain a time or a commit.
fn timeless(text: &str) -> String {
    let moment = |line: &&str| {
        !["created_at:", "git_commit:", "tagger:"]
            .iter()
            .any(|key| line.trim_start().starts_with(key))
    };
    text.lines().filter(moment).collect::<Vec<_>>().join("\n")
}

/// Returns the registry without the task, and the entry of the task.
fn registry(sandbox: &Sandbox) -> (String, String) {
    let registry = if sandbox.exists("task_registry.json") {
        sandbox.read("task_registry.json")
    } else {
        b"null".to_vec()
    };
    let mut registry: serde_json::Value = serde_json::from_slice(&registry).unwrap();
    let entry = registry
        .get_mut("tasks")
        .and_then(|tasks| tasks.as_object_mut())
        .and_then(|tasks| tasks.remove(TASK));
    (registry.to_string(), entry.unwrap_or_default().to_string())
}

/// Reads the records, by name.
fn records<'a>(
    sandbox: &Sandbox,
    manifests: impl Iterator<Item = &'a String>,
) -> std::collections::BTreeMap<String, String> {
    let (registry, entry) = registry(sandbox);
    // Manifests contain their time, and so do the objects that hold them.
    let plain = |text: String| {
        text.lines()
            .filter(|line| !line.contains("\tsnapshots/"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    // A repository that git cannot read is an observation, not a reason to stop observing.
    let said = |args: &[&str]| {
        let ran = sandbox.git(args);
        if ran.code == 0 {
            ran.stdout
        } else {
            format!("git {args:?} ends with {}", ran.code)
        }
    };
    let names = sandbox.snapback(&["store", "list", "--json"]);
    let mut all = vec![
        ("registry", registry),
        ("entry", entry),
        (
            "refs",
            said(&[
                "for-each-ref",
                "--format=%(refname)",
                "refs/heads",
                "refs/tags",
            ]),
        ),
        ("commit", plain(said(&["ls-tree", "-r", "HEAD"]))),
        ("index", plain(said(&["ls-files", "--stage"]))),
        ("status", said(&["status", "--porcelain=v1", "-uall"])),
        ("agreement", disagreement(sandbox).join("\n")),
        (
            "manifests",
            manifests.cloned().collect::<Vec<_>>().join("\n"),
        ),
        ("verdicts", people_said(sandbox)),
        (
            "store",
            if names.code == 0 {
                stored(&names.json())
            } else {
                format!("store list ends with {}", names.code)
            },
        ),
    ];
    if sandbox.exists("tasks/T01/.venv/bin/python") {
        let ran = sandbox.run(
            "tasks/T01/.venv/bin/python",
            &["-I", "-c", "import pricing; print(pricing.VERSION)"],
        );
        all.push(("environment", format!("{} {}", ran.code, ran.stdout)));
    }
    all.into_iter()
        .map(|(name, text)| (name.to_string(), text))
        .collect()
}

/// Returns what people and rollbacks said of each version. What checks said is left out: a run that
/// is taken back keeps it.
fn people_said(sandbox: &Sandbox) -> String {
    let listed = sandbox.snapback(&["list", "--task", TASK, "--json"]);
    if listed.code != 0 {
        return format!("list ends with {}", listed.code);
    }
    let answer = listed.json();
    let releases = answer["data"]["tasks"][0]["releases"].as_array();
    let word = |release: &serde_json::Value| {
        let is = |word: &&&str| release["standing"][**word] == true;
        let words: Vec<&str> = ["good", "bad", "held", "pinned"]
            .iter()
            .filter(is)
            .copied()
            .collect();
        format!("{} {}", release["version"], words.join(" "))
    };
    releases
        .into_iter()
        .flatten()
        .map(word)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the names under which folders are stored.
fn stored(answer: &serde_json::Value) -> String {
    let mut names = Vec::new();
    collect_names(&answer["data"], &mut names);
    names.sort();
    names.join("\n")
}

/// Collects every value of a key `name`.
fn collect_names(value: &serde_json::Value, names: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            names.extend(
                map.get("name")
                    .and_then(|name| name.as_str())
                    .map(str::to_string),
            );
            map.values().for_each(|value| collect_names(value, names));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| collect_names(value, names)),
        _ => {}
    }
}

/// Lists disagreements between registry, configuration, tag and manifest of the task.
fn disagreement(sandbox: &Sandbox) -> Vec<String> {
    if !sandbox.exists("task_registry.json") {
        return vec!["there is no registry".into()];
    }
    let (registry, config) = (sandbox.registry_version(TASK), sandbox.config_version(TASK));
    let Some(version) = registry.clone() else {
        return vec!["the registry has no version".into()];
    };
    let mut wrong = Vec::new();
    if config != registry {
        wrong.push(format!("registry {registry:?}, config {config:?}"));
    }
    let manifest = format!("snapshots/snapshot-{TASK}-v{version}.yaml");
    let tag = format!("refs/tags/{TASK}-v{version}");
    for (what, args) in [
        ("tag", ["cat-file", "-e", &tag]),
        (
            "manifest in the commit",
            ["cat-file", "-e", &format!("HEAD:{manifest}")],
        ),
    ] {
        if sandbox.git(&args).code != 0 {
            wrong.push(format!(
                "the registry says {version}, but there is no {what}"
            ));
        }
    }
    if !sandbox.exists(&manifest) {
        wrong.push(format!(
            "the registry says {version}, but {manifest} is missing"
        ));
    }
    // Deep: whether stored bytes are damaged or gone makes no difference to who wants them back.
    let line = format!("verify-snapshot --task {TASK} --version {version} --deep");
    let verified = sandbox.run_line(&line);
    if verified.code != 0 {
        wrong.push(format!(
            "verify-snapshot {version} ends with {}",
            verified.code
        ));
    }
    wrong
}

/// Lists files that contain the value of the secret.
pub fn secrets(sandbox: &Sandbox) -> Vec<String> {
    let mut found = Vec::new();
    for top in [sandbox.at(".git/snapback"), sandbox.at("snapshots")] {
        search(&top, &mut found);
    }
    found
}

fn search(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, found);
        } else if fs::read(&path)
            .unwrap_or_default()
            .windows(CANARY.len())
            .any(|part| part == CANARY.as_bytes())
        {
            found.push(format!("{} holds the value of a secret", path.display()));
        }
    }
}
