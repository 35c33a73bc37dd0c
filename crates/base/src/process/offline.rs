//! Cuts a child off the network: in a network namespace where the kernel lets users create one,
//! else with unreachable proxies, which affect only programs that use proxies.
//!
//! The namespace is created by util-linux's `unshare`, because doing so between fork and exec would
//! need unsafe code. The child keeps its user and gains no privilege: those needed to bring up the
//! loopback interface are dropped before it starts.

use std::{ffi::OsString, path::Path, time::Duration};

use super::Command;

/// The shell script that brings up loopback, drops the privileges and executes the command.
const ENTER: &str = "ip link set lo up >/dev/null 2>&1 || :
if command -v setpriv >/dev/null 2>&1; then exec setpriv --inh-caps=-all --ambient-caps=-all -- \"$@\"; fi
exec \"$@\"";
/// The command that lists the interfaces that a child would see.
const LOOK: &str = "cat /proc/self/net/dev";
/// The variables that name proxies; both upper and lower case are in use.
const PROXIES: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "FTP_PROXY",
    "RSYNC_PROXY",
];
/// The discard port of this machine, where nothing listens.
const NOWHERE: &str = "http://127.0.0.1:9";
/// Variables that tell package managers to stay offline; they then fail at once and say why.
const ASK_NOBODY: [(&str, &str); 6] = [
    ("UV_OFFLINE", "1"),
    ("PIP_NO_INDEX", "1"),
    ("CARGO_NET_OFFLINE", "true"),
    ("npm_config_offline", "true"),
    ("GOPROXY", "off"),
    ("GIT_ALLOW_PROTOCOL", "file"),
];

/// The method of keeping children off the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offline {
    /// The kernel: they see no interface but loopback.
    Namespace,
    /// Unreachable proxies; holds the reason why there is no namespace.
    Proxies(String),
}

impl Offline {
    /// Finds out what this machine allows, by a trial in a namespace.
    #[expect(
        clippy::disallowed_methods,
        reason = "it looks at the network and at no repository"
    )]
    pub fn find() -> Self {
        let dir = Path::new("/");
        let inside = Self::Namespace
            .around(Command::new("sh", dir).args(["-c", LOOK]))
            .limit(Duration::from_secs(10));
        let why = match inside.run() {
            Ok(ended) if ended.succeeded() => {
                let text = String::from_utf8_lossy(&ended.stdout).into_owned();
                let names: Vec<&str> = text
                    .lines()
                    .filter_map(|line| Some(line.split_once(':')?.0.trim()))
                    .collect();
                // Tunnels that the kernel creates in every namespace lead nowhere while they are
                // down.
                match names.iter().find(|name| {
                    !matches!(
                        **name,
                        "lo" | "tunl0"
                            | "sit0"
                            | "gre0"
                            | "gretap0"
                            | "erspan0"
                            | "ip6tnl0"
                            | "ip6gre0"
                            | "ip_vti0"
                            | "ip6_vti0"
                    )
                }) {
                    None => return Self::Namespace,
                    Some(name) => format!(
                        "the namespace has the interface {}",
                        super::super::text::escape(name.as_bytes())
                    ),
                }
            }
            Ok(ended) => {
                let said = String::from_utf8_lossy(&ended.stderr);
                super::super::text::escape(
                    said.lines().next().unwrap_or("unshare failed").as_bytes(),
                )
            }
            Err(error) => error.to_string(),
        };
        Self::Proxies(why)
    }

    /// True when the kernel enforces it.
    pub fn is_certain(&self) -> bool {
        *self == Self::Namespace
    }

    /// Describes the method in words, for reports.
    pub fn words(&self) -> String {
        match self {
            Self::Namespace => "in a network namespace with no interface but loopback".into(),
            Self::Proxies(why) => format!(
                "with proxies that lead nowhere; direct connections were not prevented ({why})"
            ),
        }
    }

    /// Returns the command, kept off the network.
    pub fn around(&self, command: Command) -> Command {
        let mut command = command;
        for name in PROXIES {
            command = command
                .env(name, NOWHERE)
                .env(name.to_ascii_lowercase(), NOWHERE);
        }
        for (name, value) in ASK_NOBODY {
            command = command.env(name, value);
        }
        command = command
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("no_proxy", "127.0.0.1,localhost");
        if *self == Self::Namespace {
            let words = [
                "unshare",
                "--user",
                "--map-current-user",
                "--net",
                "--keep-caps",
                "--",
                "sh",
                "-c",
                ENTER,
                "sh",
            ];
            let before: Vec<OsString> = words.iter().map(OsString::from).collect();
            command.prefix = before.len();
            command.argv.splice(0..0, before);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "processes of the tests")]

    use super::*;

    #[test]
    fn a_child_without_network_sees_loopback_only_and_keeps_its_exit_code() {
        let offline = Offline::find();
        let run = |line: &str| {
            offline
                .around(Command::new("sh", Path::new("/")).args(["-c", line]))
                .run()
                .expect("it starts")
        };
        assert_eq!(run("exit 7").status, super::super::Exit::Code(7));
        assert_eq!(
            run("printf '%s' \"$https_proxy\"").stdout,
            NOWHERE.as_bytes()
        );
        if offline.is_certain() {
            let routes =
                String::from_utf8(run("cat /proc/self/net/route").stdout).expect("it is text");
            assert_eq!(routes.lines().count(), 1, "{routes}");
            let id = String::from_utf8(run("id -u").stdout).expect("it is text");
            assert_eq!(
                id.trim(),
                super::super::super::user::current().0.to_string()
            );
        }
    }

    #[test]
    fn messages_name_the_command_and_not_what_is_around_it() {
        let command =
            Offline::Namespace.around(Command::new("sh", Path::new("/")).args(["-c", "echo a"]));
        assert_eq!(command.program(), "echo a");
        assert_eq!(
            Offline::Namespace
                .around(Command::new("uv", Path::new("/")))
                .program(),
            "uv"
        );
    }
}
