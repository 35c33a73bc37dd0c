//! `plan.json` and `pruned.json`: what is accepted is written and read again, and names only paths
//! of the tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::model::{Operation, operation::Summary, prune::PrunedOperations};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(pruned) = serde_json::from_slice::<PrunedOperations>(bytes) {
        let again = serde_json::to_vec(&pruned).expect("plain data renders");
        assert_eq!(
            serde_json::from_slice::<PrunedOperations>(&again).expect("it was just written"),
            pruned
        );
    }
    let Ok(operation) = serde_json::from_slice::<Operation>(bytes) else {
        return;
    };
    let again = serde_json::to_vec_pretty(&operation).expect("plain data renders");
    assert_eq!(
        serde_json::from_slice::<Operation>(&again).expect("it was just written"),
        operation
    );
    for change in operation.path_changes() {
        let path = change.path.as_bytes();
        assert!(
            !path.starts_with(b"/")
                && path
                    .split(|byte| *byte == b'/')
                    .all(|name| name != b".." && name != b".git")
        );
    }
    let summary = Summary::from(&operation);
    let text = serde_json::to_string(&summary).expect("plain data renders");
    assert_eq!(
        serde_json::from_str::<Summary>(&text).expect("it was just written"),
        summary
    );
    let _ = operation.publication();
});
