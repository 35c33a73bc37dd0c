//! The command that shares local results with others.

use crate::{base::secret, site::RepoSite};

/// Returns the command that shares a branch and a tag; empty when there is no known target.
pub fn words(site: &RepoSite, tag: Option<&str>, named: Option<&str>) -> Vec<String> {
    let Ok(target) = site.git.push_target(named) else {
        return Vec::new();
    };
    let remote = secret::clean_text(&target.remote);
    let mut words: Vec<String> = ["git", "push"].map(String::from).to_vec();
    words.extend(tag.map(|_| "--atomic".into()));
    words.extend([remote, target.refspec()]);
    words.extend(tag.map(String::from));
    words
}
