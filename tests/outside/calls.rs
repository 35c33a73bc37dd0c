//! How many system calls on files a changed file costs, counted by strace. What a command costs
//! whatever it changes falls out: two sizes are compared.

use std::time::Duration;

use super::traced;
use crate::support::{Sandbox, sandbox::have};

/// The calls on files and folders; all others are about memory and threads.
const CALLS: &str = "openat,openat2,close,read,pread64,write,pwrite64,lseek,statx,newfstatat,fstat,\
    fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,fchmod,fchown,fchownat,\
    utimensat,getdents64,mkdirat,readlinkat";

/// Changed files of the two sizes.
const SIZES: [u32; 2] = [40, 240];

/// Returns a repository in whose task a release changed this many files.
fn changed(files: u32) -> Sandbox {
    let sandbox = Sandbox::empty().with_tasks(1);
    for version in ["1.0.0", "1.1.0"] {
        for n in 0..files {
            let path = format!("tasks/T01/d{}/f{n}", n % 4);
            sandbox.write(&path, format!("{n} of {version}").as_bytes());
        }
        sandbox.commit("files");
        sandbox.release("T01", version);
    }
    sandbox
}

/// Returns the number of system calls on files that a command makes. The index is older than a
/// second by then, and newer than the files: git would not read them either.
fn calls(sandbox: &Sandbox, argv: &[&str]) -> u32 {
    std::thread::sleep(Duration::from_millis(1_100));
    sandbox.git(&["status"]);
    let table = traced(
        sandbox,
        &["-f", "-qq", "-c", "-e", &format!("trace={CALLS}")],
        argv,
    );
    let count = |line: &str| -> Option<u32> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let count = words.get(3)?.parse().ok()?;
        (words.last() != Some(&"total")).then_some(count)
    };
    table.lines().filter_map(count).sum()
}

#[test]
fn a_changed_file_costs_few_calls() {
    if !have("strace") {
        println!("SKIPPED: strace is not installed");
        return;
    }
    let sandboxes = SIZES.map(changed);
    for (most, argv) in [
        (65, &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"][..]),
        (80, &["undo", "--yes"]),
    ] {
        let [few, many] = [&sandboxes[0], &sandboxes[1]].map(|sandbox| calls(sandbox, argv));
        let each = f64::from(many - few) / f64::from(SIZES[1] - SIZES[0]);
        println!(
            "{}: {few} and {many} calls, {each:.1} a changed file",
            argv[0]
        );
        assert!(
            each <= f64::from(most),
            "{argv:?}: {each:.1}, at most {most}"
        );
    }
}
