//! `env: sync`: builds a new Python environment beside the old one, never in its place.
//!
//! Uses uv when available, otherwise Python's own venv and pip; first tries without the network.
//! The result must hold exactly the wanted packages, or it is removed again. Its scripts refer to
//! the path it will be renamed to, so it works only after the switch.

mod site;

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    base::{Fs, RelPath, Root, fs::remove_tree, process::offline::Offline},
    git::child,
};

use super::{
    Error, PackageDifference, difference, installed,
    installed::{is_plain, normalise},
};
use site::BuildSite;

/// The tool that builds an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// uv.
    Uv,
    /// Python's venv module and pip.
    Pip,
}

/// Local package sources.
#[derive(Debug, Clone, Copy, Default)]
pub struct Local<'a> {
    /// Folders of wheels, relative to the work tree or absolute.
    pub wheels: &'a [PathBuf],
    /// Keeps every program off the network; packages that are not local are then an error.
    pub offline: Option<&'a Offline>,
}

/// A finished environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The tool that built it.
    pub tool: Tool,
    /// True when the network was not used.
    pub offline: bool,
    /// The number of packages it holds.
    pub packages: usize,
}

/// Compares the environment in `venv` with a list of `name==version`; `None` if there is none.
pub fn check_installed(
    fs: &dyn Fs,
    venv: &RelPath,
    packages: &[String],
) -> Result<Option<PackageDifference>, Error> {
    let wanted: Vec<String> = packages
        .iter()
        .filter(|package| !is_pip(package))
        .cloned()
        .collect();
    Ok(installed(fs, venv)?.map(|installed| difference(&wanted, &installed)))
}

/// Builds an environment in `into`, to be renamed to `venv` afterwards, with exactly `packages`
/// (`name==version`, without pip).
///
/// Uses the Python of the environment in `venv` if it still runs. `into` must not exist; after an
/// error it is removed again.
pub fn build(
    work_tree: &Path,
    venv: &RelPath,
    into: &RelPath,
    packages: &[String],
    local: &Local<'_>,
) -> Result<Built, Error> {
    let tool = if child::command("uv", work_tree)
        .arg("--version")
        .run()
        .is_ok_and(|ended| ended.succeeded())
    {
        Tool::Uv
    } else {
        Tool::Pip
    };
    let order = EnvironmentOrder {
        work_tree,
        venv,
        into,
        packages,
        local,
    };
    build_with(tool, Path::new("uv"), &order)
}

/// The arguments of a build: what, where, and from which sources.
struct EnvironmentOrder<'a> {
    work_tree: &'a Path,
    venv: &'a RelPath,
    into: &'a RelPath,
    packages: &'a [String],
    local: &'a Local<'a>,
}

/// Builds with a given tool; `uv` is the path of uv.
fn build_with(tool: Tool, uv: &Path, order: &EnvironmentOrder<'_>) -> Result<Built, Error> {
    let EnvironmentOrder {
        work_tree,
        venv,
        into,
        packages,
        local,
    } = *order;
    let files_failed = |source| Error::Files {
        path: into.clone(),
        source,
    };
    let wanted: Vec<String> = packages
        .iter()
        .filter(|package| !is_pip(package))
        .cloned()
        .collect();
    let unpinned: Vec<String> = wanted
        .iter()
        .filter(|package| !is_pinned(package))
        .cloned()
        .collect();
    if !unpinned.is_empty() {
        return Err(Error::Unpinned {
            path: into.clone(),
            packages: unpinned,
        });
    }
    let work_tree = std::path::absolute(work_tree).map_err(files_failed)?;
    let root = Root::open(&work_tree).map_err(files_failed)?;
    if root.stat(into).map_err(files_failed)?.is_some() {
        return Err(files_failed(io::ErrorKind::AlreadyExists.into()));
    }
    let mut site = BuildSite {
        tool,
        uv,
        root: &root,
        work_tree: &work_tree,
        venv,
        into,
        wanted: &wanted,
        offline_dirs: local.wheels.to_vec(),
        offline: local.offline,
    };
    let built = site.build();
    if built.is_err() {
        // Report the first error; the next build reports a folder that could not be removed.
        let _ = remove_tree(&root, into);
    }
    built
}

/// Returns true for pip, the installer, which is not counted as a package.
fn is_pip(package: &str) -> bool {
    package.split("==").next() == Some("pip")
}

/// Returns true for exactly `name==version`.
fn is_pinned(package: &str) -> bool {
    package.split_once("==").is_some_and(|(name, version)| {
        is_plain(name) && is_plain(version) && normalise(name) == name
    })
}

#[cfg(test)]
mod tests;
