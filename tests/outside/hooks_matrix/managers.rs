//! Hook managers: what each installs in a repository, in a form whose hooks can be counted.
//!
//! The scripts have the form that the managers write (pre-commit 4.7, lefthook 2.2, husky 9.1,
//! git-lfs 3.3); the programs behind them are stand-ins that log each call, unless the real ones
//! are on PATH. The real git-lfs does not log its calls, so a wrapper does, and [`Weights`] shows
//! what its hooks did.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use snapback::base::Digest;

use crate::support::Sandbox;

/// The hooks that are counted.
pub const EVENTS: [&str; 5] = [
    "post-commit",
    "post-checkout",
    "post-merge",
    "post-rewrite",
    "pre-push",
];

/// The owner of the hooks that a repository already has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// No hooks at all.
    None,
    /// Scripts in the hooks folder.
    Plain,
    PreCommit,
    Lefthook,
    Husky,
    GitLfs,
    /// A folder of scripts that git tracks.
    OwnPath,
    /// A folder outside the repository, configured by the user.
    GlobalPath,
    /// A symbolic link to a hook that acts on its own name.
    Link,
}

/// Writes an executable.
pub fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns shell code that logs the call: owner, hook, number of arguments and lines of input.
fn note(who: &str, event: &str) -> String {
    format!(
        "case {event} in pre-push | post-rewrite) n=$(wc -l) ;; *) n=- ;; esac\necho {who} {event} $# $n >>\"$HOOK_LOG\"\n"
    )
}

