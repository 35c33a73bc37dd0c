//! Versions where package managers have them: discovered, edited with everything else untouched,
//! with the lock files that repeat them; and what `init` and `adopt` make of such repositories.

use crate::support::Sandbox;

/// The files of a repository that a package manager made.
pub type Files<'a> = &'a [(&'a str, &'a str)];

/// A repository with these files and tags.
pub fn repository(files: Files<'_>, tags: &[&str]) -> Sandbox {
    let sandbox = Sandbox::empty();
    for (path, text) in files {
        sandbox.write(path, text.as_bytes());
    }
    sandbox.commit("files");
    for tag in tags {
        sandbox.git(&["tag", tag]).expect(0);
    }
    sandbox
}

/// Sets the repository up and adopts its tags; returns the lines of the settings with tasks.
pub fn set_up(sandbox: &Sandbox) -> Vec<String> {
    sandbox.run_line("init --yes").expect(0);
    let text = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    sandbox.commit("Set up snapback");
    sandbox.run_line("adopt --all --yes").expect(0);
    let lines = text.lines().skip(2).map(|line| line.trim().to_string());
    lines.filter(|line| !line.is_empty()).collect()
}

/// A Cargo workspace whose crates have versions of their own.
pub const WORKSPACE: Files<'_> = &[
    ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
    (
        "crates/one/Cargo.toml",
        "[package]\nname = \"one\"\nversion = \"0.3.0\" # mine\n",
    ),
    ("crates/one/src/lib.rs", "\n"),
    (
        "crates/two/Cargo.toml",
        "[package]\nname = \"two\"\nversion = \"0.3.0\"\n",
    ),
    ("crates/two/src/lib.rs", "\n"),
    (
        "Cargo.lock",
        "version = 4\n\n[[package]]\nname = \"one\"\nversion = \"0.3.0\"\n\n[[package]]\nname = \"two\"\nversion = \"0.3.0\"\n",
    ),
];

/// Files and tags, with the lines of settings that `init` makes of them.
const SHAPES: [(Files<'_>, &[&str], &[&str]); 9] = [
    (
        &[(
            "package.json",
            "{\"name\": \"pad\", \"version\": \"1.1.0\"}\n",
        )],
        &["v1.0.0", "v1.1.0", "nightly"],
        &[
            "tasks:",
            "discover: []",
            "pad: {path: \".\", tag: \"v{version}\"}",
        ],
    ),
    (
        &[
            (
                "package.json",
                "{\"private\": true, \"workspaces\": [\"packages/*\"]}\n",
            ),
            (
                "packages/web/package.json",
                "{\"name\": \"@acme/web\", \"version\": \"2.0.0\"}\n",
            ),
            (
                "packages/api/package.json",
                "{\"name\": \"@acme/api\", \"version\": \"1.0.0\"}\n",
            ),
        ],
        &["@acme/web@2.0.0"],
        &[
            "tasks:",
            "discover: []",
            "api: {path: \"packages/api\"}",
            "web: {path: \"packages/web\", tag: \"@acme/web@{version}\"}",
        ],
    ),
    (
        &[
            ("services/a/go.mod", "module example.org/a\n"),
            ("services/b/go.mod", "module example.org/b\n"),
        ],
        &["services/a/v1.0.0", "services/b/v0.2.0"],
        &[
            "defaults:",
            "tag: \"{path}/v{version}\"",
            "tasks:",
            "discover: []",
            "a: {path: \"services/a\"}",
            "b: {path: \"services/b\"}",
        ],
    ),
    (
        WORKSPACE,
        &["one-v0.3.0"],
        &[
            "tasks:",
            "discover: []",
            "one: {path: \"crates/one\"}",
            "two: {path: \"crates/two\"}",
        ],
    ),
    (
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"a\"]\n[workspace.package]\nversion = \"1.4.0\"\n",
            ),
            (
                "a/Cargo.toml",
                "[package]\nname = \"a\"\nversion.workspace = true\n",
            ),
        ],
        &["v1.4.0"],
        &[
            "tasks:",
            "discover: []",
            "repo: {path: \".\", tag: \"v{version}\"}",
        ],
    ),
    (
        &[
            (
                "services/api/Cargo.toml",
                "[package]\nname = \"api\"\nversion = \"1.4.0\"\n",
            ),
            (
                "services/web/package.json",
                "{\"name\": \"web\", \"version\": \"2.1.0\"}\n",
            ),
            (
                "services/worker/pyproject.toml",
                "[project]\nname = \"worker\"\nversion = \"0.3.0\"\n",
            ),
        ],
        &[],
        &[
            "tasks:",
            "discover: []",
            "api: {path: \"services/api\"}",
            "web: {path: \"services/web\"}",
            "worker: {path: \"services/worker\"}",
        ],
    ),
    (
        &[("README.md", "hello\n")],
        &[],
        &["tasks:", "discover: []", "repo: {path: \".\"}"],
    ),
    (
        &[("tasks/T01/main.py", "\n"), ("tasks/T02/main.py", "\n")],
        &[],
        &[
            "tasks:",
            "discover: []",
            "T01: {path: \"tasks/T01\"}",
            "T02: {path: \"tasks/T02\"}",
        ],
    ),
    (
        &[("lib/x.py", "\n"), ("tools/y.py", "\n")],
        &["lib-v1.0.0"],
        &["tasks:", "discover: []", "lib: {path: \"lib\"}"],
    ),
];

