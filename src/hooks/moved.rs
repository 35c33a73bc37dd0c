//! Repairs a moved or copied repository whose `core.hooksPath` still names its former redirection
//! folder. git treats a missing folder as having no hooks at all, so foreign hooks would be lost
//! too; a relative path would not work in linked work trees. Only the line that [`super::setup`]
//! wrote is changed, and an uninstallation still recognises it.

use std::{os::unix::ffi::OsStrExt, path::PathBuf};

use super::{Error, config_text, setup::OWN};
use crate::{base::Failure, git::SaidBy, site::RepoSite};

/// Points `core.hooksPath` to this repository's own folder again; returns where it pointed before,
/// or `None` when there was nothing to do.
///
/// # Errors
/// Fails when the configuration cannot be read or written.
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
    // The same folder under another name is not a moved one.
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
