//! What people can do next, in a text that is kept or sent: as whoever opened the site says it.

use super::RepoSite;
use crate::{
    base::{Hint, text::shell_word},
    model::Advice,
};

impl RepoSite {
    /// An advice in words.
    pub fn spelled(&self, advice: &Advice) -> String {
        typed(&(self.spell)(advice))
    }

    /// What a hint says to do, in words; none when its reason says it.
    pub fn command_of(&self, hint: &Hint) -> Option<String> {
        let advice = Advice::of(hint.act.as_ref()?);
        Some(advice.map_or_else(|| typed(hint.command()), |advice| self.spelled(&advice)))
    }
}

/// Returns a command as it is typed into a shell.
fn typed(argv: &[String]) -> String {
    let words: Vec<String> = argv.iter().map(|word| shell_word(word)).collect();
    words.join(" ")
}
