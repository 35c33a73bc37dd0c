//! A drill that builds its own environment: pip installs from local wheels, or the drill says what
//! is missing.

use std::fs;

use crate::{
    it::drill::{drill, settings},
    support::Sandbox,
};

#[test]
fn packages_are_installed_from_wheels_that_are_here() {
    let sandbox = Sandbox::new(1);
    let wheel = "import zipfile, sys\nwith zipfile.ZipFile(sys.argv[1], 'w') as z:\n    z.writestr('demo_pkg.py', 'VALUE = 7\\n')\n    z.writestr('demo_pkg-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: demo-pkg\\nVersion: 1.0\\n')\n    z.writestr('demo_pkg-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n    z.writestr('demo_pkg-1.0.dist-info/RECORD', 'demo_pkg.py,,\\ndemo_pkg-1.0.dist-info/METADATA,,\\ndemo_pkg-1.0.dist-info/WHEEL,,\\ndemo_pkg-1.0.dist-info/RECORD,,\\n')\n";
    fs::create_dir_all(sandbox.at("wheels")).unwrap();
    sandbox
        .run(
            "python3",
            &["-c", wheel, "wheels/demo_pkg-1.0-py3-none-any.whl"],
        )
        .expect(0);
    sandbox.write("tasks/T01/requirements.txt", b"demo-pkg==1.0\n");
    let smoke = "    env: {venv: .venv}\n    verify: [{run: '.venv/bin/python -c \"import demo_pkg; assert demo_pkg.VALUE == 7\"'}]\n";
    sandbox.release("T01", "1.0.0");
    settings(&sandbox, smoke, "");
    let report = drill(&sandbox, &["--to", "1.0.0", "--env", "sync"])
        .expect(0)
        .json()["data"]["drills"][0]
        .clone();
    let phase = report["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|phase| phase["name"] == "environment")
        .unwrap();
    assert!(
        phase["what"]
            .as_str()
            .unwrap()
            .starts_with("1 package installed by "),
        "{phase}"
    );
    assert!(!sandbox.exists("tasks/T01/.venv"));
    fs::remove_dir_all(sandbox.at("wheels")).unwrap();
    let report = drill(&sandbox, &["--to", "1.0.0", "--env", "sync"])
        .expect(4)
        .json()["data"]["drills"][0]
        .clone();
    assert!(
        report["why"]
            .as_str()
            .unwrap()
            .starts_with("readiness.dependencies: "),
        "{report}"
    );
}
