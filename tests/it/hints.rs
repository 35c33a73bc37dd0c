//! Every command that is printed as a hint or as a next step parses.
//!
//! They are found in the sources, where each stands as a list of words; what is a value there is a
//! version here.

use std::{fs, path::Path};

use clap::error::ErrorKind;

use crate::support::Sandbox;

/// Every list of words that begins with the program's name, below a folder.
fn command_lines(dir: &Path, found: &mut Vec<(String, Vec<String>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            command_lines(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for part in code.split("[\"snapback\"").skip(1) {
                // A list whose words are made elsewhere.
                let Some(end) = part.find(']').filter(|_| !part.starts_with('.')) else { continue };
                let words = part[..end].split(',').map(str::trim).filter(|word| !word.is_empty());
                let word = |word: &str| word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or("1.0.0").to_string();
                found.push((path.display().to_string(), std::iter::once("snapback".to_string()).chain(words.map(word)).collect()));
            }
        }
    }
}

#[test]
fn every_command_that_is_printed_parses() {
    let mut found = Vec::new();
    command_lines(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 60, "{}", found.len());
    let refused = |argv: &Vec<String>| {
        let refusal = snapback::cli::help::command().try_get_matches_from(argv).err()?;
        let fine = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion, ErrorKind::ValueValidation, ErrorKind::InvalidValue];
        (!fine.contains(&refusal.kind())).then(|| refusal.to_string())
    };
    let wrong: Vec<String> = found
        .iter()
        // Words that are put together elsewhere.
        .filter(|(_, argv)| argv.len() > 1)
        .filter_map(|(file, argv)| refused(argv).map(|why| format!("{file}: {}: {why}", argv.join(" "))))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the commands that `doctor` prints as fixes.
fn unfit(sandbox: &Sandbox, wrong: &mut Vec<String>) -> usize {
    let text = sandbox.snapback(&["doctor"]).stdout;
    let fixes: Vec<&str> = text.lines().filter_map(|line| line.trim_start().strip_prefix("fix: ")).collect();
    for fix in &fixes {
        let parsed = sandbox.run("/bin/sh", &["-n", "-c", fix]);
        let program = fix.split(' ').next().unwrap();
        if parsed.code != 0 || !["git", "snapback", "sudo"].contains(&program) || *fix == "snapback doctor" {
            wrong.push(format!("{fix}: {parsed:?}"));
        }
    }
    fixes.len()
}

#[test]
fn what_doctor_prints_as_a_fix_can_be_pasted_and_leads_on() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    let mut with = |make: &dyn Fn(&Sandbox)| {
        let copy = sandbox.copy();
        make(&copy);
        seen += unfit(&copy, &mut wrong);
    };
    let git = |args: &'static [&'static str]| move |sandbox: &Sandbox| drop(sandbox.git(args).expect(0));
    with(&|sandbox| {
        sandbox.git(&["config", "tag.gpgSign", "true"]).expect(0);
        sandbox.git(&["config", "user.signingKey", "DEADBEEF"]).expect(0);
    });
    with(&git(&["checkout", "-q", "--detach"]));
    with(&git(&["tag", "T01-v9.0.0", "HEAD^{tree}"]));
    with(&git(&["tag", "-d", "T01-v1.0.0"]));
    with(&|sandbox| sandbox.write("tasks/T02/config.yaml", b"version: 7.0.0\n"));
    with(&|sandbox| sandbox.write("task_registry.json", b"{"));
    with(&|sandbox| fs::write(sandbox.at("snapback.yaml"), "tasks: [").unwrap());
    with(&|sandbox| fs::write(sandbox.at("snapback.yaml"), "version: 1\ntasks: {T01: {verify: [{run: \"true\"}]}}\n").unwrap());
    with(&|sandbox| fs::remove_dir_all(sandbox.at(".git/snapback")).unwrap());
    with(&|sandbox| {
        fs::remove_dir_all(sandbox.at(".git/snapback")).unwrap();
        fs::write(sandbox.at(".git/snapback"), "in the way").unwrap();
    });
    with(&|sandbox| fs::remove_dir_all(sandbox.at(".git")).unwrap());
    assert!(wrong.is_empty() && seen >= 5, "{seen}: {}", wrong.join("\n"));
}
