//! A repository's own git configuration, hooks and attributes run nothing through snapback except
//! what the user's own git would run for a release, which is listed here, name by name.

use std::fs;

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
    story::set_version,
};

/// Git settings that name a program, each with a canary of its own name.
const PROGRAMS: [&str; 20] = [
    "core.fsmonitor",
    "core.pager",
    "pager.status",
    "core.editor",
    "sequence.editor",
    "core.sshCommand",
    "core.gitProxy",
    "core.askPass",
    "core.alternateRefsCommand",
    "credential.helper",
    "diff.external",
    "diff.evil.textconv",
    "diff.evil.command",
    "merge.evil.driver",
    "gpg.program",
    "gpg.ssh.program",
    "uploadpack.packObjectsHook",
    "alias.status",
    "alias.commit",
    "web.browser",
];

/// Hooks, each with a canary of its own name.
const HOOKS: [&str; 14] = [
    "applypatch-msg",
    "commit-msg",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-rewrite",
    "pre-auto-gc",
    "pre-commit",
    "pre-push",
    "pre-rebase",
    "prepare-commit-msg",
    "push-to-checkout",
    "reference-transaction",
];

/// Creates a command that leaves its name behind, and passes its input on as a filter would.
fn canary(sandbox: &Sandbox, name: &str) -> String {
    let path = sandbox.home().join("canary").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(
        &path,
        format!("#!/bin/sh\necho {name} >>\"$HOME/seen\"\ncat\n"),
    )
    .unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_string()
}

/// Creates a branch with a commit that claims to be signed.
fn signed_commit(sandbox: &Sandbox) {
    let tree = sandbox.git_out(&["rev-parse", "HEAD^{tree}"]);
    let signed = format!(
        "tree {tree}\nauthor A <a@b.c> 1 +0000\ncommitter A <a@b.c> 1 +0000\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\nsigned\n"
    );
    fs::write(sandbox.home().join("signed"), signed).unwrap();
    let signed = sandbox.git_out(&[
        "hash-object",
        "-w",
        "-t",
        "commit",
        sandbox.home().join("signed").to_str().unwrap(),
    ]);
    sandbox.git(&["branch", "signed", &signed]).expect(0);
}

/// Creates hooks that are canaries, in git's folder and in the configured one.
fn canary_hooks(sandbox: &Sandbox) {
    for hook in HOOKS {
        let from = canary(sandbox, &format!("hook.{hook}"));
        let to = sandbox.home().join("hooks").join(hook);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&from, &to).unwrap();
        fs::create_dir_all(sandbox.at(".git/hooks")).unwrap();
        fs::copy(&from, sandbox.at(".git/hooks").join(hook)).unwrap();
    }
}

/// Creates a released task, and then a git configuration full of canaries.
fn hostile() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    sandbox.write(
        ".gitattributes",
        b"*.evil diff=evil merge=evil filter=evil\n*.long filter=long\n",
    );
    sandbox.git(&["add", ".gitattributes"]).expect(0);
    sandbox.git(&["commit", "-qm", "attributes"]).expect(0);
    signed_commit(&sandbox);
    let mut config = vec![String::from("[log]\n\tshowSignature = true\n")];
    for name in PROGRAMS {
        let (section, key) = name.rsplit_once('.').unwrap();
        let section = section
            .split_once('.')
            .map_or(section.to_string(), |(a, b)| format!("{a} \"{b}\""));
        let program = canary(&sandbox, name);
        let program = if name.starts_with("alias.") {
            format!("!{program}")
        } else {
            program
        };
        config.push(format!("[{section}]\n\t{key} = \"{program}\"\n"));
    }
    for filter in ["clean", "smudge"] {
        config.push(format!(
            "[filter \"evil\"]\n\t{filter} = \"{}\"\n",
            canary(&sandbox, &format!("filter.{filter}"))
        ));
    }
    config.push(format!(
        "[filter \"long\"]\n\tprocess = \"{}\"\n",
        canary(&sandbox, "filter.process")
    ));
    let included = sandbox.home().join("included");
    fs::write(
        &included,
        format!(
            "[core]\n\thooksPath = \"{}\"\n",
            sandbox.home().join("hooks").display()
        ),
    )
    .unwrap();
    config.push(format!("[include]\n\tpath = \"{}\"\n", included.display()));
    canary_hooks(&sandbox);
    let mut text = fs::read_to_string(sandbox.at(".git/config")).unwrap();
    text += &config.concat();
    fs::write(sandbox.at(".git/config"), text).unwrap();
    let _ = fs::remove_file(sandbox.home().join("seen"));
    sandbox
}

