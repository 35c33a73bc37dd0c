//! Real file systems that are full, or nearly: a small tmpfs and a small ext4.
//!
//! The operation is stopped at a call, a filler takes every byte that is left, and `abort` must end
//! it. Mounting needs privileges; without them the tests are skipped with a printed reason.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use snapback::{
    base::{
        Fs, Input, Output, RelPath, Root, Stat, SyncPoint, Type,
        fs::{FileLock, Hold},
    },
    journal::RunEnd,
};

use crate::support::{
    Sandbox,
    mounted::{Mounted, quietly},
    scenarios::first,
    world::{Case, Paths, World},
};

/// A real root on which every change fails after some number of them.
struct Stopping {
    root: Root,
    left: Arc<AtomicI64>,
}

/// Counts a change.
fn count(left: &AtomicI64) -> io::Result<()> {
    if left.fetch_sub(1, Ordering::Relaxed) > 0 {
        Ok(())
    } else {
        Err(io::Error::other("stopped"))
    }
}

/// A file on such a root.
struct StoppingFile(Box<dyn Output>, Arc<AtomicI64>);

impl Write for StoppingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        count(&self.1)?;
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Output for StoppingFile {
    fn sync(&mut self, point: SyncPoint) -> io::Result<()> {
        count(&self.1)?;
        self.0.sync(point)
    }
    fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        count(&self.1)?;
        self.0.set_mode(mode)
    }
    fn set_mtime(&mut self, mtime: (i64, u32)) -> io::Result<()> {
        count(&self.1)?;
        self.0.set_mtime(mtime)
    }
}

impl Fs for Stopping {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        self.root.stat(path)
    }
    fn shows_maps(&self) -> bool {
        self.root.shows_maps()
    }
    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        self.root.open(path)
    }
    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        self.root.read_link(path)
    }
    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        self.root.list(dir)
    }
    fn create(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        count(&self.left)?;
        Ok(Box::new(StoppingFile(
            self.root.create(path, mode)?,
            self.left.clone(),
        )))
    }
    fn append(&self, path: &RelPath) -> io::Result<Box<dyn Output>> {
        Ok(Box::new(StoppingFile(
            self.root.append(path)?,
            self.left.clone(),
        )))
    }
    fn symlink(&self, target: &[u8], path: &RelPath) -> io::Result<()> {
        count(&self.left)?;
        self.root.symlink(target, path)
    }
    fn create_dir(&self, path: &RelPath, mode: u32) -> io::Result<()> {
        count(&self.left)?;
        self.root.create_dir(path, mode)
    }
    fn rename(&self, from: &RelPath, to: &RelPath) -> io::Result<()> {
        count(&self.left)?;
        self.root.rename(from, to)
    }
    fn exchange(&self, a: &RelPath, b: &RelPath) -> io::Result<()> {
        count(&self.left)?;
        self.root.exchange(a, b)
    }
    fn remove_file(&self, path: &RelPath) -> io::Result<()> {
        count(&self.left)?;
        self.root.remove_file(path)
    }
    fn remove_dir(&self, path: &RelPath) -> io::Result<()> {
        count(&self.left)?;
        self.root.remove_dir(path)
    }
    fn sync_dir(&self, dir: &RelPath, point: SyncPoint) -> io::Result<()> {
        count(&self.left)?;
        self.root.sync_dir(dir, point)
    }
    fn open_input(&self, path: &RelPath) -> io::Result<Box<dyn Input>> {
        self.root.open_input(path)
    }
    fn lock(&self, path: &RelPath, hold: Hold, wait: bool) -> io::Result<Option<FileLock>> {
        self.root.lock(path, hold, wait)
    }
}

