//! A whole capsule, as a file or as a list around which one is made: nothing of it is anywhere
//! unless all of it is, and what is restored is also what verifies.
#![no_main]

use std::{fs, path::Path};

use libfuzzer_sys::fuzz_target;
use snapback::{
    base::Digest,
    capsule::{open, script, tar::Writer},
    model::capsule::Listing,
};

/// A capsule with this list, its files filled so that sizes and digests are right.
fn around(mut listing: Listing) -> Option<Vec<u8>> {
    let manifest = format!("metadata: {{task_id: {}, version: {}, git_tag: x}}\nfiles: []\n", listing.task, listing.version);
    listing.manifest = Digest::of(manifest.as_bytes());
    let mut contents = Vec::new();
    for file in &mut listing.files {
        let content = file.target_bytes().unwrap_or_else(|| file.path.as_bytes().repeat(usize::try_from(file.size % 3).unwrap_or(0)));
        (file.size, file.sha256) = (content.len() as u64, Digest::of(&content));
        contents.push(content);
    }
    listing.wheels.clear();
    let prefix = format!("{}-v{}", listing.task, listing.version);
    let list = serde_json::to_vec(&listing).expect("plain data renders");
    let sums = script::tree_sums(&listing);
    let mut members: Vec<(Vec<u8>, bool, &[u8])> =
        vec![(b"capsule.json".to_vec(), false, &list), (b"manifest.yaml".to_vec(), false, manifest.as_bytes()), (b"TREE.sha256".to_vec(), false, &sums)];
    for (nth, (file, content)) in listing.files.iter().zip(&contents).enumerate().filter(|(_, (file, _))| !file.is_link()) {
        members.push((file.member(nth), &*file.mode == "100755", content));
    }
    let mut all = Vec::new();
    let mut writer = Writer::new(Vec::new(), 0);
    let mut put = |name: &[u8], executable: bool, bytes: &[u8]| {
        let whole = [prefix.as_bytes(), b"/", name].concat();
        writer.file(&whole, executable, bytes.len() as u64, &mut |into| into.write_all(bytes))
    };
    for (name, executable, bytes) in members {
        put(&name, executable, bytes).ok()?;
        all.extend(script::sums_line(&name, &Digest::of(bytes)));
    }
    put(b"SHA256SUMS", false, &all).ok()?;
    writer.finish().ok()
}

fuzz_target!(|bytes: &[u8]| {
    let made = serde_json::from_slice::<Listing>(bytes).ok().and_then(around);
    let place = tempfile::tempdir_in("/dev/shm").expect("memory has room");
    let (capsule, below) = (place.path().join("capsule"), place.path().join("below"));
    fs::write(&capsule, made.as_deref().unwrap_or(bytes)).expect("memory has room");
    fs::create_dir(&below).expect("memory has room");
    let verified = open::verify(&capsule);
    let restored = open::restore(&capsule, &below.join("into"), true);
    let names = |dir: &Path| fs::read_dir(dir).expect("it lists").count();
    assert_eq!(names(place.path()), 2, "nothing outside");
    if let Ok(report) = restored {
        assert_eq!(verified.expect("what is restored verifies").manifest, report.manifest);
        assert_eq!(names(&below), 1);
    } else {
        assert_eq!(names(&below), 0, "nothing is left of what was refused");
    }
});
