//! No file that git tracks names a particular machine, a private host, or a crate from elsewhere.

use std::{collections::BTreeMap, fs, process::Command};

use crate::sources::top;

/// Returns the text files that git tracks, with their contents.
fn tracked() -> BTreeMap<String, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(top())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "the sources are a git repository");
    let names = String::from_utf8(output.stdout).expect("names are UTF-8");
    let text = |name: &str| {
        Some((
            name.to_string(),
            String::from_utf8(fs::read(top().join(name)).ok()?).ok()?,
        ))
    };
    names
        .split('\0')
        .filter(|name| !name.is_empty())
        .filter_map(text)
        .collect()
}

/// Returns the part of a line that belongs to one machine only: a user's folder, or a private host.
fn of_one_machine(line: &str) -> Option<&'static str> {
    let folders = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
    ];
    let inside_a_path =
        |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || "_.-/}$*)>~".contains(c));
    if folders.iter().any(|folder| {
        line.match_indices(folder)
            .any(|(at, _)| !inside_a_path(&line[..at]))
    }) {
        return Some("a path of a machine");
    }
    let private = |url: &str| {
        let host: String = url
            .chars()
            .take_while(|c| c.is_alphanumeric() || ".-_@".contains(*c))
            .collect();
        let host = host.rsplit('@').next().unwrap_or_default();
        let numeric = host.starts_with(|c: char| c.is_ascii_digit())
            && host.chars().all(|c| c.is_ascii_digit() || c == '.')
            && !host.starts_with("127.");
        let named = [".internal", ".local", ".lan", ".corp"]
            .iter()
            .any(|end| host.ends_with(end));
        !host.is_empty() && (numeric || named)
    };
    line.match_indices("://")
        .any(|(at, _)| {
            line[..at].ends_with("http") | line[..at].ends_with("https") && private(&line[at + 3..])
        })
        .then_some("a private host")
}

#[test]
fn nothing_names_a_machine_or_a_private_host() {
    let mut wrong = Vec::new();
    for (file, text) in tracked() {
        for (nth, line) in text.lines().enumerate() {
            if let Some(what) = of_one_machine(line) {
                wrong.push(format!("{file}:{}: {what}: {}", nth + 1, line.trim()));
            }
            let foreign = file.ends_with("Cargo.lock")
                && line.starts_with("source = ")
                && !line.contains("github.com/rust-lang/crates.io-index");
            if foreign {
                wrong.push(format!(
                    "{file}:{}: a crate from elsewhere: {line}",
                    nth + 1
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn machines_and_hosts_are_found() {
    assert!(of_one_machine(concat!("see /ho", "me/li/notes")).is_some());
    assert!(
        of_one_machine(concat!("frame/wo", "rk/x")).is_none(),
        "inside a longer path"
    );
    assert!(of_one_machine(concat!("ht", "tps://10.0.0.7/simple")).is_some());
    assert!(of_one_machine(concat!("ht", "tp://me@mirror.inter", "nal:8080/x")).is_some());
    assert!(
        of_one_machine("https://git-scm.com/docs and http://127.0.0.1:8080 and https://host/x")
            .is_none()
    );
}
