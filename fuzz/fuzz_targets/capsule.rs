//! A whole capsule, as a file or as a list around which one is made: nothing of it is anywhere
//! unless all of it is, and what is restored is also what verifies.
#![no_main]

use std::{fs, path::Path};

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use snapback::{
    base::{Digest, RelPath},
    capsule::{open, script, tar::TarWriter},
    model::{FileRecord, capsule::CapsuleFile},
};

/// A capsule with this list, its files filled so that sizes and digests are right. What else the
/// list says may break every rule.
fn around(mut list: Value) -> Option<Vec<u8>> {
    let (task, version) = (
        list["task"].as_str()?.to_string(),
        list["version"].as_str()?.to_string(),
    );
    let manifest =
        format!("metadata: {{task_id: {task}, version: {version}, git_tag: x}}\nfiles: []\n");
    let mut files = Vec::new();
    for (nth, file) in list["files"].as_array_mut()?.iter_mut().enumerate() {
        let path = RelPath::from_text(file["path"].as_str()?).ok()?;
        let times = usize::try_from(file["size"].as_u64().unwrap_or(0) % 3).unwrap_or(0);
        let content = file["target"].as_str().map_or_else(
            || path.as_bytes().repeat(times),
            |text| text.as_bytes().to_vec(),
        );
        (file["size"], file["sha256"]) = (json!(content.len()), json!(Digest::of(&content)));
        if file["mode"] != "120000" {
            let record = FileRecord::with_bytes(path, 0o644, content.clone());
            let member = CapsuleFile {
                record,
                released: None,
            }
            .member(nth);
            files.push((member, file["mode"] == "100755", content));
        }
    }
    (list["wheels"], list["manifest"]) = (json!([]), json!(Digest::of(manifest.as_bytes())));
    let prefix = format!("{task}-v{version}");
    let list = serde_json::to_vec(&list).expect("plain data renders");
    let plain = files
        .iter()
        .filter_map(|(member, _, content)| Some((member.strip_prefix(b"tree/")?, content)));
    let sums: Vec<u8> = plain
        .flat_map(|(name, content)| script::sums_line(name, &Digest::of(content)))
        .collect();
    let mut members: Vec<(Vec<u8>, bool, &[u8])> = vec![
        (b"capsule.json".to_vec(), false, &list),
        (b"manifest.yaml".to_vec(), false, manifest.as_bytes()),
        (b"TREE.sha256".to_vec(), false, &sums),
    ];
    members.extend(
        files
            .iter()
            .map(|(member, executable, content)| (member.clone(), *executable, &content[..])),
    );
    let mut all = Vec::new();
    let mut writer = TarWriter::new(Vec::new(), 0);
    let mut put = |name: &[u8], executable: bool, bytes: &[u8]| {
        let whole = [prefix.as_bytes(), b"/", name].concat();
        writer.file(&whole, executable, bytes.len() as u64, &mut |into| {
            into.write_all(bytes)
        })
    };
    for (name, executable, bytes) in members {
        put(&name, executable, bytes).ok()?;
        all.extend(script::sums_line(&name, &Digest::of(bytes)));
    }
    put(b"SHA256SUMS", false, &all).ok()?;
    writer.finish().ok()
}

fuzz_target!(|bytes: &[u8]| {
    let made = serde_json::from_slice::<Value>(bytes).ok().and_then(around);
    let place = tempfile::tempdir_in("/dev/shm").expect("memory has room");
    let (capsule, below) = (place.path().join("capsule"), place.path().join("below"));
    fs::write(&capsule, made.as_deref().unwrap_or(bytes)).expect("memory has room");
    fs::create_dir(&below).expect("memory has room");
    let verified = open::verify(&capsule);
    let restored = open::restore(&capsule, &below.join("into"), true);
    let names = |dir: &Path| fs::read_dir(dir).expect("it lists").count();
    assert_eq!(names(place.path()), 2, "nothing outside");
    if let Ok(report) = restored {
        assert_eq!(
            verified.expect("what is restored verifies").manifest,
            report.manifest
        );
        assert_eq!(names(&below), 1);
    } else {
        assert_eq!(names(&below), 0, "nothing is left of what was refused");
    }
});
