//! Decides how far file times can be trusted as proof that a file was not written.
//!
//! A file with the same size, times and inode is unchanged only where every write sets a new change
//! time (`ctime`), which nobody can set back. Timestamps come from a clock that ticks, so a file
//! that was inspected in the tick of its last change may have changed again; and some file systems
//! round times to seconds, invent them, or return stale ones. A write that is under way has stamped
//! the file already, and so has a page that a program keeps mapped: only a [`super::Witness`] knows
//! that there is none.

use std::{path::Path, time::Duration};

use rustix::fs::StatFs;

/// The longest tick of the clock that stamps files.
pub const TICK: Duration = Duration::from_millis(50);

/// File systems whose writes all update a change time that is finer than [`TICK`], by their
/// `statfs(2)` numbers: ext4, XFS, Btrfs, tmpfs, overlay, ZFS, F2FS, bcachefs. Others (FAT, network
/// file systems, FUSE) may be as precise, but this is not known.
const FINE: [u32; 8] = [
    0xEF53,
    0x5846_5342,
    0x9123_683E,
    0x0102_1994,
    0x794C_7630,
    0x2FC1_2FC1,
    0xF2F5_2010,
    0xCA45_1A4E,
];

/// File systems of [`FINE`] on which the first write to a page through a new memory map shows in
/// the change time: ext4, XFS, Btrfs, F2FS, bcachefs. On tmpfs none does; overlay and ZFS depend on
/// what is below them.
const SHOW_MAPS: [u32; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0xCA45_1A4E];

/// True when the file times on the file system of this open folder can be trusted.
pub fn are_fine(folder: impl std::os::fd::AsFd) -> bool {
    rustix::fs::fstatfs(folder).is_ok_and(|found| is_fine(&found))
}

/// Like [`are_fine`], for a folder given by path.
pub fn are_fine_at(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|found| is_fine(&found))
}

/// Like [`are_fine`], for files that programs may also change through memory maps of their own.
pub fn show_maps(folder: impl std::os::fd::AsFd) -> bool {
    rustix::fs::fstatfs(folder).is_ok_and(|found| SHOW_MAPS.contains(&kind(&found)))
}

fn is_fine(found: &StatFs) -> bool {
    FINE.contains(&kind(found))
}

/// The number of a file system.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::allow_attributes,
    reason = "the numbers have 32 bits"
)]
#[allow(
    clippy::unnecessary_cast,
    reason = "the types differ between platforms"
)]
fn kind(found: &StatFs) -> u32 {
    found.f_type as u32
}

/// Converts a time to nanoseconds since 1970.
fn nanos((seconds, nanos): (i64, u32)) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

/// True when a file inspected at `looked` or later cannot have been changed again without a new
/// change time. A change time without a fractional part was rounded to seconds.
pub fn is_settled(mtime: (i64, u32), ctime: (i64, u32), looked: (i64, u32)) -> bool {
    let tick = i128::from(TICK.subsec_nanos());
    ctime.1 != 0 && nanos(mtime).max(nanos(ctime)) < nanos(looked) - tick
}

/// Returns how long a file must be left alone, from `now`, until it is settled; `None` for one that
/// never is, because its times are coarse or lie in the future.
pub fn until_settled(mtime: (i64, u32), ctime: (i64, u32), now: (i64, u32)) -> Option<Duration> {
    let age = nanos(now) - nanos(mtime).max(nanos(ctime));
    let rest = i128::from(TICK.subsec_nanos()) + 1 - age;
    let is_certain = ctime.1 != 0 && age >= 0;
    is_certain.then(|| Duration::from_nanos(u64::try_from(rest).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_settled_when_it_was_left_alone_for_as_long_as_was_said() {
        let wait = |ctime| until_settled((5, 0), ctime, (10, 60_000_000));
        assert_eq!(wait((10, 1)), Some(Duration::ZERO));
        let rest = wait((10, 30_000_000)).expect("its times are fine");
        assert!(!is_settled((5, 0), (10, 30_000_000), (10, 60_000_000)));
        let later = 60_000_000 + rest.subsec_nanos();
        assert!(is_settled((5, 0), (10, 30_000_000), (10, later)));
        assert!(!is_settled((5, 0), (10, 30_000_000), (10, later - 1)));
        assert_eq!(wait((10, 0)), None, "whole seconds");
        assert_eq!(wait((10, 60_000_001)), None, "a time in the future");
    }

    #[test]
    fn what_changed_in_the_tick_or_has_coarse_times_is_not_settled() {
        assert!(is_settled((5, 0), (10, 1), (10, 60_000_000)));
        assert!(is_settled((-5, 7), (9, 1), (10, 0)));
        assert!(
            !is_settled((5, 0), (10, 1), (10, 50_000_000)),
            "the same tick"
        );
        assert!(!is_settled((5, 0), (10, 0), (20, 0)), "whole seconds");
        assert!(
            !is_settled((30, 0), (10, 1), (20, 0)),
            "a time in the future"
        );
    }

    #[test]
    fn where_maps_leave_no_trace_it_is_known() {
        for folder in ["/proc/self", "/dev/shm"] {
            let open = std::fs::File::open(folder).expect("it is there");
            assert!(!show_maps(open), "{folder}");
        }
    }

    #[test]
    fn a_pipe_is_on_no_file_system_that_is_known() {
        let dir = tempfile::tempdir().expect("it makes folders");
        assert_eq!(
            are_fine_at(dir.path()),
            are_fine(std::fs::File::open(dir.path()).expect("it opens"))
        );
        assert!(!are_fine_at(Path::new("/proc/self")));
    }
}
