//! Every command that is printed as a hint or as a next step parses.
//!
//! They are found in the sources, where each stands as a list of words; what is a value there is a
//! version here.

use std::{fs, path::Path};

use clap::error::ErrorKind;

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
