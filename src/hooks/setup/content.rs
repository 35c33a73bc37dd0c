//! The content that an installation writes: lines of git's configuration, and the scripts of a
//! redirection. Writes nothing itself.

use std::{collections::BTreeMap, os::unix::ffi::OsStrExt, path::PathBuf};

use super::look::{HooksFound, MethodChoice};
use crate::{
    base::{Failure, Fs, RelPath},
    git::SaidBy,
    hooks::{Error, config_text, redirect, script::quoted},
    model::hooks::{HookMethod, HooksWanted},
};

/// Returns the configuration block that makes git run the hooks.
fn config_block(wanted: &HooksWanted) -> Result<Vec<u8>, Error> {
    let mut block = Vec::new();
    for event in &wanted.events {
        let (flag, missing) = if wanted.strict {
            (" --strict", 1)
        } else {
            ("", 0)
        };
        let program = quoted(wanted.program.as_os_str());
        let after = format!(
            "; [ -x \"$p\" ] || p=$(command -v snapback) || {{ echo \"snapback: the program is gone, so the hook {event} does nothing\" >&2; \
             exit {missing}; }}; \"$p\" hook run{flag} {event} -- \"$@\"; [ $? -ne 6 ] #"
        );
        let command = config_text::quoted(&[b"p=".as_slice(), &program, after.as_bytes()].concat());
        let command = command.map_err(|_| Error::Method {
            method: HookMethod::Config,
            why: "the program's path has a line end",
        })?;
        block.extend(
            format!("[hook \"snapback-{event}\"]\n\tevent = {event}\n\tcommand = ").into_bytes(),
        );
        block.extend(command);
        block.push(b'\n');
    }
    Ok(block)
}

/// Returns the configuration file to edit, its bytes, and the new bytes.
pub(super) fn edited_config(
    look: &HooksFound<'_>,
    choice: &MethodChoice,
    wanted: &HooksWanted,
) -> Result<(PathBuf, Vec<u8>, Vec<u8>), Failure> {
    let git = &look.site.git;
    let (file, is_set) = match (&look.folder.by, choice.method) {
        (SaidBy::File(file), HookMethod::Redirect) => (file.clone(), true),
        _ => (git.config_path(), false),
    };
    let own = look.own.as_os_str().as_bytes();
    let text = git.read_config(&file)?;
    let plain = config_text::without(&text, own);
    let new = match choice.method {
        HookMethod::Config => {
            let block = config_block(wanted)?;
            let is_there = bstr::ByteSlice::contains_str(
                text.as_slice(),
                config_text::with_block(b"", &block),
            );
            if is_there {
                text.clone()
            } else {
                config_text::with_block(&plain, &block)
            }
        }
        _ if look.is_redirected() => text.clone(),
        _ => {
            // The setting may be in a line of ours that somebody else changed.
            let is_set = is_set && config_text::sets_path(&plain);
            config_text::with_path(&plain, own, is_set)
                .map_err(|_| Error::ConfigForm(file.clone()))?
        }
    };
    Ok((file, text, new))
}

/// Returns the scripts of a redirection.
pub(super) fn redirections(
    look: &HooksFound<'_>,
    choice: &MethodChoice,
    wanted: &HooksWanted,
) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let absolute = look.site.git.work_tree().join(&choice.before);
    let there = HooksFound::open(&absolute)?;
    let names = there.map(|root| root.list(&RelPath::root())).transpose();
    let names = names
        .map_err(|source| Error::Folder {
            name: absolute.to_string_lossy().into_owned(),
            source,
        })?
        .unwrap_or_default();
    let names: Vec<String> = names
        .into_iter()
        .filter_map(|name| String::from_utf8(name).ok())
        .collect();
    Ok(redirect::scripts(wanted, choice.before(look), &names))
}
