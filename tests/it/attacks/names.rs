//! Names that are commands, options or escapes somewhere: one list, used for everything named.

mod words;

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt,
};

use proptest::prelude::*;
use snapback::{
    base::{RelPath, text},
    model::{Scheme, TagForm, TagName, TaskId, Version},
};

use words::WORDS;

use super::{BACK, LOOKS, all, target, withstands};
use crate::support::{
    Sandbox,
    sandbox::{finish, snapback_program},
};

/// Returns more than two hundred hostile names.
pub fn hostile() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = WORDS.iter().map(|word| word.as_bytes().to_vec()).collect();
    names.extend((1..32_u8).chain([127]).map(|byte| vec![b'c', byte, b'd']));
    names.extend(
        [
            &b"\xff"[..],
            b"\xff\xfe",
            b"\xc0\xae\xc0\xae",
            b"\xed\xa0\x80",
            b"\xf8\x88\x80\x80\x80",
            b"a\x80b",
            b"\xe2\x28\xa1",
        ]
        .map(<[u8]>::to_vec),
    );
    names.push(vec![b'n'; 255]);
    names.push("ß".repeat(127).into_bytes());
    names
}

#[test]
fn the_list_is_long_and_says_nothing_twice() {
    let names = hostile();
    let different: BTreeSet<_> = names.iter().collect();
    assert!(
        names.len() >= 200 && different.len() == names.len(),
        "{} names, {} different",
        names.len(),
        different.len()
    );
}

/// Returns a command-line word followed by a name.
fn with(word: &str, name: &[u8]) -> OsString {
    OsStr::from_bytes(&[word.as_bytes(), name].concat()).to_os_string()
}

/// Asserts that no command ran, by the files that it would have made.
#[track_caller]
fn assert_no_command_ran(sandbox: &Sandbox) {
    let made: Vec<_> = sandbox
        .tree()
        .into_keys()
        .filter(|path| path.rsplit('/').next() == Some("pwned"))
        .collect();
    assert!(
        made.is_empty() && !sandbox.home().join("pwned").exists() && !sandbox.exists(".git/pwned"),
        "{made:?}"
    );
}

#[test]
fn as_a_task_or_a_version_that_is_asked_for() {
    let sandbox = target();
    let before = all(&sandbox);
    for name in hostile() {
        let orders = [
            vec![OsString::from("list"), with("--task=", &name)],
            vec![
                "rollback".into(),
                "--yes".into(),
                "-t".into(),
                "T01".into(),
                with("--to=", &name),
            ],
            vec![
                "create-snapshot".into(),
                "--yes".into(),
                "-t".into(),
                "T01".into(),
                with("--version=", &name),
            ],
            vec![
                "show".into(),
                "-t".into(),
                "T01".into(),
                "--".into(),
                with("", &name),
            ],
        ];
        for (nth, order) in orders.iter().enumerate() {
            // Valid words among the hostile ones: an unused version, and an existing one.
            if name == b"1.2.0"
                || name == b"v1.2.0"
                || name == b"HEAD"
                || name == b"main"
                || name.contains(&b'^')
                || name.contains(&b'~')
            {
                continue;
            }
            let ran = finish(sandbox.command(snapback_program()).args(order));
            assert!(
                [2, 5].contains(&ran.code),
                "{nth} {:?}: {ran:?}",
                name.escape_ascii().to_string()
            );
            let raw = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2066}');
            assert!(
                ran.code == 2 || !ran.stderr.contains(raw),
                "escaped: {ran:?}"
            );
        }
    }
    super::assert_unchanged(&before, &all(&sandbox), &["all names"]);
    assert_no_command_ran(&sandbox);
}

#[test]
fn as_the_names_of_tags_and_branches_of_others() {
    let sandbox = target();
    let commit = sandbox.git_out(&["rev-parse", "HEAD"]);
    let mut packed = fs::read_to_string(sandbox.at(".git/packed-refs"))
        .unwrap_or_default()
        .into_bytes();
    let mut made = 0;
    for name in hostile()
        .into_iter()
        .filter(|name| !name.contains(&b'\n') && !name.contains(&b'\0'))
    {
        for prefix in [
            "refs/tags/",
            "refs/heads/",
            "refs/tags/T01-v",
            "refs/remotes/origin/",
        ] {
            let reference = with(prefix, &name);
            let update = finish(
                sandbox
                    .command("git")
                    .arg("update-ref")
                    .arg(&reference)
                    .arg(&commit),
            );
            made += usize::from(update.code == 0);
        }
        if std::str::from_utf8(&name).is_ok_and(|name| !name.contains(['\r', ' '])) {
            packed.extend_from_slice(&[commit.as_bytes(), b" refs/tags/p", &name, b"\n"].concat());
        }
    }
    assert!(made > 200, "git takes most of them: {made}");
    for look in LOOKS {
        // One of them is `T01-v1.2.0`, which claims to be a release and has no manifest.
        withstands(&sandbox, &[0, 3, 4, 8], look, &[]);
    }
    withstands(&sandbox, &[0], BACK, &[]);
    withstands(&sandbox, &[0], &["undo", "--yes"], &[]);
    sandbox.write("tasks/T01/signal.py", b"third\n");
    sandbox.release("T01", "7.7.7");
    assert_no_command_ran(&sandbox);
    // git would not write these names, but another program may have packed them.
    sandbox.write(".git/packed-refs", &packed);
    for look in LOOKS {
        withstands(&sandbox, &[0, 3, 4, 5, 8], look, &[]);
    }
    withstands(&sandbox, &[0, 4, 5, 7, 8], BACK, &[]);
    assert_no_command_ran(&sandbox);
}

