//! What git ignores is in no release, also after a rollback to a version from before `init`, whose
//! rules would not ignore it.

use super::package_files::{repository, set_up};
use crate::support::Sandbox;

/// One project with two tags, set up after them; a secret and packages lie there, ignored.
fn set_up_later(rules: Option<&str>) -> Sandbox {
    let first = "{\"name\": \"app\", \"version\": \"1.0.0\"}\n";
    let sandbox = repository(&[("package.json", first)], &[]);
    if let Some(rules) = rules {
        sandbox.write(".gitignore", rules.as_bytes());
        sandbox.commit("rules");
    }
    sandbox.git(&["tag", "v1.0.0"]).expect(0);
    sandbox.write("package.json", first.replace("1.0.0", "1.1.0").as_bytes());
    sandbox.commit("1.1.0");
    sandbox.git(&["tag", "v1.1.0"]).expect(0);
    set_up(&sandbox);
    sandbox.write(".env", b"SECRET=hunter2\n");
    sandbox.write("node_modules/x.js", b"x\n");
    sandbox
}

#[test]
fn a_rollback_below_init_leaves_its_ignore_rules() {
    for rules in [None, Some("*.o\n")] {
        let sandbox = set_up_later(rules);
        let before = sandbox.read(".gitignore");
        let tree = sandbox.tree_outside("none");
        let plan = sandbox.run_line("rollback --to 1.0.0 --dry-run").expect(0);
        let kept = plan
            .stdout
            .lines()
            .find(|line| line.contains("2 protected ("));
        let kept = kept.unwrap_or_else(|| panic!("{plan:?}"));
        assert!(
            kept.contains(".gitignore") && kept.contains(".gitattributes"),
            "{kept}"
        );
        sandbox.run_line("rollback --to 1.0.0 --yes").expect(0);
        assert_eq!(sandbox.read(".gitignore"), before);
        assert_eq!(sandbox.git_out(&["status", "--porcelain"]), "");
        sandbox.run_line("verify-rollback").expect(0);
        let status = sandbox.run_line("status").expect(0);
        assert!(!status.stdout.contains(" file"), "no drift: {status:?}");
        sandbox.run_line("undo --yes").expect(0);
        assert_eq!(sandbox.tree_outside("none"), tree);
        sandbox.run_line("redo --yes").expect(0);
        sandbox
            .run_line("create-snapshot -m after --version 2.0.0 --yes")
            .expect(0);
        let files = sandbox.git_out(&["ls-files"]);
        assert!(
            !files.contains(".env") && !files.contains("node_modules"),
            "{files}"
        );
        let released = sandbox.git_out(&["ls-tree", "-r", "--name-only", "v2.0.0"]);
        assert!(released.contains(".gitignore"), "{released}");
    }
}

#[test]
fn ignore_rules_that_are_gone_come_back() {
    let sandbox = set_up_later(Some("*.o\n"));
    sandbox.git(&["rm", "-q", ".gitignore"]).expect(0);
    sandbox.git(&["commit", "-q", "-m", "without"]).expect(0);
    sandbox.run_line("rollback --to 1.0.0 --yes").expect(0);
    assert_eq!(sandbox.read(".gitignore"), b"*.o\n");
}

#[test]
fn a_secret_that_git_does_not_ignore_stops_a_release() {
    let sandbox = Sandbox::two_releases(1);
    for name in [".env", ".env.local"] {
        let path = format!("tasks/T01/{name}");
        sandbox.write(&path, b"SECRET=hunter2\n");
        let line = "create-snapshot -t T01 -m x --version 2.0.0 --yes";
        let ran = sandbox.run_line(line).expect(6);
        assert!(
            ran.stderr.contains(&path) && ran.stderr.contains("hint"),
            "{ran:?}"
        );
        assert_eq!(sandbox.git_out(&["tag", "--list", "T01-v2.0.0"]), "");
        std::fs::remove_file(sandbox.at(&path)).unwrap();
    }
    sandbox.write("tasks/T01/.env.example", b"SECRET=\n");
    sandbox.write("tasks/T01/.env", b"MODE=test\n");
    sandbox.git(&["add", "tasks/T01/.env"]).expect(0);
    sandbox.release("T01", "2.0.0");
    let files = sandbox.git_out(&["ls-tree", "-r", "--name-only", "T01-v2.0.0", "tasks"]);
    assert!(
        files.contains(".env.example") && files.contains(".env\n"),
        "{files}"
    );
}

#[test]
fn what_an_interrupted_operation_staged_is_not_seen_by_git() {
    let sandbox = set_up_later(None);
    sandbox.write(".snapback/000009-aaaaaaaa-1", b"staged\n");
    assert_eq!(sandbox.git_out(&["status", "--porcelain"]), "");
}
