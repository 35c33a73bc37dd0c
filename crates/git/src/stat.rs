//! When the stat data of the index proves that a file still is what it was.
//!
//! git's own rules go by seconds, look only at the modification time to find out what is racy, and
//! can be told to look at less. They keep `git status` quick, and at worst it shows too little; a
//! release would keep wrong bytes. Here times count with their nanoseconds, the change time (which
//! nobody can set back) counts in the racy rule too, and where settings or the file system leave
//! a doubt nothing is believed: the file is read.

use gix::index::{
    State,
    entry::{
        Stat,
        stat::{Options, Time},
    },
};

use super::{Error, Repo, error::During, scan::WorkState};
use base::times;

/// The moment at which an index was written, in seconds and nanoseconds.
pub(super) type Written = (i64, u32);

/// How the stat data of one repository is compared.
#[derive(Clone, Copy)]
pub(super) struct StatRules {
    git: Options,
    /// False where git is told to look at less than everything (`core.trustCTime`,
    /// `core.checkStat`).
    whole: bool,
}

impl Repo {
    /// The rules by the settings of the repository.
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
    /// What is known of a file whose stat data is `now`, by an entry of an index. `fine` says
    /// whether the times of its file system can be believed.
    pub fn state(self, now: &Stat, entry: &Stat, written: Written, fine: bool) -> WorkState {
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

    /// True when an entry proves nothing any more once a younger index holds it.
    pub fn is_doubtful(entry: &Stat, written: Written) -> bool {
        // git's own rule knows whole seconds of the modification time only.
        *entry == Stat::default()
            || written.0 <= i64::from(entry.mtime.secs)
            || !is_settled(entry, written)
    }
}

/// When an index was written.
pub(super) fn written(index: &State) -> Written {
    let at = index.timestamp();
    (at.unix_seconds(), at.nanoseconds())
}

/// True when the file was not changed shortly before the index was written.
fn is_settled(entry: &Stat, written: Written) -> bool {
    let time = |time: Time| (i64::from(time.secs), time.nsecs);
    times::is_settled(time(entry.mtime), time(entry.ctime), written)
}
