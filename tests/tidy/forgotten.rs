//! Nothing is forgotten: every file is declared as a module, and every command is in the README and
//! in a test.

use std::{collections::BTreeMap, fs};

use crate::sources::{code_only, crates, sources, top};

/// Lists the files that no module declares. `top` is the root file of the crate.
fn undeclared(files: &BTreeMap<String, String>, top: &str) -> Vec<String> {
    let folder = top.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut wrong = Vec::new();
    for file in files
        .keys()
        .filter(|file| *file != top && file.starts_with(folder))
    {
        let path = file
            .strip_suffix("/mod.rs")
            .or(file.strip_suffix(".rs"))
            .unwrap_or(file);
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let candidates = if parent == folder {
            vec![top.to_string()]
        } else {
            vec![format!("{parent}/mod.rs"), format!("{parent}.rs")]
        };
        let declares = |text: &String| {
            code_only(text).lines().any(|line| {
                line.trim()
                    .strip_suffix(';')
                    .is_some_and(|line| line.ends_with(&format!("mod {name}")))
            })
        };
        if !candidates
            .iter()
            .filter_map(|candidate| files.get(candidate))
            .any(declares)
        {
            wrong.push(format!(
                "{file}: no `mod {name};` in {}",
                candidates.join(" or ")
            ));
        }
    }
    wrong
}

#[test]
fn no_module_is_forgotten() {
    let mut files = sources(&["src"]);
    files.retain(|file, _| file != "src/main.rs" && !file.starts_with("src/bin/"));
    let mut wrong = undeclared(&files, "src/lib.rs");
    for name in crates() {
        let files = sources(&[&format!("crates/{name}/src")]);
        wrong.extend(undeclared(&files, &format!("crates/{name}/src/lib.rs")));
    }
    // A test in an undeclared file would never run, and nobody would notice.
    let mut files = sources(&["tests"]);
    let tidy = files.split_off("tests/tidy/");
    wrong.extend(undeclared(&tidy, "tests/tidy/main.rs"));
    wrong.extend(undeclared(&files, "tests/main.rs"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_is_in_the_readme_and_in_a_test() {
    let readme = fs::read_to_string(top().join("README.md")).unwrap_or_default();
    let tests: String = sources(&["tests/it", "tests/faults", "tests/outside"])
        .into_values()
        .collect();
    let mut wrong = Vec::new();
    for file in sources(&["src"]).keys() {
        let Some(name) = file
            .strip_prefix("src/cli/commands/")
            .and_then(|name| name.strip_suffix(".rs"))
        else {
            continue;
        };
        let command = name.trim_end_matches("/mod").replace('_', "-");
        if name == "mod" || command.contains('/') {
            continue;
        }
        if ![format!("snapback {command}"), format!("`{command}")]
            .iter()
            .any(|mention| readme.contains(mention))
        {
            wrong.push(format!(
                "{file}: README.md does not name `snapback {command}`"
            ));
        }
        if !tests.contains(&format!("\"{command}\""))
            && !tests.contains(&format!("snapback {command}"))
        {
            wrong.push(format!("{file}: no integration test runs {command:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn forgotten_modules_are_found() {
    let files = |text: &str| {
        BTreeMap::from([
            ("src/lib.rs".to_string(), text.to_string()),
            ("src/a/mod.rs".into(), "pub(crate) mod b;".into()),
            ("src/a/b.rs".into(), String::new()),
        ])
    };
    assert_eq!(undeclared(&files("pub mod a;"), "src/lib.rs").len(), 0);
    assert_eq!(undeclared(&files("// pub mod a;"), "src/lib.rs").len(), 1);
}
