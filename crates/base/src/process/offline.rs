//! How a child is kept off the network: in a network namespace of its own where the kernel lets a
//! user have one, else by proxies that lead nowhere, which only programs that ask for proxies heed.
//!
//! The namespace is made by util-linux's `unshare`, because doing it between fork and exec would
//! need unsafe code. The child keeps its user and gets no privilege: those that are needed to
//! bring the loopback interface up are given back before it starts.

use std::{ffi::OsString, path::Path, time::Duration};

use super::Command;

/// Brings the loopback interface up, gives the privileges back and becomes the command.
const ENTER: &str = "ip link set lo up >/dev/null 2>&1 || :
if command -v setpriv >/dev/null 2>&1; then exec setpriv --inh-caps=-all --ambient-caps=-all -- \"$@\"; fi
exec \"$@\"";
/// Shows the interfaces that a child would see.
const LOOK: &str = "cat /proc/self/net/dev";
/// The variables that name proxies; both spellings are in use.
const PROXIES: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "FTP_PROXY",
    "RSYNC_PROXY",
];
/// Nothing listens on the discard port of this machine.
const NOWHERE: &str = "http://127.0.0.1:9";
/// What tells package managers not to ask the network; they then fail at once, with a clear word.
const ASK_NOBODY: [(&str, &str); 6] = [
    ("UV_OFFLINE", "1"),
    ("PIP_NO_INDEX", "1"),
    ("CARGO_NET_OFFLINE", "true"),
    ("npm_config_offline", "true"),
    ("GOPROXY", "off"),
    ("GIT_ALLOW_PROTOCOL", "file"),
];

/// How children are kept off the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offline {
    /// By the kernel: they see no interface but loopback.
    Namespace,
    /// By proxies that lead nowhere; why there is no namespace.
    Proxies(String),
}

impl Offline {
    /// Finds out what this machine lets, by looking from inside.
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
                // Tunnels that the kernel makes in every namespace lead nowhere while they are
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

    /// True when the kernel shuts the network off.
    pub fn is_certain(&self) -> bool {
        *self == Self::Namespace
    }

    /// In words, for reports.
    pub fn words(&self) -> String {
        match self {
            Self::Namespace => "in a network namespace with no interface but loopback".into(),
            Self::Proxies(why) => format!(
                "with proxies that lead nowhere; direct connections were not prevented ({why})"
            ),
        }
    }

    /// The same command, kept off the network.
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
