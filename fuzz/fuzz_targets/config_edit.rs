//! The version in a configuration: an edit changes exactly that scalar, or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{base::RelPath, model::Version, registry::task_config};

const FILES: [&str; 7] = [
    "c.yaml", "c.json", "c.toml", "pom.xml", "setup.cfg", "c.py", "VERSION",
];
const KEYS: [&str; 5] = [
    "version",
    "task.version",
    "a.b.c",
    "__version__",
    "project.version",
];
const VERSIONS: [&str; 3] = ["7.8.9", "1.10.0", "1.2.0-hotfix-20260224"];

fuzz_target!(|input: &[u8]| {
    let Some(([choice], bytes)) = input.split_first_chunk() else {
        return;
    };
    let nth = |by: usize, of: usize| usize::from(*choice) / by % of;
    let (file, key) = (RelPath::own(FILES[nth(1, 7)]), KEYS[nth(7, 5)]);
    let new: Version = VERSIONS[nth(35, 3)].parse().expect("it is one");
    let _ = task_config::version(bytes, &file, key);
    let values = task_config::values(bytes, &file);
    let Ok(after) = task_config::with_version(bytes, &file, key, &new) else {
        return;
    };
    assert_eq!(
        task_config::version(&after, &file, key)
            .expect("it was just written")
            .as_ref(),
        Some(&new)
    );
    // Everything before and after one place is as it was, and what stood there was one scalar.
    let same = |(a, b): &(&u8, &u8)| a == b;
    let front = bytes.iter().zip(&after).take_while(same).count();
    let room = bytes.len().min(after.len()) - front;
    let back = bytes
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take(room)
        .take_while(same)
        .count();
    let old = &bytes[front..bytes.len() - back];
    assert!(
        after.len() - back - front <= new.to_string().len(),
        "only the version is new"
    );
    assert!(
        !old.contains(&b'\n') && !old.contains(&b'\r'),
        "it stood on one line"
    );
    let others = |values: Vec<(String, String)>| {
        values
            .into_iter()
            .filter(|(at, _)| at != key)
            .collect::<Vec<_>>()
    };
    let values_after = task_config::values(&after, &file).expect("an edit leaves its format");
    assert_eq!(
        others(values_after),
        others(values.expect("it could be edited"))
    );
});
