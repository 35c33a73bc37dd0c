//! Our own folder that `core.hooksPath` names where hooks must not be renamed.
//!
//! It has a script for every name that git may look up: ours for the wanted hooks, and for the
//! others one that delegates to the folder named before. A hook whose mere presence changes git's
//! behaviour is delegated only if it existed.

use std::{collections::BTreeMap, ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use super::{
    Error,
    place::{HookFile, HookFolder},
    script::{PriorHook, forward, shim},
};
use crate::{
    base::{Fs, RelPath, fs::read_limited},
    model::hooks::{HookEvent, HooksWanted},
};

/// Hooks that may exist without effect.
const HARMLESS: [&str; 21] = [
    "applypatch-msg",
    "commit-msg",
    "p4-changelist",
    "p4-post-changelist",
    "p4-pre-submit",
    "p4-prepare-changelist",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-merge",
    "post-receive",
    "post-rewrite",
    "post-update",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "prepare-commit-msg",
    "sendemail-validate",
];
/// The file that records the folder named before; not a hook's name.
const BEFORE: &str = "before";

/// Returns the scripts that the folder must have. `there` lists the hooks of the earlier folder.
pub fn scripts(
    wanted: &HooksWanted,
    before: PriorHook<'_>,
    there: &[String],
) -> BTreeMap<String, Vec<u8>> {
    let is_plain = |name: &&String| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    let names = HARMLESS
        .iter()
        .map(ToString::to_string)
        .chain(there.iter().filter(is_plain).cloned());
    names
        .map(|name| {
            let text = match name.parse::<HookEvent>() {
                Ok(event) if wanted.events.contains(&event) => {
                    shim(event, &wanted.program, before, wanted.strict)
                }
                _ => forward(&name, before),
            };
            (name, text)
        })
        .collect()
}

/// Returns the folder named before, as the redirection records it; `None`: none was named.
pub fn before(fs: &dyn Fs) -> Option<PathBuf> {
    let bytes = read_limited(fs, &RelPath::own(BEFORE), 1 << 16).ok()?;
    (!bytes.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(&bytes)))
}

/// Returns true when the folder has exactly these scripts.
pub fn has(fs: &dyn Fs, scripts: &BTreeMap<String, Vec<u8>>) -> Result<bool, Error> {
    let place = HookFolder { fs };
    let (ours, _) = place.own_names()?;
    let is = |(name, text): (&String, &Vec<u8>)| {
        Ok::<_, Error>(matches!(place.slot(name)?, HookFile::Ours(_, bytes) if bytes == *text))
    };
    Ok(ours.len() == scripts.len()
        && scripts
            .iter()
            .map(is)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .all(|is| is))
}

/// Writes the scripts, and removes unwanted ones.
pub fn write(
    fs: &dyn Fs,
    scripts: &BTreeMap<String, Vec<u8>>,
    before: PriorHook<'_>,
) -> Result<(), Error> {
    let place = HookFolder { fs };
    place.sweep()?;
    let named = if let PriorHook::In(folder) = before {
        folder.as_os_str().as_bytes()
    } else {
        b""
    };
    place.write(BEFORE, named, 0o644)?;
    for (name, text) in scripts {
        if !matches!(place.slot(name)?, HookFile::Ours(_, bytes) if bytes == *text) {
            place.write(name, text, 0o755)?;
        }
    }
    let (ours, _) = place.own_names()?;
    ours.iter()
        .filter(|name| !scripts.contains_key(*name))
        .try_for_each(|name| place.take(name))
}

/// Removes the scripts. Foreign files in the folder stay.
pub fn clear(fs: &dyn Fs) -> Result<(), Error> {
    let place = HookFolder { fs };
    place.sweep()?;
    for name in place.own_names()?.0 {
        place.take(&name)?;
    }
    let failed = |source| Error::Folder {
        name: BEFORE.into(),
        source,
    };
    match fs.stat(&RelPath::own(BEFORE)).map_err(failed)? {
        Some(_) => fs.remove_file(&RelPath::own(BEFORE)).map_err(failed),
        None => Ok(()),
    }
}
