//! The story that every shape of a tree goes through: two releases, rollback, undo, redo, forward.
//!
//! The expected tree is recorded before anything happens, and never asked of snapback.

use super::{
    Sandbox,
    sandbox::{Entry, Ran, Tree},
};

/// The folder of the task that the stories are about.
pub const TASK: &str = "tasks/T01";

/// A tree without times, and with permissions as git sees them: executable or not.
pub type Shape = Vec<(String, char, bool, snapback::base::Digest)>;

/// Returns the part of a tree that a release keeps.
pub fn shape(tree: &Tree) -> Shape {
    let one = |(path, entry): (&String, &Entry)| {
        (
            path.clone(),
            entry.kind,
            entry.kind == 'f' && entry.mode & 0o100 != 0,
            entry.digest,
        )
    };
    tree.iter().map(one).collect()
}

/// Two releases with a change between them.
pub struct Story<'a> {
    pub sandbox: &'a Sandbox,
    pub old: Shape,
    pub new: Tree,
    outside: Tree,
}

impl<'a> Story<'a> {
    /// Releases the current tree as 1.0.0 and, changed, as 1.1.0.
    #[track_caller]
    pub fn begin(sandbox: &'a Sandbox, change: impl FnOnce(&Sandbox)) -> Self {
        sandbox.release("T01", "1.0.0");
        assert_released(sandbox, "1.0.0");
        let old = shape(&sandbox.tree_in(TASK));
        change(sandbox);
        set_version(sandbox, "1.1.0");
        let wanted = shape(&sandbox.tree_in(TASK));
        assert_ne!(old, wanted, "the story changes something");
        sandbox.release("T01", "1.1.0");
        assert_released(sandbox, "1.1.0");
        let new = sandbox.tree_in(TASK);
        assert_eq!(shape(&new), wanted, "a release changes no file");
        Self {
            sandbox,
            old,
            new,
            outside: outside(sandbox),
        }
    }

    /// Rolls back, undoes, redoes and goes forward, checking everything each time.
    #[track_caller]
    pub fn go(&self) {
        let sandbox = self.sandbox;
        rollback(sandbox, "1.1.0", "1.0.0").expect(0);
        self.assert_old();
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_eq!(
            sandbox.tree_in(TASK),
            self.new,
            "undo brings everything back, times too"
        );
        self.assert_at("1.1.0");
        sandbox.snapback(&["redo", "--yes"]).expect(0);
        self.assert_old();
        rollback(sandbox, "1.0.0", "1.1.0").expect(0);
        assert_same(&shape(&sandbox.tree_in(TASK)), &shape(&self.new));
        self.assert_at("1.1.0");
    }

    /// Asserts that the tree is 1.0.0 in every respect.
    #[track_caller]
    pub fn assert_old(&self) {
        assert_same(&shape(&self.sandbox.tree_in(TASK)), &self.old);
        self.assert_at("1.0.0");
    }

    /// Asserts that git and snapback agree on the task's version, and that nothing else changed.
    #[track_caller]
    fn assert_at(&self, version: &str) {
        let sandbox = self.sandbox;
        assert_released(sandbox, version);
        assert_eq!(
            outside(sandbox),
            self.outside,
            "nothing outside the task changed"
        );
        sandbox
            .snapback(&["verify-rollback", "--task", "T01", "--expected", version])
            .expect(0);
    }
}

/// Asserts that two trees have the same shape.
#[track_caller]
pub fn assert_same(found: &Shape, expected: &Shape) {
    let only = |a: &Shape, b: &Shape| {
        a.iter()
            .filter(|line| !b.contains(line))
            .map(|line| format!("{line:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (only(found, expected), only(expected, found)),
        (Vec::new(), Vec::new()),
        "what is there, what should be"
    );
}

/// Reads everything outside the task, except what a rollback writes there.
fn outside(sandbox: &Sandbox) -> Tree {
    let mut tree = sandbox.tree_outside(TASK);
    tree.retain(|path, _| path != "task_registry.json" && path != ".git");
    tree
}

/// Rolls T01 back.
#[track_caller]
pub fn rollback(sandbox: &Sandbox, from: &str, to: &str) -> Ran {
    sandbox.snapback(&[
        "rollback", "--task", "T01", "--from", from, "--to", to, "--yes",
    ])
}

/// Returns the path and the lines of the newest operation's journal.
pub fn newest_journal(sandbox: &Sandbox) -> (String, Vec<String>) {
    let list = sandbox.snapback(&["op", "list", "--json"]).expect(0).json();
    let id = list["data"]["operations"][0]["id"].as_str().unwrap();
    let path = format!(".git/snapback/ops/{id}/journal.jsonl");
    let text = String::from_utf8(sandbox.read(&path)).unwrap();
    let lines = text.split_inclusive('\n').map(str::to_string).collect();
    (path, lines)
}

/// Returns the number of the record that says that the publication was started.
pub fn publication_started(lines: &[String]) -> usize {
    let is_start =
        |line: &String| line.contains(r#"{"record":"started""#) && line.contains("index");
    lines.iter().rposition(is_start).expect("it has published")
}

/// Removes the last record of the newest operation's journal, as a power cut may.
pub fn lose_last_record(sandbox: &Sandbox) {
    let (path, lines) = newest_journal(sandbox);
    sandbox.write(&path, lines[..lines.len() - 1].concat().as_bytes());
}

/// Sets the version in the configuration, as a person does before a release.
pub fn set_version(sandbox: &Sandbox, version: &str) {
    let path = format!("{TASK}/config.yaml");
    let text = String::from_utf8(sandbox.read(&path)).unwrap();
    let line = |line: &str| {
        if line.starts_with("version: ") {
            format!("version: {version}")
        } else {
            line.to_string()
        }
    };
    let lines: Vec<String> = text.lines().map(line).collect();
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    sandbox.write(&path, (lines.join(end) + end).as_bytes());
}

/// Asserts that the work tree is clean, the repository sound, HEAD's tree that of the release, and
/// the registry right.
#[track_caller]
pub fn assert_released(sandbox: &Sandbox, version: &str) {
    assert_eq!(
        sandbox.status(),
        Vec::<String>::new(),
        "git status at {version}"
    );
    assert_eq!(
        sandbox.unsound(),
        Vec::<String>::new(),
        "git fsck at {version}"
    );
    assert_eq!(
        sandbox.git_out(&[
            "diff",
            "--name-status",
            &format!("T01-v{version}"),
            "HEAD",
            "--",
            TASK
        ]),
        "",
        "HEAD holds {version}"
    );
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some(version));
    assert_eq!(sandbox.config_version("T01").as_deref(), Some(version));
}
