//! How what was made here comes to others: the words of the command that shares it.

use crate::{base::secret, site::RepoSite};

/// The words of the command that shares a branch and a tag; none when there is no saying where.
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
