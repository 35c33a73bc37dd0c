//! A vault without a repository: operations over folders that the site names, run, undone and
//! recovered by the journal of repositories.

use std::{fs, path::Path, sync::Arc};

use jiff::Timestamp;
use snapback::{
    base::{Clock, Failure, Kind, RelPath, Root},
    journal::{RunEnd, Runner, history},
    model::{
        FileRecord, Location, OpId, Operation, PathChange, RootName,
        operation::{About, FileChanges, OPERATION_SCHEMA, OpKind, Person, Step},
    },
    site::{Site, Vault},
    steps::{self, files::notes},
};

/// Two folders, and a vault beside them.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub site: Site,
}

fn name(text: &str) -> RootName {
    RootName::parse(text).unwrap()
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["vault", "home", "plugins"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let site = open(dir.path());
        Self { dir, site }
    }

    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.dir.path().join(path), text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir.path().join(path)).unwrap_or_default()
    }

    /// Stores the bytes before and after, and returns the step that turns one into the other.
    pub fn change(&self, root: &str, path: &str, after: &str) -> Step {
        let before = fs::read(self.dir.path().join(root).join(path)).ok();
        let session = self.site.store.begin();
        let keep = |bytes: &[u8]| {
            let stored = session.put(&mut &bytes[..]).unwrap();
            FileRecord::with_bytes(RelPath::own(path), 0o644, bytes.to_vec())
                .kept_at(Location::Object(stored.id))
        };
        let change = PathChange {
            path: RelPath::own(path),
            before: before.as_deref().map(keep),
            after: Some(keep(after.as_bytes())),
        };
        drop(session.commit().unwrap());
        Step::Files(FileChanges {
            root: name(root),
            changes: vec![change],
        })
    }

    pub fn operation(&self, steps: Vec<Step>) -> Operation {
        let id: OpId = history::next_id(&*self.site.state).unwrap();
        let about = About {
            id,
            kind: OpKind::Restore,
            task: None,
            from: None,
            to: None,
            message: "a folder comes back".into(),
            who: Person {
                name: "Li Wei".into(),
                email: "li.wei@example.com".into(),
            },
            host: self.site.host.clone(),
            worktree: String::new(),
            at: self.site.clock.now(),
            unsigned: None,
            undoes: None,
            registry: None,
        };
        Operation {
            schema: OPERATION_SCHEMA.into(),
            about,
            on_verify_fail: snapback::model::settings::OnVerifyFail::default(),
            without_commands: false,
            steps,
        }
    }

    fn run(&self, operation: &Operation) -> Result<RunEnd, Failure> {
        let steps = steps::build_without_git(&self.site, operation)?;
        Runner::begin(&self.site.state, operation, steps)?.run()
    }
}

/// Opens the vault and names the folders.
fn open(dir: &Path) -> Site {
    let clock = Clock::Fixed(Timestamp::from_second(1_900_000_000).unwrap());
    let mut site = Site::new(Vault::init(dir.join("vault")).unwrap(), clock);
    for root in ["home", "plugins"] {
        let top = dir.join(root);
        let files = Arc::new(Root::open(&top).unwrap());
        site.roots = site.roots.with(name(root), files, &top);
    }
    site
}

#[test]
fn folders_without_git_are_changed_and_every_byte_is_kept() {
    let place = Place::new();
    place.write("home/agent.json", "old");
    let steps = vec![
        place.change("home", "agent.json", "new"),
        place.change("plugins", "a.wasm", "bytes"),
    ];
    // A foreign edit after the plan was made.
    place.write("home/agent.json", "theirs");
    let operation = place.operation(steps);
    assert!(matches!(place.run(&operation).unwrap(), RunEnd::Done));
    let now = (place.read("home/agent.json"), place.read("plugins/a.wasm"));
    assert_eq!(now, ("new".into(), "bytes".into()));
    let kept = notes(&*place.site.state, &operation.about.id).unwrap();
    assert_eq!((kept.len(), &kept[0].root), (1, &name("home")));
    let mut bytes = Vec::new();
    let object = kept[0].object.unwrap();
    place.site.store.read(&object, &mut bytes).unwrap();
    assert_eq!(bytes, b"theirs", "what they wrote is put aside");
    assert!(history::unfinished(&place.site.state).unwrap().is_none());
}

#[test]
fn an_operation_that_cannot_be_prepared_in_one_folder_changes_nothing_in_the_other() {
    let place = Place::new();
    place.write("home/agent.json", "old");
    let steps = vec![
        place.change("home", "agent.json", "new"),
        place.change("plugins", "a.wasm", "bytes"),
    ];
    fs::create_dir(place.dir.path().join("plugins/a.wasm")).unwrap();
    place.write("plugins/a.wasm/mine", "x");
    let failure = place.run(&place.operation(steps)).err().unwrap();
    assert_eq!(failure.kind(), Kind::Refused, "{failure}");
    assert!(history::unfinished(&place.site.state).unwrap().is_none());
    assert!(!place.dir.path().join("home/.snapback").exists());
    assert_eq!(place.read("home/agent.json"), "old");
    assert_eq!(place.read("plugins/a.wasm/mine"), "x");
}

#[test]
fn what_was_begun_and_interrupted_is_finished_from_the_plan_alone() {
    let place = Place::new();
    let operation = place.operation(vec![place.change("plugins", "b", "after")]);
    let steps = steps::build_without_git(&place.site, &operation).unwrap();
    drop(Runner::begin(&place.site.state, &operation, steps).unwrap());
    // Another process opens the same vault.
    let site = open(place.dir.path());
    let found = history::unfinished(&site.state).unwrap().unwrap();
    assert_eq!(found.operation, operation, "the root is in the plan");
    let steps = steps::build_without_git(&site, &found.operation).unwrap();
    let ended = Runner::new(found.log, steps).run().unwrap();
    assert!(matches!(ended, RunEnd::Done));
    assert_eq!(place.read("plugins/b"), "after");
}

#[test]
fn what_needs_git_or_names_no_folder_is_refused_before_anything_is_written_down() {
    let place = Place::new();
    let mut elsewhere = place.change("home", "x", "y");
    if let Step::Files(files) = &mut elsewhere {
        files.root = name("nowhere");
    }
    let publish = Step::Publish(snapback::model::operation::Publication::default());
    for (step, said) in [(elsewhere, "nowhere"), (publish, "publish")] {
        let failure = place.run(&place.operation(vec![step])).err().unwrap();
        assert!(failure.to_string().contains(said), "{failure}");
    }
    assert!(history::ids(&*place.site.state).unwrap().is_empty());
}
