//! Finds all names of store objects in the repository: what a collection must keep.
//!
//! Too much is fine, too little never: every manifest that any reference, log, stash, index or work
//! tree still has; every operation on record; everything that the store itself names. What cannot
//! be read is an error with its name. A file that is named like a manifest but is none keeps every
//! object whose digest stands anywhere in it.

use std::collections::BTreeSet;

use super::needed::{Needed, Who};
use crate::{
    base::{Digest, Failure, Fault, Fs, Kind, RelPath, Root, fs::read_limited},
    catalog::manifests,
    model::{AnyManifest, ObjectId, Settings, Subject, manifest::TaskVersion},
    site::RepoSite,
};

/// Largest size of a manifest, plan or journal, in bytes.
const MAX_FILE: u64 = 1 << 30;
/// The beginning and end of the names of manifests.
const MANIFEST: (&str, &str) = ("snapshot-", ".yaml");

/// Something that may name objects cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be read, so nobody knows which stored objects it needs: {why}")]
pub struct Unreadable {
    what: String,
    why: String,
}

impl Fault for Unreadable {
    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

/// Returns the error for something that cannot be read.
fn unreadable(what: impl Into<String>, why: &impl ToString) -> Failure {
    Unreadable {
        what: what.into(),
        why: why.to_string(),
    }
    .into()
}

/// Returns everything in the repository that names objects of the store, with its users.
pub fn needed(site: &RepoSite) -> Result<Needed, Failure> {
    let mut needed = Needed::default();
    // Operations first: one that ends meanwhile has put its manifest where the search looks next.
    needed_by_operations(site, &mut needed)?;
    for (id, path) in site.git.reachable_blobs(MANIFEST.0, MANIFEST.1)? {
        let bytes = site.git.read_blob_within(&id, manifests::LIMIT);
        let bytes =
            bytes.map_err(|error| unreadable(format!("the manifest {path} ({id})"), &error))?;
        needed_by_manifest(site, &bytes, &path, &mut needed)?;
    }
    needed_by_work_trees(site, &mut needed)?;
    for (name, id) in site.store.named()? {
        let who = Who::new("named", format!("the copy {name}"));
        needed.add(id, &who, None);
        for part in listed(site, &id)? {
            needed.add(part, &who, None);
        }
    }
    Ok(needed.sorted())
}

/// Returns the objects that a named object names itself: the files of a folder that was put.
pub fn listed(site: &RepoSite, id: &ObjectId) -> Result<Vec<ObjectId>, Failure> {
    super::listed(&site.store, id).map_err(|error| unreadable(format!("the listing {id}"), &error))
}

/// Adds what a manifest needs.
fn needed_by_manifest(
    site: &RepoSite,
    bytes: &[u8],
    path: &str,
    needed: &mut Needed,
) -> Result<(), Failure> {
    let Ok(manifest) = AnyManifest::parse_any(bytes) else {
        let who = Who::new("other", format!("something in {path}"));
        for id in known(site, bytes)? {
            needed.add(id, &who, None);
        }
        return Ok(());
    };
    let who = match &manifest.subject {
        Subject::TaskVersion(TaskVersion { task, version, .. }) => {
            Who::new(task.as_str(), format!("{task} {version}"))
        }
        subject => Who::new("other", format!("{} in {path}", subject.kind())),
    };
    for file in &manifest.files {
        if let Some(id) = file.object() {
            needed.add(*id, &who, Some(file.path().clone()));
        }
    }
    Ok(())
}

/// Adds what the manifests in any linked work tree need, committed or not.
fn needed_by_work_trees(site: &RepoSite, needed: &mut Needed) -> Result<(), Failure> {
    for folder in site.git.work_trees()? {
        // A work tree whose folder is gone holds nothing; git forgets it in time.
        if !folder.is_dir() {
            continue;
        }
        let named = |error: std::io::Error| {
            unreadable(format!("the work tree {}", folder.display()), &error)
        };
        let root = Root::open(&folder).map_err(named)?;
        for path in manifests_in(&root, &site.settings).map_err(named)? {
            let bytes = read_limited(&root, &path, MAX_FILE)
                .map_err(|error| unreadable(path.to_string(), &error))?;
            needed_by_manifest(site, &bytes, &path.to_string(), needed)?;
        }
    }
    Ok(())
}

/// Adds what all operations on record need, because each may be undone or done again.
fn needed_by_operations(site: &RepoSite, needed: &mut Needed) -> Result<(), Failure> {
    let state = &*site.state;
    for op in crate::journal::history::ids(state)? {
        let who = Who::new("operations", format!("operation {}", op.short()));
        let dir = RelPath::own(format!("ops/{op}"));
        let named = |error: std::io::Error| unreadable(dir.to_string(), &error);
        let found = crate::journal::history::open(&site.state, &op)
            .map_err(|error| unreadable(dir.to_string(), &error))?;
        let mut ids = BTreeSet::new();
        if let Some(found) = found {
            let plan = serde_json::to_value(&found.operation);
            walk(
                &plan.expect("because plain data always renders"),
                None,
                &mut ids,
            )
            .map_err(|why| unreadable(dir.to_string(), &why))?;
        }
        let files = match state.list(&dir) {
            // It never began, and has just been swept away.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.map_err(named)?,
        };
        for name in files {
            let path = dir.join(&name);
            let lines = name.ends_with(b".jsonl");
            if !lines && !name.ends_with(b".json") {
                continue;
            }
            let bytes = match read_limited(state, &path, MAX_FILE) {
                // It has just been renamed or swept away.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(|error| unreadable(path.to_string(), &error))?,
            };
            objects_in_json(&bytes, lines, &mut ids)
                .map_err(|why| unreadable(path.to_string(), &why))?;
        }
        for (id, at) in ids {
            needed.add(id, &who, at);
        }
    }
    Ok(())
}

/// Returns the objects of the store among all digests in a text.
fn known(site: &RepoSite, bytes: &[u8]) -> Result<Vec<ObjectId>, Failure> {
    let mut known = Vec::new();
    for id in digests_in(bytes) {
        if site.store.size(&id)?.is_some() {
            known.push(id);
        }
    }
    Ok(known)
}

/// Returns the manifests in the folder for them.
fn manifests_in(tree: &dyn Fs, settings: &Settings) -> std::io::Result<Vec<RelPath>> {
    let dir = &settings.snapshots;
    if tree.stat(dir)?.is_none() {
        return Ok(Vec::new());
    }
    let is_manifest = |name: &Vec<u8>| {
        name.starts_with(MANIFEST.0.as_bytes()) && name.ends_with(MANIFEST.1.as_bytes())
    };
    Ok(tree
        .list(dir)?
        .into_iter()
        .filter(is_manifest)
        .map(|name| dir.join(name))
        .collect())
}

/// Returns the objects that a plan, a report or a journal names, each with its path: every text
/// below a key `object`, wherever it stands.
fn objects_in_json(
    bytes: &[u8],
    lines: bool,
    into: &mut BTreeSet<(ObjectId, Option<RelPath>)>,
) -> Result<(), String> {
    if !lines {
        let value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        return walk(&value, None, into);
    }
    let mut rest = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .peekable();
    while let Some(line) = rest.next() {
        match json_of_line(line) {
            Some(value) => walk(&value, None, into)?,
            // The last record of a journal may be cut short by a crash; its plan says the same.
            None if rest.peek().is_none() => {}
            None => return Err("a record is damaged".into()),
        }
    }
    Ok(())
}

/// Returns the value of a journal's line, which may carry a checksum around it.
fn json_of_line(line: &[u8]) -> Option<serde_json::Value> {
    let from = line.iter().position(|byte| *byte == b'{')?;
    let to = line.iter().rposition(|byte| *byte == b'}')?;
    serde_json::from_slice(line.get(from..=to)?).ok()
}

/// Collects the texts below keys `object`.
fn walk(
    value: &serde_json::Value,
    path: Option<&RelPath>,
    into: &mut BTreeSet<(ObjectId, Option<RelPath>)>,
) -> Result<(), String> {
    match value {
        serde_json::Value::Array(values) => {
            values.iter().try_for_each(|value| walk(value, path, into))
        }
        serde_json::Value::Object(fields) => {
            let own = fields
                .get("path")
                .and_then(|text| RelPath::from_text(text.as_str()?).ok());
            for (key, value) in fields {
                match value.as_str().filter(|_| key == "object") {
                    Some(text) => {
                        let id = text
                            .parse()
                            .map_err(|_| format!("{text:?} names no object"))?;
                        into.insert((ObjectId(id), own.as_ref().or(path).cloned()));
                    }
                    None => walk(value, own.as_ref().or(path), into)?,
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Returns every run of 64 hexadecimal digits.
fn digests_in(bytes: &[u8]) -> BTreeSet<ObjectId> {
    let runs = bytes
        .split(|byte| !byte.is_ascii_hexdigit())
        .filter(|run| run.len() == 64);
    runs.filter_map(|run| {
        Digest::from_hex(&str::from_utf8(run).ok()?.to_ascii_lowercase())
            .ok()
            .map(ObjectId)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_wherever_they_stand() {
        let id = |text: &str| ObjectId(Digest::of(text.as_bytes()));
        let (a, b, c) = (id("a"), id("b"), id("c"));
        let json = format!(
            r#"{{"steps": [{{"files": [{{"path": "x/y", "before": {{"source": {{"object": "{a}"}}}}, "after": null}}]}}], "object": "{b}"}}"#
        );
        let mut found = BTreeSet::new();
        objects_in_json(json.as_bytes(), false, &mut found).unwrap();
        assert_eq!(
            found,
            BTreeSet::from([(a, Some(RelPath::own("x/y"))), (b, None)])
        );
        assert!(objects_in_json(b"{", false, &mut found).is_err());
        assert!(objects_in_json(br#"{"object": "sha256:12"}"#, false, &mut found).is_err());
        let journal = format!("{{\"n\": 1, \"object\": \"{c}\"}}\n{{\"cut");
        objects_in_json(journal.as_bytes(), true, &mut found).unwrap();
        assert!(found.contains(&(c, None)));
        assert!(
            objects_in_json(b"{\"cut\n{}\n", true, &mut found).is_err(),
            "damage in the middle"
        );
        assert_eq!(
            digests_in(format!("- {a} {}\n{}0", b.0.hex(), c.0.hex()).as_bytes()),
            BTreeSet::from([a, b])
        );
    }
}
