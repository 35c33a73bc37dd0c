//! What is written where a person asked for it, on a disk that loses its power: single outputs, and
//! folders that are restored from a backup. A file is as it was or as it is to be, never half of
//! either, and what was reported stays.

use std::sync::Arc;

use snapback::{
    app::Options,
    backup::{self, plan::plan, write::Writer},
    base::{RelPath, SyncPoint, output},
    config,
    model::{FileRecord, Location, backup::RestoreReport},
    site::RepoSite,
};

use crate::support::{
    Sandbox, noise,
    shelf::{self, id},
    sim::{SimFs, sweep},
};

/// Cuts the power at every call of an output that replaces another one.
fn cut_outputs(base: &SimFs) -> Result<u64, String> {
    let write = |disk: &SimFs| output::replace(disk, &RelPath::own("out"), b"the new one", 0o600);
    sweep(base, 40, 3, write, |disk, done| {
        match disk.get("out").as_deref() {
            Some(b"the new one") => Ok(()),
            Some(b"the old one") if !done => Ok(()),
            found => Err(format!("done: {done}, found {found:?}")),
        }
    })
}

#[test]
fn an_output_survives_power_cuts_and_every_sync_of_it_is_needed() {
    let base = SimFs::new();
    base.put("out", b"the old one");
    base.settle();
    assert!(cut_outputs(&base).unwrap() > 8);
    for point in output::SYNC_POINTS {
        let mutant = base.fork();
        mutant.skip(point);
        let caught = cut_outputs(&mutant);
        println!("{point:?}: {caught:?}");
        assert!(caught.is_err(), "nobody notices that {point:?} is skipped");
    }
}

/// A repository whose store holds these contents on a quiet disk of its own.
fn site(sandbox: &Sandbox, contents: &[Vec<u8>]) -> RepoSite {
    let mut site = config::open(&sandbox.root(), Options::default()).unwrap();
    site.site.vault.state = Arc::new(SimFs::new());
    let store = shelf::open(&site.state);
    drop(shelf::put(&store, contents).unwrap());
    site.site.vault.store = Arc::new(store);
    site
}

/// The files that are restored: the first ones over others, the rest where nothing is.
const PATHS: [&str; 5] = [
    "a/first",
    "a/second",
    "b/third",
    "fourth",
    "new/below/fifth",
];

/// What a listing of these contents says.
fn records(contents: &[Vec<u8>]) -> Vec<FileRecord> {
    let one = |(path, bytes): (&&str, &Vec<u8>)| FileRecord {
        mtime: Some((1_000, 0)),
        location: Location::Object(id(bytes)),
        ..FileRecord::with_bytes(RelPath::own(*path), 0o640, bytes.clone())
    };
    PATHS.iter().zip(contents).map(one).collect()
}

/// Cuts the power at every call of a restore.
fn cut_restores(
    site: &RepoSite,
    contents: &[Vec<u8>],
    skipped: Option<SyncPoint>,
    one_device: bool,
) -> Result<u64, String> {
    let base = SimFs::new();
    for path in &PATHS[..3] {
        base.put(path, format!("what {path} was").as_bytes());
    }
    base.settle();
    if let Some(point) = skipped {
        base.skip(point);
    }
    let records = records(contents);
    let restore = |disk: &SimFs| {
        let plan = plan(disk, &records, None, false).map_err(drop)?;
        let mut report = RestoreReport::default();
        let mut writer = Writer::new(site, disk, one_device);
        writer.run(&plan, false, &mut report).map_err(drop)?;
        if report.failed.is_empty() {
            Ok(())
        } else {
            Err(())
        }
    };
    sweep(&base, 12, 5, restore, |disk, done| {
        for (nth, (path, bytes)) in PATHS.iter().zip(contents).enumerate() {
            let found = disk.get(path);
            let old = (nth < 3).then(|| format!("what {path} was").into_bytes());
            if found.as_ref() != Some(bytes) && (done || found != old) {
                let found = found.map(|found| found.len());
                return Err(format!("done: {done}, {path} has {found:?} bytes"));
            }
        }
        Ok(())
    })
}

#[test]
fn a_restore_survives_power_cuts_and_every_sync_of_it_is_needed() {
    let contents: Vec<Vec<u8>> = (0..5).map(|seed| noise(seed, 300 + seed)).collect();
    let sandbox = Sandbox::empty();
    let site = site(&sandbox, &contents);
    for one_device in [true, false] {
        let looked = cut_restores(&site, &contents, None, one_device).unwrap();
        println!("one device: {one_device}, {looked} crash states");
        assert!(looked > 100, "{looked}");
        for point in backup::SYNC_POINTS {
            let caught = cut_restores(&site, &contents, Some(point), one_device);
            println!("{point:?}: {caught:?}");
            assert!(caught.is_err(), "nobody notices that {point:?} is skipped");
        }
    }
}
