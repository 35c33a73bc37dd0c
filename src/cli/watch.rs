//! What a command may have changed, seen by looking before it and after it failed.
//!
//! Operations are known by their journals; this is for everything that has none. A command names
//! the places of its own before it changes them; those that many commands share are always looked
//! at. What lies elsewhere, at a remote, can only be said to be unseen.

use std::path::PathBuf;

use crate::{
    app::App,
    base::{Failure, footprint::Footprint},
    model::Left,
};

/// What was seen before.
#[derive(Debug, Default)]
pub struct Watch {
    /// The places that all commands share, once the repository was opened.
    shared: Option<Footprint>,
    /// Those of this command.
    own: Vec<(PathBuf, Footprint)>,
    /// What has a name and no file.
    records: Option<Vec<String>>,
    /// What cannot be seen from here.
    unseen: Vec<String>,
}

impl Watch {
    /// Looks at what all commands share.
    pub fn begin(&mut self, app: &App) {
        self.shared.get_or_insert_with(|| app.footprint(&[]));
    }

    /// Looks at places that are about to be changed.
    pub fn add(&mut self, places: &[PathBuf]) {
        let look = |place: &PathBuf| {
            (
                place.clone(),
                Footprint::of(std::slice::from_ref(place), &|_| false),
            )
        };
        self.own.extend(places.iter().map(look));
    }

    /// Looks at what has a name and no file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add_records(&mut self, app: &App) -> Result<(), Failure> {
        self.records = Some(app.named_records()?);
        Ok(())
    }

    /// Something that cannot be looked at may be changed from here on.
    pub fn add_unseen(&mut self, what: &str) {
        self.unseen.push(what.into());
    }

    /// Looks again, and adds what differs. What operations did is said by their journals.
    pub fn compare(&self, app: Option<&App>, left: &mut Left) {
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
