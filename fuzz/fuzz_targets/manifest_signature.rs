//! The signature of a manifest in a tag's message: what is accepted is there as it is written, once
//! in the last paragraph. What stands above is the user's, who may quote another.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::model::signature::{KeyId, ManifestSignature};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = text.parse::<KeyId>() {
        assert_eq!(key.to_string(), text);
    }
    for message in [
        text.to_string(),
        format!("why\n\nSnapback-Task: T01\nSnapback-Signature: {text}"),
    ] {
        let Ok(signature) = ManifestSignature::in_message(&message) else {
            continue;
        };
        let line = signature.trailer();
        let last = message
            .trim_end_matches('\n')
            .rsplit("\n\n")
            .next()
            .unwrap_or_default();
        assert_eq!(
            last.lines()
                .filter(|found| *found == line.trim_end())
                .count(),
            1
        );
        assert_eq!(
            ManifestSignature::in_message(&format!("x\n\n{line}")),
            Ok(signature)
        );
        assert!(
            ManifestSignature::in_message(&format!("x\n\n{line}{line}")).is_err(),
            "two are none"
        );
    }
});
