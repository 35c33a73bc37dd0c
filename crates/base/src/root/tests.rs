//! Tests of the real file system: refused links, exclusive creation, atomic swaps.

use std::io::{Read, Write};

use super::{
    super::fs::{Fs, Type},
    *,
};

#[test]
fn no_link_is_followed_in_any_component() {
    let dir = tempfile::tempdir().expect("because tests can make folders");
    let outside = tempfile::tempdir().expect("because tests can make folders");
    let root = Root::open(dir.path()).expect("it opens");
    let own = |text: &str| RelPath::own(text);
    root.symlink(outside.path().as_os_str().as_encoded_bytes(), &own("d"))
        .expect("it links");
    root.create_dir(&own("real"), 0o755)
        .expect("it makes a folder");
    root.symlink(b"real", &own("in")).expect("it links");
    assert!(root.create(&own("d/x"), 0o644).is_err());
    assert!(
        root.create(&own("in/x"), 0o644).is_err(),
        "not even a link that stays inside"
    );
    assert!(root.create(&own("../x"), 0o644).is_err());
    assert!(root.open(&own("d")).is_err());
    assert!(
        root.stat(&own("d/x")).expect("it stats").is_none(),
        "nothing of ours is behind a link"
    );
    assert_eq!(
        root.stat(&own("d"))
            .expect("it stats")
            .expect("it is there")
            .kind,
        Type::Symlink
    );
    assert_eq!(outside.path().read_dir().expect("it lists").count(), 0);
}

#[test]
fn an_existing_file_is_never_created_over_and_swaps_are_atomic() {
    let dir = tempfile::tempdir().expect("because tests can make folders");
    let root = Root::open(dir.path()).expect("it opens");
    let (a, b) = (RelPath::own("a"), RelPath::own("b"));
    root.create(&a, 0o644)
        .expect("new")
        .write_all(b"A")
        .expect("it writes");
    root.create(&b, 0o600)
        .expect("new")
        .write_all(b"B")
        .expect("it writes");
    assert!(root.create(&a, 0o644).is_err());
    root.exchange(&a, &b).expect("ext4 and tmpfs can");
    let mut text = String::new();
    root.open(&a)
        .expect("it opens")
        .read_to_string(&mut text)
        .expect("it reads");
    assert_eq!(text, "B");
}
