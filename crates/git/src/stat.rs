//! Decides when the index's stat data proves that a file is unchanged.
//!
//! git's own rules use whole seconds, detect races by the modification time only, and can be
//! configured to check less. They keep `git status` fast, and at worst it shows too little; a
//! release would record wrong bytes. Here times count with their nanoseconds, the race rule also
//! uses the change time (which nobody can set back), and if settings or the file system leave a
//! doubt, the file is read.

use gix::index::{
    State,
    entry::{
        Stat,
        stat::{Options, Time},
    },
};

use super::{Error, Repo, error::During, scan::WorkState};
use base::times;

/// The time at which an index was written, in seconds and nanoseconds.
pub(super) type IndexTime = (i64, u32);

/// The rules for comparing the stat data of one repository.
#[derive(Clone, Copy)]
pub(super) struct StatRules {
    git: Options,
    /// False where git is configured to check less than everything (`core.trustCTime`,
    /// `core.checkStat`).
    whole: bool,
}

impl Repo {
    /// Returns the rules according to the repository's settings.
    pub(super) fn stat_rules(&self) -> Result<StatRules, Error> {
        let git = self
            .with(gix::Repository::stat_options)
            .during("reading the configuration")?;
        Ok(StatRules {
            git,
            whole: git.trust_ctime && git.check_stat,
        })
    }
}

impl StatRules {
    /// Compares a file's current stat data, `now`, with an index entry. `fine` tells whether the
    /// times of its file system can be trusted.
    pub fn state(self, now: &Stat, entry: &Stat, written: IndexTime, fine: bool) -> WorkState {
        if !now.matches(entry, self.git) {
            return WorkState::Maybe;
        }
        if !self.whole || !fine || now.ctime.nsecs == 0 {
            return WorkState::Unsure;
        }
        let same = (now.mtime, now.ctime) == (entry.mtime, entry.ctime);
        if same && is_settled(entry, written) {
            WorkState::Clean
        } else {
            WorkState::Maybe
        }
    }

    /// True when an entry proves nothing once it is in a younger index.
    pub fn is_doubtful(entry: &Stat, written: IndexTime) -> bool {
        // git's own rule uses only whole seconds of the modification time.
        *entry == Stat::default()
            || written.0 <= i64::from(entry.mtime.secs)
            || !is_settled(entry, written)
    }
}

/// Returns the time at which an index was written.
pub(super) fn written(index: &State) -> IndexTime {
    let at = index.timestamp();
    (at.unix_seconds(), at.nanoseconds())
}

/// True when the file was not changed shortly before the index was written.
fn is_settled(entry: &Stat, written: IndexTime) -> bool {
    let time = |time: Time| (i64::from(time.secs), time.nsecs);
    times::is_settled(time(entry.mtime), time(entry.ctime), written)
}
