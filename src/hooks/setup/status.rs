//! Reports which hooks are installed, by which method, which foreign ones run beside them, and any
//! problems. Reads only.

use std::path::PathBuf;

use super::{is_listed, look::HooksFound};
use crate::{
    base::{Failure, Root},
    hooks::{
        Error,
        place::{HookFile, HookFolder},
        script::kept_name,
    },
    model::hooks::{HookEvent, HookLine, HookMethod, HooksStatus},
    site::RepoSite,
};

/// Returns what is installed.
pub fn status(site: &RepoSite) -> Result<HooksStatus, Failure> {
    let look = HooksFound::new(site);
    let before = look.before()?;
    let configured = look
        .configs()?
        .iter()
        .any(|(_, text)| bstr::ByteSlice::contains_str(text.as_slice(), "[hook \"snapback-"));
    let configured = configured && site.git.runs_configured_hooks();
    let (usual, own) = (HooksFound::open(&look.usual)?, HooksFound::open(&look.own)?);
    let foreign = HooksFound::open(&site.git.work_tree().join(&before))?;
    let installed = Installed {
        look: &look,
        before,
        configured,
        usual,
        own,
        foreign,
    };
    let hooks = HookEvent::ALL
        .into_iter()
        .map(|event| installed.line(event))
        .collect::<Result<_, Error>>()?;
    Ok(HooksStatus {
        folder: look.folder.said.to_string_lossy().into_owned(),
        hooks,
        notes: installed.notes(),
    })
}

/// The hook folders, opened where they exist.
struct Installed<'a> {
    look: &'a HooksFound<'a>,
    /// The folder that git would use without us.
    before: PathBuf,
    /// True when a configuration has our lines and this git runs them.
    configured: bool,
    usual: Option<Root>,
    own: Option<Root>,
    /// The opened folder `before`.
    foreign: Option<Root>,
}

impl Installed<'_> {
    /// Returns what is installed for one event.
    fn line(&self, event: HookEvent) -> Result<HookLine, Error> {
        let method = self.method(event)?;
        let beside = self.beside(event)?;
        let trouble = self.trouble(event, method)?;
        Ok(HookLine {
            event,
            method,
            beside: beside.map(|path| path.to_string_lossy().into_owned()),
            trouble,
        })
    }

    /// Returns the method by which git runs it.
    fn method(&self, event: HookEvent) -> Result<Option<HookMethod>, Error> {
        let look = self.look;
        let listed = self.configured && is_listed(&look.site.git, event);
        let running = |root: &Option<Root>| {
            root.as_ref()
                .map(|root| HookFolder { fs: root }.running(event))
                .transpose()
                .map(Option::flatten)
        };
        let in_usual = running(&self.usual)?;
        Ok(match () {
            () if listed => Some(HookMethod::Config),
            () if look.is_redirected() && is_shim(running(&self.own)?) => {
                Some(HookMethod::Redirect)
            }
            () if look.folder.said == look.usual && in_usual.is_some() => Some(HookMethod::Shim),
            () => None,
        })
    }

    /// Returns the foreign hook that runs too.
    fn beside(&self, event: HookEvent) -> Result<Option<PathBuf>, Error> {
        let kept = self.look.usual.join(kept_name(event.name()));
        Ok(match slot(self.foreign.as_ref(), event)? {
            Some(HookFile::Foreign { .. }) => Some(self.before.join(event.name())),
            Some(HookFile::Ours(..)) if kept.symlink_metadata().is_ok() => Some(kept),
            _ => None,
        })
    }

    /// Returns what is wrong with it.
    fn trouble(
        &self,
        event: HookEvent,
        method: Option<HookMethod>,
    ) -> Result<Option<String>, Error> {
        Ok(match (method, slot(self.usual.as_ref(), event)?) {
            (_, Some(HookFile::Edited)) => Some("it was changed by a person".to_string()),
            (None, Some(HookFile::Ours(..))) => Some(
                "it is there, but core.hooksPath leads git elsewhere: install again".to_string(),
            ),
            _ => None,
        })
    }

    /// Returns what is wrong with the installation as a whole.
    fn notes(&self) -> Vec<String> {
        let look = self.look;
        let mut notes = Vec::new();
        if look.own.is_dir() && !look.is_redirected() {
            notes.push("core.hooksPath does not lead through snapback any more: run `snapback hooks install` again".into());
        }
        if look.is_redirected() && self.own.is_none() {
            notes.push(format!(
                "core.hooksPath names {}, which is gone: no hook runs; run `snapback hooks install`",
                look.own.display()
            ));
        }
        notes
    }
}

/// Returns what an existing folder has in the place of a hook.
fn slot(root: Option<&Root>, event: HookEvent) -> Result<Option<HookFile>, Error> {
    root.map(|root| HookFolder { fs: root }.slot(event.name()))
        .transpose()
}

/// Returns true for a script that runs snapback, not one that only delegates.
fn is_shim(script: Option<(String, Vec<u8>)>) -> bool {
    script.is_some_and(|(_, bytes)| bstr::ByteSlice::contains_str(bytes.as_slice(), "hook run"))
}
