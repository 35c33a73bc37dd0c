//! Versions that cannot be read or set are named, never passed over; and what `init` makes of
//! repositories of odd shapes.

use super::package_files::{Files, repository, set_up};
use crate::support::Sandbox;

/// Files whose version is there and cannot be read, or cannot be replaced.
const UNREADABLE: [(&str, &str); 13] = [
    (
        "package.json",
        "{\"version\": \"1.0.0\", \"version\": \"1.0.0\"}\n",
    ),
    ("package.json", "{\"version\": \"1.0.0\",\n"),
    ("package.json", "{\"version\": \"1.0.0+build\"}\n"),
    (
        "Cargo.toml",
        "[package]\nname = \"x\"\nversion = \"1.0.0\"\nversion = \"1.0.0\"\n",
    ),
    (
        "Cargo.toml",
        "[package]\nname = \"x\"\nversion.workspace = true\n",
    ),
    ("Chart.yaml", "name: x\nversion: 1.0.0\nversion: 1.0.0\n"),
    ("Chart.yaml", "name: x\nversion: 1.0\n"),
    (
        "pom.xml",
        "<!DOCTYPE project><project><version>1.0.0</version></project>\n",
    ),
    (
        "pom.xml",
        "<project><version>${revision}</version></project>\n",
    ),
    (
        "pom.xml",
        "<project><version>1.0.0<!-- x --></version></project>\n",
    ),
    ("setup.cfg", "[metadata]\nversion = 1.0.0 ; x\n"),
    ("VERSION", "v1.0.0\n"),
    ("VERSION", "1.0.0\nof today\n"),
];

/// What a Python module may say instead of a plain version.
const MODULES: [&str; 8] = [
    "__version__ = u'1.0.0'\n",
    "__version__ = ('1.0.0')\n",
    "__version__ = '''1.0.0'''\n",
    "__version__ = '1.0' '.0'\n",
    "__version__ = '1.0.0'; x = 1\n",
    "__version__ = VERSION = '1.0.0'\n",
    "__version__ = '.'.join(NUMBERS)\n",
    "__version__ = '1.0.0'\nif True:\n    pass\n__version__ = '1.0.1'\n",
];

/// A project whose version is in a module.
const DYNAMIC: &str = "[project]\nname = \"x\"\ndynamic = [\"version\"]\n[tool.hatch.version]\npath = \"x/__init__.py\"\n";

/// Asserts that `init` sets the repository up and names the version, and that a release is refused
/// with the file.
fn refuses(sandbox: &Sandbox, file: &str) {
    let init = sandbox.run_line("init --yes").expect(0);
    assert!(
        init.stderr.contains(file) && init.stderr.contains("`config`"),
        "{init:?}"
    );
    sandbox.commit("Set up snapback");
    let status = sandbox.run_line("status").expect(0);
    assert!(status.stdout.contains(file), "{status:?}");
    let ran = sandbox.run_line("create-snapshot -m one --yes");
    assert!(ran.code != 0 && ran.stderr.contains(file), "{ran:?}");
    assert_eq!(sandbox.git_out(&["tag", "--list"]), "", "{ran:?}");
}

#[test]
fn a_version_that_cannot_be_read_is_named_and_nothing_is_released() {
    for (file, text) in UNREADABLE {
        refuses(&repository(&[(file, text)], &[]), file);
    }
    for text in MODULES {
        let files: Files<'_> = &[("pyproject.toml", DYNAMIC), ("x/__init__.py", text)];
        refuses(&repository(files, &[]), "x/__init__.py");
    }
}

