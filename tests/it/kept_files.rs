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

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_journal_that_was_cut_short_costs_nobody_a_byte() {
    use crate::support::{
        killer::{self, Mode},
        operations::{FOLDER, repository},
        sandbox::snapback_program,
        sweep::target,
    };

    let base = repository().unwrap();
    let argv = ["rollback", "-t", "T01", "--to", "1.0.0", "--yes"];
    let program = std::path::Path::new(snapback_program());
    let target = |sandbox: &Sandbox| target(program, sandbox, &argv);
    let mine = base.read("tasks/T01/run.sh");
    let calls = killer::count(&target(&base.copy())).unwrap();
    let mut moved = 0;
    for percent in (40..80).step_by(2) {
        let sandbox = base.copy();
        killer::run(&target(&sandbox), Mode::Kill, calls * percent / 100).unwrap();
        let Some(journal) = newest_journal(&sandbox) else {
            continue;
        };
        let bytes = std::fs::read(&journal).unwrap();
        std::fs::write(&journal, &bytes[..bytes.len() - 1]).unwrap();
        sandbox.snapback(&["op", "abort", "--yes"]);
        sandbox.snapback(&["store", "gc", "--yes"]);
        let aside = sandbox.at(".git/snapback/aside");
        let copies = std::fs::read_dir(aside).into_iter().flatten();
        let copies: Vec<_> = copies
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        moved += copies.len();
        let there = std::fs::read(sandbox.at(FOLDER).join("run.sh")).unwrap_or_default();
        let kept = sandbox.snapback(&["op", "kept", "--json"]).stdout;
        assert!(
            there == mine || copies.contains(&mine) || kept.contains("run.sh"),
            "{percent} %"
        );
    }
    assert!(moved > 0, "no journal was cut short at the right moment");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn newest_journal(sandbox: &Sandbox) -> Option<std::path::PathBuf> {
    let listing = std::fs::read_dir(sandbox.at(".git/snapback/ops")).unwrap();
    let journals = listing.map(|entry| entry.unwrap().path().join("journal.jsonl"));
    journals.filter(|journal| journal.exists()).max()
}
