//! Tasks whose folder is missing, together with the registry: their releases exist, so they are
//! still tasks.

use crate::support::Sandbox;

#[test]
fn a_task_is_known_by_its_releases_when_nothing_else_is_left_of_it() {
    for commit in [false, true] {
        for gone in [
            &["tasks/T01", "task_registry.json"][..],
            &["tasks", "task_registry.json"],
        ] {
            let sandbox = Sandbox::new(2);
            sandbox.release("T02", "1.0.0");
            sandbox.release("T01", "1.0.0");
            let signal = sandbox.read("tasks/T01/signal.py");
            sandbox.write("tasks/T01/signal.py", b"other\n");
            sandbox.release("T01", "1.1.0");
            sandbox.git(&[&["rm", "-rq"][..], gone].concat()).expect(0);
            if commit {
                sandbox.git(&["commit", "-qm", "gone"]).expect(0);
            }
            println!("{gone:?}, committed: {commit}");
            let status = sandbox.snapback(&["status"]);
            assert!(
                status.stderr.contains("T01 has lost its folder"),
                "{status:?}"
            );
            assert!(
                status.stdout.contains("T01") && !status.stdout.contains("all as released"),
                "{status:?}"
            );
            let nagios = sandbox.snapback(&["health", "--nagios"]);
            assert!(
                nagios.code != 0 && !nagios.stdout.contains("OK"),
                "{nagios:?}"
            );
            assert_ne!(sandbox.snapback(&["health"]).code, 0);
            let all = sandbox
                .snapback(&["verify-snapshot", "--all"])
                .expect(0)
                .stdout;
            assert!(all.contains("T01") && all.contains("1.1.0"), "{all}");
            sandbox
                .snapback(&[
                    "preview",
                    "-t",
                    "T01",
                    "1.0.0",
                    "--cat",
                    "tasks/T01/signal.py",
                ])
                .expect(0);
            sandbox
                .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
                .expect(0);
            assert_eq!(sandbox.read("tasks/T01/signal.py"), signal);
            assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.0.0"));
        }
    }
}

#[test]
fn tags_of_others_make_no_tasks() {
    let sandbox = Sandbox::new(1);
    sandbox.git(&["tag", "gone-v1.0.0"]).expect(0);
    sandbox
        .git(&["tag", "-a", "-m", "gone 2", "gone-v2.0.0"])
        .expect(0);
    let status = sandbox.snapback(&["status"]).expect(0);
    assert!(
        !status.stderr.contains("gone") && !status.stdout.contains("gone"),
        "{status:?}"
    );
}
