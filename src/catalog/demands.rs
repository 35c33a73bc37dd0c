//! What the packages of a workspace demand of one another: a release sets the version of a package,
//! but not what others demand of it, so its plan names demands that the new version does not fit.

use crate::{
    base::{Fs, Globs, RelPath},
    catalog::registry::read_small,
    model::{TaskSpec, Version},
    registry::task_config::{self, value_at},
};

/// Deepest module of a Maven project that is looked at, in folders below the task's.
const DEPTH: usize = 3;
/// Most demands that are named.
const NAMED: usize = 3;

/// The values of a file.
type Values = Vec<(String, String)>;

/// A demand on the version of a package.
struct DemandedVersion {
    file: RelPath,
    text: String,
    fits: bool,
}

/// Returns the remark on demands of other packages that a version of the task does not fit.
pub fn unfit(tree: &dyn Fs, task: &TaskSpec, version: &Version) -> Option<String> {
    let config = task.config.as_ref()?;
    let own = values(tree, config)?;
    let demands = match config.name() {
        b"Cargo.toml" => cargo(tree, config, &own, version),
        b"package.json" => npm(tree, config, &own, version),
        b"pom.xml" => maven(tree, config, &own, version),
        _ => Vec::new(),
    };
    let unfit: Vec<DemandedVersion> = demands.into_iter().filter(|demand| !demand.fits).collect();
    let mut names: Vec<String> = unfit
        .iter()
        .take(NAMED)
        .map(|demand| format!("{} demands {}", demand.file, demand.text))
        .collect();
    if unfit.len() > NAMED {
        names.push(format!("{} more", unfit.len() - NAMED));
    }
    (!unfit.is_empty()).then(|| {
        format!(
            "{version} does not fit what others demand, which stays as it is: {}",
            names.join(", ")
        )
    })
}

/// Returns what the crates of a workspace demand of this one.
fn cargo(tree: &dyn Fs, config: &RelPath, own: &Values, version: &Version) -> Vec<DemandedVersion> {
    let Some(name) = value_at(own, "package.name") else {
        return Vec::new();
    };
    let mut demands = Vec::new();
    for (file, values) in workspace(tree, config, "workspace.members[") {
        let is_path = |(key, _): &&(String, String)| key.ends_with(".path");
        for (key, _) in values.iter().filter(is_path) {
            let entry = key.trim_end_matches(".path");
            let Some((section, alias)) = entry.rsplit_once('.') else {
                continue;
            };
            let package = value_at(&values, &format!("{entry}.package")).unwrap_or(alias);
            let wanted = value_at(&values, &format!("{entry}.version"));
            if let Some(wanted) = wanted
                && section.ends_with("dependencies")
                && package == name
            {
                demands.push(DemandedVersion {
                    file: file.clone(),
                    text: format!("{name} {wanted}"),
                    fits: fits(wanted, version, true),
                });
            }
        }
    }
    demands
}

/// Returns what the packages of an npm workspace demand of this one.
fn npm(tree: &dyn Fs, config: &RelPath, own: &Values, version: &Version) -> Vec<DemandedVersion> {
    let Some(name) = value_at(own, "name") else {
        return Vec::new();
    };
    let sections = ["dependencies", "devDependencies", "peerDependencies"];
    let mut demands = Vec::new();
    for (file, values) in workspace(tree, config, "workspaces") {
        let of_section = |section: &&str| value_at(&values, &format!("{section}.{name}"));
        demands.extend(
            sections
                .iter()
                .filter_map(of_section)
                .map(|wanted| DemandedVersion {
                    file: file.clone(),
                    text: format!("{name} {wanted}"),
                    fits: fits(wanted, version, false),
                }),
        );
    }
    demands
}

/// Returns what the modules below a Maven project demand of it.
fn maven(tree: &dyn Fs, config: &RelPath, own: &Values, version: &Version) -> Vec<DemandedVersion> {
    let name = value_at(own, "project.artifactId");
    let mut folders = vec![config.parent()];
    let mut demands = Vec::new();
    for _ in 0..DEPTH {
        let below = |dir: &RelPath| {
            let names = tree.list(dir).unwrap_or_default().into_iter();
            let names = names.filter(|name| !name.starts_with(b"."));
            names.map(|name| dir.join(name)).collect::<Vec<_>>()
        };
        folders = folders.iter().flat_map(below).collect();
        folders.retain(|dir| matches!(tree.stat(&dir.join("pom.xml")), Ok(Some(_))));
        for file in folders.iter().map(|dir| dir.join("pom.xml")) {
            let values = values(tree, &file).unwrap_or_default();
            let of_parent = |key: &str| value_at(&values, &format!("project.parent.{key}"));
            if let Some(wanted) = of_parent("version").filter(|_| of_parent("artifactId") == name) {
                demands.push(DemandedVersion {
                    text: format!("its parent {wanted}"),
                    fits: wanted == version.as_str() || wanted.contains(['$', '[', '(']),
                    file,
                });
            }
        }
    }
    demands
}

