//! A conformance test for all collectors, and the small trees that their own tests use.

use std::path::Path;

use super::*;
use crate::base::Root;

/// A work tree in a temporary folder, with a task in `t/`.
pub(super) struct Tree {
    dir: tempfile::TempDir,
    root: Root,
    files: Vec<RelPath>,
    venv: Option<RelPath>,
    variables: Vec<String>,
}

impl Tree {
    pub(super) fn new<P: AsRef<str>, C: AsRef<[u8]>>(files: &[(P, C)]) -> Self {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let mut paths = Vec::new();
        for (path, content) in files {
            let path = path.as_ref();
            let full = dir.path().join(path);
            std::fs::create_dir_all(full.parent().expect("it is below the folder"))
                .expect("it creates");
            let mut file = std::fs::File::create(full).expect("it creates");
            std::io::Write::write_all(&mut file, content.as_ref()).expect("it writes");
            paths.push(RelPath::parse(path).expect("it is honest"));
        }
        std::fs::create_dir_all(dir.path().join("t")).expect("it creates");
        let root = Root::open(dir.path()).expect("it opens");
        Self {
            dir,
            root,
            files: paths,
            venv: None,
            variables: Vec::new(),
        }
    }

    pub(super) fn with_venv(mut self, venv: &str) -> Self {
        self.venv = Some(RelPath::own(venv));
        self
    }

    pub(super) fn with_variables(mut self, names: &[&str]) -> Self {
        self.variables = names.iter().map(ToString::to_string).collect();
        self
    }

    pub(super) fn with_files(mut self, files: &[&str]) -> Self {
        self.files
            .extend(files.iter().map(|path| RelPath::own(*path)));
        self
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn fs(&self) -> &dyn Fs {
        &self.root
    }

    pub(super) fn files(&self) -> Vec<RelPath> {
        self.files.clone()
    }

    /// Collects for the task in `t/`, with the files below it.
    pub(super) fn collect(&self) -> (DependencyList, Vec<String>) {
        let dir = RelPath::own("t");
        let files: Vec<_> = self
            .files
            .iter()
            .filter(|path| path.is_in(&dir))
            .cloned()
            .collect();
        let task = CollectedTask {
            fs: &self.root,
            dir: &dir,
            files: &files,
            venv: self.venv.as_ref(),
            variables: &self.variables,
            known: KnownSources::NOTHING,
        };
        collect(&task).expect("nothing is unreadable")
    }
}

/// Every file that some collector reads.
const NAMES: [&str; 19] = [
    "uv.lock",
    "pdm.lock",
    "environment.yml",
    "requirements/base.txt",
    "pylock.toml",
    "poetry.lock",
    "Pipfile.lock",
    "requirements.txt",
    "requirements-lock.txt",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "Cargo.lock",
    ".env.example",
    "main.py",
    "index.ts",
    "config.yaml",
    ".venv/lib/python3.12/site-packages/a-1.dist-info/METADATA",
];

/// Returns texts that no collector may crash on.
fn hostile() -> Vec<Vec<u8>> {
    let nested = |open: &str| open.repeat(200_000).into_bytes();
    let deep_toml = format!("a = {}", "[".repeat(200_000));
    let mark = |mark: &str, rest: &str| format!("{mark}\n{rest}").into_bytes();
    vec![
        Vec::new(),
        b"\xff\xfe\x00\x01".to_vec(),
        b"\n\n\n".to_vec(),
        nested("["),
        nested("{\"dependencies\":{\"a\":"),
        nested("a.b[['\"${"),
        nested("@\\\n"),
        deep_toml.into_bytes(),
        b"[[package]]\nname = 1\nversion = []\n".to_vec(),
        b"[package]\nname = \"a\"\n".to_vec(),
        b"package = \"x\"\npackages = 3\n".to_vec(),
        br#"{"packages": [], "default": 7, "dependencies": {"a": {"version": {}}}}"#.to_vec(),
        br#"{"packages": {"node_modules/": {"version": ""}, "node_modules/\u001b[31m": {"version": "1"}}}"#.to_vec(),
        mark("# yarn lockfile v1", "@:\n  version\n\"\":\n  version \"\n@\n  resolution @\n\u{fffd}@x:\n  version 1\n"),
        mark("lockfileVersion: 9", "packages:\n  :\n  @\n  '@':\n  ? \n  /@/:\n  \u{e9}@1:\n"),
        mark("lockfileVersion: 5", "packages:\n  /_:\n  //:\n  é/1:\n"),
        b"-r\n-e\n-c\n--hash\n==\n==1\na==\n;\n#\n\\\n-r requirements.txt\n-r .\n".to_vec(),
        b"Name:\nVersion:\n".to_vec(),
        b"Name: \x1b[31m\nVersion: 1\n".to_vec(),
        "from . import é\nimport é.ü\nos.environ['é']\nos.environ['".as_bytes().to_vec(),
    ]
}

#[test]
fn every_collector_survives_every_hostile_text() {
    for text in hostile() {
        let files: Vec<(String, &[u8])> = NAMES
            .iter()
            .map(|name| (format!("t/{name}"), text.as_slice()))
            .collect();
        let tree = Tree::new(&files);
        let dir = RelPath::own("t");
        let task = CollectedTask {
            fs: tree.fs(),
            dir: &dir,
            files: &tree.files,
            venv: None,
            variables: &[],
            known: KnownSources::NOTHING,
        };
        for collector in COLLECTORS {
            let mut found = Collected::default();
            collector
                .collect(&task, &mut found)
                .unwrap_or_else(|error| panic!("{}: {error}", collector.name()));
            let all = format!("{:?} {:?}", found.list, found.warnings);
            assert!(
                !all.contains("\\u{1b}") && !all.contains('\u{1b}'),
                "{}: {all}",
                collector.name()
            );
        }
        shared::imports(tree.fs(), &tree.files);
    }
}

#[test]
fn lists_are_sorted_without_doubles_and_the_same_each_time() {
    let pin = "b==1\na==1\na==1\n";
    let files = [
        ("t/requirements.txt", pin),
        ("t/requirements-lock.txt", pin),
        ("t/z.py", "getenv('Z'); getenv('A')"),
        ("t/a.py", "getenv('Z')"),
    ];
    let tree = Tree::new(&files);
    let (list, _) = tree.collect();
    assert_eq!(list.python_packages, ["a==1", "b==1"]);
    assert_eq!(list.environment_variables, ["A", "Z"]);
    assert_eq!(
        list.lockfiles
            .iter()
            .map(|file| file.path.to_text())
            .collect::<Vec<_>>(),
        ["t/requirements-lock.txt", "t/requirements.txt"]
    );
    assert_eq!(list.lockfiles[1].checksum, Digest::of(pin.as_bytes()));
    assert_eq!(tree.collect().0, list);
}

#[test]
fn names_of_collectors_are_unique() {
    let names: std::collections::BTreeSet<_> = COLLECTORS
        .iter()
        .map(|collector| collector.name())
        .collect();
    assert_eq!(names.len(), COLLECTORS.len());
}

#[test]
fn a_folder_with_the_name_of_a_lock_file_is_none_and_a_link_is_what_it_leads_to() {
    let uv =
        "version = 1\n[[package]]\nname = \"a\"\nversion = \"2\"\nsource = { registry = \"x\" }\n";
    let links = ["t/uv.lock", "t/yarn.lock", "t/go.sum", "t/mix.lock"];
    let tree = Tree::new(&[("t/Cargo.lock/x", ""), ("shared", uv)])
        .with_files(&["t/Cargo.lock"])
        .with_files(&links);
    for (link, target) in
        links
            .iter()
            .zip(["../shared", "/etc/hostname", "../../outside", "mix.lock"])
    {
        std::os::unix::fs::symlink(target, tree.path().join(link)).expect("it links");
    }
    let (list, warnings) = tree.collect();
    let shared = LockFile {
        path: RelPath::own("shared"),
        checksum: Digest::of(uv.as_bytes()),
        unread: false,
    };
    assert_eq!(
        (list.python_packages, list.lockfiles, list.python_source),
        (
            vec!["a==2".into()],
            vec![shared],
            Some(RelPath::own("shared"))
        )
    );
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        links[1..]
            .iter()
            .all(|link| warnings.iter().any(|line| line.starts_with(link))),
        "{warnings:?}"
    );
}

