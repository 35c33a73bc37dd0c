//! The reports of drills, one file each, in `drills/reports/<task>/` of the state folder.
//!
//! `<number>-<version>-<random>.json`: the number orders them, whatever the clock does.

use std::io;

use crate::{
    base::{Fs, random},
    catalog,
    model::{
        TaskId, Version,
        drill::{DRILL_SCHEMA, DrillReport},
        verdict::Meant,
    },
    records::{JsonRecord, RecordFiles, Records},
    site::RepoSite,
};

/// Number of reports that are kept of a task.
const KEPT: usize = 1000;

impl JsonRecord for DrillReport {
    const LIMIT: u64 = 16 << 20;
    const SCHEMA: Option<&'static str> = Some(DRILL_SCHEMA);

    fn schema(&self) -> Option<&str> {
        Some(&self.schema)
    }

    fn is_key(key: &str) -> bool {
        parts(key).is_some()
    }

    fn belongs_to(&self, key: &str) -> bool {
        parts(key).is_some_and(|(_, version)| version == self.version)
    }
}

/// Returns the number and the version in the key of a report.
fn parts(key: &str) -> Option<(u64, Version)> {
    let (number, rest) = key.split_once('-')?;
    let (version, _) = rest.rsplit_once('-')?;
    Some((number.parse().ok()?, version.parse().ok()?))
}

/// Returns the reports of a task.
fn of_task<'f>(state: &'f dyn Fs, task: &TaskId) -> Records<'f, DrillReport> {
    Records::new(RecordFiles::new(state), format!("drills/reports/{task}"))
}

/// Keeps a report, durably; the oldest reports of the task are removed.
pub fn keep(state: &dyn Fs, report: &DrillReport) -> io::Result<()> {
    let reports = of_task(state, &report.task);
    let last = reports.list()?.last().and_then(|key| parts(key));
    let key = format!(
        "{:06}-{}-{:08x}",
        last.map_or(0, |(number, _)| number) + 1,
        report.version,
        u32::from_be_bytes(random())
    );
    reports.save(&key, report)?;
    reports.prune(KEPT, |_| true)
}

/// Returns the newest readable report that says something of the release with this number here. A
/// report that names no release, or any report where no release can be found here, counts for
/// whatever release has the number.
pub fn newest(site: &RepoSite, task: &TaskId, version: &Version) -> Option<DrillReport> {
    let here = catalog::verdict::meant(site, task, version);
    let is_here = |report: &DrillReport| Meant::may_be(report.release.as_ref(), here.as_ref());
    let reports = of_task(&*site.state, task);
    let keys = reports.list().ok()?;
    let own = keys
        .iter()
        .rev()
        .filter(|key| parts(key).is_some_and(|(_, of)| of == *version));
    own.filter_map(|key| reports.load(key).ok()?)
        .find(|report| report.task == *task && is_here(report) && report.is_of_version())
}