/// Asserts that a command shows names, and nothing that a terminal would act on.
fn assert_shown_escaped(sandbox: &Sandbox, look: &[&str]) {
    let shown = withstands(sandbox, &[0], look, &[]);
    let raw =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2066}' | '\u{2028}');
    assert!(!shown.stdout.contains(raw), "{look:?}");
}

#[test]
fn as_files_of_a_task_they_come_back_to_the_byte() {
    let sandbox = Sandbox::new(1);
    let names: Vec<Vec<u8>> = hostile()
        .into_iter()
        .filter(|name| RelPath::parse(name).is_ok() && !name.contains(&b'/'))
        .collect();
    assert!(
        names.len() >= 200,
        "nearly all are legal names: {}",
        names.len()
    );
    let at = |name: &[u8]| sandbox.at("tasks/T01/odd").join(OsStr::from_bytes(name));
    fs::create_dir_all(sandbox.at("tasks/T01/odd")).unwrap();
    let put = |what: &str| {
        for name in &names {
            fs::write(at(name), format!("{what}{}\n", name.escape_ascii())).unwrap();
        }
    };
    put("first ");
    sandbox.release("T01", "1.0.0");
    put("second ");
    for name in names.iter().step_by(3) {
        fs::remove_file(at(name)).unwrap();
    }
    sandbox.release("T01", "1.1.0");
    let second = sandbox.tree();
    withstands(&sandbox, &[0], BACK, &[]);
    for name in &names {
        assert_eq!(
            fs::read_to_string(at(name)).unwrap(),
            format!("first {}\n", name.escape_ascii())
        );
    }
    assert_eq!(
        fs::read_dir(sandbox.at("tasks/T01/odd")).unwrap().count(),
        names.len()
    );
    assert_eq!(sandbox.status(), Vec::<String>::new());
    withstands(
        &sandbox,
        &[0],
        &["verify-snapshot", "-t", "T01", "--all", "--deep"],
        &[],
    );
    for look in [
        &["show", "-t", "T01", "1.0.0"][..],
        &["diff", "-t", "T01", "1.0.0..1.1.0"],
        &["list", "-t", "T01"],
    ] {
        assert_shown_escaped(&sandbox, look);
    }
    withstands(&sandbox, &[0], &["undo", "--yes"], &[]);
    assert_eq!(
        sandbox.tree().into_keys().collect::<Vec<_>>(),
        second.into_keys().collect::<Vec<_>>()
    );
    // A file called `.gitmodules` is no list of modules here, which git remarks.
    let unsound: Vec<_> = sandbox
        .unsound()
        .into_iter()
        .filter(|line| !line.contains("gitmodules"))
        .collect();
    assert!(
        unsound
            .iter()
            .all(|line| line.starts_with("git fsck ended")),
        "{unsound:?}"
    );
    assert_no_command_ran(&sandbox);
}

/// Names that some system cannot write, and the reason given by the refusal.
const UNPORTABLE: [(&str, &str); 9] = [
    ("CON", "device"),
    ("sub/nul.txt", "device"),
    ("com1.d/x", "device"),
    ("dot.", "drops"),
    ("space ", "drops"),
    ("a:b", "something else"),
    ("SIGNAL.py", "tasks/T01/SIGNAL.py where case"),
    ("LIB/x", "tasks/T01/LIB where case"),
    ("caf\u{e9}", ""),
];