/// Returns the files of this name in the workspace of a package, without its own: the one that
/// lists the members, below `key`, and theirs.
fn workspace(tree: &dyn Fs, config: &RelPath, key: &str) -> Vec<(RelPath, Values)> {
    let above = config.ancestors().chain([RelPath::root()]);
    let name = config.name();
    let lists = |dir: RelPath| {
        let values = values(tree, &dir.join(name))?;
        let members = values.iter().filter(|(found, _)| found.starts_with(key));
        let members: Vec<String> = members.map(|(_, text)| text.clone()).collect();
        (!members.is_empty()).then_some((dir, members))
    };
    let Some((top, members)) = above.into_iter().find_map(lists) else {
        return Vec::new();
    };
    let folders = members
        .iter()
        .flat_map(|member| matching(tree, &top, member));
    let files = std::iter::once(top.clone()).chain(folders);
    let mut files: Vec<RelPath> = files.map(|dir| dir.join(name)).collect();
    files.sort();
    files.dedup();
    files.retain(|file| file != config);
    let read = |file: RelPath| Some((file.clone(), values(tree, &file)?));
    files.into_iter().filter_map(read).collect()
}

/// Returns the folders that a pattern of workspace members names.
pub(super) fn matching(tree: &dyn Fs, dir: &RelPath, pattern: &str) -> Vec<RelPath> {
    let mut folders = vec![dir.clone()];
    let names = pattern.trim_matches('/').split('/');
    for name in names.filter(|name| *name != ".") {
        let Ok(globs) = Globs::new(&[name.to_string()]) else {
            return Vec::new();
        };
        let below = |folder: &RelPath| {
            let names = tree.list(folder).unwrap_or_default().into_iter();
            let fits = |name: &Vec<u8>| RelPath::parse(name).is_ok_and(|name| globs.matches(&name));
            let found: Vec<RelPath> = names.filter(fits).map(|name| folder.join(name)).collect();
            found
        };
        folders = folders.iter().flat_map(below).collect();
    }
    folders
}

/// True for a version that fits a demand, and for demands of a form that is not read. For Cargo a
/// bare number is a lower bound in the same compatible range, for npm a full one is exact.
fn fits(wanted: &str, version: &Version, is_cargo: bool) -> bool {
    let text = wanted.trim();
    let number = text.trim_start_matches(['^', '~', '=']).trim();
    let Some(low) = numbers(number) else {
        return true;
    };
    let Some(now) = numbers(version.as_str()) else {
        return true;
    };
    let sign = text.chars().next().filter(|c| "^~=".contains(*c));
    let same = |count: usize| now.iter().take(count).eq(low.iter().take(count));
    let is_exact = number == version.as_str();
    match sign {
        Some('=') if low.len() >= 3 => is_exact,
        None if !is_cargo && low.len() >= 3 => is_exact,
        Some('=') => same(low.len()),
        None if !is_cargo => same(low.len()),
        Some('~') => same(low.len().min(2)) && now >= low,
        _ => {
            let leading = low.iter().take_while(|number| **number == 0).count();
            same((leading + 1).min(low.len())) && now >= low
        }
    }
}

/// Returns the numbers of a version, up to what follows them; `None` for anything else.
fn numbers(text: &str) -> Option<Vec<u64>> {
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let numbers = text[..end].split('.').map(|part| part.parse().ok());
    numbers.collect()
}

/// Returns the values of a file; `None` when it cannot be read.
fn values(tree: &dyn Fs, file: &RelPath) -> Option<Values> {
    task_config::values(&read_small(tree, file).ok()??, file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_a_demand_is_known() {
        for (wanted, version, of_cargo, of_npm) in [
            ("1.0.0", "1.1.0", true, false),
            ("1.0.0", "1.0.0", true, true),
            ("1.0", "1.1.0", true, false),
            ("0.5", "0.5.9", true, true),
            ("0.5", "0.6.0", false, false),
            ("0.0.3", "0.0.4", false, false),
            ("^1.2.0", "1.1.0", false, false),
            ("^1.2.0", "1.9.0", true, true),
            ("~1.2.0", "1.3.0", false, false),
            ("=1.2.0", "1.2.1", false, false),
            (">=1, <3", "9.0.0", true, true),
            ("workspace:*", "9.0.0", true, true),
            ("*", "9.0.0", true, true),
            ("1", "2.0.0", false, false),
        ] {
            let version: Version = version.parse().expect("it is a version");
            assert_eq!(fits(wanted, &version, true), of_cargo, "{wanted} {version}");
            assert_eq!(fits(wanted, &version, false), of_npm, "{wanted} {version}");
        }
    }
}