/// Files at 1.0.0, with one of them and what it holds at 1.1.0.
const PLACES: [(Files<'_>, &str, &str); 8] = [
    (
        &[("package.json", "{\n  \"version\" : \"1.0.0\"\n}\n")],
        "package.json",
        "\"version\" : \"1.1.0\"",
    ),
    (
        &[("Chart.yaml", "name: x\nversion: 1.0.0 # chart\n")],
        "Chart.yaml",
        "version: 1.1.0 # chart",
    ),
    (&[("VERSION", "1.0.0\n")], "VERSION", "1.1.0\n"),
    (
        &[("setup.cfg", "[metadata]\nname = x\nversion = 1.0.0\n")],
        "setup.cfg",
        "version = 1.1.0",
    ),
    (
        &[(
            "pom.xml",
            "<project>\n  <parent><version>9.0.0</version></parent>\n  <version>1.0.0</version>\n</project>\n",
        )],
        "pom.xml",
        "<parent><version>9.0.0</version></parent>\n  <version>1.1.0</version>",
    ),
    (
        &[
            (
                "pyproject.toml",
                "[project]\nname = \"x\"\ndynamic = [\"version\"]\n[tool.setuptools.dynamic]\nversion = {attr = \"x.__version__\"}\n",
            ),
            ("src/x/__init__.py", "__version__ = '1.0.0'  # here\n"),
        ],
        "src/x/__init__.py",
        "__version__ = '1.1.0'  # here",
    ),
    (
        &[
            (
                "pyproject.toml",
                "[project]\nname = \"x\"\ndynamic = [\"version\"]\n[tool.hatch.version]\npath = \"x.py\"\n",
            ),
            ("x.py", "__version__ = \"1.0.0\"\n"),
        ],
        "x.py",
        "__version__ = \"1.1.0\"",
    ),
    (
        &[
            (
                "Cargo.toml",
                "[package]\nname = \"x\"\nversion = \"1.0.0\"\n",
            ),
            (
                "Cargo.lock",
                "[[package]]\nname = \"x\"\nversion = \"1.0.0\"\n",
            ),
        ],
        "Cargo.lock",
        "version = \"1.1.0\"",
    ),
];

#[test]
fn the_shape_of_a_repository_is_found() {
    for (files, tags, expected) in SHAPES {
        let sandbox = repository(files, tags);
        assert_eq!(set_up(&sandbox), expected, "{files:?}");
        let status = sandbox.run_line("status").expect(0);
        assert!(!status.stdout.contains("no task"), "{status:?}");
    }
}

#[test]
fn a_version_is_set_where_it_is_and_comes_back() {
    for (files, path, expected) in PLACES {
        let sandbox = repository(files, &[]);
        sandbox.run_line("init --yes").expect(0);
        sandbox.commit("Set up snapback");
        let before = sandbox.read(path);
        sandbox.run_line("create-snapshot -m one --yes").expect(0);
        assert_eq!(
            sandbox.read(path),
            before,
            "{path}: 1.0.0 is released first"
        );
        sandbox.write("more", b"more\n");
        sandbox
            .run_line("create-snapshot --bump minor -m two --yes")
            .expect(0);
        let after = String::from_utf8(sandbox.read(path)).unwrap();
        assert!(after.contains(expected), "{path}: {after}");
        sandbox.run_line("rollback --to 1.0.0 --yes").expect(0);
        assert_eq!(sandbox.read(path), before, "{path}");
        sandbox.run_line("undo --yes").expect(0);
        assert_eq!(String::from_utf8(sandbox.read(path)).unwrap(), after);
        assert_eq!(sandbox.git_out(&["status", "--porcelain"]), "", "{path}");
        sandbox.run_line("verify-snapshot --all --deep").expect(0);
    }
}

#[test]
fn a_file_and_a_key_that_are_named_are_taken_as_they_are() {
    let files: Files<'_> = &[
        (
            "pyproject.toml",
            "[project]\nname = \"x\"\ndynamic = [\"version\"]\n[tool.hatch.version]\npath = \"x.py\"\n[tool.own]\nrelease = \"3.0.0\"\n",
        ),
        ("x.py", "__version__ = \"1.0.0\"\n"),
    ];
    for (line, first) in [
        (
            "config: pyproject.toml, version_key: tool.own.release",
            "3.0.0",
        ),
        ("config: pyproject.toml", "1.0.0"),
        ("config: x.py", "1.0.0"),
    ] {
        let sandbox = repository(files, &[]);
        let text = format!("version: 1\ntasks:\n  discover: []\n  x: {{path: ., {line}}}\n");
        sandbox.write("snapback.yaml", text.as_bytes());
        sandbox.commit("settings");
        let ran = sandbox.run_line("create-snapshot -m one --yes").expect(0);
        let said = format!("x {first} is released");
        assert!(ran.stdout.contains(&said), "{line}: {ran:?}");
        sandbox.write("more", b"more\n");
        sandbox
            .run_line("create-snapshot --version 9.0.0 -m two --yes")
            .expect(0);
        let both = [sandbox.read("pyproject.toml"), sandbox.read("x.py")];
        let is_new: Vec<bool> = both
            .iter()
            .map(|bytes| String::from_utf8_lossy(bytes).contains("9.0.0"))
            .collect();
        assert_eq!(is_new, [first == "3.0.0", first == "1.0.0"], "{line}");
    }
}

