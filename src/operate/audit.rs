//! The lines of the audit log: for operations, whose journals wait for them, and for changes that
//! have no journal.

use super::Operator;
use crate::{
    audit::AppendMode,
    base::{Due, Failure, user},
    journal::{
        Ending,
        history::{self, OperationState},
        reserve,
    },
    model::{
        Operation, TaskId, Version,
        audit::{AuditEnd, AuditResult, AuditStatement, AuditedAction, Identity, Origin},
        operation::Summary,
    },
};

impl Operator<'_> {
    /// Builds the entry for an action of this process, at the current time.
    fn said(&self, what: AuditedAction, why: &str, result: AuditResult) -> AuditStatement {
        let git = &self.site.git;
        let (uid, user) = user::current();
        let identity = self.site.person().ok();
        let linked = (git.git_dir() != git.common_dir())
            .then(|| git.git_dir().file_name())
            .flatten();
        AuditStatement {
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
    fn said_of(
        &self,
        operation: &Summary,
        by: Option<&str>,
        result: AuditResult,
    ) -> AuditStatement {
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
        let what = AuditedAction {
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
    pub(super) fn write_end(
        &self,
        operation: &Operation,
        by: Option<&str>,
        (once, due): (AppendMode, &Due),
        ending: Ending<'_>,
    ) -> Result<(), Failure> {
        let result = match ending {
            Ending::Done => AuditEnd::Done.into(),
            Ending::Undone(failure) => AuditResult {
                end: AuditEnd::PutBack,
                error: Some(failure.kind().word().into()),
            },
            Ending::Stuck => AuditEnd::Stuck.into(),
        };
        let notes = self.site.audit().append_at(
            &self.said_of(&operation.into(), by, result),
            once,
            Some(due),
        )?;
        for note in notes {
            self.site.warn(note);
        }
        Ok(())
    }

    /// Writes the line that the newest operation still owes.
    pub(super) fn write_missing_line(&self) -> Result<(), Failure> {
        let Some(OperationState { summary, owed, .. }) =
            history::missing_audit_line(&self.site.state)?
        else {
            return Ok(());
        };
        let mut said = self.said_of(
            &summary,
            None,
            AuditResult {
                end: AuditEnd::PutBack,
                error: owed,
            },
        );
        (said.who.name, said.who.email) =
            (Some(summary.about.who.name), Some(summary.about.who.email));
        said.at = summary.about.at;
        let notes = self.site.audit().append(&said, AppendMode::PerhapsThere)?;
        for note in notes {
            self.site.warn(note);
        }
        Ok(())
    }

    /// Records that an action failed before any change. The failure is more important than its
    /// line.
    pub(super) fn note_failed(&self, what: AuditedAction, why: &str, failure: &Failure) {
        let result = AuditResult {
            end: AuditEnd::Failed,
            error: Some(failure.kind().word().into()),
        };
        if let Err(error) = self
            .site
            .audit()
            .append(&self.said(what, why, result), AppendMode::New)
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
    pub fn audited<T>(
        &self,
        what: AuditedAction,
        why: &str,
        act: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let trail = self.site.audit();
        let said = self.said(what, why, AuditEnd::Done.into());
        let warn = |notes: Vec<String>| notes.into_iter().for_each(|note| self.site.warn(note));
        // An action in progress must be on record, even a collection that is to free space.
        let (ticket, notes) = self.with_reserve(|| Ok(trail.begin(said.clone())?))?;
        warn(notes);
        match act() {
            Ok(done) => {
                warn(self.with_reserve(|| Ok(ticket.close(&AuditEnd::Done.into())?))?);
                Ok(done)
            }
            Err(failure) => {
                // The failure matters more than its line, which the next command then writes.
                let result = AuditResult {
                    end: AuditEnd::Failed,
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
pub fn action(kind: &str) -> AuditedAction {
    let id = format!("act-{:016x}", u64::from_be_bytes(crate::base::random()));
    AuditedAction {
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
pub fn action_on(
    kind: &str,
    task: &TaskId,
    from: Option<&Version>,
    to: Option<&Version>,
) -> AuditedAction {
    AuditedAction {
        task: Some(task.clone()),
        from: from.cloned(),
        to: to.cloned(),
        ..action(kind)
    }
}

/// Builds such an action on a named object.
pub fn action_about(kind: &str, about: &str) -> AuditedAction {
    AuditedAction {
        about: Some(crate::audit::line::reason(about)),
        ..action(kind)
    }
}