/// Reads everything below a folder.
fn look(root: &Root, dir: &RelPath, found: &mut Paths) {
    for name in root.list(dir).unwrap() {
        let at = dir.join(name);
        let stat = root.stat(&at).unwrap().unwrap();
        let entry = match stat.kind {
            Type::Dir => ('d', stat.mode, Vec::new()),
            Type::Symlink => ('l', 0o777, root.read_link(&at).unwrap()),
            _ => {
                let mut bytes = Vec::new();
                root.open(&at).unwrap().read_to_end(&mut bytes).unwrap();
                ('f', stat.mode, bytes)
            }
        };
        if entry.0 == 'd' {
            look(root, &at, found);
        }
        found.insert(at.as_bytes().to_vec(), entry);
    }
}

/// Returns the world in a real folder, which stops after some changes.
fn world(dir: &Path, left: &Arc<AtomicI64>) -> World {
    let open = || Root::open(dir).unwrap();
    let (seen, synced) = (open(), open());
    let look = move || {
        let mut found = Paths::new();
        look(&seen, &RelPath::root(), &mut found);
        found
    };
    let sync = move |at: &RelPath| synced.sync_dir(at, SyncPoint::new("test.commit"));
    World::over(
        Arc::new(Stopping {
            root: open(),
            left: left.clone(),
        }),
        Box::new(look),
        Box::new(sync),
    )
}

/// Mounts something, or returns why that failed.
type Mount<'a> = &'a dyn Fn() -> Result<(), String>;

/// Takes every byte that is left.
fn fill_up(path: &Path) {
    let mut filler = fs::File::create(path).unwrap();
    for size in [64 << 10, 4 << 10, 512, 1] {
        while filler.write_all(&vec![1; size]).is_ok() {}
    }
    filler.sync_all().unwrap();
}

/// Stops at each `stride`-th call and undoes on the full disk. Returns the number of full disks.
fn take_back_everywhere(mounted: &Path, stride: usize) -> usize {
    let scenario = first();
    let case = Case {
        before: &scenario.before,
        after: &scenario.after,
        earlier: 0,
        stranger: None,
    };
    for (runs, k) in (1..).step_by(stride).enumerate() {
        let dir = mounted.join("disk");
        let left = Arc::new(AtomicI64::new(k));
        let run = || {
            fs::create_dir(&dir).unwrap();
            World::fill(&Root::open(&dir).unwrap(), &scenario.before);
            left.store(k, Ordering::Relaxed);
            let stopped = world(&dir, &left);
            stopped
                .plan(&scenario.after, scenario.environment.as_ref())
                .and_then(|operation| stopped.run(&operation))
        };
        let mut ended = run();
        // The file system may still be about to free the space of removed files.
        for _ in 0..20 {
            if left.load(Ordering::Relaxed) < 0 || ended.is_ok() {
                break;
            }
            fs::remove_dir_all(&dir).unwrap();
            fs::File::open(mounted).unwrap().sync_all().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(500));
            ended = run();
        }
        if left.load(Ordering::Relaxed) >= 0 {
            assert!(matches!(ended, Ok(RunEnd::Done)), "{ended:?}");
            return runs;
        }
        fill_up(&mounted.join("filler"));
        let back = world(&dir, &Arc::new(AtomicI64::new(i64::MAX)));
        back.recover(false)
            .unwrap_or_else(|failure| panic!("stopped at {k}: {failure:?}"));
        back.judge(&case, false)
            .unwrap_or_else(|wrong| panic!("stopped at {k}: {wrong}"));
        fs::remove_file(mounted.join("filler")).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        // ext4 frees the blocks of removed files only when its journal commits.
        fs::File::open(mounted).unwrap().sync_all().unwrap();
    }
    unreachable!("the operation ends")
}

