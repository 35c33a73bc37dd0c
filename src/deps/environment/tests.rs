//! Builds real environments from wheels that the tests make, without the network.

use super::*;

/// A work tree with a folder of wheels for `demo` 1.0 and 2.0.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let script = r#"
import zipfile, os
os.mkdir("wheels")
for version in ["1.0", "2.0"]:
    info = f"demo-{version}.dist-info"
    with zipfile.ZipFile(f"wheels/demo-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("demo.py", f"def main():\n    print('demo {version}')\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\ndemo = demo:main\n")
        wheel.writestr(f"{info}/RECORD", f"demo.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/entry_points.txt,,\n{info}/RECORD,,\n")
"#;
        let ended = child::command("python3", dir.path())
            .args(["-c", script])
            .run()
            .expect("python3 is there");
        assert!(
            ended.succeeded(),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        Self { dir }
    }

    fn build(&self, tool: Tool, uv: &Path, into: &str, packages: &[&str]) -> Result<Built, Error> {
        let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
        let (venv, into) = (RelPath::own(".venv"), RelPath::own(into));
        let order = EnvironmentOrder {
            work_tree: self.dir.path(),
            venv: &venv,
            into: &into,
            packages: &packages,
            local: &Local {
                wheels: &["wheels".into()],
                offline: None,
            },
        };
        build_with(tool, uv, &order)
    }

    fn exists(&self, name: &str) -> bool {
        self.dir.path().join(name).exists()
    }

    /// Builds, switches, and runs the installed script.
    fn build_and_switch(&self, tool: Tool, uv: &Path) {
        let built = self
            .build(tool, uv, ".venv-new", &["demo==1.0", "pip==1.2.3"])
            .expect("the wheel is there");
        assert_eq!(
            built,
            Built {
                tool,
                offline: true,
                packages: 1
            }
        );
        let root = Root::open(self.dir.path()).expect("it opens");
        root.rename(&RelPath::own(".venv-new"), &RelPath::own(".venv"))
            .expect("it renames");
        let ended = child::command(self.dir.path().join(".venv/bin/demo"), self.dir.path())
            .run()
            .expect("the script runs where it is now");
        assert_eq!(
            String::from_utf8_lossy(&ended.stdout),
            "demo 1.0\n",
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        let check = |package: &str| {
            let found = check_installed(&root, &RelPath::own(".venv"), &[package.into()]);
            found.expect("it reads").expect("there is an environment")
        };
        assert!(check("demo==1.0").is_empty());
        assert_eq!(check("demo==2.0").lines(), ["demo is 1.0, not 2.0"]);
        // The old environment's Python builds the next one.
        let built = self
            .build(tool, uv, ".venv-next", &["demo==2.0"])
            .expect("the wheel is there");
        assert_eq!(built.packages, 1);
    }
}

#[test]
fn pip_builds_without_the_network() {
    Place::new().build_and_switch(Tool::Pip, Path::new("uv"));
}

#[test]
fn uv_builds_without_the_network() {
    let uv =
        std::env::var_os("SNAPBACK_TEST_UV").map_or_else(|| PathBuf::from("uv"), PathBuf::from);
    if child::command(&uv, Path::new("/"))
        .arg("--version")
        .run()
        .is_err()
    {
        println!("skipped: uv is not installed");
        return;
    }
    Place::new().build_and_switch(Tool::Uv, &uv);
}

#[test]
fn a_failed_build_leaves_nothing() {
    let place = Place::new();
    let uv = Path::new("uv");
    let error = place
        .build(Tool::Pip, uv, "new", &["demo==1.0", "own==1 @ local"])
        .expect_err("no index has it");
    assert!(matches!(error, Error::Unpinned { .. }), "{error}");
    std::fs::create_dir(place.dir.path().join("taken")).expect("it creates");
    let error = place
        .build(Tool::Uv, Path::new("no-such-uv"), "new", &["demo==1.0"])
        .expect_err("there is no such uv");
    assert!(matches!(error, Error::Run { .. }), "{error}");
    assert!(!place.exists("new"));
    let error = place
        .build(Tool::Pip, uv, "taken", &["demo==1.0"])
        .expect_err("it exists");
    assert!(matches!(error, Error::Files { .. }), "{error}");
    assert!(place.exists("taken"), "what was there before stays");
}

#[test]
fn a_package_that_cannot_be_had_is_an_error_that_cleans_up() {
    // Runs in a separate process, whose pip has an index that refuses every connection.
    if std::env::var_os("SNAPBACK_TEST_INNER").is_none() {
        let this = std::env::current_exe().expect("because a test has a program");
        let name =
            "deps::environment::tests::a_package_that_cannot_be_had_is_an_error_that_cleans_up";
        let command = child::command(this, Path::new("/"))
            .args(["--exact", name])
            .env("SNAPBACK_TEST_INNER", "1");
        let command = command
            .env("PIP_INDEX_URL", "http://u:s3cret@127.0.0.1:1/simple")
            .env("PIP_CONFIG_FILE", "/dev/null");
        let ended = command
            .env("PIP_RETRIES", "0")
            .merged()
            .run()
            .expect("it starts");
        let text = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.succeeded() && text.contains("1 passed"), "{text}");
        return;
    }
    let place = Place::new();
    let error = place
        .build(Tool::Pip, Path::new("uv"), "new", &["demo==3.0"])
        .expect_err("nobody has version 3");
    assert!(matches!(error, Error::Step { .. }), "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert!(!place.exists("new"));
}

#[test]
fn only_plain_pins_can_be_built() {
    for package in [
        "a",
        "a==",
        "a==1 @ https://x",
        "a>=1",
        "-e x",
        "a==1\n--index-url=x",
        "A==1",
        "a==1;b",
    ] {
        assert!(!is_pinned(package), "{package}");
    }
    assert!(is_pinned("a-b==1.0+cu118") && is_pip("pip==1") && !is_pip("pipx==1"));
}
