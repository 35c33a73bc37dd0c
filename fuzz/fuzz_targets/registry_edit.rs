//! The registry: an edit changes one task's version and nothing else, or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{model::TaskId, registry::Registry};

fuzz_target!(|bytes: &[u8]| {
    let Ok(registry) = Registry::parse(bytes) else {
        return;
    };
    let version = "7.8.9".parse().expect("it is one");
    let tasks: Vec<TaskId> = registry
        .tasks()
        .into_iter()
        .map(|(task, _)| task)
        .take(8)
        .collect();
    let fresh: TaskId = "T5".parse().expect("it is one");
    for task in tasks.iter().chain([&fresh]) {
        let texts = |registry: &Registry| -> Vec<_> {
            tasks
                .iter()
                .filter(|other| *other != task)
                .map(|other| (registry.entry_text(other), registry.version(other).ok()))
                .collect()
        };
        if let Ok(bytes) = registry.with_version(task, &version) {
            let after = Registry::parse(&bytes).expect("an edit leaves a registry");
            assert_eq!(
                after.version(task).expect("it was just written").as_ref(),
                Some(&version)
            );
            assert_eq!(texts(&after), texts(&registry), "the others stay");
            if registry.entry_text(task).is_none() {
                let back = after
                    .without_task(task)
                    .expect("what was added can be removed");
                let back = Registry::parse(&back).expect("an edit leaves a registry");
                assert_eq!(
                    (back.entry_text(task), texts(&back)),
                    (None, texts(&registry))
                );
            }
        }
        if let Ok(bytes) = registry.without_task(task) {
            let after = Registry::parse(&bytes).expect("an edit leaves a registry");
            assert_eq!(
                (after.entry_text(task), texts(&after)),
                (None, texts(&registry))
            );
        }
    }
});
