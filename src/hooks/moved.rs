//! A repository that was moved or copied, whose `core.hooksPath` still names the folder of
//! redirections where it was before. git takes a folder that is missing for no hooks at all, so the
//! hooks of others would be gone too; a relative path would not do in linked work trees. Only the
//! line that [`super::setup`] wrote is changed, and it stays the one that an uninstallation knows.

use std::{os::unix::ffi::OsStrExt, path::PathBuf};

use super::{Error, config_text, setup::OWN};
use crate::{base::Failure, git::SaidBy, site::RepoSite};

/// Leads `core.hooksPath` to this repository's own folder again; returns where it led before, or
/// `None` when nothing had to be done.
///
/// # Errors
/// When the configuration cannot be read or written.
pub fn repair(site: &RepoSite) -> Result<Option<PathBuf>, Failure> {
    let git = &site.git;
    let (folder, own) = (
        git.hooks_folder(),
        git.common_dir().join("snapback").join(OWN),
    );
    let SaidBy::File(file) = &folder.by else {
        return Ok(None);
    };
    if folder.said == own || !folder.said.ends_with("snapback/hooks") {
        return Ok(None);
    }
    // The same folder under another name is where it was.
    let Ok(here) = own.canonicalize() else {
        return Ok(None);
    };
    if folder.said.canonicalize().is_ok_and(|said| said == here) {
        return Ok(None);
    }
    let text = git.read_config(file)?;
    let plain = config_text::without(&text, folder.said.as_os_str().as_bytes());
    if plain == text {
        return Ok(None);
    }
    let new = config_text::with_path(
        &plain,
        own.as_os_str().as_bytes(),
        config_text::sets_path(&plain),
    );
    git.replace_config(
        file,
        &text,
        &new.map_err(|_| Error::ConfigForm(file.clone()))?,
    )?;
    Ok(Some(folder.said))
}
