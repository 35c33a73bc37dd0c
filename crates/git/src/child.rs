//! The environment of the commands that snapback runs.
//!
//! git passes its repository to children in variables, but a command run by snapback often works in
//! another one, which it must find by its folder alone. The command is told that it runs under
//! snapback, so that a hook does not start what is already under way. It is not told the trust pins
//! of this repository, because they do not apply to another one. Every command is created here;
//! `clippy.toml` bans the bare constructor elsewhere.

use std::{ffi::OsStr, path::Path};

use base::process::Command;
use model::{hooks::DEPTH_VARIABLE, trust::PINS_VARIABLE};

/// Variables by which git passes its repository to children (`git rev-parse --local-env-vars`).
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

/// Makes a command for a program, run in `dir`.
pub fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    detached(program, dir)
        .env(DEPTH_VARIABLE, "1")
        .env_remove(PINS_VARIABLE)
}

/// Makes a command for a line of the trusted configuration, run by `sh -c` in `dir`.
pub fn shell(line: &str, dir: &Path) -> Command {
    command("sh", dir).args(["-c", line])
}

/// Makes a command for snapback to continue here after this process; it is not marked as nested.
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
        // Runs itself with git's variables set, as git would run a hook.
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