/// Returns the canaries that ran since the last call, once each.
fn seen(sandbox: &Sandbox) -> Vec<String> {
    let path = sandbox.home().join("seen");
    let mut names: Vec<String> = fs::read_to_string(&path)
        .unwrap_or_default()
        .lines()
        .map(String::from)
        .collect();
    let _ = fs::remove_file(path);
    names.sort();
    names.dedup();
    names
}

/// Every command, for a repository whose configuration is hostile.
const LINES: [&str; 32] = [
    "trust --list",
    "doctor",
    "init --dry-run",
    "status",
    "list -t T01",
    "history",
    "show -t T01 1.0.0",
    "diff -t T01 1.0.0",
    "diff -t T01 1.0.0..1.1.0",
    "preview -t T01 1.0.0 --cat tasks/T01/config.yaml",
    "preview -t T01 1.0.0 --into ../home/preview",
    "preview -t T01 1.0.0 --run true",
    "verify-snapshot --all --deep",
    "verify-rollback -t T01",
    "rollback -t T01 --to 1.0.0 --dry-run",
    "rollback -t T01 --to 1.0.0 --yes",
    "op list",
    "undo --yes",
    "redo --yes",
    "disaster-recovery -t T01 --target-version 1.1.0",
    "mark good 1.0.0 -t T01 -m reason",
    "hold 1.0.0 -t T01",
    "pin 1.0.0 -t T01",
    "adopt --all --dry-run",
    "registry sync --dry-run",
    "store stats",
    "store check",
    "store gc",
    "store put tasks/T02 --name kept",
    "store list",
    "create-snapshot -t T01 --version 2.0.0 --no-verify --yes",
    "create-snapshot -t T02 --version 2.0.0 --no-verify --yes --push",
];

#[test]
fn the_canaries_do_sing() {
    // git itself runs them; if it did not, the other tests would prove nothing.
    let sandbox = hostile();
    sandbox.write("tasks/T01/x.evil", b"x\n");
    sandbox.git(&["status"]);
    sandbox.git(&["add", "tasks/T01/x.evil"]);
    sandbox.git(&["diff"]);
    sandbox.git(&["log", "--all"]);
    sandbox.git(&["commit", "-qm", "x"]);
    let seen = seen(&sandbox);
    for name in [
        "core.fsmonitor",
        "gpg.program",
        "filter.clean",
        "hook.pre-commit",
        "hook.reference-transaction",
    ] {
        assert!(
            seen.iter().any(|one| one == name),
            "{name} is not in {seen:?}"
        );
    }
}

#[test]
fn no_command_runs_a_program_of_the_repositorys_configuration() {
    let sandbox = hostile();
    for line in LINES {
        let ran = sandbox.snapback(&line.split(' ').collect::<Vec<_>>());
        assert!(
            ran.code == 0 || line.contains("push") || ran.code == 6,
            "{line}: {ran:?}"
        );
        assert_eq!(seen(&sandbox), Vec::<String>::new(), "{line}");
    }
}

