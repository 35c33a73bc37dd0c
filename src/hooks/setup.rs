//! Installs hooks and takes them away again.
//!
//! First everything is looked at and everything that would be refused is refused; then the old
//! installation goes, if it is of another kind, and the new one comes. After a kill anywhere the
//! hooks of others run as they always did, and the same command finishes the work.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    Error, config_text,
    place::{Place, Slot},
    redirect,
    script::{Before, kept_name, quoted, shim},
};
use crate::{
    base::{Failure, Fs, RelPath, Root, SyncPoint, fs::create_dir_all},
    git::{HooksFolder, SaidBy},
    ground::Ground,
    model::hooks::{HookEvent, HookLine, HookMethod, HooksPlan, HooksStatus, HooksWanted},
};

/// The folder of redirections, in the state folder.
pub(super) const OWN: &str = "hooks";
/// Says that the hooks folder was made by us, in the state folder.
const MADE: &str = "hooks-folder-made";

/// What there is.
struct Look<'a> {
    ground: &'a Ground,
    /// Where git looks now.
    folder: HooksFolder,
    /// `hooks` in the git directory.
    usual: PathBuf,
    /// Our folder for redirections.
    own: PathBuf,
}

/// The method that is chosen, and the folder that git looks in without us.
struct Choice {
    method: HookMethod,
    before: PathBuf,
    notes: Vec<String>,
}

impl Choice {
    /// The same folder, as the scripts of a redirection name it.
    fn before(&self, look: &Look<'_>) -> Before<'_> {
        if self.before == look.usual {
            Before::Usual
        } else {
            Before::In(&self.before)
        }
    }
}

impl<'a> Look<'a> {
    fn new(ground: &'a Ground) -> Self {
        let common = ground.git.common_dir();
        Self {
            ground,
            folder: ground.git.hooks_folder(),
            usual: common.join("hooks"),
            own: common.join("snapback").join(OWN),
        }
    }

    /// A folder, when it is there.
    fn open(folder: &Path) -> Result<Option<Root>, Error> {
        if !folder.is_dir() {
            return Ok(None);
        }
        Root::open(folder)
            .map(Some)
            .map_err(|source| Error::Folder {
                name: folder.to_string_lossy().into_owned(),
                source,
            })
    }

    /// True when `core.hooksPath` names our folder.
    fn is_redirected(&self) -> bool {
        self.folder.said == self.own
    }

    /// The configuration files that may have lines of ours, with their bytes.
    fn configs(&self) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
        let git = &self.ground.git;
        let mut files = vec![git.config_path(), git.git_dir().join("config.worktree")];
        files.extend(if let SaidBy::File(file) = &self.folder.by {
            Some(file.clone())
        } else {
            None
        });
        files.sort();
        files.dedup();
        let read = |file: PathBuf| Ok((file.clone(), git.read_config(&file)?));
        files.into_iter().map(read).collect()
    }

    /// The folder that git looks in without us.
    fn before(&self) -> Result<PathBuf, Error> {
        if !self.is_redirected() {
            return Ok(self.folder.said.clone());
        }
        Ok(Self::open(&self.own)?
            .and_then(|own| redirect::before(&own))
            .unwrap_or_else(|| self.usual.clone()))
    }

    /// Chooses the method.
    fn choose(&self, wanted: &HooksWanted) -> Result<Choice, Failure> {
        let before = self.before()?;
        let is_usual = before == self.usual;
        let stuck = if is_usual {
            self.unmovable(&wanted.events)?
        } else {
            Vec::new()
        };
        let (method, mut notes) = match wanted.method {
            Some(HookMethod::Shim) if !is_usual => {
                return Err(Error::Method {
                    method: HookMethod::Shim,
                    why: "core.hooksPath names another folder, which is not ours to change",
                }
                .into());
            }
            Some(HookMethod::Shim) if !stuck.is_empty() => {
                return Err(Error::Method {
                    method: HookMethod::Shim,
                    why: "a hook that is there acts on its own name or place",
                }
                .into());
            }
            Some(HookMethod::Config) if !self.ground.git.runs_configured_hooks() => {
                return Err(Error::Method {
                    method: HookMethod::Config,
                    why: "this git does not run hooks of its configuration (2.54 does)",
                }
                .into());
            }
            Some(method) => (method, Vec::new()),
            None if self.ground.git.runs_configured_hooks() => (HookMethod::Config, Vec::new()),
            None if is_usual && stuck.is_empty() => (HookMethod::Shim, Vec::new()),
            None => (HookMethod::Redirect, Vec::new()),
        };
        if method == HookMethod::Redirect {
            let why = if stuck.is_empty() {
                "core.hooksPath is set".to_string()
            } else {
                format!("{} must not be moved", stuck.join(", "))
            };
            notes.push(format!(
                "{why}, so core.hooksPath leads through a folder of snapback to {}",
                before.display()
            ));
        }
        if self.folder.by == SaidBy::Elsewhere && method == HookMethod::Redirect {
            notes.push("core.hooksPath is set outside this repository: when it changes there, run `snapback hooks install` again".into());
        }
        Ok(Choice {
            method,
            before,
            notes,
        })
    }