#[test]
fn taking_back_on_a_full_tmpfs_and_a_full_ext4() {
    let dir = tempfile::tempdir().unwrap();
    let (image, at) = (dir.path().join("image"), dir.path().join("at"));
    fs::create_dir(&at).unwrap();
    let (image, place) = (image.to_str().unwrap(), at.to_str().unwrap());
    let ext4 = || {
        fs::File::create(image)
            .and_then(|file| file.set_len(16 << 20))
            .map_err(|error| error.to_string())?;
        quietly("mkfs.ext4", &["-q", "-m", "0", "-F", image])?;
        quietly("mount", &["-o", "loop", image, place])
    };
    let kinds: [(&str, usize, Mount<'_>); 2] = [
        ("tmpfs", 3, &|| {
            quietly("mount", &["-t", "tmpfs", "-o", "size=2m", "none", place])
        }),
        ("ext4", 9, &ext4),
    ];
    for (name, stride, mount) in kinds {
        match mount() {
            Err(why) => println!("skipped on {name}: {why}"),
            Ok(()) => {
                let mounted = Mounted(at.clone());
                println!(
                    "{name}: {} full disks",
                    take_back_everywhere(&mounted.0, stride)
                );
            }
        }
    }
}

/// Fills the disk except for six megabytes. Returns the file that does so.
fn fill(disk: &Path) -> std::path::PathBuf {
    let filler = disk.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
    let room = file.metadata().unwrap().len() - 6_000_000;
    file.set_len(room).unwrap();
    drop(file);
    filler
}

/// Asserts that the plan of a release states the bytes it may write and the available space.
fn assert_a_release_says_what_it_needs(sandbox: &Sandbox) {
    let planned = sandbox
        .run_line("create-snapshot -t T01 --version 1.0.0 --dry-run --json")
        .expect(0)
        .json();
    let space = &planned["data"]["plan"]["space"];
    assert!(
        space["at_most"]
            .as_u64()
            .is_some_and(|most| most >= 8_000_000),
        "{space}"
    );
    assert!(
        space["free"].as_u64().is_some_and(|free| free < 40 << 20),
        "{space}"
    );
}

#[test]
fn a_plan_knows_that_the_disk_has_too_little_room() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("at");
    fs::create_dir(&at).unwrap();
    if let Err(why) = quietly(
        "mount",
        &[
            "-t",
            "tmpfs",
            "-o",
            "size=40m",
            "none",
            at.to_str().unwrap(),
        ],
    ) {
        println!("skipped: {why}");
        return;
    }
    let mounted = Mounted(at.clone());
    {
        let sandbox = Sandbox::new(1).copy_below(&mounted.0);
        sandbox.write(
            "tasks/T01/model.bin",
            &crate::support::noise("large", 8_000_000),
        );
        assert_a_release_says_what_it_needs(&sandbox);
        sandbox.release("T01", "1.0.0");
        sandbox.write("tasks/T01/model.bin", b"small");
        sandbox.release("T01", "1.1.0");
        sandbox.write("tasks/T01/model.bin", b"smaller");
        let back = ["rollback", "-t", "T01", "--to", "1.0.0", "--yes"];
        let planned = sandbox
            .snapback(&[&back[..], &["--dry-run"]].concat())
            .expect(0);
        assert!((planned.stdout + &planned.stderr).contains("8.0 MB are written, up to "));
        let filler = fill(&at);
        let before = sandbox.everything();
        for more in [&["--dry-run"][..], &[]] {
            let refused = sandbox.snapback(&[&back[..], more].concat()).expect(8);
            assert!(
                refused.stderr.contains("there is not enough room in ")
                    && refused.stderr.contains("8.0 MB are needed, "),
                "{refused:?}"
            );
            assert!(
                refused.stderr.contains("df -h")
                    && (!more.is_empty() || refused.stderr.contains("nothing was changed")),
                "{refused:?}"
            );
        }
        assert_eq!(sandbox.everything(), before);
        let health = sandbox.snapback(&["health", "-t", "T01"]).expect(4);
        assert!(
            health
                .stdout
                .contains("a rollback to 1.0.0 would be refused: there is not enough room"),
            "{health:?}"
        );
        fs::remove_file(&filler).unwrap();
        sandbox.snapback(&back).expect(0);
        assert_eq!(sandbox.read("tasks/T01/model.bin").len(), 8_000_000);
    }
    drop(mounted);
}
