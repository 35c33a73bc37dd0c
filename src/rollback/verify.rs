//! Verification on request: of a stored release, and of the work tree. The verdict on the version
//! is recorded.

use super::resolve;
use crate::{
    base::Failure,
    catalog::tasks,
    model::{Status, TaskId, Verification, Version, signature::Demand},
    operate::Operator,
    site::{self, RepoSite},
    verdict::{self, standing_of},
    verify::{CheckRun, Commands, Levels, Verifier},
};

/// Checks a stored release. `deep` reads every byte.
pub fn release(
    site: &RepoSite,
    task: &TaskId,
    version: &Version,
    deep: bool,
    signature: Demand,
) -> Result<Verification, Failure> {
    let (spec, releases) = (tasks::spec(site, task)?, tasks::releases_of(site, task)?);
    let verifier = Verifier::new(site, spec, &releases, version);
    let mut found = verifier.kept(deep, signature)?;
    if !deep {
        let unread = vec![
            "whether the bytes are those that were released was not looked at: --deep reads them"
                .into(),
        ];
        found
            .checks
            .push(CheckRun::begin(1, "integrity.bytes").end(Status::Skipped, unread));
    }
    Operator::new(site).note_kept(&found, deep);
    Ok(found)
}

/// Runs the four levels on the work tree; without an expected version, on the active one.
pub fn work_tree(
    site: &RepoSite,
    task: &TaskId,
    expected: Option<&Version>,
) -> Result<Verification, Failure> {
    let (spec, releases) = (tasks::spec(site, task)?, tasks::releases_of(site, task)?);
    let version = match expected {
        Some(version) => version.clone(),
        None => resolve(site, task, "active")?,
    };
    let standing = standing_of(&verdict::standings_of(site, task)?, task, &version);
    site::consent::require(site.commands_of_verification(task))?;
    let commands = Commands::unless(site.without_commands);
    let levels = Levels {
        deep: true,
        commands,
        held: standing.held,
        ..Levels::ALL
    };
    let found = Verifier::new(site, spec, &releases, &version).work_tree(levels)?;
    Operator::new(site).note_tree(&found, commands);
    Ok(found)
}