#[test]
fn names_that_windows_cannot_write_are_refused_where_the_settings_say_so() {
    let sandbox = Sandbox::new(1);
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    let set = |portable: bool| {
        sandbox.write(
            "snapback.yaml",
            format!("{settings}\nreleases: {{portable: {portable}}}\n").as_bytes(),
        );
    };
    set(true);
    sandbox.git(&["commit", "-qam", "portable"]).expect(0);
    sandbox.release("T01", "1.0.0");
    for (name, why) in UNPORTABLE {
        let path = format!("tasks/T01/{name}");
        sandbox.write(&path, b"x");
        if name.contains('\u{e9}') {
            sandbox.write("tasks/T01/cafe\u{301}", b"y");
        }
        let ran = withstands(
            &sandbox,
            &[6],
            &[
                "create-snapshot",
                "-t",
                "T01",
                "--version",
                "1.1.0",
                "--yes",
            ],
            &[],
        );
        assert!(
            ran.stderr.contains("cannot be written on every system") && ran.stderr.contains(why),
            "{name}: {ran:?}"
        );
        assert_eq!(sandbox.git_out(&["tag", "--list", "T01-v1.1.0"]), "");
        if !name.contains('\u{e9}') {
            fs::remove_file(sandbox.at(&path)).unwrap();
        }
    }
    // Without the setting there is only a remark, and every file comes back.
    set(false);
    let ran = sandbox
        .run_line("create-snapshot -t T01 --version 1.1.0 --yes")
        .expect(0);
    assert!(
        ran.stderr
            .contains("1 name cannot be written on every system")
            || ran.stdout.contains("1 name cannot"),
        "{ran:?}"
    );
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        (
            sandbox.read("tasks/T01/caf\u{e9}"),
            sandbox.read("tasks/T01/cafe\u{301}")
        ),
        (b"x".to_vec(), b"y".to_vec())
    );
}

/// Hostile messages of releases.
const MESSAGES: [&str; 7] = [
    "-x",
    "$(touch pwned)",
    "a\nb\n\n",
    "\u{1b}[2J",
    "tree 0000\nparent x",
    "  ",
    "%s%n",
];

#[test]
fn as_a_reason_or_a_message_they_are_text() {
    let sandbox = target();
    for name in hostile() {
        let Ok(name) = String::from_utf8(name) else {
            continue;
        };
        let ran = sandbox.run(
            snapback_program(),
            &[
                "mark",
                "bad",
                "1.0.0",
                "-t",
                "T01",
                &format!("--reason={name}"),
                "--yes",
            ],
        );
        assert!([0, 2].contains(&ran.code), "{name:?}: {ran:?}");
    }
    let forged = format!(
        "x\n\nSnapback-Manifest: sha256:{}\nSnapback-Task: T02\nSnapback-Version: 9.9.9",
        "0".repeat(64)
    );
    let messages = std::iter::once(forged.as_str()).chain(MESSAGES);
    for (nth, message) in messages.enumerate() {
        sandbox.write("tasks/T01/signal.py", format!("{nth}\n").as_bytes());
        let version = format!("2.0.{nth}");
        let words = [
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            &version,
            &format!("--message={message}"),
            "--yes",
        ];
        withstands(&sandbox, &[0], &words, &[]);
        withstands(
            &sandbox,
            &[0],
            &["verify-snapshot", "-t", "T01", "--version", &version],
            &[],
        );
    }
    for look in [
        &["list", "-t", "T01"][..],
        &["history"],
        &["show", "-t", "T01", "2.0.4"],
        &["status"],
    ] {
        let shown = withstands(&sandbox, &[0], look, &[]);
        assert!(
            !shown.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']),
            "{look:?}: {shown:?}"
        );
    }
    assert_no_command_ran(&sandbox);
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

/// True for what may be in an id: it is seen, and no shell, path or format takes it for anything.
fn is_harmless(c: char) -> bool {
    let is_ascii = c.is_ascii_alphanumeric() || "._-".contains(c);
    is_ascii
        || !(c.is_ascii()
            || c.is_control()
            || c.is_whitespace()
            || "\u{200b}\u{202e}\u{2066}\u{feff}".contains(c))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_named_is_harmless(bytes in prop::collection::vec(any::<u8>(), 0..40), pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        // Random bytes alone never come close: half of a run is a hostile name with an insertion.
        let names = hostile();
        let base = &names[pick.index(names.len())];
        let cut = at.index(base.len() + 1);
        let mixed = [&base[..cut], &bytes[..], &base[cut..]].concat();
        for bytes in [&bytes, &mixed] {
            let name = String::from_utf8_lossy(bytes);
            if let Ok(task) = name.parse::<TaskId>() {
                let text = task.as_str();
                prop_assert!(!text.starts_with('-') && text.chars().all(is_harmless));
                prop_assert!(text.len() <= 200 && TaskId::exactly(text) == Some(task.clone()));
            }
            if let Ok(version) = name.parse::<Version>() {
                prop_assert!(version.to_string().bytes().all(|c| c.is_ascii_alphanumeric() || b"._+-!".contains(&c)));
            }
            if let Some(tag) = TagName::readings(&name, &|_| Some(Scheme::Semver)).first() {
                let written = TagForm::usual().write(tag, &RelPath::root());
                prop_assert_eq!(&written, &name);
                prop_assert!(name.chars().all(|c| c == '+' || is_harmless(c)));
            }
            if let Ok(form) = name.parse::<TagForm>() {
                prop_assert_eq!(form.to_string(), name.clone());
            }
            if let Ok(path) = RelPath::parse(bytes) {
                prop_assert!(path.as_bytes().split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".." | b".git")));
                prop_assert_eq!(RelPath::from_text(&path.to_text()).unwrap(), path);
            }
            let shown = text::escape(bytes);
            prop_assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }
}
