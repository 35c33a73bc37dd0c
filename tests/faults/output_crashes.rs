//! What is written where a person asked for it, on a disk that loses its power: single outputs,
//! folders that are restored from a backup, and new folders. A file is as it was or as it is to be,
//! never half of either, a new folder is there whole or not at all, and what was reported stays.

use std::{io, sync::Arc};

use snapback::{
    app::Options,
    backup::{self, plan::plan, restore::write},
    base::{Failure, Fs, RelPath, SyncPoint, output},
    config,
    materialise::{Error, fresh, write::FileOptions},
    model::{FileRecord, Location, backup::RestoreReport},
    site::RepoSite,
};

use crate::support::{
    Sandbox, noise,
    shelf::{self, id},
    sim::{SimFs, sweep},
    world::Below,
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
        let mut plan = plan(disk, &records, None, false).map_err(drop)?;
        plan.one_device = one_device;
        let mut report = RestoreReport::default();
        write(site, disk, &plan, false, &mut report).map_err(drop)?;
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

/// How a disk is seen.
type Port<'p> = &'p dyn Fn(&SimFs) -> Arc<dyn Fs>;

/// Makes the folder `new` with what a listing says, and a link.
fn make_new(disk: &dyn Fs, site: &RepoSite, records: &[FileRecord]) -> Result<(), Failure> {
    let names = (&RelPath::own(".tmp-new-1"), &RelPath::own("new"));
    let failed = |source: io::Error| Error::Io {
        path: "new".into(),
        source,
    };
    fresh::fill(disk, names, &failed, |folder| {
        for record in records {
            let how = FileOptions::of(record);
            let written = folder.record(&record.path, &how, (record, site));
            written.map_err(|error| error.or(failed))?;
        }
        let made = folder.link(&RelPath::own("link"), b"fourth");
        made.map_err(|error| error.or(failed))
    })
}

/// Cuts the power at every call of a new folder that takes the place of an empty one.
fn cut_new_folders(
    site: &RepoSite,
    contents: &[Vec<u8>],
    skipped: Option<SyncPoint>,
    port: Port<'_>,
) -> Result<u64, String> {
    let (base, new) = (SimFs::new(), RelPath::own("new"));
    port(&base).create_dir(&new, 0o777).unwrap();
    base.settle();
    if let Some(point) = skipped {
        base.skip(point);
    }
    let records = records(contents);
    let make = |disk: &SimFs| make_new(&*port(disk), site, &records);
    sweep(&base, 12, 5, make, |disk, done| {
        let disk = port(disk);
        let is_whole = |(path, bytes): &(&&str, &Vec<u8>)| {
            let mut found = Vec::new();
            let file = disk.open(&new.join(path.as_bytes()));
            file.is_ok_and(|mut file| file.read_to_end(&mut found).is_ok()) && found == **bytes
        };
        let whole = PATHS.iter().zip(contents).filter(is_whole).count();
        let link = disk.read_link(&new.join("link"));
        match (whole, link.is_ok_and(|target| target == b"fourth")) {
            (5, true) => Ok(()),
            (0, false) if !done && disk.list(&new).is_ok_and(|names| names.is_empty()) => Ok(()),
            (whole, link) => Err(format!("done: {done}, {whole} are whole, the link: {link}")),
        }
    })
}

#[test]
fn a_new_folder_survives_power_cuts_and_every_sync_of_it_is_needed() {
    let contents: Vec<Vec<u8>> = (0..5).map(|seed| noise(seed, 300 + seed)).collect();
    let sandbox = Sandbox::empty();
    let site = site(&sandbox, &contents);
    let at_once = |disk: &SimFs| -> Arc<dyn Fs> { Arc::new(disk.clone()) };
    // A port that cannot force everything to the disk at once.
    let each = |disk: &SimFs| -> Arc<dyn Fs> { Arc::new(Below(Arc::new(disk.clone()), "")) };
    for port in [&at_once as Port<'_>, &each] {
        let looked = cut_new_folders(&site, &contents, None, port).unwrap();
        println!("{looked} crash states");
        assert!(looked > 100, "{looked}");
        for point in output::SYNC_POINTS {
            let caught = cut_new_folders(&site, &contents, Some(point), port);
            println!("{point:?}: {caught:?}");
            assert!(caught.is_err(), "nobody notices that {point:?} is skipped");
        }
    }
}
