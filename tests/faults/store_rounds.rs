//! Two writers and a collector as concurrent processes that are stopped and killed at random: what
//! a writer named stays readable, whichever process was hit.
//!
//! `SNAPBACK_GC_ROUNDS` sets the number of rounds; the default keeps the suite quick.
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use snapback::{
    base::{Digest, Failure, Fs, Root},
    model::ObjectId,
    store::{CheckDepth, Gc},
};

use crate::{
    it::store_check::Numbers,
    support::{
        noise,
        shelf::{self, check, id, ids, read},
    },
};

/// The environment of a child process: its part, the folder, a seed.
const PART: &str = "SNAPBACK_GC_PART";
/// The number of contents, which are put again and again so that sessions rely on stored ones.
const UNIVERSE: u64 = 24;

fn rounds() -> u64 {
    std::env::var("SNAPBACK_GC_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(12)
}

/// Returns the `nth` content: one chunk, several chunks that others share, or nothing.
fn content(nth: u64) -> Vec<u8> {
    match nth % 4 {
        0 => noise(nth / 8 + 1, 200_000 + 64 * usize::try_from(nth).unwrap()),
        1 => noise(nth + 1, 3000),
        2 => [noise(nth / 8 + 1, 150_000), noise(nth + 1, 50_000)].concat(),
        _ => noise(nth + 1, 20),
    }
}

/// Returns the ids that must stay: one file each, made after the commit and before the lease ends.
fn named(dir: &Path) -> BTreeSet<ObjectId> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(dir.join("named")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        found.insert(ObjectId(
            Digest::from_hex(name.split('-').next().unwrap()).unwrap(),
        ));
    }
    found
}

fn store(dir: &Path) -> snapback::store::ChunkStore {
    let fs: Arc<dyn Fs> = Arc::new(Root::open(dir).unwrap());
    shelf::open(&fs)
}

/// Puts, names and forgets contents until it is killed.
fn write(dir: &Path, seed: u64) {
    let mut numbers = Numbers(seed * 7919 + 1);
    let store = store(dir);
    println!("ready");
    loop {
        let session = store.begin();
        let some: Vec<u64> = (0..=numbers.below(3))
            .map(|_| numbers.below(UNIVERSE))
            .collect();
        for nth in &some {
            session.put(&mut &content(*nth)[..]).unwrap();
        }
        let lease = session.commit().unwrap();
        for nth in &some {
            let name = format!("{}-{seed}", id(&content(*nth)).0.hex());
            std::fs::write(dir.join("named").join(name), b"").unwrap();
        }
        drop(lease);
        for nth in &some {
            assert!(read(&store, &id(&content(*nth))).unwrap() == content(*nth));
        }
        // Only its own names: the other writer may need the same contents.
        for nth in (0..UNIVERSE).filter(|_| numbers.below(3) == 0) {
            let _ = std::fs::remove_file(
                dir.join("named")
                    .join(format!("{}-{seed}", id(&content(nth)).0.hex())),
            );
        }
    }
}

/// Collects until it is killed.
fn collect(dir: &Path) {
    let store = store(dir);
    println!("ready");
    loop {
        let roots = || -> Result<BTreeSet<ObjectId>, Failure> { Ok(named(dir)) };
        let how = Gc {
            dry_run: false,
            patience: Duration::from_millis(200),
            seconds: 1,
        };
        store.gc(&roots, how, &|_| ()).unwrap();
    }
}

/// Runs the part of a child process; in the suite itself it has no part, and does nothing.
#[test]
fn part_of_a_round() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let mut words = part.splitn(3, ' ');
    let (role, seed, dir) = (
        words.next().unwrap(),
        words.next().unwrap(),
        words.next().unwrap(),
    );
    match role {
        "write" => write(Path::new(dir), seed.parse().unwrap()),
        _ => collect(Path::new(dir)),
    }
}

/// Starts a child process and waits until it is working.
fn start(role: &str, seed: u64, dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "faults::store_rounds::part_of_a_round",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(PART, format!("{role} {seed} {}", dir.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines
        .map_while(Result::ok)
        .any(|line| line.contains("ready"));
    assert!(ready, "{role}: {:?}", child.wait_with_output());
    child
}

fn signal(child: &Child, signal: i32) {
    // SAFETY: none is needed; the process is ours and not waited for yet.
    let killed = Command::new("kill")
        .args([format!("-{signal}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
}

/// Lets the children work for some time, until they have named a little more.
fn let_work(dir: &Path, millis: u64) {
    let end = Instant::now() + Duration::from_millis(millis);
    while Instant::now() < end {
        std::hint::black_box(named(dir));
        std::thread::yield_now();
    }
}

/// Ends a child; one that ended without our kill has failed.
fn end(mut child: Child, what: &str) {
    if child.try_wait().unwrap().is_some() {
        let output = child.wait_with_output().unwrap();
        panic!("{what} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn writers_and_a_collector_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("named")).unwrap();
    let mut numbers = Numbers(0x5eed);
    let (mut stopped, mut freed) = (0, 0);
    for round in 0..rounds() {
        let mut writers = vec![start("write", 1, dir.path()), start("write", 2, dir.path())];
        let collector = start("collect", 0, dir.path());
        let_work(dir.path(), 50 + numbers.below(150));
        // One of the three is stopped for a while, wherever it is, and one may be killed first.
        let who = usize::try_from(numbers.below(3)).unwrap();
        let victim = writers.get(who).unwrap_or(&collector);
        signal(victim, libc::SIGSTOP);
        stopped += 1;
        let_work(dir.path(), numbers.below(120));
        if numbers.below(2) == 0 && who != 0 {
            end(writers.remove(0), "a writer");
        } else {
            signal(victim, libc::SIGCONT);
            let_work(dir.path(), numbers.below(80));
        }
        for writer in writers {
            end(writer, "a writer");
        }
        end(collector, "the collector");
        let names = named(dir.path());
        let store = store(dir.path());
        for nth in 0..UNIVERSE {
            let bytes = content(nth);
            if names.contains(&id(&bytes)) {
                assert!(
                    read(&store, &id(&bytes))
                        .unwrap_or_else(|error| panic!("round {round}: {error}"))
                        == bytes
                );
            }
        }
        let report = check(&store, &names, CheckDepth::Deep).unwrap();
        assert!(report.is_sound(), "round {round}: {report:?}");
        // With no other process running, the collection completes and leaves what is named.
        let report = shelf::gc(&store, &names).unwrap();
        assert_eq!(
            (report.sessions_at_work, report.missing.len()),
            (0, 0),
            "round {round}"
        );
        freed += report.freed;
        assert!(
            check(&store, &names, CheckDepth::Deep).unwrap().is_sound(),
            "round {round}, collected"
        );
    }
    let everything: Vec<Vec<u8>> = (0..UNIVERSE).map(content).collect();
    assert!(named(dir.path()).is_subset(&ids(&everything)));
    println!(
        "{} rounds, {stopped} times one was stopped, {freed} bytes freed at rest",
        rounds()
    );
}