    /// The hooks that are there and cannot be given another name.
    fn unmovable(&self, events: &[HookEvent]) -> Result<Vec<String>, Error> {
        let Some(root) = Self::open(&self.usual)? else {
            return Ok(Vec::new());
        };
        let place = Place { fs: &root };
        let mut stuck = Vec::new();
        for event in events {
            if place.running(*event)?.is_none()
                && matches!(
                    place.slot(event.name())?,
                    Slot::Foreign { movable: false, .. }
                )
            {
                stuck.push(event.name().to_string());
            }
        }
        Ok(stuck)
    }

    /// Refuses what a person changed: it is neither replaced nor removed.
    fn refuse_edited(&self) -> Result<(), Error> {
        for folder in [&self.usual, &self.own] {
            let Some(root) = Self::open(folder)? else {
                continue;
            };
            if let Some(name) = (Place { fs: &root }).own_names()?.1.first() {
                return Err(Error::Edited {
                    name: folder.join(name).to_string_lossy().into_owned(),
                });
            }
        }
        Ok(())
    }

    /// What is installed by each method: hooks in the usual folder, lines in configurations, our
    /// folder.
    fn found(&self) -> Result<(Vec<String>, bool, bool), Failure> {
        let names = Self::open(&self.usual)?
            .map(|root| Place { fs: &root }.own_names())
            .transpose()?
            .unwrap_or_default()
            .0;
        let in_config = self
            .configs()?
            .iter()
            .any(|(_, text)| config_text::has_ours(text));
        Ok((names, in_config, self.own.is_dir()))
    }
}

/// The block of the configuration that makes git run the hooks.
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

/// The configuration file that is edited, its bytes, and what they become.
fn edited_config(
    look: &Look<'_>,
    choice: &Choice,
    wanted: &HooksWanted,
) -> Result<(PathBuf, Vec<u8>, Vec<u8>), Failure> {
    let git = &look.ground.git;
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
            // A line of ours that somebody else changed may be the one that says it.
            let is_set = is_set && config_text::sets_path(&plain);
            config_text::with_path(&plain, own, is_set)
                .map_err(|_| Error::ConfigForm(file.clone()))?
        }
    };
    Ok((file, text, new))
}

