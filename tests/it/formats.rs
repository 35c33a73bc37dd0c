//! Configurations as people really write them, through the real program: a release changes only the
//! version, and a task without one is told how to add it.

use crate::support::Sandbox;

/// Creates T01 with this configuration, committed.
fn with_config(name: &str, text: &str, key: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("tasks/T01/main.py", b"print(1)\n");
    sandbox.write(&format!("tasks/T01/{name}"), text.as_bytes());
    let settings = format!(
        "version: 1\ntasks:\n  T01: {{path: tasks/T01, config: {name}, version_key: {key}}}\n"
    );
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox.commit("task");
    sandbox
}

#[test]
fn a_release_keeps_every_byte_but_the_version() {
    let jobs = (0..1_500)
        .map(|n| format!("  j{n}: *d\n"))
        .collect::<Vec<_>>()
        .concat();
    let many = format!("d: &d {{retries: 3}}\njobs:\n{jobs}version: 1.0.0\n");
    for (name, key, text) in [
        (
            "config.yaml",
            "version",
            "max_loss: .inf\nbase: -.inf\nx: .nan\ndata_commit: 61e9540\nwei: 115792089237316195423570985008687907853\nversion: 1.0.0 # v\n",
        ),
        (
            "config.yaml",
            "version",
            "a: 1\n---\nversion: 1.0.0\n---\nb: !x {<<: {c: 1}, <<: {d: 1}}\n...\n",
        ),
        ("config.yaml", "version", "version: 1.0.0\n---\n"),
        ("config.yaml", "version", &many),
        (
            "config.toml",
            "project.version",
            "[project]\nversion = \"1.0.0\"\nlimit = nan\nbig = 100000000000000000000\n",
        ),
        (
            "config.json",
            "version",
            "{\n  // why\n  \"version\": \"1.0.0\",\n  \"limit\": [NaN, -Infinity, 1e999,],\n}\n",
        ),
    ] {
        let sandbox = with_config(name, text, key);
        sandbox.release("T01", "1.1.0");
        let after =
            String::from_utf8(sandbox.read(&format!("tasks/T01/{name}"))).expect("it is text");
        assert_eq!(after, text.replace("1.0.0", "1.1.0"));
        sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(0);
    }
}

#[test]
fn two_documents_with_a_version_are_refused_and_nothing_changes() {
    let sandbox = with_config(
        "config.yaml",
        "version: 1.0.0\n---\nversion: 2.0.0\n",
        "version",
    );
    let before = sandbox.everything();
    let ran = sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.1.0",
            "-m",
            "x",
            "--yes",
        ])
        .expect(6);
    assert!(
        ran.stderr.contains("line 1")
            && ran.stderr.contains("line 3")
            && ran.stderr.contains("nothing was changed"),
        "{}",
        ran.stderr
    );
    assert_eq!(sandbox.everything(), before);
}

#[test]
fn hints_are_in_the_words_of_the_format_and_name_the_active_version() {
    for (name, key, text, wanted) in [
        (
            "config.toml",
            "project.version",
            "[project]\nname = 'x'\n",
            "`version = \"1.4.0\"` to it, below `[project]`",
        ),
        ("config.json", "version", "{}\n", "`\"version\": \"1.4.0\"`"),
        (
            "config.yaml",
            "task.version",
            "a: 1\n",
            "`version: 1.4.0` to it, below `task:`",
        ),
        (
            "config.toml",
            "project.version",
            "[project]\ndynamic = ['version']\n",
            "dynamic",
        ),
    ] {
        let sandbox = with_config(name, text, key);
        sandbox.write(
            "task_registry.json",
            b"{\"tasks\": {\"T01\": {\"version\": \"1.4.0\"}}}\n",
        );
        let ran = sandbox
            .snapback(&[
                "create-snapshot",
                "-t",
                "T01",
                "--version",
                "1.5.0",
                "-m",
                "x",
                "--yes",
            ])
            .expect(6);
        assert!(
            ran.stderr.contains(wanted) && !ran.stderr.contains("0.1.0"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn messages_in_another_encoding_are_read_as_git_log_reads_them() {
    for (encoding, bytes, text) in [
        ("GBK", &b"\xd6\xd0\xce\xc4"[..], "中文"),
        ("Shift_JIS", b"\x93\xfa\x96\x7b", "日本"),
        ("ISO-8859-1", b"caf\xe9", "café"),
        ("no-such", b"\xd6x", "\\xd6x"),
    ] {
        let sandbox = Sandbox::new(1);
        sandbox.release("T01", "1.0.0");
        sandbox.write("tasks/T01/signal.py", b"# new\n");
        sandbox.write("message", &[b"feat(T01): ", bytes, b"\n"].concat());
        sandbox
            .git(&[
                "-c",
                &format!("i18n.commitEncoding={encoding}"),
                "commit",
                "-q",
                "-F",
                "message",
                "--",
                "tasks",
            ])
            .expect(0);
        sandbox
            .snapback(&["create-snapshot", "-t", "T01", "--bump", "auto", "--yes"])
            .expect(0);
        let tag = sandbox.git_out(&["tag", "-l", "--format=%(contents)", "T01-v1.1.0"]);
        assert!(tag.contains(text), "{encoding}: {tag}");
    }
}
