//! A merge of registries by task: what is merged holds each side's changes, or nothing is merged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::registry::{
    Registry,
    merge::{salvage, three_way},
};

fuzz_target!(|bytes: &[u8]| {
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    let [base, ours, theirs] = parts[..] else {
        // What is salvaged of any bytes is a registry.
        assert!(Registry::parse(salvage(bytes).registry.bytes()).is_ok());
        return;
    };
    let Ok(merged) = three_way(base, ours, theirs) else {
        return;
    };
    let merged = Registry::parse(&merged).expect("a merge leaves a registry");
    let (ours, theirs) = (
        Registry::parse(ours).expect("it was read"),
        Registry::parse(theirs).expect("it was read"),
    );
    for (task, _) in merged.tasks() {
        let text = merged.entry_text(&task);
        assert!(
            text == ours.entry_text(&task) || text == theirs.entry_text(&task),
            "an entry is one side's"
        );
    }
});
