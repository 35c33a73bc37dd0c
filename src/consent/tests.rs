//! Only agreed commands run, only in that repository, only from a private file.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::{
    base::{RelPath, Root},
    model::trust::CommandUse,
};

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("there is room");
        fs::create_dir_all(dir.path().join("repo/.git/snapback")).expect("it creates");
        Self { dir }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir
            .path()
            .canonicalize()
            .expect("it is there")
            .join(path)
    }

    fn trust(&self, home: &str, pins: Vec<Digest>) -> Consent {
        let state = Root::open(&self.at("repo/.git/snapback")).expect("it opens");
        let place = ConsentFolder {
            folder: Some(self.at(home).join("snapback/trust")),
            pins,
            ..ConsentFolder::default()
        };
        Consent::new(
            place,
            &self.at("repo/.git"),
            &self.at("repo"),
            Arc::new(state),
        )
    }

    fn file(&self) -> PathBuf {
        let mut files = fs::read_dir(self.at("home/snapback/trust")).expect("it lists");
        files
            .next()
            .expect("there is one")
            .expect("it lists")
            .path()
    }
}

fn command(run: &str) -> ConfiguredCommand {
    ConfiguredCommand {
        task: Some("T01".parse().expect("it is an id")),
        role: CommandUse::Smoke,
        run: run.into(),
        dir: RelPath::own("tasks/T01"),
        timeout_ms: 1000,
        config: "snapback.yaml".into(),
    }
}

#[test]
fn only_what_was_agreed_to_may_run_and_a_changed_command_is_asked_for_again() {
    let desk = Desk::new();
    let all = [command("a"), command("b")];
    let trust = desk.trust("home", Vec::new());
    assert!(!trust.permits(&all[0], &all));
    trust
        .agree(&all[..1], &all, Timestamp::UNIX_EPOCH)
        .expect("there is room");
    assert_eq!(
        trust
            .states_of(&all, &all)
            .iter()
            .map(|state| state.trusted)
            .collect::<Vec<_>>(),
        [true, false]
    );
    let fresh = desk.trust("home", Vec::new());
    assert!(fresh.permits(&all[0], &all) && !fresh.permits(&all[1], &all));
    assert_eq!(Error::NotTrusted(all[1..].to_vec()).kind().exit_code(), 6);
    // A command that was dropped needs consent again if `agree` was called in between.
    let now = [command("c")];
    fresh
        .agree(&now, &now, Timestamp::UNIX_EPOCH)
        .expect("there is room");
    assert!(!fresh.permits(&all[0], &all));
    assert!(fresh.revoke().expect("it is ours") && !fresh.revoke().expect("it is gone"));
    assert!(!fresh.permits(&now[0], &now));
}

#[test]
fn files_are_private_and_nobody_elses_are_believed() {
    let desk = Desk::new();
    let all = [command("a")];
    desk.trust("home", Vec::new())
        .agree(&all, &all, Timestamp::UNIX_EPOCH)
        .expect("there is room");
    let mode = |path: PathBuf| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(
        (mode(desk.at("home/snapback/trust")), mode(desk.file())),
        (0o700, 0o600)
    );
    assert_eq!(mode(desk.at("repo/.git/snapback/trust-mark")), 0o600);
    for (path, bad, good) in [
        (desk.file(), 0o622, 0o600),
        (desk.at("home/snapback/trust"), 0o770, 0o700),
    ] {
        let set = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        };
        set(bad);
        let trust = desk.trust("home", Vec::new());
        assert!(!trust.permits(&all[0], &all));
        assert_eq!(
            trust.trouble().map(|error| error.kind().exit_code()),
            Some(12)
        );
        set(good);
        assert!(desk.trust("home", Vec::new()).permits(&all[0], &all));
    }
}

#[test]
fn an_agreement_holds_for_one_repository_only() {
    let desk = Desk::new();
    let all = [command("a")];
    desk.trust("home", Vec::new())
        .agree(&all, &all, Timestamp::UNIX_EPOCH)
        .expect("there is room");
    // Another repository takes its place: its mark is missing or made up.
    let mark = desk.at("repo/.git/snapback/trust-mark");
    let kept = fs::read(&mark).expect("it is there");
    let put = |bytes: &[u8]| {
        use std::io::Write;
        fs::File::create(&mark)
            .and_then(|mut file| file.write_all(bytes))
            .expect("it writes");
    };
    put(Digest::of(b"made up").to_string().as_bytes());
    assert!(!desk.trust("home", Vec::new()).permits(&all[0], &all));
    put(&kept);
    assert!(desk.trust("home", Vec::new()).permits(&all[0], &all));
    // A damaged file is no agreement.
    let bytes = fs::read(desk.file()).expect("it reads");
    fs::File::create(desk.file())
        .and_then(|mut file| io::Write::write_all(&mut file, &bytes[..bytes.len() / 2]))
        .expect("it writes");
    assert!(!desk.trust("home", Vec::new()).permits(&all[0], &all));
}

#[test]
fn no_agreement_is_kept_where_it_could_be_cloned() {
    let desk = Desk::new();
    let all = [command("a")];
    let inside = desk.trust("repo/state", Vec::new());
    assert!(matches!(
        inside.agree(&all, &all, Timestamp::UNIX_EPOCH),
        Err(Error::PlaceInside(_))
    ));
    assert!(!desk.at("repo/state").exists());
    // An agreement that came with the clone does not count either.
    desk.trust("home", Vec::new())
        .agree(&all, &all, Timestamp::UNIX_EPOCH)
        .expect("there is room");
    assert!(
        crate::git::child::command("cp", desk.dir.path())
            .arg("-r")
            .arg(desk.at("home"))
            .arg(desk.at("repo/state"))
            .run()
            .expect("cp runs")
            .succeeded()
    );
    assert!(!desk.trust("repo/state", Vec::new()).permits(&all[0], &all));
    assert!(matches!(
        Consent {
            place: ConsentFolder::default(),
            ..inside
        }
        .agree(&all, &all, Timestamp::UNIX_EPOCH),
        Err(Error::NoPlace)
    ));
}

#[test]
fn the_environment_pins_a_whole_set_and_nothing_less() {
    let desk = Desk::new();
    let all = [command("a"), command("b")];
    let pins = |text: String| {
        ConsentFolder::of(|name| (name == "SNAPBACK_TRUST").then(|| text.clone().into())).pins
    };
    let pinned = desk.trust("home", pins(format!("{}, junk", digest_of_all(&all))));
    assert!(all.iter().all(|command| pinned.permits(command, &all)));
    assert!(
        !pinned.permits(&all[0], &all[..1]),
        "the configuration has other commands now"
    );
    assert!(!pinned.permits(&command("c"), &all), "it is none of them");
    for junk in ["all", "1", "yes", "*", ""] {
        assert!(pins(junk.into()).is_empty(), "{junk}");
    }
    let folder =
        |home: &str| ConsentFolder::of(|name| (name == "HOME").then(|| home.into())).folder;
    assert_eq!(
        folder("/h"),
        Some(PathBuf::from("/h/.local/state/snapback/trust"))
    );
    assert_eq!(folder("relative"), None);
}
