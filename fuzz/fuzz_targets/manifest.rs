//! Manifests, of releases and of anything else: what is accepted is written and read again, and
//! every reader says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::model::{AnyManifest, Manifest, Subject, manifest::ManifestFile};

fn assert_safe(files: &[ManifestFile]) {
    for file in files {
        let path = file.path().as_bytes();
        assert!(
            !path.starts_with(b"/")
                && path
                    .split(|byte| *byte == b'/')
                    .all(|name| !name.is_empty() && name != b"..")
        );
    }
}

fuzz_target!(|bytes: &[u8]| {
    let any = AnyManifest::parse_any(bytes);
    if let Ok(any) = &any {
        assert_safe(&any.files);
        if !any.by_hand {
            let text = any
                .render()
                .expect("what was read says all that its format needs");
            let again = AnyManifest::parse_any(text.as_bytes())
                .expect("what was accepted is written in the format");
            assert_eq!(
                (&again, again.render().expect("it did before")),
                (any, text)
            );
        }
    }
    let Ok(manifest) = Manifest::parse(bytes) else {
        assert!(
            !any.is_ok_and(|any| matches!(any.subject, Subject::TaskVersion(_))),
            "a release is one for both readers"
        );
        return;
    };
    let slow = Manifest::parse_yaml(bytes);
    assert_eq!(
        slow.ok().as_ref(),
        Some(&manifest),
        "the quick reader and the YAML parser agree"
    );
    assert_safe(&manifest.files);
    // Written by hand, a checksum may be any text, and is never written again.
    if !manifest.by_hand {
        let text = manifest.render();
        let again =
            Manifest::parse(text.as_bytes()).expect("what was accepted is written in the format");
        assert_eq!((&again, again.render()), (&manifest, text));
    }
});
