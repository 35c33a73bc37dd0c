//! Finds which version of a task the guard judges, and since when it is active.

use super::Guard;
use crate::{
    base::{Failure, clock::Moment},
    catalog,
    journal::{
        history::{self, OperationState},
        status::OperationPhase,
    },
    model::{
        TaskId, TaskSpec, Version,
        guard::{Baseline, GuardState, RuleState},
    },
};

impl Guard<'_> {
    /// Starts over when another version became active; only the record of past actions is kept.
    pub(super) fn turn_to_active(
        &self,
        spec: &TaskSpec,
        state: &mut GuardState,
        now: &Moment,
    ) -> Result<(), Failure> {
        let catalog::registry::Active {
            version: active,
            trouble,
        } = catalog::registry::active(self.site, spec);
        let is_unknown = active.is_none() && !trouble.is_empty();
        for line in trouble {
            self.site.warn(line);
        }
        // While the active version is unknown, it is assumed to be unchanged.
        if is_unknown || active == state.version {
            // A start that lies in the future of the clock is moved to now.
            if state
                .since
                .as_ref()
                .is_some_and(|since| now.since(since).is_none())
            {
                state.since = Some(now.clone());
            }
            return Ok(());
        }
        // The previous version was active at least until the last judgement.
        let judged = last_judged(state).filter(|_| state.version.is_some());
        leave_version(state);
        let since = active
            .as_ref()
            .map(|version| self.active_since(&spec.id, version))
            .transpose()?
            .flatten();
        state.since = Some(
            since
                .max(judged.filter(|_| since.is_some()))
                .filter(|then| *then <= now.wall)
                .map_or(now.clone(), Moment::at),
        );
        if state
            .watching
            .as_ref()
            .is_some_and(|watching| active.as_ref() == Some(&watching.from))
        {
            state.watching = None;
        }
        state.version = active;
        Ok(())
    }

    /// Returns when the operation that made this version active ended. `None` when there was no
    /// such operation, or another one came after it: then the start of the version is unknown.
    fn active_since(
        &self,
        task: &TaskId,
        version: &Version,
    ) -> Result<Option<jiff::Timestamp>, Failure> {
        let newest = history::newest(&self.site.state, task, 0, |listed| {
            is_done(listed) && listed.summary.about.to.is_some()
        })?;
        let Some(listed) =
            newest.filter(|listed| listed.summary.about.to.as_ref() == Some(version))
        else {
            return Ok(None);
        };
        let about = &listed.summary.about;
        // A clock that stands still, or was set back since, does not show the real end.
        let ended = history::written(&*self.site.state, &about.id)?
            .filter(|ended| *ended <= self.site.clock.now());
        Ok(ended.max(Some(about.at)))
    }
}

/// Returns when a rule was last judged.
fn last_judged(state: &GuardState) -> Option<jiff::Timestamp> {
    state
        .rules
        .values()
        .filter_map(|rule| rule.judged.as_ref())
        .map(|judged| judged.wall)
        .max()
}

/// Keeps the values of the version that was active as the values before, and forgets its other
/// readings.
fn leave_version(state: &mut GuardState) {
    let value = |state: &RuleState| state.last.as_ref().and_then(|judgement| judgement.value);
    if let Some(version) = state.version.take() {
        let values = state
            .rules
            .iter()
            .filter_map(|(name, rule)| Some((name.clone(), value(rule)?)))
            .collect();
        state.before = Some(Baseline { version, values });
    }
    for rule in state.rules.values_mut() {
        // Unread lines belong to the other version, so reading starts at the end of the file.
        *rule = RuleState {
            metric: std::mem::take(&mut rule.metric),
            ..RuleState::default()
        };
    }
}

/// Returns true when an operation ended as done.
fn is_done(listed: &OperationState) -> bool {
    listed.phase == OperationPhase::Finished { done: true }
}