#[test]
fn many_sources_are_searched() {
    let files: Vec<(String, String)> = (0..500)
        .map(|n| {
            (
                format!("t/{}/m{n}.py", n % 50),
                format!("import os\nos.getenv('V{}')\n# x\n", n % 7),
            )
        })
        .collect();
    assert_eq!(
        Tree::new(&files).collect().0.environment_variables,
        ["V0", "V1", "V2", "V3", "V4", "V5", "V6"]
    );
}

#[test]
fn a_source_whose_blob_is_known_is_not_read() {
    let tree = Tree::new(&[
        ("t/a.py", "import lib\nos.getenv('A')"),
        ("t/b.sh", "echo ${BB:?}"),
        ("t/c.txt", "os.getenv('C')"),
        ("lib.py", ""),
    ]);
    let id = |bytes: &[u8]| {
        Some(
            Digest::of(bytes).hex()[..40]
                .parse::<GitId>()
                .expect("it is an id"),
        )
    };
    let (dir, files, task_id) = (
        RelPath::own("t"),
        tree.files(),
        "T01".parse().expect("it is an id"),
    );
    let state = tempfile::tempdir().expect("it makes folders");
    let state = Root::open(state.path()).expect("it opens");
    let (blobs, none) = (
        [
            id(b"import lib\nos.getenv('A')"),
            id(b"echo ${BB:?}"),
            None,
            None,
        ],
        facts::SourceFacts::NONE,
    );
    let collect = |facts: &facts::SourceFacts| {
        let blobs: Vec<Option<&GitId>> = blobs.iter().map(Option::as_ref).collect();
        let known = KnownSources {
            blobs: &blobs,
            id: &id,
            facts,
        };
        collect_all(&CollectedTask {
            fs: tree.fs(),
            dir: &dir,
            files: &files[..3],
            venv: None,
            variables: &[],
            known,
        })
        .expect("it reads")
    };
    let first = collect(&none);
    first.facts.expect("all is new").save(&state, &task_id);
    for path in &files[..2] {
        tree.fs().remove_file(path).expect("it goes");
    }
    let second = collect(&facts::SourceFacts::load(&state, &task_id));
    assert_eq!(second.list.environment_variables, ["A", "BB"]);
    assert_eq!(second.list, first.list);
    assert!(second.facts.is_none(), "nothing is new");
    assert_eq!(
        shared::imports_with(tree.fs(), &files[..1], &second.sources),
        [RelPath::own("lib.py")]
    );
    assert_eq!(
        collect(&none).list.environment_variables,
        Vec::<String>::new(),
        "unknown sources are read"
    );
}