/// The scripts of a redirection.
fn redirections(
    look: &Look<'_>,
    choice: &Choice,
    wanted: &HooksWanted,
) -> Result<std::collections::BTreeMap<String, Vec<u8>>, Error> {
    let absolute = look.ground.git.work_tree().join(&choice.before);
    let there = Look::open(&absolute)?;
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

/// What an installation would do. Reads only; refuses what [`install`] would refuse.
pub fn plan(ground: &Ground, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
    let look = Look::new(ground);
    look.refuse_edited()?;
    let choice = look.choose(wanted)?;
    let mut lines = leftovers(&look, choice.method)?;
    match choice.method {
        HookMethod::Shim => lines.extend(plan_shims(&look, wanted)?),
        HookMethod::Redirect => {
            let scripts = redirections(&look, &choice, wanted)?;
            let has = Look::open(&look.own)?
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

/// What another method left.
fn leftovers(look: &Look<'_>, method: HookMethod) -> Result<Vec<String>, Failure> {
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

/// What shims would be written and taken away.
fn plan_shims(look: &Look<'_>, wanted: &HooksWanted) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    let root = Look::open(&look.usual)?;
    for event in HookEvent::ALL {
        let (name, is_wanted) = (event.name(), wanted.events.contains(&event));
        let place = root.as_ref().map(|root| Place { fs: root });
        let running = place
            .as_ref()
            .map(|place| place.running(event))
            .transpose()?
            .flatten();
        let slot = place
            .as_ref()
            .map(|place| place.slot(name))
            .transpose()?
            .unwrap_or(Slot::Free);
        match (running, slot) {
            (Some((name, _)), _) if !is_wanted => lines.push(format!("take away {name}")),
            (Some((name, bytes)), _)
                if bytes != shim(event, &wanted.program, Before::Beside, wanted.strict) =>
            {
                lines.push(format!("renew {name}"));
            }
            (None, Slot::Free) if is_wanted => {
                lines.push(format!("write {}", look.usual.join(name).display()))
            }
            (None, Slot::Foreign { .. }) if is_wanted => {
                if let Some(place) = &place {
                    place.check_kept(name)?;
                }
                lines.push(format!(
                    "write {}; the hook there runs first, as {}",
                    look.usual.join(name).display(),
                    kept_name(name)
                ));
            }
            (None, Slot::NoHook) if is_wanted => {
                return Err(Error::NoHook {
                    name: look.usual.join(name).to_string_lossy().into_owned(),
                });
            }
            _ => {}
        }
    }
    Ok(lines)
}

/// Installs hooks. The plan says what was done; no lines when all was as it should be.
pub fn install(ground: &Ground, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
    let done = plan(ground, wanted)?;
    let look = Look::new(ground);
    for (file, _) in look.configs()? {
        ground.git.clear_config_lock(&file)?;
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
        HookMethod::Redirect => {
            let own = open_new(&look.own, &*ground.state, OWN)?;
            redirect::write(
                &own,
                &redirections(&look, &choice, wanted)?,
                choice.before(&look),
            )?;
            let (file, old, new) = edited_config(&look, &choice, wanted)?;
            ground.git.replace_config(&file, &old, &new)?;
            if ground.git.told_hooks_path().as_deref() != Some(look.own.as_path()) {
                ground.git.replace_config(&file, &new, &old)?;
                clear_own(&look)?;
                return Err(Error::NotInForce(file).into());
            }
            // Only now: until here the shims did the work.
            clear_shims(&look, &[])?;
        }
        HookMethod::Config => {
            restore_configs(&look)?;
            clear_own(&look)?;
            clear_shims(&look, &[])?;
            let (file, old, new) = edited_config(&Look::new(ground), &choice, wanted)?;
            ground.git.replace_config(&file, &old, &new)?;
            let in_force = |event: &HookEvent| {
                ground
                    .git
                    .listed_hooks(event.name())
                    .iter()
                    .any(|name| name.contains(&format!("snapback-{event}")))
            };
            if !wanted.events.iter().all(in_force) {
                ground.git.replace_config(&file, &new, &old)?;
                return Err(Error::NotInForce(file).into());
            }
        }
    }
    Ok(done)
}

/// Opens a folder below another one, made when it is missing.
fn open_new(folder: &Path, above: &dyn Fs, name: &str) -> Result<Root, Error> {
    let failed = |source| Error::Folder {
        name: folder.to_string_lossy().into_owned(),
        source,
    };
    create_dir_all(above, &RelPath::own(name), 0o755).map_err(failed)?;
    above
        .sync_dir(&RelPath::root(), SyncPoint::TreeDir)
        .map_err(failed)?;
    Root::open(folder).map_err(failed)
}

/// Writes the shims, and takes those away that are not wanted.
fn install_shims(look: &Look<'_>, wanted: &HooksWanted) -> Result<(), Failure> {
    let state = &*look.ground.state;
    if !look.usual.is_dir() {
        // Said before it is done: an uninstallation removes it only when it is empty.
        Place { fs: state }.write(MADE, b"", 0o600)?;
    }
    let common = Root::open(look.ground.git.common_dir()).map_err(|source| Error::Folder {
        name: ".".into(),
        source,
    })?;
    let root = open_new(&look.usual, &common, "hooks")?;
    let place = Place { fs: &root };
    place.sweep()?;
    clear_shims(look, &wanted.events)?;
    for event in &wanted.events {
        place.put(
            *event,
            &shim(*event, &wanted.program, Before::Beside, wanted.strict),
        )?;
    }
    Ok(())
}

/// Takes the shims away, but for some events.
fn clear_shims(look: &Look<'_>, but: &[HookEvent]) -> Result<(), Error> {
    let Some(root) = Look::open(&look.usual)? else {
        return Ok(());
    };
    let place = Place { fs: &root };
    place.sweep()?;
    for name in place.own_names()?.0 {
        let stays = |event: &HookEvent| name.split('.').next() == Some(event.name());
        if !but.iter().any(stays) {
            place.take(&name)?;
        }
    }
    Ok(())
}

/// Takes our lines out of the configurations.
fn restore_configs(look: &Look<'_>) -> Result<bool, Failure> {
    let git = &look.ground.git;
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

/// Removes our folder of redirections; what others put there stays.
fn clear_own(look: &Look<'_>) -> Result<(), Failure> {
    let Some(own) = Look::open(&look.own)? else {
        return Ok(());
    };
    redirect::clear(&own)?;
    let state = &*look.ground.state;
    let failed = |source| Error::Folder {
        name: look.own.to_string_lossy().into_owned(),
        source,
    };
    if own.list(&RelPath::root()).map_err(failed)?.is_empty() {
        state.remove_dir(&RelPath::own(OWN)).map_err(failed)?;
        state
            .sync_dir(&RelPath::root(), SyncPoint::TreeDir)
            .map_err(failed)?;
    }
    Ok(())
}

/// What taking the hooks away would do. Reads only.
pub fn plan_removal(ground: &Ground) -> Result<HooksPlan, Failure> {
    let look = Look::new(ground);
    look.refuse_edited()?;
    let (names, in_config, own) = look.found()?;
    let mut lines: Vec<String> = names
        .iter()
        .map(|name| format!("take away {}", look.usual.join(name).display()))
        .collect();
    let unfinished = Look::open(&look.usual)?
        .map(|root| Place { fs: &root }.unfinished())
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

/// Takes every hook away and brings back what was there, byte for byte.
pub fn remove(ground: &Ground) -> Result<HooksPlan, Failure> {
    let done = plan_removal(ground)?;
    let look = Look::new(ground);
    // The configuration first: while it names our folder, the folder must be there.
    restore_configs(&look)?;
    clear_own(&look)?;
    clear_shims(&look, &[])?;
    let state = &*ground.state;
    let failed = |source| Error::Folder {
        name: look.usual.to_string_lossy().into_owned(),
        source,
    };
    if state.stat(&RelPath::own(MADE)).map_err(failed)?.is_some() {
        let is_empty = Look::open(&look.usual)?
            .map(|root| root.list(&RelPath::root()))
            .transpose()
            .map_err(failed)?;
        if is_empty.is_some_and(|names| names.is_empty()) {
            let common = Root::open(ground.git.common_dir()).map_err(failed)?;
            common.remove_dir(&RelPath::own("hooks")).map_err(failed)?;
        }
        state.remove_file(&RelPath::own(MADE)).map_err(failed)?;
    }
    Ok(done)
}

/// What is installed.
pub fn status(ground: &Ground) -> Result<HooksStatus, Failure> {
    let look = Look::new(ground);
    let before = look.before()?;
    let configured = look
        .configs()?
        .iter()
        .any(|(_, text)| bstr::ByteSlice::contains_str(text.as_slice(), "[hook \"snapback-"));
    let configured = configured && ground.git.runs_configured_hooks();
    let (usual, own) = (Look::open(&look.usual)?, Look::open(&look.own)?);
    let foreign = Look::open(&ground.git.work_tree().join(&before))?;
    let mut notes = Vec::new();
    let mut hooks = Vec::new();
    for event in HookEvent::ALL {
        let listed = configured
            && ground
                .git
                .listed_hooks(event.name())
                .iter()
                .any(|name| name.contains(&format!("snapback-{event}")));
        let running = |root: &Option<Root>| {
            root.as_ref()
                .map(|root| Place { fs: root }.running(event))
                .transpose()
                .map(Option::flatten)
        };
        let in_usual = running(&usual)?;
        let method = match () {
            () if listed => Some(HookMethod::Config),
            () if look.is_redirected() && is_shim(running(&own)?) => Some(HookMethod::Redirect),
            () if look.folder.said == look.usual && in_usual.is_some() => Some(HookMethod::Shim),
            () => None,
        };
        let slot = foreign
            .as_ref()
            .map(|root| Place { fs: root }.slot(event.name()))
            .transpose()?;
        let beside = match slot {
            Some(Slot::Foreign { .. }) => Some(before.join(event.name())),
            Some(Slot::Ours(..))
                if look
                    .usual
                    .join(kept_name(event.name()))
                    .symlink_metadata()
                    .is_ok() =>
            {
                Some(look.usual.join(kept_name(event.name())))
            }
            _ => None,
        };
        let trouble = match (
            &method,
            usual
                .as_ref()
                .map(|root| Place { fs: root }.slot(event.name()))
                .transpose()?,
        ) {
            (_, Some(Slot::Edited)) => Some("it was changed by a person".to_string()),
            (None, Some(Slot::Ours(..))) => Some(
                "it is there, but core.hooksPath leads git elsewhere: install again".to_string(),
            ),
            _ => None,
        };
        hooks.push(HookLine {
            event,
            method,
            beside: beside.map(|path| path.to_string_lossy().into_owned()),
            trouble,
        });
    }
    if look.own.is_dir() && !look.is_redirected() {
        notes.push("core.hooksPath does not lead through snapback any more: run `snapback hooks install` again".into());
    }
    if look.is_redirected() && own.is_none() {
        notes.push(format!(
            "core.hooksPath names {}, which is gone: no hook runs; run `snapback hooks install`",
            look.own.display()
        ));
    }
    Ok(HooksStatus {
        folder: look.folder.said.to_string_lossy().into_owned(),
        hooks,
        notes,
    })
}

/// True for a script that runs snapback, not one that only hands on.
fn is_shim(script: Option<(String, Vec<u8>)>) -> bool {
    script.is_some_and(|(_, bytes)| bstr::ByteSlice::contains_str(bytes.as_slice(), "hook run"))
}
