//! Raises the guard's alerts. A failure to raise one never stops the guard's work.

use super::Guard;
use crate::{
    alert::Alerts,
    base::Failure,
    model::{
        Advice, Version,
        alert::{Notice, Topic},
        guard::{Frozen, GuardState},
    },
};

impl Guard<'_> {
    /// Freezes a task and calls a person.
    pub(super) fn freeze_and_call(
        &self,
        state: &mut GuardState,
        why: &str,
        reason: &str,
    ) -> Result<(), Failure> {
        let title = format!(
            "{} needs a person: {} fails and the guard cannot help",
            state.task,
            Version::or_none(state.version.as_ref())
        );
        let thaw = Advice::Thaw {
            task: state.task.clone(),
        };
        let facts = vec![
            ("cannot help".into(), why.to_string()),
            (
                "frozen".into(),
                format!(
                    "the guard leaves it alone until `{}`",
                    self.site.spelled(&thaw)
                ),
            ),
        ];
        // The call precedes the record: a kill in between only causes a second call, which folds
        // into the first.
        self.call(Notice {
            facts,
            ..notice(state, Topic::NeedsPerson, title, reason.into())
        });
        state.firing = None;
        state.frozen = Some(Frozen {
            why: why.into(),
            at: self.site.clock.now(),
            by: "guard".into(),
        });
        Ok(self.memory.save(state)?)
    }

    /// Raises an alert. A failure to do so must not stop the guard's work.
    pub(super) fn call(&self, notice: Notice) {
        if let Err(failure) = Alerts::new(self.site).raise(notice) {
            self.site.warn(format!("nobody could be called: {failure}"));
        }
    }
}

/// Builds a notice about a task and its active version.
pub(super) fn notice(state: &GuardState, event: Topic, title: String, reason: String) -> Notice {
    Notice {
        event,
        task: Some(state.task.clone()),
        title,
        reason,
        from: state.version.clone(),
        to: None,
        facts: Vec::new(),
        op: None,
    }
}