#[test]
fn a_version_that_is_not_followed_is_named_in_the_plan() {
    let parent = "<project><parent><version>1.0.0</version></parent></project>\n";
    for (files, remark) in [
        (
            &[("pom.xml", parent)][..],
            "pom.xml has the version of its parent",
        ),
        (
            &[(
                "pyproject.toml",
                "[project]\nname = \"x\"\ndynamic = [\"version\"]\n",
            )],
            "the dynamic version of pyproject.toml",
        ),
        (
            &[
                ("package.json", "{\"version\": \"1.0.0\"}\n"),
                ("Chart.yaml", "version: 1.0.0\n"),
                ("VERSION", "1.1.0\n"),
            ],
            "Chart.yaml says 1.0.0, too, and stays as it is",
        ),
    ] {
        let sandbox = repository(files, &[]);
        let init = sandbox.run_line("init --yes").expect(0);
        assert!(init.stderr.contains(remark), "{init:?}");
        sandbox.commit("Set up snapback");
        let plan = sandbox.run_line("create-snapshot -m x --dry-run").expect(0);
        assert!(plan.stdout.contains(remark), "{plan:?}");
    }
    let sandbox = repository(&[("real.json", "{\"version\": \"1.0.0\"}\n")], &[]);
    std::os::unix::fs::symlink("real.json", sandbox.at("package.json")).unwrap();
    sandbox.commit("link");
    let init = sandbox.run_line("init --yes").expect(0);
    assert!(
        init.stderr.contains("package.json is a symbolic link"),
        "{init:?}"
    );
}

#[test]
fn the_version_of_a_module_is_the_one_that_python_has() {
    let text = "\"\"\"doc\n__version__ = \"0.0.9\"\n\"\"\"\n__version__: str = \"1.0.0\"\n";
    let files: Files<'_> = &[("pyproject.toml", DYNAMIC), ("x/__init__.py", text)];
    let sandbox = repository(files, &[]);
    set_up(&sandbox);
    sandbox.run_line("create-snapshot -m x --yes").expect(0);
    let line = "create-snapshot -m x --version 1.1.0 --yes";
    sandbox.run_line(line).expect(0);
    let after = text.replace("1.0.0", "1.1.0");
    assert_eq!(sandbox.read("x/__init__.py"), after.as_bytes());
    assert_eq!(sandbox.git_out(&["tag", "--list"]), "x-v1.0.0\nx-v1.1.0");
}

#[test]
fn a_version_file_that_git_ignores_is_not_said_to_stay() {
    let files: Files<'_> = &[
        ("pyproject.toml", DYNAMIC),
        (".gitignore", "x/__init__.py\n"),
        ("x/__init__.py", "__version__ = '1.0.0'\n"),
    ];
    let sandbox = repository(files, &[]);
    set_up(&sandbox);
    let line = "create-snapshot -m x --version 1.1.0 --dry-run";
    let plan = sandbox.run_line(line).expect(0);
    assert!(plan.stdout.contains("M x/__init__.py"), "{plan:?}");
    assert!(!plan.stdout.contains("ignored"), "{plan:?}");
}

