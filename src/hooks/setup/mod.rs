//! Installs and removes hooks.
//!
//! First everything is checked, and refused if necessary; then the old installation is removed, if
//! it is of another kind, and the new one is made. After a kill at any point the hooks of others
//! run as before, and repeating the command finishes the work.

mod content;
mod look;
mod removal;
mod status;

use std::path::Path;

use super::{
    Error,
    place::{HOOK_DIR, HookFile, HookFolder},
    redirect,
    script::{PriorHook, kept_name, shim},
};
use crate::{
    base::{Failure, Fs, RelPath, Root, fs::create_dir_all},
    git::Repo,
    model::hooks::{HookEvent, HookMethod, HooksPlan, HooksWanted},
    site::RepoSite,
};
use content::{edited_config, redirections};
use look::{HooksFound, MethodChoice};
use removal::{clear_own, clear_shims, restore_configs};

pub use removal::{plan_removal, remove};
pub use status::status;

/// The redirection folder, in the state folder.
pub(super) const OWN: &str = "hooks";
/// Marker in the state folder that snapback created the hooks folder.
const MADE: &str = "hooks-folder-made";

/// Returns what an installation would do. Reads only; refuses what [`install`] would refuse.
pub fn plan(site: &RepoSite, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
    let look = HooksFound::new(site);
    look.refuse_edited()?;
    let choice = look.choose(wanted)?;
    let mut lines = leftovers(&look, choice.method)?;
    match choice.method {
        HookMethod::Shim => lines.extend(plan_shims(&look, wanted)?),
        HookMethod::Redirect => {
            let scripts = redirections(&look, &choice, wanted)?;
            let has = HooksFound::open(&look.own)?
                .map(|own| redirect::has(&own, &scripts))
                .transpose()?
                .unwrap_or(false);
            let (file, old, new) = edited_config(&look, &choice, wanted)?;
            let names: Vec<&str> = wanted.events.iter().map(|event| event.name()).collect();
            if !has {
                lines.push(format!(
                    "write {} for {}",
                    look.own.display(),
                    names.join(", ")
                ));
            }
            if old != new {
                lines.push(format!("set core.hooksPath in {} to it", file.display()));
            }
        }
        HookMethod::Config => {
            let (file, old, new) = edited_config(&look, &choice, wanted)?;
            if old != new {
                let names: Vec<&str> = wanted.events.iter().map(|event| event.name()).collect();
                lines.push(format!(
                    "add hooks to {}: {}",
                    file.display(),
                    names.join(", ")
                ));
            }
        }
    }
    Ok(HooksPlan {
        method: Some(choice.method),
        lines,
        notes: choice.notes,
    })
}

/// Returns the leftovers of another method.
fn leftovers(look: &HooksFound<'_>, method: HookMethod) -> Result<Vec<String>, Failure> {
    let (names, in_config, own) = look.found()?;
    let mut lines = Vec::new();
    if method != HookMethod::Shim && !names.is_empty() {
        lines.push(format!("take away {}", names.join(", ")));
    }
    if method == HookMethod::Shim && (in_config || own) {
        lines.push("take away what an earlier installation by another method left".into());
    }
    if method == HookMethod::Config && own {
        lines.push(format!("remove {}", look.own.display()));
    }
    Ok(lines)
}

/// Returns which shims would be written and removed.
fn plan_shims(look: &HooksFound<'_>, wanted: &HooksWanted) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    let root = HooksFound::open(&look.usual)?;
    for event in HookEvent::ALL {
        let (name, is_wanted) = (event.name(), wanted.events.contains(&event));
        let place = root.as_ref().map(|root| HookFolder { fs: root });
        let running = place
            .as_ref()
            .map(|place| place.running(event))
            .transpose()?
            .flatten();
        let slot = place
            .as_ref()
            .map(|place| place.slot(name))
            .transpose()?
            .unwrap_or(HookFile::Free);
        match (running, slot) {
            (Some((name, _)), _) if !is_wanted => lines.push(format!("take away {name}")),
            (Some((name, bytes)), _)
                if bytes != shim(event, &wanted.program, PriorHook::Beside, wanted.strict) =>
            {
                lines.push(format!("renew {name}"));
            }
            (None, HookFile::Free) if is_wanted => {
                lines.push(format!("write {}", look.usual.join(name).display()));
            }
            (None, HookFile::Foreign { .. }) if is_wanted => {
                if let Some(place) = &place {
                    place.check_kept(name)?;
                }
                lines.push(format!(
                    "write {}; the hook there runs first, as {}",
                    look.usual.join(name).display(),
                    kept_name(name)
                ));
            }
            (None, HookFile::NoHook) if is_wanted => {
                return Err(Error::NoHook {
                    name: look.usual.join(name).to_string_lossy().into_owned(),
                });
            }
            _ => {}
        }
    }
    Ok(lines)
}

