//! A tree object: each entry is one name below its folder, or refused, and is found by its name.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use snapback::{base::RelPath, git::fuzz};

fuzz_target!(|bytes: &[u8]| {
    let dir = RelPath::own("tasks/T01");
    let Ok(entries) = fuzz::tree(bytes, &dir) else {
        return;
    };
    let mut last = BTreeMap::new();
    for (path, id) in entries {
        assert_eq!(id.as_str().len(), 40);
        let Ok(path) = path else { continue };
        last.insert(path.name().to_vec(), id);
        assert_eq!(path.parent(), dir, "a name has no folders of its own");
        assert_eq!(
            RelPath::parse(path.as_bytes()).as_ref(),
            Ok(&path),
            "it is a path that any reader takes"
        );
        assert_eq!(RelPath::from_text(&path.to_text()).as_ref(), Ok(&path));
    }
    for (name, id) in last {
        let found = fuzz::find_in_tree(bytes, &name);
        assert_eq!(found.expect("it was whole"), Some(id), "of twins the last");
    }
});
