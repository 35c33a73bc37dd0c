//! How a disturbed operation is brought to its end: the recovery, the commands that must work after
//! it, and the next run where there is no journal.

use super::{
    super::{
        checker::{Recovered, Seen, State},
        stage::state,
    },
    Trial, recovery, without_caches,
};

impl Trial<'_> {
    /// Finishes or undoes what is unfinished, then repeats the recovery.
    pub(super) fn recover(&self, seen: &mut Seen, k: u64) {
        let live = &self.stage.live;
        let ran = live.snapback(&[recovery(k), &["--json"]].concat());
        let outcome = serde_json::from_str::<serde_json::Value>(&ran.stdout)
            .ok()
            .and_then(|answer| {
                answer["data"]["report"]["outcome"]
                    .as_str()
                    .map(str::to_string)
            });
        seen.recovery = Some(match (ran.code, outcome.as_deref()) {
            (5, _) => Recovered::Nothing,
            // An abort of what was published already finishes it, and the conflict says so.
            (0, Some("done")) | (7, None) => Recovered::Done,
            (_, Some("undone")) => Recovered::Undone,
            _ => Recovered::Failed(format!("exit {}: {}", ran.code, ran.stdout)),
        });
        seen.found = state(live);
        for word in ["resume", "abort"] {
            let code = live.snapback(&["op", word, "--yes"]).code;
            if code != 5 {
                seen.left
                    .push(format!("op {word} ends with {code} after the recovery"));
            }
        }
        if k.is_multiple_of(4) {
            seen.again = Some(state(live));
            without_caches(live);
            seen.derived = Some(state(live));
        }
        if let (Some([back, forth]), true) = (
            self.operation.back,
            seen.found.is(&self.new) && !self.new.is(&self.old),
        ) {
            let mut after = |word: &str, kept: &mut Option<State>| {
                let ran = live.snapback(&[word, "--yes"]);
                if ran.code != 0 {
                    seen.lost.push(format!(
                        "{word} ends with {}: {}",
                        ran.code,
                        ran.stderr.trim()
                    ));
                }
                *kept = Some(state(live));
            };
            let (mut first, mut second) = (None, None);
            after(back, &mut first);
            if k.is_multiple_of(4) {
                after(forth, &mut second);
            }
            (seen.back, seen.forth) = (first, second);
        }
    }

    /// Repeats an operation that came to nothing; no remains of the first run may prevent it.
    pub(super) fn retry(&self, seen: &mut Seen, k: u64) {
        let nothing = seen.found.is(&self.old) && !self.old.is(&self.new);
        if !nothing || self.operation.interrupted.is_some() || !k.is_multiple_of(2) {
            return;
        }
        let ran = self.stage.live.snapback(self.operation.argv);
        let now = state(&self.stage.live);
        if ran.code != 0 || !now.is(&self.new) {
            seen.lost.push(format!(
                "asked for again: exit {}: {}; {}",
                ran.code,
                ran.stderr.trim(),
                now.differs(&self.new)
            ));
        }
    }

    /// Checks, without a journal, that no mixed state is ever found and that the next run finishes.
    pub(super) fn run_again(&self, seen: &mut Seen) {
        let live = &self.stage.live;
        seen.found = state(live);
        let ran = live.snapback(self.operation.argv);
        let after = state(live);
        if ran.code != 0 || !after.is(&self.new) {
            seen.recovery = Some(Recovered::Failed(format!(
                "run again: {ran:?}; {}",
                after.differs(&self.new)
            )));
        }
        for argv in [
            &["store", "check", "--deep"][..],
            &["verify-snapshot", "--all", "--deep"],
        ] {
            let ran = live.snapback(argv);
            if ran.code != 0 {
                seen.collected.push(format!(
                    "{} ends with {}: {} {}",
                    argv.join(" "),
                    ran.code,
                    ran.stdout.trim(),
                    ran.stderr.trim()
                ));
            }
        }
        for name in after.records["store"].lines() {
            let back = live.top().join(format!("back-{name}"));
            let ran = live.snapback(&["store", "restore", name, "--into", back.to_str().unwrap()]);
            if ran.code != 0 {
                seen.lost
                    .push(format!("{name} does not come back: {}", ran.stderr.trim()));
            }
        }
    }
}