/// Installs hooks. The plan lists what was done; no lines when nothing was needed.
pub fn install(site: &RepoSite, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
    let done = plan(site, wanted)?;
    let look = HooksFound::new(site);
    for (file, _) in look.configs()? {
        site.git.clear_config_lock(&file)?;
    }
    if done.lines.is_empty() {
        return Ok(done);
    }
    let choice = look.choose(wanted)?;
    match choice.method {
        HookMethod::Shim => {
            restore_configs(&look)?;
            clear_own(&look)?;
            install_shims(&look, wanted)?;
        }
        HookMethod::Redirect => install_redirection(&look, &choice, wanted)?,
        HookMethod::Config => install_config(&look, &choice, wanted)?,
    }
    Ok(done)
}

/// Writes our folder, points git to it, and removes the shims.
fn install_redirection(
    look: &HooksFound<'_>,
    choice: &MethodChoice,
    wanted: &HooksWanted,
) -> Result<(), Failure> {
    let site = look.site;
    let own = open_new(&look.own, &*site.state, OWN)?;
    redirect::write(
        &own,
        &redirections(look, choice, wanted)?,
        choice.before(look),
    )?;
    let (file, old, new) = edited_config(look, choice, wanted)?;
    site.git.replace_config(&file, &old, &new)?;
    if site.git.told_hooks_path().as_deref() != Some(look.own.as_path()) {
        site.git.replace_config(&file, &new, &old)?;
        clear_own(look)?;
        return Err(Error::NotInForce(file).into());
    }
    // Only now, because the shims worked until here.
    clear_shims(look, &[])?;
    Ok(())
}

/// Writes the hooks into git's configuration, after removing those of another method.
fn install_config(
    look: &HooksFound<'_>,
    choice: &MethodChoice,
    wanted: &HooksWanted,
) -> Result<(), Failure> {
    let site = look.site;
    restore_configs(look)?;
    clear_own(look)?;
    clear_shims(look, &[])?;
    let (file, old, new) = edited_config(&HooksFound::new(site), choice, wanted)?;
    site.git.replace_config(&file, &old, &new)?;
    let in_force = |event: &HookEvent| is_listed(&site.git, *event);
    if !wanted.events.iter().all(in_force) {
        site.git.replace_config(&file, &new, &old)?;
        return Err(Error::NotInForce(file).into());
    }
    Ok(())
}

/// Returns true when git lists our configured hook.
fn is_listed(git: &Repo, event: HookEvent) -> bool {
    git.listed_hooks(event.name())
        .iter()
        .any(|name| name.contains(&format!("snapback-{event}")))
}

/// Opens a folder below another one, creating it if needed.
fn open_new(folder: &Path, above: &dyn Fs, name: &str) -> Result<Root, Error> {
    let failed = |source| Error::Folder {
        name: folder.to_string_lossy().into_owned(),
        source,
    };
    create_dir_all(above, &RelPath::own(name), 0o755).map_err(failed)?;
    above.sync_dir(&RelPath::root(), HOOK_DIR).map_err(failed)?;
    Root::open(folder).map_err(failed)
}

/// Writes the shims, and removes unwanted ones.
fn install_shims(look: &HooksFound<'_>, wanted: &HooksWanted) -> Result<(), Failure> {
    let state = &*look.site.state;
    if !look.usual.is_dir() {
        // Recorded beforehand: an uninstallation removes the folder only when it is empty.
        HookFolder { fs: state }.write(MADE, b"", 0o600)?;
    }
    let common = Root::open(look.site.git.common_dir()).map_err(|source| Error::Folder {
        name: ".".into(),
        source,
    })?;
    let root = open_new(&look.usual, &common, "hooks")?;
    let place = HookFolder { fs: &root };
    place.sweep()?;
    clear_shims(look, &wanted.events)?;
    for event in &wanted.events {
        place.put(
            *event,
            &shim(*event, &wanted.program, PriorHook::Beside, wanted.strict),
        )?;
    }
    Ok(())
}
