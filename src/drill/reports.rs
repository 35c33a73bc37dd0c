//! The reports of drills, one file each, in `drills/reports/<task>/` of the state folder.
//!
//! `<number>-<version>-<random>.json`: the number orders them, whatever the clock does.

use std::io;

use crate::{
    base::{
        Fs, RelPath,
        fs::{create_dir_all, read_limited, write_durably},
        random,
    },
    catalog,
    model::{TaskId, Version, drill::DrillReport, verdict::Meant},
    site::RepoSite,
};

/// Reports of a task that are kept.
const KEPT: usize = 1000;
/// Largest report that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// The folder of a task's reports.
fn folder(task: &TaskId) -> RelPath {
    RelPath::own(format!("drills/reports/{task}"))
}

/// Number, version and name of every report of a task, in rising order.
fn all(state: &dyn Fs, task: &TaskId) -> io::Result<Vec<(u64, Version, String)>> {
    let names = match state.list(&folder(task)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    let parse = |name: Vec<u8>| {
        let name = String::from_utf8(name).ok()?;
        let (number, rest) = name.strip_suffix(".json")?.split_once('-')?;
        let (version, _) = rest.rsplit_once('-')?;
        Some((number.parse().ok()?, version.parse().ok()?, name))
    };
    let mut found: Vec<_> = names.into_iter().filter_map(parse).collect();
    found.sort();
    Ok(found)
}

/// Keeps a report, durably; the oldest ones of the task go.
pub fn keep(state: &dyn Fs, report: &DrillReport) -> io::Result<RelPath> {
    let folder = folder(&report.task);
    create_dir_all(state, &folder, 0o700)?;
    let before = all(state, &report.task)?;
    let number = before.last().map_or(0, |(number, ..)| *number) + 1;
    let path = folder.join(format!(
        "{number:06}-{}-{:08x}.json",
        report.version,
        u32::from_be_bytes(random())
    ));
    let text = serde_json::to_vec_pretty(report).expect("because plain data always renders");
    write_durably(
        state,
        &path,
        &text,
        0o600,
        (crate::records::files::FILE, crate::records::files::DIR),
    )?;
    for (_, _, name) in before.iter().take((before.len() + 1).saturating_sub(KEPT)) {
        state.remove_file(&folder.join(name))?;
    }
    Ok(path)
}

/// The newest report that says something of the release that has this number here, of those that
/// can be read. One that names no release, or where none can be found here, is of whatever has the
/// number.
pub fn newest(site: &RepoSite, task: &TaskId, version: &Version) -> Option<DrillReport> {
    let state = &*site.state;
    let here = catalog::verdict::meant(&site.git, task, version);
    let is_here = |report: &DrillReport| Meant::may_be(report.release.as_ref(), here.as_ref());
    let found = all(state, task).ok()?;
    let own = found.iter().rev().filter(|(_, of, _)| of == version);
    let read = |name: &String| {
        serde_json::from_slice::<DrillReport>(
            &read_limited(state, &folder(task).join(name), LIMIT).ok()?,
        )
        .ok()
    };
    own.filter_map(|(.., name)| read(name)).find(|report| {
        report.task == *task
            && report.version == *version
            && is_here(report)
            && report.is_of_version()
    })
}
