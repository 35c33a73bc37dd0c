//! Every place where bytes are forced to the disk has its own name in its room's list, and a fault
//! test goes through the list: without that, no test would fail if the sync were missing.

use std::collections::BTreeMap;

use crate::sources::sources;

/// Returns the points that a source declares, each with the name of its constant; a point that is
/// created in another form is an error.
fn declared(text: &str) -> Result<BTreeMap<&str, &str>, &str> {
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let made = product
        .lines()
        .filter(|line| line.contains("SyncPoint::new("));
    let parts = |line| {
        let (name, value) = str::strip_prefix(line, "pub const ")?
            .strip_suffix("\");")?
            .split_once(": SyncPoint = SyncPoint::new(\"")?;
        Some((value, name))
    };
    made.map(|line| parts(line).ok_or(line)).collect()
}

/// Returns the constants in a source's list of points.
fn listed(text: &str) -> Vec<&str> {
    let list = text
        .split_once("pub const SYNC_POINTS: [SyncPoint; ")
        .and_then(|(_, rest)| rest.split_once("= [")?.1.split_once("];"));
    let names = list.map_or("", |(names, _)| names).split(',');
    names
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// Lists errors in the points of some sources; `tests` are the texts of the fault tests.
fn wrong_points(files: &BTreeMap<String, String>, tests: &[&String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (file, text) in files {
        let points = match declared(text) {
            Ok(points) => points,
            Err(line) => {
                wrong.push(format!("{file}: declare it as a constant: {line}"));
                continue;
            }
        };
        let listed = listed(text);
        for (value, name) in &points {
            if !listed.contains(name) {
                wrong.push(format!("{file}: {name} is not in SYNC_POINTS"));
            }
            if let Some(other) = owners.insert(value, file) {
                wrong.push(format!("{file}: {value:?} is a point of {other}"));
            }
            let room = value.split('.').next().unwrap_or_default();
            let goes_through = |text: &&String| {
                text.contains("SYNC_POINTS") && text.contains(&format!("{room}::"))
            };
            if !file.contains(room) || !tests.iter().any(goes_through) {
                wrong.push(format!(
                    "{file}: no test of faults goes through {room}::SYNC_POINTS"
                ));
            }
        }
    }
    wrong
}

#[test]
fn every_sync_point_is_in_a_list_that_a_test_goes_through() {
    let tests = sources(&["tests/faults"]);
    let files = sources(&["crates", "src"]);
    let wrong = wrong_points(&files, &tests.values().collect::<Vec<_>>());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn forgotten_points_are_found() {
    let point = |name: &str, value: &str| {
        format!("pub const {name}: SyncPoint = SyncPoint::new(\"{value}\");\n")
    };
    let list = |names: &str| format!("pub const SYNC_POINTS: [SyncPoint; 1] = [{names}];\n");
    let tests = "for point in audit::SYNC_POINTS {}".to_string();
    let wrong = |sources: &[(&str, String)]| {
        let files = sources
            .iter()
            .map(|(file, text)| (format!("src/{file}/mod.rs"), text.clone()));
        wrong_points(&files.collect(), &[&tests]).len()
    };
    let good = point("FILE", "audit.file") + &list("FILE");
    assert_eq!(wrong(&[("audit", good.clone())]), 0);
    let unlisted = good.clone() + &point("DIR", "audit.dir");
    assert_eq!(wrong(&[("audit", unlisted)]), 1);
    assert_eq!(wrong(&[("audit", good.clone()), ("audit/log", good)]), 1);
    let untested = point("FILE", "alert.file") + &list("FILE");
    assert_eq!(wrong(&[("alert", untested)]), 1);
    let inline = "    file.sync(SyncPoint::new(\"audit.file\"))?;\n".to_string();
    assert_eq!(wrong(&[("audit", inline)]), 1);
}
