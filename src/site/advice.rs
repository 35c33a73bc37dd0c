//! What people can do next, in a text that is kept or sent: as whoever opened the site says it.

use super::RepoSite;
use crate::{base::Hint, model::Advice};

impl RepoSite {
    /// An advice in words.
    pub fn spelled(&self, advice: &Advice) -> String {
        (self.spell)(advice).join(" ")
    }

    /// What a hint says to do, in words; none when its reason says it.
    pub fn command_of(&self, hint: &Hint) -> Option<String> {
        let advice = Advice::of(hint.act.as_ref()?);
        Some(advice.map_or_else(|| hint.command().join(" "), |advice| self.spelled(&advice)))
    }
}
