//! Facts from sources are cached between releases, and never change what a release records.

use std::fs;

use crate::support::{Sandbox, story::set_version};

/// Returns the parts of a manifest that come from sources: names of variables, and shared files.
fn recorded(sandbox: &Sandbox, version: &str) -> String {
    let text = String::from_utf8(sandbox.read(&format!("snapshots/snapshot-T01-v{version}.yaml")))
        .unwrap();
    let names = text.split("\ndependencies:").nth(1).unwrap();
    let shared = text.match_indices("role: shared").count();
    assert!(shared > 0 && names.contains("- KEPT"), "{text}");
    format!("{shared} shared\n{names}")
}

#[test]
fn a_release_records_the_same_with_and_without_the_facts_of_the_last_one() {
    let sandbox = Sandbox::new(2);
    sandbox.write("lib/util.py", b"import lib.deep\n");
    sandbox.write("lib/deep.py", b"");
    sandbox.git(&["add", "lib"]).expect(0);
    sandbox.git(&["commit", "-q", "-m", "lib"]).expect(0);
    for nth in 0..20 {
        sandbox.write(
            &format!("tasks/T01/m{nth}.py"),
            format!("import os\nos.environ['OLD_{nth}']\n").as_bytes(),
        );
    }
    sandbox.write(
        "tasks/T01/kept.py",
        b"import os\nimport lib.util\nos.getenv('KEPT')\n",
    );
    sandbox.write("tasks/T01/kept.sh", b"echo ${KEPT_SH:?}\n");
    sandbox.release("T01", "1.0.0");
    assert!(sandbox.exists(".git/snapback/facts/T01"));
    sandbox.write("tasks/T01/m0.py", b"import os\nos.environ['NEW_0']\n");
    // A Python source's bytes yield nothing under another extension; another source is renamed.
    sandbox.write(
        "tasks/T01/kept.txt",
        b"import os\nimport lib.util\nos.getenv('KEPT')\n",
    );
    fs::rename(sandbox.at("tasks/T01/m1.py"), sandbox.at("tasks/T01/m1.sh")).unwrap();
    fs::remove_file(sandbox.at("tasks/T01/m2.py")).unwrap();
    set_version(&sandbox, "1.1.0");

    let (without, damaged) = (sandbox.copy(), sandbox.copy());
    fs::remove_dir_all(without.at(".git/snapback/facts")).unwrap();
    let mut facts = damaged.read(".git/snapback/facts/T01");
    let at = facts.len() / 2;
    facts[at] ^= 1;
    damaged.write(".git/snapback/facts/T01", &facts);
    for sandbox in [&sandbox, &without, &damaged] {
        sandbox.release("T01", "1.1.0");
    }
    let names = recorded(&sandbox, "1.1.0");
    assert!(
        names.contains("- NEW_0") && names.contains("- OLD_3") && names.contains("- KEPT_SH"),
        "{names}"
    );
    assert!(
        !names.contains("- OLD_0\n")
            && !names.contains("- OLD_1\n")
            && !names.contains("- OLD_2\n"),
        "{names}"
    );
    assert_eq!(
        (recorded(&without, "1.1.0"), recorded(&damaged, "1.1.0")),
        (names.clone(), names)
    );
}
