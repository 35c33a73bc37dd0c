//! Checks repository format extensions: what git refuses to open is refused here too, even by
//! reading commands. An unknown extension may change the meaning of objects, references and index.

use std::path::Path;

use super::{Error, child};

/// The supported extensions. The reference storage format is checked separately.
const KNOWN: [&str; 7] = [
    "noop",
    "noop-v1",
    "partialclone",
    "worktreeconfig",
    "preciousobjects",
    "objectformat",
    "refstorage",
];
/// Affects only paths of linked work trees, which are read in either form; older gits refuse it.
const RELATIVE_WORKTREES: &str = "relativeworktrees";

/// Refuses a repository with an unknown extension, as git does from format 1 on.
pub(super) fn check(repo: &gix::Repository) -> Result<(), Error> {
    let config = repo.config_snapshot();
    let format = config.integer("core.repositoryFormatVersion").unwrap_or(0);
    if format > 1 {
        return Err(Error::Format(format));
    }
    if format < 1 {
        return Ok(());
    }
    let local = |meta: &gix::config::file::Metadata| {
        meta.source.kind() == gix::config::source::Kind::Repository
    };
    let sections = config
        .plumbing()
        .sections_by_name_and_filter("extensions", |meta| local(meta))
        .into_iter()
        .flatten();
    for name in sections.flat_map(|section| {
        section
            .value_names()
            .map(|name| name.to_lowercase())
            .collect::<Vec<_>>()
    }) {
        let known = KNOWN.contains(&name.as_str())
            || (name == RELATIVE_WORKTREES && git_opens(repo.git_dir())?);
        if !known {
            return Err(Error::Extension(name));
        }
    }
    Ok(())
}

/// True when this machine's git program opens the repository.
fn git_opens(git_dir: &Path) -> Result<bool, Error> {
    let mut option = std::ffi::OsString::from("--git-dir=");
    option.push(git_dir);
    let asked = child::command("git", git_dir)
        .args([option])
        .args(["rev-parse", "--git-dir"]);
    Ok(asked.run().map_err(Error::Program)?.succeeded())
}

#[cfg(test)]
mod tests {
    use super::super::{Repo, testing::Sandbox};
    use super::*;
    use base::{Fault, Kind};

    #[test]
    fn what_git_refuses_to_open_is_refused() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        let open = || Repo::discover(sandbox.root());
        sandbox.git(&["config", "extensions.futureThing", "true"]);
        open().expect("of format 0 git does not look at them");
        sandbox.git(&["config", "core.repositoryFormatVersion", "1"]);
        let error = open().expect_err("nobody knows it");
        assert!(
            matches!(error, Error::Extension(ref name) if name == "futurething"),
            "{error:?}"
        );
        assert_eq!(error.kind(), Kind::Refused);
        let config = |text: &str| sandbox.write(".git/config", text.as_bytes());
        config(
            "[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tworktreeConfig = true\n\tnoop = 1\n",
        );
        open().expect("they are known");
        config("[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\trelativeWorktrees = true\n");
        assert_eq!(
            open().is_ok(),
            sandbox.git_may_fail(&["status"]),
            "as this git does"
        );
        config("[core]\n\trepositoryFormatVersion = 9\n");
        assert!(open().is_err(), "a format of the future");
    }
}
