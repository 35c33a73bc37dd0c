//! Records on a disk that loses power, fails, or outlives the process that wrote them: a saved
//! record exists, a removed one does not, and none is ever half written.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use snapback::{
    base::Fs,
    records::{JsonRecord, RecordFiles, Records, SYNC_POINTS},
};

use crate::support::sim::{SimFs, sweep};

/// A record that is longer than what a torn write leaves of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    number: u32,
    text: String,
}

impl JsonRecord for Entry {
    const LIMIT: u64 = 1 << 10;
}

fn entry(number: u32) -> Entry {
    Entry {
        number,
        text: "long enough to be torn".into(),
    }
}

fn records(disk: &SimFs) -> Records<'static, Entry> {
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    Records::new(RecordFiles::new(fs), "folder/below")
}

/// Returns the numbers of the existing records, or an error when one is damaged.
fn numbers(disk: &SimFs) -> Result<Vec<(String, u32)>, String> {
    let all = records(disk).all().map_err(|error| error.to_string())?;
    if let Some((key, error)) = all.damaged.first() {
        return Err(format!("{key}: {error}"));
    }
    let number = |(key, entry): (String, Entry)| (key, entry.number);
    Ok(all.whole.into_iter().map(number).collect())
}

/// The records of a disk after each step of [`act`].
const STEPS: [&[(&str, u32)]; 6] = [
    &[],
    &[("a", 1)],
    &[("a", 2)],
    &[("a", 2), ("b", 1)],
    &[("b", 1)],
    &[("b", 1), ("c", 1)],
];

/// Saves, replaces, saves another one, removes the first, saves a third and prunes nothing.
fn act(disk: &SimFs) -> std::io::Result<()> {
    let records = records(disk);
    records.save("a", &entry(1))?;
    records.save("a", &entry(2))?;
    records.save("b", &entry(1))?;
    records.remove("a")?;
    records.save("c", &entry(1))?;
    records.prune(2, |_| true)
}

/// Cuts the power at every call. Returns the number of disks examined.
fn cut_at_every_call(base: &SimFs) -> Result<u64, String> {
    let expected = |found: &[(String, u32)], step: usize| {
        let found = found.iter().map(|(key, number)| (&key[..], *number));
        found.eq(STEPS[step].iter().copied())
    };
    sweep(base, 40, 7, act, |disk, done| {
        let found = numbers(disk)?;
        let good = if done {
            expected(&found, STEPS.len() - 1)
        } else {
            (0..STEPS.len()).any(|step| expected(&found, step))
        };
        if good {
            Ok(())
        } else {
            Err(format!("done: {done}, found {found:?}"))
        }
    })
}

#[test]
fn records_survive_power_cuts_and_every_sync_of_them_is_needed() {
    let base = SimFs::new();
    let looked = cut_at_every_call(&base).unwrap();
    println!("{looked} crash states");
    assert!(looked > 60, "{looked}");
    for point in SYNC_POINTS {
        let mutant = base.fork();
        mutant.skip(point);
        let caught = cut_at_every_call(&mutant);
        println!("{point:?}: {caught:?}");
        assert!(caught.is_err(), "nobody notices that {point:?} is skipped");
    }
}

#[test]
fn what_the_next_process_saves_is_durable_wherever_the_one_before_was_killed() {
    for k in 1.. {
        let disk = SimFs::new();
        disk.crash_at(k);
        let _ = act(&disk);
        let killed = disk.crashed();
        disk.calm();
        records(&disk).save("d", &entry(4)).unwrap();
        for cut in disk.crash_states(40, k) {
            let found = numbers(&cut).unwrap();
            assert!(found.contains(&("d".into(), 4)), "killed at {k}: {found:?}");
        }
        if !killed {
            break;
        }
    }
}

#[test]
fn a_save_that_fails_leaves_what_was_there_and_the_next_one_works() {
    for errno in [libc::ENOSPC, libc::EIO] {
        for k in 1.. {
            let disk = SimFs::new();
            records(&disk).save("a", &entry(1)).unwrap();
            disk.settle();
            let calls = disk.calls();
            disk.fail_at(k, errno, true);
            let saved = records(&disk).save("a", &entry(2));
            let came = disk.calls() >= calls + k;
            disk.calm();
            let found = numbers(&disk).unwrap();
            let is = |number| found == [("a".to_string(), number)];
            // The last call may fail when the new record already has its name.
            assert!(is(2) || (saved.is_err() && is(1)), "call {k}: {found:?}");
            records(&disk).save("a", &entry(3)).unwrap();
            assert_eq!(numbers(&disk).unwrap(), [("a".to_string(), 3)]);
            if !came {
                break;
            }
        }
    }
}
