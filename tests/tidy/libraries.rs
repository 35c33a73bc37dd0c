//! Outside libraries have one owner each, and so has unsafe code.

use crate::sources::{code_only, sources, words};

/// Outside libraries with one owner: the prefix of the name, and the paths that may use it.
const OWNERS: [(&str, &[&str]); 16] = [
    ("gix", &["crates/git/"]),
    ("zstd", &["crates/store/"]),
    ("clap", &["src/cli/", "src/main.rs", "src/bin/"]),
    ("indicatif", &["src/cli/"]),
    ("flate2", &["src/capsule/", "src/journal/plan.rs"]),
    ("tar", &["src/capsule/"]),
    (
        "git_conventional",
        &["crates/model/src/policy/conventional.rs"],
    ),
    (
        "granit_parser",
        &["crates/base/src/yaml.rs", "src/registry/yaml.rs"],
    ),
    ("yaml_serde", &["crates/base/src/yaml.rs"]),
    ("schemars", &["crates/model/src/", "src/config/"]),
    ("strsim", &["crates/base/src/text.rs"]),
    ("rusqlite", &["src/backup/sqlite.rs"]),
    ("ureq", &["crates/base/src/http.rs"]),
    ("rustls", &["crates/base/src/http.rs"]),
    ("lettre", &["src/alert/email.rs"]),
    ("ed25519_dalek", &["src/keys/"]),
];

/// Lists the outside libraries that a file uses although another room owns them.
fn foreign_libraries(file: &str, text: &str) -> Vec<String> {
    let code = code_only(text);
    let is = |word: &str, name: &str| {
        word == name
            || word
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('_'))
    };
    let names_crate = |at: usize, word: &str| {
        code[at + word.len()..].starts_with("::") || code[..at].trim_end().ends_with("use")
    };
    let words = words(&code);
    let mut wrong = Vec::new();
    for (name, owners) in OWNERS {
        if owners.iter().any(|owner| file.starts_with(owner)) {
            continue;
        }
        // A path that ends in the name (`crate::store::zstd`) is our own module, not the crate.
        let used = words.iter().find(|(at, _, word)| {
            is(word, name) && names_crate(*at, word) && !code[..*at].ends_with("::")
        });
        if let Some((_, line, word)) = used {
            wrong.push(format!(
                "{file}:{line}: {word} belongs to {}",
                owners.join(", ")
            ));
        }
    }
    wrong
}

#[test]
fn outside_libraries_have_one_owner() {
    let wrong: Vec<String> = sources(&["crates", "src"])
        .iter()
        .flat_map(|(file, text)| foreign_libraries(file, text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The only product files that may contain unsafe code, together with its proofs: a call of the
/// kernel that no crate wraps, and the instructions of the processor.
const UNSAFE: [&str; 2] = [
    "crates/file-lease/src/lib.rs",
    "crates/sha256-lanes/src/kernel.rs",
];

#[test]
fn unsafe_code_is_in_two_files() {
    let has = |text: &str| {
        words(&code_only(text))
            .iter()
            .any(|(.., word)| ["unsafe", "unsafe_code"].contains(word))
    };
    let files: Vec<String> = sources(&["crates", "src"])
        .into_iter()
        .filter(|(_, text)| has(text))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(files, UNSAFE);
}

#[test]
fn libraries_in_foreign_rooms_are_found() {
    let bad = |file: &str, text: &str| foreign_libraries(file, text).len();
    assert_eq!(bad("src/release/mod.rs", "use gix::ObjectId;"), 1);
    assert_eq!(
        bad("src/release/mod.rs", "fn f(id: gix_hash::ObjectId) {}"),
        1
    );
    assert_eq!(bad("crates/git/src/lib.rs", "use gix::ObjectId;"), 0);
    assert_eq!(bad("src/git/run.rs", "tar::Header::new_gnu()"), 1);
    assert_eq!(bad("src/model/plan.rs", "let avatar = guitar::of(x);"), 0);
    assert_eq!(bad("src/config/mod.rs", "#[derive(clap::Args)]"), 1);
}
