//! Tag names: what parses is written back as it was read, and names a reference that git takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::model::{TagName, TaskId};

fuzz_target!(|name: &str| {
    // Every task is known: the longest way through the grammar.
    let every = |_: &TaskId| true;
    let Some(tag) = TagName::parse(name, every) else {
        return;
    };
    assert_eq!(tag.to_string(), name, "a name has one form");
    let task = tag.task().clone();
    assert_eq!(
        TagName::parse(name, |id| *id == task).as_ref(),
        Some(&tag),
        "the task alone is enough"
    );
    let known = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    assert!(
        name.chars().all(known),
        "nothing else can be in a tag: {name:?}"
    );
    assert!(
        !name.contains("..") && !name.ends_with(".lock") && !name.starts_with('-'),
        "git would refuse {name:?}"
    );
});
