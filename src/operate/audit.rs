//! The lines of the audit log: for operations, whose journals wait for them, and for changes that
//! have no journal.

use super::Operator;
use crate::{
    audit::Once,
    base::{Failure, user},
    journal::{
        Ending,
        history::{self, Listed},
        reserve,
    },
    model::{
        Operation, TaskId, Version,
        audit::{Deed, End, Ended, Identity, Origin, Said},
        operation::Summary,
    },
};

impl Operator<'_> {
    /// Builds the entry for an action of this process, at the current time.
    fn said(&self, what: Deed, why: &str, result: Ended) -> Said {
        let git = &self.site.git;
        let (uid, user) = user::current();
        let identity = self.site.person().ok();
        let linked = (git.git_dir() != git.common_dir())
            .then(|| git.git_dir().file_name())
            .flatten();
        Said {
            at: self.site.clock.now(),
            who: Identity {
                name: identity.as_ref().map(|who| who.name.clone()),
                email: identity.map(|who| who.email),
                user,
                uid,
                host: self.site.host.clone(),
            },
            what,
            why: crate::audit::line::reason(why),
            from: Origin {
                via: self.site.actor.via,
                tree: linked.map(|name| name.to_string_lossy().into_owned()),
                dir: git.prefix().to_text(),
            },
            result,
        }
    }

    /// Builds the entry for an operation.
    fn said_of(&self, operation: &Summary, by: Option<&str>, result: Ended) -> Said {
        let undone = operation
            .about
            .undoes
            .iter()
            .map(|undone| format!("takes back {undone}"));
        let unsigned = operation
            .about
            .unsigned
            .iter()
            .map(|_| "not signed: that could not be done".to_string());
        let about: Vec<String> = undone.chain(unsigned).collect();
        let what = Deed {
            id: operation.about.id.to_string(),
            kind: operation.about.kind.word().into(),
            by: by.map(String::from),
            task: operation.about.task.clone(),
            from: operation.about.from.clone(),
            to: operation.about.to.clone(),
            about: (!about.is_empty()).then(|| about.join("; ")),
        };
        self.said(what, &operation.about.message, result)
    }

    /// Writes the line of an operation that is about to end.
    pub(super) fn witness(
        &self,
        operation: &Operation,
        by: Option<&str>,
        once: Once,
        ending: Ending<'_>,
    ) -> Result<(), Failure> {
        let result = match ending {
            Ending::Done => End::Done.into(),
            Ending::Undone(failure) => Ended {
                end: End::PutBack,
                error: Some(failure.kind().word().into()),
            },
            Ending::Stuck => End::Stuck.into(),
        };
        let notes = self
            .site
            .audit()
            .append(&self.said_of(&operation.into(), by, result), once)?;
        for note in notes {
            self.site.warn(note);
        }
        Ok(())
    }

    /// Writes the line that the newest operation still owes.
    pub(super) fn pay_owed_line(&self) -> Result<(), Failure> {
        let Some(Listed { summary, owed, .. }) = history::owed(&self.site.state)? else {
            return Ok(());
        };
        let mut said = self.said_of(
            &summary,
            None,
            Ended {
                end: End::PutBack,
                error: owed,
            },
        );
        (said.who.name, said.who.email) =
            (Some(summary.about.who.name), Some(summary.about.who.email));
        said.at = summary.about.at;
        let notes = self.site.audit().append(&said, Once::PerhapsThere)?;
        for note in notes {
            self.site.warn(note);
        }
        Ok(())
    }

    /// Records that an action failed before any change. The failure is more important than its
    /// line.
    pub(super) fn note_failed(&self, what: Deed, why: &str, failure: &Failure) {
        let result = Ended {
            end: End::Failed,
            error: Some(failure.kind().word().into()),
        };
        if let Err(error) = self
            .site
            .audit()
            .append(&self.said(what, why, result), Once::New)
        {
            self.site.warn(format!(
                "the audit log does not know of it: {}",
                Failure::from(error)
            ));
        }
    }

    /// Performs an action that has no journal, with a line in the audit log.
    ///
    /// # Errors
    /// Fails as the action does, and when its line cannot be written.
    pub fn witnessed<T>(
        &self,
        what: Deed,
        why: &str,
        act: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let trail = self.site.audit();
        let said = self.said(what, why, End::Done.into());
        let warn = |notes: Vec<String>| notes.into_iter().for_each(|note| self.site.warn(note));
        // An action in progress must be on record, even a collection that is to free space.
        let (ticket, notes) = self.with_reserve(|| Ok(trail.begin(said.clone())?))?;
        warn(notes);
        match act() {
            Ok(done) => {
                warn(self.with_reserve(|| Ok(ticket.close(&End::Done.into())?))?);
                Ok(done)
            }
            Err(failure) => {
                // The failure matters more than its line, which the next command then writes.
                let result = Ended {
                    end: End::Failed,
                    error: Some(failure.kind().word().into()),
                };
                let _ = self.with_reserve(|| Ok(ticket.close(&result)?));
                Err(failure)
            }
        }
    }

    /// Runs a repeatable action; if the disk is full, runs it again after releasing the space
    /// reserved for recoveries.
    fn with_reserve<T>(&self, act: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        match act() {
            Err(failure) if failure.is_disk_full() && reserve::free(&*self.site.state) => act(),
            other => other,
        }
    }
}

/// Builds an action that is not a journalled operation.
pub fn deed(kind: &str) -> Deed {
    let id = format!("act-{:016x}", u64::from_be_bytes(crate::base::random()));
    Deed {
        id,
        kind: kind.into(),
        by: None,
        task: None,
        from: None,
        to: None,
        about: None,
    }
}

/// Builds such an action on a version of a task.
pub fn deed_on(kind: &str, task: &TaskId, from: Option<&Version>, to: Option<&Version>) -> Deed {
    Deed {
        task: Some(task.clone()),
        from: from.cloned(),
        to: to.cloned(),
        ..deed(kind)
    }
}

/// Builds such an action on a named object.
pub fn deed_about(kind: &str, about: &str) -> Deed {
    Deed {
        about: Some(crate::audit::line::reason(about)),
        ..deed(kind)
    }
}
