//! The possible changes of a command, found by inspection before it and after its failure.
//!
//! Operations have journals; this is for everything without one. A command names its own places
//! before it changes them; places shared by many commands are always inspected. Places elsewhere,
//! such as at a remote, can only be reported as unseen.

use std::path::PathBuf;

use crate::{
    app::App,
    base::{Failure, footprint::Footprint},
    model::StateAfterFailure,
};

/// The state before the command.
#[derive(Debug, Default)]
pub struct Watch {
    /// The places shared by all commands, after the repository was opened.
    shared: Option<Footprint>,
    /// The places of this command.
    own: Vec<(PathBuf, Footprint)>,
    /// The named items without a file.
    records: Option<Vec<String>>,
    /// Descriptions of what cannot be inspected from here.
    unseen: Vec<String>,
}

impl Watch {
    /// Inspects the places shared by all commands.
    pub fn begin(&mut self, app: &App) {
        self.shared.get_or_insert_with(|| app.footprint(&[]));
    }

    /// Inspects places that are about to be changed.
    pub fn add(&mut self, places: &[PathBuf]) {
        let look = |place: &PathBuf| {
            (
                place.clone(),
                Footprint::of(std::slice::from_ref(place), &|_| false),
            )
        };
        self.own.extend(places.iter().map(look));
    }

    /// Inspects the named items without a file.
    ///
    /// # Errors
    /// Fails when they cannot be read.
    pub fn add_records(&mut self, app: &App) -> Result<(), Failure> {
        self.records = Some(app.named_records()?);
        Ok(())
    }

    /// Records that something that cannot be inspected may change from now on.
    pub fn add_unseen(&mut self, what: &str) {
        self.unseen.push(what.into());
    }

    /// Inspects again, and adds the differences. Changes by operations are in their journals.
    pub fn compare(&self, app: Option<&App>, left: &mut StateAfterFailure) {
        let text = |paths: Vec<PathBuf>| paths.into_iter().map(|path| path.display().to_string());
        let shared = self
            .shared
            .as_ref()
            .zip(app)
            .filter(|_| left.operations.is_empty());
        let shared = shared.map(|(before, app)| app.footprint(&[]).changes_since(before));
        let own = self.own.iter().map(|(place, before)| {
            Footprint::of(std::slice::from_ref(place), &|_| false).changes_since(before)
        });
        for (changed, unseen) in shared.into_iter().chain(own) {
            left.changed.extend(text(changed));
            left.unseen.extend(text(unseen));
        }
        match self
            .records
            .as_ref()
            .zip(app)
            .map(|(before, app)| (before, app.named_records()))
        {
            None => {}
            Some((_, Err(_))) => left.unseen.push("what is named in the store".into()),
            Some((before, Ok(now))) => {
                left.changed.extend(
                    now.iter()
                        .filter(|name| !before.contains(name))
                        .chain(before.iter().filter(|name| !now.contains(name)))
                        .cloned(),
                );
            }
        }
        left.unseen.extend(self.unseen.iter().cloned());
        left.changed.dedup();
    }
}
