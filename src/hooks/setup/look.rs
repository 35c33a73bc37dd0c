//! Inspects the state before hooks are installed or removed: where git looks, what is ours there,
//! and the usable method. Reads only, and refuses files that a user changed.

use std::path::{Path, PathBuf};

use super::OWN;
use crate::{
    base::{Failure, Root},
    git::{HooksFolder, SaidBy},
    hooks::{
        Error, config_text,
        place::{HookFile, HookFolder},
        redirect,
        script::PriorHook,
    },
    model::hooks::{HookEvent, HookMethod, HooksWanted},
    site::RepoSite,
};

/// The present state.
pub(super) struct HooksFound<'a> {
    pub(super) site: &'a RepoSite,
    /// Where git looks now.
    pub(super) folder: HooksFolder,
    /// `hooks` in the git directory.
    pub(super) usual: PathBuf,
    /// Our folder for redirections.
    pub(super) own: PathBuf,
}

/// The chosen method, and the folder that git would use without us.
pub(super) struct MethodChoice {
    pub(super) method: HookMethod,
    pub(super) before: PathBuf,
    pub(super) notes: Vec<String>,
}

impl MethodChoice {
    /// Returns that folder in the form used by the scripts of a redirection.
    pub(super) fn before(&self, look: &HooksFound<'_>) -> PriorHook<'_> {
        if self.before == look.usual {
            PriorHook::Usual
        } else {
            PriorHook::In(&self.before)
        }
    }
}

impl<'a> HooksFound<'a> {
    pub(super) fn new(site: &'a RepoSite) -> Self {
        let common = site.git.common_dir();
        Self {
            site,
            folder: site.git.hooks_folder(),
            usual: common.join("hooks"),
            own: common.join("snapback").join(OWN),
        }
    }

    /// Opens a folder, if it exists.
    pub(super) fn open(folder: &Path) -> Result<Option<Root>, Error> {
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

    /// Returns true when `core.hooksPath` names our folder.
    pub(super) fn is_redirected(&self) -> bool {
        self.folder.said == self.own
    }

    /// Returns the configuration files that may contain our lines, with their bytes.
    pub(super) fn configs(&self) -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
        let git = &self.site.git;
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

    /// Returns the folder that git would use without us.
    pub(super) fn before(&self) -> Result<PathBuf, Error> {
        if !self.is_redirected() {
            return Ok(self.folder.said.clone());
        }
        Ok(Self::open(&self.own)?
            .and_then(|own| redirect::before(&own))
            .unwrap_or_else(|| self.usual.clone()))
    }

    /// Chooses the method.
    pub(super) fn choose(&self, wanted: &HooksWanted) -> Result<MethodChoice, Failure> {
        let before = self.before()?;
        let is_usual = before == self.usual;
        let stuck = if is_usual {
            self.unmovable(&wanted.events)?
        } else {
            Vec::new()
        };
        let method = self.method(wanted.method, is_usual, &stuck)?;
        let mut notes = Vec::new();
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
        Ok(MethodChoice {
            method,
            before,
            notes,
        })
    }

    /// Returns the requested method if usable here, otherwise the first usable one. `is_usual` when
    /// no other folder is configured; `stuck` lists hooks there that cannot be renamed.
    fn method(
        &self,
        wanted: Option<HookMethod>,
        is_usual: bool,
        stuck: &[String],
    ) -> Result<HookMethod, Error> {
        let runs_configured = || self.site.git.runs_configured_hooks();
        match wanted {
            Some(HookMethod::Shim) if !is_usual => Err(Error::Method {
                method: HookMethod::Shim,
                why: "core.hooksPath names another folder, which is not ours to change",
            }),
            Some(HookMethod::Shim) if !stuck.is_empty() => Err(Error::Method {
                method: HookMethod::Shim,
                why: "a hook that is there acts on its own name or place",
            }),
            Some(HookMethod::Config) if !runs_configured() => Err(Error::Method {
                method: HookMethod::Config,
                why: "this git does not run hooks of its configuration (2.54 does)",
            }),
            Some(method) => Ok(method),
            None if runs_configured() => Ok(HookMethod::Config),
            None if is_usual && stuck.is_empty() => Ok(HookMethod::Shim),
            None => Ok(HookMethod::Redirect),
        }
    }

    /// Returns the existing hooks that cannot be renamed.
    fn unmovable(&self, events: &[HookEvent]) -> Result<Vec<String>, Error> {
        let Some(root) = Self::open(&self.usual)? else {
            return Ok(Vec::new());
        };
        let place = HookFolder { fs: &root };
        let mut stuck = Vec::new();
        for event in events {
            if place.running(*event)?.is_none()
                && matches!(
                    place.slot(event.name())?,
                    HookFile::Foreign { movable: false, .. }
                )
            {
                stuck.push(event.name().to_string());
            }
        }
        Ok(stuck)
    }

    /// Refuses files changed by a user: they are neither replaced nor removed.
    pub(super) fn refuse_edited(&self) -> Result<(), Error> {
        for folder in [&self.usual, &self.own] {
            let Some(root) = Self::open(folder)? else {
                continue;
            };
            if let Some(name) = (HookFolder { fs: &root }).own_names()?.1.first() {
                return Err(Error::Edited {
                    name: folder.join(name).to_string_lossy().into_owned(),
                });
            }
        }
        Ok(())
    }

    /// Returns what is installed by each method: hooks in the usual folder, lines in
    /// configurations, our folder.
    pub(super) fn found(&self) -> Result<(Vec<String>, bool, bool), Failure> {
        let names = Self::open(&self.usual)?
            .map(|root| HookFolder { fs: &root }.own_names())
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