#[test]
fn the_lock_file_of_a_workspace_goes_along() {
    let sandbox = repository(WORKSPACE, &["one-v0.3.0"]);
    set_up(&sandbox);
    let before = sandbox.read("Cargo.lock");
    sandbox.write("crates/one/src/lib.rs", b"// more\n");
    let line = "create-snapshot -t one --version 0.4.0 -m x --yes";
    sandbox.run_line(line).expect(0);
    let after = String::from_utf8(sandbox.read("Cargo.lock")).unwrap();
    let expected = String::from_utf8(before.clone())
        .unwrap()
        .replacen("0.3.0", "0.4.0", 1);
    assert_eq!(after, expected);
    let manifest = sandbox.read("crates/one/Cargo.toml");
    assert_eq!(
        manifest,
        b"[package]\nname = \"one\"\nversion = \"0.4.0\" # mine\n"
    );
    assert_eq!(sandbox.git_out(&["status", "--porcelain"]), "");
    // Another crate's entry that changed meanwhile stays.
    let line = "create-snapshot -t two --version 0.5.0 -m x --yes";
    sandbox.run_line(line).expect(0);
    sandbox
        .run_line("rollback -t one --to 0.3.0 --yes")
        .expect(0);
    let lock = String::from_utf8(sandbox.read("Cargo.lock")).unwrap();
    assert!(
        lock.contains("\"one\"\nversion = \"0.3.0\"")
            && lock.contains("\"two\"\nversion = \"0.5.0\""),
        "{lock}"
    );
    assert_eq!(sandbox.git_out(&["status", "--porcelain"]), "");
    sandbox.run_line("undo --yes").expect(0);
    let lock = String::from_utf8(sandbox.read("Cargo.lock")).unwrap();
    assert!(lock.contains("\"one\"\nversion = \"0.4.0\""), "{lock}");
    // A lock file that cannot be read is named, and left as it is.
    sandbox.write("Cargo.lock", b"<<<<<<< ours\n");
    let line = "create-snapshot -t one --version 0.6.0 -m x --yes";
    let ran = sandbox.run_line(line).expect(0);
    assert!(
        ran.stderr
            .contains("the version in Cargo.lock stays as it is"),
        "{ran:?}"
    );
    assert_eq!(sandbox.read("Cargo.lock"), b"<<<<<<< ours\n");
}