#[test]
fn what_others_demand_of_a_version_is_named() {
    let parent = "<project><artifactId>p</artifactId><version>1.0.0</version></project>\n";
    let module =
        "<project><parent><artifactId>p</artifactId><version>1.0.0</version></parent></project>\n";
    let cases: [(Files<'_>, &str, &str); 3] = [
        (
            &[("pom.xml", parent), ("core/pom.xml", module)],
            "p",
            "core/pom.xml demands its parent 1.0.0",
        ),
        (
            &[
                (
                    "package.json",
                    "{\"private\": true, \"workspaces\": [\"packages/*\"]}\n",
                ),
                (
                    "packages/ui/package.json",
                    "{\"name\": \"@a/ui\", \"version\": \"1.0.0\"}\n",
                ),
                (
                    "packages/web/package.json",
                    "{\"name\": \"web\", \"version\": \"1.0.0\", \"dependencies\": {\"@a/ui\": \"1.0.0\"}}\n",
                ),
            ],
            "ui",
            "packages/web/package.json demands @a/ui 1.0.0",
        ),
        (
            &[
                ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
                (
                    "crates/a/Cargo.toml",
                    "[package]\nname = \"a\"\nversion = \"1.0.0\"\n",
                ),
                (
                    "crates/b/Cargo.toml",
                    "[package]\nname = \"b\"\nversion = \"1.0.0\"\n[dependencies]\nold = {package = \"a\", path = \"../a\", version = \"1\"}\n",
                ),
            ],
            "a",
            "crates/b/Cargo.toml demands a 1",
        ),
    ];
    for (files, task, remark) in cases {
        let sandbox = repository(files, &[]);
        set_up(&sandbox);
        for (version, is_named) in [("1.0.0", false), ("2.0.0", true)] {
            let line = format!("create-snapshot -t {task} --version {version} -m x --dry-run");
            let plan = sandbox.run_line(&line).expect(0);
            assert_eq!(plan.stdout.contains(remark), is_named, "{plan:?}");
        }
    }
}

#[test]
fn packages_in_one_another_are_tasks_beside_each_other() {
    let shapes: [(Files<'_>, &[&str], &[&str]); 3] = [
        (
            &[
                ("go.mod", "module x\n"),
                ("services/web/go.mod", "module x/web\n"),
            ],
            &["v1.0.0", "v1.1.0", "services/web/v1.2.0"],
            &[
                "repo: {path: \".\", tag: \"v{version}\", exclude: [\"/services/web\"]}",
                "web: {path: \"services/web\", tag: \"{path}/v{version}\"}",
            ],
        ),
        (
            &[
                (
                    "app/package.json",
                    "{\"name\": \"app\", \"version\": \"1.0.0\"}\n",
                ),
                (
                    "app/plugins/p/package.json",
                    "{\"name\": \"p\", \"version\": \"1.0.0\"}\n",
                ),
            ],
            &["app@1.0.0", "p@1.0.0"],
            &[
                "app: {path: \"app\", exclude: [\"/app/plugins/p\"]}",
                "p: {path: \"app/plugins/p\"}",
            ],
        ),
        (
            &[
                (
                    "package.json",
                    "{\"name\": \"top\", \"version\": \"2.0.0\", \"workspaces\": [\"packages/*\"]}\n",
                ),
                (
                    "packages/a/package.json",
                    "{\"name\": \"a\", \"version\": \"1.0.0\"}\n",
                ),
            ],
            &["v2.0.0", "a@1.0.0"],
            &[
                "a: {path: \"packages/a\", tag: \"{task}@{version}\"}",
                "top: {path: \".\", tag: \"v{version}\", exclude: [\"/packages/a\"]}",
            ],
        ),
    ];
    for (files, tags, expected) in shapes {
        let sandbox = repository(files, tags);
        let lines = set_up(&sandbox);
        assert!(
            lines.ends_with(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "{lines:?}"
        );
        let status = sandbox.run_line("status").expect(0).stdout;
        assert!(!status.contains(" file"), "no drift: {status}");
        let list = sandbox.run_line("verify-snapshot --all").expect(0).stdout;
        assert_eq!(list.matches("is verified").count(), tags.len(), "{list}");
    }
}

#[test]
fn tags_that_no_task_has_are_named() {
    let files: Files<'_> = &[
        (
            "package.json",
            "{\"private\": true, \"workspaces\": [\"packages/*\"]}\n",
        ),
        (
            "packages/a/package.json",
            "{\"name\": \"a\", \"version\": \"1.0.0\"}\n",
        ),
    ];
    let sandbox = repository(files, &["v0.9.0", "a@1.0.0"]);
    let init = sandbox.run_line("init --yes").expect(0);
    let line = "repo: {path: \".\", tag: \"v{version}\", exclude: [\"/packages/a\"]}";
    assert!(init.stderr.contains(line), "{init:?}");
    let text = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    sandbox.write("snapback.yaml", format!("{text}  {line}\n").as_bytes());
    sandbox.commit("Set up snapback");
    let ran = sandbox.run_line("adopt --all --yes").expect(0);
    assert!(ran.stdout.contains("2 tags adopted, 0 left out"), "{ran:?}");
}

#[test]
fn a_submodule_is_left_out_of_the_task() {
    let other = Sandbox::two_releases(1);
    let sandbox = repository(&[("README.md", "x\n")], &[]);
    let url = other.root();
    let url = url.to_str().unwrap();
    let allow = "protocol.file.allow=always";
    sandbox
        .git(&["-c", allow, "submodule", "add", "-q", url, "sub"])
        .expect(0);
    sandbox.commit("submodule");
    sandbox.git(&["tag", "v1.0.0"]).expect(0);
    let lines = set_up(&sandbox);
    assert!(
        lines
            .iter()
            .any(|line| line.contains("exclude: [\"/sub\"]")),
        "{lines:?}"
    );
    sandbox
        .run_line("create-snapshot -m x --version 1.1.0 --yes")
        .expect(0);
    sandbox.run_line("rollback --to 1.0.0 --yes").expect(0);
    assert!(sandbox.exists("sub/tasks/T01/config.yaml"));
}

#[test]
fn a_version_that_is_none_stops_its_own_task_only() {
    let files: Files<'_> = &[
        (
            "services/svc/pom.xml",
            "<project><artifactId>svc</artifactId><version>${revision}</version></project>\n",
        ),
        (
            "services/web/package.json",
            "{\"name\": \"web\", \"version\": \"1.0.0\"}\n",
        ),
    ];
    let sandbox = repository(files, &[]);
    let init = sandbox.run_line("init --yes").expect(0);
    assert!(init.stderr.contains("svc cannot be released"), "{init:?}");
    sandbox.commit("Set up snapback");
    sandbox
        .run_line("create-snapshot -t web -m x --yes")
        .expect(0);
    let ran = sandbox
        .run_line("create-snapshot -t svc -m x --yes")
        .expect(4);
    assert!(ran.stderr.contains("services/svc/pom.xml"), "{ran:?}");
}

#[test]
fn init_writes_the_ignore_rules_that_fit() {
    for (files, has_data) in [
        (&[("package.json", "{\"version\": \"1.0.0\"}\n")][..], false),
        (&[("go.mod", "module x\n"), ("tools/x.py", "\n")], true),
        (&[("README.md", "x\n")], true),
    ] {
        let sandbox = repository(files, &[]);
        sandbox.run_line("init --yes").expect(0);
        let rules = String::from_utf8(sandbox.read(".gitignore")).unwrap();
        assert_eq!(rules.contains("*.csv"), has_data, "{rules}");
        assert!(
            rules.contains(".env\n") && rules.contains("node_modules/"),
            "{rules}"
        );
    }
}

#[test]
fn what_is_asked_to_be_raised_at_the_first_release_is_named() {
    let sandbox = repository(
        &[(
            "package.json",
            "{\"name\": \"x\", \"version\": \"1.0.0\"}\n",
        )],
        &[],
    );
    set_up(&sandbox);
    let plan = sandbox
        .run_line("create-snapshot --bump minor -m x --dry-run")
        .expect(0);
    assert!(
        plan.stdout
            .contains("it is the first release, so nothing is raised"),
        "{plan:?}"
    );
}

#[test]
fn adopt_says_of_each_tag_why_it_is_left_out() {
    let sandbox = repository(
        &[(
            "package.json",
            "{\"name\": \"x\", \"version\": \"1.0.0\"}\n",
        )],
        &["v1.0.0", "v1.2.0-rc.1+build", "v1.2", "nightly"],
    );
    set_up(&sandbox);
    let plan = sandbox.run_line("adopt --all --dry-run").expect(0);
    for (tag, why) in [
        ("v1.2.0-rc.1+build", "is no version that x can have"),
        ("v1.2 ", "(scheme semver)"),
        ("nightly", "no task has tags of this form"),
    ] {
        let is_it = |line: &&str| line.contains(tag) && line.contains(why);
        assert!(
            plan.stdout.lines().any(|line| is_it(&line)),
            "{tag}: {plan:?}"
        );
    }
}

#[test]
fn a_task_without_any_version_is_not_as_released() {
    let sandbox = repository(&[("tasks/T01/config.yaml", "name: x\n")], &[]);
    set_up(&sandbox);
    let status = sandbox.run_line("status").expect(0).stdout;
    let said = "tasks/T01/config.yaml has no `version`, which a release needs";
    assert!(
        status.contains(said) && !status.contains("all as released"),
        "{status}"
    );
    let sandbox = repository(&[("README.md", "x\n")], &[]);
    set_up(&sandbox);
    let status = sandbox.run_line("status").expect(0).stdout;
    assert!(
        status.contains("it was never released") && status.contains("create-snapshot"),
        "{status}"
    );
}
