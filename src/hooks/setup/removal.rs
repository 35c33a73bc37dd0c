//! Removes hooks: shims, configuration lines, our folder. The earlier state is restored byte for
//! byte, and foreign additions among ours stay.

use std::os::unix::ffi::OsStrExt;

use super::{MADE, OWN, look::HooksFound};
use crate::{
    base::{Failure, Fs, RelPath, Root},
    hooks::{
        Error, config_text,
        place::{HOOK_DIR, HookFolder},
        redirect,
    },
    model::hooks::{HookEvent, HooksPlan},
    site::RepoSite,
};

/// Removes the shims, except for some events.
pub(super) fn clear_shims(look: &HooksFound<'_>, but: &[HookEvent]) -> Result<(), Error> {
    let Some(root) = HooksFound::open(&look.usual)? else {
        return Ok(());
    };
    let place = HookFolder { fs: &root };
    place.sweep()?;
    for name in place.own_names()?.0 {
        let stays = |event: &HookEvent| name.split('.').next() == Some(event.name());
        if !but.iter().any(stays) {
            place.take(&name)?;
        }
    }
    Ok(())
}

/// Removes our lines from the configurations.
pub(super) fn restore_configs(look: &HooksFound<'_>) -> Result<bool, Failure> {
    let git = &look.site.git;
    let mut changed = false;
    for (file, text) in look.configs()? {
        git.clear_config_lock(&file)?;
        let plain = config_text::without(&text, look.own.as_os_str().as_bytes());
        if plain != text {
            git.replace_config(&file, &text, &plain)?;
            changed = true;
        }
    }
    Ok(changed)
}

/// Removes our redirection folder; foreign files in it stay.
pub(super) fn clear_own(look: &HooksFound<'_>) -> Result<(), Failure> {
    let Some(own) = HooksFound::open(&look.own)? else {
        return Ok(());
    };
    redirect::clear(&own)?;
    let state = &*look.site.state;
    let failed = |source| Error::Folder {
        name: look.own.to_string_lossy().into_owned(),
        source,
    };
    if own.list(&RelPath::root()).map_err(failed)?.is_empty() {
        state.remove_dir(&RelPath::own(OWN)).map_err(failed)?;
        state.sync_dir(&RelPath::root(), HOOK_DIR).map_err(failed)?;
    }
    Ok(())
}

/// Returns what a removal would do. Reads only.
pub fn plan_removal(site: &RepoSite) -> Result<HooksPlan, Failure> {
    let look = HooksFound::new(site);
    look.refuse_edited()?;
    let (names, in_config, own) = look.found()?;
    let mut lines: Vec<String> = names
        .iter()
        .map(|name| format!("take away {}", look.usual.join(name).display()))
        .collect();
    let unfinished = HooksFound::open(&look.usual)?
        .map(|root| HookFolder { fs: &root }.unfinished())
        .transpose()?;
    if unfinished.is_some_and(|names| !names.is_empty()) {
        lines.push("remove what a run that was stopped left".into());
    }
    if in_config {
        lines.push("take our lines out of git's configuration".into());
    }
    if own {
        lines.push(format!("remove {}", look.own.display()));
    }
    Ok(HooksPlan {
        method: None,
        lines,
        notes: Vec::new(),
    })
}

/// Removes every hook and restores the earlier state, byte for byte.
pub fn remove(site: &RepoSite) -> Result<HooksPlan, Failure> {
    let done = plan_removal(site)?;
    let look = HooksFound::new(site);
    // The configuration first: while it names our folder, the folder must exist.
    restore_configs(&look)?;
    clear_own(&look)?;
    clear_shims(&look, &[])?;
    let state = &*site.state;
    let failed = |source| Error::Folder {
        name: look.usual.to_string_lossy().into_owned(),
        source,
    };
    if state.stat(&RelPath::own(MADE)).map_err(failed)?.is_some() {
        let is_empty = HooksFound::open(&look.usual)?
            .map(|root| root.list(&RelPath::root()))
            .transpose()
            .map_err(failed)?;
        if is_empty.is_some_and(|names| names.is_empty()) {
            let common = Root::open(site.git.common_dir()).map_err(failed)?;
            common.remove_dir(&RelPath::own("hooks")).map_err(failed)?;
        }
        state.remove_file(&RelPath::own(MADE)).map_err(failed)?;
    }
    Ok(done)
}