#[test]
fn a_release_runs_the_hook_and_the_filters_that_git_would_run_and_nothing_else() {
    let sandbox = hostile();
    sandbox.write("tasks/T01/signal.py", b"# 1.2.0\n");
    set_version(&sandbox, "1.2.0");
    sandbox.snapback(&["create-snapshot", "-t", "T01", "--yes"]);
    let names = seen(&sandbox);
    // `git hook run` reads the index, so git may tell the user's file system monitor.
    let allowed = [
        "hook.pre-commit",
        "core.fsmonitor",
        "hook.post-index-change",
    ];
    assert!(names.contains(&"hook.pre-commit".to_string()), "{names:?}");
    assert_eq!(
        names
            .iter()
            .filter(|name| !allowed.contains(&name.as_str()))
            .collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    sandbox.write("tasks/T01/x.evil", b"x\n");
    set_version(&sandbox, "1.3.0");
    sandbox.snapback(&["create-snapshot", "-t", "T01", "--no-verify", "--yes"]);
    assert_eq!(
        seen(&sandbox)
            .iter()
            .filter(|name| !name.starts_with("filter."))
            .collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[test]
fn commands_see_no_variables_that_lead_git_elsewhere_and_recursion_ends() {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    let program = snapback_program();
    let script = format!(
        "env | grep -E '^(GIT_(DIR|INDEX_FILE|WORK_TREE|OBJECT_DIRECTORY|CONFIG_PARAMETERS)|SNAPBACK_TRUST)=' >>\"$HOME/seen\"; echo depth $SNAPBACK_HOOK_DEPTH >>\"$HOME/seen\"; {program} rollback -t T01 --to 1.0.0 --yes 2>>\"$HOME/said\"; true"
    );
    sandbox.write("snapback.yaml", format!("version: 1\ndefaults: {{large_files: {{patterns: [\"*.bin\"]}}}}\ntasks:\n  T01:\n    verify:\n      - run: |\n          {script}\n").as_bytes());
    let mut command = sandbox.command(program);
    let git = sandbox.at(".git");
    command
        .env("GIT_DIR", &git)
        .env("GIT_WORK_TREE", sandbox.root())
        .env("GIT_INDEX_FILE", git.join("index"))
        .env("SNAPBACK_TRUST", "sha256:x");
    let ran = finish(command.args(["verify-rollback", "-t", "T01"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        fs::read_to_string(sandbox.home().join("seen")).unwrap(),
        "depth 1\n"
    );
    assert!(
        fs::read_to_string(sandbox.home().join("said"))
            .unwrap()
            .contains("inside a hook")
    );
}

/// Asserts that the output of a command makes a terminal do nothing.
fn assert_harmless(ran: &Ran) {
    for (stream, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        let harmful = |c: &char| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{202e}' | '\u{2066}' | '\u{fffd}')
        };
        let at = text.chars().find(harmful);
        assert_eq!(at, None, "{stream}: {text:?}");
    }
}

#[test]
fn nothing_of_strangers_reaches_the_terminal_as_it_is() {
    let sandbox = Sandbox::new(2);
    // Escape sequences, a link, the clipboard, carriage return, reading direction, a C1 control.
    let evil = "a\u{1b}[2Jb\u{1b}]8;;http://x\u{1b}\\c\u{1b}]52;c;eA==\u{7}d\re\u{202e}f\u{9b}31mg\u{2066}h";
    sandbox.write(&format!("tasks/T01/{evil}.py"), b"x = 1\n");
    sandbox.write("snapback.yaml", format!("version: 1\ndefaults: {{large_files: {{patterns: [\"*.bin\"]}}}}\ntasks:\n  T01:\n    title: {}\n    verify: [{{run: {}}}]\n    ready: [{{run: {}}}]\n", serde_json::json!(evil), serde_json::json!(format!("printf '{evil}'; : '{evil}'")), serde_json::json!(format!("printf '{evil}'; exit 1 # {evil}"))).as_bytes());
    sandbox.git(&["config", "user.name", evil]).expect(0);
    let snapback = |args: &[&str]| {
        let mut command = sandbox.command(snapback_program());
        command
            .env("GIT_AUTHOR_NAME", evil)
            .env("GIT_COMMITTER_NAME", evil);
        finish(command.args(args))
    };
    let mut texts = vec![snapback(&[
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.0.0",
        "-m",
        evil,
        "--yes",
        "-v",
    ])];
    sandbox.write(
        &format!("tasks/T01/{evil}.py"),
        format!("# {evil}\n").as_bytes(),
    );
    sandbox.write(
        "tasks/T01/config.yaml",
        format!("version: 1.1.0\nname: {}\n", serde_json::json!(evil)).as_bytes(),
    );
    sandbox
        .git(&["tag", "-a", "-m", evil, "T02-v9.0.0"])
        .expect(0);
    texts.push(snapback(&[
        "create-snapshot",
        "-t",
        "T01",
        "-m",
        evil,
        "--yes",
        "-v",
    ]));
    sandbox.write(&format!("tasks/T01/{evil}2.py"), b"x\n");
    for line in LINES.iter().chain(&[
        "rollback -t T01 --to 1.0.0 --yes -v --on-verify-fail keep",
        "undo --yes -v",
        "trust",
        "op list",
    ]) {
        let line = line.replace("../home/preview", "../home/evil");
        texts.push(snapback(&line.split(' ').collect::<Vec<_>>()));
    }
    for args in [
        ["show", "-t", "T01", evil],
        ["rollback", "-t", evil, "--yes"],
        ["op", "show", evil, "-v"],
        ["diff", "-t", "T01", "1.0.0..1.1.0"],
    ] {
        texts.push(snapback(&args));
    }
    for ran in texts {
        assert_harmless(&ran);
    }
}