/// Returns the real program, when it is installed.
pub fn real(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

impl Manager {
    /// Sets the manager up; `real` uses the real program.
    pub fn set_up(self, sandbox: &Sandbox, real: bool) {
        let bin = sandbox.top().join("bin");
        let hooks = sandbox.at(".git/hooks");
        fs::create_dir_all(&hooks).unwrap();
        match self {
            Self::None => {}
            Self::Plain => EVENTS.iter().for_each(|event| {
                program(
                    &hooks.join(event),
                    &format!("#!/bin/sh\n{}", note("foreign", event)),
                );
            }),
            Self::PreCommit => pre_commit(sandbox, real),
            Self::Lefthook => lefthook(sandbox, real),
            Self::Husky => husky(sandbox, real),
            Self::GitLfs if real => git_lfs(sandbox, &bin),
            Self::GitLfs => {
                program(
                    &bin.join("git-lfs"),
                    &format!(
                        "#!/bin/sh\nevent=$1; shift\n{}",
                        note("foreign", "\"$event\"")
                    ),
                );
                for event in EVENTS.into_iter().filter(|event| *event != "post-rewrite") {
                    let text = format!(
                        "#!/bin/sh\ncommand -v git-lfs >/dev/null 2>&1 || {{ echo >&2 \"no git-lfs\"; exit 2; }}\ngit lfs {event} \"$@\"\n"
                    );
                    program(&hooks.join(event), &text);
                }
            }
            Self::OwnPath | Self::GlobalPath => {
                let folder = if self == Self::OwnPath {
                    sandbox.at(".githooks")
                } else {
                    sandbox.home().join("company-hooks")
                };
                for event in EVENTS {
                    program(
                        &folder.join(event),
                        &format!("#!/bin/sh\n{}", note("foreign", event)),
                    );
                }
                if self == Self::OwnPath {
                    sandbox.commit("hooks");
                    sandbox
                        .git(&["config", "core.hooksPath", ".githooks"])
                        .expect(0);
                } else {
                    sandbox
                        .git(&["config", "--global", "core.hooksPath", "~/company-hooks"])
                        .expect(0);
                }
            }
            Self::Link => {
                program(
                    &sandbox.top().join("dispatch"),
                    &format!(
                        "#!/bin/sh\nevent=${{0##*/}}\n{}",
                        note("foreign", "\"$event\"")
                    ),
                );
                for event in EVENTS {
                    std::os::unix::fs::symlink("../../../dispatch", hooks.join(event)).unwrap();
                }
            }
        }
    }

    /// Returns whether the manager has a hook for an event that logs itself.
    pub fn has(self, event: &str) -> bool {
        match self {
            Self::None => false,
            Self::GitLfs => event != "post-rewrite",
            _ => true,
        }
    }
}

/// A large file kept by the real git-lfs, which shows what its hooks did: a lockable file is
/// read-only after each of them, and a push uploads its bytes to the remote.
pub struct Weights {
    /// The work tree and the remote; `None` without the real git-lfs.
    at: Option<(PathBuf, PathBuf)>,
}

/// The path of the file.
const WEIGHTS: &str = "data/weights.dat";

impl Weights {
    /// Creates the file for a row of the matrix.
    pub fn of(manager: Manager, real: bool, sandbox: &Sandbox) -> Self {
        let has = manager == Manager::GitLfs && real;
        Self {
            at: has.then(|| (sandbox.root(), sandbox.top().join("up.git"))),
        }
    }

    /// Returns the same file in another work tree.
    pub fn in_tree(self, tree: &Path) -> Self {
        Self {
            at: self.at.map(|(_, remote)| (tree.to_path_buf(), remote)),
        }
    }

    /// Writes other bytes.
    pub fn change(&self, text: &str) {
        let Some((tree, _)) = &self.at else { return };
        let path = tree.join(WEIGHTS);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        fs::write(path, format!("{text}\n").repeat(1000)).unwrap();
    }

    /// Asserts that the hook did its work: the bytes are there, and read-only.
    #[track_caller]
    pub fn assert_locked(&self, event: &str) {
        let Some((tree, _)) = &self.at else { return };
        let mode = fs::metadata(tree.join(WEIGHTS))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(
            mode & 0o222,
            0,
            "{event} of git-lfs locks the file: {mode:o}"
        );
        assert!(
            !fs::read(tree.join(WEIGHTS))
                .unwrap()
                .starts_with(b"version https://"),
            "it is no pointer"
        );
    }

    /// Asserts that the remote has the bytes, or has not.
    #[track_caller]
    pub fn assert_uploaded(&self, is: bool) {
        let Some((tree, remote)) = &self.at else {
            return;
        };
        let digest = Digest::of(&fs::read(tree.join(WEIGHTS)).unwrap()).to_string();
        let oid = digest.strip_prefix("sha256:").unwrap_or(&digest);
        let object = remote
            .join("lfs/objects")
            .join(&oid[..2])
            .join(&oid[2..4])
            .join(oid);
        assert_eq!(object.is_file(), is, "{}", object.display());
    }
}

/// Sets up the real git-lfs behind a program that logs the calls of its hooks.
fn git_lfs(sandbox: &Sandbox, bin: &Path) {
    let real = real("git-lfs").expect("because the row asked for it");
    let noting = format!(
        "#!/bin/sh\ncase $1 in post-* | pre-push) echo foreign \"$1\" $(($# - 1)) - >>\"$HOOK_LOG\" ;; esac\nexec '{}' \"$@\"\n",
        real.display()
    );
    program(&bin.join("git-lfs"), &noting);
    sandbox.git(&["lfs", "install", "--local"]).expect(0);
    sandbox
        .git(&["lfs", "track", "--lockable", "*.dat"])
        .expect(0);
    Weights::of(Manager::GitLfs, true, sandbox).change("first");
    sandbox.commit("weights");
}

fn pre_commit(sandbox: &Sandbox, real: bool) {
    if real {
        let log = sandbox.top().join("log");
        let entry = format!(
            "sh -c 'echo foreign $PRE_COMMIT_STAGE 0 - >>{}'",
            log.display()
        );
        let hook = format!(
            "  - {{id: x, name: x, entry: \"{entry}\", language: system, always_run: true, pass_filenames: false, stages: [post-commit, post-checkout, post-merge, post-rewrite, pre-push]}}"
        );
        // The stage is not passed on, so one hook per event names it.
        let hooks: Vec<String> = EVENTS
            .iter()
            .map(|event| {
                hook.replace("id: x", &format!("id: {event}"))
                    .replace("$PRE_COMMIT_STAGE", event)
                    .replace(
                        "[post-commit, post-checkout, post-merge, post-rewrite, pre-push]",
                        &format!("[{event}]"),
                    )
            })
            .collect();
        sandbox.write(
            ".pre-commit-config.yaml",
            format!("repos:\n- repo: local\n  hooks:\n{}\n", hooks.join("\n")).as_bytes(),
        );
        sandbox.commit("hooks");
        for event in EVENTS {
            sandbox
                .run("pre-commit", &["install", "-t", event])
                .expect(0);
        }
        return;
    }
    let stand_in = format!(
        "#!/bin/sh\nevent=${{3#--hook-type=}}\nwhile [ \"$1\" != -- ]; do shift; done; shift\n{}",
        note("foreign", "\"$event\"")
    );
    program(&sandbox.top().join("bin/pre-commit"), &stand_in);
    for event in EVENTS {
        let text = format!(
            "#!/usr/bin/env bash\n# File generated by pre-commit: https://pre-commit.com\n# ID: 138fd403232d2ddd5efb44317e38bf03\n\n\
             ARGS=(hook-impl --config=.pre-commit-config.yaml --hook-type={event})\nHERE=\"$(cd \"$(dirname \"$0\")\" && pwd)\"\n\
             ARGS+=(--hook-dir \"$HERE\" -- \"$@\")\nexec pre-commit \"${{ARGS[@]}}\"\n"
        );
        program(&sandbox.at(".git/hooks").join(event), &text);
    }
}

fn lefthook(sandbox: &Sandbox, real: bool) {
    if real {
        let log = sandbox.top().join("log");
        let job = |event: &&str| {
            format!(
                "{event}:\n  jobs:\n    - run: echo foreign {event} 0 - >>{}\n",
                log.display()
            )
        };
        sandbox.write(
            "lefthook.yml",
            EVENTS.iter().map(job).collect::<String>().as_bytes(),
        );
        sandbox.commit("hooks");
        sandbox.run("lefthook", &["install"]).expect(0);
        return;
    }
    program(
        &sandbox.top().join("bin/lefthook"),
        &format!(
            "#!/bin/sh\n[ \"$1\" = run ] || exit 0\nevent=$2; shift 2\n{}",
            note("foreign", "\"$event\"")
        ),
    );
    for event in EVENTS {
        let text = format!(
            "#!/bin/sh\n\nif [ \"$LEFTHOOK\" = \"0\" ]; then\n  exit 0\nfi\n\ncall_lefthook()\n{{\n  if lefthook -h >/dev/null 2>&1\n  then\n    \
             lefthook \"$@\"\n  else\n    dir=\"$(git rev-parse --show-toplevel)\"\n    echo \"Can't find lefthook in PATH\"\n  fi\n}}\n\n\
             call_lefthook run \"{event}\" \"$@\"\n"
        );
        program(&sandbox.at(".git/hooks").join(event), &text);
    }
}

fn husky(sandbox: &Sandbox, real: bool) {
    for event in EVENTS {
        sandbox.write(
            &format!(".husky/{event}"),
            note("foreign", event).as_bytes(),
        );
    }
    sandbox.commit("hooks");
    if real {
        sandbox.run("husky", &[]).expect(0);
        return;
    }
    sandbox.write(".husky/_/.gitignore", b"*");
    sandbox.write(
        ".husky/_/h",
        b"#!/usr/bin/env sh\nn=$(basename \"$0\")\ns=$(dirname \"$(dirname \"$0\")\")/$n\n[ ! -f \"$s\" ] && exit 0\nsh -e \"$s\" \"$@\"\nexit $?\n",
    );
    for event in EVENTS.into_iter().chain(["pre-commit", "commit-msg"]) {
        program(
            &sandbox.at(".husky/_").join(event),
            "#!/usr/bin/env sh\n. \"$(dirname \"$0\")/h\"",
        );
    }
    sandbox
        .git(&["config", "core.hooksPath", ".husky/_"])
        .expect(0);
}
