//! Files that an operation put aside come back into a folder whole, or not at all.

use std::fs;

use crate::support::{Sandbox, noise};

#[test]
fn kept_files_come_back_all_or_none() {
    let sandbox = Sandbox::new(1);
    sandbox.write("tasks/T01/model.bin", &noise("one", 400_000));
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox.release("T01", "1.1.0");
    sandbox.write("tasks/T01/config.yaml", b"version: 1.1.0\nmine: true\n");
    sandbox.write("tasks/T01/model.bin", &noise("mine", 400_000));
    sandbox
        .run_line("rollback -t T01 --to 1.0.0 -m back --yes")
        .expect(0);
    let packs = sandbox.at(".git/snapback/store/packs");
    let aside = sandbox.at(".git/snapback/store/aside");
    fs::rename(&packs, &aside).unwrap();
    fs::create_dir(&packs).unwrap();
    sandbox
        .run_line("op restore latest --into mine --yes")
        .expect(8);
    assert!(!sandbox.at("mine").exists(), "half of them would be there");
    fs::remove_dir_all(&packs).unwrap();
    fs::rename(&aside, &packs).unwrap();
    sandbox
        .run_line("op restore latest --into mine --yes")
        .expect(0);
    assert_eq!(
        sandbox.read("mine/tasks/T01/model.bin"),
        noise("mine", 400_000)
    );
}
