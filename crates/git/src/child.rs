//! What a command that snapback runs finds in its environment.
//!
//! git names a repository to its children by variables, and a command of snapback works in
//! another one as often as not: it finds a repository by its folder alone. It is told that
//! snapback is above it, so that a hook does not run what is under way already; and it is not told
//! what the environment pins for this repository, for nobody spoke of another. Every command is
//! made here; `clippy.toml` bans the bare constructor elsewhere.

use std::{ffi::OsStr, path::Path};

use base::process::Command;
use model::{hooks::DEPTH_VARIABLE, trust::PINS_VARIABLE};

/// Variables by which git names a repository to its children (`git rev-parse --local-env-vars`).
const LOCATION_VARIABLES: [&str; 17] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// A program, run in `dir`.
pub fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    detached(program, dir)
        .env(DEPTH_VARIABLE, "1")
        .env_remove(PINS_VARIABLE)
}

/// A command line of the trusted configuration, run by `sh -c` in `dir`.
pub fn shell(line: &str, dir: &Path) -> Command {
    command("sh", dir).args(["-c", line])
}

/// snapback itself, to go on with this repository when this process has ended: nothing is above it.
#[expect(
    clippy::disallowed_methods,
    reason = "here the environment of every command is made"
)]
pub fn detached(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    LOCATION_VARIABLES
        .iter()
        .fold(Command::new(program, dir), Command::env_remove)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn printed(command: &Command) -> String {
        let ended = command.run().expect("it starts");
        String::from_utf8(ended.stdout).expect("it prints text")
    }

    #[test]
    fn a_command_finds_no_repository_but_by_its_folder() {
        // Runs itself with git's variables set, as a hook would be run by git.
        let (inner, this) = ("SNAPBACK_TEST_INNER", std::env::current_exe());
        if std::env::var_os(inner).is_none() {
            let name = "child::tests::a_command_finds_no_repository_but_by_its_folder";
            let this: PathBuf = this.expect("because a test has a program");
            let outer = command(this, Path::new("/"))
                .args(["--exact", name])
                .env(inner, "1")
                .env("GIT_DIR", "/x")
                .env("GIT_INDEX_FILE", "/y")
                .env(PINS_VARIABLE, "z");
            let text = printed(&outer);
            assert!(text.contains("1 passed"), "{text}");
            return;
        }
        assert!(std::env::var_os("GIT_DIR").is_some());
        let shown = format!(
            "printf %s \"${{GIT_DIR-none}} ${{GIT_INDEX_FILE-none}} ${DEPTH_VARIABLE} \
             ${{{PINS_VARIABLE}-none}} $A\""
        );
        let set = shell(&shown, Path::new("/")).env("A", "x");
        assert_eq!(printed(&set), "none none 1 none x");
        let own = detached("sh", Path::new("/"))
            .args(["-c", &shown])
            .env_remove(DEPTH_VARIABLE);
        assert_eq!(printed(&own), "none none  z ");
        let said = command("sh", Path::new("/")).env("GIT_DIR", "/said");
        assert_eq!(printed(&said.args(["-c", "printf %s $GIT_DIR"])), "/said");
    }

    #[test]
    fn location_variables_are_those_that_git_names() {
        let git = command("git", Path::new("/")).args(["rev-parse", "--local-env-vars"]);
        for name in printed(&git).lines() {
            assert!(LOCATION_VARIABLES.contains(&name), "{name}");
        }
    }
}
