//! Hostile texts for parsers, in every file that a repository's author may write.

use std::fmt::Write as _;

use super::{BACK, SNAP, bounded, target, withstands};
use crate::support::Sandbox;

/// Returns hostile YAML texts; none of them is a configuration with a version.
fn yaml() -> Vec<(&'static str, Vec<u8>)> {
    let mut bomb = String::from("version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    let mut merges = String::from("version: 1\nb: &b {a: 1}\nc:\n");
    for nth in 1..10 {
        let _ = writeln!(
            bomb,
            "a{nth}: &a{nth} [{}]",
            vec![format!("*a{}", nth - 1); 10].join(", ")
        );
    }
    for nth in 0..20_000 {
        let _ = writeln!(merges, "  k{nth}: {{<<: *b}}");
    }
    let deep = |open: &str, close: &str, n: usize| {
        format!("version: 1\na: {}{}\n", open.repeat(n), close.repeat(n)).into_bytes()
    };
    let large = vec![
        ("an alias bomb", bomb.into_bytes()),
        ("twenty thousand merge keys", merges.into_bytes()),
        ("an alias of itself", b"version: 1\na: &a [*a]\n".to_vec()),
        ("lists 10,000 deep", deep("[", "]", 10_000)),
        ("lists 100,000 deep, open", deep("[", "", 100_000)),
        ("maps 10,000 deep", deep("{a: ", "}", 10_000)),
        (
            "blocks 5,000 deep",
            (0..5_000)
                .fold(String::new(), |text, n| {
                    format!("{text}{}a:\n", " ".repeat(n % 900))
                })
                .into_bytes(),
        ),
        (
            "sequences 100,000 deep",
            [&b"a:\n"[..], &b"- ".repeat(100_000)].concat(),
        ),
        (
            "a scalar of 50 MB",
            [&b"version: 1\na: "[..], &vec![b'x'; 50 << 20]].concat(),
        ),
    ];
    let small = SMALL_YAML.iter().map(|(what, text)| (*what, text.to_vec()));
    large.into_iter().chain(small).collect()
}

/// The shortest hostile YAML texts.
const SMALL_YAML: &[(&str, &[u8])] = &[
    ("the same key twice", b"version: 1\nversion: 2\n"),
    (
        "a tag that makes objects",
        b"version: !!python/object/apply:os.system [touch pwned]\n",
    ),
    ("two documents", b"version: 1\n---\nversion: 2\n"),
    ("not UTF-8", b"version: \xff\xfe1.0.0\n"),
    ("UTF-16", b"\xff\xfev\0e\0r\0"),
    ("NUL", b"version: 1.0.0\0\n"),
    ("a tab for a space", b"version:\n\t- 1.0.0\n"),
    ("a number for a version", b"version: 1.10\n"),
    (
        "a huge number",
        b"version: 99999999999999999999999999999999999999\n",
    ),
    ("not a number", b"version: .nan\n"),
    ("infinity", b"version: -.inf\n"),
    ("no", b"version: no\n"),
    ("a date", b"version: 2026-02-24\n"),
    (
        "a version out of range",
        b"version: 99999999999999999999.0.0\n",
    ),
    ("a list", b"version: [1.0.0]\n"),
    ("a map", b"version: {a: 1}\n"),
    ("a command", b"version: $(touch pwned)\n"),
    ("an escape", b"version: \"\\e[2J\\u202e\"\n"),
    ("a quote that does not end", b"version: \"1.0.0\n"),
    ("only an anchor", b"version: &a\n"),
    ("a complex key", b"? [version]\n: 1.0.0\n"),
    ("a directive", b"%YAML 9.9\n---\nversion: 1\n"),
    ("nothing", b""),
    ("a scalar", b"7\n"),
];

/// Returns hostile JSON texts.
fn json() -> Vec<(&'static str, Vec<u8>)> {
    let task = |entry: &str| format!("{{\"tasks\": {{\"T01\": {entry}}}}}").into_bytes();
    vec![
        ("lists 10,000 deep", [b"[".repeat(10_000), b"]".repeat(10_000)].concat()),
        ("lists 1,000,000 deep, open", b"[".repeat(1_000_000)),
        ("maps 10,000 deep", ["{\"a\":".repeat(10_000), "1".into(), "}".repeat(10_000)].concat().into_bytes()),
        ("an entry 10,000 deep", task(&format!("{{\"version\": \"1.1.0\", \"x\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000)))),
        ("17 MB", [&b"{\"tasks\": {\"T01\": {\"version\": \"1.1.0\", \"x\": \""[..], &vec![b'x'; 17 << 20], b"\"}}}"].concat()),
        ("the same task twice", b"{\"tasks\": {\"T01\": {\"version\": \"1.1.0\"}, \"T01\": {\"version\": \"1.0.0\"}}}".to_vec()),
        ("the same key twice", task("{\"version\": \"1.1.0\", \"version\": \"1.0.0\"}")),
        ("the same key, escaped", task("{\"version\": \"1.1.0\", \"v\\u0065rsion\": \"1.0.0\"}")),
        ("a number", task("{\"version\": 1.1}")),
        ("a huge number", task("{\"version\": 1e999999}")),
        ("not a number", task("{\"version\": NaN}")),
        ("a list", task("{\"version\": [\"1.1.0\"]}")),
        ("a lone surrogate", task("{\"version\": \"\\ud800\"}")),
        ("a NUL", task("{\"version\": \"1.1.0\\u0000\"}")),
        ("a raw NUL", task("{\"version\": \"1.1.0\0\"}")),
        ("not UTF-8", b"{\"tasks\": {\"T01\": {\"version\": \"\xff\"}}}".to_vec()),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
        ("no end", b"{\"tasks\": {\"T01\": {\"version\": \"1.1.0\"".to_vec()),
        ("more after the end", b"{\"tasks\": {}} {\"tasks\": {}}".to_vec()),
        ("a command", task("{\"version\": \"$(touch pwned)\"}")),
        ("an escape", task("{\"version\": \"\\u001b[2J\\u202e\"}")),
        ("a path for a task", b"{\"tasks\": {\"../T01\": {\"version\": \"1.1.0\"}, \"T01\": {\"version\": \"1.1.0\"}}}".to_vec()),
        ("nothing", Vec::new()),
        ("a scalar", b"7".to_vec()),
    ]
}

/// Asserts that each command works, or says what is wrong and changes nothing.
fn judge(sandbox: &Sandbox, what: &str) {
    println!("--- {what}");
    for command in [&["status"][..], SNAP, BACK] {
        let ran = withstands(sandbox, &[0, 2, 3, 4, 6, 7, 8], command, &[]);
        let raw = |c: char| c.is_control() && !c.is_whitespace() || c == '\u{202e}';
        assert!(
            !ran.stdout.contains(raw) && !ran.stderr.contains(raw),
            "{what}: {ran:?}"
        );
    }
}

#[test]
fn configurations_of_a_task() {
    let origin = target();
    for (what, text) in yaml() {
        let sandbox = origin.copy();
        sandbox.write("tasks/T01/config.yaml", &text);
        // A task without a version must never be released.
        let ran = bounded(&sandbox, &["create-snapshot", "-t", "T01", "--yes"]);
        assert!([2, 4, 6, 7, 8].contains(&ran.code), "{what}: {ran:?}");
        judge(&sandbox, what);
    }
}

#[test]
fn settings() {
    let origin = target();
    for (what, text) in yaml() {
        let sandbox = origin.copy();
        sandbox.write("snapback.yaml", &text);
        judge(&sandbox, what);
    }
}

#[test]
fn registries() {
    let origin = target();
    for (what, text) in json() {
        let sandbox = origin.copy();
        sandbox.write("task_registry.json", &text);
        judge(&sandbox, what);
        sandbox.git(&["commit", "-qam", "hostile"]).expect(0);
        judge(&sandbox, what);
    }
}

#[test]
fn manifests_and_lock_files_and_attributes() {
    let origin = target();
    for (what, text) in yaml().into_iter().chain(json()) {
        let sandbox = origin.copy();
        for name in [
            "snapshots/snapshot-T01-v1.0.0.yaml",
            "tasks/T01/pnpm-lock.yaml",
            "tasks/T01/package-lock.json",
            "tasks/T01/.gitattributes",
        ] {
            sandbox.write(name, &text);
        }
        for name in [
            "tasks/T01/uv.lock",
            "tasks/T01/Cargo.lock",
            "tasks/T01/requirements.txt",
            "tasks/T01/.gitignore",
        ] {
            sandbox.write(name, &text);
        }
        judge(&sandbox, what);
    }
}

#[test]
fn odd_but_honest_forms_work() {
    for (what, config) in [
        ("a byte order mark", "\u{feff}version: 1.1.0\n".to_string()),
        (
            "Windows line ends",
            "# x\r\nversion: 1.1.0\r\nname: x\r\n".into(),
        ),
        ("tabs after values", "version: 1.1.0\t# x\nname: x\n".into()),
        ("no line end", "version: 1.1.0".into()),
        ("quotes", "\"version\": '1.1.0'\n".into()),
        ("an anchor", "version: &v 1.1.0\nother: *v\n".into()),
    ] {
        let sandbox = target();
        sandbox.write("tasks/T01/config.yaml", config.as_bytes());
        println!("--- {what}");
        withstands(&sandbox, &[0, 4, 6], SNAP, &[]);
        withstands(&sandbox, &[0], BACK, &[]);
    }
}
