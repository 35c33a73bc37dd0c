//! The upkeep of the store: figures, check, collection, repair. Objects are named by their users,
//! in words.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    time::Duration,
};

use super::{needed::Needed, roots};
use crate::{
    base::Failure,
    model::{
        ObjectId,
        store::{CheckReport, GcReport, RepairReport, StoreStats},
    },
    operate::{Operator, action},
    site::RepoSite,
    store::{CheckDepth, CheckOptions, Gc},
};

/// How long a collection waits for sessions that began before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Users of some objects, in words: `T01 1.2.0 tasks/T01/model.bin`, `operation 9f3c21aa`.
pub type ObjectUsers = BTreeMap<ObjectId, Vec<String>>;

/// Returns figures of the store, and of each task.
pub fn stats(site: &RepoSite) -> Result<StoreStats, Failure> {
    let needed = roots::needed(site)?;
    Ok(site.store.stats(&needed.groups())?)
}

/// Checks the store; also says who needs what is damaged.
pub fn check(
    site: &RepoSite,
    level: CheckDepth,
    budget: Option<Duration>,
) -> Result<(CheckReport, ObjectUsers), Failure> {
    // The users of damaged objects are worth naming even when not all names can be read.
    let needed = roots::needed(site).unwrap_or_else(|failure| {
        site.warn(format!(
            "not everything that needs the store can be read: {failure}"
        ));
        Needed::default()
    });
    let how = CheckOptions {
        level,
        budget,
        seconds: seconds(site),
    };
    let total = site.store.stored().unwrap_or(0);
    let report = site.work("checking", total, true, || {
        site.store
            .check(&needed.objects(), how, &|more| site.progress(more))
    })?;
    let hurt = report
        .damage
        .iter()
        .flat_map(|harm| &harm.objects)
        .chain(&report.lost);
    let names = needed.names(hurt);
    Ok((report, names))
}

/// Collects what nothing needs. When it cannot be known what is needed, nothing is collected.
pub fn collect(site: &RepoSite, dry_run: bool) -> Result<(GcReport, ObjectUsers), Failure> {
    let roots = || -> Result<BTreeSet<ObjectId>, Failure> { Ok(roots::needed(site)?.objects()) };
    let how = Gc {
        dry_run,
        patience: PATIENCE,
        seconds: seconds(site),
    };
    let collect = || site.store.gc(&roots, how, &|more| site.progress(more));
    let act = || site.work("collecting", 0, true, collect);
    let report = if dry_run {
        act()?
    } else {
        Operator::new(site).audited(action("store gc"), "", act)?
    };
    let names = roots::needed(site)?.names(report.missing.iter());
    Ok((report, names))
}

/// Repairs the store; files of the work tree that have the right bytes help.
pub fn repair(site: &RepoSite) -> Result<(RepairReport, ObjectUsers), Failure> {
    let needed = roots::needed(site)?;
    let tree = &site.tree;
    let candidates = |id: &ObjectId| -> Vec<Box<dyn Read>> {
        let files = needed.paths(id).filter_map(|path| tree.open(path).ok());
        files.map(|file| Box::new(file) as Box<dyn Read>).collect()
    };
    let total = site.store.stored().unwrap_or(0);
    let run = || {
        site.store.repair(&needed.objects(), &candidates, &|more| {
            site.progress(more);
        })
    };
    let report = Operator::new(site).audited(action("store repair"), "", || {
        site.work("repairing", total, true, run)
    })?;
    let names = needed.names(report.lost.iter().chain(&report.healed));
    Ok((report, names))
}

/// Returns the current time in seconds, for notes that people read.
fn seconds(site: &RepoSite) -> i64 {
    site.clock.now().as_second()
}
